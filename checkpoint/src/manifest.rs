//! An entry of the log: a checkpoint's manifest, or the mark of a generation's beginning.
//!
//! ```text
//!  overspill-checkpoint 1 SHA256 LENGTH\n      version of the form, checksum of it and the rest, length of the rest
//!  {"checkpoint": {...}}                       or {"generation": {...}}: JSON, for people and `jq`
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use overspill_golike::base64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::blobs::is_name;
use crate::segment::{PieceKey, Place};
use crate::writer::FOLDER;

/// Version of the form of an entry.
const VERSION: u32 = 1;
const TITLE: &str = "overspill-checkpoint";
/// Longest first line.
const HEAD_BYTES_MAX: usize = 128;
/// Largest entry.
pub const MANIFEST_BYTES_MAX: usize = 256 << 20;

/// Bytes that only their owner can read; base64 in JSON.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Opaque(pub Vec<u8>);

impl std::fmt::Debug for Opaque {
    /// Not the bytes: one of these is a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opaque({} bytes)", self.0.len())
    }
}

impl From<Vec<u8>> for Opaque {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Serialize for Opaque {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Opaque {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = base64::decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// How many processes and workers the job had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Processes.
    pub processes: u32,
    /// Workers of all of them.
    pub workers: u32,
}

/// Where reading of a partition begins again, and its clock there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartPoint {
    /// What the source needs to find the place.
    pub position: Opaque,
    /// Offset of the first line that is not in the checkpoint.
    pub resume_from: u64,
    /// Largest event time before that line.
    pub clock_max_ns: i64,
    /// How many lines the clock has placed in its present tick.
    pub clock_n_in_tick: u32,
    /// The partition had left: others do not wait for it.
    pub is_left: bool,
}

/// Restart points of the partitions of each source.
pub type RestartPoints = BTreeMap<String, BTreeMap<String, RestartPoint>>;

/// What the job says of a checkpoint, beside the states that processes have written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestParts {
    /// Event time as of which everything stands, in nanoseconds since 1970.
    pub as_of_ns: i64,
    /// Wall time at which it was made, in nanoseconds since 1970. For people; nothing is decided by it.
    pub created_wall_ns: i64,
    /// How the job was divided.
    pub layout: Layout,
    /// What was running: scenarios with the hashes of their content.
    pub content: Vec<String>,
    /// Where sources begin again.
    pub partitions: RestartPoints,
    /// Where outputs and sinks stand, by their names.
    pub cursors: BTreeMap<String, serde_json::Value>,
    /// What was left out of the watermark, and when.
    pub exclusions: Vec<serde_json::Value>,
    /// The key of the hash that assigns keys to groups.
    pub hash_key: Opaque,
}

/// What of a segment a checkpoint uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "RawSegment", from = "RawSegment")]
pub struct SegmentUse {
    /// The object.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// What is used of it, in the order in which it stands there.
    pub pieces: Vec<(PieceKey, Place)>,
}

impl SegmentUse {
    /// Bytes that are used.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.pieces.iter().map(|(_, place)| place.length).sum()
    }
}

/// The same, short: there are thousands of groups.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSegment {
    name: String,
    bytes: u64,
    /// Stage, group, offset, length, checksum.
    groups: Vec<(u8, u16, u64, u64, u32)>,
    /// Name, offset, length, checksum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blobs: Vec<(String, u64, u64, u32)>,
    /// Stage, group, moment, offset, length, checksum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<(u8, u16, i64, u64, u64, u32)>,
}

impl From<SegmentUse> for RawSegment {
    fn from(segment: SegmentUse) -> Self {
        let (mut groups, mut blobs, mut changes) = (Vec::new(), Vec::new(), Vec::new());
        for (key, place) in segment.pieces {
            let Place {
                offset,
                length,
                checksum,
            } = place;
            match key {
                PieceKey::Group { stage, group } => {
                    groups.push((stage, group, offset, length, checksum));
                }
                PieceKey::Blob { name } => blobs.push((name, offset, length, checksum)),
                PieceKey::Changes {
                    stage,
                    group,
                    as_of_ns,
                } => changes.push((stage, group, as_of_ns, offset, length, checksum)),
            }
        }
        Self {
            name: segment.name,
            bytes: segment.bytes,
            groups,
            blobs,
            changes,
        }
    }
}

impl From<RawSegment> for SegmentUse {
    fn from(raw: RawSegment) -> Self {
        let place = |offset, length, checksum| Place {
            offset,
            length,
            checksum,
        };
        let groups = raw
            .groups
            .into_iter()
            .map(|(stage, group, offset, length, checksum)| {
                (
                    PieceKey::group(stage, group),
                    place(offset, length, checksum),
                )
            });
        let blobs = raw
            .blobs
            .into_iter()
            .map(|(name, offset, length, checksum)| {
                (PieceKey::Blob { name }, place(offset, length, checksum))
            });
        let changes =
            raw.changes
                .into_iter()
                .map(|(stage, group, as_of_ns, offset, length, checksum)| {
                    let key = PieceKey::Changes {
                        stage,
                        group,
                        as_of_ns,
                    };
                    (key, place(offset, length, checksum))
                });
        let mut pieces: Vec<(PieceKey, Place)> = groups.chain(blobs).chain(changes).collect();
        pieces.sort_by_key(|(_, place)| place.offset);
        Self {
            name: raw.name,
            bytes: raw.bytes,
            pieces,
        }
    }
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The generation that made it.
    pub generation: u64,
    /// Its number: where it stands in the log.
    pub number: u64,
    /// What the job said.
    #[serde(rename = "job")]
    pub parts: ManifestParts,
    /// The segments that hold the states.
    pub segments: Vec<SegmentUse>,
}

impl Manifest {
    /// Bytes of all states.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.segments.iter().map(SegmentUse::live_bytes).sum()
    }
}

/// The beginning of a generation. Its number is where it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// Its number.
    pub generation: u64,
    /// Wall time at which it began, in nanoseconds since 1970.
    pub began_wall_ns: i64,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// A checkpoint.
    #[serde(rename = "checkpoint")]
    Checkpoint(Manifest),
    /// From here on, only this generation may add entries.
    #[serde(rename = "generation")]
    Generation(Marker),
}

/// Bytes that are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It does not begin as one.
    #[error("not a manifest")]
    NotAManifest,
    /// A later build wrote it.
    #[error("version {0} is not known")]
    Version(u32),
    /// It was cut off, or something was added.
    #[error("{actual} bytes instead of {expected}")]
    Length {
        /// What it says.
        expected: usize,
        /// What there is.
        actual: usize,
    },
    /// Bytes have changed.
    #[error("checksum is wrong")]
    Checksum,
    /// It is too large to be one.
    #[error("more than {MANIFEST_BYTES_MAX} bytes")]
    TooLarge,
    /// What is in it is not what this build expects.
    #[error("content is not understood: {0}")]
    Json(String),
    /// What is in it contradicts itself.
    #[error("{what} in {place}")]
    Contradiction {
        /// What is wrong.
        what: &'static str,
        /// Where.
        place: String,
    },
}

/// The first line of an entry. Its checksum is that of the version and the body.
fn head(version: u32, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{TITLE} {version}\n"));
    hash.update(body);
    let mut text = format!("{TITLE} {version} ");
    for byte in hash.finalize() {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
    }
    let _written = write!(text, " {}", body.len());
    text
}

/// The bytes of an entry.
///
/// # Errors
/// When they could not be read back.
pub fn encode_entry(entry: &Entry) -> Result<Vec<u8>, ManifestError> {
    let json = |error: serde_json::Error| ManifestError::Json(error.to_string());
    let body = serde_json::to_vec(entry).map_err(json)?;
    if body.len() > MANIFEST_BYTES_MAX - HEAD_BYTES_MAX {
        return Err(ManifestError::TooLarge);
    }
    let mut bytes = head(VERSION, &body).into_bytes();
    bytes.push(b'\n');
    bytes.extend(body);
    decode_entry(&bytes)?;
    Ok(bytes)
}

/// The entry that bytes are. Nothing in it is believed that does not fit together.
///
/// # Errors
/// When anything of it is not as it was written.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, ManifestError> {
    if bytes.len() > MANIFEST_BYTES_MAX {
        return Err(ManifestError::TooLarge);
    }
    let head_bytes = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
    let end = head_bytes.iter().position(|byte| *byte == b'\n');
    let (line, body) = end
        .and_then(|end| Some((bytes.get(..end)?, bytes.get(end + 1..)?)))
        .ok_or(ManifestError::NotAManifest)?;
    let line = std::str::from_utf8(line).map_err(|_| ManifestError::NotAManifest)?;
    let mut words = line.split(' ');
    if words.next() != Some(TITLE) {
        return Err(ManifestError::NotAManifest);
    }
    let version: Option<u32> = words.next().and_then(|word| word.parse().ok());
    let length: Option<usize> = words.nth(1).and_then(|word| word.parse().ok());
    let (Some(version), Some(expected)) = (version, length) else {
        return Err(ManifestError::NotAManifest);
    };
    if body.len() != expected {
        let actual = body.len();
        return Err(ManifestError::Length { expected, actual });
    }
    if head(version, body) != line {
        return Err(ManifestError::Checksum);
    }
    if version != VERSION {
        return Err(ManifestError::Version(version));
    }
    let entry: Entry =
        serde_json::from_slice(body).map_err(|error| ManifestError::Json(error.to_string()))?;
    if let Entry::Checkpoint(manifest) = &entry {
        check(manifest)?;
    }
    Ok(entry)
}

/// Whether a manifest agrees with itself.
fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    let wrong = |what: &'static str, place: &dyn ToString| ManifestError::Contradiction {
        what,
        place: place.to_string(),
    };
    if manifest.generation >= manifest.number {
        return Err(wrong("a generation after its checkpoint", &manifest.number));
    }
    let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut changed = BTreeSet::new();
    for segment in &manifest.segments {
        if !is_name(&segment.name) || !segment.name.starts_with(FOLDER) {
            return Err(wrong("a bad name", &segment.name));
        }
        if !names.insert(&segment.name) {
            return Err(wrong("a segment twice", &segment.name));
        }
        let mut end = 0;
        for (key, place) in &segment.pieces {
            if !key.is_sound() || !keys.insert(key) {
                return Err(wrong("a piece twice or out of range", &segment.name));
            }
            changed.extend(key.changed());
            let is_behind = place.offset >= end;
            end = place.offset.saturating_add(place.length);
            if !is_behind || end > segment.bytes || place.length < key.record_head_bytes() as u64 {
                return Err(wrong("a piece out of place", &segment.name));
            }
        }
    }
    if let Some(key) = changed.iter().find(|key| !keys.contains(key)) {
        return Err(wrong("changes to what is not there", key));
    }
    Ok(())
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
