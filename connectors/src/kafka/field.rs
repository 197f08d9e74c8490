//! One field of a JSON object, picked without building the rest.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What a field holds as a line: a text as it is, everything else as JSON.
///
/// Dots in the path lead into objects; a member whose name has the dots in it is found too. The last one of
/// a name counts.
///
/// # Errors
/// What is wrong with the JSON, or that there is no such field.
pub(super) fn pick(json: &[u8], path: &str) -> Result<String, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let picked = deserializer
        .deserialize_any(Pick(path))
        .and_then(|picked| deserializer.end().map(|()| picked));
    match picked {
        Ok(Some(Value::String(text))) => Ok(text),
        Ok(Some(value)) => Ok(value.to_string()),
        Ok(None) => Err(format!("no field {path:?}")),
        Err(error) => Err(format!("no json: {error}")),
    }
}

/// The path that is left to go.
struct Pick<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = None;
        while let Some(key) = map.next_key::<String>()? {
            let behind = self.0.strip_prefix(key.as_str());
            match behind.map(|behind| (behind, behind.strip_prefix('.'))) {
                Some(("", _)) => {
                    picked = Some(map.next_value()?).filter(|value: &Value| !value.is_null())
                }
                Some((_, Some(rest))) => {
                    let within = map.next_value_seed(Pick(rest))?;
                    picked = within.or(picked);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(picked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_path_and_by_name() {
        for (json, path, expected) in [
            (r#"{"message":"a line","x":1}"#, "message", Ok("a line")),
            (
                r#"{"log":{"a":[1,{}],"original":"é\n"}}"#,
                "log.original",
                Ok("é\n"),
            ),
            (r#"{"log.original":"flat"}"#, "log.original", Ok("flat")),
            (
                r#"{"log":7,"log.original":"flat"}"#,
                "log.original",
                Ok("flat"),
            ),
            (
                r#"{"log.original":"flat","log":{"x":1}}"#,
                "log.original",
                Ok("flat"),
            ),
            (
                r#"{"m":{"a":[1,true,null]}}"#,
                "m",
                Ok(r#"{"a":[1,true,null]}"#),
            ),
            (r#"{"m":"one","m":"two"}"#, "m", Ok("two")),
            (r#"{"m":null}"#, "m", Err("no field \"m\"")),
            (r#"{"message":"x"}"#, "mess", Err("no field \"mess\"")),
            (r#"["m"]"#, "m", Err("no field \"m\"")),
            ("12", "m", Err("no field \"m\"")),
        ] {
            let picked = pick(json.as_bytes(), path);
            assert_eq!(
                picked.as_deref().map_err(String::as_str),
                expected,
                "{json}"
            );
        }
        for json in [
            &b"{\"m\":\"x\"} y"[..],
            b"",
            b"{\"m\"",
            b"{\"m\":\"\xff\"}",
            b"Mar 10",
        ] {
            assert!(
                pick(json, "m").unwrap_err().starts_with("no json"),
                "{json:?}"
            );
        }
        let deep = format!("{{\"m\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(pick(deep.as_bytes(), "m").is_err());
        assert!(pick(deep.as_bytes(), "x").is_err());
    }
}
