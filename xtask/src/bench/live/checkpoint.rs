//! What checkpoints cost a job with a million live buckets, in throughput and in pauses.
//!
//! A topic holds a line of each of a million addresses, which makes the buckets, and then lines of these addresses in
//! some order, a tenth of them nine times out of ten. Every hundredth line is a probe whose address is its number, and
//! an alert by itself; so the file of alerts says how far the job is, and a gap between two probes is a time in which
//! no line got through. What a pause is the job says itself: the longest CPU time of a step of its worker. A gap holds
//! also what of a backlog is read before, and other programs that had the CPU.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::super::statistics::Samples;
use super::alerts::longest_gap;
use super::figure::{Figure, Sheet, Target, ms};
use super::ground::{Ground, fill};
use super::lines::{Dates, KEYS, PROBES, request};

/// Keys with a bucket that lives for hours. A fifth of a million others come with lines of the last seconds, of scenarios of
/// the library: a million in all, with events a little below what a table may retain.
const N_KEYS: u32 = 860_000;
/// Lines after those that make the buckets.
const N_MORE: u32 = 6_000_000;
/// Every so many lines there is a probe.
const PROBE_EVERY: u32 = 100;
/// Dates go on by a second every so many lines.
const LINES_A_SECOND: u32 = 80_000;
/// What is measured: two checkpoints.
const SPAN: Duration = Duration::from_secs(20);
/// After the buckets are there: checkpoints that hold all of them for the first time are over.
const SETTLED: Duration = Duration::from_secs(22);
const ROUNDS: usize = 2;
/// In percent, and milliseconds.
const LOSS: Target = Target::AtMost(5.0);
const PAUSE: Target = Target::AtMost(20.0);
/// The same, in seconds.
const PAUSE_SECS: f64 = 0.02;
/// Some morning, in milliseconds since 1970.
const FROM_MS: i64 = 1_710_050_400_000;

/// What one run gave.
#[derive(Debug, Clone, Copy)]
struct Ran {
    lines_a_second: f64,
    cpu_us_a_line: f64,
    longest_gap: Duration,
    /// What the longest step of a worker took at most, in seconds.
    longest_step: f64,
    /// Steps that took more than [`PAUSE_SECS`].
    n_pauses: f64,
    n_buckets: f64,
    n_checkpoints: f64,
    last_bytes: f64,
}

pub(super) fn measure(ground: &mut Ground) -> Result<Vec<Figure>> {
    let mut sheet = Sheet::of("checkpoint");
    let (topic, mut partitions) = ground.topic(1)?;
    let partition = partitions.first_mut().context("a partition")?;
    let mut dates = Dates::default();
    let mut chance = 1_u64;
    fill(
        partition,
        (0..N_KEYS + N_MORE).map(|n| line(n, &mut chance, &mut dates)),
    )?;
    let mut runs: [Vec<Ran>; 2] = Default::default();
    for round in 0..ROUNDS {
        // In turn, so that a machine that becomes slower does so for both.
        for with in [round % 2 == 0, round % 2 == 1] {
            runs[usize::from(with)].push(run(ground, &topic, with)?);
        }
    }
    let [without, with] = &runs;
    let median = |runs: &[Ran], of: fn(&Ran) -> f64| {
        Samples(runs.iter().map(of).collect())
            .median()
            .unwrap_or(f64::NAN)
    };
    let rate = |run: &Ran| run.lines_a_second;
    let cpu = |run: &Ran| run.cpu_us_a_line;
    let gap = |run: &Ran| ms(run.longest_gap);
    sheet.note(
        "live buckets",
        median(with, |run: &Ran| run.n_buckets) / 1e6,
        "M",
    );
    sheet.note(
        "checkpoints while it was measured, all runs",
        with.iter().map(|run| run.n_checkpoints).sum(),
        "",
    );
    sheet.note(
        "bytes of the last",
        median(with, |run: &Ran| run.last_bytes) / 1e6,
        "MB",
    );
    let (slow, fast) = (median(with, rate), median(without, rate));
    sheet.note("without checkpoints", fast, "lines/s");
    sheet.note("with one every 10 s", slow, "lines/s");
    sheet.judge(
        "less with checkpoints",
        100.0 * (1.0 - slow / fast),
        "%",
        LOSS,
    );
    let more = 100.0 * (median(with, cpu) / median(without, cpu) - 1.0);
    sheet.note("more CPU a line with checkpoints", more, "%");
    let step = |runs: &[Ran]| {
        let steps = runs.iter().map(|run| run.longest_step * 1e3);
        steps.fold(0.0, f64::max)
    };
    let pauses = |runs: &[Ran]| runs.iter().map(|run| run.n_pauses).sum();
    sheet.note("longest step without, at most", step(without), "ms");
    sheet.judge(
        "longest step with checkpoints, at most",
        step(with),
        "ms",
        PAUSE,
    );
    sheet.note("steps over 20 ms without", pauses(without), "");
    sheet.note("steps over 20 ms with checkpoints", pauses(with), "");
    sheet.note("longest gap without", median(without, gap), "ms");
    sheet.note("longest gap with checkpoints", median(with, gap), "ms");
    Ok(sheet.figures())
}

/// The `n`-th line.
fn line(n: u32, chance: &mut u64, dates: &mut Dates) -> String {
    let date = dates.of(FROM_MS + i64::from(n / LINES_A_SECOND) * 1_000);
    if n.is_multiple_of(PROBE_EVERY) {
        return request(&PROBES.address(n / PROBE_EVERY), date, "/probe");
    }
    let key = if n < N_KEYS {
        n
    } else {
        *chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let drawn = (*chance >> 32) as u32;
        let is_any = drawn.is_multiple_of(10);
        let among = if is_any { N_KEYS } else { N_KEYS / 10 };
        (drawn / 10) % among
    };
    request(&KEYS.address(key), date, "/key")
}

fn run(ground: &Ground, topic: &str, with: bool) -> Result<Ran> {
    let hub = ground.content("content")?;
    let words: &[&str] = match with {
        true => &["--checkpoint-every", "10s"],
        false => &["--no-checkpoints"],
    };
    let mut job = ground.start("checkpoint", &ground.acquis(topic), &hub, words)?;
    let first = N_KEYS.div_ceil(PROBE_EVERY);
    job.wait_for_alert(&PROBES.address(first))?;
    job.watch(SETTLED)?;
    let (began, cpu_before) = (Instant::now(), job.cpu());
    let n_buckets = job.metric(1, "overspill_live_buckets")?;
    let n_before = job.metric(1, "overspill_checkpoints_total")?;
    let steps_before = job.steps()?;
    job.watch(SPAN)?;
    let (ended, cpu_after) = (Instant::now(), job.cpu());
    let n_after = job.metric(1, "overspill_checkpoints_total")?;
    let steps = job.steps()?;
    let last_bytes = job.metric(1, "overspill_checkpoint_bytes")?;
    let probes = job.alerts.of(PROBES, "bench/probes");
    if probes
        .last()
        .is_some_and(|(n, _)| *n >= (N_KEYS + N_MORE - 1) / PROBE_EVERY)
    {
        bail!("the topic was at its end before the time was: it needs more lines");
    }
    let within: Vec<(u32, Instant)> = probes
        .into_iter()
        .filter(|(_, at)| *at >= began && *at <= ended)
        .collect();
    let (first, last) = within.first().zip(within.last()).context("no probe")?;
    let n_lines = f64::from(last.0.saturating_sub(first.0)) * f64::from(PROBE_EVERY);
    let moments: Vec<Instant> = within.iter().map(|(_, at)| *at).collect();
    let (longest_gap, _) = longest_gap(&moments).context("one probe")?;
    Ok(Ran {
        lines_a_second: n_lines / last.1.duration_since(first.1).as_secs_f64(),
        cpu_us_a_line: (cpu_after - cpu_before).as_secs_f64() * 1e6 / n_lines,
        longest_gap,
        longest_step: steps.longest_since(&steps_before).context("no steps")?,
        n_pauses: steps
            .longer_since(&steps_before, PAUSE_SECS)
            .context("no steps")?,
        n_buckets,
        n_checkpoints: n_after - n_before,
        last_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines::date_of;
    use super::*;

    #[test]
    fn every_key_has_a_line_but_those_where_probes_are_and_later_ones_repeat() {
        let (mut chance, mut dates) = (1, Dates::default());
        let mut at = |n| line(n, &mut chance, &mut dates);
        let of = |line: &str| line.split(' ').next().map(str::to_owned);
        assert_eq!(of(&at(7)), Some(KEYS.address(7)));
        assert_eq!(of(&at(200)), Some(PROBES.address(2)));
        assert_eq!(date_of(&at(80_001)), Some("10/Mar/2024:06:00:01 +0000"));
        let keys = (N_KEYS + 1..N_KEYS + 1_001).map(&mut at);
        let keys: Vec<u32> = keys
            .filter_map(|line| KEYS.number(line.split(' ').next()?))
            .collect();
        let n_few = keys.iter().filter(|key| **key < N_KEYS / 10).count();
        assert!((850..980).contains(&n_few), "{n_few}");
        assert!(keys.iter().all(|key| *key < N_KEYS));
    }
}
