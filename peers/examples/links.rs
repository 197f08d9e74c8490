//! Bytes a second over a link on loopback, plain and encrypted, and the CPU time they cost.
//!
//! `cargo run --release -p overspill-peers --example links`. Two processes meet as they do in a job; one thread writes,
//! another reads, in pieces of 64 KiB as the dataflow's threads do. Several runs of each, in turn.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, for people"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use overspill_peers::{
    Generation, Identity, Limits, Link, Peers, PeersSpec, Secret, Tls, TlsFiles, connect,
};
use rustix::time::{ClockId, clock_gettime};

const RUNS: usize = 7;
const BYTES: usize = 1 << 28;
const PIECE: usize = 1 << 16;

fn links(tls: Option<Arc<Tls>>) -> [Link; 2] {
    let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses: Vec<SocketAddr> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap())
        .collect();
    let mut index = 0;
    let seekers = listeners.map(|listener| {
        let peers = Peers {
            index,
            spec: PeersSpec::fixed(&addresses),
            secret: Secret::new(&[7; 32]).unwrap(),
            generation: Generation::Given(1),
            identity: Identity::default(),
            tls: tls.clone(),
            limits: Limits::DEFAULT,
        };
        index += 1;
        let meet = move || {
            let meeting = connect(listener, &peers, &|_| (), Instant::now).unwrap();
            meeting.links.into_iter().flatten().next().unwrap()
        };
        Builder::new().name("process".into()).spawn(meet).unwrap()
    });
    seekers.map(|seeker| seeker.join().unwrap())
}

/// CPU time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn run(links: [Link; 2], is_duplex: bool) -> (f64, f64) {
    let (wall, used) = (Instant::now(), cpu());
    std::thread::scope(|scope| {
        for from in 0..if is_duplex { 2 } else { 1 } {
            let mut writer = links[from].try_clone().unwrap();
            let mut reader = links[1 - from].try_clone().unwrap();
            scope.spawn(move || {
                let piece = vec![0x5a; PIECE];
                for _ in 0..BYTES / PIECE {
                    writer.write_all(&piece).unwrap();
                }
                writer.shutdown(Shutdown::Write).unwrap();
            });
            scope.spawn(move || {
                let mut buffer = vec![0; 1 << 20];
                let mut n = 0;
                loop {
                    match reader.read(&mut buffer).unwrap() {
                        0 => break,
                        more => n += more,
                    }
                }
                assert_eq!(n, BYTES);
            });
        }
    });
    let n_bytes = (BYTES * if is_duplex { 2 } else { 1 }) as f64;
    let gb_per_s = n_bytes / wall.elapsed().as_secs_f64() / 1e9;
    let ns_per_byte = (cpu() - used).as_secs_f64() * 1e9 / n_bytes;
    (gb_per_s, ns_per_byte)
}

fn median(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [
        values[0],
        values[values.len() / 2],
        values[values.len() - 1],
    ]
}

fn main() {
    let certs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs");
    let files = TlsFiles {
        cert: certs.join("peer.pem"),
        key: certs.join("peer.key"),
        ca: certs.join("ca.pem"),
        name: None,
    };
    let tls = Arc::new(files.load().unwrap());
    for is_duplex in [false, true] {
        let mut results = [const { (Vec::new(), Vec::new()) }; 2];
        for _ in 0..RUNS {
            for (place, tls) in [None, Some(Arc::clone(&tls))].into_iter().enumerate() {
                let (gb_per_s, ns_per_byte) = run(links(tls), is_duplex);
                results[place].0.push(gb_per_s);
                results[place].1.push(ns_per_byte);
            }
        }
        for (name, (speed, cost)) in ["plain", "TLS 1.3"].iter().zip(results) {
            let way = if is_duplex { "both ways" } else { "one way" };
            let [low, mid, high] = median(speed);
            let [_, ns, _] = median(cost);
            println!(
                "{name:8} {way:9} {mid:.2} GB/s ({low:.2} to {high:.2}), {ns:.2} ns CPU a byte"
            );
        }
    }
    let start = Instant::now();
    for _ in 0..20 {
        links(None);
    }
    let plain = start.elapsed() / 20;
    let start = Instant::now();
    for _ in 0..20 {
        links(Some(Arc::clone(&tls)));
    }
    println!(
        "two processes meet in {plain:?}, with TLS in {:?}",
        start.elapsed() / 20
    );
}
