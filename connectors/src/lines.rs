//! Bytes cut into lines.

use std::io::{self, Read};

use overspill_event::LineBatch;

/// Longest line in bytes unless configured otherwise; CrowdSec's one-shot reader has the same.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

const BLOCK_BYTES: usize = 256 * 1024;
/// A batch is handed over when it holds this many bytes: a millisecond or two of parsing, which is
/// what workers that share a file deal out.
pub(crate) const BATCH_BYTES: usize = 64 * 1024;

/// Cuts a reader's bytes into lines: at `\n`, less one `\r` before it; empty lines are skipped.
///
/// The offset of a line is that of its first byte in the (decompressed) input. Memory is bounded
/// by the block and the longest line kept; what a line has beyond the limit is skipped.
#[derive(Debug)]
pub struct LineReader<R> {
    reader: R,
    block: Vec<u8>,
    /// Bytes of `block` that are read and not yet given.
    start: usize,
    end: usize,
    /// Offset in the input of `block[start]`.
    offset: u64,
    line_bytes_max: usize,
    /// The end of a line that was cut is being skipped.
    is_skipping: bool,
    is_at_end: bool,
    /// Lines given.
    pub n_lines: u64,
    /// Lines cut at the limit.
    pub n_cut: u64,
}

impl<R: Read> LineReader<R> {
    /// A reader of lines of at most `line_bytes_max` bytes (at least 1).
    pub fn new(reader: R, line_bytes_max: usize) -> Self {
        let line_bytes_max = line_bytes_max.max(1);
        Self {
            reader,
            block: vec![0; BLOCK_BYTES.max(line_bytes_max.saturating_add(2))],
            start: 0,
            end: 0,
            offset: 0,
            line_bytes_max,
            is_skipping: false,
            is_at_end: false,
            n_lines: 0,
            n_cut: 0,
        }
    }

    /// The reader beneath.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// Appends lines to `batch`; answers false when the input is at its end.
    ///
    /// # Errors
    /// The reader's; lines before the failure were given.
    pub fn read(&mut self, batch: &mut LineBatch) -> io::Result<bool> {
        while batch.data.len() < BATCH_BYTES {
            let Some(at) = memchr::memchr(b'\n', &self.block[self.start..self.end]) else {
                if self.is_at_end {
                    self.take(self.end - self.start, 0, batch);
                    return Ok(false);
                }
                self.fill(batch)?;
                continue;
            };
            self.take(at, 1, batch);
        }
        Ok(true)
    }

    /// Gives the next `len` bytes as a line (or drops them as the end of a cut one) and skips the
    /// line end.
    fn take(&mut self, len: usize, line_end: usize, batch: &mut LineBatch) {
        let line = &self.block[self.start..self.start + len];
        let line = if line_end == 1 {
            line.strip_suffix(b"\r").unwrap_or(line)
        } else {
            line
        };
        if self.is_skipping {
            self.is_skipping = false;
        } else if !line.is_empty() {
            let is_cut = line.len() > self.line_bytes_max;
            let kept = &line[..line.len().min(self.line_bytes_max)];
            batch.push(kept, self.offset, is_cut);
            self.n_lines += 1;
            self.n_cut += u64::from(is_cut);
        }
        self.advance(len + line_end);
    }

    fn advance(&mut self, len: usize) {
        self.start += len;
        self.offset += len as u64;
    }

    /// Reads more; what does not fit a line any more is given cut, and its end skipped.
    fn fill(&mut self, batch: &mut LineBatch) -> io::Result<()> {
        if self.is_skipping {
            self.advance(self.end - self.start);
        } else if self.end - self.start > self.line_bytes_max.saturating_add(1) {
            batch.push(
                &self.block[self.start..self.start + self.line_bytes_max],
                self.offset,
                true,
            );
            self.n_lines += 1;
            self.n_cut += 1;
            self.is_skipping = true;
            self.advance(self.end - self.start);
        }
        self.block.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        loop {
            match self.reader.read(&mut self.block[self.end..]) {
                Ok(0) => {
                    self.is_at_end = true;
                    return Ok(());
                }
                Ok(n) => {
                    self.end += n;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // What is complete was given; a broken last line is given too, once.
                    self.take(self.end, 0, batch);
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of `step`.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buf.len());
            buf[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn check(input: &[u8], limit: usize, expected: &[(&str, u64, bool)]) {
        for step in [1, 3, 7, 1 << 20] {
            let mut reader = LineReader::new(Drip(input, step), limit);
            let mut lines = Vec::new();
            loop {
                let mut batch = LineBatch::default();
                let more = reader.read(&mut batch).unwrap();
                lines.extend(batch.lines.iter().map(|line| {
                    let text = String::from_utf8(batch.bytes(line).to_vec()).unwrap();
                    (text, line.offset, line.is_cut)
                }));
                if !more {
                    break;
                }
            }
            let lines: Vec<(&str, u64, bool)> = lines
                .iter()
                .map(|(text, at, cut)| (text.as_str(), *at, *cut))
                .collect();
            assert_eq!(lines, expected, "in steps of {step}");
        }
    }

    #[test]
    fn lines_are_cut_at_line_feeds_and_empty_ones_are_skipped() {
        check(
            b"a\n\nbc\r\n\r\nd",
            10,
            &[("a", 0, false), ("bc", 3, false), ("d", 9, false)],
        );
        check(b"", 10, &[]);
        check(b"\n\n", 10, &[]);
    }

    #[test]
    fn a_line_over_the_limit_is_cut_once_and_the_next_is_whole() {
        let long = "x".repeat(600_000);
        let input = format!("a\n{long}\nb\n");
        check(
            input.as_bytes(),
            4,
            &[("a", 0, false), ("xxxx", 2, true), ("b", 600_003, false)],
        );
        check(
            b"12345\n1234\n",
            4,
            &[("1234", 0, true), ("1234", 6, false)],
        );
    }

    #[test]
    fn a_failing_reader_gives_its_lines_first() {
        struct Failing(bool);
        impl Read for Failing {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::Error::other("torn"));
                }
                buf[..6].copy_from_slice(b"a\nb\ncd");
                Ok(6)
            }
        }
        let mut reader = LineReader::new(Failing(false), 100);
        let mut batch = LineBatch::default();
        assert!(reader.read(&mut batch).is_err());
        assert_eq!(batch.lines.len(), 3);
    }
}
