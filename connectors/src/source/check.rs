//! An outlet for tests that holds a source to its contract.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{
    Batch, Begun, Left, LiveSource, Outlet, PartitionId, PartitionName, Position, Positions,
    SourceError, Turn,
};

/// Longest that a test waits for what is to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line that was given.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) partition: PartitionName,
    pub(crate) src: String,
    pub(crate) text: String,
    pub(crate) offset: u64,
    pub(crate) is_cut: bool,
    pub(crate) time_ns: Option<i64>,
    /// Where reading begins again with this line.
    pub(crate) position: Position,
}

/// Keeps what it is given, and panics when a rule is broken.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) lines: Vec<Given>,
    pub(crate) begun: BTreeMap<PartitionId, Begun>,
    pub(crate) caught_up: BTreeMap<PartitionName, i64>,
    pub(crate) ended: BTreeMap<PartitionName, Left>,
    /// What a checkpoint would hold now.
    pub(crate) positions: Positions,
    /// Partitions that have no room.
    pub(crate) full: BTreeSet<PartitionName>,
    may_give: BTreeSet<PartitionId>,
    next_offset: BTreeMap<PartitionId, u64>,
    live: BTreeSet<PartitionId>,
    live_names: BTreeSet<PartitionName>,
}

impl Checked {
    /// Texts of the lines, in the order in which they came.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.text.as_str()).collect()
    }

    /// Texts of the lines of a partition whose name ends so.
    pub(crate) fn texts_of(&self, name: &str) -> Vec<&str> {
        let of = |line: &&Given| line.partition.0.ends_with(name);
        self.lines
            .iter()
            .filter(of)
            .map(|line| line.text.as_str())
            .collect()
    }

    fn name(&self, id: PartitionId) -> PartitionName {
        assert!(self.live.contains(&id), "{id:?} has not begun, or is ended");
        self.begun[&id].name.clone()
    }

    /// Polls until something is so, or panics with what came.
    pub(crate) fn until(&mut self, source: &mut dyn LiveSource, is_so: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !is_so(self) {
            let waited = since.elapsed();
            assert!(
                waited < PATIENCE,
                "{waited:?}: {:?} {:?}",
                self.texts(),
                source.counters()
            );
            self.poll(source).unwrap();
        }
    }

    /// Polls until there are so many lines.
    pub(crate) fn until_lines(&mut self, source: &mut dyn LiveSource, n: usize) {
        self.until(source, |outlet| outlet.lines.len() >= n);
        assert_eq!(self.lines.len(), n, "{:?}", self.texts());
    }

    /// Polls for a time, for what is not to come.
    pub(crate) fn during(&mut self, source: &mut dyn LiveSource, time: Duration) {
        let since = Instant::now();
        while since.elapsed() < time {
            self.poll(source).unwrap();
        }
    }

    pub(crate) fn poll(&mut self, source: &mut dyn LiveSource) -> Result<Turn, SourceError> {
        let n_before = self.lines.len();
        let since = Instant::now();
        let turn = source.poll(self, Duration::from_millis(20));
        self.may_give.clear();
        assert!(
            since.elapsed() < Duration::from_secs(5),
            "poll did not return"
        );
        if matches!(turn, Ok(Turn::Quiet)) {
            assert_eq!(self.lines.len(), n_before, "lines came, and it says quiet");
        }
        if matches!(turn, Ok(Turn::Ended)) {
            assert!(self.live.is_empty(), "ended with live partitions");
        }
        turn
    }
}

impl Outlet for Checked {
    fn begin(&mut self, begun: Begun) {
        assert!(self.live.insert(begun.id), "began twice");
        let is_new = self.live_names.insert(begun.name.clone());
        assert!(is_new, "two partitions of one name: {}", begun.name);
        let read_back = Position::from_bytes(&begun.position.to_bytes()).unwrap();
        assert_eq!(read_back, begun.position);
        self.next_offset.insert(begun.id, begun.position.offset);
        self.positions
            .insert(begun.name.clone(), begun.position.clone());
        assert!(
            self.begun.insert(begun.id, begun).is_none(),
            "a number was used twice"
        );
    }

    fn has_room(&mut self, partition: PartitionId) -> bool {
        let name = self.name(partition);
        let has_room = !self.full.contains(&name);
        if has_room {
            self.may_give.insert(partition);
        }
        has_room
    }

    fn give(&mut self, batch: Batch) {
        let name = self.name(batch.partition);
        assert!(
            self.may_give.remove(&batch.partition),
            "did not ask for room"
        );
        assert!(!batch.lines.lines.is_empty(), "an empty batch");
        assert!(batch.lines.data.len() < 256 * 1024, "a large batch");
        assert!(batch.times_ns.is_empty() || batch.times_ns.len() == batch.lines.lines.len());
        assert!(batch.runs.is_sorted_by_key(|run| run.first));
        let mut next = self.next_offset[&batch.partition];
        for (at, line) in batch.lines.lines.iter().enumerate() {
            assert!(line.offset >= next, "offset {} after {next}", line.offset);
            next = line.offset + 1;
            let run = batch.runs.iter().rev().find(|run| run.first <= at);
            let origin = run.map_or(&self.begun[&batch.partition].origin, |run| &run.origin);
            self.lines.push(Given {
                partition: name.clone(),
                src: origin.src.clone(),
                text: String::from_utf8_lossy(batch.lines.bytes(line)).into_owned(),
                offset: line.offset,
                is_cut: line.is_cut,
                time_ns: batch.times_ns.get(at).copied(),
                position: batch.position_of(line.offset),
            });
        }
        assert!(
            batch.next_offset >= next,
            "the next offset is one of a line"
        );
        self.next_offset.insert(batch.partition, batch.next_offset);
        self.positions.insert(name, batch.position_after());
    }

    fn caught_up(&mut self, partition: PartitionId, as_of_ns: i64, position: Position) {
        let name = self.name(partition);
        assert!(position.offset >= self.next_offset[&partition], "went back");
        self.next_offset.insert(partition, position.offset);
        self.positions.insert(name.clone(), position);
        self.caught_up.insert(name, as_of_ns);
    }

    fn end(&mut self, partition: PartitionId, left: Left) {
        let name = self.name(partition);
        self.live.remove(&partition);
        self.live_names.remove(&name);
        match &left {
            Left::Nothing => self.positions.remove(&name),
            Left::At(position) => self.positions.insert(name.clone(), position.clone()),
        };
        self.ended.insert(name, left);
    }
}
