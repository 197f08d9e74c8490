//! Takes lines that are made to hurt through the parser stages and the filters, one attack after
//! another, and says on standard output what each of them cost: one JSON object a measurement.
//!
//! `bench-hostile [--hub DIR] [--lines N] [--size BYTES] [--only NAME] [--fills SIZES]`
//!
//! Every attack is measured at `size` and at twice that, so that who reads it can tell what grows
//! faster than a line. `--fills 1` takes the fills alone, and in the one size. All that is measured
//! happens in [`measured`], to which a profiler can be bound.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use overspill_benches::{
    CARRIERS, Engine, FILLS, Runner, audit_lines, broken, ingress_lines, nginx_lines, sshd_lines,
    stretched, thread_cpu_ns,
};
use overspill_scenarios::{Content, Hub, Selection, TestConfig, embedded};
use serde_json::json;

/// Ordinary lines that a cost is compared to.
const ORDINARY: usize = 500;
/// Lines taken from the log of one hub test.
const LINES_PER_TEST: usize = 4;

/// What was asked for.
struct Asked {
    hub: Option<PathBuf>,
    /// Lines of one measurement.
    n_lines: usize,
    /// Bytes of the shorter line.
    size: usize,
    /// Only places or logs whose name contains this.
    only: String,
    /// Only fills, in so many sizes.
    fills: Option<usize>,
}

/// Ordinary lines that our own library understands: type, program, lines.
fn our_logs() -> [(&'static str, &'static str, Vec<Vec<u8>>); 4] {
    [
        ("nginx", "", nginx_lines()),
        ("syslog", "", sshd_lines()),
        ("containerd", "nginx", ingress_lines()),
        ("k8s-audit", "", audit_lines()),
    ]
    .map(|(log_type, program, lines)| {
        let lines = lines.into_iter().map(String::into_bytes).collect();
        (log_type, program, lines)
    })
}

fn main() -> Result<()> {
    let asked = asked()?;
    let content = content(asked.hub.as_deref())?;
    let mut bench = Bench {
        runner: Runner::of(&content, "", Engine::Fast)?,
        out: io::stdout().lock(),
        asked,
    };
    if let Some(n_sizes) = bench.asked.fills {
        return bench.fills(n_sizes);
    }
    bench.ordinary()?;
    bench.fills(2)?;
    bench.near_misses()
}

fn asked() -> Result<Asked> {
    let mut asked = Asked {
        hub: None,
        n_lines: 4,
        size: 16 << 10,
        only: String::new(),
        fills: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        let value = words.next().context("every flag takes a value")?;
        match flag.as_str() {
            "--hub" => asked.hub = Some(PathBuf::from(value)),
            "--lines" => asked.n_lines = value.parse().context("--lines")?,
            "--size" => asked.size = value.parse().context("--size")?,
            "--only" => asked.only = value,
            "--fills" => asked.fills = Some(value.parse().context("--fills")?),
            _ => bail!("{flag} is no flag"),
        }
    }
    Ok(asked)
}

/// Everything in the hub, or the embedded library.
fn content(hub: Option<&Path>) -> Result<Content> {
    let Some(hub) = hub else {
        return Ok(embedded());
    };
    let selection = Selection {
        everything: true,
        ..Selection::default()
    };
    Ok(Hub::open(hub)?.select(&selection))
}

struct Bench {
    runner: Runner,
    out: io::StdoutLock<'static>,
    asked: Asked,
}

/// What is measured: the lines and nothing else.
#[inline(never)]
fn measured(runner: &mut Runner, lines: &[Vec<u8>]) -> usize {
    run(runner, lines)
}

/// Lines before the clock runs: automata that are built as they are needed are there then.
#[inline(never)]
fn warm(runner: &mut Runner, lines: &[Vec<u8>]) {
    run(runner, lines);
}

#[inline(always)]
fn run(runner: &mut Runner, lines: &[Vec<u8>]) -> usize {
    let mut n_poured = 0;
    for line in lines {
        if runner.parse(line) {
            n_poured += runner.matches();
        }
    }
    n_poured
}

impl Bench {
    fn measure(&mut self, names: [&str; 3], size: usize, lines: &[Vec<u8>]) -> Result<()> {
        let [set, place, attack] = names;
        let started = thread_cpu_ns();
        let n_poured = measured(&mut self.runner, lines);
        let ns = thread_cpu_ns() - started;
        let bytes: usize = lines.iter().map(Vec::len).sum();
        let record = json!({
            "set": set, "place": place, "attack": attack, "size": size, "lines": lines.len(),
            "bytes": bytes, "ns": ns, "poured": n_poured,
        });
        writeln!(self.out, "{record}").context("standard output")
    }

    /// What lines of each type cost that nobody made to hurt.
    fn ordinary(&mut self) -> Result<()> {
        for (log_type, program, lines) in our_logs() {
            self.runner
                .relabel(&[("type", log_type), ("program", program)]);
            let (first, cold) = lines.split_at(ORDINARY.min(lines.len()));
            warm(&mut self.runner, first);
            let some = cold.get(..ORDINARY).unwrap_or(cold);
            self.measure(["ordinary", log_type, ""], 0, some)?;
        }
        Ok(())
    }

    fn fills(&mut self, n_sizes: usize) -> Result<()> {
        for carrier in &CARRIERS {
            if !carrier.name.contains(&self.asked.only) {
                continue;
            }
            self.runner.relabel(&carrier.labels());
            for fill in FILLS {
                for size in [1, 2]
                    .map(|times| times * self.asked.size)
                    .into_iter()
                    .take(n_sizes)
                {
                    let line = |number| carrier.filled(fill, size, number);
                    let lines: Vec<Vec<u8>> = (1..=self.asked.n_lines).map(line).collect();
                    warm(&mut self.runner, &[line(0)]);
                    let names = ["fill", carrier.name, fill];
                    self.measure([names[0], names[1], names[2]], size, &lines)?;
                }
            }
        }
        Ok(())
    }

    /// Lines of the hub's own test logs, broken near the end, and with each of their words drawn out.
    fn near_misses(&mut self) -> Result<()> {
        let Some(hub) = self.asked.hub.clone() else {
            return self.near_misses_of_ours();
        };
        for (name, labels, lines) in test_logs(&hub)? {
            if name.contains(&self.asked.only) {
                let labels: Vec<(&str, &str)> = labels
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_str()))
                    .collect();
                self.near_misses_of(&name, &labels, &lines)?;
            }
        }
        Ok(())
    }

    fn near_misses_of_ours(&mut self) -> Result<()> {
        for (log_type, program, lines) in our_logs() {
            if !log_type.contains(&self.asked.only) {
                continue;
            }
            let labels = [("type", log_type), ("program", program)];
            self.near_misses_of(log_type, &labels, &chosen(lines))?;
        }
        Ok(())
    }

    fn near_misses_of(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        lines: &[Vec<u8>],
    ) -> Result<()> {
        self.runner.relabel(labels);
        warm(&mut self.runner, lines);
        self.measure(["log", name, ""], 0, lines)?;
        let wrong: Vec<Vec<u8>> = lines.iter().map(|line| broken(line)).collect();
        warm(&mut self.runner, &wrong);
        self.measure(["broken", name, ""], 0, &wrong)?;
        for (number, line) in lines.iter().enumerate() {
            // Others than are measured, so that nothing is remembered of these very lines.
            for other in stretched(line, self.asked.size / 2) {
                warm(&mut self.runner, &[broken(&other), other]);
            }
            let sizes = [self.asked.size, 2 * self.asked.size];
            let pairs = stretched(line, sizes[0]).zip(stretched(line, sizes[1]));
            for (word, (short, long)) in pairs.enumerate() {
                for (size, line) in sizes.into_iter().zip([short, long]) {
                    for (how, line) in [("", line.clone()), (", broken", broken(&line))] {
                        let attack = format!("line {number}, word {word}{how}");
                        self.measure(["stretched", name, &attack], size, &[line])?;
                    }
                }
            }
        }
        Ok(())
    }
}

type Log = (String, Vec<(String, String)>, Vec<Vec<u8>>);

/// Some lines of each test's log, with its labels.
fn test_logs(hub: &Path) -> Result<Vec<Log>> {
    let tests = hub.join(".tests");
    let mut logs = Vec::new();
    let entries = fs::read_dir(&tests).with_context(|| format!("list {}", tests.display()))?;
    for entry in entries {
        let dir = entry?.path();
        let config = dir.join("config.yaml");
        let Ok(text) = fs::read_to_string(&config) else {
            continue;
        };
        let Ok(config) = TestConfig::read(&config.display().to_string(), &text) else {
            continue;
        };
        let Ok(log) = fs::read(dir.join(&config.log_file)) else {
            continue;
        };
        let mut labels: BTreeMap<String, String> = config.labels;
        labels.insert("type".to_owned(), config.log_type);
        let lines = log.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        logs.push((
            name.into_owned(),
            labels.into_iter().collect(),
            chosen(lines.filter(|line| !line.is_empty()).collect()),
        ));
    }
    logs.sort();
    Ok(logs)
}

/// The first lines of each shape: digits and case do not make a shape.
fn chosen(lines: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut shapes = BTreeSet::new();
    let shape = |line: &Vec<u8>| -> Vec<u8> {
        let kept = line.iter().filter(|byte| !byte.is_ascii_alphanumeric());
        kept.copied().collect()
    };
    let is_new = |line: &Vec<u8>| shapes.insert(shape(line));
    lines
        .into_iter()
        .filter(is_new)
        .take(LINES_PER_TEST)
        .collect()
}
