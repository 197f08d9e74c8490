//! What becomes of a file that its path shows no more: it is looked for under the names that rotation gives, read to its
//! end, and left to whatever path shows it then.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::source::Count;
use crate::tail::Start;
use crate::tail::claims::Claim;
use crate::tail::context::Before;
use crate::tail::family;
use crate::tail::identity::{FileId, Print};
use crate::tail::reader::Reader;
use crate::tail::stream::{Desk, Look, Place, Stream};

/// What is looked for among rotated files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sought {
    /// The file under another name, or else a copy of it.
    FileOrCopy,
    /// A copy: the file itself was cut.
    Copy,
}

impl Stream {
    /// The file is shorter than what was read of it, or begins with something else: it was cut after it was
    /// copied, or written anew. The copy has what was not read, if there is one.
    pub(super) fn cut_short(&mut self, desk: &mut Desk<'_>) -> Look {
        let text = format!("{} at offset {}", self.name, self.offset);
        desk.counters.sample(Count::Truncations, text);
        self.reader = None;
        if !self.find_elsewhere(desk, Sought::Copy) {
            if self.is_resumed {
                self.lost(desk);
            }
            let cut = self.context.file;
            self.end_file(desk);
            // What was written into it since is read, if it was renamed after it was cut.
            self.next = cut.and_then(|file| Some((self.renamed(file)?, Place::Moved)));
        }
        Look::Again
    }

    /// The name that rotation has given to a file.
    fn renamed(&self, file: FileId) -> Option<PathBuf> {
        let siblings = family::siblings(&self.path).ok()?;
        let is_it = |path: &PathBuf| fs::metadata(path).is_ok_and(|it| FileId::of(&it) == file);
        siblings.into_iter().map(|it| it.path).find(is_it)
    }

    /// Whether the file that is read through its handle is not what it was any more: it was cut, and has another name.
    fn is_cut(&mut self) -> io::Result<bool> {
        let (None, Some(reader)) = (self.copy, &mut self.reader) else {
            return Ok(false);
        };
        let Reader::Plain(file) = &*reader else {
            return Ok(false);
        };
        Ok(file.metadata()?.len() < self.offset || !self.context.print.fits(&reader.head()?))
    }

    /// Looks for the file among the rotated ones of the path. A copy is claimed, so that no other path reads it too.
    fn find_elsewhere(&mut self, desk: &mut Desk<'_>, sought: Sought) -> bool {
        let Some(file) = self.context.file else {
            return false;
        };
        let Ok(mut siblings) = family::siblings(&self.path) else {
            return false;
        };
        if sought == Sought::Copy {
            siblings.retain(|sibling| !sibling.may_be(file));
        }
        let found = family::find(&siblings, file, self.context.print, self.offset);
        let Some((at, reader)) = found else {
            return false;
        };
        let other = match &reader {
            Reader::Plain(handle) => handle.metadata(),
            Reader::Packed(_) => siblings.get(at).map_or_else(
                || Err(io::ErrorKind::NotFound.into()),
                |it| fs::metadata(&it.path),
            ),
        };
        let Ok(other) = other.map(|meta| FileId::of(&meta)) else {
            return false;
        };
        let is_same = other == file;
        if !is_same {
            match desk.claims.claim(other, self.number) {
                // One that has begun to read it has a reason to.
                Claim::Taken if !desk.claims.take_over(other, self.number) => return false,
                Claim::Taken => {}
                // By this path, before it was here.
                Claim::Left(offset, _) => self.offset = self.offset.max(offset),
                Claim::Fresh => {}
            }
            self.copy = Some(other);
        }
        self.reader = Some(reader);
        self.place = if is_same { Place::Moved } else { Place::Left };
        // Whoever rotated it has long let go of it.
        if self.is_resumed && !family::after(&siblings, at).is_empty() {
            self.place = Place::Left;
        }
        true
    }

    /// The rotated file that came after the one that is read, and whether it may still be written to: more than one
    /// rotation may have passed since anybody looked.
    fn younger(&self) -> Option<(PathBuf, Place)> {
        let file = self.context.file?;
        let siblings = family::siblings(&self.path).ok()?;
        let (at, _) = family::find(&siblings, file, self.context.print, self.offset)?;
        let mut after = family::after(&siblings, at).into_iter();
        let next = after.next()?;
        let place = match after.next() {
            Some(_) => Place::Left,
            None => Place::Moved,
        };
        Some((next, place))
    }

    /// The oldest copy that rotation made of the file after a position of it in which nothing was there yet: what was
    /// written then was moved away before anybody read it.
    pub(super) fn copy_since(&self, desk: &mut Desk<'_>) -> Option<PathBuf> {
        if !self.is_resumed || self.offset > 0 || self.context.print.tells() {
            return None;
        }
        let siblings = desk.listings.siblings(&self.path, desk.now).ok()?;
        match self.context.before.first()? {
            Some(before) => {
                let found = family::find(&siblings, before.file, before.print, before.offset);
                family::after(&siblings, found?.0).into_iter().next()
            }
            None => siblings.into_iter().next().map(|oldest| oldest.path),
        }
    }

    /// What rotation left last of a path that shows an empty file; whatever is younger after a restart was written since.
    pub(super) fn left_before(&self, desk: &mut Desk<'_>) -> Option<Before> {
        let siblings = desk.listings.siblings(&self.path, desk.now);
        let youngest = siblings.ok()?.pop()?;
        let mut reader = Reader::open(&youngest.path).ok()?;
        let print = Print::of(&reader.head().ok()?);
        let meta = fs::metadata(&youngest.path).ok()?;
        print.tells().then(|| Before {
            file: FileId::of(&meta),
            offset: meta.len(),
            print,
        })
    }

    fn lost(&self, desk: &Desk<'_>) {
        if self.context.print.len == 0 {
            return;
        }
        let text = format!(
            "{}: the file that was read up to {} is no more",
            self.name, self.offset
        );
        desk.counters.sample(Count::PositionsLost, text);
    }

    /// The path shows something else, or nothing: the file is read to its end, where it is now.
    pub(super) fn finish(&mut self, desk: &mut Desk<'_>) -> io::Result<Look> {
        self.begin(desk);
        if self.is_cut()? {
            return Ok(self.cut_short(desk));
        }
        if self.reader.is_none() && !self.find_elsewhere(desk, Sought::FileOrCopy) {
            if self.is_resumed || self.length > self.offset {
                self.lost(desk);
            }
            self.end_file(desk);
            return Ok(Look::Again);
        }
        if let (Place::Path, Some(Reader::Plain(_))) = (self.place, &self.reader) {
            self.place = Place::Moved;
        }
        if let Some(Reader::Plain(file)) = &self.reader {
            self.length = file.metadata()?.len();
        }
        match self.read(desk, false)? {
            Look::Quiet => {}
            other => {
                self.quiet_since = None;
                return Ok(other);
            }
        }
        self.is_resumed = false;
        let since = *self.quiet_since.get_or_insert(desk.now);
        let is_over =
            self.place == Place::Left || desk.now.duration_since(since) >= desk.config.rotate_wait;
        if !is_over {
            return Ok(Look::Quiet);
        }
        // What stands behind the last line end is a line now.
        if self.read(desk, true)? == Look::Held {
            return Ok(Look::Held);
        }
        desk.counters.add(Count::Rotations, 1);
        let next = self.younger();
        self.end_file(desk);
        self.next = next;
        Ok(Look::Again)
    }

    /// Nothing more is read of the file.
    pub(super) fn end_file(&mut self, desk: &mut Desk<'_>) {
        let read = (self.offset, self.context.print);
        let mut before = None;
        if let Some(file) = self.context.file {
            let it = self.copy.take().unwrap_or(file);
            if it != file {
                desk.claims.leave(file, self.number, None);
            }
            desk.claims.leave(it, self.number, Some(read));
            before = Some(Before {
                file: it,
                offset: read.0,
                print: read.1,
            });
        }
        let base = self.context.base + self.offset;
        // What tells nothing would be known again by its number alone.
        let before = before.filter(|before| before.print.tells());
        self.change(|context| *context = context.after(base, before));
        self.offset = 0;
        self.length = 0;
        self.reader = None;
        self.place = Place::Path;
        self.quiet_since = None;
        self.is_resumed = false;
        self.start = Start::Beginning;
    }
}
