//! A checkpoint that is read: piece by piece, or all of it with one read a segment.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::blobs::Blobs;
use crate::error::{CheckpointError, Damage};
use crate::manifest::{Manifest, ManifestParts};
use crate::segment::{Piece, PieceKey, Place, SegmentError, decode_piece};
use crate::vault::Depth;

/// A checkpoint and the store it is in.
#[derive(Debug, Clone)]
pub struct Restored {
    store: Arc<dyn Blobs>,
    manifest: Manifest,
    /// Segment, by its index, and place of each piece.
    index: BTreeMap<PieceKey, (usize, Place)>,
}

impl Restored {
    pub(crate) fn new(store: Arc<dyn Blobs>, manifest: Manifest) -> Self {
        let pieces = manifest
            .segments
            .iter()
            .enumerate()
            .flat_map(|(at, segment)| {
                let pieces = segment.pieces.iter();
                pieces.map(move |(key, place)| (key.clone(), (at, *place)))
            });
        Self {
            index: pieces.collect(),
            store,
            manifest,
        }
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn into_parts(self) -> ManifestParts {
        self.manifest.parts
    }

    /// The state of a group of a stage, and then what changed, in its order; nothing if there was nothing to keep.
    ///
    /// # Errors
    /// When the store fails, or the state is damaged.
    pub fn group(&self, stage: u8, group: u16) -> Result<Vec<Vec<u8>>, CheckpointError> {
        let key = PieceKey::group(stage, group);
        let changes = key.changes().into_iter();
        let changes = changes.flat_map(|range| self.index.range(range).map(|(key, _)| key));
        std::iter::once(&key)
            .chain(changes)
            .filter_map(|key| self.piece(key).transpose())
            .collect()
    }

    /// The state of something with a name.
    ///
    /// # Errors
    /// As [`Restored::group`].
    pub fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
        self.piece(&PieceKey::blob(name))
    }

    /// The state of a piece.
    ///
    /// # Errors
    /// As [`Restored::group`].
    pub fn piece(&self, key: &PieceKey) -> Result<Option<Vec<u8>>, CheckpointError> {
        let Some((at, place)) = self.index.get(key) else {
            return Ok(None);
        };
        let Some(segment) = self.manifest.segments.get(*at) else {
            return Ok(None);
        };
        let mut state = None;
        let wanted = (key.clone(), *place);
        read_pieces(&*self.store, &segment.name, &[&wanted], |_, piece| {
            state = Some(piece?.bytes.to_vec());
            Ok::<_, CheckpointError>(())
        })?;
        Ok(state)
    }

    /// Hands over the pieces that are wanted, segment by segment: what changed in a group may come before its state. Of
    /// each segment what lies between the first and the last piece that is wanted is read, in one read.
    ///
    /// # Errors
    /// When the store fails or a piece is damaged; or what `take` answers. Pieces before that were handed over.
    pub fn read<E: From<CheckpointError>>(
        &self,
        wanted: impl Fn(&PieceKey) -> bool,
        mut take: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for segment in &self.manifest.segments {
            let pieces: Vec<&(PieceKey, Place)> = segment
                .pieces
                .iter()
                .filter(|(key, _)| wanted(key))
                .collect();
            read_pieces(
                &*self.store,
                &segment.name,
                &pieces,
                |_, piece| match piece {
                    Ok(piece) => take(piece),
                    Err(damage) => Err(CheckpointError::Damaged(damage).into()),
                },
            )?;
        }
        Ok(())
    }

    /// What is damaged, if anything is; a failure of the store is an error.
    pub(crate) fn check(&self, depth: Depth) -> Result<Option<Damage>, CheckpointError> {
        let checked = match depth {
            Depth::Listed => self.check_listed(),
            Depth::Whole => self.read(|_| true, |_| Ok::<_, CheckpointError>(())),
        };
        match checked {
            Ok(()) => Ok(None),
            Err(CheckpointError::Damaged(damage)) => Ok(Some(damage)),
            Err(error) => Err(error),
        }
    }

    fn check_listed(&self) -> Result<(), CheckpointError> {
        let listed = self.store.list(crate::writer::FOLDER)?;
        let sizes: BTreeMap<&str, u64> = listed
            .iter()
            .map(|listed| (listed.name.as_str(), listed.bytes))
            .collect();
        for segment in &self.manifest.segments {
            if sizes.get(segment.name.as_str()) != Some(&segment.bytes) {
                let name = segment.name.clone();
                return Err(Damage::Missing { name }.into());
            }
        }
        Ok(())
    }
}

/// Reads pieces of a segment, all in one read, and hands each over, or what is wrong with it.
pub(crate) fn read_pieces<E: From<CheckpointError>>(
    store: &dyn Blobs,
    name: &str,
    pieces: &[&(PieceKey, Place)],
    mut take: impl FnMut(&PieceKey, Result<Piece<'_>, Damage>) -> Result<(), E>,
) -> Result<(), E> {
    let end = |place: &Place| place.offset.saturating_add(place.length);
    let from = pieces.iter().map(|(_, place)| place.offset).min();
    let to = pieces.iter().map(|(_, place)| end(place)).max();
    let Some((from, to)) = from.zip(to) else {
        return Ok(());
    };
    let read = store.get_range(name, from, to.saturating_sub(from));
    let bytes = read.map_err(CheckpointError::from)?;
    for (key, place) in pieces {
        let piece = match &bytes {
            Some(bytes) => cut(bytes, from, *place)
                .and_then(|record| decode_piece(record, key, *place))
                .map_err(|source| Damage::Piece {
                    name: name.to_owned(),
                    key: key.clone(),
                    source,
                }),
            None => Err(Damage::Missing {
                name: name.to_owned(),
            }),
        };
        take(key, piece)?;
    }
    Ok(())
}

/// The bytes of a place, of bytes that begin at `from`.
fn cut(bytes: &[u8], from: u64, place: Place) -> Result<&[u8], SegmentError> {
    let at = place.offset;
    usize::try_from(at.saturating_sub(from))
        .ok()
        .zip(usize::try_from(place.length).ok())
        .and_then(|(start, length)| bytes.get(start..start.checked_add(length)?))
        .ok_or(SegmentError::Cut { at })
}
