//! What is going to happen: made of a seed alone, so that a seed repeats it.
//!
//! When exactly something happens depends on the machine, and so do the dates of the lines; what is repeated is the order
//! of faults, their kinds and distances, and who attacks.

use std::fmt::{self, Display, Formatter};

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
}

impl Inputs {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Kafka => "kafka",
            Self::Both => "both",
        }
    }

    pub(crate) fn has_kafka(self) -> bool {
        self != Self::Files
    }
}

/// How a job is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) processes: u64,
    /// Of each process.
    pub(crate) workers: u64,
}

impl Display for Layout {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.processes, self.workers)
    }
}

/// When the job is started again, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) down_ms: u64,
    pub(crate) layout: Layout,
}

/// What is done to the newest checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// One bit of the manifest is another.
    Flip,
    /// The manifest ends early.
    Cut,
    /// The manifest has no bytes at all.
    Empty,
    /// A segment that no older checkpoint needs ends early.
    CutSegment,
}

/// How a log is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// The file gets another name; the writer goes on writing to it for so long.
    Rename { held_ms: u64 },
    /// The file is copied, then cut.
    Copy,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9`.
    Kill(Again),
    /// The same twice; the second time so long after the start.
    KillAtStart { after_ms: u64, again: Again },
    /// `kill -9` so long after a checkpoint has begun to be written.
    KillInCheckpoint { after_us: u64, again: Again },
    /// `kill -9` of one process of several; the supervisor starts all again.
    KillChild,
    /// SIGTERM.
    Stop(Again),
    /// SIGSTOP, and SIGCONT so much later.
    Freeze { for_ms: u64 },
    /// `kill -9`, and the newest checkpoint is damaged.
    Damage { harm: Harm, again: Again },
    /// A log is rotated.
    Rotate { file: u64, how: Rotation },
    /// `kill -9` of the broker.
    KillBroker { down_ms: u64 },
    /// Nothing passes between job and broker.
    Stall { for_ms: u64 },
    /// What passes between them comes later.
    Delay { by_ms: u64, for_ms: u64 },
    /// All connections to the broker are cut.
    Reset,
    /// There is no room for checkpoints.
    FillState { for_ms: u64 },
    /// There is no room for alerts.
    FillAlerts { for_ms: u64 },
    /// The job's clock is wrong by so many seconds.
    Jump { by_s: i64, for_ms: u64 },
}

impl Fault {
    /// Whether it is done to a job that runs.
    pub(crate) fn is_of_job(&self) -> bool {
        matches!(
            self,
            Self::Kill(_)
                | Self::KillAtStart { .. }
                | Self::KillInCheckpoint { .. }
                | Self::Stop(_)
                | Self::Freeze { .. }
                | Self::Damage { .. }
        )
    }

    /// Whether it comes between the job and its broker.
    pub(crate) fn is_of_broker(&self) -> bool {
        matches!(
            self,
            Self::KillBroker { .. } | Self::Stall { .. } | Self::Delay { .. } | Self::Reset
        )
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::KillAtStart { .. } => "kill at start",
            Self::KillInCheckpoint { .. } => "kill in checkpoint",
            Self::KillChild => "kill one process",
            Self::Stop(_) => "stop",
            Self::Freeze { .. } => "freeze",
            Self::Damage { .. } => "damaged checkpoint",
            Self::Rotate {
                how: Rotation::Copy,
                ..
            } => "copy and truncate",
            Self::Rotate { .. } => "rename",
            Self::KillBroker { .. } => "broker kill",
            Self::Stall { .. } => "network stall",
            Self::Delay { .. } => "network delay",
            Self::Reset => "network reset",
            Self::FillState { .. } => "full state disk",
            Self::FillAlerts { .. } => "full alerts disk",
            Self::Jump { .. } => "clock jump",
        }
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
    /// How far dates of lines are ahead of the clock.
    pub(crate) ahead_ms: u64,
    /// The files are named by a pattern that their rotated forms match too. No plan has that by itself.
    pub(crate) is_pattern_wide: bool,
    pub(crate) first: Layout,
    pub(crate) last: Layout,
    pub(crate) faults: Vec<(u64, Fault)>,
    pub(crate) ending: Ending,
}

/// Lines come for so long: files, and where a broker has to come back.
const FILES_MS: u64 = 12_000;
const KAFKA_MS: u64 = 24_000;
/// Largest error of a clock. Lines are so much ahead that one of the job's clock moves no idle partition past them.
const JUMP_S_MAX: i64 = 8;

impl Plan {
    pub(crate) fn new(seed: u64, inputs: Inputs) -> Self {
        let mut rng = Rng::new(seed, 1);
        let lasts_ms = if inputs.has_kafka() {
            KAFKA_MS
        } else {
            FILES_MS
        };
        let mut plan = Self {
            seed,
            inputs,
            lasts_ms,
            backlog_ms: rng.pick(&[0, 0, 1_000, 2_500]),
            web_partitions: rng.range(1, 3),
            ssh_partitions: rng.range(1, 3),
            ahead_ms: 0,
            is_pattern_wide: false,
            first: layout(&mut rng),
            last: layout(&mut rng),
            faults: Vec::new(),
            ending: rng.pick(&[Ending::Later, Ending::Later, Ending::Quiet]),
        };
        let n_faults = rng.range(8, 16);
        let mut moments: Vec<u64> = (0..n_faults).map(|_| rng.range(400, lasts_ms)).collect();
        moments.sort_unstable();
        let mut n_broker = 0;
        for at_ms in moments {
            let mut fault = plan.fault(&mut rng);
            while matches!(fault, Fault::KillBroker { .. }) && n_broker == 2 {
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
        let way_ms = if self.inputs.has_kafka() {
            rng.pick(&[12_000, 18_000])
        } else {
            rng.pick(&[3_000, 6_000])
        };
        jump_ms + way_ms
    }

    fn fault(&self, rng: &mut Rng) -> Fault {
        let is_of_job = rng.percent(55);
        if is_of_job {
            return of_job(rng);
        }
        let is_of_files = match self.inputs {
            Inputs::Files => true,
            Inputs::Kafka => false,
            Inputs::Both => rng.percent(50),
        };
        match (rng.below(10), is_of_files) {
            (0, _) => Fault::FillState {
                for_ms: rng.range(300, 3_000),
            },
            (1, _) => Fault::FillAlerts {
                for_ms: rng.range(300, 2_000),
            },
            (2, _) => Fault::Jump {
                by_s: rng.range(1, JUMP_S_MAX as u64) as i64 * rng.pick(&[1, -1]),
                for_ms: rng.range(500, 4_000),
            },
            (3..7, true) => Fault::Rotate {
                file: rng.next(),
                how: Rotation::Rename {
                    held_ms: rng.pick(&[0, 0, 50, 300]),
                },
            },
            (_, true) => Fault::Rotate {
                file: rng.next(),
                how: Rotation::Copy,
            },
            (3 | 4, false) => Fault::KillBroker {
                down_ms: rng.range(100, 3_000),
            },
            (5 | 6, false) => Fault::Stall {
                for_ms: rng.range(300, 5_000),
            },
            (7, false) => Fault::Delay {
                by_ms: rng.range(20, 400),
                for_ms: rng.range(1_000, 5_000),
            },
            (_, false) => Fault::Reset,
        }
    }

    pub(crate) fn n_partitions(&self) -> usize {
        (self.web_partitions + self.ssh_partitions) as usize
    }
}

fn of_job(rng: &mut Rng) -> Fault {
    let again = Again {
        down_ms: rng.pick(&[0, 0, 100, 500, 1_500, 4_000]),
        layout: layout(rng),
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

fn layout(rng: &mut Rng) -> Layout {
    Layout {
        processes: rng.pick(&[1, 1, 2, 3]),
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
    use super::*;

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        for inputs in [Inputs::Files, Inputs::Kafka, Inputs::Both] {
            assert_eq!(Plan::new(7, inputs), Plan::new(7, inputs));
            assert_ne!(Plan::new(7, inputs).faults, Plan::new(8, inputs).faults);
        }
    }

    #[test]
    fn plans_have_every_kind_of_fault_in_order_and_none_of_a_foreign_input() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            for inputs in [Inputs::Files, Inputs::Kafka, Inputs::Both] {
                let plan = Plan::new(seed, inputs);
                assert!(plan.faults.is_sorted_by_key(|(at_ms, _)| *at_ms));
                for (_, fault) in &plan.faults {
                    seen.insert(fault.name());
                    let is_of_files = matches!(fault, Fault::Rotate { .. });
                    let is_of_kafka = fault.is_of_broker();
                    assert!(!is_of_files || inputs != Inputs::Kafka, "{plan}");
                    assert!(!is_of_kafka || inputs.has_kafka(), "{plan}");
                }
            }
        }
        assert_eq!(seen.len(), 16, "{seen:?}");
    }

    #[test]
    fn a_wrong_clock_stays_behind_the_dates_of_lines() {
        for seed in 0..200 {
            let plan = Plan::new(seed, Inputs::Files);
            for (_, fault) in &plan.faults {
                if let Fault::Jump { by_s, .. } = fault {
                    assert!(plan.ahead_ms as i64 >= by_s * 1_000 + 3_000, "{plan}");
                }
            }
        }
    }
}
