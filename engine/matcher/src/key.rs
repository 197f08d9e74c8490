//! The key of a bucket: a keyed hash of what CrowdSec hashes with SHA-1.

use std::hash::Hasher;

use overspill_bucket::Key;
use siphasher::sip128::{Hasher128, SipHasher13};

/// Makes bucket keys. The secret is one for all workers of a job, so that nobody who writes log
/// lines can aim at another bucket's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyer {
    secret: [u8; 16],
}

impl Keyer {
    /// A keyer of a secret.
    #[must_use]
    pub fn new(secret: [u8; 16]) -> Self {
        Self { secret }
    }

    /// The state after filter and name, which are the same for every pour of a scenario.
    ///
    /// Two scenarios with the same filter text and name share their buckets, as in CrowdSec
    /// (`pkg/leakybucket/manager_run.go`, `BucketKey`); lengths are hashed too, so that no two
    /// different triples meet.
    #[must_use]
    pub fn scenario(&self, filter: &str, name: &str) -> ScenarioKey {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        for part in [filter, name] {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part.as_bytes());
        }
        ScenarioKey(hasher)
    }

    /// Hash of a `distinct` value.
    #[must_use]
    pub fn distinct(&self, value: &[u8]) -> [u64; 2] {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        hasher.write(value);
        let hash = hasher.finish128();
        [hash.h1, hash.h2]
    }
}

/// A scenario's part of its keys.
#[derive(Debug, Clone)]
pub struct ScenarioKey(SipHasher13);

impl ScenarioKey {
    /// The key of the bucket for a group.
    #[must_use]
    pub fn bucket(&self, group: &[u8]) -> Key {
        let mut hasher = self.0;
        hasher.write(group);
        let hash = hasher.finish128();
        Key([hash.h1, hash.h2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_triples_share_a_key_and_others_do_not() {
        let keyer = Keyer::new([1; 16]);
        let key = |filter: &str, name: &str, group: &str| {
            keyer.scenario(filter, name).bucket(group.as_bytes())
        };
        assert_eq!(key("f", "n", "1.2.3.4"), key("f", "n", "1.2.3.4"));
        assert_ne!(key("f", "n", "1.2.3.4"), key("f", "n1", ".2.3.4"));
        assert_ne!(key("fn", "", "g"), key("f", "n", "g"));
        let other = Keyer::new([2; 16]).scenario("f", "n").bucket(b"1.2.3.4");
        assert_ne!(key("f", "n", "1.2.3.4"), other);
    }
}
