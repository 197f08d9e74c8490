//! Lines that are made to hurt.
//!
//! A [`Carrier`] is an ordinary line with a place in it that an attacker writes. A fill is a short
//! text that is repeated there until the line has its size. Every fill in every carrier is a line
//! that somebody could send: the table is large and dull on purpose, since nobody can tell beforehand
//! which pair is bad.

/// An ordinary line with a place for a fill.
#[derive(Debug, Clone, Copy)]
pub struct Carrier {
    /// What the table calls it.
    pub name: &'static str,
    /// The label `type` of the line.
    pub log_type: &'static str,
    /// The label `program` of the line, or nothing.
    pub program: &'static str,
    head: &'static str,
    tail: &'static str,
    /// What stands in the place when the line is ordinary.
    pub ordinary: &'static str,
}

const fn carrier(
    name: &'static str,
    log_type: &'static str,
    parts: (&'static str, &'static str, &'static str),
) -> Carrier {
    let (head, ordinary, tail) = parts;
    Carrier {
        name,
        log_type,
        program: "",
        head,
        tail,
        ordinary,
    }
}

const PAGE: &str = "/shop/item/42?ref=list";
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:123.0) Gecko/20100101 Firefox/123.0";
const ERROR: &str = "2024/03/10 06:00:00 [error] 7#7: *1 ";

/// The carriers: places in nginx, ingress, syslog and audit lines.
pub const CARRIERS: [Carrier; 22] = [
    carrier(
        "nginx address",
        "nginx",
        (
            "",
            "203.0.113.9",
            " - - [10/Mar/2024:06:00:00 +0000] \"GET / HTTP/1.1\" 404 153 \"-\" \"curl/8\"",
        ),
    ),
    carrier(
        "nginx user",
        "nginx",
        (
            "203.0.113.9 - ",
            "alice",
            " [10/Mar/2024:06:00:00 +0000] \"GET / HTTP/1.1\" 404 153 \"-\" \"curl/8\"",
        ),
    ),
    carrier(
        "nginx date",
        "nginx",
        (
            "203.0.113.9 - - [",
            "10/Mar/2024:06:00:00 +0000",
            "] \"GET / HTTP/1.1\" 404 153 \"-\" \"curl/8\"",
        ),
    ),
    carrier(
        "nginx path",
        "nginx",
        (
            "203.0.113.9 - - [10/Mar/2024:06:00:00 +0000] \"GET ",
            PAGE,
            " HTTP/1.1\" 404 153 \"-\" \"curl/8\"",
        ),
    ),
    carrier(
        "nginx query",
        "nginx",
        (
            "203.0.113.9 - - [10/Mar/2024:06:00:00 +0000] \"GET /index.php?x=",
            "1",
            " HTTP/1.1\" 200 153 \"-\" \"curl/8\"",
        ),
    ),
    carrier(
        "nginx referer",
        "nginx",
        (
            "203.0.113.9 - - [10/Mar/2024:06:00:00 +0000] \"GET / HTTP/1.1\" 404 153 \"",
            "https://example.org/",
            "\" \"curl/8\"",
        ),
    ),
    carrier(
        "nginx agent",
        "nginx",
        (
            "203.0.113.9 - - [10/Mar/2024:06:00:00 +0000] \"GET / HTTP/1.1\" 404 153 \"-\" \"",
            AGENT,
            "\"",
        ),
    ),
    carrier(
        "nginx agent, no end",
        "nginx",
        (
            "203.0.113.9 - - [10/Mar/2024:06:00:00 +0000] \"GET / HTTP/1.1\" 404 153 \"-\" \"",
            AGENT,
            "",
        ),
    ),
    carrier(
        "nginx after the end",
        "nginx",
        (
            "203.0.113.9 - - [10/Mar/2024:06:00:00 +0000] \"GET / HTTP/1.1\" 404 153 \"-\" \"a\" ",
            "0.001",
            "",
        ),
    ),
    carrier(
        "nginx error",
        "nginx",
        (
            ERROR,
            "open() \"/srv/a\" failed (2: No such file or directory)",
            ", client: 203.0.113.9, server: _, request: \"GET /a HTTP/1.1\", host: \"a\"",
        ),
    ),
    carrier(
        "nginx error, no end",
        "nginx",
        (ERROR, "open() \"/srv/a\" failed", ", client: "),
    ),
    carrier("nginx, whole line", "nginx", ("", "-", "")),
    carrier(
        "sshd message",
        "syslog",
        (
            "Mar 10 06:00:00 host sshd[7]: ",
            "Connection closed by 203.0.113.9 port 22",
            "",
        ),
    ),
    carrier(
        "sshd user",
        "syslog",
        (
            "Mar 10 06:00:00 host sshd[7]: Failed password for invalid user ",
            "alice",
            " from 203.0.113.9 port 22 ssh2",
        ),
    ),
    carrier(
        "sshd user, no end",
        "syslog",
        (
            "Mar 10 06:00:00 host sshd[7]: Failed password for invalid user ",
            "alice",
            " from 203.0.113.9 por",
        ),
    ),
    carrier(
        "syslog host",
        "syslog",
        (
            "Mar 10 06:00:00 ",
            "host",
            " sshd[7]: Connection closed by 203.0.113.9 port 22",
        ),
    ),
    carrier(
        "syslog program",
        "syslog",
        ("Mar 10 06:00:00 host ", "cron", ": job ran"),
    ),
    carrier(
        "kernel message",
        "syslog",
        (
            "Mar 10 06:00:00 host kernel: [1.0] IN=eth0 OUT= ",
            "MAC=aa",
            " SRC=203.0.113.9 DST=192.0.2.1 PROTO=TCP SPT=1 DPT=2 SYN",
        ),
    ),
    carrier("syslog, whole line", "syslog", ("", "-", "")),
    Carrier {
        name: "ingress path",
        log_type: "containerd",
        program: "nginx",
        head: "2024-03-10T06:00:00.000000001Z stdout F 203.0.113.9 - - [10/Mar/2024:06:00:00 \
               +0000] \"GET ",
        tail: " HTTP/1.1\" 404 153 \"-\" \"curl/8\" 220 0.004 [default-web-80] [] 10.42.0.7:8080 153 \
               0.004 404 00112233445566778899aabbccddeeff",
        ordinary: PAGE,
    },
    carrier(
        "audit uri",
        "k8s-audit",
        (
            "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"verb\":\"get\",\"requestURI\":\"",
            "/api/v1/pods",
            "\",\"user\":{\"username\":\"system:anonymous\"},\"sourceIPs\":[\"203.0.113.9\"],\
             \"stage\":\"ResponseComplete\",\"responseStatus\":{\"code\":403},\
             \"requestReceivedTimestamp\":\"2024-03-10T06:00:00.000000Z\"}",
        ),
    ),
    carrier("audit, whole line", "k8s-audit", ("", "{}", "")),
];

/// What is repeated.
pub const FILLS: [&str; 62] = [
    "a",
    "A",
    "1",
    " ",
    "\t",
    ".",
    "-",
    "_",
    ":",
    "/",
    "\"",
    "\\",
    "%",
    "[",
    "]",
    "{",
    "}",
    "(",
    "=",
    "+",
    "&",
    "?",
    ",",
    "'",
    "$",
    "@",
    "|",
    "\u{0}",
    "\u{e9}",
    "\u{130}",
    "\u{ff5c}",
    "../",
    "%25",
    "%2525",
    "%2e%2e%2f",
    "%u0041",
    "\\x41",
    "\\u0041",
    "a=b ",
    "a=b&",
    "a.",
    "a-",
    "a:",
    "a,",
    "a@",
    "1.",
    "1.1.1.1 ",
    "1.1.1.1,",
    "f:",
    "::1 ",
    "from 203.0.113.9 port 22 ",
    "[10/Mar/2024:06:00:00 +0000] ",
    "GET / HTTP/1.1 ",
    ", client: ",
    ", request: \"",
    "[error] ",
    "union select ",
    "<a>",
    "{\"a\":",
    "[1,",
    "${jndi:",
    "QUJD",
];

impl Carrier {
    /// The line with `what` in its place.
    #[must_use]
    pub fn line(&self, what: &str) -> Vec<u8> {
        [self.head, what, self.tail].concat().into_bytes()
    }

    /// A line of about `size` bytes, filled. The number makes lines differ where a fill begins, so
    /// that no cache knows the next one.
    #[must_use]
    pub fn filled(&self, fill: &str, size: usize, number: usize) -> Vec<u8> {
        let room = size.saturating_sub(self.head.len() + self.tail.len());
        let text = format!("{number}{}", fill.repeat(room / fill.len().max(1)));
        self.line(&text)
    }

    /// The labels of the line.
    #[must_use]
    pub fn labels(&self) -> Vec<(&'static str, &'static str)> {
        let mut labels = vec![("type", self.log_type)];
        if !self.program.is_empty() {
            labels.push(("program", self.program));
        }
        labels
    }
}

/// A line that differs from one that matches only near its end.
#[must_use]
pub fn broken(line: &[u8]) -> Vec<u8> {
    let mut line = line.to_vec();
    if let Some(last) = line.pop() {
        line.push(if last == b'#' { b'~' } else { b'#' });
    }
    line
}

/// For each word of a line, that line with the word's last byte repeated until it has `size` bytes.
pub fn stretched(line: &[u8], size: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
    let ends = (1..=line.len()).filter(|end| {
        let is_word = |at: usize| line.get(at).is_some_and(u8::is_ascii_alphanumeric);
        is_word(end - 1) && !is_word(*end)
    });
    ends.map(move |end| {
        let (head, tail) = line.split_at(end);
        let byte = head.last().copied().unwrap_or(b'a');
        let room = size.saturating_sub(line.len());
        let mut out = Vec::with_capacity(line.len() + room);
        out.extend_from_slice(head);
        out.resize(head.len() + room, byte);
        out.extend_from_slice(tail);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_line_has_the_size_that_was_asked_for() {
        for carrier in &CARRIERS {
            for fill in FILLS {
                let len = carrier.filled(fill, 4_096, 1).len();
                let slack = fill.len() + 1;
                assert!((4_096 - slack..=4_097).contains(&len), "{len}");
            }
        }
    }

    #[test]
    fn every_word_is_stretched_once() {
        let lines: Vec<Vec<u8>> = stretched(b"ab 7 x", 8).collect();
        assert_eq!(lines, [&b"abbb 7 x"[..], b"ab 777 x", b"ab 7 xxx"]);
    }

    #[test]
    fn a_broken_line_differs_in_its_last_byte_only() {
        assert_eq!(broken(b"port 22"), b"port 2#");
        assert_eq!(broken(b"#"), b"~");
    }
}
