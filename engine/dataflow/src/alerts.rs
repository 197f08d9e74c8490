//! From an overflow to an alert record: sources, texts, post-overflow stages.

use std::sync::Arc;

use overspill_bucket::{Change, Overflow as Spilled};
use overspill_decision::{AlertBuilder, AlertSpec, BuildError, Spill, fill_overflow_event};
use overspill_event::{Event, Keep, Overflow, Position};

use overspill_matcher::{Outside, ScenarioPlan};
use overspill_parser::{ParserState, parse};
use serde::{Deserialize, Serialize};

use crate::evidence::Reader;
use crate::job::Settings;
use crate::judge::time_of;
use crate::plan::Plan;
use crate::record::Recorder;
use crate::stats::{Stats, settle};

/// An overflow with its alerts, on its way to worker 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// Effective time, partition, offset and rank of the pour that made the bucket overflow:
    /// records are given in this order.
    pub order: (i64, u32, u64, u32),
    /// 0 for overflows of lines, 1 for those of overflows.
    pub depth: u8,
    /// +1, or -1 when a later line showed that it did not happen so.
    pub diff: i64,
    /// Names the overflow on every run.
    pub identity: u128,
    /// Number of the scenario.
    pub scenario: u32,
    /// The overflow, after the post-overflow stages.
    pub overflow: Arc<Overflow>,
    /// The overflow's event after those stages, encoded, without the overflow; empty where nobody
    /// asks for it.
    pub event: Vec<u8>,
}

/// Depth whose overflows are not poured again.
const DEPTH_MAX: u8 = 1;

/// What the alert operator keeps.
pub(crate) struct AlertWorker {
    plan: Arc<Plan>,
    state: ParserState,
    recorder: Option<Arc<dyn Recorder>>,
    depth: u8,
    gives_overflows: bool,
    event: Event,
    reader: Reader,
    stats: Stats,
}

impl AlertWorker {
    pub(crate) fn new(
        plan: Arc<Plan>,
        settings: &Settings,
        recorder: Option<Arc<dyn Recorder>>,
        depth: u8,
    ) -> Self {
        Self {
            state: ParserState::new(&plan.postoverflows, settings.now),
            event: Event::new(Arc::clone(&plan.schema)),
            reader: Reader::new(&plan.schema),
            plan,
            recorder,
            depth,
            gives_overflows: settings.gives_overflows,
            stats: Stats::default(),
        }
    }

    /// The record of a change; `None` when no alert could be built.
    pub(crate) fn record(&mut self, change: &Change) -> Option<AlertRecord> {
        let spilled = &change.overflow;
        let plan = Arc::clone(&self.plan);
        let scenario = plan.rules.scenario(spilled.scenario)?;
        let counts = self
            .stats
            .scenarios
            .entry(scenario.name.to_string())
            .or_default();
        settle(&mut counts.1, change.diff);
        let overflow = match build(&plan, &plan.alerts, spilled, &mut self.reader) {
            Ok(overflow) => overflow,
            Err(error) => {
                settle(&mut self.stats.alerts_failed, change.diff);
                self.stats
                    .sample_error(|| format!("{}: {error}", scenario.name));
                return None;
            }
        };
        if overflow.alert().is_none() {
            // Without a source there is nothing to alert about.
            self.stats.change("overflows without a source", change.diff);
            return None;
        }
        let order = &spilled.order;
        let position = Position {
            partition: order.partition,
            offset: order.offset,
        };
        fill_overflow_event(&mut self.event, overflow, position);
        self.postoverflow(scenario, position);
        let overflow = self.event.overflow.take()?;
        let is_poured_again = overflow.reprocess && !overflow.whitelisted && self.depth < DEPTH_MAX;
        let mut event = Vec::new();
        if is_poured_again || self.gives_overflows {
            self.event.encode(
                &Keep {
                    all: true,
                    ..Keep::default()
                },
                &mut event,
            );
        }
        if overflow.whitelisted {
            settle(&mut self.stats.overflows_whitelisted, change.diff);
        } else if overflow.reprocess && self.depth >= DEPTH_MAX {
            settle(&mut self.stats.reprocess_refused, change.diff);
        }
        Some(AlertRecord {
            order: (order.eff_ns, order.partition, order.offset, order.seq),
            depth: self.depth,
            diff: change.diff,
            identity: spilled.identity,
            scenario: spilled.scenario.0,
            overflow,
            event,
        })
    }

    /// All counters so far.
    pub(crate) fn total(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.count_parser(&self.state, &self.plan.postoverflows);
        stats.truncated += self.state.counts().truncated;
        stats
    }

    fn postoverflow(&mut self, scenario: &ScenarioPlan, position: Position) {
        let Self {
            plan, state, event, ..
        } = self;
        // The outcome is ignored, as in CrowdSec: what counts is whether a whitelist matched.
        match &self.recorder {
            None => {
                let _outcome = parse(&plan.postoverflows, event, state, &plan.services, &mut ());
            }
            Some(recorder) => {
                let mut observer = recorder.overflow(position, &scenario.name);
                let outcome = parse(
                    &plan.postoverflows,
                    event,
                    state,
                    &plan.services,
                    &mut observer.as_mut(),
                );
                observer.done(event, &outcome);
            }
        }
    }
}

/// The overflow's sources and alerts, before the post-overflow stages.
pub(crate) fn build(
    plan: &Plan,
    builder: &AlertBuilder,
    spilled: &Spilled,
    reader: &mut Reader,
) -> Result<Overflow, BuildError> {
    let Some(scenario) = plan.rules.scenario(spilled.scenario) else {
        return Ok(Overflow::default());
    };
    let events = reader.read(&spilled.queue);
    let partition = events
        .last_mut()
        .and_then(|event| {
            let mut outside = Outside {
                stash: &mut overspill_expr::NoStash,
                services: &plan.services,
                now: time_of(spilled.overflow),
            };
            plan.rules.group_text(spilled.scenario, event, &mut outside)
        })
        .unwrap_or_default();
    let position = |order: &overspill_bucket::Order| Position {
        partition: order.partition,
        offset: order.offset,
    };
    let spill = Spill {
        partition: &partition,
        first: time_of(spilled.first),
        last: time_of(spilled.last),
        overflow: time_of(spilled.overflow),
        total: u64::from(spilled.total),
        first_position: position(&spilled.first_order),
        position: position(&spilled.order),
    };
    builder.build(&spec(scenario), &spill, events, &plan.services)
}

fn spec(scenario: &ScenarioPlan) -> AlertSpec {
    AlertSpec {
        name: Arc::clone(&scenario.name),
        hash: Arc::clone(&scenario.hash),
        version: Arc::clone(&scenario.version),
        filter: scenario.filter.text().into(),
        capacity: scenario.capacity,
        leakspeed_ns: scenario.leakspeed_ns,
        scope: Arc::clone(&scenario.scope.kind),
        scope_expression: scenario.scope.expression.clone(),
        remediation: scenario.remediation,
        reprocess: scenario.reprocess,
        simulated: scenario.simulated,
    }
}
