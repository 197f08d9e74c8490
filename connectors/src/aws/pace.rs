//! Pauses that are not the same for all.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// A time between a half and the whole of a pause: readers that were turned away together do not come back together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    // A new state has new keys, so this is a number that nobody knows before.
    let number = RandomState::new().build_hasher().finish();
    let part = u32::try_from(number % 1_024).unwrap_or(0);
    let half = pause / 2;
    half + half.saturating_mul(part) / 1_024
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn pauses_lie_between_a_half_and_the_whole_and_differ() {
        let pauses: BTreeSet<Duration> = (0..100)
            .map(|_| jittered(Duration::from_secs(30)))
            .collect();
        let (half, whole) = (Duration::from_secs(15), Duration::from_secs(30));
        assert!(pauses.iter().all(|pause| (half..whole).contains(pause)));
        assert!(pauses.len() > 10);
        assert_eq!(jittered(Duration::ZERO), Duration::ZERO);
    }
}
