//! What is going to happen: made of a seed alone, so that a seed repeats it.
//!
//! When exactly something happens depends on the machine, and so do the dates of the lines; what is repeated is the order
//! of faults, their kinds and distances, and who attacks.

use std::fmt::{self, Display, Formatter};

use super::fault::{Again, Change, Fault, Harm, Layout, Reshard, Rotation};
use super::rng::Rng;

/// What the job reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inputs {
    /// Files that are rotated.
    Files,
    /// Topics of a broker.
    Kafka,
    /// Web logs from files, sshd from a topic: one job with two sources.
    Both,
    /// Shards of a stream of Kinesis.
    Kinesis,
    /// Files on several machines, each of which runs one process of the job.
    Machines,
}

impl Inputs {
    pub(crate) const ALL: [Self; 5] = [
        Self::Files,
        Self::Kafka,
        Self::Both,
        Self::Kinesis,
        Self::Machines,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Kafka => "kafka",
            Self::Both => "both",
            Self::Kinesis => "kinesis",
            Self::Machines => "machines",
        }
    }

    pub(crate) fn has_kafka(self) -> bool {
        matches!(self, Self::Kafka | Self::Both)
    }

    /// Whether something is read over a network.
    fn has_network(self) -> bool {
        self.has_kafka() || self == Self::Kinesis
    }

    pub(crate) fn has_files(self) -> bool {
        matches!(self, Self::Files | Self::Both | Self::Machines)
    }
}

/// How the end of the lines is made known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Each partition gets a later line of nobody's.
    Later,
    /// Nothing comes any more, and the clock moves on.
    Quiet,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) inputs: Inputs,
    /// How long lines come.
    pub(crate) lasts_ms: u64,
    /// How long lines come before the job is there.
    pub(crate) backlog_ms: u64,
    pub(crate) web_partitions: u64,
    pub(crate) ssh_partitions: u64,
    /// Machines, if there are several; web logs are on the first, those of sshd on the second.
    pub(crate) n_machines: Option<u64>,
    /// How far dates of lines are ahead of the clock.
    pub(crate) ahead_ms: u64,
    /// The files are named by a pattern that their rotated forms match too. No plan has that by itself.
    pub(crate) is_pattern_wide: bool,
    pub(crate) first: Layout,
    pub(crate) last: Layout,
    pub(crate) faults: Vec<(u64, Fault)>,
    pub(crate) ending: Ending,
}

/// Fewest and most faults of a run.
const FAULTS: (u64, u64) = (11, 15);
/// Lines come for so long: files, and where something has to come back.
const FILES_MS: u64 = 10_000;
const NETWORK_MS: u64 = 13_000;
/// Largest error of a clock. Lines are so much ahead that one of the job's clock moves no idle partition past them.
const JUMP_S_MAX: i64 = 5;
/// Kills of the broker in a run: each takes some seconds to recover from.
const BROKER_KILLS_MAX: u64 = 2;

impl Plan {
    pub(crate) fn new(seed: u64, inputs: Inputs) -> Self {
        let mut rng = Rng::new(seed, 1);
        let is_far = inputs.has_network();
        let (lasts_ms, n_most) = match inputs {
            Inputs::Kinesis => (NETWORK_MS, 2),
            _ if is_far => (NETWORK_MS, 3),
            _ => (FILES_MS, 3),
        };
        let n_machines = (inputs == Inputs::Machines).then(|| rng.range(2, 3));
        let endings = [Ending::Later, Ending::Later, Ending::Later, Ending::Quiet];
        let mut plan = Self {
            seed,
            inputs,
            lasts_ms,
            backlog_ms: rng.pick(&[0, 0, 1_000, 2_500]),
            web_partitions: rng.range(1, n_most),
            ssh_partitions: rng.range(1, n_most),
            n_machines,
            ahead_ms: 0,
            is_pattern_wide: false,
            first: layout(&mut rng, n_machines),
            last: layout(&mut rng, n_machines),
            faults: Vec::new(),
            ending: rng.pick(if is_far { &endings } else { &endings[1..] }),
        };
        let n_faults = rng.range(FAULTS.0, FAULTS.1);
        let mut moments: Vec<u64> = (0..n_faults).map(|_| rng.range(400, lasts_ms)).collect();
        moments.sort_unstable();
        let mut n_broker = 0;
        for at_ms in moments {
            // With a wrong clock lines are far ahead, and a quiet end would have to wait for all of that.
            let is_too_much = |fault: &Fault| match fault {
                Fault::KillBroker { .. } => n_broker == BROKER_KILLS_MAX,
                Fault::Jump { .. } => plan.ending == Ending::Quiet,
                _ => false,
            };
            let mut fault = plan.fault(&mut rng);
            while is_too_much(&fault) {
                fault = plan.fault(&mut rng);
            }
            n_broker += u64::from(matches!(fault, Fault::KillBroker { .. }));
            plan.faults.push((at_ms, fault));
        }
        plan.ahead_ms = plan.ahead(&mut rng);
        plan
    }

    /// Further ahead where lines may be long on their way, or the clock wrong.
    fn ahead(&self, rng: &mut Rng) -> u64 {
        let has = |is_it: fn(&Fault) -> bool| self.faults.iter().any(|(_, fault)| is_it(fault));
        let jump_ms = if has(|fault| matches!(fault, Fault::Jump { .. })) {
            JUMP_S_MAX as u64 * 1_000
        } else {
            0
        };
        let way_ms = if self.inputs.has_network() {
            rng.pick(&[9_000, 12_000])
        } else {
            rng.pick(&[3_000, 6_000])
        };
        jump_ms + way_ms
    }

    fn fault(&self, rng: &mut Rng) -> Fault {
        if rng.percent(50) {
            return of_job(rng, self.n_machines);
        }
        match rng.below(12) {
            0 => Fault::FillState {
                for_ms: rng.range(300, 3_000),
            },
            1 => Fault::FillAlerts {
                for_ms: rng.range(300, 2_000),
            },
            2 => Fault::Jump {
                by_s: rng.range(1, JUMP_S_MAX as u64) as i64 * rng.pick(&[1, -1]),
                for_ms: rng.range(500, 4_000),
            },
            3..5 => Fault::Reload(change(rng)),
            _ => match self.inputs {
                Inputs::Files => rotation(rng),
                Inputs::Both if rng.percent(50) => rotation(rng),
                Inputs::Kafka | Inputs::Both => of_network(rng, true),
                Inputs::Kinesis if rng.percent(40) => Fault::Reshard(reshard(rng)),
                Inputs::Kinesis => of_network(rng, false),
                Inputs::Machines if rng.percent(40) => rotation(rng),
                Inputs::Machines => of_links(rng),
            },
        }
    }

    pub(crate) fn n_partitions(&self) -> usize {
        (self.web_partitions + self.ssh_partitions) as usize
    }
}

fn of_job(rng: &mut Rng, n_machines: Option<u64>) -> Fault {
    let again = Again {
        down_ms: rng.pick(&[0, 0, 100, 500, 1_500, 4_000]),
        layout: layout(rng, n_machines),
    };
    match rng.below(14) {
        0..3 => Fault::Kill(again),
        3..5 => Fault::KillAtStart {
            after_ms: rng.range(0, 400),
            again,
        },
        5..8 => Fault::KillInCheckpoint {
            after_us: rng.range(0, 8_000),
            again,
        },
        8 => Fault::KillChild,
        9 => Fault::Stop(again),
        10 | 11 => Fault::Freeze {
            for_ms: rng.range(100, 4_000),
        },
        _ => Fault::Damage {
            harm: rng.pick(&[Harm::Flip, Harm::Cut, Harm::Empty, Harm::CutSegment]),
            again,
        },
    }
}

fn rotation(rng: &mut Rng) -> Fault {
    let file = rng.next();
    let how = if rng.percent(50) {
        Rotation::Rename {
            held_ms: rng.pick(&[0, 0, 50, 300]),
        }
    } else {
        Rotation::Copy
    };
    Fault::Rotate { file, how }
}

fn of_network(rng: &mut Rng, can_kill: bool) -> Fault {
    match rng.below(7) {
        0 | 1 if can_kill => Fault::KillBroker {
            down_ms: rng.range(100, 3_000),
        },
        0..4 => Fault::Stall {
            for_ms: rng.range(300, 5_000),
        },
        4 => Fault::Delay {
            by_ms: rng.range(20, 400),
            for_ms: rng.range(1_000, 5_000),
        },
        _ => Fault::Reset,
    }
}

fn change(rng: &mut Rng) -> Change {
    match rng.below(6) {
        0 | 1 => Change::Add,
        2 => Change::Remove,
        3 => Change::Describe(rng.next()),
        _ => Change::Break {
            for_ms: rng.range(200, 3_000),
        },
    }
}

fn reshard(rng: &mut Rng) -> Reshard {
    if rng.percent(60) {
        Reshard::Split(rng.next())
    } else {
        Reshard::Merge(rng.next())
    }
}

fn of_links(rng: &mut Rng) -> Fault {
    let machine = rng.next();
    if rng.percent(60) {
        // The longest is noticed: after ten seconds a peer counts as lost.
        let for_ms = rng.pick(&[300, 1_500, 4_000, 13_000]);
        return Fault::CutLink { machine, for_ms };
    }
    Fault::BadLink {
        machine,
        delay_ms: rng.range(5, 200),
        loss_percent: rng.range(0, 20),
        for_ms: rng.range(500, 5_000),
    }
}

/// Each machine has one process.
fn layout(rng: &mut Rng, n_machines: Option<u64>) -> Layout {
    let processes = rng.pick(&[1, 1, 2, 3]);
    Layout {
        processes: n_machines.unwrap_or(processes),
        workers: rng.pick(&[1, 2, 4]),
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}  inputs {}  {} + {} partitions  lines for {} ms, {} ms of them before the start, {} ms ahead",
            self.seed,
            self.inputs.name(),
            self.web_partitions,
            self.ssh_partitions,
            self.lasts_ms,
            self.backlog_ms,
            self.ahead_ms,
        )?;
        writeln!(
            f,
            "begins {}  ends {} {:?}  {}",
            self.first,
            self.last,
            self.ending,
            if self.is_pattern_wide {
                "files by pattern"
            } else {
                "files by name"
            }
        )?;
        for (at_ms, fault) in &self.faults {
            writeln!(f, "  {at_ms:>6} ms  {fault:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plans() -> impl Iterator<Item = Plan> {
        (0..200).flat_map(|seed| Inputs::ALL.map(|inputs| Plan::new(seed, inputs)))
    }

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        for inputs in Inputs::ALL {
            assert_eq!(Plan::new(7, inputs), Plan::new(7, inputs));
            assert_ne!(Plan::new(7, inputs).faults, Plan::new(8, inputs).faults);
        }
    }

    #[test]
    fn plans_have_every_kind_of_fault_in_order_and_none_of_a_foreign_input() {
        let mut seen = BTreeSet::new();
        for plan in plans() {
            assert!(plan.faults.is_sorted_by_key(|(at_ms, _)| *at_ms));
            let inputs = plan.inputs;
            for (_, fault) in &plan.faults {
                seen.insert(fault.name());
                let is_at_home = match fault {
                    Fault::Rotate { .. } => inputs.has_files(),
                    Fault::KillBroker { .. } => inputs.has_kafka(),
                    Fault::Reshard(_) => inputs == Inputs::Kinesis,
                    fault if fault.is_of_network() => inputs.has_network(),
                    Fault::CutLink { .. } | Fault::BadLink { .. } => inputs == Inputs::Machines,
                    _ => true,
                };
                assert!(is_at_home, "{plan}");
            }
        }
        assert_eq!(seen.len(), 22, "{seen:?}");
    }

    #[test]
    fn every_plan_has_ten_faults() {
        for plan in plans() {
            assert!(plan.faults.len() >= 10, "{plan}");
            let is_of_broker =
                |(_, fault): &&(u64, Fault)| matches!(fault, Fault::KillBroker { .. });
            let n_broker = plan.faults.iter().filter(is_of_broker).count() as u64;
            assert!(n_broker <= BROKER_KILLS_MAX, "{plan}");
        }
    }

    #[test]
    fn a_machine_has_one_process_in_every_layout() {
        for plan in plans() {
            let mut layouts = vec![plan.first, plan.last];
            layouts.extend(plan.faults.iter().filter_map(|(_, fault)| match fault {
                Fault::Kill(again) | Fault::Stop(again) | Fault::Damage { again, .. } => {
                    Some(again.layout)
                }
                _ => None,
            }));
            assert_eq!(plan.n_machines.is_some(), plan.inputs == Inputs::Machines);
            if let Some(n) = plan.n_machines {
                assert!(layouts.iter().all(|layout| layout.processes == n), "{plan}");
            }
        }
    }

    #[test]
    fn a_wrong_clock_stays_behind_the_dates_of_lines() {
        for plan in plans() {
            for (_, fault) in &plan.faults {
                if let Fault::Jump { by_s, .. } = fault {
                    assert!(plan.ahead_ms as i64 >= by_s * 1_000 + 3_000, "{plan}");
                }
            }
        }
    }
}
