//! Which file it is: by where it lies on its disk, and by how it begins.

use std::fs::Metadata;
use std::hash::Hasher;
use std::os::unix::fs::MetadataExt;

use siphasher::sip::SipHasher13;

/// Bytes at the beginning of a file that tell it from others.
pub(crate) const PRINT_BYTES: usize = 1024;
/// Fewer bytes than this tell nothing.
const PRINT_BYTES_LEAST: u16 = 16;

/// Device and inode. An inode is used again after its file is gone, so this is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
        }
    }
}

/// The first bytes of a file, as many as there were: their number and a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Print {
    pub(crate) len: u16,
    pub(crate) hash: u64,
}

impl Print {
    /// That of a file which begins with these bytes.
    pub(crate) fn of(head: &[u8]) -> Self {
        let head = head.get(..PRINT_BYTES).unwrap_or(head);
        let mut hasher = SipHasher13::new();
        hasher.write(head);
        Self {
            len: u16::try_from(head.len()).unwrap_or(u16::MAX),
            hash: hasher.finish(),
        }
    }

    /// Whether a file that begins so can be the one this was made of, perhaps grown since.
    pub(crate) fn fits(self, head: &[u8]) -> bool {
        head.get(..usize::from(self.len))
            .is_some_and(|head| Self::of(head) == self)
    }

    /// Whether a fit means that it is the same content, or a copy of it.
    pub(crate) fn tells(self) -> bool {
        self.len >= PRINT_BYTES_LEAST
    }

    /// Whether it will not change any more when the file grows.
    pub(crate) fn is_full(self) -> bool {
        usize::from(self.len) == PRINT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_fits_what_has_grown_and_nothing_else() {
        let print = Print::of(b"Mar 10 06:00:00 web");
        assert!(print.tells() && !print.is_full());
        assert!(print.fits(b"Mar 10 06:00:00 web-1 sshd[1]: x"));
        assert!(!print.fits(b"Mar 10 06:00:01 web-1 sshd[1]: x"));
        assert!(!print.fits(b"Mar 10"));
        assert!(Print::default().len == 0 && !Print::default().tells());
        assert!(Print::of(b"").fits(b"anything"));
        assert!(Print::of(&[b'x'; 5_000]).is_full());
        assert!(Print::of(&[b'x'; 5_000]).fits(&[b'x'; 1_024]));
    }
}
