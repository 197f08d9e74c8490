//! One job over several processes of this machine: `--processes N`.
//!
//! ```text
//!  parent (process 0)                          child i (the same program, --child i)
//!    listens on loopback                         listens on loopback
//!    spawns children           <- "port P\n" -   says where
//!    - "secret addr0 addr1 ...\n" ->             learns the peers
//!    connect (greeting with the secret)          connect
//!    ... the job runs ...                        ... the job runs ...
//!    - "stop\n", when interrupted ->             ends early; at the end of the pipe, at once
//!    adds the counters         <- "{json}\n" -   says its counters, exits
//! ```

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use overspill_connectors::Account;
use overspill_dataflow::{Socket, Stats};
use overspill_peers::{
    Generation, Identity, Limits, PROCESSES_MAX, Peers, PeersSpec, Secret, connect,
};

use crate::cli::args::ReplayArgs;
use crate::link::sockets;

/// How long processes may take to load their content and find each other.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a parent says when the job is to end early.
const STOP: &str = "stop";

/// What this process is in the job.
pub enum Role {
    /// The only one.
    Alone,
    /// The first, which started the others.
    Parent {
        /// Sockets to the others.
        sockets: Vec<Option<Box<dyn Socket>>>,
        /// The others.
        children: Vec<Worker>,
    },
    /// One of the others.
    Child {
        /// Which.
        index: usize,
        /// Sockets to the others.
        sockets: Vec<Option<Box<dyn Socket>>>,
    },
}

/// What a child says when it is done.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Counted {
    /// Counters of its workers.
    pub stats: Stats,
    /// What became of its inputs.
    pub input: Account,
}

/// The processes of a job.
pub struct Cluster {
    /// What this one is.
    pub role: Role,
}

/// A process that the parent started.
#[derive(Debug)]
pub struct Worker {
    index: usize,
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Cluster {
    /// Starts or joins the processes that the flags ask for.
    ///
    /// # Errors
    /// When processes cannot be started or do not come together.
    pub fn form(args: &ReplayArgs) -> Result<Self> {
        let role = match (args.child, args.processes) {
            (Some(index), _) => child(index)?,
            (None, 0 | 1) => Role::Alone,
            (None, n) if n > PROCESSES_MAX => bail!("at most {PROCESSES_MAX} processes"),
            (None, n) => parent(n)?,
        };
        Ok(Self { role })
    }
}

fn parent(n: usize) -> Result<Role> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen on loopback")?;
    let program = std::env::current_exe().context("find our own program")?;
    let mut children = Vec::new();
    for index in 1..n {
        let mut child = Command::new(&program)
            .args(std::env::args_os().skip(1))
            .arg("--child")
            .arg(index.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start process {index}"))?;
        let output = child.stdout.take().context("output of a process")?;
        children.push(Worker {
            index,
            child,
            output: BufReader::new(output),
        });
    }
    let mut addresses = vec![listener.local_addr()?];
    for child in &mut children {
        let mut line = String::new();
        child.output.read_line(&mut line)?;
        let port = line
            .trim()
            .strip_prefix("port ")
            .and_then(|port| port.parse::<u16>().ok());
        let Some(port) = port else {
            bail!("process {} did not start", child.index)
        };
        addresses.push(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let secret = Secret::random()?;
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let digits = String::from_utf8_lossy(secret.reveal());
    let line = format!("{digits} {}\n", words.join(" "));
    for child in &mut children {
        let input = child.child.stdin.as_mut().context("input of a process")?;
        input
            .write_all(line.as_bytes())
            .context("tell a process its peers")?;
    }
    let sockets = meet(0, &addresses, secret, listener)?;
    Ok(Role::Parent { sockets, children })
}

/// Connects the processes. They are of one program and were given the same arguments, at the same
/// time: there is nothing to compare.
fn meet(
    index: usize,
    addresses: &[SocketAddr],
    secret: Secret,
    listener: TcpListener,
) -> Result<Vec<Option<Box<dyn Socket>>>> {
    let peers = Peers {
        index,
        spec: PeersSpec::fixed(addresses),
        secret,
        generation: Generation::Given(1),
        identity: Identity::default(),
        tls: None,
        limits: Limits {
            patience: Some(PATIENCE),
            ..Limits::DEFAULT
        },
    };
    let meeting = connect(listener, &peers, &|_notice| (), now)?;
    Ok(sockets(meeting).0)
}

fn child(index: usize) -> Result<Role> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen on loopback")?;
    crate::cli::print(&format!("port {}\n", listener.local_addr()?.port()))?;
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("hear from the parent")?;
    let mut words = line.split_whitespace();
    let secret = words
        .next()
        .context("the parent's secret")
        .and_then(|word| Ok(Secret::new(word.as_bytes())?))?;
    let addresses: Vec<SocketAddr> = words
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("the parent's addresses")?;
    if index == 0 || index >= addresses.len() {
        bail!("--child is for processes that overspill itself starts");
    }
    let sockets = meet(index, &addresses, secret, listener)?;
    Ok(Role::Child { index, sockets })
}

fn now() -> Instant {
    Instant::now()
}

/// Obeys the parent while the job runs: `stop` is set when it says so, and the process ends when
/// the parent is gone.
///
/// # Errors
/// When the thread cannot be started.
pub fn obey(stop: Arc<AtomicBool>) -> Result<()> {
    std::thread::Builder::new()
        .name("parent".into())
        .spawn(move || {
            let mut line = String::new();
            while std::io::stdin().read_line(&mut line).is_ok_and(|n| n > 0) {
                if line.trim() == STOP {
                    stop.store(true, Ordering::Relaxed);
                }
                line.clear();
            }
            #[expect(
                clippy::exit,
                reason = "nobody is left to take a result, or to wait for one"
            )]
            std::process::exit(1);
        })
        .context("listen to the parent")?;
    Ok(())
}

impl Worker {
    /// Tells the process to end early.
    pub fn stop(&mut self) {
        if let Some(input) = &mut self.child.stdin {
            // It fails when the process is gone, which `finish` reports.
            let _gone = input.write_all(format!("{STOP}\n").as_bytes());
        }
    }

    /// Waits for the process and reads its counters.
    ///
    /// # Errors
    /// When it failed.
    pub fn finish(&mut self) -> Result<Counted> {
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("process {} ended with {status}", self.index);
        }
        serde_json::from_str(text.trim())
            .with_context(|| format!("counters of process {}", self.index))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Does nothing to a process that has ended; one that has not must not outlive the job.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
