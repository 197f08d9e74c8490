//! Checkpoints: asked for, put together, written, and only then told to the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use overspill_checkpoint as store;
use overspill_checkpoint::{
    Depth, Generation, Layout, ManifestParts, SegmentId, SegmentWriter, Vault,
};
use overspill_connectors::source::{Clock, PartitionName, Position, Positions};
use overspill_dataflow::checkpoint::{Piece, STAGES};
use overspill_dataflow::clock::ClockState;
use overspill_dataflow::restart::RestartPoint;

use super::journal::{Ack, Cursor};
use super::metrics::Meters;
use super::outlet::{Name, Point, Register};
use super::{LOOK, Word};
use crate::wire::chain;

/// Name of the journal among the cursors of a checkpoint.
const JOURNAL: &str = "alerts";

/// Name of the list of sources among the cursors of a checkpoint.
const SOURCES: &str = "sources";

/// What a checkpoint says beside the states.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) points: BTreeMap<Name, Point>,
    /// Sources that were read, with partitions or without.
    pub(crate) sources: BTreeSet<String>,
    pub(crate) journal: Option<Cursor>,
}

impl Kept {
    /// Of a checkpoint that was found.
    pub(crate) fn of(found: &store::Restored) -> Result<Self> {
        let parts = &found.manifest().parts;
        let mut points = BTreeMap::new();
        for (source, partitions) in &parts.partitions {
            for (name, kept) in partitions {
                let (upto_ns, position) = unpack(&kept.position.0)
                    .with_context(|| format!("checkpoint: source {source}: partition {name}"))?;
                let point = Point {
                    position,
                    upto_ns,
                    counted_below: kept.resume_from,
                    clock: ClockState {
                        max_ns: kept.clock_max_ns,
                        n_in_tick: kept.clock_n_in_tick,
                    },
                    is_left: kept.is_left,
                };
                points.insert((source.clone(), name.clone()), point);
            }
        }
        let journal = parts.cursors.get(JOURNAL).cloned();
        let journal = journal
            .map(serde_json::from_value)
            .transpose()
            .context("checkpoint: where the alerts stand")?;
        let sources = parts.cursors.get(SOURCES).cloned();
        let sources = sources
            .map(serde_json::from_value)
            .transpose()
            .context("checkpoint: its sources")?
            .unwrap_or_default();
        Ok(Self {
            points,
            sources,
            journal,
        })
    }
}

/// An event time and a position, as bytes.
fn pack(point: &Point) -> Vec<u8> {
    let mut bytes = point.upto_ns.to_le_bytes().to_vec();
    bytes.extend(point.position.to_bytes());
    bytes
}

fn unpack(bytes: &[u8]) -> Result<(i64, Position)> {
    let Some((upto_ns, rest)) = bytes.split_first_chunk() else {
        bail!("damaged position");
    };
    Ok((i64::from_le_bytes(*upto_ns), Position::from_bytes(rest)?))
}

/// Makes checkpoints.
pub(crate) struct Keeper {
    vault: Vault,
    generation: Generation,
    workers: usize,
    restored_ns: Option<i64>,
    meters: Arc<Meters>,
}

/// What a keeper works with.
pub(crate) struct Surroundings {
    /// Asks the job.
    pub(crate) wanted: Arc<AtomicU64>,
    pub(crate) pieces: Receiver<Piece>,
    /// Asks the journal.
    pub(crate) asked_ns: Arc<AtomicI64>,
    pub(crate) acked: Receiver<Ack>,
    pub(crate) register: Arc<Register>,
    /// Tells each source.
    pub(crate) committed: Vec<(String, Sender<Positions>)>,
    pub(crate) content: Vec<String>,
    pub(crate) every: Duration,
    pub(crate) clock: Clock,
    pub(crate) words: Sender<Word>,
    /// The next one is the last.
    pub(crate) is_last: Arc<AtomicBool>,
    /// Ends the job.
    pub(crate) halt: Arc<AtomicBool>,
}

/// A checkpoint that is being made.
struct Making {
    upto_ns: Option<i64>,
    writer: Option<SegmentWriter>,
    points: Vec<RestartPoint>,
    n_done: usize,
    cursor: Option<Cursor>,
}

impl Keeper {
    /// Begins a generation: nobody else commits to this store from here on.
    pub(crate) fn begin(
        vault: Vault,
        now_ns: i64,
        workers: usize,
        meters: &Arc<Meters>,
    ) -> Result<Self> {
        let generation = vault
            .begin_generation(now_ns)
            .map_err(|error| anyhow!(chain(&error)))
            .context("begin to write checkpoints")?;
        meters.checkpoints.began(generation.number());
        Ok(Self {
            vault,
            generation,
            workers,
            restored_ns: None,
            meters: Arc::clone(meters),
        })
    }

    /// The newest checkpoint that is whole.
    pub(crate) fn restore(&mut self, words: &Sender<Word>) -> Result<Option<store::Restored>> {
        let found = self
            .generation
            .restore(Depth::Whole)
            .map_err(|error| anyhow!(chain(&error)))
            .context("look for the newest checkpoint")?;
        for skipped in &found.skipped {
            let text = format!(
                "checkpoint {} cannot be used, so an older one is: {}",
                skipped.number, skipped.damage
            );
            let _no_room = words.try_send(Word::Trouble(text));
        }
        if found.restored.is_none() && !found.skipped.is_empty() {
            bail!(
                "no checkpoint can be used, and starting without one would forget what was counted; \
                 move them away to do that"
            );
        }
        self.restored_ns = found
            .restored
            .as_ref()
            .map(|restored| restored.manifest().parts.as_of_ns);
        Ok(found.restored)
    }

    /// With what it works on.
    pub(crate) fn with(self, surroundings: Surroundings) -> Working {
        Working {
            since_ns: self.restored_ns,
            keeper: self,
            surroundings,
            number: 0,
            making: None,
            unwritten: None,
        }
    }
}

/// A keeper at work.
pub(crate) struct Working {
    keeper: Keeper,
    surroundings: Surroundings,
    /// Number of the newest one that was asked for.
    number: u64,
    making: Option<Making>,
    /// Event time of the last segment.
    since_ns: Option<i64>,
    /// What the store did not take.
    unwritten: Option<SegmentWriter>,
}

impl Working {
    /// Makes checkpoints until the job ends.
    pub(crate) fn run(mut self) -> Result<()> {
        let mut due_ns = (self.surroundings.clock)();
        loop {
            if self.surroundings.halt.load(Ordering::SeqCst) {
                return Ok(());
            }
            let now_ns = (self.surroundings.clock)();
            let is_last = self.surroundings.is_last.load(Ordering::SeqCst);
            if self.making.is_none() && (now_ns >= due_ns || is_last) {
                let every_ns = i64::try_from(self.surroundings.every.as_nanos());
                due_ns = now_ns.saturating_add(every_ns.unwrap_or(i64::MAX));
                self.ask();
            }
            match self.surroundings.pieces.recv_timeout(LOOK) {
                Ok(piece) => {
                    self.take(piece)?;
                    while let Ok(piece) = self.surroundings.pieces.try_recv() {
                        self.take(piece)?;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if let Ok(ack) = self.surroundings.acked.try_recv()
                && let Some(making) = &mut self.making
                && making.upto_ns == Some(ack.upto_ns)
            {
                making.cursor = Some(ack.cursor);
            }
            self.finish()?;
        }
    }

    fn ask(&mut self) {
        self.number += 1;
        self.keeper.meters.checkpoints.asked();
        self.making = Some(Making {
            upto_ns: None,
            writer: None,
            points: Vec::new(),
            n_done: 0,
            cursor: None,
        });
        self.surroundings
            .wanted
            .store(self.number, Ordering::SeqCst);
    }

    fn take(&mut self, piece: Piece) -> Result<()> {
        let (keeper, since_ns) = (&self.keeper, self.since_ns);
        let Some(making) = &mut self.making else {
            return Ok(());
        };
        let writer = |upto_ns: i64| {
            SegmentWriter::new(
                Arc::clone(keeper.vault.store()),
                SegmentId {
                    generation: keeper.generation.number(),
                    as_of_ns: upto_ns,
                    process: 0,
                },
                since_ns,
            )
        };
        match piece {
            Piece::Group {
                upto_ns,
                stage,
                group,
                bytes,
                ..
            } => making
                .writer
                .get_or_insert_with(|| writer(upto_ns))
                .add(stage, group, &bytes)
                .map_err(|error| anyhow!(chain(&error)))?,
            Piece::Partitions { points, .. } => making.points.extend(points),
            Piece::Done { upto_ns, .. } => {
                making.n_done += 1;
                making.upto_ns = Some(upto_ns);
                making.writer.get_or_insert_with(|| writer(upto_ns));
                if making.n_done == keeper.workers * STAGES.len() {
                    self.surroundings.asked_ns.store(upto_ns, Ordering::SeqCst);
                }
            }
        }
        Ok(())
    }

    /// Commits the checkpoint that is being made, if all of it is here.
    fn finish(&mut self) -> Result<()> {
        let is_whole = self
            .making
            .as_ref()
            .is_some_and(|making| making.cursor.is_some());
        if !is_whole {
            return Ok(());
        }
        let Some(Making {
            upto_ns: Some(upto_ns),
            writer: Some(mut writer),
            points,
            cursor,
            ..
        }) = self.making.take()
        else {
            unreachable!("what the journal acknowledged is whole")
        };
        let points = self.surroundings.register.checkpoint(upto_ns, points);
        // Nothing happened since the last one, and no time has passed.
        if self.since_ns.is_some_and(|since_ns| since_ns >= upto_ns) {
            return self.done();
        }
        if let Some(unwritten) = self.unwritten.take() {
            writer.carry(unwritten);
        }
        let ack = match writer.finish() {
            Ok(ack) => ack,
            Err(error) => {
                self.unwritten = Some(writer);
                return self.failed(&error);
            }
        };
        self.since_ns = Some(upto_ns);
        let parts = self.parts(upto_ns, &points, cursor.as_ref())?;
        let n_bytes = ack.n_bytes();
        match self.keeper.generation.commit(parts, &[ack]) {
            Ok(_) => self.keeper.meters.checkpoints.kept(upto_ns, n_bytes),
            Err(error) => return self.failed(&error),
        }
        self.tell(&points);
        let now_ns = (self.surroundings.clock)();
        if let Err(error) = self.keeper.generation.collect(now_ns) {
            self.say(&format!("old checkpoints stay: {}", chain(&error)));
        }
        self.done()
    }

    fn done(&self) -> Result<()> {
        if self.surroundings.is_last.load(Ordering::SeqCst) {
            self.surroundings.halt.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    /// A store that fails for a while stops nothing; one that belongs to somebody else now ends the job.
    fn failed(&self, error: &store::CheckpointError) -> Result<()> {
        self.keeper.meters.checkpoints.failed();
        if error.may_pass() {
            self.say(&format!("no checkpoint, trying again: {}", chain(error)));
            return Ok(());
        }
        Err(anyhow!(chain(error)).context("write a checkpoint"))
    }

    fn say(&self, text: &str) {
        let word = Word::Trouble(text.to_owned());
        let _no_room = self.surroundings.words.try_send(word);
    }

    fn parts(
        &self,
        upto_ns: i64,
        points: &BTreeMap<Name, Point>,
        cursor: Option<&Cursor>,
    ) -> Result<ManifestParts> {
        let mut partitions = store::RestartPoints::new();
        for ((source, name), point) in points {
            let kept = store::RestartPoint {
                position: pack(point).into(),
                resume_from: point.counted_below,
                clock_max_ns: point.clock.max_ns,
                clock_n_in_tick: point.clock.n_in_tick,
                is_left: point.is_left,
            };
            partitions
                .entry(source.clone())
                .or_default()
                .insert(name.clone(), kept);
        }
        let mut cursors = BTreeMap::new();
        if let Some(cursor) = cursor {
            cursors.insert(JOURNAL.to_owned(), serde_json::to_value(cursor)?);
        }
        let committed = self.surroundings.committed.iter();
        let sources: Vec<&String> = committed.map(|(id, _)| id).collect();
        cursors.insert(SOURCES.to_owned(), serde_json::to_value(sources)?);
        Ok(ManifestParts {
            as_of_ns: upto_ns,
            created_wall_ns: (self.surroundings.clock)(),
            layout: Layout {
                processes: 1,
                workers: u32::try_from(self.keeper.workers).unwrap_or(u32::MAX),
            },
            content: self.surroundings.content.clone(),
            partitions,
            cursors,
            ..ManifestParts::default()
        })
    }

    /// Tells the sources what is durable.
    fn tell(&self, points: &BTreeMap<Name, Point>) {
        for (source, sender) in &self.surroundings.committed {
            let of_source = points.iter().filter(|((id, _), _)| id == source);
            let positions: Positions = of_source
                .map(|((_, name), point)| (PartitionName::new(name), point.position.clone()))
                .collect();
            // A source that has ended needs to know nothing.
            let _ended = sender.send(positions);
        }
    }
}
