//! Spans for a collector of OpenTelemetry: OTLP as JSON over HTTP.
//!
//! A thread of its own sends what has ended, together, every second. Nobody waits for it: when the collector does not
//! keep up, or is away, spans are dropped and counted.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

/// Spans that may wait to be sent.
const WAITING_MAX: usize = 2_048;
/// Spans that are sent together.
const TOGETHER_MAX: usize = 256;
/// How long they are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// How long the collector may take for each step of a request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read; only its first line matters.
const ANSWER_MAX: u64 = 4_096;
/// Where collectors take spans.
const PATH: &str = "/v1/traces";

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a collector: http://HOST:PORT, without TLS")]
pub struct EndpointError(pub String);

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanValue {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// Something that took time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What it was.
    pub name: &'static str,
    /// When it began, in nanoseconds since 1970.
    pub begin_ns: i64,
    /// When it ended.
    pub end_ns: i64,
    /// More about it.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct SpanCounts {
    /// Taken by the collector.
    pub sent: AtomicU64,
    /// Dropped for want of room, or because the collector did not take them.
    pub dropped: AtomicU64,
}

/// Sends spans.
#[derive(Debug)]
pub struct SpanExporter {
    sender: Option<SyncSender<Span>>,
    counts: Arc<SpanCounts>,
    thread: Option<JoinHandle<()>>,
}

/// `http://HOST:PORT[/PATH]`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    address: String,
    path: String,
}

impl Endpoint {
    fn parse(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.to_owned());
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let (address, path) = match rest.split_once('/') {
            Some((address, path)) if !path.is_empty() => (address, format!("/{path}")),
            Some((address, _)) => (address, PATH.to_owned()),
            None => (rest, PATH.to_owned()),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
        let is_path = path.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_host || !is_path || port.parse::<u16>().is_err() {
            return Err(wrong());
        }
        Ok(Self {
            address: address.to_owned(),
            path,
        })
    }

    /// Sends a request; answers whether the collector took it.
    fn post(&self, body: &[u8]) -> io::Result<bool> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "no such host");
        let address = self.address.to_socket_addrs()?.next().ok_or_else(unknown)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.path,
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
        let status = answer.split(|byte| *byte == b' ').nth(1);
        Ok(status.is_some_and(|status| status.starts_with(b"2")))
    }
}

impl SpanExporter {
    /// Begins to send to a collector, such as `http://127.0.0.1:4318`. `resource` says who speaks: `service.name` and
    /// so on.
    ///
    /// # Errors
    /// [`EndpointError`] for an address that cannot be one. A collector that is away is no error.
    pub fn start(
        endpoint: &str,
        resource: Vec<(&'static str, SpanValue)>,
    ) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::parse(endpoint)?;
        let (sender, spans) = sync_channel(WAITING_MAX);
        let counts = Arc::<SpanCounts>::default();
        let counted = Arc::clone(&counts);
        let work = move || send_all(&endpoint, &resource, &spans, &counted);
        let thread = std::thread::Builder::new()
            .name("spans".to_owned())
            .spawn(work);
        Ok(Self {
            sender: Some(sender),
            counts,
            // Without a thread all spans are dropped.
            thread: thread.ok(),
        })
    }

    /// Takes a span that has ended; never waits.
    pub fn send(&self, span: Span) {
        let is_taken = self
            .sender
            .as_ref()
            .is_some_and(|sender| sender.try_send(span).is_ok());
        if !is_taken {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of them.
    #[must_use]
    pub fn counts(&self) -> &SpanCounts {
        &self.counts
    }
}

impl Drop for SpanExporter {
    /// Waits for the last request, within its limits.
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn send_all(
    endpoint: &Endpoint,
    resource: &[(&'static str, SpanValue)],
    spans: &Receiver<Span>,
    counts: &SpanCounts,
) {
    let random = RandomState::new();
    let mut n_spans = 0;
    let mut is_over = false;
    while !is_over {
        let Ok(first) = spans.recv() else {
            return;
        };
        let mut together = vec![first];
        let until = Instant::now() + GATHER;
        while together.len() < TOGETHER_MAX {
            match spans.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(span) => together.push(span),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    is_over = true;
                    break;
                }
            }
        }
        let n = together.len() as u64;
        let spans: Vec<Json> = together
            .iter()
            .map(|span| {
                n_spans += 1;
                as_json(span, &random, n_spans)
            })
            .collect();
        let body = json!({ "resourceSpans": [{
            "resource": { "attributes": attributes(resource) },
            "scopeSpans": [{ "scope": { "name": "overspill" }, "spans": spans }],
        }]});
        let is_sent = endpoint.post(body.to_string().as_bytes()).unwrap_or(false);
        let count = if is_sent {
            &counts.sent
        } else {
            &counts.dropped
        };
        count.fetch_add(n, Ordering::Relaxed);
    }
}

fn as_json(span: &Span, random: &RandomState, n: u64) -> Json {
    // Each is a trace of its own: nothing here has a parent.
    let id = |what: u8| {
        let mut hasher = random.build_hasher();
        hasher.write_u64(n);
        hasher.write_u8(what);
        hasher.finish().max(1)
    };
    let status = match &span.error {
        None => json!({}),
        Some(error) => json!({ "code": 2, "message": error }),
    };
    json!({
        "traceId": format!("{:016x}{:016x}", id(0), id(1)),
        "spanId": format!("{:016x}", id(2)),
        "name": span.name,
        "kind": 1,
        "startTimeUnixNano": span.begin_ns.to_string(),
        "endTimeUnixNano": span.end_ns.to_string(),
        "attributes": attributes(&span.attributes),
        "status": status,
    })
}

fn attributes(values: &[(&'static str, SpanValue)]) -> Vec<Json> {
    let value = |value: &SpanValue| match value {
        SpanValue::Text(text) => json!({ "stringValue": text }),
        SpanValue::Number(number) => json!({ "intValue": number.to_string() }),
    };
    let pair = |(key, of): &(&'static str, SpanValue)| json!({ "key": key, "value": value(of) });
    values.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_collector_is_taken_apart() {
        let endpoint = |address: &str, path: &str| Endpoint {
            address: address.to_owned(),
            path: path.to_owned(),
        };
        for (text, parsed) in [
            ("http://127.0.0.1:4318", endpoint("127.0.0.1:4318", PATH)),
            ("http://c:4318/", endpoint("c:4318", PATH)),
            ("http://[::1]:4318/a/b", endpoint("[::1]:4318", "/a/b")),
        ] {
            assert_eq!(Endpoint::parse(text), Ok(parsed), "{text}");
        }
        for wrong in [
            "",
            "c:4318",
            "https://c:4318",
            "http://c",
            "http://:1",
            "http://c:99999",
            "http://c:1/a b",
            "http://a\r\nb:1",
        ] {
            assert!(Endpoint::parse(wrong).is_err(), "{wrong}");
        }
    }
}
