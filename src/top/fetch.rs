//! Asking a live job over HTTP.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::Top;

/// Longest wait for a connection, and for each part of an answer.
const WAIT: Duration = Duration::from_secs(5);
/// Longest answer.
const ANSWER_BYTES_MAX: u64 = 8 << 20;
/// The port where CrowdSec and we answer.
const PORT: u16 = 6060;

/// Where a job is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host and port.
    pub authority: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address cannot be asked.
    #[error("{0:?} is no address such as http://127.0.0.1:6060")]
    Address(String),
    /// Nobody answers.
    #[error("ask {authority}")]
    Io {
        /// Host and port.
        authority: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else answers.
    #[error("{authority} answers, but is no job of overspill: {what}")]
    Stranger {
        /// Host and port.
        authority: String,
        /// What came instead.
        what: String,
    },
}

impl Address {
    /// Reads an address: `http://HOST[:PORT]`, or that without `http://`. What follows the host is left out, so
    /// that the address of `/metrics` may be given as well.
    ///
    /// # Errors
    /// [`FetchError::Address`].
    pub fn parse(text: &str) -> Result<Self, FetchError> {
        let wrong = || FetchError::Address(text.to_owned());
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(wrong()),
            None => text,
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.is_empty() || host.contains(|letter: char| letter.is_whitespace() || letter == '@')
        {
            return Err(wrong());
        }
        // A colon within brackets is of IPv6.
        let after = host.rsplit(']').next().unwrap_or(host);
        let authority = match after.contains(':') {
            true => host.to_owned(),
            false => format!("{host}:{PORT}"),
        };
        Ok(Self { authority })
    }
}

/// Asks a job for a look at it.
///
/// # Errors
/// [`FetchError`].
pub fn fetch(address: &Address) -> Result<Top, FetchError> {
    let authority = &address.authority;
    let failed = |source: io::Error| FetchError::Io {
        authority: authority.clone(),
        source,
    };
    let stranger = |what: &str| FetchError::Stranger {
        authority: authority.clone(),
        what: what.to_owned(),
    };
    let answer = ask(authority).map_err(failed)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| stranger("no answer of HTTP"))?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(stranger(status));
    }
    serde_json::from_str(body).map_err(|error| stranger(&error.to_string()))
}

fn ask(authority: &str) -> io::Result<Vec<u8>> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in authority.to_socket_addrs()? {
        let mut socket = match TcpStream::connect_timeout(&address, WAIT) {
            Ok(socket) => socket,
            Err(error) => {
                last = error;
                continue;
            }
        };
        socket.set_read_timeout(Some(WAIT))?;
        socket.set_write_timeout(Some(WAIT))?;
        let request =
            format!("GET /top.json HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        socket.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        return Ok(answer);
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn addresses_have_a_port_of_their_own_or_ours() {
        for (text, authority) in [
            ("http://127.0.0.1:6060", Some("127.0.0.1:6060")),
            ("http://web1/metrics", Some("web1:6060")),
            ("[::1]", Some("[::1]:6060")),
            ("[::1]:70", Some("[::1]:70")),
            ("web1:80/x?y", Some("web1:80")),
            ("https://web1", None),
            ("http://", None),
            ("http://a@b", None),
            ("a b", None),
        ] {
            let parsed = Address::parse(text).ok().map(|address| address.authority);
            assert_eq!(parsed.as_deref(), authority, "{text}");
        }
    }

    /// What comes of somebody who answers so.
    fn answered(answer: &'static [u8]) -> Result<Top, FetchError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let server = std::thread::Builder::new()
            .name("answer".to_owned())
            .spawn(move || {
                let (mut socket, _) = listener.accept().unwrap();
                let mut heard = [0; 4_096];
                let mut n = 0;
                while !heard[..n].ends_with(b"\r\n\r\n") {
                    n += socket.read(&mut heard[n..]).unwrap();
                }
                socket.write_all(answer).unwrap();
            })
            .unwrap();
        let fetched = fetch(&Address { authority });
        server.join().unwrap();
        fetched
    }

    #[test]
    fn only_a_job_is_understood() {
        let top = answered(b"HTTP/1.1 200 OK\r\n\r\n{\"version\":\"9\",\"new\":1}").unwrap();
        assert_eq!(top.version, "9");
        for (answer, what) in [
            (
                &b"HTTP/1.1 404 Not Found\r\n\r\n"[..],
                "HTTP/1.1 404 Not Found",
            ),
            (b"SSH-2.0\r\n", "no answer of HTTP"),
            (
                b"HTTP/1.1 200 OK\r\n\r\n<html>",
                "expected value at line 1 column 1",
            ),
        ] {
            let error = answered(answer).unwrap_err().to_string();
            assert!(
                error.ends_with(&format!("is no job of overspill: {what}")),
                "{error}"
            );
        }
    }
}
