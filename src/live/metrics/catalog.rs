//! All metrics of a live job by name. The page `docs/book/src/metrics.md` lists the same ones, which a test
//! compares.
//!
//! Names that begin with `cs_` are CrowdSec's, with its labels, so that its dashboards and `cscli metrics` read
//! them; `process_` are those of every Prometheus client; the others are ours.

use overspill_telemetry::{FOLDED, Kind, Metric};

/// Defines metrics, and the list of all of them.
macro_rules! metrics {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub(super) static $id: Metric = Metric {
                name: $name,
                help: $help,
                kind: Kind::$kind,
                labels: &[$($label),*],
            };
        )*

        /// All of them.
        pub static ALL: &[&Metric] = &[$(&$id,)* &FOLDED];
    };
}

metrics! {
    // CrowdSec's.
    CS_INFO: Gauge "cs_info" ["version"] "Version of the engine; always 1.";
    CS_PARSER_HITS: Counter "cs_parser_hits_total" ["source", "type"] "Lines that came to the parsers.";
    CS_PARSER_OK: Counter "cs_parser_hits_ok_total" ["source", "type", "acquis_type"] "Lines that were parsed.";
    CS_PARSER_KO: Counter "cs_parser_hits_ko_total" ["source", "type", "acquis_type"] "Lines that were not parsed.";
    CS_NODE_HITS: Counter "cs_node_hits_total" ["source", "type", "name", "stage", "acquis_type"] "Lines that came to a node.";
    CS_NODE_OK: Counter "cs_node_hits_ok_total" ["source", "type", "name", "stage", "acquis_type"] "Lines with which a node succeeded.";
    CS_NODE_KO: Counter "cs_node_hits_ko_total" ["source", "type", "name", "stage", "acquis_type"] "Lines with which a node failed.";
    CS_NODE_WL: Counter "cs_node_wl_hits_total" ["source", "type", "name", "reason", "stage", "acquis_type"] "Lines that came to a whitelist.";
    CS_NODE_WL_OK: Counter "cs_node_wl_hits_ok_total" ["source", "type", "name", "reason", "stage", "acquis_type"] "Lines that a whitelist took out.";
    CS_POURED: Counter "cs_bucket_poured_total" ["source", "type", "name"] "Lines that were poured into buckets of a scenario.";
    CS_INSTANTIATION: Counter "cs_bucket_instantiation_total" ["name"] "Buckets created.";
    CS_CREATED: Counter "cs_bucket_created_total" ["name"] "As cs_bucket_instantiation_total, whose name this was.";
    CS_OVERFLOWED: Counter "cs_bucket_overflowed_total" ["name"] "Buckets that overflowed.";
    CS_CANCELED: Counter "cs_bucket_canceled_total" ["name"] "Buckets that cancel_on killed.";
    CS_UNDERFLOWED: Counter "cs_bucket_underflowed_total" ["name"] "Buckets that died of age.";
    CS_BUCKETS: Gauge "cs_buckets" ["name"] "Live buckets.";
    CS_FILE: Counter "cs_filesource_hits_total" ["source", "datasource_type", "acquis_type"] "Lines read of a file.";
    CS_SYSLOG: Counter "cs_syslogsource_hits_total" ["source", "datasource_type", "acquis_type"] "Messages received by a syslog listener.";
    CS_SYSLOG_PARSED: Counter "cs_syslogsource_parsed_total" ["source", "type", "datasource_type", "acquis_type"] "Messages of syslog that were understood.";
    CS_KAFKA: Counter "cs_kafkasource_hits_total" ["topic", "datasource_type", "acquis_type"] "Records read of a topic.";
    CS_DECISIONS: Gauge "cs_active_decisions" ["reason", "origin", "action"] "Decisions in force in the Local API.";
    CS_ALERTS: Gauge "cs_alerts" ["reason"] "Alerts that the Local API keeps.";
    CS_HEARTBEAT: Gauge "cs_machines_last_heartbeat_timestamp" ["machine"] "When a machine last said that it lives, in seconds since 1970.";
    CS_LAPI_ROUTE: Counter "cs_lapi_route_requests_total" ["route", "method"] "Requests to the Local API.";
    CS_LAPI_MACHINE: Counter "cs_lapi_machine_requests_total" ["machine", "route", "method"] "Requests of machines.";
    CS_LAPI_BOUNCER: Counter "cs_lapi_bouncer_requests_total" ["bouncer", "route", "method"] "Requests of bouncers.";
    CS_LAPI_OK: Counter "cs_lapi_decisions_ok_total" ["bouncer"] "Lists of decisions that had some.";
    CS_LAPI_KO: Counter "cs_lapi_decisions_ko_total" ["bouncer"] "Lists of decisions that had none.";

    // The process.
    PROCESS_CPU: Counter "process_cpu_seconds_total" [] "CPU time of the process, in seconds.";
    PROCESS_FDS: Gauge "process_open_fds" [] "Open file descriptors.";
    PROCESS_FDS_MAX: Gauge "process_max_fds" [] "Most file descriptors that may be open.";
    PROCESS_VIRTUAL: Gauge "process_virtual_memory_bytes" [] "Virtual memory, in bytes.";
    PROCESS_RESIDENT: Gauge "process_resident_memory_bytes" [] "Resident memory, in bytes.";
    PROCESS_START: Gauge "process_start_time_seconds" [] "Start of the process, in seconds since 1970.";

    // Ours: the job.
    INFO: Gauge "overspill_info" ["version", "node"] "Version and node of the process; always 1.";
    READY: Gauge "overspill_ready" [] "Whether the job was restored and reads its sources, as /readyz says.";
    WORKERS: Gauge "overspill_workers" [] "Workers of the process.";
    WORKERS_SILENT: Gauge "overspill_workers_silent" [] "Workers that have not answered the last question; their counters are older.";
    THREAD_CPU: Counter "overspill_thread_cpu_seconds_total" ["thread"] "CPU time by name of the thread, in seconds; timely:work-N are the workers.";
    LINES: Counter "overspill_lines_total" ["outcome"] "Lines by what became of them: parsed, unparsed, whitelisted, refused.";
    LINES_READ: Counter "overspill_lines_read_total" [] "Lines that came to the parsers.";
    LINE_BYTES: Counter "overspill_line_bytes_total" [] "Bytes of these lines.";
    EVENTS: Counter "overspill_events_total" ["what"] "What was done to the times and texts of events: clamped, truncated and so on";
    COUNTS: Counter "overspill_counts_total" ["of", "what"] "What buckets, parsing, expressions and alerts met on the way, by name.";
    POURS: Counter "overspill_pours_total" [] "Pours of events into buckets.";
    REPROCESSED: Counter "overspill_reprocessed_total" [] "Overflows that were poured again.";
    OVERFLOWS_WHITELISTED: Counter "overspill_overflows_whitelisted_total" [] "Overflows that a post-overflow whitelist took out, less those that did not stand.";
    ALERTS: Counter "overspill_alerts_total" ["what"] "Alerts given and withdrawn, in the process of worker 0.";
    ALERTS_FAILED: Counter "overspill_alerts_failed_total" [] "Alerts that could not be built or decided upon.";
    WARNINGS: Counter "overspill_warnings_total" [] "Warnings that the job told.";
    SPANS: Counter "overspill_spans_total" ["outcome"] "Spans for a collector of OpenTelemetry, by what became of them: sent, dropped.";

    // Ours: time.
    WATERMARK: Gauge "overspill_watermark_seconds" ["source", "partition"] "Event time that a partition has passed, in seconds since 1970.";
    WATERMARK_LAG: Gauge "overspill_watermark_lag_seconds" ["source", "partition"] "How far that is behind the clock.";
    SETTLED: Gauge "overspill_settled_seconds" [] "Event time up to which the buckets of the process are settled, in seconds since 1970.";
    FINAL: Gauge "overspill_final_seconds" [] "Event time up to which alerts are final, in seconds since 1970.";
    NEWEST: Gauge "overspill_newest_seconds" [] "Time of the newest event, in seconds since 1970.";
    DEPTH: Gauge "overspill_speculation_depth_seconds" [] "How far the newest event is beyond what is final: how much may still change.";

    // Ours: what waits.
    QUEUED: Gauge "overspill_partition_queued_batches" ["source", "partition"] "Batches that a source has given and no worker has taken.";
    PARTITION_OUT: Gauge "overspill_partition_out_batches" ["source", "partition"] "Batches of a partition that were taken and are not in order yet.";
    BATCHES_OUT: Gauge "overspill_batches_out" [] "Batches that were taken and are not in order yet.";
    PARKED: Gauge "overspill_parked_bytes" [] "Bytes of pours that wait for a batch before them.";
    OUTSTANDING: Gauge "overspill_outstanding_pours" [] "Pours that were sent and whose credits have not come back.";
    CREDIT_WAITS: Counter "overspill_credit_waits_total" [] "Times that a worker with lines at hand waited for the others.";
    STEPS: Histogram "overspill_worker_step_seconds" [] "CPU time that a worker took for one step. Meanwhile it took no lines and gave no alerts.";

    // Ours: buckets.
    KEYS: Gauge "overspill_keys" [] "Keys of the tables.";
    LIVE: Gauge "overspill_live_buckets" [] "Live buckets.";
    KEPT: Gauge "overspill_retained_events" [] "Events that buckets retain.";
    KEPT_BYTES: Gauge "overspill_retained_bytes" [] "Bytes of these events, once for each bucket.";
    WAITING: Gauge "overspill_waiting_pours" [] "Pours above the watermark.";
    EVICTED: Counter "overspill_evicted_total" [] "Keys that were evicted with a bucket or a blackhole, because their key group was full.";

    // Ours: sources.
    SOURCE_UP: Gauge "overspill_source_up" ["source"] "Whether a source is being read.";
    SOURCE: Counter "overspill_source_total" ["source", "what"] "What a source counts: lines, bytes, dropped, errors and so on";
    LAG_BYTES: Gauge "overspill_source_lag_bytes" ["source", "partition"] "Bytes that are there and were not read.";
    LAG_LINES: Gauge "overspill_source_lag_lines" ["source", "partition"] "Lines that are there and were not read.";

    // Ours: what is kept.
    GENERATION: Gauge "overspill_generation" [] "Number of the generation of checkpoints: one more at each start.";
    RESUMED: Gauge "overspill_resumed_seconds" [] "Event time of the checkpoint that the process began with, in seconds since 1970.";
    CHECKPOINTS: Counter "overspill_checkpoints_total" [] "Checkpoints that were committed.";
    CHECKPOINT_FAILURES: Counter "overspill_checkpoint_failures_total" [] "Checkpoints that could not be written, and were tried again.";
    CHECKPOINT_AGE: Gauge "overspill_checkpoint_age_seconds" [] "Time since the last checkpoint was committed, or since the start.";
    CHECKPOINT_TIME: Gauge "overspill_checkpoint_seconds" [] "Event time of the last checkpoint, in seconds since 1970.";
    CHECKPOINT_BYTES: Gauge "overspill_checkpoint_bytes" [] "Bytes that the last checkpoint wrote.";
    CHECKPOINT_BYTES_TOTAL: Counter "overspill_checkpoint_bytes_total" [] "Bytes that all of them wrote.";
    CHECKPOINT_TOOK: Histogram "overspill_checkpoint_duration_seconds" [] "Time from asking for a checkpoint to its commit.";
    ALERTS_FILE: Gauge "overspill_alerts_file_bytes" [] "Length of the file of alerts.";

    // Ours: the Local API.
    API_ALERTS: Counter "overspill_lapi_alerts_dropped_total" ["why"] "Alerts that came over the network and were not stored: their source is allowlisted, or no decision of theirs can be made (worthless).";
    API_DROPPED: Counter "overspill_lapi_connections_dropped_total" ["why"] "Bodies that did not come in time (slow), and connections that broke the protocol or whose TLS did not begin (broken).";
    API_FLUSHES: Counter "overspill_lapi_flush_failures_total" [] "Times that what is too old could not be removed.";
    API_LOG: Gauge "overspill_lapi_log_entries" [] "Number of the newest entry of the log of decisions.";
    API_DECISIONS: Gauge "overspill_lapi_decisions" ["what"] "Decisions in force that bouncers are told of (held), and those that were too many for that since the start (left_out).";

    // Ours: whoever looks.
    HTTP_REQUESTS: Counter "overspill_http_requests_total" [] "Requests to this endpoint.";
    HTTP_DROPPED: Counter "overspill_http_dropped_total" ["why"] "Connections to it that were no requests (refused), took too long (slow) or made way for others (crowded).";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ALL;

    #[test]
    fn the_book_lists_the_metrics_that_there_are() {
        let page = include_str!("../../../docs/book/src/metrics.md");
        // Rows that begin with a name: | `name` | kind | labels | ...
        let listed: BTreeSet<(String, String, String)> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter_map(|row| {
                let mut cells = row.split('|').map(str::trim);
                let name = cells.next()?.trim_end_matches('`').to_owned();
                let starts = ["cs_", "process_", "overspill_"];
                let is_name = name
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter == '_');
                if !is_name || !starts.iter().any(|start| name.starts_with(start)) {
                    return None;
                }
                Some((name, cells.next()?.to_owned(), cells.next()?.to_owned()))
            })
            .collect();
        let there: BTreeSet<(String, String, String)> = ALL
            .iter()
            .map(|metric| {
                let kind = metric.kind.name().to_owned();
                (metric.name.to_owned(), kind, metric.labels.join(", "))
            })
            .collect();
        let missing: Vec<_> = there.difference(&listed).collect();
        let invented: Vec<_> = listed.difference(&there).collect();
        assert!(
            missing.is_empty() && invented.is_empty(),
            "not in the book: {missing:#?}\nonly in the book: {invented:#?}"
        );
    }

    #[test]
    fn names_are_well_formed_and_differ() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            assert!(metric.is_well_formed(), "{}", metric.name);
        }
    }
}
