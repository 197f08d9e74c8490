//! From the line that completes an attack to its alert in the file: a topic of two partitions, two processes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::feed::{Feed, Pace};
use super::figure::{Figure, Sheet, Target, ms, quantile};
use super::ground::Ground;
use super::lines::{ATTACKERS, LOGIN_BF, Templates};

/// Attackers who begin in a second.
const ATTACKERS_A_SECOND: f64 = 100.0;
/// Lines a second where nothing is to do.
const QUIET: f64 = 1_000.0;
/// What is before this is not counted.
const WARM_UP: Duration = Duration::from_secs(4);
/// Longest wait for the last alerts.
const REST: Duration = Duration::from_secs(20);

/// What is to be reached, in milliseconds.
const P50: Target = Target::AtMost(5.0);
const P99: Target = Target::AtMost(50.0);

/// Measures it at a fixed rate, and at half of what two processes take in a second.
pub(super) fn measure(ground: &mut Ground, throughput: f64) -> Result<Vec<Figure>> {
    let mut sheet = Sheet::of("latency");
    let half = throughput / 2.0;
    let quiet = one(ground, QUIET, Duration::from_secs(12))?;
    let name = "1,000 lines/s";
    sheet.note(format!("{name}, p50"), of(&quiet, 0.5), "ms");
    sheet.note(format!("{name}, p99"), of(&quiet, 0.99), "ms");
    // At half of it the writer and the broker, which are on the same machine, take the rest.
    for (name, share) in [
        ("an eighth of the throughput", 8.0),
        ("a quarter of the throughput", 4.0),
    ] {
        let samples = one(ground, throughput / share, Duration::from_secs(12))?;
        sheet.note(format!("{name}, p50"), of(&samples, 0.5), "ms");
        sheet.note(format!("{name}, p99"), of(&samples, 0.99), "ms");
    }
    let loaded = one(ground, half, Duration::from_secs(24))?;
    sheet.note("half of what two processes take", half, "lines/s");
    sheet.note("alerts that were matched", loaded.len() as f64, "");
    sheet.judge("half the throughput, p50", of(&loaded, 0.5), "ms", P50);
    sheet.judge("half the throughput, p99", of(&loaded, 0.99), "ms", P99);
    sheet.note("half the throughput, most", of(&loaded, 1.0), "ms");
    Ok(sheet.figures())
}

fn of(samples: &[f64], share: f64) -> f64 {
    quantile(samples, share).unwrap_or(f64::NAN)
}

/// Milliseconds from line to alert at a rate.
fn one(ground: &mut Ground, lines: f64, span: Duration) -> Result<Vec<f64>> {
    let hub = ground.content("content")?;
    let templates = Arc::new(Templates::read(&ground.log(100_000)?)?);
    let (topic, partitions) = ground.topic(2)?;
    let acquis = ground.acquis(&topic);
    let mut job = ground.start("latency", &acquis, &hub, &["--processes", "2"])?;
    job.wait_ready(2)?;
    let pace = Pace {
        attackers: ATTACKERS_A_SECOND,
        ..Pace::of(lines)
    };
    let began = Instant::now();
    let feed = Feed::start(partitions, templates, pace)?;
    job.watch(span)?;
    let sent = feed.end()?;
    let share = sent.n_lines as f64 / (span.as_secs_f64() * lines);
    if share < 0.95 {
        bail!("only {:.0} % of the lines could be sent", share * 100.0);
    }
    let until = Instant::now() + REST;
    let mut matched = Vec::new();
    while matched.len() < sent.completed.len() && Instant::now() < until {
        job.watch(Duration::from_secs(1))?;
        matched = job.alerts.of(ATTACKERS, LOGIN_BF);
        // The generator may have an address of this family, too.
        matched.retain(|(attacker, _)| (*attacker as usize) < sent.completed.len());
    }
    if matched.len() != sent.completed.len() {
        let n = sent.completed.len();
        bail!("{} of {n} alerts came", matched.len());
    }
    Ok(latencies(&sent.completed, &matched, began + WARM_UP))
}

/// From the line to its alert, for lines after a moment, in milliseconds.
fn latencies(completed: &[Instant], matched: &[(u32, Instant)], after: Instant) -> Vec<f64> {
    let of_one = |(attacker, seen): &(u32, Instant)| {
        let sent = *completed.get(*attacker as usize)?;
        (sent >= after).then(|| ms(seen.saturating_duration_since(sent)))
    };
    matched.iter().filter_map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_matched_to_the_lines_of_their_attackers() {
        let since = Instant::now();
        let at = |ms| since + Duration::from_millis(ms);
        let completed = [at(0), at(10), at(20)];
        let matched = [(2, at(27)), (0, at(9)), (1, at(40)), (7, at(50))];
        assert_eq!(latencies(&completed, &matched, at(0)), [7.0, 9.0, 30.0]);
        assert_eq!(latencies(&completed, &matched, at(10)), [7.0, 30.0]);
    }
}
