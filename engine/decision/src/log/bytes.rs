//! Numbers and texts as bytes, little endian, for the log's saved state.

use super::state::LogDecodeError;

pub(super) fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put_i64(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put_len(out: &mut Vec<u8>, len: usize) {
    put_u64(out, u64::try_from(len).unwrap_or(u64::MAX));
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Reads what the functions above wrote. Every answer is checked against the bytes that are there.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn error(&self, what: &'static str) -> LogDecodeError {
        LogDecodeError { what, at: self.at }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], LogDecodeError> {
        let end = self
            .at
            .checked_add(len)
            .ok_or(self.error("overlong piece"))?;
        let piece = self
            .bytes
            .get(self.at..end)
            .ok_or(self.error("unexpected end"))?;
        self.at = end;
        Ok(piece)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LogDecodeError> {
        let error = self.error("unexpected end");
        self.take(N)?.try_into().map_err(|_| error)
    }

    pub(super) fn byte(&mut self) -> Result<u8, LogDecodeError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn flag(&mut self) -> Result<bool, LogDecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error("no flag")),
        }
    }

    pub(super) fn u64(&mut self) -> Result<u64, LogDecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A counter that is counted up from here: far from the end of its type.
    pub(super) fn counter(&mut self) -> Result<u64, LogDecodeError> {
        let number = self.u64()?;
        if number > u64::MAX / 2 {
            return Err(self.error("number out of range"));
        }
        Ok(number)
    }

    pub(super) fn i64(&mut self) -> Result<i64, LogDecodeError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, LogDecodeError> {
        let len = usize::try_from(self.u64()?).map_err(|_| self.error("overlong text"))?;
        let error = self.error("text is not UTF-8");
        std::str::from_utf8(self.take(len)?).map_err(|_| error)
    }
}
