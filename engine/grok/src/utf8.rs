//! What text that is not UTF-8 means to the two dialects.

use std::borrow::Cow;

/// Replaces the byte sequences that RE2 reads as characters and Rust does not.
///
/// To keep its automata small, RE2 lets `.` and negated classes take encoded surrogates, overlong
/// forms and code points past U+10FFFF. Each becomes a valid character of the same length, so that
/// spans stay where they are; all other invalid bytes match nothing in either engine.
pub(crate) fn as_re2_reads(text: &[u8]) -> Cow<'_, [u8]> {
    let mut copy: Option<Vec<u8>> = None;
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        at += chunk.valid().len();
        if let Some(stand_in) = text.get(at..).and_then(stand_in) {
            let copy = copy.get_or_insert_with(|| text.to_vec());
            if let Some(place) = copy.get_mut(at..at + stand_in.len()) {
                place.copy_from_slice(stand_in);
            }
        }
        at += chunk.invalid().len();
    }
    copy.map_or(Cow::Borrowed(text), Cow::Owned)
}

fn stand_in(text: &[u8]) -> Option<&'static [u8]> {
    let tail = |from: usize, to: usize| {
        text.get(from..to)
            .is_some_and(|bytes| bytes.iter().all(|b| (0x80..0xC0).contains(b)))
    };
    match *text.first()? {
        0xE0 | 0xED if tail(1, 3) => Some("\u{FFFD}".as_bytes()),
        0xF0 | 0xF4 if tail(1, 4) => Some("\u{10FFFF}".as_bytes()),
        _ => None,
    }
}

/// Replaces every invalid byte by U+FFFD, which is what Go's regexp sees in its place.
///
/// Also gives, for each offset in the result, the offset in `text`; `None` if nothing changed.
pub(crate) fn as_go_reads(text: &[u8]) -> Option<(Vec<u8>, Vec<usize>)> {
    if std::str::from_utf8(text).is_ok() {
        return None;
    }
    let mut copy = Vec::with_capacity(text.len() + 64);
    let mut origin = Vec::with_capacity(text.len() + 64);
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        copy.extend_from_slice(chunk.valid().as_bytes());
        origin.extend(at..at + chunk.valid().len());
        at += chunk.valid().len();
        for _ in chunk.invalid() {
            copy.extend_from_slice("\u{FFFD}".as_bytes());
            origin.extend([at; 3]);
            at += 1;
        }
    }
    origin.push(at);
    Some((copy, origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_that_only_re2_takes_become_characters_of_the_same_length() {
        let check = |text: &[u8], expected: &[u8]| assert_eq!(&*as_re2_reads(text), expected);
        check(b"plain", b"plain");
        check("é\u{FFFD}".as_bytes(), "é\u{FFFD}".as_bytes());
        check(b"a\xED\xA0\x80b", "a\u{FFFD}b".as_bytes());
        check(b"\xE0\x80\x80", "\u{FFFD}".as_bytes());
        check(b"\xF4\x90\x80\x80!", "\u{10FFFF}!".as_bytes());
        check(b"\xFF\xC3", b"\xFF\xC3");
        check(b"\xED\xA0", b"\xED\xA0");
    }

    #[test]
    fn each_invalid_byte_reads_as_one_replacement_character_in_go() {
        assert!(as_go_reads("é".as_bytes()).is_none());
        let (copy, origin) = as_go_reads(b"a\xED\xA0\x80\xFFb").unwrap();
        assert_eq!(
            String::from_utf8(copy).unwrap(),
            "a\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}b"
        );
        assert_eq!(origin, [0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 6]);
    }
}
