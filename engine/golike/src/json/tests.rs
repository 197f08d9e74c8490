use proptest::prelude::*;

use super::*;

/// Read, and written again.
fn round(text: &[u8]) -> Result<String, JsonError> {
    let value = decode(text)?;
    let mut out = Vec::new();
    append_value(&value, Escape::Plain, &mut out).unwrap();
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn documents_are_read_as_go_reads_them() {
    for (text, expected) in [
        (
            &br#" {"b":1,"a":[true,null,"x"],"b":2} "#[..],
            r#"{"a":[true,null,"x"],"b":2}"#,
        ),
        (b"[]", "[]"),
        (b"{}", "{}"),
        (b"-0.5e1", "-5"),
        (br#""\u00e9\ud83d\ude00\n\/""#, "\"\u{e9}\u{1f600}\\n/\""),
        (
            br#""\ud83dx\udc00\ud83d\u0041""#,
            "\"\u{fffd}x\u{fffd}\u{fffd}A\"",
        ),
        (b"\"\xff\xe2\x82\"", "\"\u{fffd}\u{fffd}\u{fffd}\""),
        (br#"{"":{"":{}}}"#, r#"{"":{"":{}}}"#),
        (b"1e-400", "0"),
    ] {
        assert_eq!(round(text).as_deref(), Ok(expected));
    }
}

#[test]
fn what_is_no_document_is_refused() {
    for (text, expected) in [
        (&b""[..], JsonError::End),
        (b"[1", JsonError::End),
        (b"{\"a\"", JsonError::End),
        (b"\"a", JsonError::End),
        (b"{} x", JsonError::Trailing(3)),
        (b"1 2", JsonError::Trailing(2)),
        (b"01", JsonError::Trailing(1)),
        (b"[1,]", JsonError::Syntax(3)),
        (b"{\"a\":1,}", JsonError::Syntax(7)),
        (b"{a:1}", JsonError::Syntax(1)),
        (b"[1}", JsonError::Syntax(2)),
        (b"\"\t\"", JsonError::Syntax(1)),
        (b"\"\\x\"", JsonError::Syntax(2)),
        (b"\"\\u12g4\"", JsonError::Syntax(5)),
        (b"nul", JsonError::End),
        (b"nulx", JsonError::Syntax(3)),
        (b"1.", JsonError::End),
        (b"-", JsonError::End),
        (b"1e400", JsonError::NumberRange(0)),
        (b"\xef\xbb\xbf{}", JsonError::Syntax(0)),
    ] {
        assert_eq!(
            decode(text),
            Err(expected),
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
    assert!(decode(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(decode(&nested(DEPTH_MAX + 2)), Err(JsonError::Depth));
    assert_eq!(decode(&b"{\"a\":".repeat(1_000_000)), Err(JsonError::Depth));
}

#[test]
fn strings_are_escaped_for_where_they_go() {
    for (text, plain, html) in [
        (&b"<a&b>"[..], r#""<a&b>""#, r#""\u003ca\u0026b\u003e""#),
        (
            b"\"\\\n\r\t\x08\x0c\x01\x7f",
            "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\u{7f}\"",
            "",
        ),
        (
            "\u{2028}\u{2029}\u{2027}".as_bytes(),
            "\"\\u2028\\u2029\u{2027}\"",
            "",
        ),
        (b"\xff\xc3", r#""\ufffd\ufffd""#, ""),
        ("\u{fffd}\u{e9}".as_bytes(), "\"\u{fffd}\u{e9}\"", ""),
    ] {
        assert_eq!(quote(text, Escape::Plain), plain);
        assert_eq!(
            quote(text, Escape::Html),
            if html.is_empty() { plain } else { html }
        );
    }
}

#[test]
fn a_byte_is_escaped_alike_wherever_it_stands() {
    for escape in [Escape::Plain, Escape::Html] {
        for byte in 0..=u8::MAX {
            let alone = quote(&[byte], escape);
            let alone = alone.trim_start_matches('"');
            let own = alone.strip_suffix('"').unwrap_or(alone);
            for (before, after) in [(0, 3), (3, 9), (7, 0), (8, 8), (12, 1), (17, 20)] {
                let (before, after) = ("a".repeat(before), "z".repeat(after));
                let text = [before.as_bytes(), &[byte], after.as_bytes()].concat();
                let expected = format!("\"{before}{own}{after}\"");
                assert_eq!(quote(&text, escape), expected, "{byte} {escape:?}");
            }
        }
    }
}

#[test]
fn members_are_found_by_key() {
    let Ok(Json::Object(object)) = decode(br#"{"z":1,"a":2,"z":3}"#) else {
        panic!("an object")
    };
    assert_eq!(object.get("z"), Some(&Json::Number(3.0)));
    assert_eq!(object.get("b"), None);
    let keys: Vec<&str> = object
        .members()
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!(keys, ["a", "z"]);
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        prop::num::f64::NORMAL.prop_map(Json::Number),
        ".{0,8}".prop_map(Json::Str),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            proptest::collection::vec((".{0,3}", inner), 0..4)
                .prop_map(|members| Json::Object(Object::new(members))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in value()) {
        for escape in [Escape::Plain, Escape::Html] {
            let mut out = Vec::new();
            append_value(&value, escape, &mut out).unwrap();
            prop_assert_eq!(decode(&out), Ok(value.clone()));
        }
    }

    #[test]
    fn documents_that_are_read_are_written_and_read_again(text in "[\\[\\]{}:,\"\\\\u0-9de.tfn +-]{0,24}") {
        if let Ok(value) = decode(text.as_bytes()) {
            prop_assert_eq!(decode(round(text.as_bytes()).unwrap().as_bytes()), Ok(value));
        }
    }
}
