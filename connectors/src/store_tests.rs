//! Objects of a real server that speaks S3, if there is one to be had: moto, a Python package.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use overspill_event::{LineBatch, Origin};

use super::*;
use crate::archive::{ArchiveFile, Shape};
use crate::ledger::Ledger;
use crate::open::{AHEAD_BYTES_MAX, Options, open_blob};
use crate::rows::choose::Wanted;
use crate::source::Step;
use crate::window::{TimeUnit, Window};

/// A server, until it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Server {
    fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let child = Command::new("moto_server")
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self { child, port };
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        None
    }

    /// Stores an object, or makes a bucket of an empty path's name.
    fn put(&self, path: &str, body: &[u8]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "PUT /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=any/20261125/us-east-1/s3/aws4_request, SignedHeaders=host, \
             Signature=any\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }

    fn settings(&self) -> Settings {
        [
            ("aws_endpoint", format!("http://127.0.0.1:{}", self.port)),
            ("aws_allow_http", "true".into()),
            ("aws_access_key_id", "any".into()),
            ("aws_secret_access_key", "any".into()),
            ("aws_region", "us-east-1".into()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

fn parquet(n_rows: u64) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let shape = Shape {
        labels: Vec::new(),
        message_only: false,
        is_binary: false,
        level: 3,
        row_group_rows: 1_000,
    };
    let mut file = ArchiveFile::create(path.clone(), "a", shape).unwrap();
    for row in 0..n_rows {
        file.push(Some(0), format!("row {row}").as_bytes(), row)
            .unwrap();
    }
    file.finish().unwrap().publish(false).unwrap();
    std::fs::read(path).unwrap()
}

fn lines(address: &str, object: Object) -> (Vec<String>, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::default());
    let options = Options {
        wanted: Wanted::default(),
        window: Window::default(),
        unit: TimeUnit::Auto,
        line_bytes_max: 1_000,
        threads: 2,
        ahead_bytes_max: AHEAD_BYTES_MAX,
        ledger: Arc::clone(&ledger),
    };
    let origin = Origin {
        src: address.to_owned(),
        ..Origin::default()
    };
    let mut source = open_blob(origin, Arc::new(object), options).unwrap();
    let mut lines = Vec::new();
    loop {
        let mut batch = LineBatch::default();
        let step = source.read(&mut batch).unwrap();
        let text = |line| String::from_utf8_lossy(batch.bytes(line)).into_owned();
        lines.extend(batch.lines.iter().map(text));
        if step == Step::End {
            return (lines, ledger);
        }
    }
}

#[test]
fn objects_of_s3_are_found_and_read() {
    let Some(server) = Server::start() else {
        let mut err = io::stderr();
        let text = "NOT RUN: objects_of_s3_are_found_and_read needs moto_server (pip install \
                    'moto[server]')\n";
        err.write_all(text.as_bytes()).unwrap();
        return;
    };
    server.put("logs", b"");
    server.put("logs/day=1/a.parquet", &parquet(5_000));
    server.put("logs/day=1/b.log", b"one\ntwo\n");
    server.put("logs/day=2/c.log", b"three\n");
    server.put("logs/day=2/.hidden", b"x\n");
    let find = |name: &str| find_with(name, server.settings());
    let names = |name: &str| -> Vec<String> {
        find(name)
            .unwrap()
            .into_iter()
            .map(|(address, _)| address)
            .collect()
    };
    let all = [
        "s3://logs/day=1/a.parquet",
        "s3://logs/day=1/b.log",
        "s3://logs/day=2/c.log",
    ];
    assert_eq!(names("s3://logs/"), all);
    assert_eq!(names("s3://logs"), all);
    assert_eq!(names("s3://logs/day=1"), all[..2]);
    assert_eq!(names("s3://logs/day=1/b.log"), all[1..2]);
    assert_eq!(names("s3://logs/*/*.log"), all[1..]);
    assert!(
        find("s3://logs/day=3/")
            .unwrap_err()
            .to_string()
            .contains("no object there")
    );
    assert!(find("s3://absent/x").is_err());
    for (address, object) in find("s3://logs/").unwrap() {
        let (lines, ledger) = lines(&address, object);
        let expected = match address.rsplit('/').next() {
            Some("a.parquet") => (0..5_000).map(|row| format!("row {row}")).collect(),
            Some("b.log") => vec!["one".to_owned(), "two".to_owned()],
            _ => vec!["three".to_owned()],
        };
        assert!(lines == expected, "{address}: {} lines", lines.len());
        assert_eq!(ledger.account().dead_letters, []);
    }
    // An object that is another one meanwhile is not read.
    let (address, object) = find("s3://logs/day=1/a.parquet").unwrap().remove(0);
    server.put("logs/day=1/a.parquet", &parquet(5_001));
    assert!(object.read(0, 4).is_err(), "{address}");
}

#[test]
fn an_address_that_cannot_be_says_why() {
    let error = |name: &str| find_with(name, Settings::new()).unwrap_err().to_string();
    assert!(error("gopher://x/y").starts_with("gopher://x/y: "));
    assert!(error("memory:///nothing").contains("no object there"));
}
