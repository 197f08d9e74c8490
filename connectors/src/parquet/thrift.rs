//! Just enough of Thrift's compact protocol to look at Parquet's structures before trusting them.
//!
//! The decoder of the Parquet crate sets memory aside for lists as long as they claim to be. Here
//! every length is compared with the bytes that are left, and nesting has an end.

/// Deepest nesting of structures and lists.
const DEPTH_MAX: usize = 32;

/// Kinds of values on the wire.
pub(super) const STOP: u8 = 0;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// Why bytes are no Thrift structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// They end within a value.
    #[error("it ends within a value")]
    Short,
    /// A length or number that cannot be.
    #[error("a length in it is impossible")]
    Length,
    /// Structures within structures beyond the limit.
    #[error("it is nested too deeply")]
    Deep,
    /// An unknown kind of value.
    #[error("it holds an unknown kind of value")]
    Kind,
}

/// A place in bytes.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes passed.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = self.bytes.get(self.at).ok_or(Malformed::Short)?;
        self.at += 1;
        Ok(*byte)
    }

    fn unsigned(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Length)
    }

    /// A signed number.
    pub(super) fn signed(&mut self) -> Result<i64, Malformed> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A signed number of 32 bits.
    pub(super) fn int(&mut self) -> Result<i32, Malformed> {
        i32::try_from(self.signed()?).map_err(|_| Malformed::Length)
    }

    /// The number and kind of the next field of a structure; `None` at its end. `last` is the number
    /// of the field before, at first 0.
    pub(super) fn field(&mut self, last: &mut i16) -> Result<Option<(i16, u8)>, Malformed> {
        let head = self.byte()?;
        let kind = head & 0x0f;
        if kind == STOP {
            return Ok(None);
        }
        let id = match head >> 4 {
            0 => i16::try_from(self.signed()?).map_err(|_| Malformed::Length)?,
            delta => last
                .checked_add(i16::from(delta))
                .ok_or(Malformed::Length)?,
        };
        *last = id;
        Ok(Some((id, kind)))
    }

    /// Length and kind of a list. Every element takes a byte at least, so that a length beyond the
    /// bytes left is refused.
    pub(super) fn list(&mut self) -> Result<(usize, u8), Malformed> {
        let head = self.byte()?;
        let len = match head >> 4 {
            15 => self.unsigned()?,
            len => u64::from(len),
        };
        let left = (self.bytes.len() - self.at) as u64;
        if len > left {
            return Err(Malformed::Length);
        }
        Ok((
            usize::try_from(len).map_err(|_| Malformed::Length)?,
            head & 0x0f,
        ))
    }

    fn skip_bytes(&mut self, len: u64) -> Result<(), Malformed> {
        let left = (self.bytes.len() - self.at) as u64;
        if len > left {
            return Err(Malformed::Short);
        }
        self.at += usize::try_from(len).map_err(|_| Malformed::Length)?;
        Ok(())
    }

    /// Passes the value of a field.
    pub(super) fn skip(&mut self, kind: u8) -> Result<(), Malformed> {
        self.skip_at(kind, 0)
    }

    fn skip_at(&mut self, kind: u8, depth: usize) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed::Deep);
        }
        match kind {
            // A truth value of a field is in its kind.
            1 | 2 => Ok(()),
            3 => self.skip_bytes(1),
            4..=6 => self.unsigned().map(|_| ()),
            7 => self.skip_bytes(8),
            BINARY => {
                let len = self.unsigned()?;
                self.skip_bytes(len)
            }
            LIST | 10 => {
                let (len, kind) = self.list()?;
                (0..len).try_for_each(|_| self.element(kind, depth + 1))
            }
            STRUCT => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip_at(kind, depth + 1)?;
                }
                Ok(())
            }
            _ => Err(Malformed::Kind),
        }
    }

    /// Passes an element of a list; there, a truth value is a byte.
    pub(super) fn element(&mut self, kind: u8, depth: usize) -> Result<(), Malformed> {
        match kind {
            1 | 2 => self.skip_bytes(1),
            kind => self.skip_at(kind, depth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_compared_with_what_is_left() {
        // A list of structures that claims 2^31 elements.
        let mut cursor = Cursor::new(&[0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0]);
        assert_eq!(cursor.skip(LIST), Err(Malformed::Length));
        let mut cursor = Cursor::new(&[0x05, b'a']);
        assert_eq!(cursor.skip(BINARY), Err(Malformed::Short));
        // Structures within structures for ever.
        assert_eq!(Cursor::new(&[0x1c; 100]).skip(STRUCT), Err(Malformed::Deep));
        assert_eq!(Cursor::new(&[0xff; 12]).signed(), Err(Malformed::Length));
    }

    #[test]
    fn fields_are_numbered_by_differences() {
        // Field 2: i32 -1, field 20 (long form): binary "a", stop.
        let mut cursor = Cursor::new(&[0x25, 0x01, 0x08, 0x28, 0x01, b'a', 0]);
        let mut last = 0;
        assert_eq!(cursor.field(&mut last), Ok(Some((2, 5))));
        assert_eq!(cursor.int(), Ok(-1));
        assert_eq!(cursor.field(&mut last), Ok(Some((20, BINARY))));
        cursor.skip(BINARY).unwrap();
        assert_eq!(cursor.field(&mut last), Ok(None));
        assert_eq!(cursor.at(), 7);
    }
}
