//! The job as a process: started in some layout, killed, frozen, looked at.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::fault::Layout;

/// How far out of order lines may be, and how far an idle partition stays behind the clock.
pub(crate) const LATENESS: &str = "2s";
pub(crate) const IDLE_MS: i64 = 2_000;

/// How what a job says begins.
const STARTED: &str = "---- started";

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
    /// What is read; where there are machines, by each of them.
    pub(crate) acquis: Vec<PathBuf>,
    /// Hub that runs.
    pub(crate) hub: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) alerts: PathBuf,
    /// What the job says is appended here, after [`STARTED`].
    pub(crate) log: PathBuf,
    /// Whether `run` knows several processes.
    pub(crate) has_processes: bool,
    /// Variables that give it a clock of its own, and whatever else it is to know.
    pub(crate) variables: Vec<(String, String)>,
    /// Words that run a program on each machine, if there are any; and files with peers and secret.
    pub(crate) machines: Vec<Vec<String>>,
    /// Topic that orders come from.
    pub(crate) control: Option<String>,
    pub(crate) peers: PathBuf,
    pub(crate) secret: PathBuf,
}

impl Launcher {
    /// The command line of a layout, on one of the machines if there are any.
    fn arguments(&self, layout: Layout, machine: Option<usize>) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let acquis = self.acquis.get(machine.unwrap_or(0));
        let mut arguments: Vec<String> = [
            "run",
            "--acquis",
            &acquis.map_or_else(String::new, |acquis| path(acquis)),
            "--hub",
            &path(&self.hub),
            "--all",
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
            "--workers",
            &layout.workers.to_string(),
            "--node",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(machine.map_or_else(|| "chaos".to_owned(), |at| format!("chaos-{at}")));
        if let Some(control) = &self.control {
            arguments.extend(["--control".to_owned(), control.clone()]);
        }
        if let Some(at) = machine {
            arguments.extend(
                [
                    "--peers",
                    &path(&self.peers),
                    "--process",
                    &at.to_string(),
                    "--secret-file",
                    &path(&self.secret),
                ]
                .map(str::to_owned),
            );
        } else if self.has_processes && layout.processes > 1 {
            arguments.extend(["--processes".to_owned(), layout.processes.to_string()]);
        }
        arguments
    }

    /// Starts the job: on all machines, or one program that starts its other processes itself.
    pub(crate) fn start(&self, layout: Layout) -> Result<Job> {
        let mut log = File::options().create(true).append(true).open(&self.log)?;
        writeln!(log, "{STARTED} as {layout}")?;
        let mut job = Job {
            members: Vec::new(),
            has_machines: !self.machines.is_empty(),
            started: Instant::now(),
            size_before: size(&self.alerts),
            first_alert_ms: None,
        };
        if self.machines.is_empty() {
            let command = bound_to_us(&self.program);
            job.members.push(self.spawn(command, layout, None, &log)?);
        }
        for (at, enter) in self.machines.iter().enumerate() {
            let (program, words) = enter.split_first().context("no machine")?;
            let mut command = bound_to_us(program);
            command.args(words).arg(&self.program);
            job.members
                .push(self.spawn(command, layout, Some(at), &log)?);
        }
        Ok(job)
    }

    fn spawn(
        &self,
        mut command: Command,
        layout: Layout,
        machine: Option<usize>,
        log: &File,
    ) -> Result<Member> {
        let child = command
            .args(self.arguments(layout, machine))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.try_clone()?)
            .spawn()
            .context("start the job")?;
        Ok(Member {
            child,
            status: None,
        })
    }

    /// Whether the job that was started last has said this.
    pub(crate) fn has_said(&self, what: &str) -> bool {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let (_, since) = text.rsplit_once(STARTED).unwrap_or_default();
        since.contains(what)
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

/// A program that we have started.
#[derive(Debug)]
struct Member {
    child: Child,
    status: Option<ExitStatus>,
}

impl Member {
    fn look(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }
}

/// A running job. Does not outlive the driver.
#[derive(Debug)]
pub(crate) struct Job {
    /// One for each machine, or one in all.
    members: Vec<Member>,
    has_machines: bool,
    started: Instant,
    size_before: u64,
    /// From the start to the first alert that was written.
    pub(crate) first_alert_ms: Option<u64>,
}

impl Job {
    pub(crate) fn kill(mut self) -> Result<()> {
        for member in &mut self.members {
            member.child.kill()?;
        }
        for member in &mut self.members {
            member.child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end.
    pub(crate) fn ask_to_end(&mut self) -> Result<()> {
        self.signal("TERM")
    }

    /// Tells it that its content is another.
    pub(crate) fn hang_up(&mut self) -> Result<()> {
        self.signal("HUP")
    }

    /// Whether all of its processes have a handler for hangups.
    pub(crate) fn listens(&self) -> bool {
        self.pids().into_iter().all(catches_hangups)
    }

    /// Stops it and its children where they are, or lets them go on.
    pub(crate) fn freeze(&mut self, is_frozen: bool) -> Result<()> {
        let name = if is_frozen { "STOP" } else { "CONT" };
        for child in self.children() {
            // It may have ended by itself.
            let _gone = signal(child, name);
        }
        self.signal(name)
    }

    fn signal(&mut self, name: &str) -> Result<()> {
        for member in &mut self.members {
            if member.look()?.is_none() && !signal(member.child.id(), name)? {
                bail!("the job cannot be sent {name}");
            }
        }
        Ok(())
    }

    /// Ends of its programs, when all have ended.
    pub(crate) fn ended(&mut self) -> Result<Option<Vec<ExitStatus>>> {
        let mut ends = Vec::new();
        for member in &mut self.members {
            ends.extend(member.look()?);
        }
        Ok((ends.len() == self.members.len()).then_some(ends))
    }

    /// Whether one of its programs has ended.
    pub(crate) fn is_falling(&mut self) -> Result<bool> {
        for member in &mut self.members {
            if member.look()?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes when the file of alerts grows.
    pub(crate) fn see_alerts(&mut self, alerts: &Path) {
        if self.first_alert_ms.is_none() && size(alerts) > self.size_before {
            self.first_alert_ms = Some(self.started.elapsed().as_millis() as u64);
        }
    }

    /// Its numbers, and those of its children.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let mut pids = self.children();
        pids.extend(self.members.iter().map(|member| member.child.id()));
        pids
    }

    /// Processes of which it is the parent, by number.
    pub(crate) fn children(&self) -> Vec<u32> {
        let of_member = |member: &Member| children_of(member.child.id());
        self.members.iter().flat_map(of_member).collect()
    }

    /// Kills one of its processes. Answers whether there was one.
    pub(crate) fn kill_one(&mut self, at: u64) -> Result<bool> {
        if self.has_machines {
            let at = at as usize % self.members.len();
            let member = &mut self.members[at];
            return Ok(member.look()?.is_none() && signal(member.child.id(), "KILL")?);
        }
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
        // They have mostly ended by then.
        for member in &mut self.members {
            let _ended = member.child.kill();
            let _reaped = member.child.wait();
        }
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

fn catches_hangups(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signals are counted from one, and this is the first.
    mask.is_some_and(|mask| mask & 1 == 1)
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
    fn a_layout_says_how_many_processes_there_are_and_a_machine_which_it_is() {
        let mut launcher = Launcher {
            program: PathBuf::new(),
            acquis: vec![PathBuf::from("a0"), PathBuf::from("a1")],
            hub: PathBuf::new(),
            state: PathBuf::new(),
            alerts: PathBuf::new(),
            log: PathBuf::new(),
            has_processes: true,
            variables: Vec::new(),
            machines: Vec::new(),
            control: None,
            peers: PathBuf::from("p"),
            secret: PathBuf::from("s"),
        };
        let line = |launcher: &Launcher, processes, machine| {
            let workers = 4;
            let layout = Layout { processes, workers };
            launcher.arguments(layout, machine).join(" ")
        };
        let always = "--workers 4 --node chaos";
        assert!(line(&launcher, 2, None).ends_with(&format!("{always} --processes 2")));
        assert!(line(&launcher, 1, None).ends_with(always));
        let machine = format!("{always}-1 --peers p --process 1 --secret-file s");
        assert!(line(&launcher, 2, Some(1)).ends_with(&machine));
        assert!(line(&launcher, 2, Some(1)).contains("--acquis a1"));
        launcher.has_processes = false;
        assert!(line(&launcher, 2, None).ends_with(always));
    }

    #[test]
    fn a_program_that_does_not_care_for_hangups_does_not_listen() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!catches_hangups(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!catches_hangups(child.id()), "one that is gone");
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
