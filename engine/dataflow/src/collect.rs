//! The end of the graph, on worker 0: alerts in their order, with their decisions.
//!
//! Records arrive from all workers. In replay they wait until the frontier has passed, are sorted,
//! decided upon and given; so the order of outputs is the same for any number of workers. In
//! speculative mode they are given at once, with their sign.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::Sender;
use overspill_decision::{Discard, Policy, Received};
use overspill_event::{Alert, Decision};
use overspill_golike::time::Time;

use crate::alerts::AlertRecord;
use crate::board::{Report, known};
use crate::clock::complete_ns;
use crate::job::{Mode, Progress, Settings};
use crate::plan::Plan;
use crate::stats::{Stats, settle};

/// What a job gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// An overflow, as it left the post-overflow stages. A whitelisted one comes too.
    Overflow(Box<AlertRecord>),
    /// An alert that stands, with what was decided, and its sign.
    Alert {
        /// The alert.
        alert: Box<Alert>,
        /// Effective time of the pour that made the bucket overflow, in nanoseconds: the alert is
        /// final when this is.
        eff_ns: i64,
        /// +1, or -1 when it is taken back.
        diff: i64,
    },
    /// An alert that was dropped because its source is allowlisted. It is never taken back, for
    /// nothing came of it.
    Allowlisted(Box<Alert>),
    /// Everything at or before this event time is final, and was given.
    Final(i64),
}

/// Decides and gives.
pub(crate) struct Collector {
    plan: Arc<Plan>,
    policy: Policy,
    mode: Mode,
    gives_overflows: bool,
    gives_finals: bool,
    waiting: BTreeMap<(i64, u32, u64, u32, u8), Vec<AlertRecord>>,
    outputs: Option<Sender<Output>>,
    /// What was last said to be final.
    final_ns: i64,
    progress: Arc<Progress>,
    now: Time,
    n_given: u64,
    n_withdrawn: u64,
    stats: Stats,
}

impl Collector {
    pub(crate) fn new(
        plan: Arc<Plan>,
        settings: &Settings,
        outputs: Option<Sender<Output>>,
        progress: Arc<Progress>,
        is_live: bool,
    ) -> Self {
        Self {
            policy: plan.policy.clone(),
            plan,
            mode: settings.mode,
            gives_overflows: settings.gives_overflows,
            gives_finals: is_live || settings.mode == Mode::Speculative,
            waiting: BTreeMap::new(),
            outputs,
            final_ns: i64::MIN,
            progress,
            now: settings.now,
            n_given: 0,
            n_withdrawn: 0,
            stats: Stats::default(),
        }
    }

    /// Takes a record.
    pub(crate) fn take(&mut self, record: AlertRecord) {
        match self.mode {
            Mode::Speculative => self.decide(record),
            Mode::Replay => {
                let (eff_ns, partition, offset, seq) = record.order;
                let place = (eff_ns, partition, offset, seq, record.depth);
                self.waiting.entry(place).or_default().push(record);
            }
        }
    }

    /// Everything before `frontier` has arrived; `None` is the end.
    pub(crate) fn advance(&mut self, frontier: Option<u64>) {
        let final_ns = complete_ns(frontier);
        while let Some(entry) = self.waiting.first_entry()
            && entry.key().0 <= final_ns
        {
            for record in entry.remove() {
                self.decide(record);
            }
        }
        if final_ns > self.final_ns {
            self.final_ns = final_ns;
            if self.gives_finals {
                self.give(Output::Final(final_ns));
            }
        }
    }

    /// What it has counted so far.
    pub(crate) fn report(&self, report: &mut Report) {
        report.stats.add(&self.stats);
        report.gauges.alerts_given += self.n_given;
        report.gauges.alerts_withdrawn += self.n_withdrawn;
        report.gauges.final_ns = known(self.final_ns);
    }

    /// All counters so far.
    pub(crate) fn total(&self) -> Stats {
        self.stats.clone()
    }

    fn decide(&mut self, record: AlertRecord) {
        let (diff, eff_ns) = (record.diff, record.order.0);
        let overflow = Arc::clone(&record.overflow);
        if self.gives_overflows {
            self.give(Output::Overflow(Box::new(record)));
        } else {
            drop(record);
        }
        let alerts = match overflow.whitelisted {
            true => Vec::new(),
            false => Arc::unwrap_or_clone(overflow).alerts,
        };
        for mut alert in alerts {
            match self
                .policy
                .receive(&mut alert, &self.plan.services, self.now)
            {
                Ok(Received::Kept { discarded, .. }) => {
                    self.count_discarded(&discarded, diff);
                    self.progress.alert(diff);
                    match diff > 0 {
                        true => self.n_given += diff.unsigned_abs(),
                        false => self.n_withdrawn += diff.unsigned_abs(),
                    }
                    self.give(Output::Alert {
                        alert: Box::new(alert),
                        eff_ns,
                        diff,
                    });
                }
                Ok(Received::Allowlisted(_)) => {
                    self.stats.change("alerts allowlisted", diff);
                    if diff > 0 {
                        self.give(Output::Allowlisted(Box::new(alert)));
                    }
                }
                Ok(Received::Worthless(_)) => {
                    self.stats.change("alerts without a usable value", diff);
                }
                Err(error) => {
                    settle(&mut self.stats.alerts_failed, diff);
                    self.stats
                        .sample_error(|| format!("{}: {error}", alert.scenario));
                }
            }
        }
    }

    fn count_discarded(&mut self, discarded: &[(Decision, Discard)], diff: i64) {
        for (_, why) in discarded {
            let name = match why {
                Discard::NotAnAddress => "decisions on what is no address",
                Discard::Safe(_) => "decisions against an address that is never banned",
            };
            self.stats.change(name, diff);
        }
    }

    fn give(&mut self, output: Output) {
        if let Some(outputs) = &self.outputs
            && outputs.send(output).is_err()
        {
            // The taker is gone; the job runs on so that its counters are right.
            self.outputs = None;
        }
    }
}
