//! The processes of one run.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, kill_process_group, waitid,
};

use super::child::SUPERVISOR_ENV;

/// Index, id and status of a process that has ended.
pub(super) type Exit = (usize, u32, ExitStatus);

#[derive(Default)]
pub(super) struct Group {
    members: Vec<Member>,
}

struct Member {
    child: Child,
    status: Option<ExitStatus>,
}

impl Group {
    /// Starts one more, as the leader of a process group.
    pub(super) fn start(&mut self, mut command: Command) -> io::Result<()> {
        command
            .env(SUPERVISOR_ENV, getpid().as_raw_nonzero().to_string())
            .process_group(0);
        let child = command.spawn()?;
        self.members.push(Member {
            child,
            status: None,
        });
        Ok(())
    }

    pub(super) fn n(&self) -> usize {
        self.members.len()
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.members
            .iter()
            .map(|member| member.child.id())
            .collect()
    }

    pub(super) fn n_alive(&self) -> usize {
        self.alive().count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.n_alive() == 0
    }

    /// Whether one has ended, and not well.
    pub(super) fn has_failed(&self) -> bool {
        let mut statuses = self.members.iter().filter_map(|member| member.status);
        statuses.any(|status| !status.success())
    }

    /// The first process that ended with this code.
    pub(super) fn first_of(&self, code: i32) -> Option<usize> {
        self.members.iter().position(|member| {
            member
                .status
                .is_some_and(|status| status.code() == Some(code))
        })
    }

    fn alive(&self) -> impl DoubleEndedIterator<Item = &Member> {
        self.members.iter().filter(|member| member.status.is_none())
    }

    /// Those that have ended since the last look.
    pub(super) fn reap(&mut self) -> Vec<Exit> {
        let mut exits = Vec::new();
        for (index, member) in self.members.iter_mut().enumerate() {
            if member.status.is_none() && member.has_ended() {
                exits.extend(
                    member
                        .bury()
                        .map(|status| (index, member.child.id(), status)),
                );
            }
        }
        exits
    }

    /// Asks all to end, the last first.
    pub(super) fn terminate(&self) {
        for member in self.alive().rev() {
            member.signal_all(Signal::TERM);
        }
    }

    /// Passes SIGHUP on, to the processes alone: what they have started may not know it.
    pub(super) fn hang_up(&self) {
        for member in self.alive() {
            // It fails when the process has just ended, which the next look shows.
            let _gone = kill_process(member.pid(), Signal::HUP);
        }
    }

    /// Kills all that are left.
    pub(super) fn kill(&mut self) -> Vec<Exit> {
        let mut exits = Vec::new();
        for (index, member) in self.members.iter_mut().enumerate() {
            if member.status.is_none() {
                exits.extend(
                    member
                        .bury()
                        .map(|status| (index, member.child.id(), status)),
                );
            }
        }
        exits
    }
}

impl Member {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Looks without taking the status: until that is taken the id belongs to nobody else.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid()), options) {
            Ok(status) => status.is_some(),
            Err(error) => error != rustix::io::Errno::INTR,
        }
    }

    fn signal_all(&self, signal: Signal) {
        // It fails when nobody of the group is left.
        let _gone = kill_process_group(self.pid(), signal);
    }

    /// Kills what is left of the process and of those it started, and takes its status.
    fn bury(&mut self) -> Option<ExitStatus> {
        self.signal_all(Signal::KILL);
        let status = self.child.wait().ok()?;
        self.status = Some(status);
        Some(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for member in &mut self.members {
            if member.status.is_none() {
                member.bury();
            }
        }
    }
}
