//! From the line that completes an attack to its alert in the file: a topic of two partitions, two processes.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

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

/// Latency at the end of a run up to which the job has kept up, in milliseconds: whoever does not falls behind
/// by as much in a second or two.
const KEPT_UP_MS: f64 = 1_000.0;
/// Steps of a tenth of the rate, down to the last.
const STEPS: std::ops::RangeInclusive<u32> = 4..=10;

/// What came of a run.
struct Run {
    /// From the line to its alert, in milliseconds, in the order of the alerts.
    samples: Vec<f64>,
    /// Share of the lines that could be sent in time.
    sent: f64,
}

impl Run {
    fn has_kept_up(&self) -> bool {
        let last = &self.samples[self.samples.len() - self.samples.len() / 5..];
        self.sent > 0.95 && quantile(last, 0.5).is_some_and(|ms| ms < KEPT_UP_MS)
    }
}

/// Measures it at a fixed rate, and at half of what the machine carries: once of what two processes take of a topic that
/// is there, while nobody writes, and once of what writer, broker and job keep up with together.
pub(super) fn measure(ground: &mut Ground, throughput: f64) -> Result<Vec<Figure>> {
    let mut sheet = Sheet::of("latency");
    let short = Duration::from_secs(12);
    let mut note = |sheet: &mut Sheet, name: &str, rate: f64, span: Duration| {
        let samples = one(ground, rate, span)?.samples;
        sheet.note(format!("{name}, p50"), of(&samples, 0.5), "ms");
        sheet.note(format!("{name}, p99"), of(&samples, 0.99), "ms");
        anyhow::Ok(())
    };
    note(&mut sheet, "1,000 lines/s", QUIET, short)?;
    let name = "half of a topic's throughput";
    note(&mut sheet, name, throughput / 2.0, Duration::from_secs(24))?;
    let carried = carried(ground, throughput)?;
    sheet.note("writer, broker and job keep up with", carried, "lines/s");
    let samples = one(ground, carried / 2.0, Duration::from_secs(24))?.samples;
    sheet.note("alerts that were matched", samples.len() as f64, "");
    sheet.judge("half of that, p50", of(&samples, 0.5), "ms", P50);
    sheet.judge("half of that, p99", of(&samples, 0.99), "ms", P99);
    sheet.note("half of that, most", of(&samples, 1.0), "ms");
    Ok(sheet.figures())
}

/// The most lines a second, by tenths of a rate, that writer, broker and job keep up with.
fn carried(ground: &mut Ground, throughput: f64) -> Result<f64> {
    for tenths in STEPS.rev() {
        let rate = throughput * f64::from(tenths) / 10.0;
        if one(ground, rate, Duration::from_secs(15))?.has_kept_up() {
            return Ok(rate);
        }
    }
    bail!("the job does not keep up with four tenths of what it takes of a topic that is there")
}

fn of(samples: &[f64], share: f64) -> f64 {
    quantile(samples, share).unwrap_or(f64::NAN)
}

/// Lines at a rate, for a time.
fn one(ground: &mut Ground, lines: f64, span: Duration) -> Result<Run> {
    let hub = ground.content("content")?;
    let templates = Arc::new(Templates::read(&ground.log(100_000)?)?);
    let (topic, partitions) = ground.topic(2)?;
    settle()?;
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
    Ok(Run {
        samples: latencies(&sent.completed, &matched, began + WARM_UP),
        sent: sent.n_lines as f64 / (span.as_secs_f64() * lines),
    })
}

/// Waits until what runs before have left in memory is on the disk: the broker's next writes would wait for it.
fn settle() -> Result<()> {
    let status = Command::new("sync").status().context("run sync")?;
    ensure!(status.success(), "sync failed");
    Ok(())
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
    fn who_falls_behind_is_late_at_the_end() {
        let run = |samples: &[f64], sent| Run {
            samples: samples.to_vec(),
            sent,
        };
        let (soon, late) = ([3.0; 8], [1_200.0; 2]);
        assert!(run(&soon, 1.0).has_kept_up());
        assert!(!run(&soon, 0.9).has_kept_up());
        assert!(!run(&[&soon[..], &late].concat(), 1.0).has_kept_up());
        assert!(run(&[&late[..], &soon].concat(), 1.0).has_kept_up());
        assert!(!run(&[], 1.0).has_kept_up());
    }

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
