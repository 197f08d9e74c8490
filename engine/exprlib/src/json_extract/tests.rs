use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, path: &str, expected: Option<&str>) {
    let found = extract(text.as_bytes(), path.as_bytes());
    assert_eq!(found, expected.map(str::as_bytes), "{path} of {text}");
}

#[test]
fn values_are_the_source_text() {
    let text =
        r#"{"a":{"b":[{"c":"x\ty"},2,[3,4]],"n":-1.5e3,"z":null,"t":true}, "k.d":1, "é":"ü"}"#;
    for (path, expected) in [
        ("a.b[0].c", Some(r"x\ty")),
        ("a.b[1]", Some("2")),
        ("a.b[2][1]", Some("4")),
        ("a.b[2]", Some("[3,4]")),
        ("a.n", Some("-1.5e3")),
        ("a.z", Some("null")),
        ("a.t", Some("true")),
        ("é", Some("ü")),
        ("k.d", None),
        ("a.b[3]", None),
        ("a.b[-1]", None),
        ("a.b[x]", None),
        ("a.missing", None),
        ("", None),
        ("a.", None),
    ] {
        check(text, path, expected);
    }
    check(r#"[{"a":1},[2,3]]"#, "[0].a", Some("1"));
    check("[[2,3]]", "[0][1]", None);
    check("[[2,3]]", "[0].[1]", Some("3"));
}

#[test]
fn broken_text_around_the_value_does_not_matter() {
    check(r#"prefix {"a":"x"} suffix"#, "a", Some("x"));
    check(r#"{"a":1,"b":{"c":"x""#, "b.c", Some("x"));
    check(r#"{"a":1,"a":2}"#, "a", Some("1"));
    check(r#"{"\u0061":1}"#, "a", Some("1"));
    check(r#"{"b":{"a":1},"a":2}"#, "a", Some("2"));
    check(r#"{"b":"a\"","a":2}"#, "a", Some("2"));
    check(r#"{"a":x}"#, "a", None);
    check(r#"{"a":"x"#, "a", None);
    check(r#""a":1"#, "a", None);
    check("}}}}[", "a", None);
    check("", "a", None);
}

#[test]
fn strings_are_unescaped_only_where_asked() {
    for (text, expected) in [
        (
            r#"{"log":"a\n\u00e9\ud83d\ude00\/"}"#,
            Some("a\n\u{e9}\u{1f600}/"),
        ),
        (r#"{"log":"plain"}"#, Some("plain")),
        (r#"{"log":"bad \x"}"#, None),
        (r#"{"log":"\ud83d"}"#, None),
        (r#"{"log":5}"#, None),
        (r#"{"x":{"log":"in"}}"#, None),
    ] {
        let found = extract_unescaped(text.as_bytes(), b"log");
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text}");
    }
    assert_eq!(
        extract_unescaped(br#"{"a.b":"x"}"#, b"a.b").as_deref(),
        Some(&b"x"[..])
    );
}

#[test]
fn lists_and_objects_are_told_apart() {
    let text = br#"{"l":[1],"o":{"k":1},"s":"[]"}"#;
    assert_eq!(extract_array(text, b"l"), Some(&b"[1]"[..]));
    assert_eq!(extract_object(text, b"o"), Some(&br#"{"k":1}"#[..]));
    assert_eq!(
        (extract_array(text, b"o"), extract_array(text, b"s")),
        (None, None)
    );
    assert_eq!(extract_object(text, b"l"), None);
}

#[test]
fn deep_nesting_is_scanned_without_recursion() {
    let text = [b"[".repeat(1_000_000), b"]".repeat(1_000_000)].concat();
    assert!(extract(&text, b"[0]").is_some());
    assert_eq!(extract(&b"{\"a\":".repeat(100_000), b"b"), None);
}

proptest! {
    #[test]
    fn a_value_is_a_piece_of_the_text(text in "[\\[\\]{}:,\"\\\\a1 ]{0,32}", path in "[ab.\\[\\]01]{0,8}") {
        if let Some(found) = extract(text.as_bytes(), path.as_bytes()) {
            prop_assert!(memchr::memmem::find(text.as_bytes(), found).is_some());
        }
    }

    #[test]
    fn keys_of_well_formed_objects_are_found(keys in proptest::collection::btree_set("[a-z]{1,4}", 1..6), value in "[a-z ]{0,6}") {
        let members: Vec<String> =
            keys.iter().map(|key| format!("\"{key}\" : \"{value}{key}\"")).collect();
        let text = format!("{{{}}}", members.join(", "));
        for key in &keys {
            let expected = format!("{value}{key}");
            prop_assert_eq!(extract(text.as_bytes(), key.as_bytes()), Some(expected.as_bytes()));
        }
    }
}
