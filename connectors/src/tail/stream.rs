//! One path that is followed, over all the files that it shows one after the other.
//!
//! ```text
//!            the path shows a file
//!   between --------------------------> following --+  it grows: lines are given
//!      ^  \                               |   ^-----+
//!      |   \ gone for long: ends          |
//!      |                                  | the path shows another file, or none,
//!      |                                  | or the file was cut or written anew
//!      |   read to its end, and           v
//!      +---- quiet for a while ------- finishing: through the open handle, else a rotated file
//!                                               of the path that is the same, perhaps packed
//! ```
//!
//! After a restart a path stands in the state of its position: what it shows is compared with that,
//! and what was rotated away in between is read first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use overspill_event::{LineBatch, Origin};

use crate::once::count_lines;
use crate::source::{
    Backoff, Batch, Begun, Clock, Count, Counters, Lag, Left, Outlet, PartitionId, PartitionName,
    Position,
};
use crate::tail::claims::{Claim, Claims};
use crate::tail::context::Context;
use crate::tail::cut::Cutter;
use crate::tail::family::Listings;
use crate::tail::identity::{FileId, Print};
use crate::tail::original::Original;
use crate::tail::reader::Reader;
use crate::tail::{Start, TailConfig};

/// A line that has no end yet holds the watermark for so long after it last grew.
const PARTIAL_WAIT: Duration = Duration::from_secs(5);
/// A partition that fails for so long is ended, so that it holds nothing up.
const FAILING_WAIT: Duration = Duration::from_secs(60);

/// What a look needs besides the stream.
pub(crate) struct Desk<'a> {
    pub(crate) config: &'a TailConfig,
    pub(crate) counters: &'a Counters,
    pub(crate) claims: &'a mut Claims,
    pub(crate) listings: &'a mut Listings,
    pub(crate) scratch: &'a mut [u8],
    pub(crate) outlet: &'a mut dyn Outlet,
    pub(crate) clock: &'a Clock,
    pub(crate) n_begun: &'a mut u32,
    pub(crate) now: Instant,
    /// Streams of which the path of this one may be a rotated name, as they stand.
    pub(crate) originals: &'a [Original],
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Lines were given, or the state changed: look again at once.
    Again,
    /// There was nothing new.
    Quiet,
    /// There is no room for what there is.
    Held,
    /// It failed; look again after a pause.
    Failed(Duration),
    /// The path is to be forgotten.
    Ended,
}

/// Where the file is that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Where it always was.
    Path,
    /// Elsewhere, and it may still be written to.
    Moved,
    /// Elsewhere, and nobody writes to it any more.
    Left,
}

/// A path.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) number: usize,
    pub(crate) path: Arc<Path>,
    pub(super) name: PartitionName,
    pub(super) origin: Arc<Origin>,
    pub(crate) id: Option<PartitionId>,
    pub(super) context: Context,
    /// Bytes of `context`, as batches have them.
    pub(super) bytes: Arc<[u8]>,
    /// Where to read on in the file.
    pub(super) offset: u64,
    /// Its length, when it was last seen.
    pub(super) length: u64,
    pub(crate) reader: Option<Reader>,
    pub(super) place: Place,
    /// What is read lies in a file that is a copy of the one of the context.
    pub(super) copy: Option<FileId>,
    /// A file at the path that was passed over: another path has it.
    pub(super) passed: Option<FileId>,
    /// The file of the position is not confirmed.
    pub(super) is_tentative: bool,
    /// Nothing was read since the start from a checkpoint.
    pub(super) is_resumed: bool,
    /// The file that came after the one that was read to its end, if it was rotated away unread.
    pub(super) next: Option<(PathBuf, Place)>,
    /// Where to begin in the first file.
    pub(super) start: Start,
    /// A file at the path that is not followed.
    pub(super) skipped: Option<FileId>,
    pub(super) quiet_since: Option<Instant>,
    pub(super) grown_at: Option<Instant>,
    pub(super) gone_since: Option<Instant>,
    pub(super) failing_since: Option<Instant>,
    pub(super) backoff: Backoff,
    /// Pause before the next look, and when this was last used: kept by whoever looks.
    pub(crate) pause: Duration,
    pub(crate) used: u64,
}

impl Stream {
    pub(crate) fn new(number: usize, path: &Path, config: &TailConfig, start: Start) -> Self {
        let text = path.to_string_lossy().into_owned();
        let context = Context::default();
        Self {
            number,
            path: Arc::from(path),
            name: PartitionName::new(&text),
            origin: Arc::new(Origin {
                src: text,
                ..config.origin.clone()
            }),
            id: None,
            bytes: Arc::from(context.to_bytes()),
            context,
            offset: 0,
            length: 0,
            reader: None,
            place: Place::Path,
            copy: None,
            passed: None,
            is_tentative: false,
            is_resumed: false,
            next: None,
            start,
            skipped: None,
            quiet_since: None,
            grown_at: None,
            gone_since: None,
            failing_since: None,
            backoff: Backoff::default(),
            pause: Duration::ZERO,
            used: 0,
        }
    }

    /// Takes up a position of a checkpoint. One that cannot be read is lost, and the path is read from its
    /// beginning.
    pub(crate) fn resume(&mut self, position: &Position, counters: &Counters) {
        let context = Context::from_bytes(&position.context);
        let offset = context.and_then(|context| position.offset.checked_sub(context.base));
        let (Some(context), Some(offset)) = (context, offset) else {
            let text = format!("{}: the position is of another version", self.name);
            counters.sample(Count::PositionsLost, text);
            self.start = Start::Beginning;
            return;
        };
        self.context = context;
        self.bytes = Arc::from(context.to_bytes());
        self.offset = offset;
        self.length = offset;
        self.is_resumed = true;
    }

    /// Sees to it that no other path takes the file of the position, nor what rotation has copied it to meanwhile. A
    /// position of a rotated name is older than what the path itself may have to read again of the same file.
    pub(crate) fn claim(&mut self, claims: &mut Claims, is_rotated: bool) {
        claims.begins(&self.path, self.context.print);
        for before in self.context.before.iter().flatten() {
            claims.remember(before.file, (before.offset, before.print));
        }
        let Some(file) = self.context.file else {
            return;
        };
        let claim = if is_rotated {
            self.is_tentative = true;
            claims.claim_tentatively(file, self.number)
        } else {
            claims.claim(file, self.number)
        };
        if claim == Claim::Taken && (is_rotated || !claims.take_over(file, self.number)) {
            // Two positions name one file: the other one has it.
            self.give_up();
        }
    }

    /// Another path has the file.
    fn give_up(&mut self) {
        let base = self.context.base + self.offset;
        self.change(|context| *context = context.after(base, None));
        self.offset = 0;
        self.length = 0;
        self.is_tentative = false;
        self.is_resumed = false;
    }

    /// Whether the path whose rotated name this is may still have to read what the position names.
    pub(crate) fn waits(&self) -> bool {
        self.context.file.is_none() || self.is_tentative
    }

    /// Begins with the file of a position of a rotated name, unless the path itself may have to read it again. Answers
    /// whether it may be gone on.
    fn confirm(&mut self, desk: &mut Desk<'_>) -> bool {
        let Some(file) = self.context.file.filter(|_| self.is_tentative) else {
            return true;
        };
        if !desk.claims.is_held(file, self.number) {
            self.give_up();
            return true;
        }
        if desk.originals.iter().any(Original::is_unsettled) {
            return false;
        }
        self.is_tentative = !desk.claims.confirm(file, self.number);
        true
    }

    pub(super) fn position(&self) -> Position {
        Position {
            offset: self.context.base + self.offset,
            context: Arc::clone(&self.bytes),
        }
    }

    pub(crate) fn lag(&self) -> Lag {
        Lag {
            offset: self.context.base + self.offset,
            bytes: Some(self.length.saturating_sub(self.offset)),
            lines: None,
        }
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut Context)) {
        let before = self.context;
        change(&mut self.context);
        if self.context != before {
            self.bytes = Arc::from(self.context.to_bytes());
        }
    }

    /// Sees what there is.
    pub(crate) fn look(&mut self, desk: &mut Desk<'_>) -> Look {
        let as_of_ns = (desk.clock)();
        let looked = self.look_at_path(desk, as_of_ns);
        match looked {
            Ok(look) => {
                self.backoff.reset();
                self.failing_since = None;
                look
            }
            Err(error) => self.failed(desk, &error),
        }
    }

    fn look_at_path(&mut self, desk: &mut Desk<'_>, as_of_ns: i64) -> io::Result<Look> {
        let shown = match fs::metadata(&self.path) {
            Ok(meta) if meta.is_file() => Some((FileId::of(&meta), meta.len())),
            Ok(_) => None,
            Err(error) if is_missing(&error) => None,
            Err(error) => return Err(error),
        };
        if !self.confirm(desk) {
            return Ok(Look::Quiet);
        }
        match (self.context.file, shown) {
            (None, _) => self.between(desk, shown, as_of_ns),
            (Some(file), Some((other, length))) if file == other && self.place == Place::Path => {
                self.follow(desk, length, as_of_ns)
            }
            _ => self.finish(desk),
        }
    }

    fn failed(&mut self, desk: &mut Desk<'_>, error: &io::Error) -> Look {
        let text = format!("{}: {error}", self.name);
        desk.counters.sample(Count::Errors, text);
        self.reader = None;
        let since = *self.failing_since.get_or_insert(desk.now);
        if desk.now.duration_since(since) >= FAILING_WAIT
            && let Some(id) = self.id.take()
        {
            desk.outlet.end(id, Left::At(self.position()));
        }
        Look::Failed(self.backoff.pause())
    }

    pub(super) fn begin(&mut self, desk: &mut Desk<'_>) -> PartitionId {
        if let Some(id) = self.id {
            return id;
        }
        let id = PartitionId(*desk.n_begun);
        *desk.n_begun += 1;
        self.id = Some(id);
        desk.outlet.begin(Begun {
            id,
            name: self.name.clone(),
            origin: Arc::clone(&self.origin),
            position: self.position(),
        });
        id
    }

    pub(super) fn caught_up(&self, desk: &mut Desk<'_>, as_of_ns: i64) {
        if let Some(id) = self.id {
            desk.outlet.caught_up(id, as_of_ns, self.position());
        }
    }

    /// The path shows the file that is followed.
    pub(super) fn follow(
        &mut self,
        desk: &mut Desk<'_>,
        length: u64,
        as_of_ns: i64,
    ) -> io::Result<Look> {
        self.begin(desk);
        self.gone_since = None;
        self.quiet_since = None;
        if length != self.length {
            self.grown_at = Some(desk.now);
        }
        self.length = length;
        if let Some(copy) = self.copy_since(desk) {
            self.end_file(desk);
            self.next = Some((copy, Place::Left));
            return Ok(Look::Again);
        }
        if length < u64::from(self.context.print.len) {
            return Ok(self.cut_short(desk));
        }
        if length == self.offset {
            self.is_resumed = false;
            self.caught_up(desk, as_of_ns);
            return Ok(Look::Quiet);
        }
        if length < self.offset {
            return Ok(self.cut_short(desk));
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::open(&self.path)?),
        };
        let Reader::Plain(file) = &*reader else {
            // It was written anew, packed.
            return Ok(self.cut_short(desk));
        };
        if self.context.file != Some(FileId::of(&file.metadata()?)) {
            // Another file came in between, or the handle is of a former one.
            self.reader = None;
            return Ok(Look::Again);
        }
        let head = reader.head()?;
        if !self.context.print.fits(&head) {
            return Ok(self.cut_short(desk));
        }
        if !self.context.print.is_full() {
            let print = Print::of(&head);
            self.change(|context| context.print = print);
            desk.claims.begins(&self.path, print);
        }
        self.is_resumed = false;
        let look = self.read(desk, false)?;
        // What has no end yet holds the watermark for a while, not for ever.
        let is_stale = |grown_at| desk.now.duration_since(grown_at) >= PARTIAL_WAIT;
        if look == Look::Quiet && self.grown_at.is_none_or(is_stale) {
            self.caught_up(desk, as_of_ns);
        }
        Ok(look)
    }

    /// Reads a piece and gives its lines. [`Look::Quiet`] when there was no whole line.
    pub(super) fn read(&mut self, desk: &mut Desk<'_>, is_end: bool) -> io::Result<Look> {
        let (Some(reader), Some(id)) = (&mut self.reader, self.id) else {
            return Ok(Look::Quiet);
        };
        // Asked first: what is packed is read forward only, and what is read has to be given.
        if !desk.outlet.has_room(id) {
            return Ok(Look::Held);
        }
        let n = reader.read_at(desk.scratch, self.offset)?;
        let piece = desk.scratch.get(..n).unwrap_or_default();
        if piece.is_empty() {
            return Ok(Look::Quiet);
        }
        let mut cutter = Cutter {
            line_bytes_max: desk.config.line_bytes_max,
            is_skipping: self.context.skip_from == Some(self.offset),
        };
        let mut lines = LineBatch::default();
        let base = self.context.base;
        let n_used = cutter.cut(piece, base + self.offset, is_end, &mut lines);
        if n_used == 0 {
            return Ok(Look::Quiet);
        }
        self.offset += n_used as u64;
        self.length = self.length.max(self.offset);
        let skip_from = cutter.is_skipping.then_some(self.offset);
        self.change(|context| context.skip_from = skip_from);
        if !lines.lines.is_empty() {
            count_lines(desk.counters, &lines);
            desk.outlet.give(Batch {
                partition: id,
                lines,
                context: Arc::clone(&self.bytes),
                next_offset: base + self.offset,
                arrival_ns: (desk.clock)(),
                times_ns: Vec::new(),
                runs: Vec::new(),
            });
        }
        Ok(Look::Again)
    }

    /// Ends the partition when the source is closed: nothing is said of it any more.
    pub(crate) fn let_go(&mut self) {
        self.reader = None;
    }
}

/// Whether a path shows nothing, as opposed to something that cannot be seen.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
