//! One line through parsers and filters: the work of the detect operator, free of timely.
//!
//! Nothing here depends on the lines before, but for the stashes of parsers that have some: so any
//! worker may do it. What comes out has no effective times yet ([`Parsed`]).

use std::sync::Arc;

use overspill_bucket::ScenarioId;
use overspill_event::{Event, ExpectMode, LineBatch, LineRef, Origin, Position, TextField};
use overspill_golike::time::{Time, parse_rfc3339};
use overspill_matcher::{Hit, MatchState, Outside};
use overspill_parser::{Outcome, ParserState, parse};

use crate::batch::{CANCELS, HAS_DISTINCT, HAS_TIME, PourBatch, PourHead};
use crate::outgoing::Outgoing;
use crate::plan::{Keeps, Plan};
use crate::record::Recorder;
use crate::restart::{Course, Restarts};
use crate::stats::Stats;
use crate::tally::Tallies;

/// Bytes of pours that are handed on before their batch of lines is done: what a core's cache still
/// holds when the buckets come to it.
const PART_BYTES: usize = 1 << 17;

/// Longest text of a time that is remembered.
const TIME_BYTES_MAX: usize = 64;

/// Parses and matches lines on one worker.
pub(crate) struct LineWorker {
    plan: Arc<Plan>,
    keeps: Keeps,
    event: Event,
    matches: MatchState,
    hits: Vec<Hit>,
    payload: Vec<u8>,
    now: Time,
    /// The text of the last time, and what it says.
    last_time: (Vec<u8>, Option<Time>),
    recorder: Option<Arc<dyn Recorder>>,
    scenario_pours: Vec<u64>,
    moments: Vec<Option<i64>>,
    offsets: Vec<u64>,
    /// Event time that the line at hand cannot be later than.
    bound_ns: Option<i64>,
    outgoing: Outgoing,
    n_bytes: usize,
    pub(crate) stats: Stats,
}

/// Lines that were parsed and matched, but for their place in time.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The times of the lines that the partition's clock is to see, in order.
    moments: Vec<Option<i64>>,
    /// The offsets of these lines.
    offsets: Vec<u64>,
    /// Their pours, by owner. The effective time of a record is the number of its moment.
    batches: Vec<PourBatch>,
}

impl Parsed {
    /// Asks the partition's course for the effective times; what comes out may be sent. Answers also
    /// how many lines a checkpoint had already.
    pub(crate) fn stamp(
        mut self,
        course: &mut Course,
        context: &Arc<[u8]>,
        restarts: &mut Restarts,
    ) -> (Vec<PourBatch>, u64) {
        let times = course.times(&self.moments, &self.offsets, context, restarts);
        let n_counted = times.iter().filter(|time| time.is_none()).count() as u64;
        for batch in &mut self.batches {
            batch.heads.retain_mut(|head| {
                let moment = usize::try_from(head.eff_ns).ok();
                let Some(eff_ns) = moment.and_then(|moment| times.get(moment)) else {
                    unreachable!("a record is of a moment of its part")
                };
                head.eff_ns = eff_ns.unwrap_or(i64::MIN);
                eff_ns.is_some()
            });
        }
        if n_counted > 0 {
            self.batches.retain(|batch| !batch.is_empty());
        }
        (self.batches, n_counted)
    }

    /// Bytes of all of it.
    pub(crate) fn n_bytes(&self) -> u64 {
        let pours: usize = self.batches.iter().map(PourBatch::n_bytes).sum();
        let moments = size_of_val(self.moments.as_slice());
        (pours + moments + size_of_val(self.offsets.as_slice())) as u64
    }
}

impl LineWorker {
    /// A worker of a job of `peers` workers.
    pub(crate) fn new(
        plan: Arc<Plan>,
        now: Time,
        recorder: Option<Arc<dyn Recorder>>,
        peers: usize,
    ) -> Self {
        Self {
            moments: Vec::new(),
            offsets: Vec::new(),
            bound_ns: None,
            outgoing: Outgoing::new(peers),
            n_bytes: 0,
            keeps: Keeps::of(&plan.rules, &plan.schema),
            event: Event::new(Arc::clone(&plan.schema)),
            matches: MatchState::default(),
            hits: Vec::new(),
            payload: Vec::new(),
            now,
            last_time: (Vec::new(), None),
            recorder,
            scenario_pours: vec![0; plan.rules.scenarios().len()],
            stats: Stats::default(),
            plan,
        }
    }

    /// Whether [`LineWorker::take`] should be called before the next line.
    pub(crate) fn is_full(&self) -> bool {
        self.n_bytes >= PART_BYTES
    }

    /// What the lines since the last call gave.
    pub(crate) fn take(&mut self) -> Parsed {
        self.n_bytes = 0;
        let n = self.moments.len();
        Parsed {
            moments: std::mem::replace(&mut self.moments, Vec::with_capacity(n)),
            offsets: std::mem::replace(&mut self.offsets, Vec::with_capacity(n)),
            batches: self.outgoing.take(),
        }
    }

    /// The lines that follow were read at this time, in nanoseconds; `None` for a replay.
    pub(crate) fn arrived(&mut self, arrival_ns: Option<i64>, state: &mut ParserState) {
        if let Some(arrival_ns) = arrival_ns {
            self.now = Time::from_unix_ns(arrival_ns);
            state.set_now(self.now);
        }
    }

    /// The line that follows cannot be later than this event time.
    pub(crate) fn bound(&mut self, bound_ns: Option<i64>) {
        self.bound_ns = bound_ns;
    }

    /// Parses one line; what it gives is kept for [`LineWorker::take`].
    pub(crate) fn line(
        &mut self,
        (partition, origin): (u32, &Origin),
        state: &mut ParserState,
        batch: &LineBatch,
        line: &LineRef,
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
        let outcome = self.parse(state);
        self.stats.truncated += u64::from(self.event.is_truncated());
        let time = self.event_time();
        match outcome {
            Outcome::Processed if !self.event.whitelisted => {
                self.stats.parsed += 1;
                self.stats.without_time += u64::from(time.is_none());
                self.moment(time);
                self.pour(state, time);
            }
            outcome => {
                if time.is_some() {
                    self.moment(time);
                }
                self.count(&outcome);
            }
        }
    }

    /// Notes the time of the line at hand for the clock of its partition.
    fn moment(&mut self, time: Option<Time>) {
        let time_ns = time.map(|time| time.unix_ns());
        let bound_ns = self.bound_ns.unwrap_or(i64::MAX);
        self.stats.from_the_future += u64::from(time_ns.is_some_and(|time_ns| time_ns > bound_ns));
        self.moments
            .push(time_ns.map(|time_ns| time_ns.min(bound_ns)));
        self.offsets.push(self.event.position.offset);
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

    /// The time buckets count with: `MarshaledTime`, read back. Many lines in a row have the same.
    fn event_time(&mut self) -> Option<Time> {
        let text = self.event.text(TextField::MarshaledTime);
        if text.is_empty() {
            return None;
        }
        if self.last_time.0 != text {
            let time = parse_rfc3339(text);
            self.last_time.0.clear();
            // Longer ones are read again each time.
            if text.len() <= TIME_BYTES_MAX {
                self.last_time.0.extend_from_slice(text);
            }
            self.last_time.1 = time;
        }
        self.last_time.1
    }

    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Processed => self.stats.whitelisted += 1,
            Outcome::Unparsed { stage } => {
                self.stats.unparsed += 1;
                let Position { partition, offset } = self.event.position;
                self.stats
                    .sample_unparsed((partition, offset), stage, self.event.raw());
            }
            Outcome::Dropped { why } => {
                self.stats.refused += 1;
                self.stats.sample_error(|| why.to_string());
            }
        }
    }

    /// Pours the event at hand, whose moment is the last one.
    fn pour(&mut self, state: &mut ParserState, time: Option<Time>) {
        self.hits.clear();
        let mut outside = Outside {
            stash: state.stash_mut(),
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
        let moment = i64::try_from(self.moments.len() - 1).unwrap_or(i64::MAX);
        let order = (moment, self.event.position, 0);
        self.n_bytes += heads(
            &self.plan,
            &self.keeps,
            &self.event,
            &self.hits,
            order,
            time,
            &mut self.payload,
            &mut self.outgoing,
        );
        self.stats.pours += self.hits.len() as u64;
    }

    /// Adds the counters of a state that is no longer used.
    pub(crate) fn count_parser(&mut self, state: &ParserState) {
        self.stats.count_parser(state, &self.plan.parsers);
    }

    /// Goes on counting pours in `pours`, and gives those so far in their place.
    pub(crate) fn swap_pours(&mut self, pours: &mut Vec<u64>) {
        pours.resize(self.scenario_pours.len(), 0);
        std::mem::swap(&mut self.scenario_pours, pours);
    }

    /// All counters so far, with those that are kept elsewhere: parser states, and sources.
    pub(crate) fn total<'a>(
        &self,
        states: impl Iterator<Item = &'a ParserState>,
        tallies: Option<&Tallies>,
    ) -> Stats {
        let mut stats = self.stats.clone();
        let mut pours = self.scenario_pours.clone();
        for state in states {
            stats.count_parser(state, &self.plan.parsers);
        }
        if let Some(tallies) = tallies {
            tallies.count(&mut stats, &mut pours, &self.plan);
        }
        for (scenario, n) in self.plan.rules.scenarios().iter().zip(&pours) {
            if *n > 0 {
                let counts = stats.scenarios.entry(scenario.name.to_string());
                counts.or_default().0 += n;
            }
        }
        stats.count_matches(&self.matches);
        stats
    }
}

/// Appends a record for each hit of an event, which share their payload; answers how many bytes
/// they are.
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
    out: &mut Outgoing,
) -> usize {
    if hits.is_empty() {
        return 0;
    }
    let scenario_keeps = hits
        .iter()
        .filter_map(|hit| plan.rules.scenario(hit.scenario))
        .map(|plan| &plan.keep);
    payload.clear();
    event.encode_kept(keeps.for_all(scenario_keeps), payload);
    out.begin_event();
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
        let head = PourHead {
            key: hit.key.0,
            distinct: hit.distinct.unwrap_or_default(),
            eff_ns,
            time_ns: time.map_or(0, |time| time.unix_ns()),
            offset: position.offset,
            partition: position.partition,
            seq: seq_base.saturating_add(scenario),
            scenario,
            zone_secs: time.map_or(0, |time| time.offset_secs),
            start: 0,
            len: 0,
            flags,
            reserved: 0,
        };
        out.push(&head, payload);
    }
    payload.len() + size_of::<PourHead>() * hits.len()
}
