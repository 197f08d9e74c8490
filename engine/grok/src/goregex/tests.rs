use super::*;

#[test]
fn invalid_bytes_read_as_one_character_each() {
    let check = |pattern: &str, subject: &[u8], expected: Option<Range<usize>>| {
        let regex = compile_go(pattern).unwrap();
        assert_eq!(regex.find(subject), expected, "{pattern} on {subject:?}");
        assert_eq!(
            regex.is_match(subject),
            expected.is_some(),
            "{pattern} on {subject:?}"
        );
    };
    check("a.b", b"xa\xFFb", Some(1..4));
    check("a..b", b"a\xC3\x28b", Some(0..4));
    check("a.{3}b", b"a\xED\xA0\x80b", Some(0..5));
    check("\u{FFFD}", b"\xFF", Some(0..1));
    check("^.$", "é".as_bytes(), Some(0..2));
    check(r"\w", "é".as_bytes(), None);
    check("(?i)k", "\u{212A}".as_bytes(), Some(0..3));
}

#[test]
fn captures_continue_from_an_offset() {
    let regex = compile_go(r"(?P<key>\w+)=(?:(?P<value>\d+)|(?P<value>x))").unwrap();
    assert_eq!(regex.groups(), 3);
    let names: Vec<_> = regex
        .names()
        .iter()
        .map(|(i, name)| (*i, &**name))
        .collect();
    assert_eq!(names, [(1, "key"), (2, "value"), (3, "value")]);
    let subject = b"\xFFa=1 b=x";
    let first = regex.captures(subject).unwrap();
    assert_eq!(
        (first.span(), first.get(2), first.get(3)),
        (1..4, Some(3..4), None)
    );
    let second = regex.captures_at(subject, first.span().end).unwrap();
    assert_eq!(
        (second.span(), second.get(1), second.get(3)),
        (5..8, Some(5..6), Some(7..8))
    );
    assert_eq!(regex.captures_at(subject, second.span().end), None);
    assert_eq!(regex.captures_at(subject, 100), None);
}

#[test]
fn wrong_patterns_are_refused_and_large_ones_bounded() {
    assert_eq!(
        compile_go("a(").unwrap_err().to_string(),
        "invalid regex \"a(\""
    );
    assert!(compile_go(r"(?:\pL{100}){1}").is_ok());
    assert!(compile_go(r"[a-z0-9]{1000}").is_ok());
    let large = r"\pL{1000}";
    assert!(matches!(
        compile_go(large),
        Err(GoRegexError::TooLarge { .. })
    ));
}
