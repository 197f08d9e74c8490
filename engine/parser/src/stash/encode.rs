//! A partition's stashes as bytes, for snapshots.
//!
//! Layout, little endian: version, flag and time of the last date, default time, number of caches;
//! for each its name, the number of entries, and the entries from the least to the most recently
//! used as key, value and end. Decoding hostile bytes gives an error, never a panic.

use overspill_event::{ByteReader, Malformed, encode_bytes, encode_len};

use super::StashSet;
use crate::plan::ParserPlan;

const VERSION: u8 = 1;

/// Bytes that are no snapshot of stashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at} of encoded stashes")]
pub struct StashDecodeError {
    /// What is wrong.
    pub what: &'static str,
    /// Where.
    pub at: usize,
}

impl From<Malformed> for StashDecodeError {
    fn from(Malformed { what, at }: Malformed) -> Self {
        Self { what, at }
    }
}

impl StashSet {
    /// Appends the entries of all caches to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.push(u8::from(self.dated_ns.is_some()));
        out.extend_from_slice(&self.dated_ns.unwrap_or_default().to_le_bytes());
        out.extend_from_slice(&self.default_ns.to_le_bytes());
        encode_len(self.caches.len(), out);
        for (name, cache) in &self.caches {
            encode_bytes(name.as_bytes(), out);
            encode_len(cache.len(), out);
            for (key, value, expires_ns) in cache.entries() {
                encode_bytes(key, out);
                encode_bytes(value, out);
                out.extend_from_slice(&expires_ns.to_le_bytes());
            }
        }
    }

    /// Reads stashes back for a plan, which need not be the one they were written under: caches
    /// it does not know are dropped, and smaller ones keep the most recently used entries.
    ///
    /// # Errors
    /// [`StashDecodeError`] when the bytes are cut short or are something else.
    pub fn decode(plan: &ParserPlan, bytes: &[u8]) -> Result<Self, StashDecodeError> {
        let mut reader = ByteReader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(reader.error("unknown version").into());
        }
        let mut set = Self::new(plan);
        let is_dated = reader.byte()?;
        let dated_ns = i64::from_le_bytes(reader.array()?);
        set.dated_ns = (is_dated == 1).then_some(dated_ns);
        set.default_ns = i64::from_le_bytes(reader.array()?);
        for _ in 0..reader.length()? {
            let name = reader.slice()?;
            let mut cache = set
                .caches
                .iter_mut()
                .find(|(known, _)| known.as_bytes() == name);
            for _ in 0..reader.length()? {
                let (key, value) = (reader.slice()?, reader.slice()?);
                let expires_ns = i64::from_le_bytes(reader.array()?);
                if let Some((_, cache)) = &mut cache {
                    set.n_evicted += cache.set(key, value, expires_ns);
                }
            }
        }
        if !reader.is_at_end() {
            return Err(reader.error("extra bytes").into());
        }
        Ok(set)
    }
}
