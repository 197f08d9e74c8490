//! What the work costs at the least: splits a file into lines and scans each by hand.
//!
//! `bench-floor FILE` reads nginx's combined format: ten spans of each line, by `memchr`. It decides
//! nothing and keeps nothing but sums, which it prints so that nothing can be left out. A line that
//! is not of the format costs what it takes to see that.

use std::fs::File;
use std::io::{self, Read, Write};

use anyhow::{Context, Result};
use memchr::{memchr, memchr_iter};

const BUFFER: usize = 1 << 16;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("bench-floor FILE")?;
    let mut file = File::open(&path).with_context(|| format!("open {path}"))?;
    let mut buffer = vec![0; BUFFER];
    let mut kept = 0;
    let mut sums = Sums::default();
    loop {
        let room = buffer.get_mut(kept..).unwrap_or_default();
        let n_read = file.read(room).with_context(|| format!("read {path}"))?;
        if n_read == 0 {
            break;
        }
        let filled = kept + n_read;
        let used = lines(buffer.get(..filled).unwrap_or_default(), &mut sums);
        // A line that fills the buffer is dropped: this is a measure, not a parser.
        let used = if used == 0 && filled == BUFFER {
            filled
        } else {
            used
        };
        buffer.copy_within(used..filled, 0);
        kept = filled - used;
    }
    let Sums {
        lines,
        parsed,
        bytes,
        errors,
    } = sums;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{lines} lines, {parsed} parsed, {bytes} bytes in fields, {errors} errors"
    )?;
    Ok(())
}

#[derive(Default)]
struct Sums {
    lines: u64,
    parsed: u64,
    bytes: usize,
    errors: u64,
}

/// Scans whole lines; answers how many bytes they are.
fn lines(block: &[u8], sums: &mut Sums) -> usize {
    let mut start = 0;
    for end in memchr_iter(b'\n', block) {
        let line = block.get(start..end).unwrap_or_default();
        start = end + 1;
        sums.lines += 1;
        if let Some(fields) = scan(line) {
            sums.parsed += 1;
            sums.bytes += fields.iter().map(|field| field.len()).sum::<usize>();
            let [.., status, _, _, _] = fields;
            sums.errors += u64::from(status.first().is_some_and(|digit| *digit >= b'4'));
        }
    }
    start
}

/// Address, user, date, verb, path, version, status, bytes, referer, agent.
fn scan(line: &[u8]) -> Option<[&[u8]; 10]> {
    let (address, rest) = cut(line, b' ')?;
    let (user, rest) = cut(rest.get(2..)?, b' ')?;
    let (date, rest) = cut(rest.strip_prefix(b"[")?, b']')?;
    let (request, rest) = cut(rest.strip_prefix(b" \"")?, b'"')?;
    let (verb, target) = cut(request, b' ')?;
    let (path, version) = cut(target, b' ')?;
    let (status, rest) = cut(rest.get(1..)?, b' ')?;
    let (bytes, rest) = cut(rest, b' ')?;
    let (referer, rest) = cut(rest.strip_prefix(b"\"")?, b'"')?;
    let (agent, _) = cut(rest.strip_prefix(b" \"")?, b'"')?;
    Some([
        address, user, date, verb, path, version, status, bytes, referer, agent,
    ])
}

fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = memchr(at, text)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"203.0.113.9 - bob [10/Mar/2024:06:00:00 +0000] \"GET /a HTTP/1.1\" 404 15 \"-\" \"x y\"\n";

    #[test]
    fn a_line_has_ten_fields() {
        let line = LINE.strip_suffix(b"\n").unwrap();
        let fields = scan(line)
            .unwrap()
            .map(|field| String::from_utf8_lossy(field).into_owned());
        let expected = [
            "203.0.113.9",
            "bob",
            "10/Mar/2024:06:00:00 +0000",
            "GET",
            "/a",
            "HTTP/1.1",
            "404",
            "15",
            "-",
            "x y",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn only_whole_lines_are_taken_and_counted() {
        let mut sums = Sums::default();
        let block = [LINE, b"no\n", b"203.0.113.9 - "].concat();
        assert_eq!(lines(&block, &mut sums), LINE.len() + 3);
        assert_eq!((sums.lines, sums.parsed, sums.errors), (2, 1, 1));
    }
}
