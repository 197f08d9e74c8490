//! A syslog message, made into the line that parsers see: by the rules of CrowdSec's source.
//!
//! CrowdSec (`pkg/acquisition/modules/syslog`) tries RFC 3164, then RFC 5424, each with habits of its own,
//! and builds `Mon D HH:MM:SS host tag[pid]: message` anew from what it found. All of that is kept here, the
//! tag that ends at the first `-` included, since parsers of the hub are written for it. The time of a
//! message that has none is that of its arrival.

use super::time::{Stamp, named_month, rfc3339};

/// Which standard a message followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Rfc3164,
    Rfc5424,
    /// Nobody looked.
    Raw,
}

/// Why a message is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// It follows neither standard.
    #[error("rfc 3164: {rfc3164}; rfc 5424: {rfc5424}")]
    Unrecognized {
        rfc3164: &'static str,
        rfc5424: &'static str,
    },
    /// It has no priority to take away.
    #[error("{0}")]
    NoPriority(&'static str),
}

/// What a message says.
struct Parts<'a> {
    time: Option<Stamp>,
    host: &'a [u8],
    tag: &'a [u8],
    pid: &'a [u8],
    message: &'a [u8],
}

/// The line of a message that arrived at a time.
pub(super) fn line(
    message: &[u8],
    is_parsed: bool,
    arrival_ns: i64,
    out: &mut Vec<u8>,
) -> Result<Form, Refusal> {
    if !is_parsed {
        let rest = without_priority(message).map_err(Refusal::NoPriority)?;
        out.extend_from_slice(rest.strip_suffix(b"\n").unwrap_or(rest));
        return Ok(Form::Raw);
    }
    let arrival = Stamp::of_ns(arrival_ns);
    let (parts, form) = match parse_rfc3164(message, arrival.year) {
        Ok(parts) => (parts, Form::Rfc3164),
        Err(rfc3164) => match parse_rfc5424(message) {
            Ok(parts) => (parts, Form::Rfc5424),
            Err(rfc5424) => return Err(Refusal::Unrecognized { rfc3164, rfc5424 }),
        },
    };
    let time = parts.time.filter(|time| !time.is_zero());
    time.unwrap_or(arrival).write(out);
    out.push(b' ');
    let unknown: &[u8] = b"unknownhost";
    out.extend_from_slice(if parts.host.is_empty() {
        unknown
    } else {
        parts.host
    });
    if !parts.tag.is_empty() {
        out.push(b' ');
        out.extend_from_slice(parts.tag);
    }
    if parts.pid.is_empty() {
        out.extend_from_slice(b": ");
    } else {
        out.push(b'[');
        out.extend_from_slice(parts.pid);
        out.extend_from_slice(b"]: ");
    }
    out.extend_from_slice(parts.message);
    if out.last() == Some(&b'\n') {
        out.pop();
    }
    Ok(form)
}

fn without_priority(message: &[u8]) -> Result<&[u8], &'static str> {
    if message.len() < 3 {
        return Err("message too short");
    }
    let rest = message.strip_prefix(b"<").ok_or("missing PRI beginning")?;
    let end = memchr::memchr(b'>', rest).ok_or("missing PRI end")?;
    if end > 3 {
        return Err("PRI too long");
    }
    let (priority, rest) = rest.split_at(end);
    if !priority.iter().all(u8::is_ascii_digit) {
        return Err("PRI not a number");
    }
    Ok(rest.get(1..).unwrap_or_default())
}

/// A message, and how far it was read.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.message.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.message.get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.message.len()
    }

    fn priority(&mut self) -> Read<()> {
        if self.peek() != Some(b'<') {
            return Err("PRI must start with '<'");
        }
        self.at += 1;
        let mut priority: u32 = 0;
        let mut is_closed = false;
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == b'>' {
                is_closed = true;
                break;
            }
            if !byte.is_ascii_digit() {
                return Err("PRI must be a number");
            }
            priority = priority
                .saturating_mul(10)
                .saturating_add(u32::from(byte - b'0'));
        }
        if priority > 999 {
            return Err("PRI must be up to 3 characters long");
        }
        if is_closed {
            Ok(())
        } else {
            Err("PRI must end with '>'")
        }
    }

    /// Up to the next space, which is passed over.
    fn word(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let end = memchr::memchr(b' ', rest);
        self.at += end.map_or(rest.len(), |end| end + 1);
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    }
}

fn parse_rfc3164(message: &[u8], year: u32) -> Read<Parts<'_>> {
    if message.is_empty() {
        return Err("message is empty");
    }
    let mut reader = Reader { message, at: 0 };
    reader.priority()?;
    let time = rfc3164_time(&mut reader)?.in_year(year);
    let host = reader.word();
    if host.is_empty() {
        return Err("hostname is empty");
    }
    let rest = reader.rest();
    let n_tag = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let (tag, mut rest) = rest.split_at(n_tag);
    if tag.is_empty() {
        return Err("tag is empty");
    }
    let mut pid: &[u8] = &[];
    if let Some(inner) = rest.strip_prefix(b"[") {
        let n_pid = inner
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        match inner.get(n_pid) {
            Some(b']') => {}
            Some(_) => return Err("pid inside tag must be a number"),
            None => return Err("pid inside tag must be closed with ']'"),
        }
        pid = inner.get(..n_pid).unwrap_or_default();
        rest = inner.get(n_pid + 1..).unwrap_or_default();
    }
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let n_spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let message = rest.get(n_spaces..).unwrap_or_default();
    if message.is_empty() {
        return Err("message is empty");
    }
    Ok(Parts {
        time: Some(time),
        host,
        tag,
        pid,
        message,
    })
}

/// The first layout that fits, and the byte behind it, whatever that is.
fn rfc3164_time(reader: &mut Reader<'_>) -> Read<Stamp> {
    type Layout = fn(&[u8]) -> Option<Stamp>;
    const LAYOUTS: [(usize, Layout); 5] = [
        (25, rfc3339),
        (20, |text| named_month(text, true, true)),
        (20, |text| named_month(text, false, true)),
        (15, |text| named_month(text, true, false)),
        (15, |text| named_month(text, false, false)),
    ];
    for (length, parse) in LAYOUTS {
        if let Some(time) = reader.rest().get(..length).and_then(parse) {
            reader.at += length + 1;
            return Ok(time);
        }
    }
    Err("timestamp is not valid")
}

fn parse_rfc5424(message: &[u8]) -> Read<Parts<'_>> {
    if message.is_empty() {
        return Err("syslog line is empty");
    }
    let mut reader = Reader { message, at: 0 };
    reader.priority()?;
    if reader.is_at_end() {
        return Err("EOL after PRI");
    }
    if reader.peek() != Some(b'1') {
        return Err("version must be 1");
    }
    reader.at += 2;
    if reader.is_at_end() {
        return Err("version must be followed by a space");
    }
    let time = rfc5424_time(&mut reader)?;
    let host = field(
        &mut reader,
        "EOL after Timestamp",
        ("hostname is empty", usize::MAX, ""),
    )?;
    let tag = field(
        &mut reader,
        "EOL after hostname",
        ("appname is empty", 48, "appname is too long"),
    )?;
    let pid = field(
        &mut reader,
        "EOL after appname",
        ("procid is empty", 128, "procid is too long"),
    )?;
    field(
        &mut reader,
        "EOL after ProcID",
        ("msgid is empty", 32, "msgid is too long"),
    )?;
    structured_data(&mut reader)?;
    if reader.is_at_end() {
        return Err("EOL after SD");
    }
    Ok(Parts {
        time,
        host,
        tag,
        pid,
        message: reader.rest(),
    })
}

fn rfc5424_time(reader: &mut Reader<'_>) -> Read<Option<Stamp>> {
    if reader.peek() == Some(b'-') {
        reader.at += 2;
        return Ok(None);
    }
    let rest = reader.rest();
    let end = memchr::memchr(b' ', rest);
    if end == Some(0) {
        return Err("timestamp is empty");
    }
    let end = end.ok_or("EOL after timestamp")?;
    let time = rest.get(..end).and_then(rfc3339);
    let time = time.ok_or("timestamp is not valid")?;
    reader.at += end + 1;
    if reader.is_at_end() {
        return Err("EOL after timestamp");
    }
    Ok(Some(time))
}

/// A word, or `-` for none; whatever follows the `-` is passed over with it.
fn field<'a>(
    reader: &mut Reader<'a>,
    at_end: &'static str,
    (is_empty, bytes_max, is_long): (&'static str, usize, &'static str),
) -> Read<&'a [u8]> {
    if reader.is_at_end() {
        return Err(at_end);
    }
    if reader.peek() == Some(b'-') {
        reader.at += 2;
        return Ok(&[]);
    }
    let word = reader.word();
    if word.is_empty() {
        return Err(is_empty);
    }
    if word.len() > bytes_max {
        return Err(is_long);
    }
    Ok(word)
}

/// Passes over structured data: to a `]` that has no backslash before it and a space behind it. After
/// any other `]` a byte is passed over unseen, as CrowdSec does.
fn structured_data(reader: &mut Reader<'_>) -> Read<()> {
    match reader.peek() {
        None => return Err("EOL after MSGID"),
        Some(b'-') => {
            reader.at += 2;
            return Ok(());
        }
        Some(b'[') => {}
        Some(_) => return Err("structured data must start with '[' or be '-'"),
    }
    let mut is_done = false;
    let mut before = 0;
    while let Some(byte) = reader.peek() {
        is_done = false;
        if byte == b']' && before != b'\\' {
            is_done = true;
            reader.at += 1;
            if reader.peek() == Some(b' ') {
                break;
            }
        }
        before = byte;
        reader.at += 1;
    }
    reader.at += 1;
    if is_done {
        Ok(())
    } else {
        Err("structured data must end with ']'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-10 06:00:00 UTC.
    const NOW_NS: i64 = 1_773_122_400_000_000_000;

    fn read(message: &str, is_parsed: bool) -> String {
        let mut out = Vec::new();
        match line(message.as_bytes(), is_parsed, NOW_NS, &mut out) {
            Ok(_) => String::from_utf8(out).unwrap(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn messages_of_both_standards_become_the_lines_that_parsers_know() {
        for (message, expected) in [
            (
                "<13>May 18 12:37:56 mantis sshd[49340]: blabla",
                "May 18 12:37:56 mantis sshd[49340]: blabla",
            ),
            (
                "<13>May  8 12:37:56 mantis sshd: blabla\n",
                "May 8 12:37:56 mantis sshd: blabla",
            ),
            (
                "<13>May 18 12:37:56 2025 10.0.0.1 sshd blabla",
                "May 18 12:37:56 10.0.0.1 sshd: blabla",
            ),
            (
                "<13>2021-05-18T12:37:56+02:00 mantis sshd: x",
                "May 18 12:37:56 mantis sshd: x",
            ),
            (
                "<13>May 18 12:37:56 mantis sshd-session[1]: x",
                "May 18 12:37:56 mantis sshd: -session[1]: x",
            ),
            (
                "<13>Feb 29 12:37:56 mantis sshd: x",
                "Mar 1 12:37:56 mantis sshd: x",
            ),
            (
                "<34>1 2003-10-11T22:14:15.003Z web su 77 ID47 - failed",
                "Oct 11 22:14:15 web su[77]: failed",
            ),
            ("<34>1 - - - - - - x", "Mar 10 06:00:00 unknownhost: x"),
            (
                "<34>1 - web su - ID47 [a b=\"c\\] d\"][e] x",
                "Mar 10 06:00:00 web su: x",
            ),
            (
                "<34>1 2003-10-11T22:14:15Z web su - - - \u{feff}x",
                "Oct 11 22:14:15 web su: \u{feff}x",
            ),
            (
                "<34>1 0001-01-01T00:00:00Z web su - - - x",
                "Mar 10 06:00:00 web su: x",
            ),
        ] {
            assert_eq!(read(message, true), expected, "{message}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of messages and reasons")]
    fn what_follows_neither_standard_says_why() {
        for (message, rfc3164, rfc5424) in [
            ("", "message is empty", "syslog line is empty"),
            ("x", "PRI must start with '<'", "PRI must start with '<'"),
            ("<", "PRI must end with '>'", "PRI must end with '>'"),
            ("<12", "PRI must end with '>'", "PRI must end with '>'"),
            ("<a>", "PRI must be a number", "PRI must be a number"),
            (
                "<1000>1 ",
                "PRI must be up to 3 characters long",
                "PRI must be up to 3 characters long",
            ),
            ("<13>", "timestamp is not valid", "EOL after PRI"),
            (
                "<13>2 - - - - - - x",
                "timestamp is not valid",
                "version must be 1",
            ),
            (
                "<13>1 ",
                "timestamp is not valid",
                "version must be followed by a space",
            ),
            ("<13>1  x", "timestamp is not valid", "timestamp is empty"),
            (
                "<13>1 2021",
                "timestamp is not valid",
                "EOL after timestamp",
            ),
            (
                "<13>1 x y",
                "timestamp is not valid",
                "timestamp is not valid",
            ),
            ("<13>1 -", "timestamp is not valid", "EOL after Timestamp"),
            ("<13>1 - h", "timestamp is not valid", "EOL after hostname"),
            ("<13>1 - h a", "timestamp is not valid", "EOL after appname"),
            (
                "<13>1 - h a p",
                "timestamp is not valid",
                "EOL after ProcID",
            ),
            (
                "<13>1 - h a p m",
                "timestamp is not valid",
                "EOL after MSGID",
            ),
            (
                "<13>1 - h a p m x",
                "timestamp is not valid",
                "structured data must start with '[' or be '-'",
            ),
            (
                "<13>1 - h a p m [a",
                "timestamp is not valid",
                "structured data must end with ']'",
            ),
            (
                "<13>1 - h a p m -",
                "timestamp is not valid",
                "EOL after SD",
            ),
            (
                "<13>May 18 12:37:56",
                "hostname is empty",
                "version must be 1",
            ),
            ("<13>May 18 12:37:56 h", "tag is empty", "version must be 1"),
            (
                "<13>May 18 12:37:56 h t",
                "message is empty",
                "version must be 1",
            ),
            (
                "<13>May 18 12:37:56 h t: ",
                "message is empty",
                "version must be 1",
            ),
            (
                "<13>May 18 12:37:56 h t[1",
                "pid inside tag must be closed with ']'",
                "version must be 1",
            ),
            (
                "<13>May 18 12:37:56 h t[x]: m",
                "pid inside tag must be a number",
                "version must be 1",
            ),
        ] {
            let expected = format!("! rfc 3164: {rfc3164}; rfc 5424: {rfc5424}");
            assert_eq!(read(message, true), expected, "{message}");
        }
        let long = format!("<13>1 - h {} p m - x", "a".repeat(49));
        assert!(read(&long, true).ends_with("appname is too long"));
    }

    #[test]
    fn without_parsing_only_the_priority_goes() {
        for (message, expected) in [
            ("<13>anything at all\n", "anything at all"),
            ("<>\n\n", "\n"),
            ("<1", "! message too short"),
            ("13> x", "! missing PRI beginning"),
            ("<13 x", "! missing PRI end"),
            ("<1333>x", "! PRI too long"),
            ("<1a>x", "! PRI not a number"),
        ] {
            assert_eq!(read(message, false), expected, "{message}");
        }
    }
}
