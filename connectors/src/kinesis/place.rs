//! Where reading of a shard begins, and what a position says of that besides its offset.
//!
//! A sequence number has up to 56 digits, which is more than an offset can hold. So an offset counts what came
//! out of the shard since its partition began, and the position says what has which offset: a record, or the
//! beginning. Reading begins there again and passes over what lies before the offset; and whether the record
//! is there tells whether anything was lost.

use std::sync::Arc;

const VERSION: u8 = 1;
/// Digits of a sequence number at most; Amazon's have 56.
const DIGITS_MAX: usize = 128;
/// Longest name of a shard.
const SHARD_BYTES_MAX: usize = 128;
/// Shards that a shard can be made of.
const PARENTS_MAX: usize = 2;

/// A place in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Its oldest record that is there.
    Oldest,
    /// The first record that arrived at this time (milliseconds since 1970), or later.
    Time(i64),
    /// A record.
    At(Arc<str>),
    /// What comes after a record.
    After(Arc<str>),
    /// Its end, after which nothing comes.
    Ended,
}

/// What a position says besides its offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// Where reading begins again.
    pub(super) place: Place,
    /// Offset of the first thing there.
    pub(super) base: u64,
    /// All that there was at this time (milliseconds since 1970) has offsets below that of the position; 0 if that was
    /// never said.
    pub(super) as_of_ms: i64,
    /// The shards that this one came of.
    pub(super) parents: Vec<Arc<str>>,
}

impl Context {
    /// At the beginning of a partition.
    pub(super) fn beginning(place: Place, parents: Vec<Arc<str>>) -> Self {
        Self {
            place,
            base: 0,
            as_of_ms: 0,
            parents,
        }
    }

    pub(super) fn to_bytes(&self) -> Arc<[u8]> {
        let number;
        let (tag, text): (u8, &str) = match &self.place {
            Place::Oldest => (0, ""),
            Place::Time(ms) => {
                number = ms.to_string();
                (1, &number)
            }
            Place::At(sequence) => (2, sequence),
            Place::After(sequence) => (3, sequence),
            Place::Ended => (4, ""),
        };
        let mut bytes = vec![VERSION, tag];
        bytes.extend_from_slice(&self.base.to_le_bytes());
        bytes.extend_from_slice(&self.as_of_ms.to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        for parent in &self.parents {
            bytes.push(b'\n');
            bytes.extend_from_slice(parent.as_bytes());
        }
        Arc::from(bytes)
    }

    /// `None` when it cannot be read.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[version, tag], rest) = bytes.split_first_chunk()?;
        let (base, rest) = rest.split_first_chunk()?;
        let (as_of, text) = rest.split_first_chunk()?;
        if version != VERSION {
            return None;
        }
        let mut texts = std::str::from_utf8(text).ok()?.split('\n');
        let text = texts.next()?;
        let sequence = || is_sequence(text).then(|| Arc::from(text));
        let place = match tag {
            0 => Place::Oldest,
            1 => Place::Time(text.parse().ok()?),
            2 => Place::At(sequence()?),
            3 => Place::After(sequence()?),
            4 => Place::Ended,
            _ => return None,
        };
        let parents: Vec<Arc<str>> = texts.take(PARENTS_MAX + 1).map(Arc::from).collect();
        let is_shard = |shard: &Arc<str>| (1..=SHARD_BYTES_MAX).contains(&shard.len());
        (parents.len() <= PARENTS_MAX && parents.iter().all(is_shard)).then_some(Self {
            place,
            base: u64::from_le_bytes(*base),
            as_of_ms: i64::from_le_bytes(*as_of),
            parents,
        })
    }
}

/// Whether a text can be a sequence number.
pub(super) fn is_sequence(text: &str) -> bool {
    (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|letter| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_come_back_from_bytes_and_damage_is_told() {
        let parents: [Vec<Arc<str>>; 3] = [
            Vec::new(),
            vec![Arc::from("shardId-000000000000")],
            vec![
                Arc::from("shardId-000000000000"),
                Arc::from("shardId-000000000001"),
            ],
        ];
        for place in [
            Place::Oldest,
            Place::Time(-1_700_000_000_123),
            Place::At(Arc::from("4".repeat(56))),
            Place::After(Arc::from("0")),
            Place::Ended,
        ] {
            for parents in parents.clone() {
                let context = Context {
                    place: place.clone(),
                    base: 1 << 40,
                    as_of_ms: 1_700_000_000_000,
                    parents,
                };
                let bytes = context.to_bytes();
                assert_eq!(Context::from_bytes(&bytes), Some(context));
                assert_eq!(Context::from_bytes(&bytes[..17]), None);
            }
        }
        let bytes = |tag: u8, text: &str| {
            let mut bytes = vec![1, tag];
            bytes.extend_from_slice(&[0; 16]);
            bytes.extend_from_slice(text.as_bytes());
            bytes
        };
        assert!(Context::from_bytes(&bytes(2, "12")).is_some());
        for (tag, text) in [
            (2, ""),
            (2, "12a"),
            (3, &*"1".repeat(200)),
            (1, "soon"),
            (5, ""),
            (0, "\n"),
            (0, "\na\nb\nc"),
        ] {
            assert_eq!(Context::from_bytes(&bytes(tag, text)), None, "{tag} {text}");
        }
    }
}
