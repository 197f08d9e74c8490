//! Our program and others on the same generated logs, one after the other, several times over.
//!
//! A round runs everything once. What is compared was measured in one round, so that a machine that
//! is slow for a while is slow for both. CPU a line is that of the whole run less the median of runs
//! over one line, which are part of each round too.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::case::{CASES, Case, release};
use super::cpu::{by_thread, run as run_timed, timed};
use super::peer::Peer;
use super::statistics::Samples;
use super::{Asked, callgrind};
use crate::command::target_dir;
use crate::crowdsec;
use crate::diff;

/// Lines of the shorter and the longer run that instructions are counted in.
const COUNTED: [usize; 2] = [5_000, 15_000];
/// Lines that are run through the slow and obvious paths as well.
const CHECKED: usize = 20_000;

/// One line of the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) lines: usize,
    /// CPU of the whole run, each round.
    pub(crate) total_ns: Samples,
    /// CPU of a run over one line, each round.
    pub(crate) start_up_ns: Samples,
    pub(crate) instructions: Option<f64>,
    pub(crate) threads: BTreeMap<String, f64>,
    /// How the result was checked.
    pub(crate) check: String,
}

impl Row {
    /// CPU a line, each round.
    pub(crate) fn line_ns(&self) -> Samples {
        let start_up = self.start_up_ns.median().unwrap_or(0.0);
        let lines = self.lines.max(1) as f64;
        self.total_ns.map(|total| (total - start_up) / lines)
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) ours: Vec<Row>,
    pub(crate) peers: Vec<Row>,
    /// Nanoseconds of CPU an event, each round.
    pub(crate) exchange_ns: Samples,
    /// Names of the cases that could not be run, with the reason.
    pub(crate) left_out: Vec<String>,
}

/// CrowdSec's home and what its runs gave.
struct CrowdSec {
    case: &'static Case,
    peer: crowdsec::Peer,
    row: Row,
    runs: Vec<diff::Counts>,
}

pub(crate) fn measure(asked: &Asked) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut cases: Vec<&'static Case> = Vec::new();
    for case in &CASES {
        if case.needs_hub() && asked.hub.is_none() {
            measured.left_out.push(format!("{}: no hub", case.title));
        } else {
            cases.push(case);
        }
    }
    let logs = Logs::make(asked.lines)?;
    let mut crowdsec = set_up(&cases, asked)?;
    measured.ours = cases.iter().map(|case| Row::of(case, asked)).collect();
    measured.peers = Peer::ALL.map(|peer| Row::of_peer(peer, asked)).into();
    for round in 1..=asked.rounds {
        for kind in Logs::KINDS {
            eprintln!("round {round} of {}: {kind}", asked.rounds);
            one_round(kind, asked, &logs, &cases, &mut measured, &mut crowdsec)?;
        }
        let ran = Command::new(release("examples/bench-exchange")).output()?;
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        measured.exchange_ns.0.push(exchange_ns(&text)?);
    }
    check(asked, &logs, &cases, &mut measured, &mut crowdsec)?;
    instructions(asked, &logs, &cases, &mut measured, &crowdsec)?;
    measured
        .peers
        .extend(crowdsec.into_iter().map(|one| one.row));
    Ok(measured)
}

impl Row {
    fn of(case: &Case, asked: &Asked) -> Row {
        Row {
            id: case.id.to_owned(),
            title: case.title.to_owned(),
            lines: asked.lines,
            ..Row::default()
        }
    }

    fn of_peer(peer: Peer, asked: &Asked) -> Row {
        Row {
            id: peer.id().to_owned(),
            title: peer.title().to_owned(),
            lines: peer.lines(asked.lines),
            check: "not checked: gives no alerts".to_owned(),
            ..Row::default()
        }
    }
}

fn set_up(cases: &[&'static Case], asked: &Asked) -> Result<Vec<CrowdSec>> {
    let mut all = Vec::new();
    for (case, port) in cases.iter().copied().zip(18_190..) {
        let Some(collections) = case.package() else {
            continue;
        };
        all.push(CrowdSec {
            case,
            peer: crowdsec::Peer::set_up(case.id, collections, port)?,
            row: Row {
                id: format!("crowdsec {}", case.id),
                title: format!("CrowdSec 1.4.6, {}", case.kind),
                lines: asked.peer_lines,
                ..Row::default()
            },
            runs: Vec::new(),
        });
    }
    Ok(all)
}

/// Runs everything that reads one kind of log, once.
fn one_round(
    kind: &str,
    asked: &Asked,
    logs: &Logs,
    cases: &[&'static Case],
    measured: &mut Measured,
    crowdsec: &mut [CrowdSec],
) -> Result<()> {
    let one = logs.head(kind, 1)?;
    for one_of in crowdsec
        .iter_mut()
        .filter(|one_of| one_of.case.kind == kind)
    {
        let start_up = one_of.peer.replay(&one, one_of.case.log_type)?;
        let log = logs.head(kind, asked.peer_lines)?;
        let run = one_of.peer.replay(&log, one_of.case.log_type)?;
        one_of.row.start_up_ns.0.push(start_up.cpu_secs * 1e9);
        one_of.row.total_ns.0.push(run.cpu_secs * 1e9);
        one_of.runs.push(diff::counts(&run.alerts));
    }
    for (case, row) in cases.iter().zip(&mut measured.ours) {
        if case.kind != kind {
            continue;
        }
        let package = home(crowdsec, case);
        let cost = |log: &Path| -> Result<f64> {
            let mut command = timed(&release("overspill"));
            command.args(case.args(log, asked.hub.as_deref(), package));
            Ok(run_timed(&mut command)?.cpu_ns)
        };
        row.start_up_ns.0.push(cost(&one)?);
        row.total_ns.0.push(cost(&logs.head(kind, asked.lines)?)?);
    }
    for (peer, row) in Peer::ALL.into_iter().zip(&mut measured.peers) {
        if peer.kind() != kind {
            continue;
        }
        let (start_up, _) = peer.run(&one)?;
        let (ran, n) = peer.run(&logs.head(kind, row.lines)?)?;
        if n == 0 {
            bail!("{} recognised nothing in {} lines", row.title, row.lines);
        }
        row.check = format!("not checked: gives no alerts; recognised {n} lines");
        row.start_up_ns.0.push(start_up.cpu_ns);
        row.total_ns.0.push(ran.cpu_ns);
    }
    Ok(())
}

fn home<'c>(crowdsec: &'c [CrowdSec], case: &Case) -> Option<&'c crowdsec::Peer> {
    let one_of = crowdsec.iter().find(|one_of| one_of.case.id == case.id)?;
    Some(&one_of.peer)
}

/// Alerts of the cases beside CrowdSec are CrowdSec's; those of the others are what the plain regex
/// engine and filters without an index give.
fn check(
    asked: &Asked,
    logs: &Logs,
    cases: &[&'static Case],
    measured: &mut Measured,
    crowdsec: &mut [CrowdSec],
) -> Result<()> {
    for one_of in crowdsec.iter_mut() {
        let log = logs.head(one_of.case.kind, asked.peer_lines)?;
        let args = one_of.case.args(&log, None, Some(&one_of.peer));
        let ours = diff::counts(&messages(&alerts(&args, &[])?)?);
        let log_type = one_of.case.log_type;
        let peer = &one_of.peer;
        let n_bad = diff::settle(one_of.case.id, &ours, &mut one_of.runs, || {
            Ok(peer.replay(&log, log_type)?.alerts)
        })?;
        if n_bad > 0 {
            bail!("{}: {n_bad} alerts differ from CrowdSec's", one_of.case.id);
        }
        let n_alerts: usize = ours.values().sum();
        one_of.row.check = format!("{n_alerts} alerts, as ours");
    }
    for (case, row) in cases.iter().zip(&mut measured.ours) {
        let package = home(crowdsec, case);
        let log = logs.head(case.kind, CHECKED.min(asked.lines))?;
        let args = case.args(&log, asked.hub.as_deref(), package);
        let fast = alerts(&args, &[])?;
        if fast != alerts(&args, &["--reference-matcher"])? {
            bail!("{}: other alerts with --reference-matcher", case.title);
        }
        let n = fast.lines().count();
        row.check = match case.package() {
            Some(_) => "alerts as CrowdSec's and the reference matcher's".to_owned(),
            None => format!("{n} alerts, as the reference matcher's"),
        };
    }
    Ok(())
}

/// What a replay writes to `--alerts`.
fn alerts(args: &[std::ffi::OsString], more: &[&str]) -> Result<String> {
    let file = target_dir().join("bench.alerts");
    let output = Command::new(release("overspill"))
        .args(args)
        .args(more)
        .arg("--alerts")
        .arg(&file)
        .output()
        .context("run overspill")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(fs::read_to_string(&file)?)
}

fn messages(alerts: &str) -> Result<Vec<String>> {
    let message = |line| -> Result<String> {
        let alert: Value = serde_json::from_str(line)?;
        let text = alert["message"].as_str().context("an alert's message")?;
        Ok(text.to_owned())
    };
    alerts.lines().map(message).collect()
}

/// Instructions a line and CPU by thread; without valgrind the first are left out.
fn instructions(
    asked: &Asked,
    logs: &Logs,
    cases: &[&'static Case],
    measured: &mut Measured,
    crowdsec: &[CrowdSec],
) -> Result<()> {
    let counts = asked.counts_instructions && callgrind::is_there();
    if !counts {
        let why = "instruction counts: not asked for, or no valgrind";
        measured.left_out.push(why.to_owned());
    }
    for (case, row) in cases.iter().zip(&mut measured.ours) {
        let package = home(crowdsec, case);
        let args = |lines| -> Result<_> {
            let log = logs.head(case.kind, lines)?;
            Ok(case.args(&log, asked.hub.as_deref(), package))
        };
        let mut command = Command::new(release("overspill"));
        row.threads = by_thread(command.args(args(asked.lines)?))?;
        if counts {
            eprintln!("instructions: {}", case.title);
            let [few, many] = COUNTED;
            let low = callgrind::count(&release("overspill"), &args(few)?)?;
            let high = callgrind::count(&release("overspill"), &args(many)?)?;
            row.instructions = Some((high as f64 - low as f64) / (many - few) as f64);
        }
    }
    if counts && let Some(row) = measured.peers.iter_mut().find(|row| row.id == "floor") {
        let [few, many] = COUNTED;
        let count = |lines| {
            let log = logs.head("nginx", lines)?;
            callgrind::count(&release("bench-floor"), &[log.into_os_string()])
        };
        row.instructions = Some((count(many)? as f64 - count(few)? as f64) / (many - few) as f64);
    }
    Ok(())
}

/// `{"cpu_ns": ..., "pours": ...}`.
fn exchange_ns(text: &str) -> Result<f64> {
    let record: Value = serde_json::from_str(text).context("what bench-exchange prints")?;
    let (ns, pours) = (record["cpu_ns"].as_f64(), record["pours"].as_f64());
    Ok(ns.context("cpu_ns")? / pours.context("pours")?)
}

/// The generated logs, and their first lines.
pub(crate) struct Logs {
    dir: PathBuf,
}

impl Logs {
    pub(crate) const KINDS: [&'static str; 4] = ["nginx", "sshd", "k8s", "mixed"];

    /// Makes them in the build directory.
    pub(crate) fn make(lines: usize) -> Result<Logs> {
        let dir = target_dir().join("bench-logs");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        for kind in Logs::KINDS {
            let status = Command::new(release("datasets"))
                .args([kind, "--lines", &lines.to_string(), "--out"])
                .arg(dir.join(format!("{kind}-{lines}.log")))
                .status()
                .context("run the generator")?;
            if !status.success() {
                bail!("the generator failed");
            }
            fs::hard_link(
                dir.join(format!("{kind}-{lines}.log")),
                dir.join(format!("{kind}.log")),
            )?;
        }
        Ok(Logs { dir })
    }

    /// The first lines of a log.
    pub(crate) fn head(&self, kind: &str, lines: usize) -> Result<PathBuf> {
        let path = self.dir.join(format!("{kind}-{lines}.log"));
        if path.exists() {
            return Ok(path);
        }
        let whole = fs::File::open(self.dir.join(format!("{kind}.log")))?;
        let mut out = BufWriter::new(fs::File::create(&path)?);
        for line in BufReader::new(whole).split(b'\n').take(lines) {
            out.write_all(&line?)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(path)
    }

    /// What the logs are, for the file of results.
    pub(crate) fn json(lines: usize) -> Value {
        json!({ "generator": "datasets KIND --lines N", "seed": 1, "lines": lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_up_is_taken_off_by_its_median() {
        let row = Row {
            lines: 10,
            total_ns: Samples(vec![110.0, 130.0]),
            start_up_ns: Samples(vec![10.0, 1_000.0, 9.0]),
            ..Row::default()
        };
        assert_eq!(row.line_ns().0, [10.0, 12.0]);
    }

    #[test]
    fn the_exchange_says_what_an_event_costs() {
        assert_eq!(
            exchange_ns(r#"{"cpu_ns": 900, "pours": 4}"#).unwrap(),
            225.0
        );
        assert!(exchange_ns("").is_err());
    }
}
