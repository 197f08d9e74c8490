//! Machines of a job: network namespaces, each joined to a switch of their own by a cable that can be pulled.
//!
//! ```text
//!   machine 0   10.9.0.1 --+
//!   machine 1   10.9.0.2 --+-- bridge, in a namespace too: nothing of this machine's network is touched
//!   machine 2   10.9.0.3 --+
//! ```

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};

/// Where processes meet.
const PORT: u16 = 7422;

/// Machines and their switch. They go when this goes.
#[derive(Debug)]
pub(crate) struct Machines {
    /// Part of the names of all namespaces.
    name: String,
    n: u64,
    /// Whether cables can be slow and lossy, and not only pulled.
    pub(crate) can_shape: bool,
}

impl Machines {
    /// Makes them. Needs root.
    pub(crate) fn new(n: u64) -> Result<Self> {
        static N_MADE: AtomicU64 = AtomicU64::new(0);
        let nth = N_MADE.fetch_add(1, Ordering::SeqCst);
        let mut machines = Self {
            name: format!("chaos-{}-{nth}", std::process::id()),
            n,
            can_shape: false,
        };
        let switch = machines.switch();
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add bridge0 type bridge"))?;
        ip(&format!("-n {switch} link set bridge0 up"))?;
        for at in 0..n {
            let machine = machines.machine(at);
            ip(&format!("netns add {machine}"))?;
            ip(&format!(
                "-n {switch} link add port{at} type veth peer name eth0 netns {machine}"
            ))?;
            ip(&format!("-n {switch} link set port{at} master bridge0"))?;
            ip(&format!("-n {switch} link set port{at} up"))?;
            ip(&format!(
                "-n {machine} addr add {}/24 dev eth0",
                address(at)
            ))?;
            ip(&format!("-n {machine} link set eth0 up"))?;
            ip(&format!("-n {machine} link set lo up"))?;
        }
        machines.can_shape = machines.shape(0, 1, 0).is_ok();
        machines.heal()?;
        Ok(machines)
    }

    fn switch(&self) -> String {
        format!("{}-s", self.name)
    }

    fn machine(&self, at: u64) -> String {
        format!("{}-{at}", self.name)
    }

    /// What runs a program on each machine: words to be put before it.
    pub(crate) fn enter(&self) -> Vec<Vec<String>> {
        let words = |at| {
            let path = PathBuf::from("/run/netns").join(self.machine(at));
            vec!["nsenter".to_owned(), format!("--net={}", path.display())]
        };
        (0..self.n).map(words).collect()
    }

    /// The file that tells processes where the others are.
    pub(crate) fn peers(&self) -> String {
        (0..self.n)
            .map(|at| format!("{}:{PORT}\n", address(at)))
            .collect()
    }

    /// Pulls the cable of a machine, or puts it back.
    pub(crate) fn cut(&self, at: u64, is_cut: bool) -> Result<()> {
        let to = if is_cut { "down" } else { "up" };
        ip(&format!(
            "-n {} link set port{} {to}",
            self.switch(),
            at % self.n
        ))
    }

    /// Makes a cable slow and lossy.
    pub(crate) fn shape(&self, at: u64, delay_ms: u64, loss_percent: u64) -> Result<()> {
        run(
            "tc",
            &format!(
                "-n {} qdisc replace dev port{} root netem delay {delay_ms}ms loss {loss_percent}%",
                self.switch(),
                at % self.n
            ),
        )
    }

    /// All cables are good.
    pub(crate) fn heal(&self) -> Result<()> {
        for at in 0..self.n {
            self.cut(at, false)?;
            if self.can_shape {
                // Where there is none this fails, which is as good.
                let text = format!("-n {} qdisc del dev port{at} root", self.switch());
                let _none = run("tc", &text);
            }
        }
        Ok(())
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        let all = (0..self.n).map(|at| self.machine(at));
        for name in all.chain([self.switch()]) {
            let _gone = ip(&format!("netns del {name}"));
        }
    }
}

fn address(at: u64) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, u8::try_from(at + 1).unwrap_or(u8::MAX))
}

fn ip(words: &str) -> Result<()> {
    run("ip", words)
}

fn run(program: &str, words: &str) -> Result<()> {
    let output = Command::new(program)
        .args(words.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {words}: {}", said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_a_place_in_the_list() {
        let machines = Machines {
            name: "chaos-test-that-makes-nothing".to_owned(),
            n: 3,
            can_shape: false,
        };
        assert_eq!(
            machines.peers(),
            "10.9.0.1:7422\n10.9.0.2:7422\n10.9.0.3:7422\n"
        );
        assert!(machines.enter()[2][1].ends_with("chaos-test-that-makes-nothing-2"));
    }
}
