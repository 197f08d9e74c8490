//! From a source into the lanes of the job: numbers for partitions, and what a checkpoint says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use overspill_connectors::source::{
    Batch, Begun, Left, Outlet, PartitionId, PartitionName, Position, Positions,
};
use overspill_dataflow::clock::ClockState;
use overspill_dataflow::feed::{Feed, Feeder, Lines, partition};
use overspill_dataflow::intake::Intake;
use overspill_dataflow::restart::{Mark, RestartPoint, Resumed, Start, StashBytes};
use siphasher::sip::SipHasher13;

use super::sources::Told;

/// How much later than its arrival an event may be.
const FUTURE_NS: i64 = 60_000_000_000;

/// What a checkpoint holds of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    /// Where reading begins again.
    pub(crate) position: Position,
    /// Event time up to which lines below `counted_below` are counted.
    pub(crate) upto_ns: i64,
    /// See [`Resumed`].
    pub(crate) counted_below: u64,
    /// See [`Resumed`].
    pub(crate) clock: ClockState,
    /// What its parsers remember there, if there is anything.
    pub(crate) stash: Option<StashBytes>,
    /// The partition has ended; only its position is of use.
    pub(crate) is_left: bool,
}

/// Source and partition.
pub(crate) type Name = (String, String);

/// The partitions of a process: their numbers, and what is to be kept of them.
#[derive(Debug)]
pub(crate) struct Register {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What the last checkpoint says, or a partition that ended left.
    points: BTreeMap<Name, Point>,
    /// Partitions that were read here since the job began.
    ours: BTreeSet<Name>,
    /// Partitions that are read, by number.
    open: BTreeMap<u32, Name>,
    /// What partitions left that ended and are still in the job.
    ended: BTreeMap<u32, Left>,
}

impl Register {
    pub(crate) fn new(points: BTreeMap<Name, Point>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                points,
                ..Inner::default()
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the partitions of a source begin.
    pub(crate) fn positions(&self, source: &str) -> Positions {
        let inner = self.lock();
        let of_source = inner.points.iter().filter(|((id, _), _)| id == source);
        of_source
            .map(|((_, name), point)| (PartitionName::new(name), point.position.clone()))
            .collect()
    }

    /// The number of a partition, made of its name, and what is known of it. Numbers order lines of the
    /// same time, so they must be the same after a restart.
    fn begin(&self, source: &str, begun: &Begun) -> (u32, Option<Point>) {
        let name = (source.to_owned(), begun.name.0.to_string());
        let mut hasher = SipHasher13::new();
        for part in [source, &begun.name.0] {
            hasher.write(part.as_bytes());
            hasher.write(&[0]);
        }
        let mut number = u32::try_from(hasher.finish() >> 32).unwrap_or(0);
        let mut inner = self.lock();
        while inner.open.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        let known = inner.points.get(&name).cloned();
        inner.ours.insert(name.clone());
        inner.open.insert(number, name);
        inner.ended.remove(&number);
        // A position that could not be honoured says nothing of what is counted.
        let known = known.filter(|point| point.position == begun.position && !point.is_left);
        (number, known)
    }

    /// The partitions that are read, by number.
    pub(crate) fn open(&self) -> BTreeMap<u32, Name> {
        self.lock().open.clone()
    }

    fn end(&self, number: u32, left: Left) {
        self.lock().ended.insert(number, left);
    }

    /// What a checkpoint as of `upto_ns` is to hold of the partitions of this process, given what the job says of
    /// them; nothing for one of which nothing is to be kept.
    pub(crate) fn checkpoint(
        &self,
        upto_ns: i64,
        given: Vec<RestartPoint>,
    ) -> Vec<(Name, Option<Point>)> {
        let mut inner = self.lock();
        let mut points = Vec::new();
        for point in given {
            let Some(name) = inner.open.get(&point.partition).cloned() else {
                continue;
            };
            let position = Position {
                offset: point.mark.offset,
                context: point.mark.context,
            };
            if !point.is_ended {
                let point = Point {
                    position,
                    upto_ns,
                    counted_below: point.counted_below,
                    clock: point.clock,
                    stash: point.stash,
                    is_left: false,
                };
                points.push((name, Some(point)));
                continue;
            }
            inner.open.remove(&point.partition);
            // It may have begun again under another number meanwhile; that one speaks for it then.
            if inner.open.values().any(|other| *other == name) {
                inner.ended.remove(&point.partition);
                continue;
            }
            let point = match inner.ended.remove(&point.partition) {
                Some(Left::At(position)) => Some(Point {
                    position,
                    upto_ns,
                    counted_below: 0,
                    clock: ClockState::default(),
                    stash: None,
                    is_left: true,
                }),
                Some(Left::Nothing) | None => None,
            };
            points.push((name, point));
        }
        for (name, point) in &points {
            match point {
                Some(point) => {
                    inner.points.insert(name.clone(), point.clone());
                }
                None => {
                    inner.points.remove(name);
                }
            }
        }
        points
    }

    /// What sources are told once the newest checkpoint is durable: where the partitions stand that were read here.
    pub(crate) fn told(&self) -> Told {
        let inner = self.lock();
        let mut told = Told::new();
        for (name, point) in &inner.points {
            if inner.ours.contains(name) {
                let of_source = told.entry(name.0.clone()).or_default();
                of_source.insert(PartitionName::new(&name.1), point.position.clone());
            }
        }
        told
    }
}

/// Event times that lines cannot be later than, of what the transport says of theirs. A sender may claim any time, and would
/// else take the event time of all partitions there, so it is believed up to the time of arrival.
fn bounds_ns(times_ns: &[i64], arrival_ns: i64) -> Vec<i64> {
    let bound = |ns: &i64| arrival_ns.min(*ns).saturating_add(FUTURE_NS);
    times_ns.iter().map(bound).collect()
}

/// One lane of a source.
struct Lane {
    feeder: Feeder,
    number: u32,
    /// Number of the partition that says at which worker it is counted.
    home_of: u32,
    name: String,
    /// When the source last said something of it, or could not for want of room.
    heard: Instant,
    /// Others do not wait for it now.
    is_excluded: bool,
}

/// When a partition that is silent, and has not said that there is nothing, holds up the others no longer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How long it may be silent.
    pub(crate) skew: Duration,
    /// How far behind the clock event time stays then, in nanoseconds.
    pub(crate) idle_ns: i64,
}

/// The lanes of one source.
pub(crate) struct Lanes {
    source: String,
    register: Arc<Register>,
    intake: Arc<Intake>,
    lanes: BTreeMap<PartitionId, Lane>,
    patience: Patience,
}

impl Lanes {
    pub(crate) fn new(
        source: &str,
        register: &Arc<Register>,
        intake: &Arc<Intake>,
        patience: Patience,
    ) -> Self {
        Self {
            source: source.to_owned(),
            register: Arc::clone(register),
            intake: Arc::clone(intake),
            lanes: BTreeMap::new(),
            patience,
        }
    }

    /// The number in the job of one of the source's partitions.
    pub(crate) fn number(&self, partition: PartitionId) -> Option<u32> {
        Some(self.lanes.get(&partition)?.number)
    }

    /// Lets the others go on without partitions that are silent for too long; what they give later counts as of after
    /// that. Answers which began to be so, or ended.
    pub(crate) fn look(&mut self, now: Instant, now_ns: i64) -> Vec<String> {
        let mut said = Vec::new();
        for lane in self.lanes.values_mut() {
            let silent = now.saturating_duration_since(lane.heard);
            let is_excluded = silent >= self.patience.skew;
            if is_excluded {
                let upto_ns = now_ns.saturating_sub(self.patience.idle_ns);
                lane.feeder.exclude(upto_ns);
            }
            if is_excluded != std::mem::replace(&mut lane.is_excluded, is_excluded) {
                let name = &lane.name;
                said.push(match is_excluded {
                    true => format!(
                        "partition {name} is silent for {} s, and not at its end: the others go on without it",
                        silent.as_secs()
                    ),
                    false => format!("partition {name} is back"),
                });
            }
        }
        said
    }

    /// A partition came, which is counted where that of this number is, or where its own is.
    fn take_up(&mut self, begun: Begun, home_of: Option<u32>) {
        let (number, known) = self.register.begin(&self.source, &begun);
        let name = begun.name.0.to_string();
        let (feeder, mut lane) = partition(number, begun.origin.as_ref().clone());
        lane.start = Start {
            mark: Mark {
                offset: begun.position.offset,
                context: begun.position.context,
            },
            stash: known.as_ref().and_then(|point| point.stash.clone()),
            resumed: known.map(|point| Resumed {
                upto_ns: point.upto_ns,
                counted_below: point.counted_below,
                clock: point.clock,
            }),
        };
        lane.home_of = home_of.unwrap_or(number);
        let home_of = lane.home_of;
        self.intake.add(lane);
        let lane = Lane {
            feeder,
            number,
            home_of,
            name,
            heard: Instant::now(),
            is_excluded: false,
        };
        self.lanes.insert(begun.id, lane);
    }
}

impl Outlet for Lanes {
    fn begin(&mut self, begun: Begun) {
        self.take_up(begun, None);
    }

    fn begin_after(&mut self, begun: Begun, parent: PartitionId) {
        let home_of = self.lanes.get(&parent).map(|parent| parent.home_of);
        self.take_up(begun, home_of);
    }

    fn has_room(&mut self, partition: PartitionId) -> bool {
        let Some(lane) = self.lanes.get_mut(&partition) else {
            return false;
        };
        let has_room = lane.feeder.has_room();
        if !has_room {
            lane.heard = Instant::now();
        }
        has_room
    }

    fn hold(&mut self, partition: PartitionId) {
        if let Some(lane) = self.lanes.get_mut(&partition) {
            lane.heard = Instant::now();
        }
    }

    fn give(&mut self, batch: Batch) {
        let Some(lane) = self.lanes.get_mut(&batch.partition) else {
            return;
        };
        lane.heard = Instant::now();
        let lines = Lines {
            batch: batch.lines,
            context: batch.context,
            next_offset: batch.next_offset,
            arrival_ns: Some(batch.arrival_ns),
            bounds_ns: bounds_ns(&batch.times_ns, batch.arrival_ns),
            bound_ns: Some(batch.arrival_ns.saturating_add(FUTURE_NS)),
            runs: batch
                .runs
                .into_iter()
                .map(|run| (run.first, run.origin))
                .collect(),
        };
        // Only a job that has ended takes no more, and then this ends soon.
        lane.feeder.send(Feed::Lines(lines));
    }

    fn caught_up(&mut self, partition: PartitionId, as_of_ns: i64, position: Position) {
        let Some(lane) = self.lanes.get_mut(&partition) else {
            return;
        };
        lane.heard = Instant::now();
        if lane.feeder.has_room() {
            let next = Mark {
                offset: position.offset,
                context: position.context,
            };
            lane.feeder.send(Feed::CaughtUp { as_of_ns, next });
        }
    }

    fn end(&mut self, partition: PartitionId, left: Left) {
        if let Some(lane) = self.lanes.remove(&partition) {
            self.register.end(lane.number, left);
            lane.feeder.send(Feed::End);
        }
    }
}

#[cfg(test)]
mod tests {
    use overspill_connectors::source::Position;
    use overspill_event::{LineBatch, Origin};

    use super::*;

    #[test]
    fn a_time_that_a_sender_claims_is_believed_up_to_the_arrival() {
        let later = |ns: i64| ns + FUTURE_NS;
        let bounds = bounds_ns(&[600, 1_000, i64::MAX], 1_000);
        assert_eq!(bounds, [later(600), later(1_000), later(1_000)]);
        assert!(bounds_ns(&[], 1_000).is_empty());
    }

    #[test]
    fn others_go_on_without_a_partition_that_is_silent_until_it_speaks() {
        let register = Arc::new(Register::new(BTreeMap::new()));
        let patience = Patience {
            skew: Duration::from_secs(600),
            idle_ns: 5,
        };
        let mut lanes = Lanes::new("/s", &register, &Arc::default(), patience);
        for (id, name) in [(0, "loud"), (1, "silent")] {
            lanes.begin(Begun {
                id: PartitionId(id),
                name: PartitionName::new(name),
                origin: Arc::new(Origin::default()),
                position: Position::beginning(),
            });
        }
        assert!(lanes.look(Instant::now(), 1_000).is_empty());
        let later = Instant::now() + Duration::from_secs(700);
        lanes.lanes.get_mut(&PartitionId(0)).unwrap().heard = later;
        let said = lanes.look(later, 1_000);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("silent is silent for 7"), "{said:?}");
        assert!(lanes.look(later, 2_000).is_empty(), "it is said once");
        lanes.give(Batch {
            partition: PartitionId(1),
            lines: LineBatch::default(),
            context: Arc::default(),
            next_offset: 1,
            arrival_ns: 0,
            times_ns: Vec::new(),
            runs: Vec::new(),
        });
        assert_eq!(
            lanes.look(Instant::now(), 3_000),
            ["partition silent is back"]
        );
    }
}
