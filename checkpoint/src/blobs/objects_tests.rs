//! Checkpoints on a real server that speaks S3, if there is one to be had: moto, a Python package.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::{CheckpointError, Depth, Layout, ManifestParts, SegmentId, SegmentWriter, Vault};

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

    fn make_bucket(&self, name: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "PUT /{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=any/20261125/us-east-1/s3/aws4_request, SignedHeaders=host, \
             Signature=any\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn store(&self, address: &str) -> Arc<dyn Blobs> {
        let settings = [
            ("aws_endpoint", format!("http://127.0.0.1:{}", self.port)),
            ("aws_allow_http", "true".into()),
            ("aws_access_key_id", "any".into()),
            ("aws_secret_access_key", "any".into()),
            ("aws_region", "us-east-1".into()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        Arc::new(ObjectBlobs::open_with(address, settings.to_vec()).unwrap())
    }
}

/// The contract of [`Blobs`], as every store keeps it.
fn keeps_the_contract(store: &dyn Blobs) {
    assert_eq!(store.list("log/").unwrap(), []);
    assert_eq!(store.get("log/a").unwrap(), None);
    assert_eq!(store.get_range("log/a", 0, 5).unwrap(), None);
    assert_eq!(
        store.put_if_absent("log/a", b"0123456789").unwrap(),
        Put::Written
    );
    assert_eq!(store.put_if_absent("log/a", b"other").unwrap(), Put::Exists);
    assert_eq!(store.get("log/a").unwrap().unwrap(), b"0123456789");
    let range = |from, n| store.get_range("log/a", from, n).unwrap().unwrap();
    assert_eq!(range(2, 3), b"234");
    assert_eq!(range(8, 1 << 40), b"89");
    assert_eq!(range(10, 1), b"");
    store.put_if_absent("log/deep/b", b"x").unwrap();
    store.put_if_absent("segments/c", b"x").unwrap();
    let names: Vec<String> = store
        .list("log/")
        .unwrap()
        .into_iter()
        .map(|listed| format!("{} {}", listed.name, listed.bytes))
        .collect();
    assert_eq!(names, ["log/a 10", "log/deep/b 1"]);
    for name in ["log/a", "log/deep/b", "segments/c", "log/absent"] {
        store.delete(name).unwrap();
    }
    assert_eq!(store.list("log/").unwrap(), []);
}

#[test]
fn every_store_keeps_the_contract() {
    keeps_the_contract(&crate::MemoryBlobs::new());
    let dir = tempfile::tempdir().unwrap();
    keeps_the_contract(&crate::LocalBlobs::open(dir.path()).unwrap());
    keeps_the_contract(&ObjectBlobs::open_with("memory:///a/b", Vec::new()).unwrap());
}

#[test]
fn checkpoints_in_s3_are_committed_fenced_found_and_collected() {
    let Some(server) = Server::start() else {
        let mut err = std::io::stderr();
        let text = "NOT RUN: checkpoints_in_s3_are_committed_fenced_found_and_collected needs \
                    moto_server (pip install 'moto[server]')\n";
        err.write_all(text.as_bytes()).unwrap();
        return;
    };
    server.make_bucket("state");
    for address in ["s3://state", "s3://state/prod/eu"] {
        keeps_the_contract(&*server.store(address));
    }
    let store = server.store("s3://state/prod");
    let vault = Vault::open(Arc::clone(&store), crate::Settings::default());
    let mut older = vault.begin_generation(0).unwrap();
    let commit = |generation: &mut crate::Generation, as_of_ns: i64, since_ns| {
        let id = SegmentId {
            generation: generation.number(),
            as_of_ns,
            process: 0,
        };
        let mut writer = SegmentWriter::new(Arc::clone(&store), id, since_ns);
        let group = u16::try_from(as_of_ns).unwrap();
        writer.add(0, group, &[b'x'; 1_000]).unwrap();
        writer.add(0, 500, &as_of_ns.to_le_bytes()).unwrap();
        let parts = ManifestParts {
            as_of_ns,
            layout: Layout {
                processes: 1,
                workers: 1,
            },
            ..ManifestParts::default()
        };
        generation.commit(parts, &[writer.finish().unwrap()])
    };
    let mut since_ns = None;
    for n in 1..=24 {
        commit(&mut older, n, since_ns).unwrap();
        since_ns = Some(n);
        older.collect(0).unwrap();
    }
    let mut newer = vault.begin_generation(0).unwrap();
    let found = newer.restore(Depth::Whole).unwrap();
    let restored = found.restored.unwrap();
    assert_eq!(restored.manifest().parts.as_of_ns, 24);
    for group in 1..=24 {
        let pieces = restored.group(0, group).unwrap();
        assert_eq!(pieces, [[b'x'; 1_000]]);
    }
    let fenced = commit(&mut older, 25, Some(24));
    assert!(matches!(fenced, Err(CheckpointError::Fenced { .. })));
    commit(&mut newer, 26, Some(24)).unwrap();
    newer.collect(0).unwrap();
    let listings = vault.list().unwrap();
    assert_eq!(listings.len(), 5, "{listings:?}");
    assert!(vault.verify(newer.next_number() - 1).unwrap().is_whole());
    // A bucket that is not there is not an empty one.
    let absent = Vault::open(server.store("s3://absent/x"), crate::Settings::default());
    assert!(absent.begin_generation(0).is_err());
}

#[test]
fn an_address_that_cannot_be_says_why() {
    let error = |address| crate::open_store(address).unwrap_err();
    assert_eq!(error("gopher://x/y").fault, Fault::Unsuitable);
    assert_eq!(error("https://example.org/x").fault, Fault::Unsuitable);
}
