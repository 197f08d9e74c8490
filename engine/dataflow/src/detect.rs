//! The detect operator: source, parsers and filters.
//!
//! ```text
//!  readers ==bounded==> [lanes] --batch--> parse -> match --pours--> [home worker] -> pours, at the
//!                        least projected watermark first               clock           capability
//!                                                                              tick(least watermark)
//! ```
//!
//! The three are one operator because they run on the same thread in bounded quanta; between them
//! an exchange or a channel would only cost. Batches are parsed by any worker of the process
//! ([`crate::pool`]) and put in order by one ([`crate::home`]), whose capability stands at the
//! least watermark of its partitions. A worker that is no partition's home holds no capability.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use overspill_golike::time::Time;
use overspill_parser::{ParserState, StashSet};
use timely::container::NoopBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;

use crate::batch::PourBatch;
use crate::board::{Desk, Report};
use crate::graph::Parts;
use crate::home::Home;
use crate::job::{Progress, Settings};
use crate::line::LineWorker;
use crate::plan::Plan;
use crate::pool::{Lane, Part, Pool, Taken, Why};
use crate::restart::{Restarts, StashBytes};
use crate::stats::Stats;
use crate::tally::Tallies;

/// Time a worker parses before it lets other operators run.
const QUANTUM: Duration = Duration::from_micros(1_000);
/// Lines between two looks at the clock.
const LINES_PER_LOOK: usize = 32;
/// How long to wait before looking at the credits again.
const CREDIT_WAIT: Duration = Duration::from_micros(500);

struct Detect {
    line_worker: LineWorker,
    states: States,
    /// Whether what parsers remember goes with each batch.
    needs_stashes: bool,
    home: Home,
    pool: Arc<Pool>,
    worker: usize,
    current: Option<Current>,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    /// What lines come to by source; in a job that does not end.
    tallies: Option<Tallies>,
}

/// A batch that is being parsed.
struct Current {
    taken: Taken,
    next: usize,
}

/// What parsers keep between lines.
enum States {
    /// Caches, which decide nothing: one state for all lines of the worker.
    Shared(Box<ParserState>),
    /// Stashes: one state for each lane, by its number.
    ByLane {
        plan: Arc<Plan>,
        now: Time,
        states: BTreeMap<usize, ParserState>,
    },
}

/// What the operator should do after a quantum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There is more to do at once.
    Again,
    /// Credits are out: look again soon.
    Soon,
    /// Wait to be woken.
    Wait,
}

/// Builds the operator, and what wakes it. Its counters go to `stats` when the last partition of
/// the process is finished.
pub(crate) fn detect<'s>(
    scope: Scope<'s, u64>,
    parts: &Parts,
    probe: &ProbeHandle<u64>,
    restarts: Rc<RefCell<Restarts>>,
    stats: &Rc<RefCell<Stats>>,
    desk: &Rc<Desk>,
) -> (Stream<'s, u64, PourBatch>, Activator) {
    let Parts {
        plan,
        settings,
        pool,
        ..
    } = parts;
    let recorder = parts.recorder.clone();
    let worker = pool.local(scope.worker().index());
    let needs_stashes = restarts.borrow().need_stashes();
    let mut detect = Detect {
        line_worker: LineWorker::new(Arc::clone(plan), settings.now, recorder, scope.peers()),
        states: States::new(plan, settings),
        needs_stashes,
        home: Home::new(pool, worker, settings, restarts, probe),
        pool: Arc::clone(pool),
        worker,
        current: None,
        progress: Arc::clone(&parts.progress),
        stop: Arc::clone(&settings.stop),
        tallies: pool.is_live().then(Tallies::default),
    };
    let stats = Rc::clone(stats);
    let mut builder = OperatorBuilder::new("Detect".to_owned(), scope);
    let address = builder.operator_info().address;
    pool.wakes()
        .set(worker, scope.worker().sync_activator_for(address.to_vec()));
    let again = scope.activator_for(Rc::clone(&address));
    let mut voice = desk.voice(scope.activator_for(Rc::clone(&address)));
    let wake = scope.activator_for(address);
    let (output, pours) = builder.new_output();
    let mut output = OutputBuilder::<_, NoopBuilder<PourBatch>>::from(output);
    builder.build_reschedule(move |mut capabilities| {
        let mut capability = capabilities.pop();
        let mut is_done = false;
        move |_frontiers| {
            if is_done {
                return false;
            }
            let mut output = output.activate();
            let next = detect.quantum(&mut capability, |held, batch| {
                output.session_with_builder(held).give_container(batch);
            });
            is_done = detect.current.is_none() && !detect.pool.is_open();
            if is_done {
                stats.borrow_mut().add(&detect.total());
                voice.end(|report| detect.report(report));
                return false;
            }
            voice.speak(|report| detect.report(report));
            match next {
                Next::Again => again.activate(),
                Next::Soon => again.activate_after(CREDIT_WAIT),
                Next::Wait => {}
            }
            // Without a capability there may still be batches of others to parse.
            true
        }
    });
    (pours, wake)
}

impl Detect {
    /// Works for about [`QUANTUM`], gives what is due, and moves the capability.
    fn quantum(
        &mut self,
        capability: &mut Option<Capability<u64>>,
        mut give: impl FnMut(&Capability<u64>, &mut PourBatch),
    ) -> Next {
        if self.stop.load(Ordering::Relaxed) {
            // Those that came since are closed too, or nobody would wake this again.
            if let Some(held) = capability.as_ref() {
                self.home.adopt(*held.time());
            }
            self.home.close();
        }
        // It bounds a quantum; detection never sees it.
        let started = Instant::now();
        let mut is_armed = false;
        let next = loop {
            self.settle(capability.as_ref(), &mut give);
            match self.work(|| started.elapsed() >= QUANTUM) {
                Ok(()) if started.elapsed() >= QUANTUM => break Next::Again,
                Ok(()) => {}
                Err(Why::Credits) => {
                    self.progress.credit_wait();
                    break Next::Soon;
                }
                Err(_) if is_armed => break Next::Wait,
                Err(_) => {
                    self.pool.wakes().arm(self.worker);
                    is_armed = true;
                }
            }
        };
        if is_armed && next != Next::Wait {
            self.pool.wakes().disarm(self.worker);
        }
        self.settle(capability.as_ref(), &mut give);
        match (self.home.tick(), capability.as_mut()) {
            (Some(tick), Some(held)) => held.downgrade(&tick.max(*held.time())),
            (None, _) => *capability = None,
            (Some(_), None) => unreachable!("while partitions come, every worker has a capability"),
        }
        if let Some(least_ns) = self.home.least_watermark_ns() {
            self.progress.event_time(least_ns);
        }
        next
    }

    /// Sends what came home.
    fn settle(
        &mut self,
        capability: Option<&Capability<u64>>,
        give: &mut impl FnMut(&Capability<u64>, &mut PourBatch),
    ) {
        // Without one no partition is at home here.
        if let Some(held) = capability {
            let stats = &mut self.line_worker.stats;
            let n_done = self
                .home
                .settle(*held.time(), stats, |batch| give(held, batch));
            self.home.grant();
            if self.home.take_finished() {
                let line_worker = &mut self.line_worker;
                self.states
                    .drop_finished(&self.home, |state| line_worker.count_parser(state));
            }
            // There may have been too much out for others to go on.
            if n_done > 0 {
                self.pool.invite(self.worker);
            }
        }
    }

    /// Parses until a part of a batch can be handed home, or it is time to stop.
    fn work(&mut self, is_time: impl Fn() -> bool) -> Result<(), Why> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => {
                let taken = self.pool.take(self.worker)?;
                self.pool.invite(self.worker);
                Current { taken, next: 0 }
            }
        };
        let n_lines = current.taken.lines.batch.lines.len();
        let is_last = loop {
            self.lines(&mut current);
            let is_last = current.next == n_lines;
            if is_last || self.line_worker.is_full() || is_time() {
                break is_last;
            }
        };
        if is_last || self.line_worker.is_full() {
            let Taken {
                lane,
                number,
                lines,
            } = &current.taken;
            self.pool.hand_home(Part {
                lane: Arc::clone(lane),
                number: *number,
                parsed: self.line_worker.take(),
                context: Arc::clone(&lines.context),
                end: is_last.then_some(lines.next_offset),
                stash: match is_last && self.needs_stashes {
                    true => self.states.stash(lane.number),
                    false => None,
                },
            });
        }
        if !is_last {
            self.current = Some(current);
        }
        Ok(())
    }

    /// Parses the next lines of a batch.
    fn lines(&mut self, current: &mut Current) {
        let Taken { lane, lines, .. } = &current.taken;
        let batch = &lines.batch;
        let partition = &lane.partition;
        let state = self.states.of(lane, &mut self.line_worker.stats);
        self.line_worker.arrived(lines.arrival_ns, state);
        let line_worker = &mut self.line_worker;
        let counted = self.tallies.as_mut().map(|tallies| {
            let before = tallies.begin(lane.number, &partition.origin, line_worker, state);
            (tallies, before)
        });
        let end = batch.lines.len().min(current.next + LINES_PER_LOOK);
        let before = self.line_worker.stats.bytes;
        let mut n_lines = 0;
        for (at, line) in (current.next..).zip(&batch.lines[current.next..end]) {
            let origin = lines.origin(at).map_or(&partition.origin, |origin| origin);
            let source = (partition.id, origin);
            let bound_ns = lines.bounds_ns.get(at).copied().or(lines.bound_ns);
            self.line_worker.bound(bound_ns);
            self.line_worker.line(source, state, batch, line);
            n_lines += 1;
            if self.line_worker.is_full() {
                break;
            }
        }
        if let Some((tallies, before)) = counted {
            let line_worker = &mut self.line_worker;
            tallies.end(lane.number, &partition.origin, &before, line_worker, state);
        }
        current.next += n_lines;
        self.progress
            .read(n_lines as u64, self.line_worker.stats.bytes - before);
    }

    /// All counters so far.
    fn total(&self) -> Stats {
        self.line_worker
            .total(self.states.iter(), self.tallies.as_ref())
    }

    /// What it has counted so far, and how far it is.
    fn report(&self, report: &mut Report) {
        report.stats.add(&self.total());
        self.home.report(report);
        if let Some(tallies) = &self.tallies {
            report.tallies.add(tallies);
        }
    }
}

impl States {
    fn new(plan: &Arc<Plan>, settings: &Settings) -> Self {
        if plan.parsers.has_stash() {
            Self::ByLane {
                plan: Arc::clone(plan),
                now: settings.now,
                states: BTreeMap::new(),
            }
        } else {
            let state = ParserState::new(&plan.parsers, settings.now);
            Self::Shared(Box::new(state))
        }
    }

    /// Drops the states of lanes that are finished; `count` sees them first.
    fn drop_finished(&mut self, home: &Home, mut count: impl FnMut(&ParserState)) {
        if let Self::ByLane { states, .. } = self {
            states.retain(|lane, state| {
                let is_needed = home.has(*lane);
                if !is_needed {
                    count(state);
                }
                is_needed
            });
        }
    }

    fn iter(&self) -> impl Iterator<Item = &ParserState> {
        let (shared, by_lane) = match self {
            Self::Shared(state) => (Some(&**state), None),
            Self::ByLane { states, .. } => (None, Some(states.values())),
        };
        shared.into_iter().chain(by_lane.into_iter().flatten())
    }

    /// The state for a lane, which may begin with what was remembered before a restart.
    fn of(&mut self, lane: &Lane, stats: &mut Stats) -> &mut ParserState {
        let (plan, now, states) = match self {
            Self::Shared(state) => return state,
            Self::ByLane { plan, now, states } => (plan, now, states),
        };
        states.entry(lane.number).or_insert_with(|| {
            let mut state = ParserState::new(&plan.parsers, *now);
            if let Some(bytes) = &lane.partition.start.stash {
                match StashSet::decode(&plan.parsers, bytes) {
                    Ok(stash) => state.stash = stash,
                    Err(error) => {
                        stats.change("stashes of a checkpoint that cannot be read", 1);
                        stats.sample_error(|| error.to_string());
                    }
                }
            }
            state
        })
    }

    /// What parsers remember of a lane's lines.
    fn stash(&self, lane: usize) -> Option<StashBytes> {
        let Self::ByLane { states, .. } = self else {
            return None;
        };
        let mut bytes = Vec::new();
        states.get(&lane)?.stash.encode(&mut bytes);
        Some(bytes.into())
    }
}
