//! How long there are no alerts when a process is killed, and when content is read anew.
//!
//! A probe every 10 ms is an alert by itself, so the end of the longest gap between them is when alerts are written
//! again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::alerts::longest_gap;
use super::feed::{Feed, Pace};
use super::figure::{Figure, Sheet, Target, ms};
use super::ground::{self, Ground, Job, add_scenarios};
use super::lines::{NEW_PROBES, PROBES, Templates};

/// Lines of the generator in a second.
const LINES: f64 = 5_000.0;
const PROBES_A_SECOND: f64 = 100.0;
/// Before anything happens: a checkpoint was made, and there is something after it.
const BEFORE: Duration = Duration::from_secs(16);
/// In which all must be as it was.
const AFTER: Duration = Duration::from_secs(8);
/// Seconds.
const KILL: Target = Target::AtMost(3.0);

fn pace() -> Pace {
    Pace {
        probes: PROBES_A_SECOND,
        new_probes: PROBES_A_SECOND,
        ..Pace::of(LINES)
    }
}

pub(super) fn measure(ground: &mut Ground) -> Result<Vec<Figure>> {
    let mut sheet = Sheet::of("restart");
    let templates = Arc::new(Templates::read(&ground.log(100_000)?)?);
    kills(ground, &templates, &mut sheet)?;
    reload(ground, &templates, &mut sheet)?;
    Ok(sheet.figures())
}

fn kills(ground: &mut Ground, templates: &Arc<Templates>, sheet: &mut Sheet) -> Result<()> {
    let hub = ground.content("content")?;
    let (topic, partitions) = ground.topic(2)?;
    let acquis = ground.acquis(&topic);
    let mut job = ground.start("restart", &acquis, &hub, &["--processes", "2"])?;
    job.wait_ready(2)?;
    let feed = Feed::start(partitions, Arc::clone(templates), pace())?;
    job.watch(BEFORE)?;
    for (at, which) in [(1, "the second"), (0, "the first")] {
        let pids = job.pids();
        let pid = *pids.get(at).context("two processes")?;
        let killed = Instant::now();
        job.signal(pid, "KILL")?;
        job.watch(AFTER)?;
        let again = again(&job, killed).context("no alert after the kill")?;
        let took = again.duration_since(killed).as_secs_f64();
        sheet.judge(
            format!("kill -9 of {which} of two processes, to alerts"),
            took,
            "s",
            KILL,
        );
    }
    feed.end()?;
    Ok(())
}

/// When the longest gap between probes ended that began after a moment, or was under way.
fn again(job: &Job, after: Instant) -> Option<Instant> {
    let probes = job.alerts.of(PROBES, "bench/probes");
    let moments: Vec<Instant> = probes.into_iter().map(|(_, at)| at).collect();
    let first = moments.iter().rposition(|at| *at <= after)?;
    Some(longest_gap(&moments[first..])?.1)
}

fn reload(ground: &mut Ground, templates: &Arc<Templates>, sheet: &mut Sheet) -> Result<()> {
    let hub = ground.content("reload-content")?;
    let (topic, partitions) = ground.topic(2)?;
    let mut job = ground.start("reload", &ground.acquis(&topic), &hub, &[])?;
    job.wait_ready(1)?;
    let feed = Feed::start(partitions, Arc::clone(templates), pace())?;
    job.watch(BEFORE)?;
    add_scenarios(&hub, "new-probes", ground::NEW_PROBES)?;
    let told = Instant::now();
    let pids = job.pids();
    job.signal(*pids.first().context("a process")?, "HUP")?;
    job.watch(AFTER)?;
    feed.end()?;
    let new = job.alerts.of(NEW_PROBES, "bench/new-probes");
    let first = new.first().context("no alert of the new content")?.1;
    let took = first.duration_since(told).as_secs_f64();
    sheet.note("SIGHUP to the first alert of new content", took, "s");
    let probes = job.alerts.of(PROBES, "bench/probes");
    let moments = probes.into_iter().map(|(_, at)| at);
    let moments: Vec<Instant> = moments.filter(|at| *at >= told).collect();
    let (gap, _) = longest_gap(&moments).context("no alert after the signal")?;
    sheet.note("longest time without alerts meanwhile", ms(gap), "ms");
    Ok(())
}
