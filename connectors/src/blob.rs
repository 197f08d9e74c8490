//! Bytes that can be read from any place: a file, memory, an object.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// What a source reads by position. Reads may come from several threads at once.
pub trait Blob: Send + Sync {
    /// Bytes in all.
    fn len(&self) -> u64;

    /// There is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes `offset .. offset + len`, exactly.
    ///
    /// # Errors
    /// The medium's; `UnexpectedEof` past the end.
    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes>;

    /// How much to read at least at a time, where more is wanted soon.
    fn block_bytes(&self) -> usize;
}

/// A file of this machine.
#[derive(Debug)]
pub struct FileBlob {
    #[cfg(unix)]
    file: File,
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
    len: u64,
}

impl FileBlob {
    /// A regular file, open.
    ///
    /// # Errors
    /// When its size cannot be had.
    pub fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        #[cfg(not(unix))]
        let file = std::sync::Mutex::new(file);
        Ok(Self { file, len })
    }

    #[cfg(unix)]
    fn fill(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buf, offset)
    }

    #[cfg(not(unix))]
    fn fill(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        use std::io::{Seek, SeekFrom};
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(buf)
    }
}

impl Blob for FileBlob {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        check(offset, len, self.len)?;
        let mut buf = vec![0; len];
        self.fill(offset, &mut buf)?;
        Ok(Bytes::from(buf))
    }

    fn block_bytes(&self) -> usize {
        256 << 10
    }
}

/// Bytes in memory.
impl Blob for Bytes {
    fn len(&self) -> u64 {
        self.as_ref().len() as u64
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        check(offset, len, Blob::len(self))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(self.slice(start..start + len))
    }

    fn block_bytes(&self) -> usize {
        1 << 20
    }
}

fn check(offset: u64, len: usize, total: u64) -> io::Result<()> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= total => Ok(()),
        _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}

/// A blob of which one piece is kept, for reading on from where one is; counts what it reads.
pub struct Pieces {
    blob: Arc<dyn Blob>,
    piece: Bytes,
    start: u64,
    read_bytes: Arc<AtomicU64>,
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces")
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

impl Pieces {
    /// Nothing read yet.
    #[must_use]
    pub fn new(blob: Arc<dyn Blob>, read_bytes: Arc<AtomicU64>) -> Self {
        Self {
            blob,
            piece: Bytes::new(),
            start: 0,
            read_bytes,
        }
    }

    /// `len` bytes from `offset` on. `end` bounds how far may be read ahead.
    ///
    /// # Errors
    /// The blob's.
    pub fn get(&mut self, offset: u64, len: usize, end: u64) -> io::Result<Bytes> {
        if let Some(at) = offset.checked_sub(self.start)
            && let Ok(at) = usize::try_from(at)
            && let Some(stop) = at.checked_add(len)
            && stop <= self.piece.len()
        {
            return Ok(self.piece.slice(at..stop));
        }
        let end = end.min(self.blob.len());
        let ahead = (len.max(self.blob.block_bytes()) as u64).min(end.saturating_sub(offset));
        let want = len.max(usize::try_from(ahead).unwrap_or(len));
        self.piece = self.blob.read(offset, want)?;
        self.start = offset;
        self.read_bytes.fetch_add(want as u64, Ordering::Relaxed);
        Ok(self.piece.slice(..len))
    }

    /// At most `len` bytes from `offset` on, fewer before `end`.
    ///
    /// # Errors
    /// The blob's.
    pub fn up_to(&mut self, offset: u64, len: usize, end: u64) -> io::Result<Bytes> {
        let end = end.min(self.blob.len());
        let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.get(offset, len.min(left), end)
    }
}

/// Reads a blob from its beginning to its end.
#[derive(Debug)]
pub struct BlobReader {
    pieces: Pieces,
    at: u64,
    end: u64,
}

impl BlobReader {
    /// A reader at the beginning.
    #[must_use]
    pub fn new(blob: Arc<dyn Blob>, read_bytes: Arc<AtomicU64>) -> Self {
        let end = blob.len();
        Self {
            pieces: Pieces::new(blob, read_bytes),
            at: 0,
            end,
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // What is left of a piece first, so that each byte is fetched once.
        let kept = (self.pieces.start + self.pieces.piece.len() as u64).saturating_sub(self.at);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        let len = if kept > 0 {
            buf.len().min(kept)
        } else {
            buf.len()
        };
        let bytes = self.pieces.up_to(self.at, len, self.end)?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_reads_the_same_in_pieces_and_as_a_stream() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let blobs: [Arc<dyn Blob>; 2] = [
            Arc::new(FileBlob::new(File::open(file.path()).unwrap()).unwrap()),
            Arc::new(Bytes::from(bytes.clone())),
        ];
        for blob in blobs {
            let counter = Arc::new(AtomicU64::new(0));
            let mut all = Vec::new();
            let mut reader = BlobReader::new(Arc::clone(&blob), Arc::clone(&counter));
            reader.read_to_end(&mut all).unwrap();
            assert!(all == bytes);
            assert_eq!(counter.load(Ordering::Relaxed), 3_000_000);
            let mut pieces = Pieces::new(blob, counter);
            assert_eq!(
                pieces.get(70_000, 4, u64::MAX).unwrap(),
                &bytes[70_000..70_004]
            );
            assert!(pieces.get(2_999_999, 2, u64::MAX).is_err());
            assert!(pieces.get(u64::MAX, 2, u64::MAX).is_err());
            assert_eq!(pieces.up_to(2_999_999, 9, u64::MAX).unwrap().len(), 1);
        }
    }
}
