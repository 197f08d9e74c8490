use proptest::prelude::*;

use super::*;

#[test]
fn case_is_mapped_one_character_to_one() {
    for (text, up, low) in [
        ("aBc", "ABC", "abc"),
        ("ß", "ß", "ß"),
        ("İ", "İ", "i"),
        ("ΑΣ", "ΑΣ", "ασ"),
        ("ŉ", "ŉ", "ŉ"),
        ("ᾳᾀ", "ᾼᾈ", "ᾳᾀ"),
        ("ǅ", "Ǆ", "ǆ"),
        ("é", "É", "é"),
    ] {
        assert_eq!(&*upper(text.as_bytes()), up.as_bytes(), "{text}");
        assert_eq!(&*lower(text.as_bytes()), low.as_bytes(), "{text}");
    }
    assert_eq!(
        &*upper(b"a\xff\xe2\x82"),
        "A\u{fffd}\u{fffd}\u{fffd}".as_bytes()
    );
}

#[test]
fn each_bad_byte_reads_as_one_replacement_character() {
    for (text, valid, runes) in [
        (&b"abc"[..], "abc", 3),
        (b"a\xffb", "a\u{fffd}b", 3),
        (b"\xe2\x82", "\u{fffd}\u{fffd}", 2),
        (b"\xe2\x82\xac", "\u{20ac}", 1),
        (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}", 3),
        (b"\xf0\x9f\x98", "\u{fffd}\u{fffd}\u{fffd}", 3),
    ] {
        assert_eq!(to_valid_string(text), valid);
        assert_eq!(rune_count(text), runes);
    }
}

#[test]
fn splitting_keeps_every_part() {
    let joined = |parts: Vec<&[u8]>| String::from_utf8(parts.join(&b'|')).unwrap();
    assert_eq!(joined(split(b"a,b,,c", b",")), "a|b||c");
    assert_eq!(split(b"", b",").len(), 1);
    assert_eq!(split(b"", b"").len(), 0);
    assert_eq!(joined(split("aé".as_bytes(), b"")), "a|é");
    assert_eq!(joined(split_after(b"a,b,", b",")), "a,|b,|");
    assert_eq!(
        split_n(b"a,b,c", b",", 2).map(joined),
        Some("a|b,c".to_owned())
    );
    assert_eq!(
        split_n(b"a,b,c", b",", -1).map(joined),
        Some("a|b|c".to_owned())
    );
    assert_eq!(split_n(b"a,b,c", b",", 0), None);
    assert_eq!(
        split_after_n(b"abc", b"", 2).map(joined),
        Some("a|bc".to_owned())
    );
    assert_eq!(joined(fields(" a\u{a0}b\t\nc ".as_bytes())), "a|b|c");
    assert_eq!(fields(b" \x85 "), [b"\x85"]);
}

#[test]
fn trimming_goes_by_characters() {
    assert_eq!(trim_space("\u{2003}\t a b\u{85} ".as_bytes()), b"a b");
    assert_eq!(trim(b"xxhixx", b"x"), b"hi");
    assert_eq!(trim_left("éa".as_bytes(), "éx".as_bytes()), b"a");
    assert_eq!(trim_right(b"a\xff\xfe", b"\xf0"), b"a");
    assert_eq!(trim(b"abc", b""), b"abc");
    assert_eq!(
        (trim_prefix(b"abc", b"ab"), trim_suffix(b"abc", b"x")),
        (&b"c"[..], &b"abc"[..])
    );
}

#[test]
fn replacing_stops_at_the_limit() {
    for (text, old, new, limit, expected) in [
        ("aaaa", "a", "b", 2, "bbaa"),
        ("aaaa", "a", "b", -1, "bbbb"),
        ("aaaa", "a", "b", 0, "aaaa"),
        ("aé", "", "-", -1, "-a-é-"),
        ("ab", "", "-", 2, "-a-b"),
        ("abc", "x", "y", -1, "abc"),
        ("aaa", "aa", "", -1, "a"),
    ] {
        let replaced = replace(text.as_bytes(), old.as_bytes(), new.as_bytes(), limit).unwrap();
        assert_eq!(&*replaced, expected.as_bytes());
    }
}

#[test]
fn results_have_a_limit() {
    let large = vec![b'a'; 1 << 16];
    assert_eq!(replace(&large, b"a", &large, -1), Err(TooLarge));
    assert_eq!(repeat(&large, 1 << 16), Err(TooLarge));
    assert_eq!(repeat(b"", usize::MAX), Ok(Vec::new()));
}

#[test]
fn places_are_counted_in_bytes() {
    assert_eq!(index("éa".as_bytes(), b"a"), Some(2));
    assert_eq!(
        (last_index(b"abab", b"ab"), last_index(b"ab", b"")),
        (Some(2), Some(2))
    );
    assert_eq!(index_any("xéy".as_bytes(), "yé".as_bytes()), Some(1));
    assert_eq!(index_any(b"a\xff", "\u{fffd}".as_bytes()), Some(1));
    assert_eq!((count(b"aaaa", b"aa"), count("é".as_bytes(), b"")), (2, 2));
    assert_eq!(join(&["a", "b"], b", "), b"a, b");
}

proptest! {
    #[test]
    fn parts_join_to_the_whole(text in proptest::collection::vec(any::<u8>(), 0..20), separator in proptest::collection::vec(97..100_u8, 0..2)) {
        prop_assert_eq!(split(&text, &separator).join(&separator[..]), text.clone());
        prop_assert_eq!(split_after(&text, &separator).concat(), text);
    }

    #[test]
    fn runes_cover_the_text(text in proptest::collection::vec(any::<u8>(), 0..20)) {
        prop_assert_eq!(runes(&text).count(), rune_count(&text));
        let valid: String = runes(&text).map(|(_, rune)| rune).collect();
        prop_assert_eq!(valid.as_bytes(), &*to_valid(&text));
    }
}
