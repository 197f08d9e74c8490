//! The lines of a piece of a file that may go on growing.

use overspill_event::LineBatch;

/// How lines are cut, and whether the end of one that was too long is being skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cutter {
    pub(crate) line_bytes_max: usize,
    pub(crate) is_skipping: bool,
}

impl Cutter {
    /// Appends the whole lines of `piece`, which stands at `offset`, and answers how many bytes they
    /// are. With `is_end` what is behind the last line end is a line too; otherwise it is left, unless it is
    /// longer than a line may be: then it is given, cut, and skipped up to its end.
    pub(crate) fn cut(
        &mut self,
        piece: &[u8],
        offset: u64,
        is_end: bool,
        batch: &mut LineBatch,
    ) -> usize {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', piece) {
            let line = piece.get(start..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.give(line, offset + start as u64, batch);
            start = end + 1;
        }
        let rest = piece.get(start..).unwrap_or_default();
        if is_end {
            self.give(rest, offset + start as u64, batch);
            return piece.len();
        }
        // One byte more than the limit may be the `\r` of a line that just fits.
        if self.is_skipping || rest.len() > self.line_bytes_max.saturating_add(1) {
            self.give(rest, offset + start as u64, batch);
            self.is_skipping = true;
            return piece.len();
        }
        start
    }

    fn give(&mut self, line: &[u8], offset: u64, batch: &mut LineBatch) {
        if std::mem::take(&mut self.is_skipping) || line.is_empty() {
            return;
        }
        let kept = line.get(..self.line_bytes_max).unwrap_or(line);
        batch.push(kept, offset, kept.len() < line.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::LineReader;

    type Lines = Vec<(Vec<u8>, u64, bool)>;

    fn lines(batch: &LineBatch) -> Lines {
        let line = |line: &overspill_event::LineRef| {
            (batch.bytes(line).to_vec(), line.offset, line.is_cut)
        };
        batch.lines.iter().map(line).collect()
    }

    /// Cuts an input that is seen to grow by `step`.
    fn cut(input: &[u8], line_bytes_max: usize, step: usize) -> Lines {
        let mut cutter = Cutter {
            line_bytes_max,
            is_skipping: false,
        };
        let mut batch = LineBatch::default();
        let mut offset = 0;
        for seen in (0..=input.len()).step_by(step).chain([input.len()]) {
            offset += cutter.cut(&input[offset..seen], offset as u64, false, &mut batch);
        }
        cutter.cut(&input[offset..], offset as u64, true, &mut batch);
        lines(&batch)
    }

    #[test]
    fn a_growing_file_is_cut_as_a_whole_one_is() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\n\n",
            b"a\n\nbc\r\n\r\nd",
            b"12345\n1234\n12345\r\n1234\r\n",
            b"1234567890123456789\nx\n",
            b"1234567890123456789",
            b"ab\r",
            b"1234\r1\n5",
        ];
        for input in inputs {
            for limit in [1, 4, 100] {
                let mut whole = LineBatch::default();
                let mut reader = LineReader::new(input, limit);
                while reader.read(&mut whole).unwrap() {}
                for step in [1, 2, 3, 7, 100] {
                    let text = String::from_utf8_lossy(input);
                    assert_eq!(
                        cut(input, limit, step),
                        lines(&whole),
                        "{text:?} at {limit} by {step}"
                    );
                }
            }
        }
    }
}
