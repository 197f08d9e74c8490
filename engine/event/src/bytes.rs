//! Reading encoded bytes piece by piece: what every encoding of the engine shares.
//!
//! All encodings are little endian, with lengths before contents. No length is believed before as
//! many bytes are there, so hostile bytes give an error.

/// What is wrong with encoded bytes, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// Where: an offset in bytes.
    pub at: usize,
}

/// Bytes, and how far they were read.
#[derive(Debug, Clone)]
pub struct ByteReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ByteReader<'a> {
    /// Begins at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// An error at the byte that comes next.
    #[must_use]
    pub fn error(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    /// Whether all bytes were read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Malformed`] when there are not as many.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
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

    /// As [`ByteReader::take`], with where the bytes stand.
    pub(crate) fn span(&mut self, len: usize) -> Result<(usize, &'a [u8]), Malformed> {
        let at = self.at;
        Ok((at, self.take(len)?))
    }

    /// The next `N` bytes: those of a number.
    ///
    /// # Errors
    /// [`Malformed`] when there are not as many.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let error = self.error("unexpected end");
        self.take(N)?.try_into().map_err(|_| error)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// A length of 32 bits. Nothing says that as many pieces follow.
    ///
    /// # Errors
    /// [`Malformed`] at the end.
    pub fn length(&mut self) -> Result<usize, Malformed> {
        let len = u32::from_le_bytes(self.array()?);
        Ok(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// A length of 32 bits and as many bytes.
    ///
    /// # Errors
    /// [`Malformed`] when there are not as many.
    pub fn slice(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.length()?;
        self.take(len)
    }
}

/// Appends a length as [`ByteReader::length`] reads it.
pub fn encode_len(len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

/// Appends bytes as [`ByteReader::slice`] reads them.
pub fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    encode_len(bytes.len(), out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_back_and_lengths_are_not_believed() {
        let mut bytes = vec![7];
        encode_bytes(b"ab", &mut bytes);
        encode_len(usize::MAX, &mut bytes);
        bytes.push(1);
        let mut reader = ByteReader::new(&bytes);
        assert_eq!(reader.byte(), Ok(7));
        assert_eq!(reader.slice(), Ok(&b"ab"[..]));
        let mut other = reader.clone();
        assert_eq!(other.length(), Ok(u32::MAX as usize));
        assert!(!other.is_at_end());
        assert_eq!(other.take(1), Ok(&[1][..]));
        assert!(other.is_at_end());
        let end = Malformed {
            what: "unexpected end",
            at: 12,
        };
        assert_eq!(other.byte(), Err(end));
        let overlong = Malformed {
            what: "unexpected end",
            at: 11,
        };
        assert_eq!(reader.slice(), Err(overlong));
        assert_eq!(reader.take(usize::MAX).unwrap_err().what, "overlong piece");
    }
}
