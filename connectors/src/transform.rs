//! Lines that are made of lines: CrowdSec's `transform`.
//!
//! What a line becomes is asked of a [`Transform`], a function that whoever has the expression language hands in. This
//! module knows what to do with the answer:
//!
//! ```text
//!  source --- batch ---> pending, one of each partition --- room? ---> outlet
//!             o, o+1       line by line: 0, 1 or many            (o,0) (o,1) (o,2) (o+1,0)
//! ```
//!
//! An offset outside is that of the line, and the number of what was made of it behind that, in its lower 20 bits. So
//! everything that was made has a position of its own, and a restart in the midst of a line goes on with what comes
//! next. Positions are marked, so that those of a source that had no transform before are not taken for others.
//!
//! A partition with something pending has no room, is not called idle, and does not end before all is given.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use overspill_event::{LineBatch, Origin};

use crate::source::{
    Batch, Begun, Count, Counters, Lag, Left, LiveSource, Outlet, PartitionId, PartitionName,
    Position, Positions, Resume, Run, SourceError, Turn,
};

/// Most bytes that may be made of one line. More is an error, and the line stays as it is.
pub const MADE_BYTES_MAX: usize = 16 << 20;
/// Most lines that may be made of one line.
pub const MADE_LINES_MAX: usize = 1_000_000;
/// Bits of an offset that count what was made of one line.
const PART_BITS: u32 = 20;
/// What was made of one line lies below this.
const PARTS: u64 = 1 << PART_BITS;
/// Bytes of a batch that is given; one line may come on top.
const BATCH_BYTES: usize = 64 * 1024;
/// Before the context of a position of a transformed source: a mark that no source uses, and a version.
const MARK: [u8; 2] = [0xfe, 1];
/// How long a source may wait for something while others wait for room.
const WAIT_PENDING: Duration = Duration::from_millis(5);

/// What became of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// Lines in its place, in order; `None` stands for the line itself. None at all: the line is left out.
    pub lines: Vec<Option<Arc<[u8]>>>,
    /// What went wrong, as a lowercase fragment.
    pub trouble: Option<String>,
}

impl Made {
    /// The line stays as it is, for this reason.
    #[must_use]
    pub fn unchanged(why: String) -> Self {
        Self {
            lines: vec![None],
            trouble: Some(why),
        }
    }

    /// As it is, within the limits.
    fn bounded(self) -> Self {
        let n_bytes: usize = self.lines.iter().flatten().map(|line| line.len()).sum();
        if self.lines.len() > MADE_LINES_MAX || n_bytes > MADE_BYTES_MAX {
            let n = self.lines.len();
            return Self::unchanged(format!("made {n} lines of {n_bytes} bytes of one line"));
        }
        self
    }
}

/// What a function is told of a line: its bytes, where it is from, and when it was read, in nanoseconds since 1970.
type Make = dyn Fn(&[u8], &Origin, i64) -> Made + Send + Sync;

/// Says what a line becomes.
#[derive(Clone)]
pub struct Transform(Arc<Make>);

impl Transform {
    /// One that asks this function.
    #[must_use]
    pub fn new(make: impl Fn(&[u8], &Origin, i64) -> Made + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transform")
    }
}

/// The positions of a source as it knows them itself.
#[must_use]
pub fn plain(resume: Resume) -> Resume {
    match resume {
        Resume::First => Resume::First,
        Resume::From(positions) => Resume::From(inner_positions(&positions)),
    }
}

fn inner_positions(positions: &Positions) -> Positions {
    positions
        .iter()
        .map(|(name, position)| (name.clone(), inner(position).0))
        .collect()
}

/// A position as the source knows it, and how much of the line there was given.
fn inner(position: &Position) -> (Position, u64) {
    match position.context.strip_prefix(&MARK) {
        None => (position.clone(), 0),
        Some(context) => {
            let inner = Position {
                offset: position.offset >> PART_BITS,
                context: Arc::from(context),
            };
            (inner, position.offset % PARTS)
        }
    }
}

fn outer_context(context: &[u8]) -> Arc<[u8]> {
    Arc::from([&MARK, context].concat())
}

/// An offset outside. Offsets inside are below 2^44, as bytes of a file are that is below 16 TiB; beyond, all are one.
fn outer_offset(offset: u64, part: u64) -> u64 {
    offset.saturating_mul(PARTS).saturating_add(part)
}

fn outer(position: &Position) -> Position {
    Position {
        offset: outer_offset(position.offset, 0),
        context: outer_context(&position.context),
    }
}

/// Where a partition is to go on.
#[derive(Debug)]
struct Resumed {
    /// As the checkpoint has it.
    outer: Position,
    inner: Position,
    /// What was made of the line there and was given.
    n_given: u64,
}

/// A batch of which not everything was given yet.
#[derive(Debug)]
struct Pending {
    batch: Batch,
    context: Arc<[u8]>,
    /// The next line.
    at: usize,
    /// What was made of the line before it, and the offset of the first of those.
    made: VecDeque<Option<Arc<[u8]>>>,
    next_part: u64,
}

/// A partition.
#[derive(Debug)]
struct Lane {
    name: PartitionName,
    origin: Arc<Origin>,
    pending: Option<Pending>,
    /// Parts of the line of this offset that were given before a restart.
    given: Option<(u64, u64)>,
    /// It has ended, and is told so when nothing is pending.
    left: Option<Left>,
    /// It begins when another one of its name has ended.
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Work {
    transform: Transform,
    counters: Arc<Counters>,
    resumed: BTreeMap<PartitionName, Resumed>,
    lanes: BTreeMap<PartitionId, Lane>,
}

/// A source whose lines are transformed.
pub struct Transformed {
    source: Box<dyn LiveSource>,
    work: Work,
    has_ended: bool,
}

impl fmt::Debug for Transformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transformed")
            .field("id", &self.source.id())
            .finish_non_exhaustive()
    }
}

impl Transformed {
    /// Transforms what a source gives that was started with [`plain`] of the same positions.
    #[must_use]
    pub fn new(source: Box<dyn LiveSource>, transform: Transform, resume: &Resume) -> Self {
        let mut resumed = BTreeMap::new();
        if let Resume::From(positions) = resume {
            for (name, position) in positions {
                let (inner, n_given) = inner(position);
                let outer = position.clone();
                if outer.context.starts_with(&MARK) {
                    resumed.insert(
                        name.clone(),
                        Resumed {
                            outer,
                            inner,
                            n_given,
                        },
                    );
                }
            }
        }
        Self {
            work: Work {
                transform,
                counters: Arc::clone(source.counters()),
                resumed,
                lanes: BTreeMap::new(),
            },
            source,
            has_ended: false,
        }
    }
}

impl Work {
    /// Gives what is pending and has room; answers whether something was given.
    fn flush(&mut self, outlet: &mut dyn Outlet) -> bool {
        let mut has_given = false;
        let pending = |(id, lane): (&PartitionId, &Lane)| lane.pending.is_some().then_some(*id);
        let ids: Vec<PartitionId> = self.lanes.iter().filter_map(pending).collect();
        for id in ids {
            // Each has its turn before one has its second.
            if outlet.has_room(id) {
                has_given |= self.step(id, outlet);
            }
            self.finish(id, outlet);
        }
        has_given
    }

    fn is_pending(&self) -> bool {
        self.lanes.values().any(|lane| lane.pending.is_some())
    }

    /// Gives one batch of what is pending of a partition that has room.
    fn step(&mut self, id: PartitionId, outlet: &mut dyn Outlet) -> bool {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return false;
        };
        let Some(pending) = &mut lane.pending else {
            return false;
        };
        let (batch, is_done) = pending.fill(
            &self.transform,
            &self.counters,
            &mut lane.given,
            &lane.origin,
        );
        if is_done {
            lane.pending = None;
        }
        let Some(batch) = batch else {
            return false;
        };
        let n_lines = u64::try_from(batch.lines.lines.len()).unwrap_or(0);
        self.counters.add(Count::LinesMade, n_lines);
        outlet.give(batch);
        true
    }

    /// Tells of a partition that has ended, once nothing of it is pending.
    fn finish(&mut self, id: PartitionId, outlet: &mut dyn Outlet) {
        let is_done = |lane: &Lane| lane.pending.is_none() && lane.left.is_some();
        if !self.lanes.get(&id).is_some_and(is_done) {
            return;
        }
        let Some(lane) = self.lanes.remove(&id) else {
            return;
        };
        if let Some(left) = lane.left {
            outlet.end(id, left);
        }
        let next = self.lanes.values_mut().find(|next| next.name == lane.name);
        if let Some(begun) = next.and_then(|next| next.begun.take()) {
            outlet.begin(begun);
        }
    }
}

impl Pending {
    fn new(batch: Batch) -> Self {
        Self {
            context: outer_context(&batch.context),
            batch,
            at: 0,
            made: VecDeque::new(),
            next_part: 0,
        }
    }

    /// A batch of what comes next, if anything does, and whether that is all.
    fn fill(
        &mut self,
        transform: &Transform,
        counters: &Counters,
        given: &mut Option<(u64, u64)>,
        origin: &Arc<Origin>,
    ) -> (Option<Batch>, bool) {
        let (mut lines, mut times_ns, mut runs) = (LineBatch::default(), Vec::new(), Vec::new());
        let mut run_of_last = None;
        while lines.data.len() < BATCH_BYTES {
            let Some(made) = self.made.pop_front() else {
                if !self.make(transform, counters, given, origin) {
                    break;
                }
                continue;
            };
            let at = self.at.saturating_sub(1);
            let Some(line) = self.batch.lines.lines.get(at) else {
                continue;
            };
            let text = made
                .as_deref()
                .unwrap_or_else(|| self.batch.lines.bytes(line));
            let offset = outer_offset(line.offset, self.next_part);
            self.next_part += 1;
            // Empty lines are not given.
            if text.is_empty() {
                continue;
            }
            let run = self.run(at);
            if run != run_of_last
                && let Some(of) = run.and_then(|run| self.batch.runs.get(run))
            {
                runs.push(Run {
                    first: lines.lines.len(),
                    origin: Arc::clone(&of.origin),
                });
            }
            run_of_last = run;
            times_ns.extend(self.batch.times_ns.get(at));
            lines.push(text, offset, line.is_cut);
        }
        let is_done = self.made.is_empty() && self.at >= self.batch.lines.lines.len();
        let Some(last) = lines.lines.last() else {
            return (None, is_done);
        };
        let next_offset = match is_done {
            true => outer_offset(self.batch.next_offset, 0),
            false => last.offset.saturating_add(1),
        };
        let batch = Batch {
            partition: self.batch.partition,
            lines,
            context: Arc::clone(&self.context),
            next_offset,
            arrival_ns: self.batch.arrival_ns,
            times_ns,
            runs,
        };
        (Some(batch), is_done)
    }

    /// The run of origins in which a line is.
    fn run(&self, line: usize) -> Option<usize> {
        let n = self.batch.runs.partition_point(|run| run.first <= line);
        n.checked_sub(1)
    }

    /// Asks what the next line becomes; answers whether there is one.
    fn make(
        &mut self,
        transform: &Transform,
        counters: &Counters,
        given: &mut Option<(u64, u64)>,
        origin: &Arc<Origin>,
    ) -> bool {
        let Some(line) = self.batch.lines.lines.get(self.at) else {
            return false;
        };
        let run = self.run(self.at).and_then(|run| self.batch.runs.get(run));
        let origin = run.map_or(origin, |run| &run.origin);
        let text = self.batch.lines.bytes(line);
        let made = (transform.0)(text, origin, self.batch.arrival_ns).bounded();
        if let Some(trouble) = made.trouble {
            counters.sample(Count::TransformErrors, trouble);
        }
        self.made = made.lines.into();
        self.next_part = 0;
        if let Some((offset, n_given)) = given.take()
            && offset == line.offset
        {
            let n = usize::try_from(n_given).unwrap_or(usize::MAX);
            self.made.drain(..n.min(self.made.len()));
            self.next_part = n_given;
        }
        self.at += 1;
        true
    }
}

/// The outlet as the source sees it.
struct Through<'a> {
    outlet: &'a mut dyn Outlet,
    work: &'a mut Work,
}

impl Through<'_> {
    /// Notes a partition that came; answers with what the outlet is told of it, if that may be now.
    fn take_up(&mut self, mut begun: Begun) -> Option<Begun> {
        let resumed = self.work.resumed.remove(&begun.name);
        // A position that could not be honoured is another one.
        let resumed = resumed.filter(|resumed| resumed.inner == begun.position);
        let mut given = None;
        begun.position = match resumed {
            Some(resumed) => {
                given = Some((resumed.inner.offset, resumed.n_given));
                resumed.outer
            }
            None => outer(&begun.position),
        };
        let is_held = self.work.lanes.values().any(|lane| lane.name == begun.name);
        let lane = Lane {
            name: begun.name.clone(),
            origin: Arc::clone(&begun.origin),
            pending: None,
            given,
            left: None,
            begun: is_held.then(|| begun.clone()),
        };
        self.work.lanes.insert(begun.id, lane);
        (!is_held).then_some(begun)
    }
}

impl Outlet for Through<'_> {
    fn begin(&mut self, begun: Begun) {
        if let Some(begun) = self.take_up(begun) {
            self.outlet.begin(begun);
        }
    }

    fn begin_after(&mut self, begun: Begun, parent: PartitionId) {
        if let Some(begun) = self.take_up(begun) {
            self.outlet.begin_after(begun, parent);
        }
    }

    fn has_room(&mut self, partition: PartitionId) -> bool {
        let lane = self.work.lanes.get(&partition);
        let is_free = lane.is_some_and(|lane| lane.pending.is_none() && lane.begun.is_none());
        is_free && self.outlet.has_room(partition)
    }

    fn give(&mut self, batch: Batch) {
        let id = batch.partition;
        if let Some(lane) = self.work.lanes.get_mut(&id) {
            lane.pending = Some(Pending::new(batch));
            self.work.step(id, self.outlet);
        }
    }

    fn caught_up(&mut self, partition: PartitionId, as_of_ns: i64, position: Position) {
        let lane = self.work.lanes.get(&partition);
        if lane.is_some_and(|lane| lane.pending.is_none() && lane.begun.is_none()) {
            self.outlet.caught_up(partition, as_of_ns, outer(&position));
        }
    }

    fn hold(&mut self, partition: PartitionId) {
        self.outlet.hold(partition);
    }

    fn end(&mut self, partition: PartitionId, left: Left) {
        let left = match left {
            Left::Nothing => Left::Nothing,
            Left::At(position) => Left::At(outer(&position)),
        };
        let Some(lane) = self.work.lanes.get_mut(&partition) else {
            return;
        };
        if lane.begun.is_none() {
            lane.left = Some(left);
            self.work.finish(partition, self.outlet);
            return;
        }
        // It never began, so it is the one before it that leaves this.
        let name = lane.name.clone();
        self.work.lanes.remove(&partition);
        if let Some(before) = self.work.lanes.values_mut().find(|lane| lane.name == name) {
            before.left = Some(left);
        }
    }
}

impl LiveSource for Transformed {
    fn id(&self) -> &str {
        self.source.id()
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, wait: Duration) -> Result<Turn, SourceError> {
        let has_given = self.work.flush(outlet);
        let is_pending = self.work.is_pending();
        if self.has_ended {
            if !is_pending {
                return Ok(Turn::Ended);
            }
            if !has_given {
                std::thread::sleep(wait.min(WAIT_PENDING));
            }
            return Ok(if has_given { Turn::Gave } else { Turn::Quiet });
        }
        let wait = match (has_given, is_pending) {
            (true, _) => Duration::ZERO,
            (false, true) => wait.min(WAIT_PENDING),
            (false, false) => wait,
        };
        let mut through = Through {
            outlet,
            work: &mut self.work,
        };
        let turn = self.source.poll(&mut through, wait)?;
        self.has_ended = turn == Turn::Ended;
        let is_over = self.has_ended && !self.work.is_pending();
        Ok(match turn {
            Turn::Ended if is_over => Turn::Ended,
            // Lines that were read may have come to none: there may be more all the same.
            Turn::Gave | Turn::Ended => Turn::Gave,
            Turn::Quiet if has_given => Turn::Gave,
            Turn::Quiet => Turn::Quiet,
        })
    }

    fn has_begun(&self) -> bool {
        self.source.has_begun()
    }

    fn committed(&mut self, positions: &Positions) {
        self.source.committed(&inner_positions(positions));
    }

    fn counters(&self) -> &Arc<Counters> {
        self.source.counters()
    }

    fn lags(&self, each: &mut dyn FnMut(PartitionId, Lag)) {
        self.source.lags(each);
    }

    fn close(&mut self) {
        self.source.close();
    }
}

#[cfg(test)]
mod tests;
