//! `Match`: file-name patterns over bytes.
//!
//! `*` stands for any run of bytes, `?` for one byte, everything else for itself, and the whole
//! text must fit. There are no classes and no escapes. CrowdSec's matcher backtracks without
//! bound; this one goes once over the text, and gives the same answers, the odd one included: two
//! or more stars at the end of a pattern want at least one byte.

use memchr::memmem;

/// Whether a text fits a pattern.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let stars = pattern
        .iter()
        .rev()
        .take_while(|byte| **byte == b'*')
        .count();
    if stars < 2 {
        return fits(pattern, text);
    }
    let head = &pattern[..pattern.len() - stars];
    fits(&[head, b"?*"].concat(), text)
}

/// The ordinary meaning of stars.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = begins(first, text) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        // The leftmost place is as good as any other: it leaves the most to what follows.
        match find(part, rest) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len()
        .checked_sub(last.len())
        .is_some_and(|at| begins(last, &rest[at..]).is_some())
}

/// What is left of a text that begins with a part.
fn begins<'t>(part: &[u8], text: &'t [u8]) -> Option<&'t [u8]> {
    let (head, rest) = text.split_at_checked(part.len())?;
    let same = part
        .iter()
        .zip(head)
        .all(|(wanted, byte)| *wanted == b'?' || wanted == byte);
    same.then_some(rest)
}

fn find(part: &[u8], text: &[u8]) -> Option<usize> {
    if !part.contains(&b'?') {
        return memmem::find(text, part);
    }
    (0..=text.len().checked_sub(part.len())?).find(|at| begins(part, &text[*at..]).is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, case by case.
    fn reference(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*'], []) => true,
            (_, []) => false,
            ([b'*', tail @ ..], _) => {
                (0..=text.len()).any(|skipped| reference(tail, &text[skipped..]))
            }
            ([wanted, tail @ ..], [byte, rest @ ..]) => {
                (*wanted == b'?' || wanted == byte) && reference(tail, rest)
            }
        }
    }

    #[test]
    fn stars_stand_for_any_run_and_question_marks_for_one_byte() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*", "", false),
            ("**", "", false),
            ("a**", "a", false),
            ("a**", "ab", true),
            ("*/wp-*.php", "/blog/wp-login.php", true),
            ("?", "\u{e9}", false),
            ("[ab]", "a", false),
            ("a?c*", "abcd", true),
            ("*a?b*", "xxaabyy", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let pattern = b"*a".repeat(200);
        let text = b"a".repeat(199);
        assert!(!matches(
            &[&pattern[..], b"b"].concat(),
            &[&text[..], b"c"].concat()
        ));
    }

    proptest! {
        #[test]
        fn answers_are_those_of_the_definition(
            pattern in proptest::collection::vec(prop::sample::select(b"ab*?*".to_vec()), 0..9),
            text in proptest::collection::vec(prop::sample::select(b"ab".to_vec()), 0..9),
        ) {
            prop_assert_eq!(matches(&pattern, &text), reference(&pattern, &text));
        }
    }
}
