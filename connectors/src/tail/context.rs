//! What a position says besides its offset: which file, and what came before it.

use crate::tail::identity::{FileId, Print};

const VERSION: u8 = 1;

/// The files that a path shows one after the other are one partition. The offset of a line is that
/// in its file, plus the lengths of the files before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Context {
    /// Lengths of the files before this one.
    pub(crate) base: u64,
    /// This file; `None` between two files.
    pub(crate) file: Option<FileId>,
    /// How it begins.
    pub(crate) print: Print,
    /// Offset from which on the end of a cut line is being skipped.
    pub(crate) skip_from: Option<u64>,
}

impl Context {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let file = self.file.unwrap_or(FileId {
            device: 0,
            inode: 0,
        });
        let mut bytes = vec![VERSION, u8::from(self.file.is_some())];
        for number in [
            self.base,
            file.device,
            file.inode,
            self.print.hash,
            u64::from(self.print.len),
            self.skip_from.unwrap_or(u64::MAX),
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// `None` for bytes that are of another version or damaged.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([VERSION, has_file], numbers) = bytes.split_first_chunk()? else {
            return None;
        };
        let mut numbers = numbers
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| u64::from_le_bytes(*bytes));
        let base = numbers.next()?;
        let file = FileId {
            device: numbers.next()?,
            inode: numbers.next()?,
        };
        let hash = numbers.next()?;
        let len = u16::try_from(numbers.next()?).ok()?;
        let skip_from = numbers.next()?;
        Some(Self {
            base,
            file: (*has_file == 1).then_some(file),
            print: Print { len, hash },
            skip_from: (skip_from != u64::MAX).then_some(skip_from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_comes_back_from_bytes() {
        let whole = Context {
            base: 7,
            file: Some(FileId {
                device: 1,
                inode: 2,
            }),
            print: Print::of(b"abc"),
            skip_from: Some(9),
        };
        for context in [whole, Context::default()] {
            assert_eq!(Context::from_bytes(&context.to_bytes()), Some(context));
        }
        assert_eq!(Context::from_bytes(&[]), None);
        assert_eq!(Context::from_bytes(&whole.to_bytes()[..20]), None);
        assert_eq!(Context::from_bytes(&[9; 60]), None);
    }
}
