//! What one process adds to a checkpoint: the key groups of its workers, where its partitions stand, and what parsers
//! remember of them.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Result, anyhow, bail};
use crossbeam_channel::Sender;
use overspill_bucket::GroupPiece;
use overspill_checkpoint::{
    Blobs, CheckpointError, PieceKey, RestartPoint, SegmentAck, SegmentId, SegmentWriter,
};
use overspill_connectors::source::Position;
use overspill_dataflow::checkpoint::{Checkpoints, Damaged, Piece, STAGES, Spare};
use overspill_dataflow::clock::ClockState;
use overspill_dataflow::restart::StashBytes;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::outlet::{Name, Point, Register};
use crate::wire::chain;

/// What a process has done for a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Which checkpoint.
    pub(crate) number: u64,
    /// Its event time.
    pub(crate) upto_ns: i64,
    /// What was written.
    pub(crate) ack: SegmentAck,
    /// Where partitions stand; none for those of which nothing is to be kept.
    pub(crate) points: Vec<(Name, Option<RestartPoint>)>,
    /// Sources that are read, with partitions or without.
    pub(crate) sources: Vec<String>,
}

/// A checkpoint that is being made.
#[derive(Debug)]
struct Making {
    number: u64,
    upto_ns: Option<i64>,
    writer: Option<SegmentWriter>,
    points: Vec<overspill_dataflow::restart::RestartPoint>,
    n_done: usize,
}

/// Makes the parts of a process.
#[derive(Debug)]
pub(crate) struct PartMaker {
    pub(crate) store: Arc<dyn Blobs>,
    pub(crate) generation: u64,
    pub(crate) process: usize,
    /// Workers of this process.
    pub(crate) workers: usize,
    pub(crate) register: Arc<Register>,
    /// Keys of the sources that it reads.
    pub(crate) sources: Vec<String>,
    /// Event time of what it wrote last, or was restored.
    since_ns: Option<i64>,
    making: Option<Making>,
    /// What the store did not take.
    unwritten: Option<SegmentWriter>,
    /// Memory of the last segment, for the next one.
    memory: Vec<u8>,
    /// What the newest checkpoint has of what parsers remember.
    stashes: BTreeMap<Name, StashBytes>,
    /// Tells the workers.
    damaged: Damaged,
    /// Memory for the workers.
    spare: Spare,
}

/// What makes a [`PartMaker`].
pub(crate) struct Place {
    pub(crate) store: Arc<dyn Blobs>,
    pub(crate) generation: u64,
    pub(crate) process: usize,
    pub(crate) workers: usize,
    pub(crate) register: Arc<Register>,
    pub(crate) sources: Vec<String>,
    pub(crate) restored_ns: Option<i64>,
    pub(crate) stashes: BTreeMap<Name, StashBytes>,
}

impl PartMaker {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            store: place.store,
            generation: place.generation,
            process: place.process,
            workers: place.workers,
            register: place.register,
            sources: place.sources,
            since_ns: place.restored_ns,
            making: None,
            unwritten: None,
            memory: Vec::new(),
            stashes: place.stashes,
            damaged: Damaged::default(),
            spare: Spare::default(),
        }
    }

    /// What a job needs to make checkpoints: when one is wanted, and who takes its pieces.
    pub(crate) fn checkpoints(
        &self,
        wanted: &Arc<AtomicU64>,
        pieces: Sender<Piece>,
    ) -> Checkpoints {
        Checkpoints {
            wanted: Arc::clone(wanted),
            pieces,
            damaged: self.damaged.clone(),
            spare: self.spare.clone(),
        }
    }

    /// What is stored of these is damaged: what is this process's is written again with the next checkpoint.
    pub(crate) fn repair(&mut self, damaged: &[PieceKey]) {
        for key in damaged {
            match key {
                PieceKey::Group { stage, group } | PieceKey::Changes { stage, group, .. } => {
                    self.damaged.add(*stage, *group);
                }
                PieceKey::Blob { name: blob } => {
                    self.stashes.retain(|name, _| stash_name(name) != *blob);
                }
            }
        }
    }

    /// Takes a piece. Answers the event time of the checkpoint once all of this process is there.
    pub(crate) fn take(&mut self, piece: Piece) -> Result<Option<i64>> {
        let number = piece.number();
        let making = self.making.get_or_insert_with(|| Making {
            number,
            upto_ns: None,
            writer: None,
            points: Vec::new(),
            n_done: 0,
        });
        if making.number != number {
            bail!(
                "a piece of checkpoint {number} came while {} was made",
                making.number
            );
        }
        let (store, generation, process) = (&self.store, self.generation, self.process);
        let since_ns = self.since_ns;
        let memory = &mut self.memory;
        let mut writer = |as_of_ns: i64| {
            let id = SegmentId {
                generation,
                as_of_ns,
                process: u32::try_from(process).unwrap_or(u32::MAX),
            };
            SegmentWriter::new(Arc::clone(store), id, since_ns).within(std::mem::take(memory))
        };
        match piece {
            Piece::Group {
                upto_ns,
                stage,
                group,
                piece: GroupPiece { bytes, is_whole },
                ..
            } => {
                let writer = making.writer.get_or_insert_with(|| writer(upto_ns));
                let added = match is_whole {
                    true => writer.add(stage, group, &bytes),
                    false => writer.add_changes(stage, group, &bytes),
                };
                added.map_err(|error| anyhow!(chain(&error)))?;
                self.spare.give_back(bytes);
            }
            Piece::Partitions { points, .. } => making.points.extend(points),
            Piece::Done { upto_ns, .. } => {
                making.n_done += 1;
                making.upto_ns = Some(upto_ns);
                making.writer.get_or_insert_with(|| writer(upto_ns));
                if making.n_done == self.workers * STAGES.len() {
                    return Ok(Some(upto_ns));
                }
            }
        }
        Ok(None)
    }

    /// Writes what was taken. None if nothing has happened since the last time. After an error the next checkpoint
    /// has it too.
    pub(crate) fn write(&mut self) -> Result<Option<Part>, CheckpointError> {
        let Some(Making {
            number,
            upto_ns: Some(upto_ns),
            writer: Some(mut writer),
            points,
            ..
        }) = self.making.take()
        else {
            return Ok(None);
        };
        let points = self.register.checkpoint(upto_ns, points);
        if self.since_ns.is_some_and(|since_ns| since_ns >= upto_ns) {
            return Ok(None);
        }
        for (name, point) in &points {
            let stash = point.as_ref().and_then(|point| point.stash.as_ref());
            if self.stashes.get(name) == stash {
                continue;
            }
            writer.add_blob(&stash_name(name), stash.map_or(&[], |stash| stash))?;
            match stash {
                Some(stash) => self.stashes.insert(name.clone(), Arc::clone(stash)),
                None => self.stashes.remove(name),
            };
        }
        if let Some(unwritten) = self.unwritten.take() {
            writer.carry(unwritten);
        }
        let ack = match writer.finish() {
            Ok(ack) => ack,
            Err(error) => {
                self.unwritten = Some(writer);
                return Err(error);
            }
        };
        self.memory = writer.into_memory();
        self.since_ns = Some(upto_ns);
        let stored = |point: Option<Point>| point.as_ref().map(store);
        Ok(Some(Part {
            number,
            upto_ns,
            ack,
            points: points
                .into_iter()
                .map(|(name, point)| (name, stored(point)))
                .collect(),
            sources: self.sources.clone(),
        }))
    }
}

/// Name in checkpoints of what parsers remember of a partition. Names of partitions may be longer than it can be.
pub(crate) fn stash_name((source, partition): &Name) -> String {
    let mut hasher = SipHasher13::new();
    for part in [source, partition] {
        hasher.write(part.as_bytes());
        hasher.write(&[0]);
    }
    format!("stash:{:032x}", hasher.finish128().as_u128())
}

/// Where a partition stands, as a checkpoint has it.
fn store(point: &Point) -> RestartPoint {
    let mut bytes = point.upto_ns.to_le_bytes().to_vec();
    bytes.extend(point.position.to_bytes());
    RestartPoint {
        position: bytes.into(),
        resume_from: point.counted_below,
        clock_max_ns: point.clock.max_ns,
        clock_n_in_tick: point.clock.n_in_tick,
        is_left: point.is_left,
    }
}

/// What a checkpoint has of where a partition stands.
pub(crate) fn load(kept: &RestartPoint) -> Result<Point> {
    let Some((upto_ns, rest)) = kept.position.0.split_first_chunk() else {
        bail!("damaged position");
    };
    Ok(Point {
        position: Position::from_bytes(rest)?,
        upto_ns: i64::from_le_bytes(*upto_ns),
        counted_below: kept.resume_from,
        clock: ClockState {
            max_ns: kept.clock_max_ns,
            n_in_tick: kept.clock_n_in_tick,
        },
        stash: None,
        is_left: kept.is_left,
    })
}
