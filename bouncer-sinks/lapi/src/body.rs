//! Bodies of requests: read, and inflated, within limits.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, HeaderMap};

use crate::reply::Refusal;

/// Longest body of whoever has not said who they are.
pub(crate) const STRANGER_BYTES_MAX: usize = 2 << 20;
/// Longest body of whoever has.
pub(crate) const KNOWN_BYTES_MAX: usize = 50 << 20;

/// Reads a body, which may be compressed, to its end. Both what comes and what it becomes is within the limit.
///
/// # Errors
/// A [`Refusal`] if there is more, if it breaks off, or if it is not what its head says.
pub(crate) async fn read<B>(
    headers: &HeaderMap,
    body: B,
    bytes_max: usize,
) -> Result<Vec<u8>, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut sink = match headers.get(CONTENT_ENCODING).map(|name| name.as_bytes()) {
        None | Some(b"" | b"identity") => Sink::Plain(Bounded::new(bytes_max)),
        Some(name) if name.eq_ignore_ascii_case(b"gzip") => {
            Sink::Gzip(Box::new(GzDecoder::new(Bounded::new(bytes_max))))
        }
        Some(_) => {
            return Err(Refusal::bad_request(
                "the encoding of the body is not known",
            ));
        }
    };
    let mut body = body;
    let mut n_read = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::bad_request("unexpected EOF"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        n_read = n_read.saturating_add(data.len());
        if n_read > bytes_max {
            return Err(too_large());
        }
        sink.take(&data)?;
    }
    sink.end()
}

fn too_large() -> Refusal {
    Refusal::bad_request("http: request body too large")
}

enum Sink {
    Plain(Bounded),
    Gzip(Box<GzDecoder<Bounded>>),
}

impl Sink {
    fn take(&mut self, data: &Bytes) -> Result<(), Refusal> {
        let written = match self {
            Self::Plain(bounded) => bounded.write_all(data),
            Self::Gzip(decoder) => decoder.write_all(data),
        };
        written.map_err(|_| self.refusal())
    }

    fn end(self) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::Plain(bounded) => Ok(bounded.bytes),
            Self::Gzip(mut decoder) => {
                let is_whole = decoder.try_finish().is_ok();
                let bounded = decoder.get_mut();
                match (is_whole, bounded.is_full) {
                    (_, true) => Err(too_large()),
                    (false, false) => Err(Refusal::bad_request("gzip: invalid body")),
                    (true, false) => Ok(std::mem::take(&mut bounded.bytes)),
                }
            }
        }
    }

    fn refusal(&self) -> Refusal {
        let bounded = match self {
            Self::Plain(bounded) => bounded,
            Self::Gzip(decoder) => decoder.get_ref(),
        };
        if bounded.is_full {
            too_large()
        } else {
            Refusal::bad_request("gzip: invalid body")
        }
    }
}

/// Bytes up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_full: bool,
}

impl Bounded {
    fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max,
            is_full: false,
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + data.len() > self.bytes_max {
            self.is_full = true;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http_body_util::Full;
    use hyper::header::HeaderValue;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn check(encoding: Option<&'static str>, body: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut headers = HeaderMap::new();
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime
            .block_on(read(&headers, Full::new(Bytes::from(body)), 1000))
            .map_err(|refusal| format!("{refusal:?}"))
    }

    #[test]
    fn a_body_is_read_as_it_is_or_inflated() {
        assert_eq!(check(None, b"abc".to_vec()).unwrap(), b"abc");
        assert_eq!(check(Some("gzip"), gzip(b"abc")).unwrap(), b"abc");
        assert_eq!(check(None, Vec::new()).unwrap(), b"");
    }

    #[test]
    fn a_body_that_is_or_becomes_too_large_is_refused() {
        assert!(
            check(None, vec![b'a'; 1001])
                .unwrap_err()
                .contains("too large")
        );
        assert_eq!(check(None, vec![b'a'; 1000]).unwrap().len(), 1000);
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 20_000);
        let small = gzip(&vec![0; 2000]);
        assert!(small.len() < 1000);
        assert!(
            check(Some("gzip"), small)
                .unwrap_err()
                .contains("too large")
        );
        assert!(check(Some("gzip"), bomb).unwrap_err().contains("too large"));
    }

    #[test]
    fn what_is_not_what_it_says_is_refused() {
        assert!(check(Some("gzip"), b"abc".to_vec()).is_err());
        let whole = gzip(b"abcdefgh");
        assert!(check(Some("gzip"), whole[..whole.len() - 4].to_vec()).is_err());
        assert!(check(Some("br"), b"abc".to_vec()).is_err());
    }
}
