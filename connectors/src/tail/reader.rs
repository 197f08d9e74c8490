//! Reading a file at an offset, also if it was packed since.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::tail::identity::PRINT_BYTES;

/// An open file.
pub(crate) enum Reader {
    /// As it is.
    Plain(File),
    /// Unpacked from the beginning on.
    Packed(Box<Packed>),
}

/// A gzip file, read forward. What was read last is kept, since the beginning of a line is asked for again.
pub(crate) struct Packed {
    decoder: MultiGzDecoder<io::BufReader<File>>,
    kept: Vec<u8>,
    /// Offset of what is kept.
    offset: u64,
    is_at_end: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Packed(_) => "Packed",
        })
    }
}

impl Reader {
    /// Opens a file by what its first bytes say.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut magic = [0; 2];
        let is_packed = file.read_at(&mut magic, 0)? == 2 && magic == [0x1f, 0x8b];
        Ok(if is_packed {
            Self::Packed(Box::new(Packed {
                decoder: MultiGzDecoder::new(io::BufReader::with_capacity(32 * 1024, file)),
                kept: Vec::new(),
                offset: 0,
                is_at_end: false,
            }))
        } else {
            Self::Plain(file)
        })
    }

    /// Reads at an offset until `buf` is full or the end is met. What is packed is read forward only.
    pub(crate) fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Packed(packed) => packed.read_at(buf, offset),
            Self::Plain(file) => {
                let mut n = 0;
                while let Some(rest) = buf.get_mut(n..).filter(|rest| !rest.is_empty()) {
                    match file.read_at(rest, offset + n as u64) {
                        Ok(0) => break,
                        Ok(read) => n += read,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(n)
            }
        }
    }

    /// The bytes a file is told by.
    pub(crate) fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = vec![0; PRINT_BYTES];
        let n = self.read_at(&mut head, 0)?;
        head.truncate(n);
        Ok(head)
    }
}

impl Packed {
    fn read_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let backward = || io::Error::other("a packed file is read forward only");
        let mut from = offset.checked_sub(self.offset).ok_or_else(backward)?;
        let mut block = [0; 16 * 1024];
        loop {
            // What lies before the offset is of no more use.
            let n_drop =
                usize::try_from(from).map_or(self.kept.len(), |from| from.min(self.kept.len()));
            self.kept.drain(..n_drop);
            self.offset += n_drop as u64;
            from -= n_drop as u64;
            if self.is_at_end || (from == 0 && self.kept.len() >= buf.len()) {
                break;
            }
            match self.decoder.read(&mut block) {
                Ok(0) => self.is_at_end = true,
                Ok(n) => self
                    .kept
                    .extend_from_slice(block.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if from > 0 {
            return Ok(0);
        }
        let n = buf.len().min(self.kept.len());
        if let (Some(to), Some(kept)) = (buf.get_mut(..n), self.kept.get(..n)) {
            to.copy_from_slice(kept);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn packed_and_plain_files_give_the_same_bytes_at_the_same_offsets() {
        let dir = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..60_000_u32)
            .flat_map(|n| (n * 7).to_le_bytes())
            .collect();
        let plain_path = dir.path().join("plain");
        std::fs::write(&plain_path, &text).unwrap();
        let packed_path = dir.path().join("packed");
        let file = File::create(&packed_path).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(&text).unwrap();
        encoder.finish().unwrap();
        let mut plain = Reader::open(&plain_path).unwrap();
        let mut packed = Reader::open(&packed_path).unwrap();
        assert!(matches!(packed, Reader::Packed(_)));
        assert_eq!(packed.head().unwrap(), text[..PRINT_BYTES]);
        for (offset, len) in [
            (0, 10),
            (0, 20_000),
            (5, 20_000),
            (100_000, 3),
            (239_990, 100),
            (239_995, 100),
            (300_000, 1),
        ] {
            let (mut a, mut b) = (vec![0; len], vec![0; len]);
            let n_a = plain.read_at(&mut a, offset).unwrap();
            let n_b = packed.read_at(&mut b, offset).unwrap();
            assert_eq!((n_a, a), (n_b, b), "at {offset}");
        }
        assert!(packed.read_at(&mut [0], 0).is_err());
    }
}
