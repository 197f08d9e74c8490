//! The one timely graph that replay, explain, hubtest and live jobs share.
//!
//! ```text
//!  Detect ──X──> Buckets ──> Alerts ──┬──────────────────────────────────────┬──X(0)──> Collect
//!   source,  by   one table  sources,  └─> Reprocess ─X─> Buckets ─> Alerts ──┘          order,
//!   parse,   key  a worker   texts,        final overflows,      of overflows            profiles,
//!   match    group           post-         matched again                                 log
//!                            overflow
//! ```
//!
//! Depth is fixed at two: what the second stage overflows is not poured again, and counted when it
//! asks for that ([`Stats::reprocess_refused`]).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;
use overspill_bucket::{Change, SnapshotError};
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::channels::pact::{DistributorPact, Exchange, Pipeline};
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::dataflow::operators::{Concat, Probe};
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;
use timely::worker::Worker;

use crate::alerts::{AlertRecord, AlertWorker};
use crate::batch::{PourBatch, PourDistributor};
use crate::board::Desk;
use crate::buckets::BucketWorker;
use crate::checkpoint::{Announced, Checkpoints, Restored, STAGES};
use crate::clock::tick;
use crate::collect::{Collector, Output};
use crate::control::{Control, control};
use crate::detect::detect;
use crate::job::{Progress, Settings};
use crate::plan::Plan;
use crate::pool::Pool;
use crate::post::{Post, carry, is_carrier};
use crate::record::Recorder;
use crate::reprocess::Reprocessor;
use crate::restart::Restarts;
use crate::stats::Stats;
use crate::steps::StepClock;
use crate::writer::Writer;

/// How long a worker may sleep when nothing is to be done; it looks then whether to stop.
const PARK: std::time::Duration = std::time::Duration::from_millis(100);

/// Steps of a worker after which what was taken from the post is on the wire.
const STEPS_TO_SEND: u32 = 4;

type Shared = Rc<RefCell<Stats>>;

/// Where operators leave their counters at their end, and where they say them before.
type Books<'a> = (&'a Shared, &'a Rc<Desk>);

/// What all workers of a process share.
pub(crate) struct Parts {
    pub(crate) plan: Arc<Plan>,
    pub(crate) settings: Settings,
    pub(crate) pool: Arc<Pool>,
    pub(crate) outputs: Option<Sender<Output>>,
    pub(crate) recorder: Option<Arc<dyn Recorder>>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) checkpoints: Option<Checkpoints>,
    pub(crate) restored: Option<Restored>,
    /// A worker broke: the others would wait for ever.
    pub(crate) is_broken: AtomicBool,
    /// Set from outside to leave everything as it is.
    pub(crate) halt: Arc<AtomicBool>,
    /// Carries letters between processes.
    pub(crate) post: Option<Arc<Post>>,
}

/// Builds the graph on a worker and runs it to its end, or until another worker broke.
pub(crate) fn run(worker: &mut Worker, parts: &Parts) -> Result<Stats, String> {
    let stats = Shared::default();
    let desk = Rc::new(Desk::default());
    let board = parts.progress.board();
    let local = parts.pool.local(worker.index());
    let end = ProbeHandle::new();
    // What pours have left the workers that parse, for worker 0 to say when checkpoints are made.
    let poured = ProbeHandle::new();
    let is_first = worker.index() == 0;
    let tables = match tables(worker, parts) {
        Ok(tables) => tables,
        Err(error) => {
            parts.is_broken.store(true, Ordering::Relaxed);
            return Err(error.to_string());
        }
    };
    let (wake, mut control) = worker.dataflow_named::<u64, _, _>("overspill", |scope| {
        build(scope, parts, tables, &poured, &end, (&stats, &desk))
    });
    if let Some(post) = &parts.post {
        carry(worker, post, parts.pool.n_workers());
    }
    let mut is_told = false;
    let mut clock = parts.progress.steps().map(StepClock::new);
    while !end.done() {
        let is_broken = parts.is_broken.load(Ordering::Relaxed);
        if is_broken || parts.halt.load(Ordering::Relaxed) {
            if let Some(post) = parts.post.as_ref().filter(|_| !is_broken) {
                empty(worker, post, parts.pool.n_workers());
            }
            for dataflow in worker.installed_dataflows() {
                worker.drop_dataflow(dataflow);
            }
            break;
        }
        if parts.settings.stop.load(Ordering::Relaxed) && !std::mem::replace(&mut is_told, true) {
            // There may be no reader left to wake the operator.
            wake.activate();
        }
        if parts.checkpoints.is_some() && is_first {
            control.advance(poured.with_frontier(|frontier| frontier.first().copied()));
        }
        desk.look(board.asked());
        worker.step_or_park(Some(PARK));
        if let Some(clock) = &mut clock {
            clock.ended();
        }
        desk.answer(board, local, &stats.borrow());
    }
    if end.done() {
        desk.end(board, local, &stats.borrow());
    }
    if let Some(post) = &parts.post {
        post.close();
    }
    Ok(stats.take())
}

/// Lets the letters leave that were sent before a job was left where it stands.
fn empty(worker: &mut Worker, post: &Post, threads: usize) {
    post.close();
    let mut n_more = STEPS_TO_SEND;
    while n_more > 0 {
        // Only its carrier takes them out.
        if !is_carrier(worker, threads) || !post.has_waiting() {
            n_more -= 1;
        }
        worker.step();
    }
}

/// The tables of a worker, as a checkpoint left them.
fn tables(worker: &Worker, parts: &Parts) -> Result<[BucketWorker; 2], SnapshotError> {
    let (index, peers) = (worker.index(), worker.peers());
    let mut tables = STAGES.map(|stage| BucketWorker::new(&parts.plan, &parts.settings, stage));
    if let Some(restored) = &parts.restored {
        for table in &mut tables {
            table.restore(restored, index, peers)?;
        }
    }
    Ok(tables)
}

fn build<'s>(
    scope: Scope<'s, u64>,
    parts: &Parts,
    tables: [BucketWorker; 2],
    poured: &ProbeHandle<u64>,
    end: &ProbeHandle<u64>,
    books: Books<'_>,
) -> (Activator, Control) {
    let Parts { plan, settings, .. } = parts;
    let [of_lines, of_overflows] = tables;
    let restored = parts.restored.as_ref();
    let begin = restored.map_or(0, |restored| tick(restored.upto_ns.saturating_add(1)));
    let (announced, control) = control(scope, parts.checkpoints.clone(), begin);
    let restarts = Rc::new(RefCell::new(match parts.checkpoints {
        Some(_) => Restarts::kept(plan.parsers.has_stash()),
        None => Restarts::default(),
    }));
    let index = scope.worker().index();
    let writer = |restarts: Option<Rc<RefCell<Restarts>>>| {
        let checkpoints = parts.checkpoints.as_ref();
        checkpoints.map(|given| Writer::new(given, index, restarts))
    };
    let probe = ProbeHandle::new();
    let (stats, desk) = books;
    let (pours, wake) = detect(scope, parts, &probe, Rc::clone(&restarts), stats, desk);
    let pours = pours.probe_with(poured);
    let first = announced.clone();
    let spilled = buckets(
        pours,
        first,
        "Buckets",
        of_lines,
        writer(Some(restarts)),
        books,
    );
    let spilled = spilled.probe_with(&probe);
    let recorder = || parts.recorder.clone();
    let alerts = alerts(spilled, plan, settings, recorder(), 0, books);
    let again = reprocess(alerts.clone(), plan, settings, books);
    let name = "BucketsOfOverflows";
    let spilled = buckets(again, announced, name, of_overflows, writer(None), books);
    let second = self::alerts(spilled, plan, settings, recorder(), 1, books);
    collect(alerts.concat(second), parts, books, end);
    (wake, control)
}

fn buckets<'s>(
    pours: Stream<'s, u64, PourBatch>,
    announced: Stream<'s, u64, Vec<Announced>>,
    name: &str,
    mut buckets: BucketWorker,
    mut writer: Option<Writer>,
    (stats, desk): Books<'_>,
) -> Stream<'s, u64, Vec<Change>> {
    let (stats, desk) = (Rc::clone(stats), Rc::clone(desk));
    let pact = DistributorPact(PourDistributor::new);
    let scope = pours.scope();
    pours.binary_frontier::<_, CapacityContainerBuilder<Vec<Change>>, _, _, _, _>(
        announced,
        pact,
        Pipeline,
        name,
        move |capability, info| {
            // Buckets whose time is up overflow without a pour, so a capability is always held; it
            // stands where the inputs stand.
            let mut held = Some(capability);
            let again = scope.activator_for(Rc::clone(&info.address));
            let mut voice = desk.voice(scope.activator_for(info.address));
            let mut due: VecDeque<Announced> = VecDeque::new();
            move |(input, frontier), (announced, announced_frontier), output| {
                input.for_each(|capability, batch: &mut PourBatch| {
                    let changes = buckets.pour(batch);
                    if !changes.is_empty() {
                        output.session(&capability).give_iterator(changes.drain(..));
                    }
                });
                announced
                    .for_each(|_capability, new: &mut Vec<Announced>| due.extend(new.drain(..)));
                let Some(capability) = &mut held else { return };
                voice.speak(|report| buckets.report(report));
                // Nobody passes a checkpoint that may still be announced.
                let time = least(
                    frontier.frontier().first().copied(),
                    announced_frontier.frontier().first().copied(),
                );
                loop {
                    let unwritten = |writer: &mut Writer| !writer.write(&mut buckets);
                    if writer.as_mut().is_some_and(unwritten) {
                        again.activate();
                        return;
                    }
                    // Never past the next checkpoint before it has been begun.
                    let is_passed = |at: &u64| time.is_none_or(|time| *at <= time);
                    let next = due.front().map(|next| next.at).filter(is_passed);
                    let upto = next.or(time);
                    let (is_there, changes) = buckets.step(upto);
                    if !changes.is_empty() {
                        output
                            .session(&*capability)
                            .give_iterator(changes.drain(..));
                    }
                    if let Some(stands) = buckets.stands() {
                        capability.downgrade(&stands.max(*capability.time()));
                    }
                    if !is_there {
                        again.activate();
                        return;
                    }
                    match (next.and_then(|_| due.pop_front()), &mut writer) {
                        (Some(next), Some(writer)) => writer.begin(next, &mut buckets),
                        (Some(_), None) => {}
                        (None, writer) => {
                            if let Some(writer) = writer {
                                writer.passed(upto);
                            }
                            break;
                        }
                    }
                }
                if time.is_none() {
                    buckets.count(&mut stats.borrow_mut());
                    voice.end(|report| buckets.report(report));
                    held = None;
                }
            }
        },
    )
}

/// The lesser of two frontiers; an empty one is no bound.
fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn alerts<'s>(
    spilled: Stream<'s, u64, Vec<Change>>,
    plan: &Arc<Plan>,
    settings: &Settings,
    recorder: Option<Arc<dyn Recorder>>,
    depth: u8,
    (stats, desk): Books<'_>,
) -> Stream<'s, u64, Vec<AlertRecord>> {
    let mut worker = AlertWorker::new(Arc::clone(plan), settings, recorder, depth);
    let (stats, desk) = (Rc::clone(stats), Rc::clone(desk));
    let scope = spilled.scope();
    spilled.unary_frontier::<CapacityContainerBuilder<Vec<AlertRecord>>, _, _, _>(
        Pipeline,
        "Alerts",
        move |_capability, info| {
            let mut voice = desk.voice(scope.activator_for(info.address));
            let mut is_done = false;
            move |(input, frontier), output| {
                input.for_each(|capability, changes: &mut Vec<Change>| {
                    let mut session = output.session(&capability);
                    for change in changes.drain(..) {
                        session.give_iterator(worker.record(&change).into_iter());
                    }
                });
                if is_done {
                    return;
                }
                is_done = frontier.is_empty();
                if is_done {
                    stats.borrow_mut().add(&worker.total());
                    voice.end(|_report| {});
                } else {
                    voice.speak(|report| report.stats.add(&worker.total()));
                }
            }
        },
    )
}

/// Pours final overflows again.
fn reprocess<'s>(
    alerts: Stream<'s, u64, Vec<AlertRecord>>,
    plan: &Arc<Plan>,
    settings: &Settings,
    (stats, desk): Books<'_>,
) -> Stream<'s, u64, PourBatch> {
    let scope = alerts.scope();
    let peers = scope.peers();
    let mut worker = Reprocessor::new(Arc::clone(plan), settings.now, peers);
    let (stats, desk) = (Rc::clone(stats), Rc::clone(desk));
    alerts.unary_frontier::<NoopBuilder<PourBatch>, _, _, _>(
        Pipeline,
        "Reprocess",
        move |capability, info| {
            let mut voice = desk.voice(scope.activator_for(info.address));
            let mut held = Some(capability);
            move |(input, frontier), output| {
                input.for_each(|_capability, records: &mut Vec<AlertRecord>| {
                    records.drain(..).for_each(|record| worker.take(record));
                });
                let Some(capability) = &mut held else { return };
                let time = frontier.frontier().first().copied();
                worker.advance(time, |batch| {
                    output
                        .session_with_builder(&*capability)
                        .give_container(batch);
                });
                match time {
                    Some(time) => {
                        capability.downgrade(&time);
                        voice.speak(|report| report.stats.add(&worker.total()));
                    }
                    None => {
                        stats.borrow_mut().add(&worker.total());
                        voice.end(|_report| {});
                        held = None;
                    }
                }
            }
        },
    )
}

fn collect<'s>(
    alerts: Stream<'s, u64, Vec<AlertRecord>>,
    parts: &Parts,
    (stats, desk): Books<'_>,
    end: &ProbeHandle<u64>,
) {
    let scope = alerts.scope();
    let index = alerts.scope().worker().index();
    // Only worker 0 gives; the others must not keep the channel open.
    let outputs = parts.outputs.clone().filter(|_| index == 0);
    let is_live = parts.checkpoints.is_some();
    let mut collector = Collector::new(
        Arc::clone(&parts.plan),
        &parts.settings,
        outputs,
        Arc::clone(&parts.progress),
        is_live,
    );
    let (stats, desk) = (Rc::clone(stats), Rc::clone(desk));
    alerts
        .unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
            Exchange::new(|_record: &AlertRecord| 0),
            "Collect",
            move |_capability, info| {
                let mut voice = desk.voice(scope.activator_for(info.address));
                let mut is_done = false;
                move |(input, frontier), _output| {
                    input.for_each(|_capability, records: &mut Vec<AlertRecord>| {
                        records.drain(..).for_each(|record| collector.take(record));
                    });
                    if !is_done {
                        let time = frontier.frontier().first().copied();
                        collector.advance(time);
                        if time.is_none() {
                            is_done = true;
                            stats.borrow_mut().add(&collector.total());
                            voice.end(|report| collector.report(report));
                        } else {
                            voice.speak(|report| collector.report(report));
                        }
                    }
                }
            },
        )
        .probe_with(end);
}
