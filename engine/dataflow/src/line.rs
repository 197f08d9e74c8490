//! One line through parsers and filters: the work of the detect operator, free of timely.

use std::sync::Arc;

use overspill_bucket::ScenarioId;
use overspill_event::{Event, ExpectMode, LineBatch, LineRef, Origin, Position, TextField};
use overspill_golike::time::{Time, parse_rfc3339};
use overspill_matcher::{Hit, MatchState, Outside};
use overspill_parser::{Outcome, ParserState, parse};

use crate::batch::{CANCELS, HAS_DISTINCT, HAS_TIME, PourBatch, PourHead};
use crate::clock::PartitionClock;
use crate::plan::{Keeps, Plan};
use crate::record::Recorder;
use crate::stats::Stats;

/// Parses and matches lines on one worker.
pub(crate) struct LineWorker {
    plan: Arc<Plan>,
    keeps: Keeps,
    event: Event,
    matches: MatchState,
    hits: Vec<Hit>,
    payload: Vec<u8>,
    now: Time,
    recorder: Option<Arc<dyn Recorder>>,
    scenario_pours: Vec<u64>,
    pub(crate) stats: Stats,
}

/// What the lines of one partition need between them.
pub(crate) struct PartitionState {
    pub(crate) parser: ParserState,
    pub(crate) clock: PartitionClock,
}

impl LineWorker {
    pub(crate) fn new(plan: Arc<Plan>, now: Time, recorder: Option<Arc<dyn Recorder>>) -> Self {
        Self {
            keeps: Keeps::of(&plan.rules),
            event: Event::new(Arc::clone(&plan.schema)),
            matches: MatchState::default(),
            hits: Vec::new(),
            payload: Vec::new(),
            now,
            recorder,
            scenario_pours: vec![0; plan.rules.scenarios().len()],
            stats: Stats::default(),
            plan,
        }
    }

    /// Parses one line and appends its pours to `out`.
    pub(crate) fn line(
        &mut self,
        (partition, origin): (u32, &Origin),
        state: &mut PartitionState,
        batch: &LineBatch,
        line: &LineRef,
        out: &mut PourBatch,
    ) {
        let raw = batch.bytes(line);
        self.stats.lines += 1;
        self.stats.bytes += u64::from(line.len);
        self.stats.lines_cut += u64::from(line.is_cut);
        let position = Position {
            partition,
            offset: line.offset,
        };
        self.event.begin_line(origin, raw, position);
        self.event.mode = ExpectMode::TimeMachine;
        self.event.arrival_time = self.now;
        let outcome = self.parse(&mut state.parser);
        self.stats.truncated += u64::from(self.event.is_truncated());
        let time = self.event_time();
        match outcome {
            Outcome::Processed if !self.event.whitelisted => {
                self.stats.parsed += 1;
                self.stats.without_time += u64::from(time.is_none());
                let eff_ns = state.clock.effective_ns(time.map(|time| time.unix_ns()));
                self.pour(state, eff_ns, time, out);
            }
            outcome => {
                if time.is_some() {
                    state.clock.effective_ns(time.map(|time| time.unix_ns()));
                }
                self.count(&outcome);
            }
        }
    }

    fn parse(&mut self, state: &mut ParserState) -> Outcome {
        let Self {
            plan,
            event,
            recorder,
            ..
        } = self;
        match recorder {
            None => parse(&plan.parsers, event, state, &plan.services, &mut ()),
            Some(recorder) => {
                let mut observer = recorder.line(event.position);
                let outcome = parse(
                    &plan.parsers,
                    event,
                    state,
                    &plan.services,
                    &mut observer.as_mut(),
                );
                observer.done(event, &outcome);
                outcome
            }
        }
    }

    /// The time buckets count with: `MarshaledTime`, read back.
    fn event_time(&self) -> Option<Time> {
        match self.event.text(TextField::MarshaledTime) {
            [] => None,
            text => parse_rfc3339(text),
        }
    }

    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Processed => self.stats.whitelisted += 1,
            Outcome::Unparsed { stage } => {
                self.stats.unparsed += 1;
                let (stage, raw) = (stage.as_ref(), self.event.raw());
                self.stats.sample_unparsed(stage, raw);
            }
            Outcome::Dropped { why } => {
                self.stats.refused += 1;
                self.stats.sample_error(|| why.to_string());
            }
        }
    }

    fn pour(
        &mut self,
        state: &mut PartitionState,
        eff_ns: i64,
        time: Option<Time>,
        out: &mut PourBatch,
    ) {
        self.hits.clear();
        let mut outside = Outside {
            stash: state.parser.stash_mut(),
            services: &self.plan.services,
            now: self.now,
        };
        let matched = self.plan.rules.matches(
            &mut self.event,
            &mut self.matches,
            &mut outside,
            &mut self.hits,
        );
        if let Err(abandoned) = matched {
            self.stats.filter_errors += 1;
            self.stats.sample_error(|| {
                let name = self
                    .plan
                    .rules
                    .scenario(abandoned.scenario)
                    .map(|plan| &*plan.name);
                format!("{}: {}", name.unwrap_or_default(), abandoned.error)
            });
        }
        if let Some(recorder) = &self.recorder {
            recorder.poured(&self.event, &self.hits);
        }
        for hit in &self.hits {
            let number = usize::try_from(hit.scenario.0).unwrap_or(usize::MAX);
            if let Some(n) = self.scenario_pours.get_mut(number) {
                *n += 1;
            }
        }
        let order = (eff_ns, self.event.position, 0);
        heads(
            &self.plan,
            &self.keeps,
            &self.event,
            &self.hits,
            order,
            time,
            &mut self.payload,
            out,
        );
        self.stats.pours += self.hits.len() as u64;
    }

    /// Adds the counters that are kept elsewhere.
    pub(crate) fn finish(&mut self, partitions: &[PartitionState]) {
        for (scenario, n) in self.plan.rules.scenarios().iter().zip(&self.scenario_pours) {
            if *n > 0 {
                self.stats
                    .scenarios
                    .entry(scenario.name.to_string())
                    .or_default()
                    .0 += n;
            }
        }
        for partition in partitions {
            self.stats.clamped += partition.clock.n_clamped;
            self.stats.moved_on += partition.clock.n_moved_on;
            self.stats
                .count_parser(&partition.parser, &self.plan.parsers);
        }
        self.stats.count_matches(&self.matches);
    }
}

/// Appends a record for each hit of an event; they share one payload.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one record, from two callers"
)]
pub(crate) fn heads(
    plan: &Plan,
    keeps: &Keeps,
    event: &Event,
    hits: &[Hit],
    (eff_ns, position, seq_base): (i64, Position, u32),
    time: Option<Time>,
    payload: &mut Vec<u8>,
    out: &mut PourBatch,
) {
    if hits.is_empty() {
        return;
    }
    let scenario_keeps = hits
        .iter()
        .filter_map(|hit| plan.rules.scenario(hit.scenario))
        .map(|plan| &plan.keep);
    payload.clear();
    event.encode(keeps.for_all(scenario_keeps), payload);
    let (start, len) = out.add_payload(payload);
    for hit in hits {
        let ScenarioId(scenario) = hit.scenario;
        let mut flags = 0;
        flags |= if hit.cancels { CANCELS } else { 0 };
        flags |= if hit.distinct.is_some() {
            HAS_DISTINCT
        } else {
            0
        };
        flags |= if time.is_some() { HAS_TIME } else { 0 };
        out.push(PourHead {
            key: hit.key.0,
            distinct: hit.distinct.unwrap_or_default(),
            eff_ns,
            time_ns: time.map_or(0, |time| time.unix_ns()),
            offset: position.offset,
            partition: position.partition,
            seq: seq_base.saturating_add(scenario),
            scenario,
            zone_secs: time.map_or(0, |time| time.offset_secs),
            start,
            len,
            flags,
            reserved: 0,
        });
    }
}
