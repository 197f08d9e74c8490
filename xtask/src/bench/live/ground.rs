//! What a live measure stands on: a directory, a broker, content, and jobs that are started on them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::super::case::release;
use super::super::flood::make;
use super::alerts::Follower;
use crate::chaos::broker::Broker;
use crate::chaos::feed::now_ms;
use crate::chaos::job::{bound_to_us, children_of, signal};
use crate::chaos::wire::Topic;
use crate::command::{root, target_dir};

/// Longest wait for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// How often something is looked at that comes soon.
pub(super) const LOOK: Duration = Duration::from_micros(300);
/// Most bytes and records of one request to the broker.
const REQUEST_BYTES: usize = 500_000;
const REQUEST_LINES: usize = 4_000;

/// Scenarios beside the library's: each probe is an alert, and a bucket of a key lives for hours.
const PROBES: &str = "type: trigger
name: bench/probes
description: \"Each is an alert\"
filter: \"evt.Meta.log_type == 'http_access-log' && evt.Parsed.request startsWith '/probe'\"
groupby: evt.Meta.source_ip
labels:
  remediation: true
---
type: leaky
name: bench/keys
description: \"Buckets that live for hours\"
filter: \"evt.Meta.log_type == 'http_access-log' && evt.Parsed.request startsWith '/key'\"
groupby: evt.Meta.source_ip
capacity: 20000
leakspeed: 10s
cache_size: 1
labels:
  remediation: true
";
/// What content has more of after a reload.
pub(super) const NEW_PROBES: &str = "type: trigger
name: bench/new-probes
description: \"Each is an alert\"
filter: \"evt.Meta.log_type == 'http_access-log' && evt.Parsed.request startsWith '/new-probe'\"
groupby: evt.Meta.source_ip
labels:
  remediation: true
";

/// Where everything of a run is.
pub(super) struct Ground {
    pub(super) dir: PathBuf,
    broker: Broker,
    n_topics: usize,
}

impl Ground {
    /// Starts the broker in an empty directory.
    pub(super) fn new() -> Result<Self> {
        let dir = target_dir().join("bench-live");
        let _there = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        let broker = Broker::start(&dir.join("broker"))?;
        Ok(Self {
            dir,
            broker,
            n_topics: 0,
        })
    }

    /// A log of the generator.
    pub(super) fn log(&self, lines: u64) -> Result<PathBuf> {
        make(&self.dir, &["nginx"], lines)
    }

    /// The library with scenarios of ours, in a directory of its own.
    pub(super) fn content(&self, name: &str) -> Result<PathBuf> {
        let hub = self.dir.join(name);
        copy(&root().join("scenarios/library"), &hub)?;
        add_scenarios(&hub, "probes", PROBES)?;
        Ok(hub)
    }

    /// A topic without records: its name, and its partitions.
    pub(super) fn topic(&mut self, n_partitions: usize) -> Result<(String, Vec<Topic>)> {
        self.n_topics += 1;
        let name = format!("lines-{}", self.n_topics);
        self.broker.create_topics(&[(name.clone(), n_partitions)])?;
        let partition = |at| Topic::new(self.broker.door(), &name, at as i32);
        let partitions = (0..n_partitions).map(partition).collect();
        Ok((name, partitions))
    }

    /// What a job is told of a topic.
    pub(super) fn acquis(&self, topic: &str) -> String {
        format!(
            "source: kafka\nname: {topic}\nbrokers: ['{}']\ntopic: {topic}\nstart: oldest\n\
             labels: {{ type: nginx }}\n",
            self.broker.door()
        )
    }

    /// Starts a job; `words` come after those that all have.
    pub(super) fn start(
        &self,
        name: &str,
        acquis: &str,
        hub: &Path,
        words: &[&str],
    ) -> Result<Job> {
        let dir = self.dir.join(name);
        let _there = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("acquis.yaml"), acquis)?;
        // The ports after it are those of further processes.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let alerts = dir.join("alerts.jsonl");
        let child = bound_to_us(release("overspill"))
            .arg("run")
            .arg("--acquis")
            .arg(dir.join("acquis.yaml"))
            .arg("--hub")
            .arg(hub)
            .arg("--all")
            .arg("--state")
            .arg(dir.join("state"))
            .arg("--alerts")
            .arg(&alerts)
            .args(["--node", "bench", "--listen"])
            .arg(format!("127.0.0.1:{port}"))
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(dir.join("job.log"))?)
            .spawn()
            .context("start the job")?;
        Ok(Job {
            child,
            port,
            log: dir.join("job.log"),
            alerts: Follower::new(alerts),
            began: Instant::now(),
        })
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _stopped = self.broker.kill();
        let _left = fs::remove_dir_all(&self.dir);
    }
}

/// Puts scenarios into content.
pub(super) fn add_scenarios(hub: &Path, name: &str, text: &str) -> Result<()> {
    let dir = hub.join("scenarios/bench");
    fs::create_dir_all(&dir)?;
    let path = dir.join(name).with_extension("yaml");
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Appends lines to a partition, as many to a request as one may hold.
pub(super) fn fill(topic: &mut Topic, lines: impl Iterator<Item = String>) -> Result<()> {
    let mut batch = Vec::new();
    let mut n_bytes = 0;
    for line in lines {
        n_bytes += line.len();
        batch.push(line);
        if n_bytes >= REQUEST_BYTES || batch.len() >= REQUEST_LINES {
            append(topic, &batch)?;
            batch.clear();
            n_bytes = 0;
        }
    }
    append(topic, &batch)
}

/// Appends lines that belong to one request. The broker does not fail here.
pub(super) fn append(topic: &mut Topic, lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let until = Instant::now() + PATIENCE;
    while !topic.append(lines, now_ms(), || Instant::now() > until)? {}
    Ok(())
}

/// A running job. It does not outlive this program.
pub(super) struct Job {
    child: Child,
    port: u16,
    log: PathBuf,
    /// Its alerts, as they come.
    pub(super) alerts: Follower,
    pub(super) began: Instant,
}

impl Job {
    /// Its processes: those of its supervisor, if it has one.
    pub(super) fn pids(&self) -> Vec<u32> {
        let children = children_of(self.child.id());
        if children.is_empty() {
            return vec![self.child.id()];
        }
        children
    }

    /// Waits until each of its processes is ready.
    pub(super) fn wait_ready(&mut self, n_processes: u16) -> Result<()> {
        let ports = self.port..self.port + n_processes;
        let is_ready = |port: u16| get(port, "/readyz").is_ok_and(|(status, _)| status == 200);
        self.wait("ready", Duration::from_millis(20), |_| {
            Ok(ports.clone().all(is_ready))
        })
    }

    /// Waits for something; what comes of alerts meanwhile is seen.
    pub(super) fn wait(
        &mut self,
        what: &str,
        pause: Duration,
        mut is_so: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.alerts.look()?;
            if is_so(self)? {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the job ended ({status}): {}", self.said());
            }
            if Instant::now() > until {
                bail!(
                    "the job does not become so: {what}; it said {}",
                    self.said()
                );
            }
            std::thread::sleep(pause);
        }
    }

    /// Waits for an alert about an address.
    pub(super) fn wait_for_alert(&mut self, address: &str) -> Result<Instant> {
        let mut seen = None;
        let mut from = 0;
        let quoted = format!("\"{address}\"");
        self.wait("alert of the last line", LOOK, |job| {
            seen = job.alerts.find(from, &quoted);
            from = job.alerts.seen.len();
            Ok(seen.is_some())
        })?;
        seen.context("no alert")
    }

    /// Looks at alerts for a time.
    pub(super) fn watch(&mut self, span: Duration) -> Result<()> {
        let until = Instant::now() + span;
        self.wait("time has passed", LOOK, |_| Ok(Instant::now() > until))
    }

    /// User and system time of its processes.
    pub(super) fn cpu(&self) -> Duration {
        self.pids().into_iter().map(cpu_of).sum()
    }

    /// Resident memory of its processes, in bytes.
    pub(super) fn resident(&self) -> u64 {
        self.pids().into_iter().map(resident_of).sum()
    }

    /// A metric, its series and its processes summed up.
    pub(super) fn metric(&self, n_processes: u16, name: &str) -> Result<f64> {
        let mut sum = 0.0;
        for port in self.port..self.port + n_processes {
            sum += summed(&get(port, "/metrics")?.1, name);
        }
        Ok(sum)
    }

    /// Steps of the workers of its first process: how many took at most so many seconds of CPU time.
    pub(super) fn steps(&self) -> Result<Steps> {
        Ok(Steps::of(&get(self.port, "/metrics")?.1))
    }

    /// Sends a signal to one of its processes.
    pub(super) fn signal(&self, pid: u32, name: &str) -> Result<()> {
        if !signal(pid, name)? {
            bail!("process {pid} cannot be sent {name}");
        }
        Ok(())
    }

    /// The end of what it said.
    fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join(" | ")
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Ticks of a hundredth of a second, as the kernel shows them to everybody.
fn cpu_of(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    Duration::from_millis(cpu_ticks(&stat).unwrap_or(0) * 10)
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name of the program stands in brackets and may hold anything.
    let (_, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn resident_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    resident_bytes(&status).unwrap_or(0)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// All series of a metric, summed up.
fn summed(page: &str, name: &str) -> f64 {
    let of_it = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    let values = page.lines().filter(of_it);
    values
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// How many steps took at most so many seconds, ascending.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Steps(Vec<(f64, f64)>);

impl Steps {
    fn of(page: &str) -> Self {
        let range = |line: &str| {
            let rest = line.strip_prefix("overspill_worker_step_seconds_bucket{le=\"")?;
            let (end, n) = rest.split_once("\"} ")?;
            let end = if end == "+Inf" {
                f64::INFINITY
            } else {
                end.parse().ok()?
            };
            Some((end, n.parse().ok()?))
        };
        Self(page.lines().filter_map(range).collect())
    }

    /// What the longest step since `before` took at most, in seconds.
    pub(super) fn longest_since(&self, before: &Self) -> Option<f64> {
        let since = self.since(before);
        let all = since.last()?.1;
        since.iter().find(|(_, n)| *n == all).map(|(end, _)| *end)
    }

    /// How many steps since `before` took longer than so many seconds, which are an end of a range.
    pub(super) fn longer_since(&self, before: &Self, secs: f64) -> Option<f64> {
        let since = self.since(before);
        let upto = since.iter().find(|(end, _)| *end >= secs)?.1;
        Some(since.last()?.1 - upto)
    }

    fn since(&self, before: &Self) -> Vec<(f64, f64)> {
        let both = self.0.iter().zip(&before.0);
        both.map(|((end, now), (_, then))| (*end, now - then))
            .collect()
    }
}

/// Status and body of an answer.
fn get(port: u16, path: &str) -> Result<(u16, String)> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status.context("no answer of HTTP")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_a_metric_are_summed_up_and_others_are_not() {
        let page =
            "# HELP lines Lines.\nlines{a=\"x y\"} 3\nlines{a=\"z\"} 4\nlines_read 9\nlive 2.5\n";
        assert!((summed(page, "lines") - 7.0).abs() < 1e-9);
        assert!((summed(page, "live") - 2.5).abs() < 1e-9);
        assert!(summed(page, "none").abs() < 1e-9);
    }

    #[test]
    fn the_longest_step_is_that_of_the_span() {
        let page = |counts: [u32; 4]| {
            let ends = ["0.001", "0.02", "0.1", "+Inf"];
            let lines = ends.iter().zip(counts);
            let line = |(end, n): (&&str, u32)| {
                format!("overspill_worker_step_seconds_bucket{{le=\"{end}\"}} {n}\n")
            };
            Steps::of(&lines.map(line).collect::<String>())
        };
        // One was long before, and in the span one took between 1 and 20 ms.
        let (before, after) = (page([10, 12, 12, 13]), page([30, 33, 33, 34]));
        assert_eq!(after.longest_since(&before), Some(0.02));
        assert_eq!(after.longer_since(&before, 0.02), Some(0.0));
        assert_eq!(after.longer_since(&before, 0.001), Some(1.0));
        assert_eq!(page([0; 4]).longest_since(&page([0; 4])), Some(0.001));
    }

    #[test]
    fn time_and_memory_are_those_of_proc() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 120 30 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(150));
        assert_eq!(cpu_ticks("7 (x"), None);
        let status = "Name:\tx\nVmRSS:\t  2048 kB\n";
        assert_eq!(resident_bytes(status), Some(2 << 20));
        assert!(resident_of(std::process::id()) > 0);
    }
}
