//! A day of log time at 50 times its speed, and what memory does meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::feed::{Feed, Pace};
use super::figure::{Figure, Sheet, Target, slope};
use super::ground::Ground;
use super::lines::Templates;
use crate::chaos::feed::now_ms;

const SPEED: f64 = 50.0;
/// Lines a second, not of log time.
const LINES: f64 = 2_000.0;
const HOUR_MS: i64 = 3_600_000;
const LOOK: Duration = Duration::from_secs(1);
/// How much memory may grow in an hour of log time after the first, in MB.
const TARGET: Target = Target::AtMost(1.0);

pub(super) fn measure(ground: &mut Ground, hours: u32) -> Result<Vec<Figure>> {
    let mut sheet = Sheet::of("day");
    let hub = ground.content("content")?;
    let templates = Arc::new(Templates::read(&ground.log(200_000)?)?);
    let (topic, partitions) = ground.topic(2)?;
    // Dates end before the present, and a partition that is idle for a moment must not go there by the clock.
    let idle = format!("{}h", hours + 1);
    let words = ["--idle", &idle];
    let mut job = ground.start("day", &ground.acquis(&topic), &hub, &words)?;
    job.wait_ready(1)?;
    let span = Duration::from_secs_f64(f64::from(hours) * 3_600.0 / SPEED);
    let pace = Pace {
        attackers: 5.0,
        speed: SPEED,
        from_ms: Some(now_ms() - i64::from(hours) * HOUR_MS),
        ..Pace::of(LINES)
    };
    let feed = Feed::start(partitions, templates, pace)?;
    let began = Instant::now();
    let mut points = Vec::new();
    let mut n_alerts = 0;
    while began.elapsed() < span {
        job.watch(LOOK)?;
        // They are read and not kept: this program has memory, too.
        n_alerts += job.alerts.seen.len();
        job.alerts.seen.clear();
        let hours = began.elapsed().as_secs_f64() * SPEED / 3_600.0;
        points.push((hours, job.resident() as f64 / 1e6));
    }
    let sent = feed.end()?;
    let (slope, least, most) = after_first_hour(&points).context("less than an hour")?;
    sheet.note("log time", f64::from(hours), "h");
    sheet.note("lines", sent.n_lines as f64 / 1e6, "M");
    sheet.note("alerts", n_alerts as f64, "");
    sheet.note(
        "live buckets at the end",
        job.metric(1, "overspill_live_buckets")?,
        "",
    );
    sheet.note("memory after the first hour, least", least, "MB");
    sheet.note("memory after the first hour, most", most, "MB");
    sheet.judge(
        "growth in an hour of log time after the first",
        slope,
        "MB",
        TARGET,
    );
    let half = points.len() / 2;
    if let Some((slope, ..)) = after_first_hour(&points[half..]) {
        sheet.note("growth in an hour, second half alone", slope, "MB");
    }
    Ok(sheet.figures())
}

/// Slope, least and most of the points after the first hour.
fn after_first_hour(points: &[(f64, f64)]) -> Option<(f64, f64, f64)> {
    let later: Vec<(f64, f64)> = points
        .iter()
        .copied()
        .filter(|(hour, _)| *hour >= 1.0)
        .collect();
    let sizes = later.iter().map(|(_, size)| *size);
    Some((
        slope(&later)?,
        sizes.clone().min_by(f64::total_cmp)?,
        sizes.max_by(f64::total_cmp)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hour_does_not_count() {
        let points = [
            (0.0, 10.0),
            (0.5, 90.0),
            (1.0, 100.0),
            (2.0, 101.0),
            (3.0, 102.0),
        ];
        let (slope, least, most) = after_first_hour(&points).unwrap();
        assert!((slope - 1.0).abs() < 1e-9, "{slope}");
        assert!((least - 100.0).abs() < 1e-9 && (most - 102.0).abs() < 1e-9);
        assert!(after_first_hour(&points[..2]).is_none());
    }
}
