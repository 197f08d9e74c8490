//! Which process reads which partition of a shared source.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::PartitionName;

/// Which of `n` processes reads a partition: a function of its name, so that processes need not agree, and a restart
/// with another number of processes divides anew. Partitions whose names differ by the number at their end, as those
/// of a topic or the shards of a stream do, are dealt out in turn.
#[must_use]
pub fn divides_to(name: &PartitionName, n: usize) -> usize {
    let stem = name
        .0
        .trim_end_matches(|letter: char| letter.is_ascii_digit());
    let digits = &name.0[stem.len()..];
    let mut hasher = SipHasher13::new();
    hasher.write(stem.as_bytes());
    let n = n.max(1) as u64;
    // A number that is too long for one is a name like any other.
    let number = digits.parse::<u64>().unwrap_or_else(|_| {
        hasher.write(digits.as_bytes());
        0
    });
    let at = (hasher.finish() % n + number % n) % n;
    usize::try_from(at).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, n: usize) -> usize {
        divides_to(&PartitionName::new(name), n)
    }

    #[test]
    fn partitions_of_a_topic_are_dealt_out_in_turn() {
        for n in 1..6 {
            for topic in ["logs", "logs-2", "t9/"] {
                let mut counts = vec![0; n];
                for partition in 0..n * 7 {
                    counts[of(&format!("{topic}/{partition}"), n)] += 1;
                }
                assert_eq!(counts, vec![7; n], "{topic}");
            }
        }
    }

    #[test]
    fn other_names_are_spread_and_each_belongs_to_one() {
        let mut counts = [0; 4];
        for at in 0..400 {
            counts[of(&format!("group-{at}/stream"), 4)] += 1;
        }
        assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
        assert!(of("/99999999999999999999999999", 3) < 3);
        assert_eq!(of("", 0), 0);
    }
}
