//! What a path does that follows no file just now: it takes up what it shows, unless another path has that, or may have to
//! read it first.

use std::fs;
use std::io;

use crate::source::{Count, Left};
use crate::tail::Start;
use crate::tail::claims::Claim;
use crate::tail::identity::{FileId, Print};
use crate::tail::original::Original;
use crate::tail::reader::Reader;
use crate::tail::stream::{Desk, Look, Stream};

/// How long a path may have to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Until another path has looked.
    Short,
    /// Until another path shows something else.
    Long,
}

impl Stream {
    /// No file is followed just now.
    pub(super) fn between(
        &mut self,
        desk: &mut Desk<'_>,
        shown: Option<(FileId, u64)>,
        as_of_ns: i64,
    ) -> io::Result<Look> {
        if let Some((path, place)) = self.next.take() {
            // One that is gone, or that another path reads, is passed over.
            let mut reader = Reader::open(&path)?;
            let file = FileId::of(&fs::metadata(&path)?);
            let head = reader.head()?;
            match desk.claims.claim(file, self.number) {
                Claim::Left(offset, print) if print.fits(&head) => {
                    desk.claims.leave(file, self.number, Some((offset, print)));
                }
                // One that was left was cut since.
                Claim::Fresh | Claim::Left(..) => {
                    self.take_up(file, Print::of(&head), 0);
                    self.reader = Some(reader);
                    self.place = place;
                }
                Claim::Taken => {}
            }
            return Ok(Look::Again);
        }
        let Some((file, length)) = shown else {
            let since = *self.gone_since.get_or_insert(desk.now);
            self.caught_up(desk, as_of_ns);
            if desk.now.duration_since(since) < desk.config.gone_wait {
                return Ok(Look::Quiet);
            }
            if let Some(id) = self.id.take() {
                desk.outlet.end(id, Left::Nothing);
            }
            return Ok(Look::Ended);
        };
        self.gone_since = None;
        if self.skipped == Some(file) {
            self.caught_up(desk, as_of_ns);
            return Ok(Look::Quiet);
        }
        let claim = desk.claims.claim(file, self.number);
        if claim == Claim::Taken {
            // It has two names, or is about to be left by the one it had.
            self.passed = Some(file);
            self.caught_up(desk, as_of_ns);
            return Ok(Look::Quiet);
        }
        if claim == Claim::Fresh
            && let Some(wait) = self.waits_for_original(desk)?
        {
            desk.claims.leave(file, self.number, None);
            // What may be read at once holds up the watermark, what may be another's for ever does not.
            if wait == Wait::Long {
                self.caught_up(desk, as_of_ns);
            }
            return Ok(Look::Quiet);
        }
        self.quiet_since = None;
        let opened = self
            .open(desk, (file, length), claim)
            .inspect_err(|_| desk.claims.leave(file, self.number, None))?;
        match opened {
            // At once, or many new files would all be opened before the first of them is read.
            Look::Again => self.follow(desk, length, as_of_ns),
            other => Ok(other),
        }
    }

    /// Begins with the file at the path.
    fn open(
        &mut self,
        desk: &mut Desk<'_>,
        (file, length): (FileId, u64),
        claim: Claim,
    ) -> io::Result<Look> {
        let mut reader = Reader::open(&self.path)?;
        if let Reader::Packed(_) = reader {
            let text = format!("{}: packed files are not followed", self.name);
            desk.counters.sample(Count::FilesSkipped, text);
            self.skipped = Some(file);
            desk.claims.leave(file, self.number, None);
            return Ok(Look::Quiet);
        }
        let head = reader.head()?;
        let print = Print::of(&head);
        let offset = match claim {
            Claim::Left(offset, left) if left.fits(&head) => offset.min(length),
            _ if self.start == Start::End => length,
            _ if desk.claims.is_copy(&self.path, print) => {
                let text = format!("{}: a copy of what was read", self.name);
                desk.counters.sample(Count::FilesSkipped, text);
                length
            }
            _ => 0,
        };
        self.start = Start::Beginning;
        self.reader = Some(reader);
        if !print.tells() && self.context.before[0].is_none() {
            let before = self.left_before(desk);
            self.change(|context| context.before[0] = before);
        }
        self.take_up(file, print, offset);
        desk.claims.begins(&self.path, print);
        self.begin(desk);
        Ok(Look::Again)
    }

    fn take_up(&mut self, file: FileId, print: Print, offset: u64) {
        self.change(|context| {
            context.file = Some(file);
            context.print = print;
        });
        self.offset = offset;
        self.length = offset;
        self.grown_at = None;
    }

    /// Whether the new file at this path may be a copy that another path has to read first: rotation by copying makes the
    /// copy, then cuts the file, and whoever follows that file reads on in the copy. So nothing is taken up before they know.
    fn waits_for_original(&mut self, desk: &Desk<'_>) -> io::Result<Option<Wait>> {
        if desk.originals.is_empty() {
            return Ok(None);
        }
        let head = Reader::open(&self.path)?.head()?;
        let originals = || desk.originals.iter();
        let wait = if originals().any(|original| original.shows_as(&head)) {
            Some(Wait::Long)
        } else if originals().any(Original::is_unsettled) {
            Some(Wait::Short)
        } else {
            None
        };
        if wait.is_some() || Print::of(&head).tells() {
            self.quiet_since = None;
            return Ok(wait);
        }
        // It may become one.
        let since = *self.quiet_since.get_or_insert(desk.now);
        let is_over = desk.now.duration_since(since) >= desk.config.rotate_wait;
        Ok((!is_over).then_some(Wait::Short))
    }
}
