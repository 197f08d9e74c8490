//! Query strings: `ParseUri`, `ParseQuery`, `ExtractQueryParam`, `PathUnescape`, `QueryUnescape`.

use std::borrow::Cow;

use overspill_golike::url::{self, Values};

/// The query parameters of a URL; none if any part of the URL is malformed.
#[must_use]
pub fn parse_uri(uri: &[u8]) -> Values {
    url::raw_query(uri)
        .and_then(url::parse_query)
        .map(url::group)
        .unwrap_or_default()
}

/// The parameters of a query string. Nothing is an error: a semicolon is data, a percent sign
/// that begins no escape stands for itself.
#[must_use]
pub fn parse_query(query: &[u8]) -> Values {
    url::group(url::parse_query_lenient(query))
}

/// The values of one parameter, from the query string after the first `?`.
#[must_use]
pub fn extract_query_param(uri: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
    let Some(at) = memchr::memchr(b'?', uri) else {
        return Vec::new();
    };
    let pairs = url::parse_query_lenient(&uri[at + 1..]);
    pairs
        .into_iter()
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value)
        .collect()
}

/// The text with percent-escapes undone; unchanged if one of them is malformed.
#[must_use]
pub fn path_unescape(text: &[u8]) -> Cow<'_, [u8]> {
    url::path_unescape(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// As [`path_unescape`], a `+` being a blank.
#[must_use]
pub fn query_unescape(text: &[u8]) -> Cow<'_, [u8]> {
    url::query_unescape(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &Values) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let parts = values.iter().map(|(key, list)| {
            let list: Vec<String> = list.iter().map(|value| text(value)).collect();
            format!("{}={}", text(key), list.join(","))
        });
        parts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_malformed_url_has_no_parameters() {
        for (uri, expected) in [
            ("/foo?a=1&b=2&a=3", "a=1,3 b=2"),
            ("http://user@host:80/p?x=%41+b#frag", "x=A b"),
            ("/foo?a=1;b=2", ""),
            ("/foo?a=%zz", ""),
            ("/%zz?a=1", ""),
            ("/foo", ""),
            ("foo:bar?a=1", "a=1"),
            ("1foo:bar?a=1", ""),
            ("/a\x7f?a=1", ""),
        ] {
            assert_eq!(shown(&parse_uri(uri.as_bytes())), expected, "{uri}");
        }
    }

    #[test]
    fn a_query_string_is_read_whatever_is_in_it() {
        for (query, expected) in [
            ("a=1&&b", "a=1 b="),
            ("a=1;b=2&a=%zz%4", "a=1;b=2,%zz%4"),
            ("a+b=%41+", "a b=A "),
            ("=x", "=x"),
            ("", ""),
        ] {
            assert_eq!(shown(&parse_query(query.as_bytes())), expected, "{query}");
        }
    }

    #[test]
    fn a_parameter_has_all_its_values() {
        let values = |uri: &[u8], name: &[u8]| extract_query_param(uri, name).join(&b'|');
        assert_eq!(values(b"/p?id=1&x=2&id=%33", b"id"), b"1|3");
        assert_eq!(values(b"/p?a=1?b=2", b"a"), b"1?b=2");
        assert_eq!(values(b"/p", b"id"), b"");
    }

    #[test]
    fn one_bad_escape_leaves_the_text_alone() {
        assert_eq!(&*path_unescape(b"%41+%42"), b"A+B");
        assert_eq!(&*path_unescape(b"%41%4"), b"%41%4");
        assert_eq!(&*query_unescape(b"%41+%42"), b"A B");
        assert_eq!(&*query_unescape(b"a+%"), b"a+%");
    }
}
