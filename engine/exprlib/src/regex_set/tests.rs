use proptest::prelude::*;

use super::*;

fn set(patterns: &[&str]) -> RegexSet {
    RegexSet::new(patterns).unwrap()
}

#[test]
fn any_regex_of_the_list_may_match() {
    let agents = set(&[
        "sqlmap",
        "(?i)nikto",
        "^curl/[0-9.]+$",
        "bot.*spider",
        "[0-9]{9}",
        "é+",
    ]);
    for (text, expected) in [
        ("sqlmap/1.7", true),
        ("SQLMAP", false),
        ("Mozilla Nikto", true),
        ("curl/8.0", true),
        ("x curl/8.0", false),
        ("a bot and a spider", true),
        ("a spider and a bot", false),
        ("id 123456789", true),
        ("éé", true),
        ("", false),
        ("Mozilla/5.0", false),
    ] {
        assert_eq!(agents.is_match(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn bytes_that_are_not_utf8_read_as_replacement_characters() {
    assert!(set(&["a.b"]).is_match(b"a\xffb"));
    assert!(set(&["a\u{fffd}b"]).is_match(b"a\xffb"));
}

#[test]
fn a_bad_regex_is_named() {
    let err = RegexSet::new(&["fine", "(["]).map(|set| set.len());
    assert!(matches!(err, Err(RegexSetError::Regex { index: 1, .. })));
}

#[test]
fn an_empty_list_matches_nothing() {
    let empty = set(&[]);
    assert!(empty.is_empty());
    assert!(!empty.is_match(b""));
}

#[test]
fn the_cache_has_a_limit() {
    let cached = set(&["x"]).with_cache(3);
    for round in 0..100 {
        assert!(!cached.is_match(format!("{round}").as_bytes()));
        assert!(cached.is_match(format!("x{round}").as_bytes()));
    }
    assert!(cached.is_match(&[b"x", &b"y".repeat(KEPT_TEXT_BYTES)[..]].concat()));
    assert!(set(&["x"]).with_cache(0).cache.is_none());
}

proptest! {
    #[test]
    fn a_list_matches_as_its_regexes_one_by_one(
        patterns in proptest::collection::vec("(\\(\\?i\\))?[a-c]{1,2}(\\.|\\[bc\\]|b\\*|a\\||\\$)?[a-c]?", 0..6),
        texts in proptest::collection::vec("[a-cA-C\u{e9}]{0,6}", 1..8),
    ) {
        let patterns: Vec<String> =
            patterns.into_iter().filter(|pattern| compile_go(pattern).is_ok()).collect();
        let list = RegexSet::new(&patterns).unwrap();
        let cached = RegexSet::new(&patterns).unwrap().with_cache(2);
        for text in texts.iter().chain(&texts) {
            let expected = patterns
                .iter()
                .any(|pattern| compile_go(pattern).unwrap().is_match(text.as_bytes()));
            prop_assert_eq!(list.is_match(text.as_bytes()), expected);
            prop_assert_eq!(cached.is_match(text.as_bytes()), expected);
        }
    }
}
