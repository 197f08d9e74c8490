//! Programs that read the same logs: each gets its CPU measured and says how much it recognised.
//!
//! They do not do the same. fail2ban's and sshguard's programs here only parse; GoAccess counts and
//! decides nothing. A peer that recognised nothing did no work, and its time means nothing: that is
//! an error.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::cpu::{Ran, run, timed};
use crate::command::target_dir;
use crate::debian;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Floor,
    Fail2ban,
    GoAccess,
    Sshguard,
}

impl Peer {
    pub(crate) const ALL: [Peer; 4] = [Peer::Floor, Peer::Fail2ban, Peer::GoAccess, Peer::Sshguard];

    /// Name, and what of it is measured.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Peer::Floor => "floor: split and scan by hand",
            Peer::Fail2ban => "fail2ban 1.0 (fail2ban-regex, parsing only)",
            Peer::GoAccess => "GoAccess 1.7 (analytics)",
            Peer::Sshguard => "sshguard 2.4 (sshg-parser, parsing only)",
        }
    }

    pub(crate) fn id(self) -> &'static str {
        match self {
            Peer::Floor => "floor",
            Peer::Fail2ban => "fail2ban",
            Peer::GoAccess => "goaccess",
            Peer::Sshguard => "sshg-parser",
        }
    }

    /// The log it reads.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Peer::Floor | Peer::GoAccess => "nginx",
            Peer::Fail2ban | Peer::Sshguard => "sshd",
        }
    }

    /// How many of the lines of our log it is given: a slow one gets the first ones.
    pub(crate) fn lines(self, lines: usize) -> usize {
        match self {
            Peer::Floor | Peer::Sshguard => lines,
            Peer::GoAccess => lines.min(100_000),
            Peer::Fail2ban => lines.min(30_000),
        }
    }

    /// Runs it over a log; the number is how many lines it recognised.
    pub(crate) fn run(self, log: &Path) -> Result<(Ran, u64)> {
        let (ran, n) = match self {
            Peer::Floor => {
                let floor = target_dir().join("release/bench-floor");
                let ran = run(timed(&floor).arg(log))?;
                let n = before(&ran.stdout, " parsed");
                (ran, n)
            }
            Peer::Fail2ban => fail2ban(log)?,
            Peer::GoAccess => goaccess(log)?,
            Peer::Sshguard => sshguard(log)?,
        };
        match n {
            Some(n) => Ok((ran, n)),
            None => bail!("{} did not say what it recognised", self.title()),
        }
    }
}

fn fail2ban(log: &Path) -> Result<(Ran, Option<u64>)> {
    let root = debian::unpacked("fail2ban", &["fail2ban"], "usr/bin/fail2ban-regex")?;
    // The package is made for the system's own Python.
    let system = PathBuf::from("/usr/bin/python3");
    let python = if system.exists() {
        system
    } else {
        PathBuf::from("python3")
    };
    let mut command = timed(&python);
    command
        .arg(root.join("usr/bin/fail2ban-regex"))
        .arg("-c")
        .arg(root.join("etc/fail2ban"))
        .arg(log)
        .arg("sshd")
        .env("PYTHONPATH", root.join("usr/lib/python3/dist-packages"));
    let ran = run(&mut command)?;
    let n = before(&ran.stdout, " matched");
    Ok((ran, n))
}

fn goaccess(log: &Path) -> Result<(Ran, Option<u64>)> {
    let packages = ["goaccess", "libmaxminddb0"];
    let root = debian::unpacked("goaccess", &packages, "usr/bin/goaccess")?;
    let libraries = fs::read_dir(root.join("usr/lib"))?
        .flatten()
        .map(|entry| entry.path());
    let libraries: Vec<PathBuf> = libraries.filter(|path| path.is_dir()).collect();
    let report = target_dir().join("goaccess/report.json");
    let mut command = timed(&root.join("usr/bin/goaccess"));
    command
        .arg(log)
        .args([
            "--log-format=COMBINED",
            "--no-global-config",
            "--no-progress",
            "-o",
        ])
        .arg(&report)
        .env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?);
    let ran = run(&mut command)?;
    let text = fs::read_to_string(&report).context("read the report of GoAccess")?;
    let report: serde_json::Value = serde_json::from_str(&text)?;
    Ok((ran, report["general"]["valid_requests"].as_u64()))
}

/// It reads standard input, which is the log itself.
fn sshguard(log: &Path) -> Result<(Ran, Option<u64>)> {
    let root = debian::unpacked(
        "sshguard",
        &["sshguard"],
        "usr/libexec/sshguard/sshg-parser",
    )?;
    let mut command = timed(Path::new("bash"));
    command
        .args(["-c", "exec \"$1\" < \"$2\"", "bash"])
        .arg(root.join("usr/libexec/sshguard/sshg-parser"))
        .arg(log);
    let ran = run(&mut command)?;
    let n = ran.stdout.lines().count() as u64;
    Ok((ran, Some(n)))
}

/// The number right before a word, wherever it stands first: `760` of `1834 ignored, 760 matched`.
fn before(text: &str, word: &str) -> Option<u64> {
    let head = text
        .split(word)
        .next()
        .filter(|head| head.len() < text.len())?;
    head.rsplit(' ')
        .next()?
        .trim_start_matches(['(', '['])
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_recognised_is_read_from_its_report() {
        let fail2ban = "Lines: 20000 lines, 1834 ignored, 760 matched, 17406 missed\n";
        assert_eq!(before(fail2ban, " matched"), Some(760));
        assert_eq!(before("12 lines, 11 parsed, 9 bytes", " parsed"), Some(11));
        assert_eq!(before("nothing of the kind", " matched"), None);
        assert_eq!(before("were matched", " matched"), None);
    }
}
