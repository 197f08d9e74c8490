//! From a source into the lanes of the job: numbers for partitions, and what a checkpoint says of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use overspill_connectors::source::{
    Batch, Begun, Left, Outlet, PartitionId, PartitionName, Position, Positions,
};
use overspill_dataflow::clock::ClockState;
use overspill_dataflow::feed::{Feed, Feeder, Lines, partition};
use overspill_dataflow::intake::Intake;
use overspill_dataflow::restart::{Mark, RestartPoint, Resumed, Start};
use siphasher::sip::SipHasher13;

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
    /// The partition has ended; only its position is of use.
    pub(crate) is_left: bool,
}

/// Source and partition.
pub(crate) type Name = (String, String);

/// The partitions of a job: their numbers, and what is to be kept of those that are not read now.
#[derive(Debug)]
pub(crate) struct Register {
    node: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What the last checkpoint says, or a partition that ended left.
    points: BTreeMap<Name, Point>,
    /// Partitions that are read, by number.
    open: BTreeMap<u32, Name>,
    /// What partitions left that ended and are still in the job.
    ended: BTreeMap<u32, Left>,
}

impl Register {
    pub(crate) fn new(points: BTreeMap<Name, Point>, node: &str) -> Self {
        Self {
            node: node.to_owned(),
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
        for part in [self.node.as_str(), source, &begun.name.0] {
            hasher.write(part.as_bytes());
            hasher.write(&[0]);
        }
        let mut number = u32::try_from(hasher.finish() >> 32).unwrap_or(0);
        let mut inner = self.lock();
        while inner.open.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        let known = inner.points.get(&name).cloned();
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

    /// What a checkpoint as of `upto_ns` is to hold, given what the job says of its partitions.
    pub(crate) fn checkpoint(
        &self,
        upto_ns: i64,
        given: Vec<RestartPoint>,
    ) -> BTreeMap<Name, Point> {
        let mut inner = self.lock();
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
                    is_left: false,
                };
                inner.points.insert(name, point);
                continue;
            }
            inner.open.remove(&point.partition);
            // It may have begun again under another number meanwhile; that one speaks for it then.
            if inner.open.values().any(|other| *other == name) {
                inner.ended.remove(&point.partition);
                continue;
            }
            match inner.ended.remove(&point.partition) {
                Some(Left::At(position)) => {
                    let point = Point {
                        position,
                        upto_ns,
                        counted_below: 0,
                        clock: ClockState::default(),
                        is_left: true,
                    };
                    inner.points.insert(name, point);
                }
                Some(Left::Nothing) | None => {
                    inner.points.remove(&name);
                }
            }
        }
        inner.points.clone()
    }
}

/// One lane of a source.
struct Lane {
    feeder: Feeder,
    number: u32,
}

/// The lanes of one source.
pub(crate) struct Lanes {
    source: String,
    register: Arc<Register>,
    intake: Arc<Intake>,
    lanes: HashMap<PartitionId, Lane>,
}

impl Lanes {
    pub(crate) fn new(source: &str, register: &Arc<Register>, intake: &Arc<Intake>) -> Self {
        Self {
            source: source.to_owned(),
            register: Arc::clone(register),
            intake: Arc::clone(intake),
            lanes: HashMap::new(),
        }
    }

    /// The number in the job of one of the source's partitions.
    pub(crate) fn number(&self, partition: PartitionId) -> Option<u32> {
        Some(self.lanes.get(&partition)?.number)
    }
}

impl Outlet for Lanes {
    fn begin(&mut self, begun: Begun) {
        let (number, known) = self.register.begin(&self.source, &begun);
        let (feeder, mut lane) = partition(number, begun.origin.as_ref().clone());
        lane.start = Start {
            mark: Mark {
                offset: begun.position.offset,
                context: begun.position.context,
            },
            resumed: known.map(|point| Resumed {
                upto_ns: point.upto_ns,
                counted_below: point.counted_below,
                clock: point.clock,
            }),
        };
        self.intake.add(lane);
        self.lanes.insert(begun.id, Lane { feeder, number });
    }

    fn has_room(&mut self, partition: PartitionId) -> bool {
        self.lanes
            .get(&partition)
            .is_some_and(|lane| lane.feeder.has_room())
    }

    fn give(&mut self, batch: Batch) {
        let Some(lane) = self.lanes.get(&batch.partition) else {
            return;
        };
        let later = |ns: i64| ns.saturating_add(FUTURE_NS);
        let lines = Lines {
            batch: batch.lines,
            context: batch.context,
            next_offset: batch.next_offset,
            arrival_ns: Some(batch.arrival_ns),
            bounds_ns: batch.times_ns.into_iter().map(later).collect(),
            bound_ns: Some(later(batch.arrival_ns)),
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
        if let Some(lane) = self.lanes.get(&partition)
            && lane.feeder.has_room()
        {
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
