//! Opens an input as what its first bytes say it is.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use overspill_event::Origin;

use crate::arrow::{self, ArrowSource};
use crate::blob::{Blob, BlobReader, FileBlob};
use crate::file::{Counted, FileSource, STDIN};
use crate::json_lines::JsonLines;
use crate::ledger::Ledger;
use crate::parquet::{self, ParquetSource};
use crate::rows::choose::Wanted;
use crate::source::{Source, SourceError};
use crate::window::{Place, TimeUnit, Window, path_span};

/// Most bytes of lines that row groups decoded ahead may take, in sum over all inputs.
pub const AHEAD_BYTES_MAX: usize = 256 << 20;
/// Bytes that are looked at to tell what an input is.
const HEAD_BYTES: usize = 8;

/// How inputs are read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Columns that were asked for.
    pub wanted: Wanted,
    /// Rows that were asked for.
    pub window: Window,
    /// What numbers in the time column count.
    pub unit: TimeUnit,
    /// Longest line.
    pub line_bytes_max: usize,
    /// Threads that decode row groups of one input side by side.
    pub threads: usize,
    /// Most bytes of lines of this input that wait for those before them.
    pub ahead_bytes_max: usize,
    /// Where losses and counts go.
    pub ledger: Arc<Ledger>,
}

impl Options {
    /// As above, with `window` open if the path lies inside it.
    fn of_path(mut self, path: &str) -> Self {
        if let Some((first, last)) = path_span(path)
            && self.window.place(first, last) == Place::Inside
        {
            self.window = Window::default();
        }
        self
    }
}

/// Opens a path of this machine, or standard input.
///
/// # Errors
/// [`SourceError::Open`] when it cannot be opened, its first bytes cannot be read, or it is text
/// while a span of time was asked for.
pub fn open_path(origin: Origin, options: Options) -> Result<Box<dyn Source>, SourceError> {
    let path = origin.src.clone();
    let failed = |source| SourceError::Open {
        path: path.clone(),
        source,
    };
    if origin.src == STDIN {
        return stream(origin, Box::new(io::stdin()), options);
    }
    let file = File::open(&origin.src).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    if !meta.is_file() {
        return stream(origin, Box::new(file), options);
    }
    let blob = FileBlob::new(file.try_clone().map_err(failed)?).map_err(failed)?;
    let head = head(&blob).map_err(failed)?;
    if head.starts_with(parquet::MAGIC) {
        return open_blob(origin, Arc::new(blob), options);
    }
    // What is read from its beginning on needs no copy in between.
    let read_bytes = Arc::new(AtomicU64::new(0));
    let reader = Box::new(Counted::new(file, Arc::clone(&read_bytes)));
    of_stream(
        origin,
        &head,
        reader,
        (read_bytes, Some(meta.len())),
        options,
    )
}

fn head(blob: &dyn Blob) -> io::Result<Bytes> {
    let len = usize::try_from(blob.len()).unwrap_or(HEAD_BYTES);
    blob.read(0, len.min(HEAD_BYTES))
}

/// Opens bytes that can be read from any place.
///
/// # Errors
/// As [`open_path`].
pub fn open_blob(
    origin: Origin,
    blob: Arc<dyn Blob>,
    options: Options,
) -> Result<Box<dyn Source>, SourceError> {
    let head = head(&*blob).map_err(|source| SourceError::Open {
        path: origin.src.clone(),
        source,
    })?;
    if head.starts_with(parquet::MAGIC) {
        let options = options.of_path(&origin.src);
        return Ok(Box::new(ParquetSource::open(origin, blob, options)));
    }
    let read_bytes = Arc::new(AtomicU64::new(0));
    let total = Some(blob.len());
    let reader = Box::new(BlobReader::new(blob, Arc::clone(&read_bytes)));
    of_stream(origin, &head, reader, (read_bytes, total), options)
}

/// Opens what can only be read from its beginning on.
fn stream(
    origin: Origin,
    mut reader: Box<dyn Read + Send>,
    options: Options,
) -> Result<Box<dyn Source>, SourceError> {
    let failed = |source| SourceError::Open {
        path: origin.src.clone(),
        source,
    };
    let mut head = Vec::with_capacity(HEAD_BYTES);
    (&mut reader)
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(failed)?;
    if head.starts_with(parquet::MAGIC) {
        return Err(failed(io::Error::new(
            io::ErrorKind::InvalidInput,
            "Parquet is read from its end, which a pipe does not have: name the file itself",
        )));
    }
    let read_bytes = Arc::new(AtomicU64::new(0));
    let whole = io::Cursor::new(head.clone()).chain(reader);
    let counted = Box::new(Counted::new(whole, Arc::clone(&read_bytes)));
    of_stream(origin, &head, counted, (read_bytes, None), options)
}

fn of_stream(
    origin: Origin,
    head: &[u8],
    reader: Box<dyn Read + Send>,
    (read_bytes, total): (Arc<AtomicU64>, Option<u64>),
    options: Options,
) -> Result<Box<dyn Source>, SourceError> {
    let options = options.of_path(&origin.src);
    let progress = (read_bytes, total);
    if let Some(form) = arrow::Form::of(head) {
        let source = ArrowSource::new(origin, reader, form, progress, options);
        return Ok(Box::new(source));
    }
    let has_time = options.window.is_open() || options.wanted.time.is_some();
    if !has_time {
        return Err(SourceError::Open {
            path: origin.src,
            source: io::Error::new(
                io::ErrorKind::InvalidInput,
                "lines of text have no time column, so --since and --until cannot cut them: leave \
                 the flags out, or name the member of JSON lines with --time-column",
            ),
        });
    }
    let lines = FileSource::from_reader(origin, reader, progress, options.line_bytes_max)?;
    let is_picked = options.wanted.message.is_some() || !options.window.is_open();
    Ok(if is_picked {
        Box::new(JsonLines::new(lines, options))
    } else {
        Box::new(lines)
    })
}
