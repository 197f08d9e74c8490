//! CPU of a program, and of each of its threads.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A program that ended well.
#[derive(Debug)]
pub(crate) struct Ran {
    /// User and system CPU of it and all that it started.
    pub(crate) cpu_ns: f64,
    pub(crate) stdout: String,
}

/// How often threads are looked at.
const LOOK: Duration = Duration::from_millis(10);

/// The command under a shell that says its CPU time in thousandths of a second.
pub(crate) fn timed(program: &Path) -> Command {
    let mut command = Command::new("bash");
    command
        .arg("-c")
        .arg("TIMEFORMAT='cpu %U %S'; time timeout 900 \"$@\"")
        .arg("bash")
        .arg(program);
    command
}

/// Runs a command made by [`timed`].
pub(crate) fn run(command: &mut Command) -> Result<Ran> {
    let output = command.stdin(Stdio::null()).output().context("run bash")?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        let told: Vec<&str> = stderr.lines().rev().take(5).collect();
        bail!("{}: {told:?}", shown(command));
    }
    let cpu_ns = cpu_ns(&stderr).with_context(|| format!("no CPU time: {}", shown(command)))?;
    Ok(Ran { cpu_ns, stdout })
}

/// The line that `time` writes last.
fn cpu_ns(text: &str) -> Option<f64> {
    text.lines().rev().find_map(|line| {
        let mut parts = line.strip_prefix("cpu ")?.split(' ').map(str::parse::<f64>);
        Some((parts.next()?.ok()? + parts.next()?.ok()?) * 1e9)
    })
}

/// The words of a command, without the shell around it.
fn shown(command: &Command) -> String {
    let words = command.get_args().skip(3).map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}

/// Share of a program's CPU by the name of the thread, found by looking at it while it runs. What
/// happens between the last look and the end is not seen.
pub(crate) fn by_thread(command: &mut Command) -> Result<BTreeMap<String, f64>> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("run the program")?;
    let mut seen: BTreeMap<u64, (String, f64)> = BTreeMap::new();
    while is_running(&mut child)? {
        look(child.id(), &mut seen);
        std::thread::sleep(LOOK);
    }
    let mut threads: BTreeMap<String, f64> = BTreeMap::new();
    let total: f64 = seen.values().map(|(_, ns)| ns).sum();
    for (name, ns) in seen.into_values() {
        *threads.entry(name).or_default() += ns / total.max(1.0);
    }
    Ok(threads)
}

fn is_running(child: &mut Child) -> Result<bool> {
    Ok(child.try_wait().context("wait for the program")?.is_none())
}

/// Notes the name and the CPU so far of each thread. Threads end while this looks: what cannot be
/// read stays as it was.
fn look(pid: u32, seen: &mut BTreeMap<u64, (String, f64)>) {
    let tasks = Path::new("/proc").join(pid.to_string()).join("task");
    let Ok(entries) = fs::read_dir(&tasks) else {
        return;
    };
    for entry in entries.flatten() {
        let dir = entry.path();
        let id = entry.file_name().to_string_lossy().parse::<u64>();
        let name = fs::read_to_string(dir.join("comm"));
        let stat = fs::read_to_string(dir.join("schedstat"));
        if let (Ok(id), Ok(name), Ok(stat)) = (id, name, stat)
            && let Some(Ok(ns)) = stat.split(' ').next().map(str::parse::<f64>)
        {
            seen.insert(id, (name.trim().to_owned(), ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_the_last_line_of_the_shell() {
        let text = "cpu is busy\nwarning\ncpu 1.500 0.250\n";
        assert_eq!(cpu_ns(text), Some(1.75e9));
        assert_eq!(cpu_ns("no such line"), None);
    }

    #[test]
    fn a_program_that_fails_is_an_error_with_what_it_said() {
        let error = run(timed(Path::new("ls")).arg("/no/such/place")).unwrap_err();
        assert!(error.to_string().contains("/no/such/place"), "{error}");
    }

    #[test]
    fn a_busy_program_has_a_thread_with_its_name() {
        let mut command = Command::new("bash");
        command.args(["-c", "for ((i = 0; i < 200000; i++)); do :; done"]);
        let threads = by_thread(&mut command).unwrap();
        assert!(threads.contains_key("bash"), "{threads:?}");
    }
}
