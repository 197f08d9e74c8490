//! The event-time domain: ticks, and the watermark of one partition.
//!
//! Timely's timestamp is a tick of 10 ms of event time, so that the frontier *is* the global
//! watermark. A partition's watermark is the running maximum of its events' times less its stated
//! lateness. An event at or below it is clamped to just above, never dropped: so no event is ever
//! late downstream, and results depend only on the partition's content.
//!
//! What is above the watermark is held, or may have to be redone; so an input whose watermark
//! stands (lines without a date, or millions of one second) must not stand for ever. After
//! [`TICK_EVENTS_MAX`] events within one tick of its watermark, a partition moves on by a tick.

/// Length of a tick.
pub const TICK_NS: i64 = 10_000_000;

/// Events of a partition within one tick of its watermark before the watermark moves on by a tick.
/// With pours of half a kilobyte this is about 64 MB a scenario that takes them all.
pub const TICK_EVENTS_MAX: u32 = 1 << 17;

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

/// The effective time up to which everything has arrived and is settled at a frontier; everything
/// there is at the end, when there is no frontier.
///
/// It ends a tick: buckets settle up to it when the frontier gets there, so whoever follows them
/// has all records up to it, and none above it that would have to be in order.
#[must_use]
pub fn complete_ns(frontier: Option<u64>) -> i64 {
    frontier.map_or(i64::MAX, |tick| untick(tick).saturating_sub(1))
}

/// What a clock has seen, as a checkpoint holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockState {
    /// Latest time of an event, in nanoseconds; `i64::MIN` before the first.
    pub max_ns: i64,
    /// Events since the watermark last moved by a tick.
    pub n_in_tick: u32,
}

impl Default for ClockState {
    fn default() -> Self {
        Self {
            max_ns: i64::MIN,
            n_in_tick: 0,
        }
    }
}

/// Decides an event's effective time from its partition's own content only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionClock {
    max_ns: i64,
    lateness_ns: i64,
    n_in_tick: u32,
    /// Events that were below the watermark and were clamped.
    pub n_clamped: u64,
    /// How often the watermark moved on because of [`TICK_EVENTS_MAX`].
    pub n_moved_on: u64,
}

impl PartitionClock {
    /// A clock that has seen nothing. `lateness_ns` is 0 for a file already in order.
    #[must_use]
    pub fn new(lateness_ns: i64) -> Self {
        Self {
            max_ns: i64::MIN,
            lateness_ns: lateness_ns.max(0),
            n_in_tick: 0,
            n_clamped: 0,
            n_moved_on: 0,
        }
    }

    /// A clock that goes on from a state.
    #[must_use]
    pub fn resumed(lateness_ns: i64, state: ClockState) -> Self {
        Self {
            max_ns: state.max_ns,
            n_in_tick: state.n_in_tick,
            ..Self::new(lateness_ns)
        }
    }

    /// What it has seen.
    #[must_use]
    pub fn state(&self) -> ClockState {
        ClockState {
            max_ns: self.max_ns,
            n_in_tick: self.n_in_tick,
        }
    }

    /// Moves the watermark to this time, unless it is there already.
    pub fn raise(&mut self, watermark_ns: i64) {
        if self.watermark_ns() < watermark_ns {
            self.max_ns = watermark_ns.saturating_add(self.lateness_ns);
            self.n_in_tick = 0;
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
        if let Some(time_ns) = time_ns {
            self.max_ns = self.max_ns.max(time_ns);
            self.n_clamped += u64::from(time_ns < watermark);
        }
        self.count(tick(watermark));
        time_ns.map_or(floor, |time_ns| time_ns.max(floor))
    }

    /// Counts an event that came at this tick of the watermark.
    fn count(&mut self, before: u64) {
        if tick(self.watermark_ns()) != before {
            self.n_in_tick = 0;
            return;
        }
        self.n_in_tick += 1;
        if self.n_in_tick >= TICK_EVENTS_MAX {
            self.n_in_tick = 0;
            self.n_moved_on += 1;
            self.max_ns = untick(before.saturating_add(1)).saturating_add(self.lateness_ns);
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
