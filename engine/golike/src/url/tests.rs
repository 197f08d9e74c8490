use proptest::prelude::*;

use super::*;

#[test]
fn escapes_are_undone_or_refused() {
    for (text, path, query) in [
        ("a%2Fb+c", Some("a/b+c"), Some("a/b c")),
        ("%c3%A9", Some("é"), Some("é")),
        ("%", None, None),
        ("%4", None, None),
        ("%zz", None, None),
        ("", Some(""), Some("")),
    ] {
        let text = text.as_bytes();
        assert_eq!(path_unescape(text).ok().as_deref(), path.map(str::as_bytes));
        assert_eq!(
            query_unescape(text).ok().as_deref(),
            query.map(str::as_bytes)
        );
    }
    assert_eq!(query_unescape_lenient(b"%4+%zz%41"), b"%4 %zzA");
}

#[test]
fn paths_and_queries_escape_different_bytes() {
    assert_eq!(path_escape(b"/a b+c;=@\xff"), b"%2Fa%20b+c%3B=@%FF");
    assert_eq!(query_escape(b"/a b+c~"), b"%2Fa+b%2Bc~");
}

#[test]
fn a_query_is_read_or_refused_as_a_whole() {
    let read = |query: &[u8]| parse_query(query).map(|pairs| group(pairs).len());
    assert_eq!(read(b"a=1&b=2&a=3&&"), Ok(2));
    assert_eq!(read(b"a=1;b=2"), Err(UrlError::Semicolon));
    assert_eq!(read(b"a=%zz"), Err(UrlError::Escape("%zz".to_owned())));
}

#[test]
fn the_query_of_a_url_is_found_if_the_url_is_well_formed() {
    for (url, expected) in [
        ("/a?b=1#c", Ok("b=1")),
        ("/a?", Ok("")),
        ("http://u:p@h:80/a?x", Ok("x")),
        ("http://[::1]:80/?x", Ok("x")),
        ("http://[fe80::1%25eth0]/?x", Ok("x")),
        ("mailto:a?x", Ok("x")),
        ("*", Ok("")),
        ("//h?x", Ok("x")),
        ("///h?x?y", Ok("x?y")),
        (":a", Err(UrlError::MissingScheme)),
        ("1a:b", Err(UrlError::ColonInPath)),
        ("/%zz?x", Err(UrlError::Escape("%zz".to_owned()))),
        ("/?x#%", Err(UrlError::Escape("%".to_owned()))),
        ("/\n?x", Err(UrlError::Control)),
        ("http://h:8x/", Err(UrlError::Port)),
        ("http://h%41/", Err(UrlError::Escape("%41".to_owned()))),
        ("http://a b/", Err(UrlError::Host)),
        ("http://[1.2.3.4]/", Err(UrlError::Host)),
        ("http://[::1/", Err(UrlError::Host)),
        ("http://u\"@h/", Err(UrlError::UserInfo)),
    ] {
        assert_eq!(
            raw_query(url.as_bytes()),
            expected.map(str::as_bytes),
            "{url}"
        );
    }
}

proptest! {
    #[test]
    fn escaping_is_undone(text in proptest::collection::vec(any::<u8>(), 0..20)) {
        prop_assert_eq!(path_unescape(&path_escape(&text)), Ok(text.clone()));
        prop_assert_eq!(query_unescape(&query_escape(&text)), Ok(text));
    }

    #[test]
    fn a_query_is_a_piece_of_its_url(url in "[a-z0-9:/?#@%\\[\\].]{0,24}") {
        if let Ok(query) = raw_query(url.as_bytes()) {
            prop_assert!(memchr::memmem::find(url.as_bytes(), query).is_some());
        }
    }
}
