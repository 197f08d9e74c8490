//! The event-time domain: ticks, and the watermark of one partition.
//!
//! Timely's timestamp is a tick of 10 ms of event time, so that the frontier *is* the global
//! watermark. A partition's watermark is the running maximum of its events' times less its stated
//! lateness. An event at or below it is clamped to just above, never dropped: so no event is ever
//! late downstream, and results depend only on the partition's content.

/// Length of a tick.
pub const TICK_NS: i64 = 10_000_000;

/// Ticks are shifted so that every event time of `i64` nanoseconds has one.
const TICK_BASE: i64 = i64::MAX / TICK_NS + 2;

/// The tick that holds an event time.
#[must_use]
pub fn tick(ns: i64) -> u64 {
    u64::try_from(ns.div_euclid(TICK_NS) + TICK_BASE).unwrap_or(0)
}

/// The first event time of a tick. All events still to come at this frontier are later.
#[must_use]
pub fn untick(tick: u64) -> i64 {
    i64::try_from(tick)
        .unwrap_or(i64::MAX)
        .saturating_sub(TICK_BASE)
        .saturating_mul(TICK_NS)
}

/// Decides an event's effective time from its partition's own content only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionClock {
    max_ns: i64,
    lateness_ns: i64,
    /// Events that were at or below the watermark and were clamped.
    pub n_clamped: u64,
}

impl PartitionClock {
    /// A clock that has seen nothing. `lateness_ns` is 0 for a file already in order.
    #[must_use]
    pub fn new(lateness_ns: i64) -> Self {
        Self {
            max_ns: i64::MIN,
            lateness_ns,
            n_clamped: 0,
        }
    }

    /// All events to come have an effective time above this.
    #[must_use]
    pub fn watermark_ns(&self) -> i64 {
        self.max_ns.saturating_sub(self.lateness_ns)
    }

    /// The effective time of the next event, which advances the watermark.
    ///
    /// An event without a time of its own stands just above the watermark.
    pub fn effective_ns(&mut self, time_ns: Option<i64>) -> i64 {
        let watermark = self.watermark_ns();
        let floor = watermark.saturating_add(1);
        let Some(time_ns) = time_ns else { return floor };
        self.max_ns = self.max_ns.max(time_ns);
        if time_ns > watermark {
            time_ns
        } else {
            if time_ns < watermark {
                self.n_clamped += 1;
            }
            floor
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_monotone_at_the_ends_of_time() {
        for ns in [i64::MIN, i64::MIN + 1, -1, 0, 1, TICK_NS, i64::MAX - 1] {
            assert!(tick(ns) <= tick(ns.saturating_add(TICK_NS)), "{ns}");
            assert!(untick(tick(ns)) <= ns, "{ns}");
        }
    }

    #[test]
    fn effective_time_never_falls_in_an_ordered_partition() {
        let mut clock = PartitionClock::new(0);
        let effs: Vec<i64> = [Some(10), Some(10), Some(7), None, Some(11), Some(12)]
            .into_iter()
            .map(|time| clock.effective_ns(time))
            .collect();
        assert_eq!(effs, vec![10, 11, 11, 11, 11, 12]);
        assert_eq!(clock.n_clamped, 1);
    }

    #[test]
    fn lateness_leaves_the_time_of_late_events_alone() {
        let mut clock = PartitionClock::new(5);
        let effs: Vec<i64> = [Some(10), Some(7), Some(5), Some(4)]
            .into_iter()
            .map(|time| clock.effective_ns(time))
            .collect();
        assert_eq!(effs, vec![10, 7, 6, 6]);
    }
}
