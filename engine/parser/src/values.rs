//! Values of fields as keys of what is remembered: one after the other, each with its kind.
//!
//! Equal keys mean equal values, absent fields told from empty ones. The reverse need not be: a
//! constant of the content is named by its place, so the same text read from a line is another key.

use overspill_event::{Event, Span};

const ABSENT: u32 = 0;
const TEXT: u32 = 1;
const CONSTANT: u32 = 2;

/// Appends a value to a key.
#[inline]
pub(crate) fn append(key: &mut Vec<u8>, event: &Event, span: Span) {
    key.extend_from_slice(&head(span).to_le_bytes());
    if span.is_constant() {
        key.extend_from_slice(&span.start.to_le_bytes());
    } else {
        key.extend_from_slice(event.bytes(span));
    }
}

/// What follows in a key, if it begins with this value.
#[inline]
pub(crate) fn strip<'k>(key: &'k [u8], event: &Event, span: Span) -> Option<&'k [u8]> {
    let (first, rest) = key.split_first_chunk()?;
    if u32::from_le_bytes(*first) != head(span) {
        return None;
    }
    if span.is_constant() {
        return rest.strip_prefix(&span.start.to_le_bytes());
    }
    rest.strip_prefix(event.bytes(span))
}

/// Kind and length.
#[inline]
fn head(span: Span) -> u32 {
    if span.is_constant() {
        CONSTANT
    } else if span.is_present() {
        span.len << 2 | TEXT
    } else {
        ABSENT
    }
}

#[cfg(test)]
mod tests {
    use overspill_event::{FieldMap, SchemaBuilder};

    use super::*;

    #[test]
    fn keys_are_equal_only_for_equal_values() {
        let mut schema = SchemaBuilder::new();
        schema.intern(FieldMap::Meta, "a").unwrap();
        let constants: Vec<Span> = ["a", "ab", "b"]
            .iter()
            .filter_map(|text| schema.constant(text.as_bytes()))
            .collect();
        let mut event = Event::new(schema.freeze());
        let mut spans = vec![Span::ABSENT, Span::EMPTY];
        spans.extend(constants);
        for text in ["a", "ab", "b", "\u{2}\0\0\0"] {
            spans.push(event.append(text.as_bytes()));
        }
        let key = |parts: &[Span]| {
            let mut key = Vec::new();
            parts
                .iter()
                .for_each(|part| append(&mut key, &event, *part));
            key
        };
        let mut keys = std::collections::BTreeMap::new();
        for a in &spans {
            for b in &spans {
                let value = |span: &Span| (span.is_present(), event.bytes(*span));
                let known = keys.insert(key(&[*a, *b]), (value(a), value(b)));
                assert!(known.is_none_or(|known| known == (value(a), value(b))));
                let made = key(&[*a, *b]);
                let rest = strip(&made, &event, *a).and_then(|rest| strip(rest, &event, *b));
                assert_eq!(rest, Some(&b""[..]));
                for c in &spans {
                    let is_same = strip(&key(&[*c]), &event, *a).is_some();
                    assert!(!is_same || value(a) == value(c));
                }
            }
        }
    }
}
