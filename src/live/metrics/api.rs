//! What the Local API beside a job counts, under CrowdSec's names and ours.

use overspill_telemetry::Page;

use super::catalog;
use crate::lapi::{Api, Observed};

/// Puts it on a page. `is_full` says whether CrowdSec's metrics of that level are wanted.
pub(super) fn fill(page: &mut Page<'_>, api: &Api, is_full: bool) {
    let counts = api.counts();
    for ((route, method), n) in &counts.routes {
        page.count(&catalog::CS_LAPI_ROUTE, &[route, method], *n);
    }
    for (why, n) in [
        ("allowlisted", counts.alerts_allowlisted),
        ("worthless", counts.alerts_worthless),
    ] {
        page.count(&catalog::API_ALERTS, &[why], n);
    }
    for (why, n) in [("slow", counts.slow), ("broken", counts.broken)] {
        page.count(&catalog::API_DROPPED, &[why], n);
    }
    page.count(&catalog::API_FLUSHES, &[], counts.flushes_failed);
    if is_full {
        for (metric, counters) in [
            (&catalog::CS_LAPI_MACHINE, &counts.machines),
            (&catalog::CS_LAPI_BOUNCER, &counts.bouncers),
        ] {
            for ((name, route, method), n) in counters {
                page.count(metric, &[name, route, method], *n);
            }
        }
        for (metric, counters) in [
            (&catalog::CS_LAPI_OK, &counts.decisions_found),
            (&catalog::CS_LAPI_KO, &counts.decisions_none),
        ] {
            for (bouncer, n) in counters {
                page.count(metric, &[bouncer], *n);
            }
        }
    }
    // A database that is away has no numbers.
    let Some(observed) = api.observed() else {
        return;
    };
    page.count(&catalog::API_LOG, &[], observed.head);
    page.count(&catalog::API_DECISIONS, &["held"], observed.n_active);
    page.count(&catalog::API_DECISIONS, &["left_out"], observed.n_left_out);
    if is_full {
        stored(page, &observed);
    }
}

fn stored(page: &mut Page<'_>, observed: &Observed) {
    for count in &observed.decisions {
        let labels = [&*count.scenario, &*count.origin, &*count.kind];
        page.count(&catalog::CS_DECISIONS, &labels, count.n);
    }
    for count in &observed.alerts {
        page.count(&catalog::CS_ALERTS, &[&count.scenario], count.n);
    }
    for (machine, seconds) in &observed.heartbeats {
        page.count(&catalog::CS_HEARTBEAT, &[machine], *seconds);
    }
}
