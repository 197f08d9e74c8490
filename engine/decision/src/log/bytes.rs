//! Numbers and texts as bytes, little endian, for the log's saved state.

use overspill_event::ByteReader;

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
pub(super) struct Reader<'a>(ByteReader<'a>);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(ByteReader::new(bytes))
    }

    pub(super) fn error(&self, what: &'static str) -> LogDecodeError {
        self.0.error(what).into()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_at_end()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], LogDecodeError> {
        Ok(self.0.take(len)?)
    }

    pub(super) fn byte(&mut self) -> Result<u8, LogDecodeError> {
        Ok(self.0.byte()?)
    }

    pub(super) fn flag(&mut self) -> Result<bool, LogDecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error("no flag")),
        }
    }

    pub(super) fn u64(&mut self) -> Result<u64, LogDecodeError> {
        Ok(u64::from_le_bytes(self.0.array()?))
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
        Ok(i64::from_le_bytes(self.0.array()?))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, LogDecodeError> {
        let len = usize::try_from(self.u64()?).map_err(|_| self.error("overlong text"))?;
        let error = self.error("text is not UTF-8");
        std::str::from_utf8(self.take(len)?).map_err(|_| error)
    }
}
