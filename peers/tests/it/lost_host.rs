//! A host that falls dead without a word is noticed in time.
//!
//! Two network namespaces are two hosts. Packets are lost by an address of the link layer that
//! nobody has, so both sides see a healthy network card and nothing else. Needs root and `ip`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread::Builder;
use std::time::{Duration, Instant};

use overspill_peers::{Link, connect};

use crate::helper::{command, environment};
use crate::util::peers;

const THERE: &str = "10.213.7.1";
const HERE: &str = "10.213.7.2";

fn ip(words: &str) -> bool {
    let status = Command::new("ip")
        .args(words.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Another host, until it is dropped.
struct Host {
    name: String,
    processes: Vec<Child>,
}

impl Host {
    fn start() -> Option<Self> {
        let id = std::process::id();
        let host = Self {
            name: format!("ovp{id}"),
            processes: Vec::new(),
        };
        let name = &host.name;
        let is_up = ip(&format!("netns add {name}"))
            && ip(&format!(
                "link add ova{id} type veth peer name ovb{id} netns {name}"
            ))
            && ip(&format!("addr add {HERE}/30 dev ova{id}"))
            && ip(&format!("link set ova{id} up"))
            && ip(&format!("-n {name} addr add {THERE}/30 dev ovb{id}"))
            && ip(&format!("-n {name} link set ovb{id} up"))
            && ip(&format!("-n {name} link set lo up"));
        is_up.then_some(host)
    }

    /// From now on nothing reaches the host, and nothing comes from it.
    fn fall_dead(&self) {
        let id = std::process::id();
        let nobody = "lladdr 02:00:00:00:00:99 nud permanent";
        assert!(ip(&format!("neigh replace {THERE} {nobody} dev ova{id}")));
        let name = &self.name;
        assert!(ip(&format!(
            "-n {name} neigh replace {HERE} {nobody} dev ovb{id}"
        )));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ended = process.kill();
            let _reaped = process.wait();
        }
        ip(&format!("netns del {}", self.name));
        ip(&format!("link del ova{}", std::process::id()));
    }
}

/// A link to a process of the other host.
fn link(host: &mut Host, port: u16, lost_after: Duration) -> Link {
    let there = SocketAddr::new(THERE.parse().unwrap(), port);
    let here = SocketAddr::new(HERE.parse().unwrap(), port + 1);
    let folder = std::env::temp_dir();
    let inner = command("echo", &folder);
    let mut outer = Command::new("ip");
    outer
        .args(["netns", "exec", &host.name])
        .arg(inner.get_program())
        .args(inner.get_args())
        .envs(environment("echo", &folder, &format!("{there} {here}")))
        .stdout(Stdio::null());
    host.processes.push(outer.spawn().unwrap());
    let mut own = peers(1, &[there, here]);
    own.limits.lost_after = lost_after;
    let listener = TcpListener::bind(here).unwrap();
    let meeting = connect(listener, &own, &|_notice| (), Instant::now).unwrap();
    meeting.links.into_iter().flatten().next().unwrap()
}

#[test]
fn a_host_that_is_lost_without_a_word_is_noticed_in_time() {
    let Some(mut host) = Host::start() else {
        println!("did not run: network namespaces need root and `ip`");
        return;
    };
    let lost_after = Duration::from_secs(4);
    let silent = link(&mut host, 7422, lost_after);
    let written = link(&mut host, 7432, lost_after);
    host.fall_dead();
    let start = Instant::now();
    let lost = |mut link: Link, is_writing: bool| {
        let mut writer = link.try_clone().unwrap();
        let write = move || {
            while is_writing && writer.write_all(&[7; 100]).is_ok() {
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        let until = Builder::new().name("writer".into()).spawn(write).unwrap();
        let heard = link.read(&mut [0; 1]);
        let after = start.elapsed();
        // Whoever writes may have been told the reason; then the reader is only told of an end.
        match heard {
            Ok(n) => assert!(n == 0 && is_writing),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::TimedOut),
        }
        assert!(after < lost_after + Duration::from_secs(3), "{after:?}");
        until.join().unwrap();
        after
    };
    let (silent, written) = std::thread::scope(|scope| {
        let silent = scope.spawn(|| lost(silent, false));
        let written = lost(written, true);
        (silent.join().unwrap(), written)
    });
    println!("to be lost after {lost_after:?}: silent {silent:?}, written to {written:?}");
}
