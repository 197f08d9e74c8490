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
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;
use overspill_bucket::Change;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{DistributorPact, Exchange, Pipeline};
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::dataflow::operators::{Concat, Probe};
use timely::worker::Worker;

use crate::alerts::{AlertRecord, AlertWorker};
use crate::batch::{PourBatch, PourDistributor};
use crate::buckets::BucketWorker;
use crate::collect::{Collector, Output};
use crate::detect::detect;
use crate::job::{Progress, Settings};
use crate::plan::Plan;
use crate::pool::Pool;
use crate::record::Recorder;
use crate::reprocess::Reprocessor;
use crate::stats::Stats;

/// How long a worker may sleep when nothing is to be done; it looks then whether to stop.
const PARK: std::time::Duration = std::time::Duration::from_millis(100);

type Shared = Rc<RefCell<Stats>>;

/// Builds the graph on a worker and runs it to its end, or until another worker broke.
#[expect(
    clippy::too_many_arguments,
    reason = "called once, with the parts of a job"
)]
pub(crate) fn run(
    worker: &mut Worker,
    plan: &Arc<Plan>,
    settings: &Settings,
    pool: &Arc<Pool>,
    outputs: Option<Sender<Output>>,
    recorder: Option<Arc<dyn Recorder>>,
    progress: &Arc<Progress>,
    is_broken: &AtomicBool,
) -> Stats {
    let stats = Shared::default();
    let probe = ProbeHandle::new();
    let end = ProbeHandle::new();
    let wake = worker.dataflow_named::<u64, _, _>("overspill", |scope| {
        let (pours, wake) = detect(
            scope,
            plan,
            settings,
            pool,
            recorder.clone(),
            &probe,
            progress,
            &stats,
        );
        let spilled = buckets(pours, "Buckets", plan, settings, &stats).probe_with(&probe);
        let alerts = alerts(spilled, plan, settings, recorder.clone(), 0, &stats);
        let again = reprocess(alerts.clone(), plan, settings, &stats);
        let spilled = buckets(again, "BucketsOfOverflows", plan, settings, &stats);
        let second = self::alerts(spilled, plan, settings, recorder.clone(), 1, &stats);
        collect(
            alerts.concat(second),
            plan,
            settings,
            outputs,
            progress,
            &stats,
            &end,
        );
        wake
    });
    let mut is_told = false;
    while !end.done() {
        if is_broken.load(Ordering::Relaxed) {
            for dataflow in worker.installed_dataflows() {
                worker.drop_dataflow(dataflow);
            }
            break;
        }
        if settings.stop.load(Ordering::Relaxed) && !std::mem::replace(&mut is_told, true) {
            // There may be no reader left to wake the operator.
            wake.activate();
        }
        worker.step_or_park(Some(PARK));
    }
    stats.take()
}

fn buckets<'s>(
    pours: Stream<'s, u64, PourBatch>,
    name: &str,
    plan: &Arc<Plan>,
    settings: &Settings,
    stats: &Shared,
) -> Stream<'s, u64, Vec<Change>> {
    let mut buckets = BucketWorker::new(plan, settings);
    let stats = Rc::clone(stats);
    let pact = DistributorPact(PourDistributor::new);
    pours.unary_frontier::<CapacityContainerBuilder<Vec<Change>>, _, _, _>(
        pact,
        name,
        move |capability, _info| {
            // Buckets whose time is up overflow without a pour, so a capability is always held; it
            // stands where the input stands.
            let mut held = Some(capability);
            move |(input, frontier), output| {
                input.for_each(|capability, batch: &mut PourBatch| {
                    let changes = buckets.pour(batch);
                    if !changes.is_empty() {
                        output.session(&capability).give_iterator(changes.drain(..));
                    }
                });
                let Some(capability) = &mut held else { return };
                let time = frontier.frontier().first().copied();
                let changes = buckets.advance(time);
                if !changes.is_empty() {
                    output.session(capability).give_iterator(changes.drain(..));
                }
                match time {
                    Some(time) => capability.downgrade(&time),
                    None => {
                        buckets.count(&mut stats.borrow_mut());
                        held = None;
                    }
                }
            }
        },
    )
}

fn alerts<'s>(
    spilled: Stream<'s, u64, Vec<Change>>,
    plan: &Arc<Plan>,
    settings: &Settings,
    recorder: Option<Arc<dyn Recorder>>,
    depth: u8,
    stats: &Shared,
) -> Stream<'s, u64, Vec<AlertRecord>> {
    let mut worker = AlertWorker::new(Arc::clone(plan), settings, recorder, depth);
    let stats = Rc::clone(stats);
    spilled.unary_frontier::<CapacityContainerBuilder<Vec<AlertRecord>>, _, _, _>(
        Pipeline,
        "Alerts",
        move |_capability, _info| {
            let mut is_done = false;
            move |(input, frontier), output| {
                input.for_each(|capability, changes: &mut Vec<Change>| {
                    let mut session = output.session(&capability);
                    for change in changes.drain(..) {
                        session.give_iterator(worker.record(&change).into_iter());
                    }
                });
                if frontier.is_empty() && !std::mem::replace(&mut is_done, true) {
                    worker.finish();
                    stats.borrow_mut().add(&worker.stats);
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
    stats: &Shared,
) -> Stream<'s, u64, PourBatch> {
    let peers = alerts.scope().peers();
    let mut worker = Reprocessor::new(Arc::clone(plan), settings.now, peers);
    let stats = Rc::clone(stats);
    alerts.unary_frontier::<NoopBuilder<PourBatch>, _, _, _>(
        Pipeline,
        "Reprocess",
        move |capability, _info| {
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
                    Some(time) => capability.downgrade(&time),
                    None => {
                        worker.finish();
                        stats.borrow_mut().add(&worker.stats);
                        held = None;
                    }
                }
            }
        },
    )
}

fn collect<'s>(
    alerts: Stream<'s, u64, Vec<AlertRecord>>,
    plan: &Arc<Plan>,
    settings: &Settings,
    outputs: Option<Sender<Output>>,
    progress: &Arc<Progress>,
    stats: &Shared,
    end: &ProbeHandle<u64>,
) {
    let index = alerts.scope().worker().index();
    // Only worker 0 gives; the others must not keep the channel open.
    let outputs = outputs.filter(|_| index == 0);
    let mut collector = Collector::new(Arc::clone(plan), settings, outputs, Arc::clone(progress));
    let stats = Rc::clone(stats);
    alerts
        .unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
            Exchange::new(|_record: &AlertRecord| 0),
            "Collect",
            move |_capability, _info| {
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
                            stats.borrow_mut().add(&collector.stats);
                        }
                    }
                }
            },
        )
        .probe_with(end);
}
