//! A look as metrics.

use std::sync::atomic::Ordering;
use std::time::Instant;

use overspill_connectors::source::Count;
use overspill_dataflow::{SourceView, Stats};
use overspill_telemetry::{Counts, Metric, Page};

use super::gather::Snapshot;
use super::meters::Meters;
use super::{api, catalog};

/// Bucket counter whose name the dataflow gives.
const EVICTED_NAME: &str = "evicted because a key group was full";

/// Puts all of it on a page. `is_full` says whether CrowdSec's metrics of that level are wanted.
pub(super) fn fill(
    page: &mut Page<'_>,
    meters: &Meters,
    snapshot: &Snapshot,
    http: &Counts,
    is_full: bool,
) {
    let version = env!("CARGO_PKG_VERSION");
    page.add(&catalog::CS_INFO, &[version], 1.0);
    let node = meters.job.get().map_or("", |job| &job.node);
    page.add(&catalog::INFO, &[version, node], 1.0);
    let is_ready = meters.unready().is_none();
    page.add(&catalog::READY, &[], f64::from(u8::from(is_ready)));
    process(page, snapshot);
    for source in &snapshot.view.sources {
        crowdsec_source(page, source, is_full);
    }
    scenarios(page, snapshot);
    job(page, &snapshot.view.stats);
    gauges(page, snapshot);
    page.spread(&catalog::STEPS, &[], meters.steps.observed());
    time(page, snapshot);
    sources(page, snapshot);
    kept(page, meters);
    page.count(
        &catalog::WARNINGS,
        &[],
        meters.n_warnings.load(Ordering::Relaxed),
    );
    if let Some((sent, dropped)) = meters.tracer.counts() {
        page.count(&catalog::SPANS, &["sent"], sent);
        page.count(&catalog::SPANS, &["dropped"], dropped);
    }
    if let Some(served) = &meters.api {
        api::fill(page, served, is_full);
    }
    page.count(&catalog::HTTP_REQUESTS, &[], http.requests());
    for (why, n) in [
        ("refused", http.refused()),
        ("slow", http.slow()),
        ("crowded", http.crowded()),
    ] {
        page.count(&catalog::HTTP_DROPPED, &[why], n);
    }
}

fn process(page: &mut Page<'_>, snapshot: &Snapshot) {
    let process = &snapshot.process;
    for (metric, value) in [
        (&catalog::PROCESS_CPU, process.cpu_secs),
        (&catalog::PROCESS_START, process.start_secs),
        (&catalog::PROCESS_VIRTUAL, process.virtual_bytes),
        (&catalog::PROCESS_RESIDENT, process.resident_bytes),
        (&catalog::PROCESS_FDS, process.open_fds),
        (&catalog::PROCESS_FDS_MAX, process.max_fds),
    ] {
        if let Some(value) = value {
            page.add(metric, &[], value);
        }
    }
    for (name, cpu_secs) in &process.threads {
        page.add(&catalog::THREAD_CPU, &[name], *cpu_secs);
    }
}

/// What CrowdSec counts by source.
fn crowdsec_source(page: &mut Page<'_>, source: &SourceView, is_full: bool) {
    let SourceView {
        src,
        module,
        kind,
        outcomes,
        ..
    } = source;
    page.count(&catalog::CS_PARSER_HITS, &[src, module], outcomes.lines);
    let ok = outcomes.parsed + outcomes.whitelisted;
    page.count(&catalog::CS_PARSER_OK, &[src, module, kind], ok);
    let ko = outcomes.unparsed + outcomes.refused;
    page.count(&catalog::CS_PARSER_KO, &[src, module, kind], ko);
    let hits = match module.as_str() {
        "file" => Some(&catalog::CS_FILE),
        "syslog" => Some(&catalog::CS_SYSLOG),
        "kafka" => Some(&catalog::CS_KAFKA),
        _ => None,
    };
    if let Some(hits) = hits {
        page.count(hits, &[src, module, kind], outcomes.lines);
    }
    if module == "syslog" {
        let labels = [src.as_str(), module, module, kind];
        page.count(&catalog::CS_SYSLOG_PARSED, &labels, outcomes.lines);
    }
    for node in &source.nodes {
        let labels = [src.as_str(), module, &node.name, &node.stage, kind];
        if is_full {
            page.count(&catalog::CS_NODE_HITS, &labels, node.hits);
            page.count(&catalog::CS_NODE_OK, &labels, node.ok);
            page.count(&catalog::CS_NODE_KO, &labels, node.ko);
        }
        if let Some((reason, n)) = &node.whitelist {
            let labels = [src.as_str(), module, &node.name, reason, &node.stage, kind];
            page.count(&catalog::CS_NODE_WL, &labels, node.hits);
            page.count(&catalog::CS_NODE_WL_OK, &labels, *n);
        }
    }
    if is_full {
        for (name, n) in &source.pours {
            page.count(&catalog::CS_POURED, &[src, module, name], *n);
        }
    }
}

fn scenarios(page: &mut Page<'_>, snapshot: &Snapshot) {
    for (name, counts) in &snapshot.view.scenarios {
        page.count(&catalog::CS_INSTANTIATION, &[name], counts.created);
        page.count(&catalog::CS_CREATED, &[name], counts.created);
        page.count(&catalog::CS_OVERFLOWED, &[name], counts.overflowed);
        page.count(&catalog::CS_CANCELED, &[name], counts.cancelled);
        page.count(&catalog::CS_UNDERFLOWED, &[name], counts.underflowed);
        page.count(&catalog::CS_BUCKETS, &[name], counts.live);
    }
}

fn job(page: &mut Page<'_>, stats: &Stats) {
    for (outcome, n) in [
        ("parsed", stats.parsed),
        ("unparsed", stats.unparsed),
        ("whitelisted", stats.whitelisted),
        ("refused", stats.refused),
    ] {
        page.count(&catalog::LINES, &[outcome], n);
    }
    page.count(&catalog::LINES_READ, &[], stats.lines);
    page.count(&catalog::LINE_BYTES, &[], stats.bytes);
    for (what, n) in [
        ("cut", stats.lines_cut),
        ("without_time", stats.without_time),
        ("truncated", stats.truncated),
        ("clamped", stats.clamped),
        ("from_the_future", stats.from_the_future),
        ("read_again", stats.read_again),
        ("moved_on", stats.moved_on),
        ("filter_error", stats.filter_errors),
        ("read_error", stats.read_errors.len() as u64),
        ("reprocess_refused", stats.reprocess_refused),
    ] {
        page.count(&catalog::EVENTS, &[what], n);
    }
    for (of, counts) in [
        ("parsing", &stats.parsing),
        ("expressions", &stats.expressions),
        ("alerts", &stats.others),
    ] {
        for (what, n) in counts {
            page.count(&catalog::COUNTS, &[of, what], *n);
        }
    }
    for (what, n) in &stats.buckets {
        // A gauge, which stands for itself.
        if what != "live at the end" {
            page.count(&catalog::COUNTS, &["buckets", what], *n);
        }
    }
    page.count(&catalog::POURS, &[], stats.pours);
    page.count(&catalog::REPROCESSED, &[], stats.reprocessed);
    page.count(
        &catalog::OVERFLOWS_WHITELISTED,
        &[],
        stats.overflows_whitelisted,
    );
    page.count(&catalog::ALERTS_FAILED, &[], stats.alerts_failed);
    let evicted = stats.buckets.get(EVICTED_NAME).copied().unwrap_or(0);
    page.count(&catalog::EVICTED, &[], evicted);
}

fn gauges(page: &mut Page<'_>, snapshot: &Snapshot) {
    let (view, gauges) = (&snapshot.view, &snapshot.view.gauges);
    for (metric, n) in [
        (&catalog::WORKERS, view.workers.len() as u64),
        (&catalog::WORKERS_SILENT, snapshot.n_silent as u64),
        (&catalog::BATCHES_OUT, view.batches_out as u64),
        (&catalog::PARKED, view.parked_bytes),
        (&catalog::OUTSTANDING, gauges.outstanding),
        (&catalog::CREDIT_WAITS, snapshot.credit_waits),
        (&catalog::KEYS, gauges.keys),
        (&catalog::LIVE, gauges.live_buckets),
        (&catalog::KEPT, gauges.kept_events),
        (&catalog::KEPT_BYTES, gauges.kept_bytes),
        (&catalog::WAITING, gauges.waiting),
    ] {
        page.count(metric, &[], n);
    }
    page.count(&catalog::ALERTS, &["given"], gauges.alerts_given);
    page.count(&catalog::ALERTS, &["withdrawn"], gauges.alerts_withdrawn);
}

/// Nanoseconds as seconds. Where there is no time yet there is no value.
fn secs(page: &mut Page<'_>, metric: &'static Metric, labels: &[&str], ns: Option<i64>) {
    // The ends of time stand for none.
    if let Some(ns) = ns.filter(|ns| ns.unsigned_abs() < i64::MAX.unsigned_abs() / 2) {
        page.add(metric, labels, ns as f64 / 1e9);
    }
}

fn time(page: &mut Page<'_>, snapshot: &Snapshot) {
    let gauges = &snapshot.view.gauges;
    secs(page, &catalog::SETTLED, &[], gauges.settled_ns);
    secs(page, &catalog::FINAL, &[], gauges.final_ns);
    secs(page, &catalog::NEWEST, &[], gauges.newest_ns);
    secs(page, &catalog::DEPTH, &[], gauges.depth_ns());
    for partition in &snapshot.view.partitions {
        let Some((source, name)) = snapshot.names.get(&partition.number) else {
            continue;
        };
        let labels = [source.as_str(), name.as_str()];
        let watermark_ns = partition.watermark_ns;
        secs(page, &catalog::WATERMARK, &labels, watermark_ns);
        let lag_ns = watermark_ns.map(|ns| snapshot.now_ns.saturating_sub(ns));
        secs(page, &catalog::WATERMARK_LAG, &labels, lag_ns);
        page.count(&catalog::QUEUED, &labels, partition.queued as u64);
        page.count(&catalog::PARTITION_OUT, &labels, partition.out as u64);
    }
}

fn sources(page: &mut Page<'_>, snapshot: &Snapshot) {
    for source in &snapshot.sources {
        let is_read = f64::from(u8::from(source.is_read));
        page.add(&catalog::SOURCE_UP, &[&source.id], is_read);
        for (count, n) in &source.counts {
            // What a kind of source never counts would only fill the page.
            if *n > 0 || matches!(count, Count::Lines | Count::Bytes | Count::Errors) {
                page.count(&catalog::SOURCE, &[&source.id, count.name()], *n);
            }
        }
        for (number, lag) in &source.lags {
            let Some((_, partition)) = snapshot.names.get(number) else {
                continue;
            };
            let labels = [source.id.as_str(), partition.as_str()];
            for (metric, n) in [
                (&catalog::LAG_BYTES, lag.bytes),
                (&catalog::LAG_LINES, lag.lines),
            ] {
                if let Some(n) = n {
                    page.count(metric, &labels, n);
                }
            }
        }
    }
}

fn kept(page: &mut Page<'_>, meters: &Meters) {
    let Some(job) = meters.job.get() else { return };
    if let Some(path) = &job.alerts
        && let Ok(metadata) = std::fs::metadata(path)
        && metadata.is_file()
    {
        page.count(&catalog::ALERTS_FILE, &[], metadata.len());
    }
    if !job.has_checkpoints {
        return;
    }
    let checkpoints = &meters.checkpoints;
    for (metric, counter) in [
        (&catalog::GENERATION, &checkpoints.generation),
        (&catalog::CHECKPOINTS, &checkpoints.n_kept),
        (&catalog::CHECKPOINT_FAILURES, &checkpoints.n_failed),
        (&catalog::CHECKPOINT_BYTES, &checkpoints.last_bytes),
        (&catalog::CHECKPOINT_BYTES_TOTAL, &checkpoints.n_bytes),
    ] {
        page.count(metric, &[], counter.load(Ordering::Relaxed));
    }
    for (metric, ns) in [
        (&catalog::CHECKPOINT_TIME, &checkpoints.upto_ns),
        (&catalog::RESUMED, &checkpoints.resumed_ns),
    ] {
        secs(page, metric, &[], Some(ns.load(Ordering::SeqCst)));
    }
    let since: Instant = checkpoints.last().unwrap_or(meters.began);
    page.add(&catalog::CHECKPOINT_AGE, &[], since.elapsed().as_secs_f64());
    page.spread(&catalog::CHECKPOINT_TOOK, &[], checkpoints.took.observed());
}
