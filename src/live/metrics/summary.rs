//! A look as what `overspill top` shows.

use std::sync::atomic::Ordering;

use overspill_connectors::source::Count;

use super::gather::{Snapshot, SourceSnapshot};
use super::meters::{Meters, lock};
use crate::top::{Attacker, Checkpoint, Partition, Scenario, Source, TOP_MAX, Thread, Top};

pub(super) fn of(meters: &Meters, snapshot: &Snapshot) -> Top {
    let (view, gauges) = (&snapshot.view, &snapshot.view.gauges);
    let job = meters.job.get();
    Top {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: job.map_or_else(String::new, |job| job.node.clone()),
        now_ns: snapshot.now_ns,
        uptime_secs: snapshot.uptime_secs,
        unready: meters.unready().map(str::to_owned),
        lines: view.stats.lines,
        unparsed: view.stats.unparsed + view.stats.refused,
        alerts_given: gauges.alerts_given,
        alerts_withdrawn: gauges.alerts_withdrawn,
        live_buckets: gauges.live_buckets,
        depth_ns: gauges.depth_ns(),
        final_ns: gauges.final_ns.or(gauges.settled_ns),
        n_partitions: view.partitions.len(),
        n_silent: snapshot.n_silent,
        threads: threads(snapshot),
        sources: snapshot.sources.iter().take(TOP_MAX).map(source).collect(),
        partitions: partitions(snapshot),
        scenarios: scenarios(snapshot),
        attackers: attackers(meters),
        checkpoint: job
            .filter(|job| job.has_checkpoints)
            .map(|_| checkpoint(meters)),
    }
}

/// The workers' threads.
fn threads(snapshot: &Snapshot) -> Vec<Thread> {
    let threads = snapshot.process.threads.iter();
    threads
        .filter_map(|(name, cpu_secs)| {
            let number = name.strip_prefix("timely:work-")?;
            Some(Thread {
                name: format!("worker {number}"),
                cpu_secs: *cpu_secs,
            })
        })
        .take(TOP_MAX)
        .collect()
}

fn source(source: &SourceSnapshot) -> Source {
    let lags = source.lags.values();
    let dropped = [
        Count::Dropped,
        Count::KernelDropped,
        Count::Refused,
        Count::PositionsLost,
    ];
    Source {
        id: source.id.clone(),
        module: source.module.to_owned(),
        is_read: source.is_read,
        lines: source.count(Count::Lines),
        bytes: source.count(Count::Bytes),
        lag_bytes: lags
            .clone()
            .filter_map(|lag| lag.bytes)
            .reduce(|a, b| a + b),
        lag_lines: lags.filter_map(|lag| lag.lines).reduce(|a, b| a + b),
        lost: dropped.into_iter().map(|count| source.count(count)).sum(),
        errors: source.count(Count::Errors),
    }
}

/// Those that hold up the others first.
fn partitions(snapshot: &Snapshot) -> Vec<Partition> {
    let mut partitions: Vec<Partition> = snapshot
        .view
        .partitions
        .iter()
        .filter_map(|partition| {
            let (source, name) = snapshot.names.get(&partition.number)?;
            Some(Partition {
                source: source.clone(),
                name: name.clone(),
                watermark_ns: partition.watermark_ns,
                queued: partition.queued,
            })
        })
        .collect();
    partitions.sort_by(|one, other| {
        let place = |it: &Partition| (it.watermark_ns, it.source.clone(), it.name.clone());
        place(one).cmp(&place(other))
    });
    partitions.truncate(TOP_MAX);
    partitions
}

/// Those with most pours first.
fn scenarios(snapshot: &Snapshot) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = snapshot
        .view
        .stats
        .scenarios
        .iter()
        .map(|(name, (pours, overflows))| Scenario {
            name: name.clone(),
            pours: *pours,
            overflows: *overflows,
            live: snapshot
                .view
                .scenarios
                .get(name)
                .map_or(0, |counts| counts.live),
        })
        .collect();
    scenarios.sort_by(|one, other| {
        let place = |it: &Scenario| (std::cmp::Reverse((it.pours, it.live)), it.name.clone());
        place(one).cmp(&place(other))
    });
    scenarios.truncate(TOP_MAX);
    scenarios
}

/// Those with most alerts first.
fn attackers(meters: &Meters) -> Vec<Attacker> {
    let mut attackers: Vec<Attacker> = lock(&meters.attackers)
        .iter()
        .map(|(value, (scenario, n))| Attacker {
            value: value.clone(),
            scenario: scenario.clone(),
            alerts: u64::try_from(*n).unwrap_or(0),
        })
        .collect();
    attackers.sort_by(|one, other| {
        let place = |it: &Attacker| (std::cmp::Reverse(it.alerts), it.value.clone());
        place(one).cmp(&place(other))
    });
    attackers.truncate(TOP_MAX);
    attackers
}

fn checkpoint(meters: &Meters) -> Checkpoint {
    let checkpoints = &meters.checkpoints;
    Checkpoint {
        age_secs: checkpoints.last().map(|last| last.elapsed().as_secs_f64()),
        bytes: checkpoints.last_bytes.load(Ordering::Relaxed),
        kept: checkpoints.n_kept.load(Ordering::Relaxed),
        failed: checkpoints.n_failed.load(Ordering::Relaxed),
    }
}
