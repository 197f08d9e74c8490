//! Lines: any bytes, plain or compressed, cut into lines and taken through the embedded library.
//!
//! ```text
//! form | label | longest line | bytes of a read | the stream
//! ```
//!
//! Lines are compared with those of a naive cut, and what becomes of them with the slow paths: the
//! regex engine alone, and every node and every filter in turn.

#![no_main]

use std::io::{Cursor, Read, Write};

use libfuzzer_sys::fuzz_target;
use overspill_connectors::file::decode;
use overspill_connectors::lines::LineReader;
use overspill_event::{Event, ExpectMode, Keep, LineBatch, Origin, Position};
use overspill_fuzz::{Input, Library, NOW, library};
use overspill_matcher::{Hit, MatchState, Outside};
use overspill_parser::{Outcome, ParserState, parse};

/// Lines of an input that are parsed; all are cut.
const PARSED_MAX: usize = 32;

const LABELS: [&str; 7] = [
    "nginx",
    "syslog",
    "apache2",
    "containerd",
    "docker",
    "k8s-audit",
    "http-json",
];

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let form = input.byte() % 4;
    let label = LABELS[usize::from(input.byte()) % LABELS.len()];
    let line_bytes_max = [1, 7, 300, 65_536][usize::from(input.byte() % 4)];
    let step = usize::from(input.byte()).max(1);
    let text = input.0;
    let lines = match form {
        0 => read(text.to_vec(), step, line_bytes_max),
        1 => read(gzip(text), step, line_bytes_max),
        2 => read(zstd(text), step, line_bytes_max),
        // The bytes of the input where a compressed stream has its magic number.
        _ => return damaged(text, step, line_bytes_max),
    };
    // A plain text that begins like a compressed one is taken for that.
    let looks_compressed = form == 0
        && (text.starts_with(&[0x1f, 0x8b]) || text.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    if !looks_compressed {
        assert_eq!(lines, naive(text, line_bytes_max));
    }
    let lines: Vec<&[u8]> = lines
        .iter()
        .map(|line| &*line.text)
        .take(PARSED_MAX)
        .collect();
    through(label, &lines);
});

/// A line as it was cut.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    text: Vec<u8>,
    offset: u64,
    is_cut: bool,
}

/// Gives its bytes in pieces.
struct Drip(Cursor<Vec<u8>>, usize);

impl Read for Drip {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.min(buf.len());
        self.0.read(&mut buf[..len])
    }
}

fn read(stream: Vec<u8>, step: usize, line_bytes_max: usize) -> Vec<Cut> {
    let mut lines = Vec::new();
    let Ok(decoded) = decode(Drip(Cursor::new(stream), step)) else {
        return lines;
    };
    let mut reader = LineReader::new(decoded, line_bytes_max);
    loop {
        let mut batch = LineBatch::default();
        let more = reader.read(&mut batch);
        lines.extend(batch.lines.iter().map(|line| Cut {
            text: batch.bytes(line).to_vec(),
            offset: line.offset,
            is_cut: line.is_cut,
        }));
        // What fails has given its lines before.
        if !matches!(more, Ok(true)) {
            break;
        }
    }
    assert_eq!(reader.n_lines, lines.len() as u64);
    assert_eq!(
        reader.n_cut,
        lines.iter().filter(|line| line.is_cut).count() as u64
    );
    lines
}

/// A compressed stream that is not one: an error or lines, and within the limits.
fn damaged(tail: &[u8], step: usize, line_bytes_max: usize) {
    for magic in [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd]] {
        for line in read([magic, tail].concat(), step, line_bytes_max) {
            assert!((1..=line_bytes_max).contains(&line.text.len()));
        }
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    match encoder.write_all(text).and_then(|()| encoder.finish()) {
        Ok(bytes) => bytes,
        Err(error) => panic!("gzip: {error}"),
    }
}

fn zstd(text: &[u8]) -> Vec<u8> {
    match zstd::encode_all(text, 1) {
        Ok(bytes) => bytes,
        Err(error) => panic!("zstd: {error}"),
    }
}

fn naive(text: &[u8], line_bytes_max: usize) -> Vec<Cut> {
    let mut lines = Vec::new();
    let mut offset = 0;
    for piece in text.split_inclusive(|byte| *byte == b'\n') {
        let line = match piece.strip_suffix(b"\n") {
            Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
            None => piece,
        };
        if !line.is_empty() {
            lines.push(Cut {
                text: line[..line.len().min(line_bytes_max)].to_vec(),
                offset,
                is_cut: line.len() > line_bytes_max,
            });
        }
        offset += piece.len() as u64;
    }
    lines
}

/// What is counted of lines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    parsed: usize,
    whitelisted: usize,
    unparsed: usize,
    refused: usize,
}

/// One way of running the library over the lines of a partition.
struct Runner {
    library: &'static Library,
    state: ParserState,
    matches: MatchState,
    event: Event,
    counts: Counts,
}

impl Runner {
    fn new(library: &'static Library) -> Self {
        Self {
            library,
            state: ParserState::new(&library.parsers, NOW),
            matches: MatchState::default(),
            event: Event::new(library.schema.clone()),
            counts: Counts::default(),
        }
    }

    /// Outcome and hits; the event stays as it is then.
    fn line(&mut self, origin: &Origin, line: &[u8], offset: u64) -> (Outcome, Vec<Hit>) {
        let Self {
            library,
            state,
            event,
            ..
        } = self;
        let position = Position {
            partition: 0,
            offset,
        };
        event.begin_line(origin, line, position);
        event.mode = ExpectMode::TimeMachine;
        event.arrival_time = NOW;
        let outcome = parse(&library.parsers, event, state, &library.services, &mut ());
        let count = match &outcome {
            Outcome::Processed if event.whitelisted => &mut self.counts.whitelisted,
            Outcome::Processed => &mut self.counts.parsed,
            Outcome::Unparsed { .. } => &mut self.counts.unparsed,
            Outcome::Dropped { .. } => &mut self.counts.refused,
        };
        *count += 1;
        let mut hits = Vec::new();
        if outcome == Outcome::Processed && !event.whitelisted {
            let mut outside = Outside {
                stash: state.stash_mut(),
                services: &library.services,
                now: NOW,
            };
            let matched = library
                .rules
                .matches(event, &mut self.matches, &mut outside, &mut hits);
            if let Err(abandoned) = matched {
                panic!("a filter of the library fails: {}", abandoned.error);
            }
        }
        (outcome, hits)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let keep = Keep {
            all: true,
            ..Keep::default()
        };
        self.event.encode(&keep, &mut bytes);
        bytes
    }
}

fn through(label: &str, lines: &[&[u8]]) {
    let (fast, plain) = library();
    let (mut fast, mut plain) = (Runner::new(fast), Runner::new(plain));
    let origin = Origin {
        src: "/var/log/fuzz.log".to_owned(),
        module: "file".to_owned(),
        labels: vec![("type".to_owned(), label.to_owned())],
    };
    for (line, offset) in lines.iter().zip(0..) {
        let by_fast = fast.line(&origin, line, offset);
        assert_eq!(by_fast, plain.line(&origin, line, offset));
        assert_eq!(fast.bytes(), plain.bytes());
    }
    assert_eq!(fast.counts, plain.counts);
    let Counts {
        parsed,
        whitelisted,
        unparsed,
        refused,
    } = fast.counts;
    assert_eq!(parsed + whitelisted + unparsed + refused, lines.len());
}
