//! The figures as JSON, as a Markdown table, and as a picture.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Asked;
use super::case::{CASES, EXCHANGE, RATIOS, START_UP, Target};
use super::peers::{Logs, Measured, Row};
use super::plot::{Bar, plot};
use super::statistics::Samples;
use crate::command::root;

/// Where README takes the picture from.
const PICTURE: &str = "docs/book/src/peers.svg";
/// The form of the file of results; see `benches/README.md`.
const SCHEMA: u32 = 1;

/// Machine, date and load of a run.
#[derive(Debug)]
pub(crate) struct Circumstances {
    pub(crate) date: String,
    cpu: String,
    cores: usize,
    kernel: String,
    pub(crate) commit: String,
    load_before: String,
}

impl Circumstances {
    pub(crate) fn now() -> Result<Circumstances> {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find(|line| line.starts_with("model name"));
        let cpu = model.and_then(|line| Some(line.split_once(": ")?.1));
        Ok(Circumstances {
            date: said("date", &["-u", "+%FT%TZ"])?,
            cpu: cpu.unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: said("uname", &["-sr"])?,
            commit: said("git", &["describe", "--always", "--dirty"])?,
            load_before: load(),
        })
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "cpu": self.cpu, "cores": self.cores, "kernel": self.kernel,
            "load_before": self.load_before, "load_after": load(),
        })
    }

    /// A name for the files of this run: the day, and words of the processor's name.
    pub(crate) fn name(&self) -> String {
        let day = self.date.split('T').next().unwrap_or_default();
        let is_word = |word: &&str| word.chars().all(char::is_alphanumeric);
        let words: Vec<&str> = self.cpu.split(' ').filter(is_word).take(3).collect();
        format!("{day}-{}", words.join("-").to_lowercase())
    }
}

/// One, five and fifteen minutes.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn said(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .output();
    let output = output.with_context(|| format!("run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// How many times a peer's CPU a line is ours, of the rounds both were in.
struct Ratio {
    peer: Row,
    ours: Row,
    times: Samples,
    target: Option<Target>,
}

fn ratios(measured: &Measured) -> Vec<Ratio> {
    let of = |(peer, case, target): &(&str, &str, Option<Target>)| {
        let ours = measured.ours.iter().find(|row| row.id == *case)?;
        let exact = format!("{peer} {case}");
        let is_it = |row: &&Row| row.id == *peer || row.id == exact;
        let peer = measured.peers.iter().find(is_it)?;
        Some(Ratio {
            times: peer.line_ns().over(&ours.line_ns()),
            peer: peer.clone(),
            ours: ours.clone(),
            target: *target,
        })
    };
    RATIOS.iter().filter_map(of).collect()
}

/// Prints the tables; writes all three forms unless only asked to print.
pub(crate) fn report(
    asked: &Asked,
    circumstances: &Circumstances,
    measured: &Measured,
) -> Result<()> {
    let text = markdown(circumstances, measured);
    println!("{text}");
    if asked.only_prints {
        return Ok(());
    }
    let base = root().join("benches/results").join(circumstances.name());
    let json = json(asked, circumstances, measured);
    write(&base.with_extension("json"), &format!("{json:#}\n"))?;
    write(&base.with_extension("md"), &text)?;
    write(&root().join(PICTURE), &picture(circumstances, measured))
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    let shown = path.strip_prefix(root()).unwrap_or(Path::new(path));
    println!("written: {}", shown.display());
    Ok(())
}

fn json(asked: &Asked, circumstances: &Circumstances, measured: &Measured) -> Value {
    let target = |target: Option<Target>| {
        target.map(|target| json!({ "budget": target.budget, "stretch": target.stretch }))
    };
    let row = |row: &Row| {
        let case = CASES.iter().find(|case| case.id == row.id);
        json!({
            "id": row.id, "title": row.title, "lines": row.lines, "check": row.check,
            "cpu_ns_per_line": row.line_ns().json(), "start_up_ns": row.start_up_ns.json(),
            "instructions_per_line": row.instructions, "cpu_share_by_thread": row.threads,
            "target_ns": target(case.and_then(|case| case.target)),
        })
    };
    let ratio = |ratio: &Ratio| {
        json!({
            "peer": ratio.peer.id, "ours": ratio.ours.id, "times": ratio.times.json(),
            "target": target(ratio.target),
        })
    };
    json!({
        "schema": SCHEMA,
        "date": circumstances.date,
        "commit": circumstances.commit,
        "command": format!("cargo xtask bench {}", asked.words.join(" ")),
        "machine": circumstances.json(),
        "logs": Logs::json(asked.lines),
        "rounds": asked.rounds,
        "ours": measured.ours.iter().map(row).collect::<Vec<_>>(),
        "peers": measured.peers.iter().map(row).collect::<Vec<_>>(),
        "ratios": ratios(measured).iter().map(ratio).collect::<Vec<_>>(),
        "exchange_ns_per_event": measured.exchange_ns.json(),
        "left_out": measured.left_out,
    })
}

/// The digits that matter: 1,234 or 9.3 or 0.03.
pub(crate) fn figure(number: f64) -> String {
    if number.abs() < 0.095 {
        return format!("{number:.2}");
    }
    if number.abs() < 9.95 {
        return format!("{number:.1}");
    }
    let digits = format!("{:.0}", number.abs());
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0.0 { format!("-{out}") } else { out }
}

fn shown(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), figure)
}

fn spread(samples: &Samples) -> String {
    format!("{} to {}", shown(samples.least()), shown(samples.most()))
}

fn targets(target: Option<Target>) -> String {
    target.map_or_else(
        || "| - | - ".to_owned(),
        |target| format!("| {} | {} ", figure(target.budget), figure(target.stretch)),
    )
}

fn markdown(circumstances: &Circumstances, measured: &Measured) -> String {
    let mut out = format!(
        "# Figures of {}\n\n{}, {} cores, {}, commit {}. Load before: {} (a busy machine makes the \
         spreads wide; the counts of instructions do not change).\n\n",
        circumstances.date,
        circumstances.cpu,
        circumstances.cores,
        circumstances.kernel,
        circumstances.commit,
        circumstances.load_before
    );
    out.push_str("## CPU a line\n\nNanoseconds of all threads, start-up taken off.\n\n");
    out.push_str(
        "| log and content | median | least to most | budget | stretch | instructions a line | \
         checked |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for row in measured.ours.iter().chain(&measured.peers) {
        let case = CASES.iter().find(|case| case.id == row.id);
        let line = row.line_ns();
        out.push_str(&format!(
            "| {} | {} | {} {}| {} | {} |\n",
            row.title,
            shown(line.median()),
            spread(&line),
            targets(case.and_then(|case| case.target)),
            shown(row.instructions),
            row.check
        ));
    }
    out.push_str("\n## How many times the CPU of Overspill\n\n");
    out.push_str(
        "| peer | beside | median | least to most | budget | stretch |\n\
         | --- | --- | ---: | ---: | ---: | ---: |\n",
    );
    for ratio in ratios(measured) {
        out.push_str(&format!(
            "| {} | {} | {} | {} {}|\n",
            ratio.peer.title,
            ratio.ours.title,
            shown(ratio.times.median()),
            spread(&ratio.times),
            targets(ratio.target)
        ));
    }
    rest(&mut out, measured);
    out
}

fn rest(out: &mut String, measured: &Measured) {
    out.push_str("\n## Start-up and exchange\n\n");
    out.push_str("| what | median | least to most | budget | stretch |\n");
    out.push_str("| --- | ---: | ---: | ---: | ---: |\n");
    let whole = |row: &&Row| {
        CASES
            .iter()
            .any(|case| case.id == row.id && case.is_whole_hub())
    };
    if let Some(row) = measured.ours.iter().find(whole) {
        let ms = row.start_up_ns.map(|ns| ns / 1e6);
        out.push_str(&format!(
            "| start-up with the whole hub, ms of CPU | {} | {} {}|\n",
            shown(ms.median()),
            spread(&ms),
            targets(Some(Target {
                budget: START_UP.budget / 1e6,
                stretch: START_UP.stretch / 1e6,
            }))
        ));
    }
    let rate = measured.exchange_ns.map(|ns| 1e3 / ns);
    out.push_str(&format!(
        "| exchange and buckets, 1 M keys, M events a second of a core | {} | {} {}|\n",
        shown(rate.median()),
        spread(&rate),
        targets(Some(Target {
            budget: 1e3 / EXCHANGE.budget,
            stretch: 1e3 / EXCHANGE.stretch,
        }))
    ));
    out.push_str("\n## CPU by thread\n\n");
    for row in &measured.ours {
        let mut shares: Vec<(&String, &f64)> = row.threads.iter().collect();
        shares.sort_by(|one, other| other.1.total_cmp(one.1));
        let shares: Vec<String> = shares
            .iter()
            .take(4)
            .map(|(name, share)| format!("{name} {:.0} %", *share * 100.0))
            .collect();
        out.push_str(&format!("- {}: {}\n", row.title, shares.join(", ")));
    }
    if !measured.left_out.is_empty() {
        out.push_str("\n## Left out\n\n");
        for what in &measured.left_out {
            out.push_str(&format!("- {what}\n"));
        }
    }
}

fn picture(circumstances: &Circumstances, measured: &Measured) -> String {
    let bar = |ratio: &Ratio| {
        Some(Bar {
            title: title(ratio),
            median: ratio.times.median()?,
            least: ratio.times.least()?,
            most: ratio.times.most()?,
            target: ratio.target.map(|target| target.budget),
        })
    };
    let mut bars: Vec<Bar> = ratios(measured).iter().filter_map(bar).collect();
    bars.sort_by(|one, other| other.median.total_cmp(&one.median));
    let day = circumstances.date.split('T').next().unwrap_or_default();
    plot(
        "CPU a line, in times that of Overspill (whole job)",
        &format!(
            "{}, {day}; bars are medians, lines least to most",
            circumstances.cpu
        ),
        &bars,
    )
}

/// The peer and the log, which some peers have in their names.
fn title(ratio: &Ratio) -> String {
    let log = ratio.ours.title.split(',').next().unwrap_or_default();
    if ratio.peer.title.ends_with(log) {
        return ratio.peer.title.clone();
    }
    format!("{}, {log}", ratio.peer.title)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, total_ns: &[f64]) -> Row {
        Row {
            id: id.to_owned(),
            title: format!("title of {id}"),
            lines: 1,
            total_ns: Samples(total_ns.to_vec()),
            ..Row::default()
        }
    }

    fn measured() -> Measured {
        Measured {
            ours: vec![row("nginx-1.4.6", &[10.0, 20.0])],
            peers: vec![
                row("crowdsec nginx-1.4.6", &[20_000.0, 30_000.0]),
                row("floor", &[1.0, 1.0]),
            ],
            exchange_ns: Samples(vec![250.0]),
            left_out: vec!["sshd: no hub".to_owned()],
        }
    }

    fn circumstances() -> Circumstances {
        Circumstances {
            date: "2026-11-25T22:00:00Z".to_owned(),
            cpu: "AMD EPYC 9B14 (virtual)".to_owned(),
            cores: 2,
            kernel: "Linux 6".to_owned(),
            commit: "abc".to_owned(),
            load_before: "0 0 0".to_owned(),
        }
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!(figure(0.314), "0.3");
        assert_eq!(figure(0.0314), "0.03");
        assert_eq!(figure(9.94), "9.9");
        assert_eq!(figure(999.6), "1,000");
        assert_eq!(figure(1_234_567.0), "1,234,567");
        assert_eq!(figure(-1_234.0), "-1,234");
    }

    #[test]
    fn a_peer_is_found_with_or_without_the_case_in_its_name() {
        let ratios = ratios(&measured());
        let found: Vec<(&str, Vec<f64>)> = ratios
            .iter()
            .map(|ratio| (ratio.peer.id.as_str(), ratio.times.0.clone()))
            .collect();
        let expected = [
            ("crowdsec nginx-1.4.6", vec![2_000.0, 1_500.0]),
            ("floor", vec![0.1, 0.05]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_table_says_what_was_left_out() {
        let text = markdown(&circumstances(), &measured());
        assert!(text.contains("- sshd: no hub"), "{text}");
        assert!(
            text.contains("| 1,750 | 1,500 to 2,000 | 2,000 | 4,000 |"),
            "{text}"
        );
        assert!(text.contains("| 4.0 | 4.0 to 4.0 | 4.5 | 6.0 |"), "{text}");
    }

    #[test]
    fn files_are_named_for_the_day_and_the_processor() {
        assert_eq!(circumstances().name(), "2026-11-25-amd-epyc-9b14");
    }

    #[test]
    fn the_file_of_results_holds_every_sample() {
        let json = json(&Asked::default(), &circumstances(), &measured());
        assert_eq!(json["schema"], SCHEMA);
        let samples = &json["ours"][0]["cpu_ns_per_line"]["samples"];
        assert_eq!(*samples, json!([10.0, 20.0]));
        assert_eq!(json["ratios"][0]["target"]["budget"], 2_000.0);
    }
}
