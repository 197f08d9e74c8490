//! Arrow IPC: the stream, and the file, which is a stream between two marks and an index.
//!
//! Both are read from the beginning on, message by message. Every length that a message claims is
//! compared with a limit before memory is set aside, also what its buffers claim to unpack to. A
//! damaged message ends the input with a dead letter: nothing says where the next one would begin.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::{Message, MessageHeader, root_as_message};
use overspill_event::{LineBatch, Origin};

use crate::guard::guarded;
use crate::ledger::{Counts, DeadLetter};
use crate::open::Options;
use crate::rows::choose::{Choice, LINE_KEY};
use crate::rows::{Pending, Rows};
use crate::source::{Source, SourceError, Step};

/// Longest description of a message.
const META_BYTES_MAX: usize = 16 << 20;
/// Most bytes of a message, packed or unpacked.
const BODY_BYTES_MAX: usize = 256 << 20;
/// Most bytes of all dictionaries of an input.
const DICTIONARY_BYTES_MAX: usize = 512 << 20;
/// Most rows of a record batch.
const BATCH_ROWS_MAX: i64 = 16 << 20;
/// Most zeros behind the mark of a file, in words of eight bytes.
const PADDING_WORDS_MAX: usize = 64;
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Which of the two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A stream of messages.
    Stream,
    /// `ARROW1`, padding, the stream, an index.
    File,
}

impl Form {
    /// Told by the first eight bytes.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"ARROW1\0\0") {
            return Some(Self::File);
        }
        let len = head.strip_prefix(&CONTINUATION)?.first_chunk::<4>()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        (1..=META_BYTES_MAX).contains(&len).then_some(Self::Stream)
    }
}

/// One input as a partition.
pub struct ArrowSource {
    origin: Origin,
    reader: Box<dyn Read + Send>,
    form: Form,
    progress: (Arc<AtomicU64>, Option<u64>),
    options: Options,
    decoder: StreamDecoder,
    rows: Option<Rows>,
    batches: VecDeque<RecordBatch>,
    pending: Option<Pending>,
    /// Rows and record batches that came before.
    n_rows: u64,
    n_batches: u64,
    dictionary_bytes: usize,
    is_started: bool,
    is_at_end: bool,
}

impl std::fmt::Debug for ArrowSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArrowSource")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl ArrowSource {
    /// `reader` stands at the beginning.
    pub(crate) fn new(
        origin: Origin,
        reader: Box<dyn Read + Send>,
        form: Form,
        progress: (Arc<AtomicU64>, Option<u64>),
        options: Options,
    ) -> Self {
        options.ledger.count(&Counts {
            files: 1,
            ..Counts::default()
        });
        Self {
            origin,
            reader,
            form,
            progress,
            options,
            decoder: StreamDecoder::new(),
            rows: None,
            batches: VecDeque::new(),
            pending: None,
            n_rows: 0,
            n_batches: 0,
            dictionary_bytes: 0,
            is_started: false,
            is_at_end: false,
        }
    }

    fn dead(&mut self, reason: String) {
        self.is_at_end = true;
        self.options.ledger.dead(DeadLetter {
            path: self.origin.src.clone(),
            row_group: Some(self.n_batches),
            row: Some(self.n_rows),
            reason,
        });
    }

    /// Appends lines until there are enough, or the input is at its end.
    fn fill(&mut self, out: &mut LineBatch, counts: &mut Counts) -> Result<(), String> {
        loop {
            if let (Some(pending), Some(rows)) = (&mut self.pending, &self.rows) {
                guarded(|| rows.append(pending, counts, out))??;
                if !pending.is_done() {
                    return Ok(());
                }
                self.pending = None;
            }
            if let Some(batch) = self.batches.pop_front() {
                counts.row_groups += 1;
                counts.rows += batch.num_rows() as u64;
                if self.rows.is_none() {
                    self.rows = Some(self.choose(&batch)?);
                }
                let n_rows = batch.num_rows() as u64;
                self.pending = Some(Pending::new(batch, self.n_rows, false));
                self.n_rows += n_rows;
                self.n_batches += 1;
                continue;
            }
            if self.is_at_end {
                return Ok(());
            }
            self.message()?;
        }
    }

    fn choose(&self, batch: &RecordBatch) -> Result<Rows, String> {
        let schema = batch.schema_ref();
        let line = schema.metadata().get(LINE_KEY).map(String::as_str);
        let Options {
            wanted,
            window,
            unit,
            line_bytes_max,
            ..
        } = &self.options;
        let choice = Choice::new(schema.fields(), line, wanted, !window.is_open())?;
        Ok(Rows::new(choice, *window, *unit, *line_bytes_max))
    }

    /// Reads the next message and decodes it.
    fn message(&mut self) -> Result<(), String> {
        let mut bytes = if !std::mem::replace(&mut self.is_started, true) && self.form == Form::File
        {
            self.after_mark()?
        } else {
            self.up_to(8)?
        };
        let len = match (bytes.len(), bytes.last_chunk::<4>()) {
            // A stream may end without a mark.
            (0, _) => 0,
            (8, Some(len)) if bytes.starts_with(&CONTINUATION) => u32::from_le_bytes(*len) as usize,
            (8, _) => return Err("a message does not begin as one".into()),
            _ => return Err("it ends within a message".into()),
        };
        if len == 0 {
            self.is_at_end = true;
            // What the decoder holds back until it sees more.
            let end = [CONTINUATION, [0; 4]].concat();
            return self.decode(end);
        }
        if len > META_BYTES_MAX {
            return Err(format!(
                "a message describes itself in {len} bytes; at most {META_BYTES_MAX} are read"
            ));
        }
        bytes.append(&mut self.exactly(len)?);
        let body_len = self.check(&bytes[8..])?;
        let mut body = self.exactly(body_len)?;
        {
            let message = root_as_message(&bytes[8..]).map_err(|error| error.to_string())?;
            check_unpacked(&message, &body)?;
        }
        bytes.append(&mut body);
        self.decode(bytes)
    }

    /// The first eight bytes of the first message of a file, behind its mark and zeros.
    fn after_mark(&mut self) -> Result<Vec<u8>, String> {
        self.exactly(8)?;
        for _ in 0..PADDING_WORDS_MAX {
            let bytes = self.up_to(8)?;
            if bytes != [0; 8] {
                return Ok(bytes);
            }
        }
        Err("its mark is followed by zeros only".into())
    }

    /// So many bytes, or fewer at the end.
    fn up_to(&mut self, len: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        match (&mut self.reader).take(len).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Exactly so many bytes; memory grows with what is there, not with what is claimed.
    fn exactly(&mut self, len: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::with_capacity(len.min(1 << 20));
        match (&mut self.reader).take(len as u64).read_to_end(&mut bytes) {
            Ok(n) if n == len => Ok(bytes),
            Ok(_) => Err("it ends within a message".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Looks at what a message says of itself, and answers how long its body is.
    fn check(&mut self, meta: &[u8]) -> Result<usize, String> {
        let message = root_as_message(meta).map_err(|error| format!("damaged message: {error}"))?;
        let len = usize::try_from(message.bodyLength())
            .ok()
            .filter(|len| *len <= BODY_BYTES_MAX)
            .ok_or_else(|| {
                format!(
                    "a message of {} bytes; at most {BODY_BYTES_MAX} are read",
                    message.bodyLength()
                )
            })?;
        match message.header_type() {
            MessageHeader::DictionaryBatch => {
                self.dictionary_bytes = self.dictionary_bytes.saturating_add(len);
                if self.dictionary_bytes > DICTIONARY_BYTES_MAX {
                    return Err(format!(
                        "dictionaries of more than {DICTIONARY_BYTES_MAX} bytes"
                    ));
                }
            }
            MessageHeader::RecordBatch => {
                let n_rows = message
                    .header_as_record_batch()
                    .map_or(0, |batch| batch.length());
                if !(0..=BATCH_ROWS_MAX).contains(&n_rows) {
                    return Err(format!(
                        "a record batch of {n_rows} rows; at most {BATCH_ROWS_MAX} are read"
                    ));
                }
            }
            MessageHeader::Schema => {}
            _ => return Err("a message of a kind that is not read".into()),
        }
        Ok(len)
    }

    fn decode(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        let mut buffer = Buffer::from_vec(bytes);
        let (decoder, batches) = (&mut self.decoder, &mut self.batches);
        guarded(|| {
            while !buffer.is_empty() {
                if let Some(batch) = decoder.decode(&mut buffer)? {
                    batches.push_back(batch);
                }
            }
            Ok::<_, arrow_schema::ArrowError>(())
        })?
        .map_err(|error| error.to_string())
    }
}

/// Packed buffers begin with the length that they unpack to; -1 stands for not packed.
fn check_unpacked(message: &Message<'_>, body: &[u8]) -> Result<(), String> {
    let batch = message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch()?.data());
    let Some(batch) = batch.filter(|batch| batch.compression().is_some()) else {
        return Ok(());
    };
    let mut total = 0usize;
    for buffer in batch.buffers().into_iter().flatten() {
        if buffer.length() == 0 {
            continue;
        }
        let head = usize::try_from(buffer.offset())
            .ok()
            .and_then(|start| body.get(start..)?.first_chunk::<8>())
            .ok_or("a buffer lies outside its message")?;
        let len = i64::from_le_bytes(*head);
        if len < -1 {
            return Err("a buffer of negative length".into());
        }
        total = total.saturating_add(usize::try_from(len).unwrap_or(0));
    }
    if total > BODY_BYTES_MAX {
        return Err(format!(
            "a message that unpacks to {total} bytes; at most {BODY_BYTES_MAX} are read"
        ));
    }
    Ok(())
}

impl Source for ArrowSource {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn read(&mut self, out: &mut LineBatch) -> Result<Step, SourceError> {
        let mut counts = Counts::default();
        let result = self.fill(out, &mut counts);
        self.options.ledger.count(&counts);
        if let Err(reason) = result {
            self.pending = None;
            self.batches.clear();
            self.dead(reason);
        }
        let is_done = self.is_at_end && self.pending.is_none() && self.batches.is_empty();
        Ok(if is_done { Step::End } else { Step::More })
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.progress.0.load(Ordering::Relaxed), self.progress.1)
    }
}

#[cfg(test)]
#[path = "arrow_tests.rs"]
mod tests;
