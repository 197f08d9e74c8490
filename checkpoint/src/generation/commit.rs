//! A commit: acknowledgements into the map of states, segments put together, the manifest written.

use std::collections::BTreeMap;

use super::{Committed, Generation, after};
use crate::blobs::Put;
use crate::error::{AckError, CheckpointError, Damage};
use crate::manifest::{Entry, Manifest, ManifestParts, SegmentUse, encode_entry};
use crate::restored::read_pieces;
use crate::segment::{Draft, PieceKey, Place};
use crate::states::to_compact;
use crate::vault::entry_name;
use crate::writer::{FOLDER, SegmentAck, put_segment};

/// What putting segments together came to.
#[derive(Default)]
struct Compacted {
    n_bytes: u64,
    damaged: Vec<(PieceKey, Damage)>,
    error: Option<CheckpointError>,
}

impl Generation {
    /// Commits a checkpoint: with the acknowledgements of all processes, and with what is unchanged since the one
    /// before. When this returns, the checkpoint is what is found after any failure.
    ///
    /// After an error that [`CheckpointError::may_pass`], nothing that was acknowledged is forgotten: either the same is
    /// committed again, or the next checkpoint, with its own acknowledgements; that one then holds these changes too.
    ///
    /// # Errors
    /// When the store fails, a newer generation has begun, or the acknowledgements do not fit.
    pub fn commit(
        &mut self,
        parts: ManifestParts,
        acks: &[SegmentAck],
    ) -> Result<Committed, CheckpointError> {
        if let Some(by) = self.ended_by {
            return Err(self.fenced(by));
        }
        self.check(&parts, acks)?;
        self.take(acks)?;
        let (compacted, segments) = self.compact(&parts);
        let manifest = self.append(parts, segments)?;
        Ok(Committed {
            manifest,
            n_compacted_bytes: compacted.n_bytes,
            damaged: compacted.damaged,
            compaction_error: compacted.error,
        })
    }

    /// Whether acknowledgements are all there are for a checkpoint, and it follows the last one.
    fn check(&self, parts: &ManifestParts, acks: &[SegmentAck]) -> Result<(), AckError> {
        let as_of_ns = parts.as_of_ns;
        let last_ns = self.committed_ns.or(self.restored_ns);
        if let Some(last_ns) = last_ns.filter(|last_ns| as_of_ns <= *last_ns) {
            return Err(AckError::Backwards { as_of_ns, last_ns });
        }
        let processes = parts.layout.processes;
        let mut times: BTreeMap<u32, usize> = (0..processes).map(|n| (n, 0)).collect();
        for ack in acks {
            let (process, of_ns) = (ack.id.process, ack.id.as_of_ns);
            if of_ns != as_of_ns {
                return Err(AckError::AsOf {
                    process,
                    of_ns,
                    as_of_ns,
                });
            }
            *times.entry(process).or_default() += 1;
        }
        let is_wrong = |(process, times): &(u32, usize)| *times != 1 || *process >= processes;
        match times.into_iter().find(is_wrong) {
            Some((process, times)) => Err(AckError::Processes {
                process,
                processes,
                times,
            }),
            None => Ok(()),
        }
    }

    /// Takes acknowledgements of a checkpoint that will not be committed, since another process could not write its
    /// part. The next one that is committed holds these changes too. Those that were taken before are passed over.
    ///
    /// # Errors
    /// When one does not fit; then none is taken.
    pub fn take(&mut self, acks: &[SegmentAck]) -> Result<(), CheckpointError> {
        for ack in acks {
            let process = ack.id.process;
            if ack.id.generation != self.number {
                return Err(AckError::Generation {
                    process,
                    of: ack.id.generation,
                    generation: self.number,
                }
                .into());
            }
            let acked = self.acked.get(&process).copied();
            let last_ns = acked.or(self.restored_ns);
            let is_taken = acked == Some(ack.id.as_of_ns);
            if !is_taken && ack.since_ns != last_ns {
                return Err(AckError::Gap {
                    process,
                    since_ns: ack.since_ns,
                    last_ns,
                }
                .into());
            }
        }
        for ack in acks {
            if self.acked.get(&ack.id.process) != Some(&ack.id.as_of_ns) {
                self.states.apply(ack);
                self.acked.insert(ack.id.process, ack.id.as_of_ns);
            }
        }
        Ok(())
    }

    /// Puts segments together, if that is due, and answers those that the checkpoint refers to.
    fn compact(&mut self, parts: &ManifestParts) -> (Compacted, Vec<SegmentUse>) {
        let segments = self.states.segments();
        let mut compacted = Compacted::default();
        let settings = &self.vault.settings;
        let chosen = to_compact(&segments, settings, parts.layout.processes);
        if chosen.is_empty() {
            return (compacted, segments);
        }
        match self.put_together(&chosen, parts.as_of_ns, &mut compacted) {
            Ok(()) => {
                let segments = self.states.segments();
                (compacted, segments)
            }
            Err(error) => {
                compacted.error = Some(error);
                (compacted, segments)
            }
        }
    }

    /// Writes what is needed of some segments as a new one.
    fn put_together(
        &mut self,
        chosen: &[&SegmentUse],
        as_of_ns: i64,
        compacted: &mut Compacted,
    ) -> Result<(), CheckpointError> {
        let mut draft = Draft::new();
        for segment in chosen {
            compacted.damaged.extend(self.copy(segment, &mut draft)?);
        }
        if draft.is_empty() {
            return Ok(());
        }
        self.n_compactions += 1;
        let (generation, n) = (self.number, self.n_compactions);
        let name = format!("{FOLDER}{generation:020}/{as_of_ns}-c-{n}");
        let (bytes, pieces) = draft.finish();
        put_segment(&*self.vault.store, &name, &bytes)?;
        compacted.n_bytes = bytes.len() as u64;
        self.states.moved(&name, compacted.n_bytes, &pieces);
        Ok(())
    }

    /// Copies what is needed of a segment. A piece that is damaged stays where it is.
    fn copy(
        &self,
        segment: &SegmentUse,
        draft: &mut Draft,
    ) -> Result<Vec<(PieceKey, Damage)>, CheckpointError> {
        let mut damaged = Vec::new();
        let pieces: Vec<&(PieceKey, Place)> = segment.pieces.iter().collect();
        read_pieces(&*self.vault.store, &segment.name, &pieces, |key, piece| {
            match piece {
                Ok(piece) => draft.add(piece.key, piece.bytes),
                Err(damage) => damaged.push((key.clone(), damage)),
            }
            Ok::<_, CheckpointError>(())
        })?;
        Ok(damaged)
    }

    /// Writes the manifest as the next entry of the log.
    fn append(
        &mut self,
        parts: ManifestParts,
        segments: Vec<SegmentUse>,
    ) -> Result<Manifest, CheckpointError> {
        let mut manifest = Manifest {
            generation: self.number,
            number: after(self.head)?,
            parts,
            segments,
        };
        loop {
            let entry = Entry::Checkpoint(manifest.clone());
            let bytes = encode_entry(&entry).map_err(CheckpointError::Unwritable)?;
            let name = entry_name(manifest.number);
            if self.vault.store.put_if_absent(&name, &bytes)? == Put::Written {
                self.own(&manifest, bytes.len() as u64)?;
                return Ok(manifest);
            }
            let earlier = self.earlier(manifest.number)?;
            let earlier_bytes = self.vault.log()?.entries.get(&earlier.number).copied();
            self.own(&earlier, earlier_bytes.unwrap_or(0))?;
            if earlier.parts.as_of_ns == manifest.parts.as_of_ns {
                return Ok(earlier);
            }
            manifest.number = after(self.head)?;
        }
    }

    /// What an earlier try of this generation has written as an entry, although it was told otherwise.
    fn earlier(&mut self, number: u64) -> Result<Manifest, CheckpointError> {
        match self.vault.entry(number)? {
            Ok(Entry::Checkpoint(manifest)) if manifest.generation == self.number => Ok(manifest),
            // Another's, or one that was damaged meanwhile: in doubt, this generation has ended.
            _ => Err(self.fenced(number)),
        }
    }

    /// An entry is this generation's, unless the log goes on beyond it.
    fn own(&mut self, manifest: &Manifest, n_bytes: u64) -> Result<(), CheckpointError> {
        self.own_log(manifest.number)?;
        self.head = manifest.number;
        self.head_bytes = n_bytes;
        self.committed_ns = Some(manifest.parts.as_of_ns);
        self.know(manifest);
        Ok(())
    }
}
