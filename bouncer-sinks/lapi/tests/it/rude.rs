//! Clients that do not behave.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::client::ask;
use crate::ours::Ours;

fn impatient() -> Ours {
    Ours::with(|settings| {
        settings.limits.request_timeout = Duration::from_millis(300);
        settings.limits.connections_max = 8;
    })
}

fn is_up(server: SocketAddr) -> bool {
    ask(server, "GET", "/health", &[], b"").is_ok_and(|answer| answer.status == 200)
}

/// Whether the other end has closed the connection by a time.
fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let since = Instant::now();
    let mut heard = [0; 1024];
    while since.elapsed() < within {
        match stream.read(&mut heard) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return true,
        }
    }
    false
}

#[test]
fn who_does_not_finish_a_head_is_cut_off() {
    let ours = impatient();
    let mut slow: Vec<TcpStream> = (0..7)
        .map(|_| TcpStream::connect(ours.address()).unwrap())
        .collect();
    // Nothing at all, too, and what may become HTTP/2.
    let heads = [
        &b"GET /health HTTP/1.1\r\nHost: x\r\n"[..],
        b"",
        b"PRI * HTT",
    ];
    for (stream, head) in slow.iter_mut().zip(heads.into_iter().cycle()) {
        stream.write_all(head).unwrap();
    }
    assert!(is_up(ours.address()));
    for stream in &mut slow {
        assert!(is_closed(stream, Duration::from_secs(20)));
    }
    assert!(is_up(ours.address()));
}

#[test]
fn who_does_not_send_the_body_is_cut_off() {
    let ours = impatient();
    let mut stream = TcpStream::connect(ours.address()).unwrap();
    let head = "POST /v1/watchers HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    assert!(is_closed(&mut stream, Duration::from_secs(20)));
    assert_eq!(ours.lapi.counts().slow, 1);
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let ours = Ours::start();
    let body = vec![b'a'; (2 << 20) + 1];
    let answer = ask(ours.address(), "POST", "/v1/watchers", &[], &body).unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body, r#"{"message":"http: request body too large"}"#);
}

#[test]
fn a_stranger_cannot_make_the_server_read_a_body_that_is_not_for_strangers() {
    let ours = Ours::start();
    let mut stream = TcpStream::connect(ours.address()).unwrap();
    let head = "POST /v1/alerts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 50000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert!(heard.starts_with("HTTP/1.1 401"), "{heard}");
}

#[test]
fn nonsense_is_no_request() {
    let ours = Ours::start();
    for nonsense in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ] {
        let mut stream = TcpStream::connect(ours.address()).unwrap();
        stream.write_all(nonsense).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        let _closed = stream.read_to_end(&mut heard);
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert!(
            heard.is_empty() || heard.starts_with("HTTP/1.1 400"),
            "{heard}"
        );
    }
    assert!(is_up(ours.address()));
}

#[test]
fn every_route_but_three_asks_who_you_are() {
    let ours = Ours::start();
    let routes = [
        ("GET", "/v1/alerts", 401),
        ("HEAD", "/v1/alerts", 401),
        ("POST", "/v1/alerts", 401),
        ("DELETE", "/v1/alerts", 401),
        ("GET", "/v1/alerts/1", 401),
        ("DELETE", "/v1/alerts/1", 401),
        ("DELETE", "/v1/decisions", 401),
        ("DELETE", "/v1/decisions/1", 401),
        ("GET", "/v1/heartbeat", 401),
        ("GET", "/v1/refresh_token", 401),
        ("DELETE", "/v1/watchers/self", 401),
        ("GET", "/v1/allowlists", 401),
        ("GET", "/v1/allowlists/a", 401),
        ("GET", "/v1/allowlists/check/1.2.3.4", 401),
        ("POST", "/v1/allowlists/check", 401),
        ("GET", "/v1/decisions", 403),
        ("HEAD", "/v1/decisions", 403),
        ("GET", "/v1/decisions/stream", 403),
        ("HEAD", "/v1/decisions/stream", 403),
        ("POST", "/v1/usage-metrics", 403),
    ];
    for (method, path, status) in routes {
        let answer = ask(ours.address(), method, path, &[], b"").unwrap();
        assert_eq!(answer.status, status, "{method} {path}");
    }
}
