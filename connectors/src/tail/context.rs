//! What a position says besides its offset: which file, and what came before it.

use crate::tail::identity::{FileId, Print};

const VERSION: u8 = 2;
/// The version that had no [`Before`].
const VERSION_BARE: u8 = 1;
/// Files that are remembered after they were read to their end.
pub(crate) const BEFORE: usize = 3;

/// A file that was read to its end: where its path shows it now, nobody has to read that again. A position has the latest
/// of them, since what takes them up under another name may not have a position of its own yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) file: FileId,
    pub(crate) offset: u64,
    pub(crate) print: Print,
}

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
    /// The files before it, latest first.
    pub(crate) before: [Option<Before>; BEFORE],
}

impl Context {
    /// Between two files, the first of which was this one.
    pub(crate) fn after(self, base: u64, read: Option<Before>) -> Self {
        let mut before = self.before;
        if let Some(read) = read {
            before.rotate_right(1);
            before[0] = Some(read);
        }
        Self {
            base,
            before,
            ..Self::default()
        }
    }

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
        for before in self.before.iter().flatten() {
            for number in [
                before.file.device,
                before.file.inode,
                before.offset,
                before.print.hash,
                u64::from(before.print.len),
            ] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes
    }

    /// `None` for bytes that are of another version or damaged.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([VERSION | VERSION_BARE, has_file], numbers) = bytes.split_first_chunk()? else {
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
        let mut before = [None; BEFORE];
        for place in &mut before {
            let Some(device) = numbers.next() else {
                break;
            };
            *place = Some(Before {
                file: FileId {
                    device,
                    inode: numbers.next()?,
                },
                offset: numbers.next()?,
                print: Print {
                    hash: numbers.next()?,
                    len: u16::try_from(numbers.next()?).ok()?,
                },
            });
        }
        Some(Self {
            base,
            file: (*has_file == 1).then_some(file),
            print: Print { len, hash },
            skip_from: (skip_from != u64::MAX).then_some(skip_from),
            before,
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
            before: [None; BEFORE],
        };
        let read = |inode| Before {
            file: FileId { device: 1, inode },
            offset: 10 * inode,
            print: Print::of(b"before"),
        };
        let second = whole.after(20, Some(read(4)));
        let fifth = (5..8).fold(second, |context, inode| {
            context.after(30, Some(read(inode)))
        });
        assert_eq!(fifth.before, [7, 6, 5].map(|inode| Some(read(inode))));
        for context in [whole, second, fifth, Context::default()] {
            assert_eq!(Context::from_bytes(&context.to_bytes()), Some(context));
        }
        assert_eq!(Context::from_bytes(&[]), None);
        assert_eq!(Context::from_bytes(&whole.to_bytes()[..20]), None);
        assert_eq!(Context::from_bytes(&second.to_bytes()[..60]), None);
        assert_eq!(Context::from_bytes(&[9; 60]), None);
        let mut bare = whole.to_bytes();
        bare[0] = VERSION_BARE;
        assert_eq!(Context::from_bytes(&bare), Some(whole));
    }
}
