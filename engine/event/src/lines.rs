//! Lines on their way from a source to a parser: many in one allocation.

/// One line within a [`LineBatch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRef {
    /// First byte in [`LineBatch::data`].
    pub start: u32,
    /// Length in bytes, line end excluded.
    pub len: u32,
    /// Offset in the partition: strictly ascending, so that it names the line for ever.
    pub offset: u64,
    /// The line was longer than the limit and its end was dropped.
    pub is_cut: bool,
}

/// A batch of lines of one partition, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineBatch {
    /// The bytes of all lines.
    pub data: Vec<u8>,
    /// The lines.
    pub lines: Vec<LineRef>,
}

impl LineBatch {
    /// Appends a line. Lines past 4 GiB of data in one batch are not representable and are cut.
    pub fn push(&mut self, line: &[u8], offset: u64, is_cut: bool) {
        let start = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        let len = u32::try_from(line.len()).unwrap_or(u32::MAX);
        self.data.extend_from_slice(line);
        self.lines.push(LineRef {
            start,
            len,
            offset,
            is_cut,
        });
    }

    /// The bytes of a line of this batch.
    #[must_use]
    pub fn bytes(&self, line: &LineRef) -> &[u8] {
        let start = usize::try_from(line.start).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(line.len).unwrap_or(0));
        self.data.get(start..end).unwrap_or_default()
    }
}
