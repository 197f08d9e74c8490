//! Whatever some clients do, the others are answered.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use overspill_telemetry::request::HEAD_BYTES_MAX;
use overspill_telemetry::{Answer, Counts, Server, ServerLimits, Site};

/// Longest wait for something that has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than what a socket buffers, so that somebody who does not read is seen.
const LARGE: usize = 16 << 20;

struct Pages;

impl Site for Pages {
    fn answer(&self, path: &str) -> Option<Answer> {
        match path {
            "/small" => Some(Answer::text(200, "small")),
            "/broken" => Some(Answer::text(503, "broken")),
            "/large" => Some(Answer::text(200, &"x".repeat(LARGE))),
            _ => None,
        }
    }
}

struct Served {
    server: Server,
    counts: Arc<Counts>,
}

fn serve(limits: ServerLimits) -> Served {
    let counts = Arc::new(Counts::default());
    let server = Server::start("127.0.0.1:0", limits, &counts, Arc::new(Pages)).unwrap();
    Served { server, counts }
}

/// Limits of which nothing is reached by accident.
fn patient() -> ServerLimits {
    ServerLimits {
        connections_max: 32,
        deadline: PATIENCE,
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// What comes until the other side closes. One that is cut off may be told so by an error.
fn rest(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _cut_off = socket.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut socket = connect(address);
    socket.write_all(request.as_bytes()).unwrap();
    rest(&mut socket)
}

fn get(served: &Served, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
    ask(served.server.address(), &request)
}

fn is_served(served: &Served) -> bool {
    get(served, "/small").ends_with("\r\n\r\nsmall\n")
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_there() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn each_request_has_its_status() {
    let served = serve(patient());
    let address = served.server.address();
    for (request, status) in [
        ("GET /small HTTP/1.1\r\n\r\n", "200 OK"),
        ("GET /small?x=1 HTTP/1.0\r\n\r\n", "200 OK"),
        ("GET /broken HTTP/1.1\r\n\r\n", "503 Service Unavailable"),
        ("GET /nothing HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /../small HTTP/1.1\r\n\r\n", "404 Not Found"),
        (
            "POST /small HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            "405 Method Not Allowed",
        ),
        ("GET small HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("\u{16}\u{3}\u{1}\u{2}", "400 Bad Request"),
    ] {
        let answer = ask(address, request);
        let head = format!("HTTP/1.1 {status}\r\n");
        assert!(answer.starts_with(&head), "{request:?}: {answer}");
    }
    let whole = ask(address, "GET /small HTTP/1.1\r\n\r\n");
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "small\n");
    assert!(
        head.contains("Content-Length: 6") && head.contains("Connection: close"),
        "{head}"
    );
    let head_only = ask(address, "HEAD /small HTTP/1.1\r\n\r\n");
    assert!(head_only.contains("Content-Length: 6") && head_only.ends_with("\r\n\r\n"));
    assert_eq!((served.counts.requests(), served.counts.refused()), (8, 2));
}

#[test]
fn a_large_answer_comes_whole_and_a_client_that_has_finished_sending_is_answered() {
    let served = serve(patient());
    let answer = get(&served, "/large");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), LARGE + 1);
    let mut socket = connect(served.server.address());
    socket.write_all(b"GET /small HTTP/1.1\r\n\r\n").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert!(rest(&mut socket).ends_with("small\n"));
}

#[test]
fn a_head_without_end_is_refused_at_its_limit() {
    let served = serve(patient());
    let mut socket = connect(served.server.address());
    let head = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(HEAD_BYTES_MAX));
    socket.write_all(head.as_bytes()).unwrap();
    assert!(rest(&mut socket).starts_with("HTTP/1.1 431 "));
    assert_eq!(served.counts.refused(), 1);
}

#[test]
fn who_asks_a_byte_at_a_time_is_cut_off_at_the_deadline() {
    let limits = ServerLimits {
        deadline: Duration::from_millis(100),
        ..patient()
    };
    let served = serve(limits);
    let mut socket = connect(served.server.address());
    let until = Instant::now() + PATIENCE;
    // It never ends its line.
    while socket.write_all(b"G").is_ok() {
        assert!(Instant::now() < until, "it is still heard");
        std::thread::sleep(Duration::from_millis(10));
        if served.counts.slow() + served.counts.refused() > 0 {
            break;
        }
    }
    let mut silent = connect(served.server.address());
    assert_eq!(rest(&mut silent), "");
    assert!(served.counts.slow() >= 1);
    wait_for("an answer", || is_served(&served));
}

#[test]
fn who_does_not_read_holds_nobody_up_and_is_cut_off() {
    let limits = ServerLimits {
        deadline: Duration::from_secs(1),
        ..patient()
    };
    let served = serve(limits);
    let mut lazy = connect(served.server.address());
    lazy.write_all(b"GET /large HTTP/1.1\r\n\r\n").unwrap();
    wait_for("its request", || served.counts.requests() == 1);
    assert!(is_served(&served));
    wait_for("its end", || served.counts.slow() == 1);
    assert!(rest(&mut lazy).len() < LARGE);
}

#[test]
fn a_crowd_that_says_nothing_keeps_nobody_out() {
    let limits = ServerLimits {
        connections_max: 4,
        ..patient()
    };
    let served = serve(limits);
    let mut crowd: Vec<TcpStream> = (0..50).map(|_| connect(served.server.address())).collect();
    // Each who says nothing makes way for the next.
    wait_for("the crowd", || served.counts.crowded() >= 46);
    assert!(is_served(&served));
    assert_eq!(rest(&mut crowd[0]), "");
    assert_eq!(served.counts.slow(), 0);
}

#[test]
fn a_flood_of_bytes_after_the_request_is_cut_off() {
    let served = serve(patient());
    let mut socket = connect(served.server.address());
    socket.write_all(b"GET /small HTTP/1.1\r\n\r\n").unwrap();
    let chunk = vec![b'x'; 64 << 10];
    let until = Instant::now() + PATIENCE;
    while socket.write_all(&chunk).is_ok() {
        assert!(Instant::now() < until, "it is still heard");
    }
    assert!(is_served(&served));
}

#[test]
fn an_address_that_is_taken_is_told_with_its_name_and_freed_by_the_end() {
    let served = serve(patient());
    let address = served.server.address().to_string();
    let counts = Arc::new(Counts::default());
    let again = || Server::start(&address, patient(), &counts, Arc::new(Pages));
    let error = again().unwrap_err();
    assert_eq!(error.to_string(), format!("listen on {address}"));
    drop(served);
    wait_for("the address", || again().is_ok());
}
