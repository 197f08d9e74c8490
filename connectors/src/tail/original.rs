//! A path beside one of its rotated names: what whoever takes up the latter has to know of it.

use std::fs;
use std::path::Path;

use crate::tail::identity::{FileId, Print};
use crate::tail::reader::Reader;
use crate::tail::stream::{Place, Stream};

/// A stream and what its path shows.
#[derive(Debug)]
pub(crate) struct Original {
    /// What the path shows, and how that begins; `None` if it shows nothing.
    shown: Option<(FileId, Vec<u8>)>,
    is_settled: bool,
}

impl Original {
    /// A stream as it stands.
    pub(crate) fn of(stream: &Stream) -> Self {
        let shown = shown(&stream.path);
        let is_settled = match (stream.context.file, &shown) {
            // One that cannot be read keeps nobody waiting for ever.
            _ if stream.failing_since.is_some() && stream.id.is_none() => true,
            (None, None) => stream.next.is_none(),
            (None, Some((file, _))) => {
                stream.skipped == Some(*file) || stream.passed == Some(*file)
            }
            (Some(_), None) => false,
            (Some(file), Some((other, head))) => {
                file == *other && stream.place == Place::Path && stream.context.print.fits(head)
            }
        };
        Self { shown, is_settled }
    }

    /// Whether it may still have to look for what it read, and read on there.
    pub(crate) fn is_unsettled(&self) -> bool {
        !self.is_settled
    }

    /// Whether its path shows what a file that begins so would be a copy of, or of which it would be a copy.
    pub(crate) fn shows_as(&self, head: &[u8]) -> bool {
        let Some((_, shown)) = &self.shown else {
            return false;
        };
        let n = head.len().min(shown.len());
        let (head, shown) = (head.get(..n), shown.get(..n));
        head == shown && head.is_some_and(|head| Print::of(head).tells())
    }
}

fn shown(path: &Path) -> Option<(FileId, Vec<u8>)> {
    let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let head = Reader::open(path).and_then(|mut reader| reader.head());
    Some((FileId::of(&meta), head.unwrap_or_default()))
}
