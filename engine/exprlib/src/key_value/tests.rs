use proptest::prelude::*;

use super::*;

fn shown<V: AsRef<[u8]>>(pairs: Result<Vec<(&[u8], V)>, NoPairs>) -> String {
    let Ok(pairs) = pairs else {
        return "error".to_owned();
    };
    let shown = pairs.iter().map(|(key, value)| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("{}={}", text(key), text(value.as_ref()))
    });
    shown.collect::<Vec<_>>().join("|")
}

#[test]
fn pairs_are_found_wherever_they_are() {
    for (line, expected) in [
        ("a=1 b=2", "a=1|b=2"),
        (
            "<134>date=2024 user=\"a b\" x=",
            "<134>date=2024|user=a b|x=",
        ),
        ("a= b=1", "a=|b=1"),
        (r#"q="say \"hi\"" c=3"#, r#"q=say \"hi\"|c=3"#),
        ("e==3", "e="),
        ("f='x y'", "f='x"),
        ("g=\"open h=1", "g=\"open|h=1"),
        ("a=\"x\"b=2", "a=x|b=2"),
        ("a=1=2", "a=1"),
        ("a=\"\" b=\"c=d\"", "a=|b=c=d"),
        ("a=\"x\\\ny\" b=1", "a=\"x\\|b=1"),
        ("words without any", "error"),
        ("= =", "error"),
        ("", "error"),
    ] {
        assert_eq!(shown(parse(line.as_bytes())), expected, "{line}");
    }
}

#[test]
fn lax_values_go_on_to_the_next_key() {
    for (line, expected) in [
        (
            "msg=user logged in src=1.2.3.4",
            "msg=user logged in|src=1.2.3.4",
        ),
        ("UNIFIhost=a b=\"x=1 y\" c=2", "UNIFIhost=a|b=x=1 y|c=2"),
        (r#"a="q \"z\" \\" b=1"#, r#"a=q "z" \|b=1"#),
        (r#"a="\\"" b=1"#, r#"a=\\"" b=1"#),
        ("a=\"open b c", "a=open b c"),
        ("1a.b-c=x", "a.b-c=x"),
        ("-a=x", "a=x"),
        ("a=\u{a0}x\u{2003}", "a=x"),
        ("a=", "a="),
        ("1=2", "error"),
        ("\"a=1\"", "error"),
        ("nothing", "error"),
    ] {
        assert_eq!(shown(parse_lax(line.as_bytes())), expected, "{line}");
    }
}

#[test]
fn many_quotes_do_not_take_quadratic_time() {
    let line = b"a=\"\\\" ".repeat(200_000);
    assert!(parse(&line).is_ok());
    assert!(parse_lax(&line).is_ok());
}

proptest! {
    #[test]
    fn pairs_that_are_written_are_read(pairs in proptest::collection::vec(("[a-z]{1,5}", "[a-z0-9 ]{0,6}"), 1..6)) {
        let line: Vec<String> =
            pairs.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let line = line.join(" ");
        let expected: Vec<(&[u8], &[u8])> =
            pairs.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
        prop_assert_eq!(parse(line.as_bytes()), Ok(expected.clone()));
        let lax = parse_lax(line.as_bytes()).unwrap();
        let lax: Vec<(&[u8], &[u8])> = lax.iter().map(|(key, value)| (*key, &**value)).collect();
        prop_assert_eq!(lax, expected);
    }

    #[test]
    fn values_are_pieces_of_the_line(line in "[a-z=\"\\\\ \n]{0,24}") {
        for (key, value) in parse(line.as_bytes()).unwrap_or_default() {
            prop_assert!(!key.is_empty() && !key.contains(&b'='));
            prop_assert!(memchr::memmem::find(line.as_bytes(), value).is_some());
        }
    }
}
