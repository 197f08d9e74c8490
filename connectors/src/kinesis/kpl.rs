//! Records that Amazon's producer library packed into one.
//!
//! Four bytes that say so, a message of protocol buffers, and the MD5 of the message:
//!
//! ```text
//!  F3 89 9A C2 | 1: partition keys | 2: explicit hash keys | 3: records | MD5
//!                                                             1: number of the key
//!                                                             2: number of the hash key, if it has one
//!                                                             3: bytes
//! ```
//!
//! Whatever does not begin so or has another sum is an ordinary record. A record whose key does not belong to
//! the shard that it came in was packed before the shard was split or merged; the library sends it again, to
//! the right one, so it is not one of this shard.

use std::ops::Range;

use md5::{Digest as _, Md5};

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const SUM_BYTES: usize = 16;
/// Most records, and most keys, of one that is packed.
const PACKED_MAX: usize = 1 << 20;

/// A record that was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    /// Where its bytes are.
    pub(super) data: Range<usize>,
    /// Where its partition key is.
    pub(super) key: Range<usize>,
    /// Whether it belongs to the shard.
    pub(super) is_of_shard: bool,
}

/// What is in a record; `None` when nothing is packed in it. `hashes` are the first and last of its shard.
///
/// # Errors
/// When it says that something is, but that cannot be read, or is too much.
pub(super) fn unpack(
    record: &[u8],
    hashes: (u128, u128),
) -> Result<Option<Vec<Packed>>, &'static str> {
    let Some((body, sum)) = record
        .strip_prefix(&MAGIC)
        .and_then(|rest| rest.split_last_chunk::<SUM_BYTES>())
    else {
        return Ok(None);
    };
    if Md5::digest(body).as_slice() != sum {
        return Ok(None);
    }
    let (mut keys, mut explicit) = (Vec::new(), Vec::new());
    let mut n_records = 0;
    for field in Fields::new(record, MAGIC.len()..MAGIC.len() + body.len()) {
        match field? {
            (1, Datum::Bytes(key)) => keys.push(key),
            (2, Datum::Bytes(hash)) => explicit.push(is_explicit_within(record, &hash, hashes)),
            (3, Datum::Bytes(_)) => n_records += 1,
            _ => {}
        }
        if keys.len().max(explicit.len()).max(n_records) > PACKED_MAX {
            return Err("too many packed records");
        }
    }
    let is_within = |key: &Range<usize>| {
        let key = record.get(key.clone()).unwrap_or_default();
        let hash = u128::from_be_bytes(Md5::digest(key).into());
        (hashes.0..=hashes.1).contains(&hash)
    };
    let within: Vec<bool> = keys.iter().map(is_within).collect();
    let mut all = Vec::with_capacity(n_records);
    for field in Fields::new(record, MAGIC.len()..MAGIC.len() + body.len()) {
        let (3, Datum::Bytes(inner)) = field? else {
            continue;
        };
        let one = Inner::read(record, inner)?;
        let key = one.key.ok_or("a packed record without a key")?;
        let by_key = within.get(key).copied().ok_or("no such key")?;
        let is_of_shard = match one.explicit {
            None => by_key,
            Some(at) => explicit.get(at).copied().ok_or("no such hash key")?,
        };
        all.push(Packed {
            data: one.data.ok_or("a packed record without bytes")?,
            key: keys.get(key).cloned().ok_or("no such key")?,
            is_of_shard,
        });
    }
    Ok(Some(all))
}

/// A hash that the sender chose, as decimal digits. What is none is taken for one of the shard.
fn is_explicit_within(record: &[u8], at: &Range<usize>, hashes: (u128, u128)) -> bool {
    let digits = record.get(at.clone()).unwrap_or_default();
    let hash = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse::<u128>().ok());
    hash.is_none_or(|hash| (hashes.0..=hashes.1).contains(&hash))
}

#[derive(Default)]
struct Inner {
    key: Option<usize>,
    explicit: Option<usize>,
    data: Option<Range<usize>>,
}

impl Inner {
    fn read(record: &[u8], at: Range<usize>) -> Result<Self, &'static str> {
        let mut inner = Self::default();
        let number = |number: u64| usize::try_from(number).map_err(|_| "no such key");
        for field in Fields::new(record, at) {
            match field? {
                (1, Datum::Number(key)) => inner.key = Some(number(key)?),
                (2, Datum::Number(hash)) => inner.explicit = Some(number(hash)?),
                (3, Datum::Bytes(data)) => inner.data = Some(data),
                _ => {}
            }
        }
        Ok(inner)
    }
}

/// What a field holds.
enum Datum {
    Number(u64),
    Bytes(Range<usize>),
    Other,
}

/// Fields of a message.
struct Fields<'a> {
    bytes: &'a [u8],
    /// What is left of the message.
    at: Range<usize>,
}

const CUT_OFF: &str = "a packed record that is cut off";

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], at: Range<usize>) -> Self {
        Self { bytes, at }
    }

    /// A number of up to 64 bits, seven a byte.
    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let at = self.at.next().ok_or(CUT_OFF)?;
            let byte = *self.bytes.get(at).ok_or(CUT_OFF)?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a packed number that is too long")
    }

    fn skip(&mut self, n: u64) -> Result<Range<usize>, &'static str> {
        let n = usize::try_from(n).map_err(|_| CUT_OFF)?;
        let end = self.at.start.checked_add(n).ok_or(CUT_OFF)?;
        if end > self.at.end {
            return Err(CUT_OFF);
        }
        let skipped = self.at.start..end;
        self.at.start = end;
        Ok(skipped)
    }

    fn field(&mut self) -> Result<(u64, Datum), &'static str> {
        let tag = self.varint()?;
        let datum = match tag & 7 {
            0 => Datum::Number(self.varint()?),
            1 => self.skip(8).map(|_| Datum::Other)?,
            2 => {
                let n = self.varint()?;
                Datum::Bytes(self.skip(n)?)
            }
            5 => self.skip(4).map(|_| Datum::Other)?,
            _ => return Err("a packed field of no known kind"),
        };
        Ok((tag >> 3, datum))
    }
}

impl Iterator for Fields<'_> {
    type Item = Result<(u64, Datum), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = 0..0;
        }
        Some(field)
    }
}

/// Packs records, for tests.
#[cfg(test)]
pub(super) fn pack(
    keys: &[&str],
    hashes: &[&str],
    records: &[(u64, Option<u64>, &[u8])],
) -> Vec<u8> {
    let mut body = Vec::new();
    for key in keys {
        put_bytes(&mut body, 1, key.as_bytes());
    }
    for hash in hashes {
        put_bytes(&mut body, 2, hash.as_bytes());
    }
    for (key, hash, data) in records {
        let mut inner = Vec::new();
        put_number(&mut inner, 1 << 3);
        put_number(&mut inner, *key);
        if let Some(hash) = hash {
            put_number(&mut inner, 2 << 3);
            put_number(&mut inner, *hash);
        }
        put_bytes(&mut inner, 3, data);
        put_bytes(&mut body, 3, &inner);
    }
    seal(&body)
}

#[cfg(test)]
fn seal(body: &[u8]) -> Vec<u8> {
    [&MAGIC[..], body, Md5::digest(body).as_slice()].concat()
}

#[cfg(test)]
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7F).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
}

#[cfg(test)]
fn put_bytes(bytes: &mut Vec<u8>, field: u64, data: &[u8]) {
    put_number(bytes, field << 3 | 2);
    put_number(bytes, data.len() as u64);
    bytes.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const ALL: (u128, u128) = (0, u128::MAX);

    fn texts(record: &[u8], hashes: (u128, u128)) -> Vec<(String, String, bool)> {
        let text = |at: &Range<usize>| String::from_utf8_lossy(&record[at.clone()]).into_owned();
        let packed = unpack(record, hashes).unwrap().unwrap();
        let one = |one: &Packed| (text(&one.key), text(&one.data), one.is_of_shard);
        packed.iter().map(one).collect()
    }

    #[test]
    fn packed_records_come_out_in_order_with_their_keys() {
        let record = pack(
            &["a", "b"],
            &["340282366920938463463374607431768211455"],
            &[(0, None, b"one"), (1, Some(0), b""), (0, None, b"three")],
        );
        let of = |key: &str, data: &str| (key.to_owned(), data.to_owned(), true);
        let expected = [of("a", "one"), of("b", ""), of("a", "three")];
        assert_eq!(texts(&record, ALL), expected);
    }

    #[test]
    fn records_of_another_shard_are_told_by_the_hash_of_their_key() {
        // MD5 of "a" begins with 0x0c, of "b" with 0x92.
        let half = 1 << 127;
        let record = pack(
            &["a", "b"],
            &["0", "no number"],
            &[
                (0, None, b"low"),
                (1, None, b"high"),
                (1, Some(0), b"said to be low"),
                (1, Some(1), b"said to be nothing"),
            ],
        );
        let within = |hashes| -> Vec<bool> {
            let texts = texts(&record, hashes);
            texts
                .into_iter()
                .map(|(_, _, is_of_shard)| is_of_shard)
                .collect()
        };
        assert_eq!(within((0, half - 1)), [true, false, true, true]);
        assert_eq!(within((half, u128::MAX)), [false, true, false, true]);
    }

    #[test]
    fn what_only_looks_packed_is_an_ordinary_record_and_what_cannot_be_read_is_told() {
        let mut wrong_sum = pack(&["a"], &[], &[(0, None, b"x")]);
        *wrong_sum.last_mut().unwrap() ^= 1;
        for plain in [&b"GET / HTTP/1.1"[..], b"", &MAGIC, &wrong_sum] {
            assert_eq!(unpack(plain, ALL), Ok(None), "{plain:?}");
        }
        assert_eq!(unpack(&pack(&[], &[], &[]), ALL), Ok(Some(Vec::new())));
        for (body, why) in [
            (&[3 << 3 | 2, 5, 1][..], "cut off"),
            (
                &[
                    1 << 3 | 2,
                    0xFF,
                    0xFF,
                    0xFF,
                    0xFF,
                    0xFF,
                    0xFF,
                    0xFF,
                    0xFF,
                    0xFF,
                    1,
                ],
                "cut off",
            ),
            (
                &[
                    1 << 3,
                    0x80,
                    0x80,
                    0x80,
                    0x80,
                    0x80,
                    0x80,
                    0x80,
                    0x80,
                    0x80,
                    0x80,
                    1,
                ],
                "too long",
            ),
            (&[1 << 3 | 3], "no known kind"),
            (&[3 << 3 | 2, 0], "without a key"),
            (&[3 << 3 | 2, 2, 1 << 3, 0], "no such key"),
            (&[1 << 3 | 2, 0, 3 << 3 | 2, 2, 1 << 3, 0], "without bytes"),
            (
                &[
                    1 << 3 | 2,
                    0,
                    3 << 3 | 2,
                    6,
                    1 << 3,
                    0,
                    2 << 3,
                    0,
                    3 << 3 | 2,
                    0,
                ],
                "no such hash key",
            ),
        ] {
            let error = unpack(&seal(body), ALL).unwrap_err();
            assert!(error.contains(why), "{body:?}: {error}");
        }
        let many = [3 << 3 | 2, 0].repeat(PACKED_MAX + 1);
        assert!(unpack(&seal(&many), ALL).unwrap_err().contains("too many"));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm_and_what_was_packed_comes_out(
            body in vec(any::<u8>(), 0..200),
            records in vec((0..3_u64, any::<bool>(), vec(any::<u8>(), 0..20)), 0..20),
            cut in any::<prop::sample::Index>(),
            with in any::<u8>(),
        ) {
            let within = |packed: &[Packed], n| {
                packed.iter().all(|one| one.data.end <= n && one.key.end <= n)
            };
            let hostile = seal(&body);
            if let Ok(Some(packed)) = unpack(&hostile, ALL) {
                prop_assert!(within(&packed, hostile.len()));
            }
            let given: Vec<(u64, Option<u64>, &[u8])> = records
                .iter()
                .map(|(key, has_hash, data)| (*key, has_hash.then_some(0), &data[..]))
                .collect();
            let record = pack(&["a", "", "c"], &["7"], &given);
            let packed = unpack(&record, ALL).unwrap().unwrap();
            let data: Vec<&[u8]> = packed.iter().map(|one| &record[one.data.clone()]).collect();
            let expected: Vec<&[u8]> = given.iter().map(|(_, _, data)| *data).collect();
            prop_assert_eq!(data, expected);
            // One byte of it is another, and the sum is right again.
            let mut body = record[MAGIC.len()..record.len() - SUM_BYTES].to_vec();
            let at = cut.index(body.len());
            body[at] = with;
            let damaged = seal(&body);
            if let Ok(Some(packed)) = unpack(&damaged, ALL) {
                prop_assert!(within(&packed, damaged.len()));
            }
        }
    }
}
