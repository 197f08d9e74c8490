//! A file that records are appended to, a line each.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{From, Pending, Place, Record, RecordSink, SinkError};

/// A file. What is no regular file (a pipe, a device) is written to, and remembers nothing.
#[derive(Debug)]
pub struct FileSink {
    name: String,
    path: PathBuf,
    file: File,
    is_regular: bool,
    /// Bytes of it.
    bytes: u64,
    out: Vec<u8>,
}

impl FileSink {
    /// Opens a file, or makes it.
    ///
    /// # Errors
    /// [`SinkError::File`] when it cannot be opened for reading and appending.
    pub fn open(name: &str, path: &Path) -> Result<Self, SinkError> {
        let failed = |source| SinkError::File {
            what: "open",
            path: path.to_owned(),
            source,
        };
        let open = || {
            OpenOptions::new()
                .create(true)
                .read(true)
                .append(true)
                .open(path)
        };
        let file = open().map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            is_regular: metadata.is_file(),
            bytes: metadata.len(),
            file,
            out: Vec::new(),
        })
    }

    fn read_after(&mut self, begin: u64, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let length = self.bytes;
        self.file.seek(SeekFrom::Start(begin))?;
        let mut rest = Vec::new();
        self.file.read_to_end(&mut rest)?;
        let whole = rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        for line in rest[..whole].split(|byte| *byte == b'\n') {
            if !line.is_empty() {
                each(line);
            }
        }
        self.bytes = begin + whole as u64;
        if self.bytes < length {
            self.file.set_len(self.bytes)?;
        }
        Ok(())
    }
}

impl RecordSink for FileSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn recover(&mut self, from: &From, each: &mut dyn FnMut(&[u8])) -> Result<(), SinkError> {
        if !self.is_regular {
            return Ok(());
        }
        let begin = match from {
            From::Beginning => 0,
            From::End => self.bytes,
            // If it is shorter, somebody has put away what it held, which is no longer ours to change.
            From::Place(place) => place.first().copied().unwrap_or(0).min(self.bytes),
        };
        self.read_after(begin, each)
            .map_err(|source| SinkError::File {
                what: "read",
                path: self.path.clone(),
                source,
            })
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        self.out.clear();
        for record in records {
            self.out.extend_from_slice(&record.line);
            self.out.push(b'\n');
        }
        if let Err(source) = self.file.write_all(&self.out) {
            // What is half there is taken away, so that it can be tried again.
            if self.is_regular {
                let _stays_torn = self.file.set_len(self.bytes);
            }
            return Err(SinkError::File {
                what: "write",
                path: self.path.clone(),
                source,
            });
        }
        self.bytes += self.out.len() as u64;
        Ok(())
    }

    fn place_soon(&mut self) -> Result<(Place, Option<Pending>), SinkError> {
        let place = vec![self.bytes];
        if !self.is_regular {
            return Ok((place, None));
        }
        let path = self.path.clone();
        let failed = move |source| SinkError::File {
            what: "write",
            path,
            source,
        };
        // The same open file: what is synced is what was written by it.
        let file = match self.file.try_clone() {
            Ok(file) => file,
            Err(source) => return Err(failed(source)),
        };
        let sync = Pending::new(move || file.sync_data().map_err(failed));
        Ok((place, Some(sync)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(line: &str) -> Record {
        Record {
            key: String::new(),
            line: line.as_bytes().to_vec(),
        }
    }

    fn recovered(sink: &mut FileSink, from: &From) -> Vec<String> {
        let mut lines = Vec::new();
        sink.recover(from, &mut |line| {
            lines.push(String::from_utf8_lossy(line).into_owned());
        })
        .unwrap();
        lines
    }

    #[test]
    fn what_came_after_a_place_is_given_and_a_torn_end_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records");
        let mut sink = FileSink::open("a", &path).unwrap();
        assert!(recovered(&mut sink, &From::Beginning).is_empty());
        sink.write(&[record("one"), record("two")]).unwrap();
        let place = sink.place().unwrap();
        sink.write(&[record("three")]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole, b"one\ntwo\nthree\n");
        std::fs::write(&path, [&whole[..], b"fo"].concat()).unwrap();
        let mut sink = FileSink::open("a", &path).unwrap();
        let from = From::Place(place.clone());
        assert_eq!(recovered(&mut sink, &from), ["three"]);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        sink.write(&[record("four")]).unwrap();
        let mut sink = FileSink::open("a", &path).unwrap();
        let all = ["one", "two", "three", "four"];
        assert_eq!(recovered(&mut sink, &From::Beginning), all);
        let mut sink = FileSink::open("a", &path).unwrap();
        assert!(recovered(&mut sink, &From::End).is_empty());
        // Put away and begun anew.
        std::fs::write(&path, "other\n").unwrap();
        let mut sink = FileSink::open("a", &path).unwrap();
        assert!(recovered(&mut sink, &from).is_empty());
    }
}
