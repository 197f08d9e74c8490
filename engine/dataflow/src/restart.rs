//! Where a partition is taken up again after a checkpoint, and what of it is counted already.
//!
//! A checkpoint holds the state as of an event time W. Of the lines of a partition some have an
//! effective time at or below W and are in it, the others are not. Two places in the partition tell
//! them apart, however the watermark moved, by lines or by the clock of an idle source:
//!
//! ```text
//!            r: first line later than W        m: the watermark passed W here
//!  ----------|---------------------------------|----------------------> offset
//!   counted  |  counted if its time is <= W    |  not counted
//! ```
//!
//! Before `m` the watermark is below W, so a line that it clamps stays at or below W, and the line's own
//! time decides; from `m` on, everything is clamped above W. So a restart reads from `r`, leaves out
//! what is below `m` with a time at or below W, and needs no list of lines. Checkpoints are made at
//! multiples of [`GRID_NS`], so only lines that pass one of those are noted.
//!
//! Where parsers remember something from line to line (stashes), a restart has to begin with what was remembered there. That
//! is known at the ends of batches, so it begins at the last such end before `r`, and what was counted is left out as
//! always.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::clock::{ClockState, PartitionClock};

/// Checkpoints are made just before multiples of this event time.
pub const GRID_NS: i64 = 1_000_000_000;

/// A place in a partition that its source can begin at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// Offset of the first line to be read.
    pub offset: u64,
    /// What the source has to know besides.
    pub context: Arc<[u8]>,
}

/// What the parsers remember of a partition's lines, as bytes.
pub type StashBytes = Arc<[u8]>;

/// How a partition begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// Where its source begins.
    pub mark: Mark,
    /// What its parsers remember there.
    pub stash: Option<StashBytes>,
    /// What a checkpoint says of it.
    pub resumed: Option<Resumed>,
}

/// What is known of a partition that was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// The checkpoint's event time W.
    pub upto_ns: i64,
    /// Lines below this offset whose time is at or below W are counted.
    pub counted_below: u64,
    /// The clock before the first line that is read again.
    pub clock: ClockState,
}

/// What a checkpoint holds of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPoint {
    /// Number of the partition.
    pub partition: u32,
    /// Where reading begins again.
    pub mark: Mark,
    /// See [`Resumed::counted_below`].
    pub counted_below: u64,
    /// See [`Resumed::clock`].
    pub clock: ClockState,
    /// What its parsers remember where reading begins again; none for content without stashes.
    pub stash: Option<StashBytes>,
    /// The partition ended, and all of it is counted: only what its source wants remembered is left.
    pub is_ended: bool,
}

/// Where reading may begin again, and what is known there.
#[derive(Debug, Clone, Default)]
struct Place {
    mark: Mark,
    clock: ClockState,
    stash: Option<StashBytes>,
}

/// A line that is later than all before it, and passes a multiple of the grid.
#[derive(Debug, Clone)]
struct Later {
    time_ns: i64,
    place: Place,
}

/// The watermark passed a multiple of the grid.
#[derive(Debug, Clone)]
struct Passed {
    watermark_ns: i64,
    /// Everything from this offset on is later.
    below: u64,
    /// Where reading may begin if no line is later yet.
    place: Place,
}

/// The places of one partition that future checkpoints may need.
#[derive(Debug, Clone)]
struct Log {
    max_ns: i64,
    later: VecDeque<Later>,
    passed: VecDeque<Passed>,
    has_ended: bool,
}

impl Log {
    fn as_of(&self, partition: u32, upto_ns: i64) -> RestartPoint {
        let passed = self
            .passed
            .iter()
            .find(|passed| passed.watermark_ns >= upto_ns)
            .or(self.passed.back());
        let later = self.later.iter().find(|later| later.time_ns > upto_ns);
        let below = passed.map_or(0, |passed| passed.below);
        let place = later
            .map(|later| &later.place)
            .filter(|place| place.mark.offset < below)
            .or(passed.map(|passed| &passed.place))
            .cloned()
            .unwrap_or_default();
        RestartPoint {
            partition,
            mark: place.mark,
            counted_below: below,
            clock: place.clock,
            stash: place.stash,
            is_ended: self.has_ended && later.is_none(),
        }
    }

    /// Forgets what only checkpoints before this time would need.
    fn release(&mut self, upto_ns: i64) {
        while self
            .later
            .front()
            .is_some_and(|later| later.time_ns <= upto_ns)
        {
            self.later.pop_front();
        }
        while self.passed.len() > 1 && self.passed[0].watermark_ns < upto_ns {
            self.passed.pop_front();
        }
    }
}

/// The logs of the partitions at home at a worker; none in a job without checkpoints.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    is_kept: bool,
    /// Whether parsers remember something from line to line.
    has_stash: bool,
    logs: BTreeMap<u32, Log>,
    released_ns: Option<i64>,
}

impl Restarts {
    /// Keeps the logs, for checkpoints; `has_stash` says whether parsers remember something from line to line.
    pub(crate) fn kept(has_stash: bool) -> Self {
        Self {
            is_kept: true,
            has_stash,
            ..Self::default()
        }
    }

    /// Whether what parsers remember has to be known at the ends of batches.
    pub(crate) fn need_stashes(&self) -> bool {
        self.is_kept && self.has_stash
    }

    /// What a checkpoint as of `upto_ns` holds; partitions that ended are told for the last time.
    pub(crate) fn as_of(&mut self, upto_ns: i64) -> Vec<RestartPoint> {
        let points: Vec<RestartPoint> = self
            .logs
            .iter()
            .map(|(partition, log)| log.as_of(*partition, upto_ns))
            .collect();
        for point in points.iter().filter(|point| point.is_ended) {
            self.logs.remove(&point.partition);
        }
        points
    }

    /// No checkpoint before this time will be made any more.
    pub(crate) fn release(&mut self, upto_ns: i64) {
        let before = self.released_ns.replace(upto_ns);
        if before.is_none_or(|before| grid(before) < grid(upto_ns)) {
            self.logs.values_mut().for_each(|log| log.release(upto_ns));
        }
    }
}

/// The way of one partition through event time: its clock, and what of it is counted.
#[derive(Debug)]
pub(crate) struct Course {
    partition: u32,
    pub(crate) clock: PartitionClock,
    /// Everything to come counts as of after this.
    floor_ns: i64,
    /// What a checkpoint has, until the place is reached where it has nothing more.
    counted: Option<(i64, u64)>,
    /// Where reading goes on after what came home.
    after: Mark,
    /// The last place where what parsers remember was known; where they remember something.
    anchor: Option<Place>,
}

impl Course {
    /// A partition that begins so, at a worker that has promised nothing at or below `promised_ns`.
    pub(crate) fn new(
        partition: u32,
        start: &Start,
        lateness_ns: i64,
        promised_ns: Option<i64>,
        restarts: &mut Restarts,
    ) -> Self {
        let mut clock = match start.resumed {
            Some(resumed) => PartitionClock::resumed(lateness_ns, resumed.clock),
            None => PartitionClock::new(lateness_ns),
        };
        let upto_ns = start.resumed.map(|resumed| resumed.upto_ns);
        let floor_ns = promised_ns.max(upto_ns).unwrap_or(i64::MIN);
        // What was read before is clamped as it was then; the others have no past.
        if start.resumed.is_none() && floor_ns != i64::MIN {
            clock.raise(floor_ns);
        }
        if restarts.is_kept {
            let below = start
                .resumed
                .map_or(start.mark.offset, |resumed| resumed.counted_below);
            let passed = Passed {
                watermark_ns: floor_ns,
                below,
                place: Place {
                    mark: start.mark.clone(),
                    clock: clock.state(),
                    stash: start.stash.clone(),
                },
            };
            let log = Log {
                max_ns: upto_ns.unwrap_or(i64::MIN),
                later: VecDeque::new(),
                passed: VecDeque::from([passed]),
                has_ended: false,
            };
            restarts.logs.insert(partition, log);
        }
        let anchor = restarts.need_stashes().then(|| Place {
            mark: start.mark.clone(),
            clock: clock.state(),
            stash: start.stash.clone(),
        });
        Self {
            partition,
            anchor,
            clock,
            floor_ns,
            counted: start
                .resumed
                .map(|resumed| (resumed.upto_ns, resumed.counted_below)),
            after: start.mark.clone(),
        }
    }

    /// All events to come count as of after this.
    pub(crate) fn watermark_ns(&self) -> i64 {
        self.clock.watermark_ns().max(self.floor_ns)
    }

    /// The effective times of lines in order; `None` for one that a checkpoint has.
    pub(crate) fn times(
        &mut self,
        moments: &[Option<i64>],
        offsets: &[u64],
        context: &Arc<[u8]>,
        restarts: &mut Restarts,
    ) -> Vec<Option<i64>> {
        let mut log = restarts.logs.get_mut(&self.partition);
        let lines = moments.iter().zip(offsets);
        lines
            .map(|(time_ns, offset)| {
                let is_counted = self.is_counted(*time_ns, *offset);
                let before = self.clock.state();
                let watermark_ns = self.watermark_ns();
                let eff_ns = self
                    .clock
                    .effective_ns(*time_ns)
                    .max(self.floor_ns.saturating_add(1));
                if let Some(log) = &mut log {
                    let place = || {
                        self.anchor.clone().unwrap_or_else(|| Place {
                            mark: Mark {
                                offset: *offset,
                                context: Arc::clone(context),
                            },
                            clock: before,
                            stash: None,
                        })
                    };
                    if let Some(time_ns) = *time_ns
                        && time_ns > log.max_ns
                    {
                        if grid(time_ns) > grid(log.max_ns) {
                            log.later.push_back(Later {
                                time_ns,
                                place: place(),
                            });
                        }
                        log.max_ns = time_ns;
                    }
                    let now_ns = self.watermark_ns();
                    if passes(watermark_ns, now_ns) {
                        log.passed.push_back(Passed {
                            watermark_ns: now_ns,
                            below: offset.saturating_add(1),
                            place: place(),
                        });
                    }
                }
                (!is_counted).then_some(eff_ns)
            })
            .collect()
    }

    /// Whether a checkpoint has the next line.
    fn is_counted(&mut self, time_ns: Option<i64>, offset: u64) -> bool {
        let Some((upto_ns, below)) = self.counted else {
            return false;
        };
        if offset >= below {
            self.counted = None;
            self.clock.raise(upto_ns);
            return false;
        }
        time_ns.is_none_or(|time_ns| time_ns <= upto_ns)
    }

    /// A batch came home whole; `stash` is what parsers remember after it, where that is needed.
    pub(crate) fn came_home(&mut self, after: Mark, stash: Option<StashBytes>) {
        self.after = after;
        if let (Some(anchor), Some(stash)) = (&mut self.anchor, stash) {
            *anchor = Place {
                mark: self.after.clone(),
                clock: self.clock.state(),
                stash: Some(stash),
            };
        }
    }

    /// The watermark passes this time without a line; reading goes on at `next`, or where it stands.
    pub(crate) fn raise(&mut self, upto_ns: i64, next: Option<Mark>, restarts: &mut Restarts) {
        let before_ns = self.watermark_ns();
        if let Some(next) = next {
            if let Some(anchor) = self.anchor.as_mut().filter(|at| at.mark == self.after) {
                anchor.mark = next.clone();
            }
            self.after = next;
        }
        // Until what is counted was read again, the watermark says nothing of what will come.
        if let Some((_, below)) = self.counted {
            if self.after.offset < below {
                return;
            }
            self.counted = None;
        }
        if upto_ns <= before_ns {
            return;
        }
        self.clock.raise(upto_ns);
        let now_ns = self.watermark_ns();
        if let Some(log) = restarts.logs.get_mut(&self.partition)
            && passes(before_ns, now_ns)
        {
            log.passed.push_back(Passed {
                watermark_ns: now_ns,
                below: self.after.offset,
                place: self.here(),
            });
        }
    }

    /// Nothing more comes of the partition. Nobody waits for it from here on: event time passes lines of it that its own
    /// watermark never passed, so of all that it gave, whatever is at or below a checkpoint is counted.
    pub(crate) fn end(&self, restarts: &mut Restarts) {
        let Some(log) = restarts.logs.get_mut(&self.partition) else {
            return;
        };
        log.has_ended = true;
        let below = log.passed.back().map_or(0, |passed| passed.below);
        log.passed.push_back(Passed {
            watermark_ns: i64::MAX,
            below: below.max(self.after.offset),
            place: self.here(),
        });
    }

    /// Where reading goes on after what came home.
    fn here(&self) -> Place {
        self.anchor.clone().unwrap_or_else(|| Place {
            mark: self.after.clone(),
            clock: self.clock.state(),
            stash: None,
        })
    }
}

/// Which step of the grid a time is in.
fn grid(ns: i64) -> i64 {
    ns.div_euclid(GRID_NS)
}

/// Whether the watermark went past the last nanosecond of a step.
fn passes(before_ns: i64, now_ns: i64) -> bool {
    grid(before_ns.saturating_add(1)) < grid(now_ns.saturating_add(1))
}

#[cfg(test)]
mod tests;
