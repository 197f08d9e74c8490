//! The form of segments and records.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Crc;

/// First bytes of a segment, with the version of its form.
const MAGIC: &[u8; 8] = b"ovspwal1";
/// Bytes before the first record.
pub(super) const SEGMENT_HEAD_BYTES: u64 = 8;
/// Length and checksum.
const RECORD_HEAD_BYTES: usize = 8;
/// Time, flags, length of the sender.
const BODY_HEAD_BYTES: usize = 10;
/// Longest record: far above the longest message.
const RECORD_BYTES_MAX: usize = 64 << 20;
const FLAG_CUT: u8 = 1;

/// A message, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// When it arrived, in nanoseconds since 1970.
    pub(crate) time_ns: i64,
    /// Its end was dropped.
    pub(crate) is_cut: bool,
    /// Who sent it; at most 255 bytes are kept.
    pub(crate) sender: &'a [u8],
    /// The message.
    pub(crate) message: &'a [u8],
}

impl<'a> Record<'a> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let sender = self.sender.get(..255).unwrap_or(self.sender);
        let mut body = Vec::with_capacity(BODY_HEAD_BYTES + sender.len() + self.message.len());
        body.extend_from_slice(&self.time_ns.to_le_bytes());
        body.push(if self.is_cut { FLAG_CUT } else { 0 });
        body.push(u8::try_from(sender.len()).unwrap_or(u8::MAX));
        body.extend_from_slice(sender);
        body.extend_from_slice(self.message);
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&checksum(&body).to_le_bytes());
        out.extend_from_slice(&body);
    }

    /// Bytes of the record that begins here, by what it says.
    pub(super) fn length(bytes: &[u8]) -> Option<usize> {
        let length = u32::from_le_bytes(*bytes.first_chunk()?);
        let length = usize::try_from(length).ok()?;
        (BODY_HEAD_BYTES..=RECORD_BYTES_MAX)
            .contains(&length)
            .then_some(RECORD_HEAD_BYTES + length)
    }

    /// Bytes of the record that begins here, if it is whole and sound.
    pub(super) fn check(bytes: &[u8]) -> Option<usize> {
        let length = Self::length(bytes)?;
        let record = bytes.get(..length)?;
        let expected = u32::from_le_bytes(*record.get(4..)?.first_chunk()?);
        let body = record.get(RECORD_HEAD_BYTES..)?;
        (checksum(body) == expected).then_some(length)
    }

    /// A record that was checked.
    pub(super) fn read(record: &'a [u8]) -> Option<Self> {
        let body = record.get(RECORD_HEAD_BYTES..)?;
        let (time, rest) = body.split_first_chunk()?;
        let ([flags, n_sender], rest) = rest.split_first_chunk()?;
        let (sender, message) = rest.split_at_checked(usize::from(*n_sender))?;
        Some(Self {
            time_ns: i64::from_le_bytes(*time),
            is_cut: flags & FLAG_CUT != 0,
            sender,
            message,
        })
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

pub(super) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.wal"))
}

/// Makes a segment. Its name is on the disk when this returns.
pub(super) fn create(dir: &Path, first: u64) -> io::Result<File> {
    let mut file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .open(segment_path(dir, first))?;
    file.write_all(MAGIC)?;
    drop(file);
    File::open(dir)?.sync_all()?;
    File::options().append(true).open(segment_path(dir, first))
}

/// First offset and length of the segments in a directory. One that was being made when the machine died has
/// no records.
pub(super) fn list(dir: &Path) -> io::Result<BTreeMap<u64, u64>> {
    let mut segments = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let first = name
            .to_str()
            .and_then(|name| name.strip_suffix(".wal"))
            .and_then(|name| name.parse().ok());
        let Some(first) = first else {
            continue;
        };
        let mut head = [0; 8];
        let is_sound = File::open(entry.path())?.read_exact(&mut head).is_ok() && head == *MAGIC;
        if is_sound {
            let length = entry.metadata()?.len() - SEGMENT_HEAD_BYTES;
            segments.insert(first, length);
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(segments)
}

/// Cuts off what is behind the last sound record of a segment; answers its length.
pub(super) fn recover(path: &Path, length: u64) -> io::Result<u64> {
    let bytes = fs::read(path)?;
    let head = usize::try_from(SEGMENT_HEAD_BYTES).unwrap_or(0);
    let records = bytes.get(head..).unwrap_or_default();
    let mut at = 0;
    while let Some(length) = Record::check(records.get(at..).unwrap_or_default()) {
        at += length;
    }
    let whole = at as u64;
    if whole < length {
        let file = File::options().write(true).open(path)?;
        file.set_len(SEGMENT_HEAD_BYTES + whole)?;
        file.sync_all()?;
    }
    Ok(whole)
}
