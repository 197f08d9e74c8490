//! Spans that a collector takes, and one that is away.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::Ordering;

use overspill_telemetry::{Span, SpanExporter, SpanValue};
use serde_json::Value;

fn span(n: i64) -> Span {
    Span {
        name: "checkpoint",
        begin_ns: 5,
        end_ns: 7,
        attributes: vec![
            ("n", SpanValue::Number(n)),
            ("what", SpanValue::Text("\"".to_owned())),
        ],
        error: (n == 1).then(|| "no room".to_owned()),
    }
}

/// Takes one request.
fn take(listener: &TcpListener, answer: &str) -> (String, Value) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut text = Vec::new();
    let mut piece = [0; 1_024];
    loop {
        let n = stream.read(&mut piece).unwrap();
        text.extend_from_slice(&piece[..n]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = whole.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.split("Content-Length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() == length {
            stream.write_all(answer.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            return (head.to_owned(), serde_json::from_str(body).unwrap());
        }
    }
}

#[test]
fn what_has_ended_is_sent_together_and_the_rest_at_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let resource = vec![("service.name", SpanValue::Text("overspill".to_owned()))];
    let exporter = SpanExporter::start(&endpoint, resource).unwrap();
    exporter.send(span(0));
    exporter.send(span(1));
    let mut spans = Vec::new();
    // On a slow machine they may come one by one.
    while spans.len() < 2 {
        let (head, body) = take(&listener, "HTTP/1.1 200 OK\r\n\r\n{}");
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        let of = &body["resourceSpans"][0];
        assert_eq!(
            of["resource"]["attributes"][0]["value"]["stringValue"],
            "overspill"
        );
        spans.extend_from_slice(of["scopeSpans"][0]["spans"].as_array().unwrap());
    }
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0]["startTimeUnixNano"], "5");
    assert_eq!(spans[0]["attributes"][1]["value"]["stringValue"], "\"");
    assert_eq!(spans[1]["status"]["code"], 2);
    assert_eq!(spans[0]["traceId"].as_str().unwrap().len(), 32);
    assert_ne!(spans[0]["spanId"], spans[1]["spanId"]);
    // A last one is not lost by the end.
    exporter.send(span(2));
    let taken = std::thread::Builder::new()
        .name("collector".to_owned())
        .spawn(move || take(&listener, "HTTP/1.1 503 Busy\r\n\r\n").1)
        .unwrap();
    drop(exporter);
    assert!(
        taken
            .join()
            .unwrap()
            .to_string()
            .contains("\"intValue\":\"2\"")
    );
}

#[test]
fn a_collector_that_is_away_holds_up_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let exporter = SpanExporter::start(&endpoint, Vec::new()).unwrap();
    for n in 0..10_000 {
        exporter.send(span(n));
    }
    assert!(exporter.counts().dropped.load(Ordering::Relaxed) > 1_000);
    assert_eq!(exporter.counts().sent.load(Ordering::Relaxed), 0);
}
