//! Alert context: values that every alert takes along, so that people see what happened.
//!
//! `http_base` and its kin say which expressions give the values of a key; all values of all kept
//! events make one JSON list a key (`pkg/alertcontext`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use overspill_event::{Event, MetaItem};
use overspill_expr::{Context, Map, NoStash, Program, RequestObject, Services, Value};
use overspill_golike::json::{Escape, append_string};
use overspill_golike::time::Time;

/// The compiled context of all installed content.
#[derive(Debug, Clone)]
pub struct AlertContext {
    /// Expressions by key. The keys' order is that of the alert's items.
    keys: BTreeMap<Arc<str>, Vec<Program>>,
    value_bytes_max: usize,
}

impl Default for AlertContext {
    fn default() -> Self {
        Self::new([], 0)
    }
}

impl AlertContext {
    /// Longest text of one key's list in bytes; also what 0 stands for.
    pub const VALUE_BYTES_MAX: usize = 4_000;

    /// A context of these expressions; a repeated one of the same key counts once.
    /// `value_bytes_max` is `console_context_value_length`.
    #[must_use]
    pub fn new(
        keys: impl IntoIterator<Item = (Arc<str>, Vec<Program>)>,
        value_bytes_max: usize,
    ) -> Self {
        let mut by_key: BTreeMap<Arc<str>, Vec<Program>> = BTreeMap::new();
        for (key, programs) in keys {
            let known = by_key.entry(key).or_default();
            for program in programs {
                if known.iter().all(|other| other.text() != program.text()) {
                    known.push(program);
                }
            }
        }
        let value_bytes_max = match value_bytes_max {
            1..=Self::VALUE_BYTES_MAX => value_bytes_max,
            _ => Self::VALUE_BYTES_MAX,
        };
        Self {
            keys: by_key,
            value_bytes_max,
        }
    }

    /// The expressions, by key.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.keys.values().flatten()
    }

    /// One item for each key that has a value.
    pub(super) fn evaluate(
        &self,
        events: &mut [Event],
        now: Time,
        services: &Services,
    ) -> Vec<MetaItem> {
        if self.keys.is_empty() {
            return Vec::new();
        }
        let vars = [Value::Map(Map::of([])), Value::object(RequestObject)];
        let mut items = Vec::new();
        for (key, programs) in &self.keys {
            let mut values = Distinct::default();
            for event in &mut *events {
                for program in programs {
                    let mut context = Context {
                        evt: Some(&mut *event),
                        vars: &vars,
                        stash: &mut NoStash,
                        services,
                        now,
                    };
                    match program.eval(&mut context) {
                        Ok(value) => values.take(&value),
                        Err(error) => {
                            services.log.warn(&format!("alert context {key}: {error}"));
                        }
                    }
                }
            }
            if !values.in_order.is_empty() {
                let value = json_list(values.in_order, self.value_bytes_max);
                items.push(MetaItem {
                    key: key.to_string(),
                    value,
                });
            }
        }
        items
    }
}

/// Values in the order in which they first came, each once, none empty.
#[derive(Default)]
struct Distinct {
    in_order: Vec<Vec<u8>>,
    seen: BTreeSet<Vec<u8>>,
}

impl Distinct {
    fn take(&mut self, value: &Value) {
        match value.behind_pointer() {
            Value::Str(bytes) => self.push(bytes),
            Value::Int(number) => self.push(number.to_string().as_bytes()),
            Value::List(list) if matches!(list.element_type(), "string" | "int") => {
                for item in list.iter() {
                    self.push(&item.text());
                }
            }
            other if is_zero(other) => {}
            other => self.push(&other.text()),
        }
    }

    fn push(&mut self, text: &[u8]) {
        if !text.is_empty() && self.seen.insert(text.to_vec()) {
            self.in_order.push(text.to_vec());
        }
    }
}

/// Go skips the zero value of a type it has no rule for.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Nil | Value::Bool(false) | Value::Sized(0, _) | Value::Duration(0) => true,
        Value::Float(number) => *number == 0.0,
        Value::Float32(number) => *number == 0.0,
        Value::Time(time) => time.is_zero(),
        _ => false,
    }
}

/// A JSON list of at most `bytes_max` bytes: values at the end are left out, and a single one that
/// is too long is halved until it fits.
fn json_list(values: Vec<Vec<u8>>, bytes_max: usize) -> String {
    let mut encoded: Vec<Vec<u8>> = values.iter().map(|value| json_string(value)).collect();
    // Brackets, and a comma between two values.
    let mut len = encoded.iter().map(|text| text.len() + 1).sum::<usize>() + 1;
    while len > bytes_max && encoded.len() > 1 {
        len -= encoded.pop().map_or(0, |text| text.len() + 1);
    }
    if len > bytes_max
        && let (Some(text), Some(value)) = (encoded.first_mut(), values.into_iter().next())
    {
        *text = halved(value, bytes_max.saturating_sub(2));
    }
    let list = [&b"["[..], &encoded.join(&b','), b"]"].concat();
    // Everything in it was encoded as JSON, which is UTF-8.
    String::from_utf8_lossy(&list).into_owned()
}

/// Keeps half of a value and `...`, again and again. Go never ends when the limit is below what
/// the shortest such text needs; this ends with that text.
fn halved(mut value: Vec<u8>, bytes_max: usize) -> Vec<u8> {
    loop {
        let text = json_string(&value);
        let half = value.len() / 2;
        if text.len() <= bytes_max || half + 3 >= value.len() {
            return text;
        }
        value.truncate(half);
        value.extend_from_slice(b"...");
    }
}

fn json_string(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    append_string(text, Escape::Html, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_encoded_and_cut_as_the_console_expects() {
        for (values, bytes_max, expected) in [
            (&["a", "b"][..], 100, r#"["a","b"]"#),
            (
                &["<a&b>", "\u{2028}"],
                100,
                r#"["\u003ca\u0026b\u003e","\u2028"]"#,
            ),
            (&["aa", "bb", "cc"], 14, r#"["aa","bb"]"#),
            (&["aa", "bb", "cc"], 15, r#"["aa","bb"]"#),
            (&["aa", "bb", "cc"], 16, r#"["aa","bb","cc"]"#),
            (&["aa", "bb"], 6, r#"["aa"]"#),
            (&["abcdefghijklmnop"], 16, r#"["abcdefgh..."]"#),
            (&["abcdefghijklmnop"], 14, r#"["abcde..."]"#),
            (&["abcdefghijklmnop", "x"], 14, r#"["abcde..."]"#),
            (&["aé"], 6, r#"["aé"]"#),
            (&["aaaéaaaaa"], 12, r#"["aaaé..."]"#),
            (&["abcdefghijklmnop"], 3, r#"["abc..."]"#),
        ] {
            let bytes = values
                .iter()
                .map(|value| value.as_bytes().to_vec())
                .collect();
            assert_eq!(
                json_list(bytes, bytes_max),
                expected,
                "{values:?} in {bytes_max}"
            );
        }
        // A cut through a character leaves a byte that is not UTF-8.
        let value = "aaaaaaaaaéaaaaaaaaa".as_bytes().to_vec();
        assert_eq!(json_list(vec![value], 23), r#"["aaaaaaaaa\ufffd..."]"#);
    }
}
