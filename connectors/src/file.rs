//! Files read once, from the beginning: plain, gzip or zstd, and standard input.
//!
//! The form is told by the first bytes, not by the name. A gzip file may have several members. A
//! truncated or damaged file gives what could be read, then an error.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use overspill_event::{LineBatch, Origin};

use crate::lines::LineReader;
use crate::source::{Source, SourceError, Step};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Most memory that one zstd frame may ask for its window: 2^27 bytes.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Name under which standard input is given.
pub const STDIN: &str = "-";

/// One file, or standard input, as a partition.
pub struct FileSource {
    origin: Origin,
    lines: LineReader<Box<dyn Read + Send>>,
    read_bytes: Arc<AtomicU64>,
    total_bytes: Option<u64>,
    is_at_end: bool,
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSource")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Counts the stored bytes that were read, for the progress bar.
pub(crate) struct Counted<R> {
    reader: R,
    read_bytes: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    pub(crate) fn new(reader: R, read_bytes: Arc<AtomicU64>) -> Self {
        Self { reader, read_bytes }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        self.read_bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl FileSource {
    /// Opens a file, or standard input for [`STDIN`]. `origin.src` is its name.
    ///
    /// # Errors
    /// [`SourceError::Open`] when it cannot be opened, or its head cannot be read.
    pub fn open(origin: Origin, line_bytes_max: usize) -> Result<Self, SourceError> {
        let name = origin.src.clone();
        let failed = |source| SourceError::Open {
            path: name.clone(),
            source,
        };
        let (reader, total_bytes): (Box<dyn Read + Send>, Option<u64>) = if name == STDIN {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(Path::new(&name)).map_err(failed)?;
            let meta = file.metadata().map_err(failed)?;
            if meta.is_dir() {
                return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
            }
            (Box::new(file), meta.is_file().then_some(meta.len()))
        };
        let read_bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted::new(reader, Arc::clone(&read_bytes));
        let counted = Box::new(counted);
        Self::from_reader(origin, counted, (read_bytes, total_bytes), line_bytes_max)
    }

    /// Text, perhaps packed, from a reader that counts what it reads.
    ///
    /// # Errors
    /// [`SourceError::Open`] when the head cannot be read.
    pub(crate) fn from_reader(
        origin: Origin,
        reader: Box<dyn Read + Send>,
        (read_bytes, total_bytes): (Arc<AtomicU64>, Option<u64>),
        line_bytes_max: usize,
    ) -> Result<Self, SourceError> {
        let decoded = decode(reader).map_err(|source| SourceError::Open {
            path: origin.src.clone(),
            source,
        })?;
        let lines = LineReader::new(decoded, line_bytes_max);
        Ok(Self {
            origin,
            lines,
            read_bytes,
            total_bytes,
            is_at_end: false,
        })
    }

    /// Lines that were cut at the limit.
    #[must_use]
    pub fn n_cut(&self) -> u64 {
        self.lines.n_cut
    }
}

/// Looks at the first bytes and puts the decoder in front.
///
/// # Errors
/// The reader's, while the first bytes are read.
pub fn decode<R: Read + Send + 'static>(mut reader: R) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::with_capacity(4);
    while head.len() < 4 {
        let mut byte = [0];
        match reader.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => head.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let is_gzip = head.starts_with(&GZIP_MAGIC);
    let is_zstd = head.starts_with(&ZSTD_MAGIC);
    let whole = io::BufReader::with_capacity(64 * 1024, io::Cursor::new(head).chain(reader));
    Ok(if is_gzip {
        Box::new(MultiGzDecoder::new(whole))
    } else if is_zstd {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(whole)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Box::new(decoder)
    } else {
        Box::new(whole)
    })
}

impl Source for FileSource {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn read(&mut self, batch: &mut LineBatch) -> Result<Step, SourceError> {
        if self.is_at_end {
            return Ok(Step::End);
        }
        match self.lines.read(batch) {
            Ok(true) => Ok(Step::More),
            Ok(false) => {
                self.is_at_end = true;
                Ok(Step::End)
            }
            Err(source) => {
                self.is_at_end = true;
                let path = self.origin.src.clone();
                Err(SourceError::Read {
                    path,
                    lines: self.lines.n_lines,
                    source,
                })
            }
        }
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.read_bytes.load(Ordering::Relaxed), self.total_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn lines_of(path: &Path) -> (Vec<String>, Option<SourceError>) {
        let origin = Origin {
            src: path.display().to_string(),
            ..Origin::default()
        };
        let mut source = FileSource::open(origin, 1000).unwrap();
        let mut lines = Vec::new();
        loop {
            let mut batch = LineBatch::default();
            let step = source.read(&mut batch);
            let text = |line| String::from_utf8_lossy(batch.bytes(line)).into_owned();
            lines.extend(batch.lines.iter().map(text));
            match step {
                Ok(Step::More) => {}
                Ok(Step::End) => return (lines, None),
                Err(error) => return (lines, Some(error)),
            }
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_members_and_zstd_are_told_by_their_first_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, [gzip(b"one\ntw"), gzip(b"o\n")].concat()).unwrap();
        assert_eq!(lines_of(&path).0, vec!["one", "two"]);
        std::fs::write(&path, zstd::encode_all(&b"three\nfour"[..], 3).unwrap()).unwrap();
        assert_eq!(lines_of(&path).0, vec!["three", "four"]);
        std::fs::write(&path, b"").unwrap();
        assert_eq!(lines_of(&path).0, Vec::<String>::new());
    }

    #[test]
    fn a_truncated_gzip_gives_its_lines_and_then_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gz");
        let text: String = (0..5_000)
            .map(|n| format!("line {n} {}\n", n * 7919))
            .collect();
        let bytes = gzip(text.as_bytes());
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let (lines, error) = lines_of(&path);
        assert!(lines.len() > 100, "{} lines", lines.len());
        assert!(matches!(error, Some(SourceError::Read { .. })));
    }
}
