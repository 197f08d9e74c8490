//! The job as a process: started in some layout, killed, frozen, looked at.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::plan::Layout;

/// How far out of order lines may be, and how far an idle partition stays behind the clock.
pub(crate) const LATENESS: &str = "2s";
pub(crate) const IDLE_MS: i64 = 2_000;

/// A program that is killed when we are, if the system has a means for that.
pub(crate) fn bound_to_us(program: impl AsRef<Path>) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return Command::new(program.as_ref());
    }
    let mut command = Command::new(setpriv);
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program.as_ref());
    command
}

/// What a job is started with, whatever its layout.
#[derive(Debug, Clone)]
pub(crate) struct Launcher {
    pub(crate) program: PathBuf,
    pub(crate) acquis: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) alerts: PathBuf,
    /// What the job says is appended here.
    pub(crate) log: PathBuf,
    /// Whether `run` knows several processes.
    pub(crate) has_processes: bool,
    /// Variables that give it a clock of its own.
    pub(crate) clock: Vec<(String, String)>,
}

impl Launcher {
    /// The command line of a layout.
    fn arguments(&self, layout: Layout) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let mut arguments: Vec<String> = [
            "run",
            "--acquis",
            &path(&self.acquis),
            "--state",
            &path(&self.state),
            "--alerts",
            &path(&self.alerts),
            "--checkpoint-every",
            "300ms",
            "--lateness",
            LATENESS,
            "--idle",
            &format!("{IDLE_MS}ms"),
            "--node",
            "chaos",
            "--workers",
            &layout.workers.to_string(),
        ]
        .map(str::to_owned)
        .into();
        if self.has_processes && layout.processes > 1 {
            arguments.extend(["--processes".to_owned(), layout.processes.to_string()]);
        }
        arguments
    }

    pub(crate) fn start(&self, layout: Layout) -> Result<Job> {
        let mut log = File::options().create(true).append(true).open(&self.log)?;
        writeln!(log, "---- started as {layout}")?;
        let size_before = size(&self.alerts);
        let child = bound_to_us(&self.program)
            .args(self.arguments(layout))
            .envs(self.clock.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("start the job")?;
        Ok(Job {
            child,
            started: Instant::now(),
            size_before,
            first_alert_ms: None,
        })
    }

    /// The end of what the job said.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.len().saturating_sub(30);
        lines.get(tail..).unwrap_or_default().join("\n")
    }
}

pub(crate) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Whether `run` of this program knows several processes.
pub(crate) fn knows_processes(program: &Path) -> bool {
    let output = Command::new(program).args(["run", "--help"]).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("--processes"))
}

/// A running job. Does not outlive the driver.
#[derive(Debug)]
pub(crate) struct Job {
    child: Child,
    started: Instant,
    size_before: u64,
    /// From the start to the first alert that was written.
    pub(crate) first_alert_ms: Option<u64>,
}

impl Job {
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&self) -> Result<()> {
        self.signal("TERM")
    }

    /// Stops it and its children where they are, or lets them go on.
    pub(crate) fn freeze(&self, is_frozen: bool) -> Result<()> {
        let name = if is_frozen { "STOP" } else { "CONT" };
        for child in self.children() {
            // It may have ended by itself.
            let _gone = signal(child, name);
        }
        self.signal(name)
    }

    fn signal(&self, name: &str) -> Result<()> {
        if !signal(self.child.id(), name)? {
            bail!("the job cannot be sent {name}");
        }
        Ok(())
    }

    /// Its end, if it has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Notes when the file of alerts grows.
    pub(crate) fn see_alerts(&mut self, alerts: &Path) {
        if self.first_alert_ms.is_none() && size(alerts) > self.size_before {
            self.first_alert_ms = Some(self.started.elapsed().as_millis() as u64);
        }
    }

    /// Its number, and those of its children.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let mut pids = self.children();
        pids.push(self.child.id());
        pids
    }

    /// Processes of which it is the parent, by number.
    pub(crate) fn children(&self) -> Vec<u32> {
        children_of(self.child.id())
    }

    /// Kills one of its processes. Answers whether there was one.
    pub(crate) fn kill_child(&self, at: u64) -> Result<bool> {
        let children = self.children();
        if children.is_empty() {
            return Ok(false);
        }
        let child = children[at as usize % children.len()];
        signal(child, "KILL")
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // It has mostly ended by then.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Sends a signal; answers whether there was anybody to take it.
pub(crate) fn signal(pid: u32, name: &str) -> Result<bool> {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .context("run kill")?;
    Ok(status.success())
}

/// Processes of which one is the parent, by number.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // The name of the program stands in brackets and may hold anything.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let of = after.split_whitespace().nth(1);
        if of.and_then(|of| of.parse().ok()) == Some(parent) {
            children.push(pid);
        }
    }
    children.sort_unstable();
    children
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_of_one_process_has_no_flag_for_it() {
        let mut launcher = Launcher {
            program: PathBuf::new(),
            acquis: PathBuf::new(),
            state: PathBuf::new(),
            alerts: PathBuf::new(),
            log: PathBuf::new(),
            has_processes: true,
            clock: Vec::new(),
        };
        let line = |launcher: &Launcher, processes| {
            let workers = 4;
            launcher.arguments(Layout { processes, workers }).join(" ")
        };
        assert!(line(&launcher, 2).ends_with("--workers 4 --processes 2"));
        assert!(line(&launcher, 1).ends_with("--workers 4"));
        launcher.has_processes = false;
        assert!(line(&launcher, 2).ends_with("--workers 4"));
    }

    #[test]
    fn children_are_found_by_their_parent() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children_of(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children_of(std::process::id()).contains(&child.id()));
    }
}
