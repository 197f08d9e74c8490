//! The head of an HTTP request, as far as it matters to somebody who answers one and closes.
//!
//! Only the first line decides; header fields are waited for and passed over, and a body is not read. Bytes may be
//! hostile: nothing panics, and what is too long or no request is said so at the first byte that shows it.

/// Longest head of a request, in bytes.
pub const HEAD_BYTES_MAX: usize = 8 << 10;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// The path, without what follows a `?`.
    pub path: String,
}

/// Why it is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The head is longer than [`HEAD_BYTES_MAX`].
    #[error("the head of the request is too long")]
    TooLong,
    /// It is not HTTP/1.
    #[error("no request of HTTP/1")]
    Malformed,
}

/// Reads what has come of a request; `None` while its head is not complete.
///
/// # Errors
/// [`RequestError`] for what will not be one whatever follows.
pub fn parse(heard: &[u8]) -> Result<Option<Request>, RequestError> {
    let is_long = heard.len() > HEAD_BYTES_MAX;
    let heard = heard.get(..HEAD_BYTES_MAX).unwrap_or(heard);
    let line_end = heard.iter().position(|byte| *byte == b'\n');
    let line = heard
        .get(..line_end.unwrap_or(heard.len()))
        .unwrap_or_default();
    // Methods are letters: what begins otherwise (a greeting of TLS, say) need not be waited for.
    let is_method = |byte: &u8| byte.is_ascii_uppercase();
    let n_method = line.iter().take_while(|byte| is_method(byte)).count();
    if n_method > METHOD_BYTES_MAX || line.get(n_method).is_some_and(|byte| *byte != b' ') {
        return Err(RequestError::Malformed);
    }
    let is_whole = line_end.is_some_and(|at| has_end(heard.get(at + 1..).unwrap_or_default()));
    if !is_whole {
        return match is_long {
            true => Err(RequestError::TooLong),
            false => Ok(None),
        };
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| RequestError::Malformed)?;
    let mut words = text.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(RequestError::Malformed);
    };
    let is_version = matches!(version, "HTTP/1.0" | "HTTP/1.1");
    if method.is_empty() || !target.starts_with('/') || !is_version {
        return Err(RequestError::Malformed);
    }
    let path = target.split(['?', '#']).next().unwrap_or_default();
    Ok(Some(Request {
        method: method.to_owned(),
        path: path.to_owned(),
    }))
}

/// Longest method.
const METHOD_BYTES_MAX: usize = 16;

/// Whether the lines after the first one have an empty one among them.
fn has_end(rest: &[u8]) -> bool {
    let mut lines = rest.split(|byte| *byte == b'\n');
    // What follows the last line end is no line yet.
    lines.next_back();
    lines.any(|line| line.is_empty() || line == b"\r")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> Result<Option<String>, RequestError> {
        parse(text.as_bytes()).map(|request| request.map(|request| request.path))
    }

    #[test]
    fn only_a_whole_head_of_http_1_is_a_request() {
        for (text, expected) in [
            (
                "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                Ok(Some("/metrics")),
            ),
            ("GET /metrics?x=/y HTTP/1.0\n\n", Ok(Some("/metrics"))),
            ("POST /x HTTP/1.1\r\n\r\nbody", Ok(Some("/x"))),
            ("GET /metrics HTTP/1.1\r\n\r", Ok(None)),
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n", Ok(None)),
            ("GET /metrics HTTP/1.1\r\n", Ok(None)),
            ("", Ok(None)),
            ("GE", Ok(None)),
            ("get / HTTP/1.1", Err(RequestError::Malformed)),
            ("\u{16}\u{3}\u{1}", Err(RequestError::Malformed)),
            ("GET  / HTTP/1.1\r\n\r\n", Err(RequestError::Malformed)),
            (
                "GET http://x/ HTTP/1.1\r\n\r\n",
                Err(RequestError::Malformed),
            ),
            ("GET / HTTP/2.0\r\n\r\n", Err(RequestError::Malformed)),
            ("GET /\r\n\r\n", Err(RequestError::Malformed)),
            ("AAAAAAAAAAAAAAAAA", Err(RequestError::Malformed)),
        ] {
            let expected = expected.map(|path| path.map(str::to_owned));
            assert_eq!(path(text), expected, "{text:?}");
        }
        let long = format!("GET /{}", "a".repeat(HEAD_BYTES_MAX));
        assert_eq!(path(&long), Err(RequestError::TooLong));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_told_at_every_byte(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for n in 0..bytes.len() {
                let _told = parse(&bytes[..n]);
            }
        }

        #[test]
        fn bytes_that_follow_change_nothing(
            path in "/[a-z/]{0,20}",
            rest in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut bytes = format!("GET {path} HTTP/1.1\r\nA: b\r\n\r\n").into_bytes();
            let alone = parse(&bytes);
            bytes.extend(rest);
            prop_assert_eq!(parse(&bytes), alone.clone());
            prop_assert_eq!(alone.unwrap().unwrap().path, path);
        }
    }
}
