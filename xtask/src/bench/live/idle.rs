//! What a job costs that has nothing to do: a topic and a file that give nothing.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::figure::{Figure, Sheet, Target};
use super::ground::Ground;

const SPAN: Duration = Duration::from_secs(30);
/// After the start.
const SETTLED: Duration = Duration::from_secs(5);
/// Percent of a core.
const TARGET: Target = Target::AtMost(1.0);

pub(super) fn measure(ground: &mut Ground) -> Result<Vec<Figure>> {
    let mut sheet = Sheet::of("idle");
    let hub = ground.content("content")?;
    let log = ground.dir.join("silent.log");
    std::fs::write(&log, "")?;
    let mut jobs = Vec::new();
    for (name, words) in [("idle-1", &[][..]), ("idle-2", &["--processes", "2"])] {
        let (topic, _) = ground.topic(2)?;
        let acquis = format!(
            "{}---\nfilenames: ['{}']\nlabels: {{ type: nginx }}\n",
            ground.acquis(&topic),
            log.display()
        );
        let mut job = ground.start(name, &acquis, &hub, words)?;
        job.wait_ready(if words.is_empty() { 1 } else { 2 })?;
        jobs.push(job);
    }
    std::thread::sleep(SETTLED);
    let before: Vec<Duration> = jobs.iter().map(super::ground::Job::cpu).collect();
    let began = Instant::now();
    // Nobody looks at their alerts meanwhile.
    std::thread::sleep(SPAN);
    let span = began.elapsed().as_secs_f64();
    let names = ["1 process", "2 processes, both together"];
    for ((job, before), name) in jobs.iter().zip(before).zip(names) {
        let cpu = (job.cpu() - before).as_secs_f64();
        sheet.judge(name, 100.0 * cpu / span, "% of a core", TARGET);
    }
    Ok(sheet.figures())
}
