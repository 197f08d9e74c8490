//! Kafka to alerts beside a replay of the same lines from a file.
//!
//! The topic is filled before the job starts, so neither the producer nor its rate is measured; the broker runs, and
//! hands out. A log ends with an attack of an address of its own, whose alert is the end. What a log of that attack
//! alone takes is start-up, and taken off.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::super::case::release;
use super::super::cpu;
use super::super::statistics::Samples;
use super::figure::{Figure, Sheet, Target};
use super::ground::{Ground, fill};
use super::lines::{LAST, TO_COMPLETE, date_of, refused};

/// Rounds, each with all of the kinds in turn.
const ROUNDS: usize = 3;
/// Lines of neighbours that go to the same partition.
const BLOCK: usize = 500;
/// Share of a replay's rate.
const TARGET: f64 = 70.0;

/// CPU and wall time of runs of one kind.
#[derive(Debug, Default)]
struct Times {
    cpu_s: Samples,
    wall_s: Samples,
}

impl Times {
    fn add(&mut self, (cpu_s, wall_s): (f64, f64)) {
        self.cpu_s.0.push(cpu_s);
        self.wall_s.0.push(wall_s);
    }
}

/// A log and the topics that hold it.
struct Log {
    file: PathBuf,
    n_lines: usize,
    /// Of one and of two partitions.
    topics: [String; 2],
}

impl Log {
    fn new(ground: &mut Ground, name: &str, lines: Vec<String>) -> Result<Self> {
        let file = ground.dir.join(name).with_extension("log");
        let mut topics = Vec::new();
        for n_partitions in [1, 2] {
            let (topic, mut partitions) = ground.topic(n_partitions)?;
            for (at, partition) in partitions.iter_mut().enumerate() {
                let blocks = lines.chunks(BLOCK).enumerate();
                let ours = blocks.filter(|(n, _)| n % n_partitions == at);
                let last = attack(at, &lines)?;
                let text = ours.flat_map(|(_, block)| block.iter().cloned());
                fill(partition, text.chain(last))?;
            }
            topics.push(topic);
        }
        let mut text = lines.join("\n");
        text.push('\n');
        for line in attack(0, &lines)? {
            text.push_str(&line);
            text.push('\n');
        }
        fs::write(&file, text)?;
        let n_lines = lines.len();
        let [one, two] = <[String; 2]>::try_from(topics).ok().context("two topics")?;
        Ok(Self {
            file,
            n_lines,
            topics: [one, two],
        })
    }
}

/// The lines that end a partition.
fn attack(partition: usize, lines: &[String]) -> Result<Vec<String>> {
    let last = lines.last().and_then(|line| date_of(line));
    let date = last.context("the last line has no date")?;
    let line = refused(&LAST.address(partition as u32), date);
    Ok(vec![line; TO_COMPLETE as usize])
}

/// Measures it; the number is lines a second of wall time of two processes.
pub(super) fn measure(ground: &mut Ground, n_lines: u64) -> Result<(f64, Vec<Figure>)> {
    let mut sheet = Sheet::of("throughput");
    let hub = ground.content("content")?;
    let text = fs::read_to_string(ground.log(n_lines)?)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let few = Log::new(ground, "few", lines.split_off(lines.len() - 1))?;
    let many = Log::new(ground, "many", lines)?;
    let mut net: [Times; 3] = Default::default();
    for _ in 0..ROUNDS {
        let start_up = round(ground, &few, &hub)?;
        let whole = round(ground, &many, &hub)?;
        for (times, (few, many)) in net.iter_mut().zip(start_up.into_iter().zip(whole)) {
            times.add((many.0 - few.0, many.1 - few.1));
        }
    }
    let n = (many.n_lines - few.n_lines) as f64;
    let rate = |samples: &Samples| n / samples.median().unwrap_or(f64::NAN);
    let [replay, one, two] = &net;
    for (what, times) in [
        ("replay of a file, 1 worker", replay),
        ("run from Kafka, 1 process", one),
        ("run from Kafka, 2 processes", two),
    ] {
        sheet.note(format!("{what}, wall"), rate(&times.wall_s), "lines/s");
        sheet.note(format!("{what}, CPU"), rate(&times.cpu_s), "lines/s a core");
    }
    let share = |of: &Samples, beside: &Samples| 100.0 * rate(of) / rate(beside);
    let target = Target::AtLeast(TARGET);
    let by_cpu = share(&one.cpu_s, &replay.cpu_s);
    sheet.judge("1 process beside replay, CPU", by_cpu, "%", target);
    let by_wall = share(&one.wall_s, &replay.wall_s);
    sheet.judge("1 process beside replay, wall", by_wall, "%", target);
    let by_cpu = share(&two.cpu_s, &replay.cpu_s);
    sheet.note("2 processes beside replay, CPU", by_cpu, "%");
    Ok((rate(&two.wall_s), sheet.figures()))
}

/// Replay, one process and two: CPU and wall time of each, in seconds.
fn round(ground: &Ground, log: &Log, hub: &Path) -> Result<[(f64, f64); 3]> {
    Ok([
        replay(&log.file, hub)?,
        run(ground, &log.topics[0], hub, 1)?,
        run(ground, &log.topics[1], hub, 2)?,
    ])
}

fn replay(log: &Path, hub: &Path) -> Result<(f64, f64)> {
    let mut command = cpu::timed(&release("overspill"));
    command.arg("replay").arg(log).arg("--hub").arg(hub);
    command.args(["--all", "--type", "nginx", "-o", "json"]);
    let began = Instant::now();
    let ran = cpu::run(&mut command)?;
    Ok((ran.cpu_ns / 1e9, began.elapsed().as_secs_f64()))
}

fn run(ground: &Ground, topic: &str, hub: &Path, n_processes: usize) -> Result<(f64, f64)> {
    let words = processes(n_processes);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut job = ground.start("throughput", &ground.acquis(topic), hub, &words)?;
    let mut ended = job.began;
    for partition in 0..n_processes {
        ended = ended.max(job.wait_for_alert(&LAST.address(partition as u32))?);
    }
    let cpu: Duration = job.cpu();
    let wall = ended.duration_since(job.began);
    Ok((cpu.as_secs_f64(), wall.as_secs_f64()))
}

/// The words for so many processes.
pub(super) fn processes(n: usize) -> Vec<String> {
    match n {
        1 => Vec::new(),
        n => vec!["--processes".to_owned(), n.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_attack_has_the_date_of_the_last_line() {
        let lines = [refused("203.0.113.7", "D1"), refused("203.0.113.8", "D2")];
        let last = attack(1, &lines).unwrap();
        assert_eq!(last.len(), TO_COMPLETE as usize);
        assert!(last[0].starts_with("58.0.0.1 - - [D2] "), "{last:?}");
        assert!(attack(1, &[]).is_err());
    }
}
