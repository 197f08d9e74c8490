//! A vector as a source, for tests of everything else.

use overspill_event::{LineBatch, Origin};

use crate::source::{Source, SourceError, Step};

/// Gives its lines in batches of a stated size; the offset of a line is its index.
#[derive(Debug, Clone)]
pub struct MemorySource {
    origin: Origin,
    lines: Vec<Vec<u8>>,
    next: usize,
    batch_lines: usize,
}

impl MemorySource {
    /// A source of these lines, `batch_lines` (at least 1) at a time.
    #[must_use]
    pub fn new(origin: Origin, lines: Vec<Vec<u8>>, batch_lines: usize) -> Self {
        Self {
            origin,
            lines,
            next: 0,
            batch_lines: batch_lines.max(1),
        }
    }
}

impl Source for MemorySource {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn read(&mut self, batch: &mut LineBatch) -> Result<Step, SourceError> {
        let end = (self.next + self.batch_lines).min(self.lines.len());
        for (offset, line) in self.lines.iter().enumerate().take(end).skip(self.next) {
            batch.push(line, offset as u64, false);
        }
        self.next = end;
        Ok(if end == self.lines.len() {
            Step::End
        } else {
            Step::More
        })
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.next as u64, Some(self.lines.len() as u64))
    }
}
