//! Names that follow from content: the same bucket, alert or decision derived again is the same.
//!
//! A worker that restarts derives alerts again that were sent before. Nothing here is random, so
//! whoever receives such an alert twice can tell.

use overspill_event::Position;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Key of a bucket as CrowdSec makes it: SHA-1 over filter text, partition value and scenario
/// name, with a zero byte between them, in hex (`pkg/leakybucket`, `BucketKey`).
#[must_use]
pub fn mapkey(filter: &[u8], partition: &[u8], name: &[u8]) -> String {
    let mut hash = Sha1::new();
    for (number, part) in [filter, partition, name].into_iter().enumerate() {
        if number > 0 {
            hash.update([0]);
        }
        hash.update(part);
    }
    hex(&hash.finalize())
}

/// What tells one alert from every other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AlertIdentity<'a> {
    pub(crate) scenario: &'a str,
    pub(crate) scenario_hash: &'a str,
    pub(crate) mapkey: &'a str,
    pub(crate) first: Position,
    pub(crate) last: Position,
    pub(crate) total: u64,
    pub(crate) source_key: &'a str,
}

impl AlertIdentity<'_> {
    pub(crate) fn uuid(&self) -> String {
        let mut hash = Labelled::new("alert");
        hash.part(self.scenario.as_bytes());
        hash.part(self.scenario_hash.as_bytes());
        hash.part(self.mapkey.as_bytes());
        for position in [self.first, self.last] {
            hash.part(&position.partition.to_le_bytes());
            hash.part(&position.offset.to_le_bytes());
        }
        hash.part(&self.total.to_le_bytes());
        hash.part(self.source_key.as_bytes());
        hash.uuid()
    }
}

/// Identity of the `number`-th decision of an alert.
pub(crate) fn decision_uuid(alert_uuid: &str, number: usize) -> String {
    let mut hash = Labelled::new("decision");
    hash.part(alert_uuid.as_bytes());
    hash.part(&u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes());
    hash.uuid()
}

/// A hash over parts that cannot run into each other, and over what they are parts of.
struct Labelled(Sha256);

impl Labelled {
    fn new(label: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.part(b"overspill");
        hash.part(label.as_bytes());
        hash
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0
            .update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(bytes);
    }

    /// A UUID of version 8 (RFC 9562): bits of our own choice, here of the hash.
    fn uuid(self) -> String {
        let mut bits = [0; 16];
        for (bit, hashed) in bits.iter_mut().zip(self.0.finalize()) {
            *bit = hashed;
        }
        bits[6] = (bits[6] & 0x0f) | 0x80;
        bits[8] = (bits[8] & 0x3f) | 0x80;
        let text = hex(&bits);
        let groups = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
        groups
            .map(|(from, to)| text.get(from..to).unwrap_or_default())
            .join("-")
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |number: u8| char::from(DIGITS[usize::from(number & 0xf)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapkey_is_sha1_with_zero_bytes_between() {
        // `printf 'true\0001.2.3.4\000test/leaky' | sha1sum`
        assert_eq!(mapkey(b"true", b"1.2.3.4", b"test/leaky"), KEY);
        assert_ne!(mapkey(b"true1", b".2.3.4", b"test/leaky"), KEY);
    }

    const KEY: &str = "fb5ee90f7e10a9132a89050dbc79ec6677da9404";

    #[test]
    fn every_fact_is_part_of_an_alerts_identity() {
        let position = |offset| Position {
            partition: 0,
            offset,
        };
        let base = AlertIdentity {
            scenario: "s",
            scenario_hash: "h",
            mapkey: "k",
            first: position(1),
            last: position(2),
            total: 3,
            source_key: "1.2.3.4",
        };
        let uuid = base.uuid();
        assert_eq!(uuid, base.uuid());
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'8', "the version of {uuid}");
        assert!(
            b"89ab".contains(&uuid.as_bytes()[19]),
            "the variant of {uuid}"
        );
        for other in [
            AlertIdentity {
                scenario: "sh",
                scenario_hash: "",
                ..base
            },
            AlertIdentity {
                mapkey: "l",
                ..base
            },
            AlertIdentity {
                first: position(2),
                last: position(1),
                ..base
            },
            AlertIdentity {
                first: Position {
                    partition: 1,
                    offset: 1,
                },
                ..base
            },
            AlertIdentity {
                last: position(3),
                ..base
            },
            AlertIdentity { total: 4, ..base },
            AlertIdentity {
                source_key: "1.2.3.5",
                ..base
            },
        ] {
            assert_ne!(other.uuid(), uuid, "{other:?}");
        }
        assert_ne!(decision_uuid(&uuid, 0), decision_uuid(&uuid, 1));
        assert_ne!(decision_uuid(&uuid, 0), uuid);
    }
}
