//! What the system says of this process, where there is `/proc`; elsewhere nothing.

use std::fs;

/// Ticks of `/proc/self/stat` in a second: a constant of Linux for programs.
const TICKS: f64 = 100.0;
/// Bytes of a page. Where pages are larger, resident memory is read from `status`, in kB.
const KB: f64 = 1_024.0;

/// Names of threads that are told apart; more is no job of ours.
const THREADS_MAX: usize = 256;

/// The process.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_secs: Option<f64>,
    pub(super) start_secs: Option<f64>,
    pub(super) virtual_bytes: Option<f64>,
    pub(super) resident_bytes: Option<f64>,
    pub(super) open_fds: Option<f64>,
    pub(super) max_fds: Option<f64>,
    /// CPU time by name, in seconds.
    pub(super) threads: Vec<(String, f64)>,
}

/// Looks at it.
pub(super) fn look() -> Process {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let stat = read("/proc/self/stat");
    let status = read("/proc/self/status");
    let limits = read("/proc/self/limits");
    let boot = read("/proc/stat");
    let ticks = |at| field(&stat, at);
    let boot_secs = boot
        .lines()
        .find_map(|line| line.strip_prefix("btime "))
        .and_then(|secs| secs.trim().parse::<f64>().ok());
    Process {
        cpu_secs: ticks(11)
            .zip(ticks(12))
            .map(|(user, system)| (user + system) / TICKS),
        start_secs: ticks(19)
            .zip(boot_secs)
            .map(|(start, boot)| boot + start / TICKS),
        virtual_bytes: kilobytes(&status, "VmSize:"),
        resident_bytes: kilobytes(&status, "VmRSS:"),
        open_fds: fs::read_dir("/proc/self/fd")
            .ok()
            // One of them is what lists them.
            .map(|entries| entries.count().saturating_sub(1) as f64),
        max_fds: limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok()),
        threads: threads(),
    }
}

/// A number of `stat`, counted from after the name, which may hold anything.
fn field(stat: &str, at: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(at)?.parse().ok()
}

fn kilobytes(status: &str, name: &str) -> Option<f64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kb: f64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(kb * KB)
}

fn threads() -> Vec<(String, f64)> {
    let Ok(entries) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let mut threads: Vec<(String, f64)> = entries
        .flatten()
        .take(THREADS_MAX)
        .filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, rest) = stat.split_once('(')?;
            let (name, _) = rest.rsplit_once(')')?;
            let cpu_secs = (field(&stat, 11)? + field(&stat, 12)?) / TICKS;
            Some((name.to_owned(), cpu_secs))
        })
        .collect();
    threads.sort_by(|one, other| one.0.cmp(&other.0));
    threads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_after_a_name_that_may_hold_anything() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 70 30 13 14 15 16 17 18 900 20";
        assert_eq!((field(stat, 11), field(stat, 12)), (Some(70.0), Some(30.0)));
        assert_eq!(field(stat, 19), Some(900.0));
        assert_eq!(field("", 11), None);
        assert_eq!(
            kilobytes("VmSize:\t 4 kB\nVmRSS:\t 2 kB\n", "VmRSS:"),
            Some(2_048.0)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_there() {
        let process = look();
        assert!(process.resident_bytes.unwrap() > 0.0);
        assert!(process.start_secs.unwrap() > 1e9);
        assert!(process.open_fds.unwrap() >= 1.0 && process.max_fds.unwrap() >= 1.0);
        assert!(!process.threads.is_empty());
    }
}
