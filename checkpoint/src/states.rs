//! Where the state of every piece is, as of the latest that processes have acknowledged, and which segments should be put
//! together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::{Manifest, SegmentUse};
use crate::segment::{FRAME_BYTES, PieceKey, Place};
use crate::vault::Settings;
use crate::writer::{Change, SegmentAck};

/// The map from pieces to places.
#[derive(Debug, Clone, Default)]
pub(crate) struct States {
    places: BTreeMap<PieceKey, (Arc<str>, Place)>,
    sizes: BTreeMap<Arc<str>, u64>,
}

impl States {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let mut states = Self::default();
        for segment in &manifest.segments {
            states.moved(&segment.name, segment.bytes, &segment.pieces);
        }
        states
    }

    /// Pieces have new places.
    pub(crate) fn moved(&mut self, segment: &str, bytes: u64, pieces: &[(PieceKey, Place)]) {
        let name: Arc<str> = Arc::from(segment);
        self.sizes.insert(Arc::clone(&name), bytes);
        for (key, place) in pieces {
            let to = (Arc::clone(&name), *place);
            self.places.insert(key.clone(), to);
        }
    }

    /// What was changed to a state that is written anew, or gone, is of the past.
    fn forget_changes(&mut self, key: &PieceKey) {
        let Some(range) = key.changes() else {
            return;
        };
        let of_the_past: Vec<PieceKey> = self
            .places
            .range(range)
            .map(|(key, _)| key.clone())
            .collect();
        for key in of_the_past {
            self.places.remove(&key);
        }
    }

    /// What changed in a process.
    pub(crate) fn apply(&mut self, ack: &SegmentAck) {
        for change in &ack.changes {
            match change {
                Change::Written {
                    segment,
                    bytes,
                    pieces,
                } => {
                    pieces.iter().for_each(|(key, _)| self.forget_changes(key));
                    self.moved(segment, *bytes, pieces);
                }
                Change::Removed(key) => {
                    self.forget_changes(key);
                    self.places.remove(key);
                }
            }
        }
    }

    /// The segments that are needed, by name, with what is needed of them. The others are forgotten.
    pub(crate) fn segments(&mut self) -> Vec<SegmentUse> {
        let mut by_name: BTreeMap<&Arc<str>, Vec<(PieceKey, Place)>> = BTreeMap::new();
        for (key, (name, place)) in &self.places {
            by_name.entry(name).or_default().push((key.clone(), *place));
        }
        let mut segments = Vec::with_capacity(by_name.len());
        for (name, mut pieces) in by_name {
            pieces.sort_unstable_by_key(|(_, place)| place.offset);
            segments.push(SegmentUse {
                name: name.to_string(),
                bytes: self.sizes.get(name).copied().unwrap_or(0),
                pieces,
            });
        }
        let needed: BTreeSet<&str> = segments.iter().map(|used| used.name.as_str()).collect();
        self.sizes.retain(|name, _| needed.contains(&**name));
        segments
    }
}

/// Which segments to put together: those of which less than half is needed, and the smallest ones when there are too
/// many small ones: of those that are as large as they get, a large state has as many as it needs. No more than may be rewritten at once, except for one that is too large for that alone.
pub(crate) fn to_compact<'a>(
    segments: &'a [SegmentUse],
    settings: &Settings,
    n_processes: u32,
) -> Vec<&'a SegmentUse> {
    let n_max = (n_processes as usize)
        .saturating_mul(4)
        .max(settings.segments_max)
        .max(2);
    let is_sparse = |segment: &SegmentUse| {
        let needed = segment.live_bytes().saturating_add(FRAME_BYTES);
        needed.saturating_mul(2) < segment.bytes
    };
    let mut order: Vec<&SegmentUse> = segments.iter().collect();
    order.sort_by_key(|segment| (!is_sparse(segment), segment.live_bytes()));
    // Down to a half at once, or every commit would have to.
    let is_small = |segment: &&SegmentUse| {
        segment.live_bytes().saturating_mul(2) <= settings.compact_bytes_max
    };
    let n_small = segments.iter().filter(is_small).count();
    let n_too_many = match n_small > n_max {
        true => n_small - n_max / 2,
        false => 0,
    };
    let (mut chosen, mut n_bytes, mut has_sparse) = (Vec::new(), 0_u64, false);
    for segment in order {
        let sparse = is_sparse(segment);
        if !sparse && chosen.len() > n_too_many {
            break;
        }
        if !sparse && n_too_many == 0 {
            break;
        }
        n_bytes = n_bytes.saturating_add(segment.live_bytes());
        if n_bytes > settings.compact_bytes_max && !chosen.is_empty() {
            break;
        }
        has_sparse |= sparse;
        chosen.push(segment);
    }
    // One that is nearly full would only be copied.
    if chosen.len() < 2 && !has_sparse {
        chosen.clear();
    }
    chosen
}

#[cfg(test)]
#[path = "states_tests.rs"]
mod tests;
