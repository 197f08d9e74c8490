//! A client of HTTP/1.1 that sees everything: status, headers, body as it was sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` where there is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or(serde_json::Value::Null)
    }
}

/// Asks a server, on a connection of its own.
pub(crate) fn ask(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // Whoever is refused before its body is read may find the connection closed.
    let _refused = stream.write_all(body);
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard)?;
    parse(&heard, method).ok_or_else(|| {
        let text = String::from_utf8_lossy(&heard).into_owned();
        std::io::Error::other(format!("no answer to {method} {path}: {text:?}"))
    })
}

fn parse(heard: &[u8], method: &str) -> Option<Answer> {
    let end = heard.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&heard[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let rest = &heard[end + 4..];
    let is_chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if method == "HEAD" {
        Vec::new()
    } else if is_chunked {
        chunks(rest)?
    } else {
        rest.to_vec()
    };
    Some(Answer {
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// The data of chunks, up to the last; `None` where they break off.
fn chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let len = std::str::from_utf8(&rest[..end]).ok()?;
        let len = usize::from_str_radix(len, 16).ok()?;
        if len == 0 {
            return Some(data);
        }
        data.extend_from_slice(rest.get(end + 2..end + 2 + len)?);
        rest = rest.get(end + 4 + len..)?;
    }
}
