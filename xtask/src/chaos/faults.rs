//! What is done to a run: the faults of its plan, and what undoes them.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::fault::{Again, Change, Fault, Layout, Reshard, Rotation};
use super::feed::{locked, now_ms};
use super::job::Job;
use super::run::{AGAIN_MS, Run};

/// Longest wait for a checkpoint to begin.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(3);

/// Something that is to be done at its time.
#[derive(Debug)]
pub(crate) enum Due {
    Fault(Fault),
    Start(Layout),
    KillAgain(Again),
    Thaw,
    LaunchBroker,
    ClearNetwork,
    FreeState,
    FreeAlerts,
    RightClock,
    LetGo(usize),
    /// What was broken in the content is taken away.
    Mend,
    /// The cable of a machine is put back, or good again.
    Heal,
}

impl Run<'_> {
    pub(super) fn execute(&mut self, due: Due) -> Result<()> {
        match due {
            // One that needs a job waits until there is one again.
            Due::Fault(fault) if fault.is_of_job() && self.job.is_none() => {
                self.after(AGAIN_MS, Due::Fault(fault));
            }
            // Before it listens, a hangup would only be one more way to kill it.
            Due::Fault(Fault::Reload(_)) if !self.job.as_ref().is_some_and(Job::listens) => {
                self.after(AGAIN_MS, due);
            }
            Due::Fault(fault) => {
                if self.apply(fault)? {
                    *self.record.faults.entry(fault.name()).or_default() += 1;
                }
            }
            Due::Start(layout) => self.start(layout)?,
            Due::KillAgain(again) => {
                self.kill_until(again)?;
            }
            Due::Thaw => {
                if let (Some(job), true) = (&mut self.job, self.is_frozen) {
                    job.freeze(false)?;
                    self.is_frozen = false;
                }
            }
            Due::LaunchBroker => {
                if let Some(broker) = &mut self.around.servers.broker {
                    broker.launch()?;
                }
            }
            Due::ClearNetwork => {
                if let Some(proxy) = self.around.servers.proxy(self.plan.inputs) {
                    proxy.clear();
                }
            }
            Due::FreeState => {
                self.is_state_full = false;
                self.state.free()?;
            }
            Due::FreeAlerts => {
                self.is_alerts_full = false;
                self.alerts.free()?;
            }
            Due::RightClock => {
                if let Some(clock) = &self.clock {
                    clock.set(0)?;
                }
            }
            Due::LetGo(at) => {
                if let Some(file) = self.files.get(at) {
                    locked(file).let_go()?;
                }
            }
            Due::Mend => self.content.mend()?,
            Due::Heal => {
                if let Some(machines) = &self.machines {
                    machines.heal()?;
                }
                self.is_link_bad = false;
            }
        }
        Ok(())
    }

    /// Does something bad; answers whether it could be done.
    fn apply(&mut self, fault: Fault) -> Result<bool> {
        match fault {
            Fault::Kill(again) => self.kill_until(again),
            Fault::KillAtStart { after_ms, again } => {
                let is_killed = self.kill_until(again)?;
                if is_killed {
                    self.after(again.down_ms + after_ms, Due::KillAgain(again));
                }
                Ok(is_killed)
            }
            Fault::KillInCheckpoint { after_us, again } => {
                if self.job.is_some() && !self.is_frozen {
                    self.await_checkpoint();
                    std::thread::sleep(Duration::from_micros(after_us));
                }
                self.kill_until(again)
            }
            Fault::KillChild if !self.around.has_processes => Ok(self.cannot(&fault)),
            Fault::KillChild => {
                let which = self.rng.next();
                let Some(job) = &mut self.job else {
                    return Ok(false);
                };
                self.pids.extend(job.pids());
                self.may_end.by_loss = true;
                job.kill_one(which)
            }
            Fault::Stop(again) => self.stop(again),
            Fault::Freeze { for_ms } => {
                let Some(job) = &mut self.job else {
                    return Ok(false);
                };
                job.freeze(true)?;
                self.is_frozen = true;
                self.after(for_ms, Due::Thaw);
                Ok(true)
            }
            Fault::Damage { harm, again } => {
                if !self.kill_until(again)? {
                    return Ok(false);
                }
                let done = self.store.damage(harm, &mut self.rng)?;
                if let Some(done) = &done {
                    self.note(&format!("damaged: {done}"))?;
                }
                Ok(done.is_some())
            }
            Fault::Rotate { file, how } => self.rotate(file, how),
            Fault::FillState { .. } | Fault::FillAlerts { .. } | Fault::Jump { .. } => {
                self.apply_to_machine(fault)
            }
            Fault::KillBroker { down_ms } => {
                let Some(broker) = &mut self.around.servers.broker else {
                    return Ok(false);
                };
                let is_killed = broker.kill()?;
                if is_killed {
                    self.after(down_ms, Due::LaunchBroker);
                }
                Ok(is_killed)
            }
            Fault::Stall { .. } | Fault::Delay { .. } | Fault::Reset => {
                Ok(self.disturb_network(fault))
            }
            Fault::Reload(change) => self.reload(change),
            Fault::Reshard(how) => self.reshard(how),
            Fault::CutLink { .. } | Fault::BadLink { .. } => self.disturb_link(fault),
        }
    }

    /// Disks and the clock.
    fn apply_to_machine(&mut self, fault: Fault) -> Result<bool> {
        match fault {
            Fault::FillState { for_ms } if self.state.can_be_filled() => {
                self.state.fill()?;
                (self.is_state_full, self.may_end.by_disk) = (true, true);
                self.after(for_ms, Due::FreeState);
                Ok(true)
            }
            Fault::FillAlerts { for_ms } if self.alerts.can_be_filled() => {
                self.alerts.fill()?;
                (self.is_alerts_full, self.may_end.by_disk) = (true, true);
                self.after(for_ms, Due::FreeAlerts);
                Ok(true)
            }
            Fault::FillState { .. } | Fault::FillAlerts { .. } => Ok(self.cannot(&fault)),
            Fault::Jump { by_s, for_ms } => {
                let Some(clock) = &self.clock else {
                    return Ok(self.cannot(&fault));
                };
                clock.set(by_s)?;
                self.after(for_ms, Due::RightClock);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn disturb_network(&mut self, fault: Fault) -> bool {
        let Some(proxy) = self.around.servers.proxy(self.plan.inputs) else {
            return false;
        };
        match fault {
            Fault::Stall { for_ms } => {
                proxy.stall(true);
                self.after(for_ms, Due::ClearNetwork);
            }
            Fault::Delay { by_ms, for_ms } => {
                proxy.delay(by_ms);
                self.after(for_ms, Due::ClearNetwork);
            }
            _ => proxy.reset(),
        }
        true
    }

    /// Changes the content; the job is told, if there is one.
    fn reload(&mut self, change: Change) -> Result<bool> {
        self.content.change(change)?;
        if let Change::Break { for_ms } = change {
            self.after(for_ms, Due::Mend);
        }
        let is_ordered = self.rng.percent(50) && self.order();
        if let (Some(job), false) = (&mut self.job, is_ordered) {
            self.may_end.by_hangup = true;
            job.hang_up()?;
        }
        self.record.n_orders += usize::from(is_ordered);
        self.note(&format!("content: {change:?}"))?;
        Ok(true)
    }

    /// Orders a reload by a record, if the job listens to those and the broker is there.
    fn order(&mut self) -> bool {
        let Some(topic) = &mut self.orders else {
            return false;
        };
        let order = [r#"{"reload": true}"#.to_owned()];
        self.launcher.has_said("control: listening")
            && topic.append(&order, now_ms(), || true).unwrap_or(false)
    }

    fn reshard(&mut self, how: Reshard) -> Result<bool> {
        let Some(stream) = &self.stream else {
            return Ok(false);
        };
        let is_done = stream.reshard(how)?;
        if is_done {
            self.note(&format!("shards: {how:?}"))?;
        }
        Ok(is_done)
    }

    fn disturb_link(&mut self, fault: Fault) -> Result<bool> {
        let Some(machines) = &self.machines else {
            return Ok(false);
        };
        let for_ms = match fault {
            Fault::CutLink { machine, for_ms } => {
                machines.cut(machine, true)?;
                for_ms
            }
            Fault::BadLink {
                machine,
                delay_ms,
                loss_percent,
                for_ms,
            } if machines.can_shape => {
                machines.shape(machine, delay_ms, loss_percent)?;
                for_ms
            }
            fault => return Ok(self.cannot(&fault)),
        };
        (self.is_link_bad, self.may_end.by_loss) = (true, true);
        self.after(for_ms, Due::Heal);
        self.note(&format!("link: {fault:?}"))?;
        Ok(true)
    }

    fn cannot(&mut self, fault: &Fault) -> bool {
        *self.record.impossible.entry(fault.name()).or_default() += 1;
        false
    }

    /// Waits until something of a checkpoint is written.
    fn await_checkpoint(&self) {
        let (before, until) = (self.store.traces(), Instant::now() + CHECKPOINT_WAIT);
        while self.store.traces() == before && Instant::now() < until {
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn rotate(&mut self, file: u64, how: Rotation) -> Result<bool> {
        if self.files.is_empty() {
            return Ok(false);
        }
        let at = file as usize % self.files.len();
        let mut file = locked(&self.files[at]);
        // What was rotated away before anybody knew the file is nobody's.
        if !self.store.knows(file.path()) {
            return Ok(false);
        }
        match how {
            Rotation::Copy => Ok(file.copy_and_truncate()?),
            Rotation::Rename { held_ms } => {
                if !file.rename()? {
                    return Ok(false);
                }
                drop(file);
                self.after(held_ms, Due::LetGo(at));
                Ok(true)
            }
        }
    }

    fn note(&self, text: &str) -> Result<()> {
        use std::io::Write as _;
        let mut log = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.launcher.log)?;
        writeln!(log, "---- {text}")?;
        Ok(())
    }
}
