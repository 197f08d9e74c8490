//! `cargo xtask bench --hostile`: lines that are made to hurt, and floods of things that differ.
//!
//! What a line costs a byte may be twenty times what an ordinary line of its kind costs, and twice
//! the line may cost no more than twice. `bench-hostile` takes the lines; this program says which of
//! them break the rule. The time is CPU of a thread, which a busy machine disturbs a little. That cost
//! is linear in the size is also checked by counting instructions, in `cargo xtask gate`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::case::release;
use super::flood;
use super::report::figure;
use crate::command::value;

/// How many times the ordinary cost a byte may cost.
pub(crate) const TIMES_MAX: f64 = 20.0;
/// How many times the cost of a line one of twice the size may cost; 2 is linear. Above, there is a
/// step or a power.
pub(crate) const GROWTH_MAX: f64 = 2.5;
/// Rows of a table.
const ROWS: usize = 25;

/// One measurement of `bench-hostile`.
#[derive(Debug, Clone, PartialEq)]
struct Measurement {
    set: String,
    place: String,
    attack: String,
    size: u64,
    bytes: f64,
    /// Nanoseconds.
    cost: f64,
}

/// One attack at two sizes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attack {
    pub(crate) place: String,
    pub(crate) what: String,
    /// Bytes of the longer line.
    pub(crate) size: u64,
    /// Cost of a byte of the longer line, and of an ordinary one.
    pub(crate) per_byte: f64,
    pub(crate) ordinary: f64,
    /// Cost of the longer lines over that of the shorter.
    pub(crate) growth: f64,
}

impl Attack {
    pub(crate) fn times(&self) -> f64 {
        self.per_byte / self.ordinary
    }

    /// A line that is cheaper than an ordinary one may grow as it likes up to that.
    pub(crate) fn is_bad(&self) -> bool {
        self.times() > TIMES_MAX || (self.growth > GROWTH_MAX && self.times() > 1.0)
    }
}

pub(crate) fn run(args: &[String], hub: Option<&Path>) -> Result<()> {
    let mut attacks = lines(args, hub)?;
    attacks.sort_by(|one, other| other.times().total_cmp(&one.times()));
    println!("{}", table(&worst_of_each_place(&attacks)));
    let bad: Vec<&Attack> = attacks.iter().filter(|attack| attack.is_bad()).collect();
    let over = bad
        .iter()
        .filter(|attack| attack.times() > TIMES_MAX)
        .count();
    println!(
        "{} attacks: {over} cost more than {TIMES_MAX} times the ordinary a byte, {} grow faster than \
         their size",
        attacks.len(),
        bad.len() - over
    );
    flood::run(args, hub)
}

/// Runs `bench-hostile` and joins what it says.
fn lines(args: &[String], hub: Option<&Path>) -> Result<Vec<Attack>> {
    let mut words: Vec<OsString> = Vec::new();
    if let Some(hub) = hub {
        words.extend(["--hub".into(), hub.into()]);
    } else {
        println!("no hub: attacks on the embedded library only");
    }
    for flag in ["--size", "--only"] {
        if let Some(value) = value(args, flag) {
            words.extend([flag.into(), value.into()]);
        }
    }
    let output = Command::new(release("bench-hostile")).args(&words).output();
    let output = output.context("run bench-hostile")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let measurements = read(&String::from_utf8_lossy(&output.stdout))?;
    Ok(join(&measurements))
}

fn read(text: &str) -> Result<Vec<Measurement>> {
    let one = |line| -> Result<Measurement> {
        let record: Value = serde_json::from_str(line)?;
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        Ok(Measurement {
            set: text("set"),
            place: text("place"),
            attack: text("attack"),
            size: record["size"].as_u64().context("size")?,
            bytes: record["bytes"].as_f64().context("bytes")?,
            cost: record["ns"].as_f64().context("ns")?,
        })
    };
    text.lines().map(one).collect()
}

/// Pairs the sizes of an attack. Ordinary is what the same log costs when it is left alone, and not
/// less than the cheapest kind of log: a line that is refused at once is no measure.
fn join(measurements: &[Measurement]) -> Vec<Attack> {
    let mut ordinary: BTreeMap<&str, f64> = BTreeMap::new();
    let mut least = f64::MAX;
    for one in measurements {
        let per_byte = one.cost / one.bytes.max(1.0);
        if one.set == "ordinary" {
            least = least.min(per_byte);
        }
        if one.set == "log" {
            ordinary.insert(&one.place, per_byte);
        }
    }
    let usual: BTreeMap<&str, f64> = measurements
        .iter()
        .filter(|one| one.set == "ordinary")
        .map(|one| (one.place.as_str(), one.cost / one.bytes.max(1.0)))
        .collect();
    let mut shorter: BTreeMap<(&str, &str, &str), &Measurement> = BTreeMap::new();
    let mut attacks = Vec::new();
    for one in measurements.iter().filter(|one| one.size > 0) {
        let key = (one.set.as_str(), one.place.as_str(), one.attack.as_str());
        let Some(short) = shorter.remove(&key) else {
            shorter.insert(key, one);
            continue;
        };
        let of_place = match one.set.as_str() {
            "fill" => usual.get(log_type(&one.place)),
            _ => ordinary.get(one.place.as_str()),
        };
        attacks.push(Attack {
            place: one.place.clone(),
            what: one.attack.clone(),
            size: one.size,
            per_byte: one.cost / one.bytes.max(1.0),
            ordinary: of_place.copied().unwrap_or(least).max(least).max(1e-9),
            growth: one.cost / short.cost.max(1.0),
        });
    }
    attacks
}

/// The kind of ordinary log that a carrier belongs to, by its name.
fn log_type(place: &str) -> &'static str {
    match place.split([' ', ',']).next().unwrap_or_default() {
        "nginx" => "nginx",
        "ingress" => "containerd",
        "audit" => "k8s-audit",
        _ => "syslog",
    }
}

/// Attacks come sorted; the first of each place is its worst.
fn worst_of_each_place(attacks: &[Attack]) -> Vec<&Attack> {
    let mut seen = std::collections::BTreeSet::new();
    let is_first = |attack: &&Attack| seen.insert(attack.place.clone());
    attacks.iter().filter(is_first).take(ROWS).collect()
}

fn table(attacks: &[&Attack]) -> String {
    let mut out = String::from(
        "| place | attack | bytes | a byte | ordinary | times | from half the size | |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for attack in attacks {
        out.push_str(&format!(
            "| {} | `{}` | {} | {} | {} | {} | {:.2} | {} |\n",
            attack.place,
            attack.what.escape_debug(),
            attack.size,
            figure(attack.per_byte),
            figure(attack.ordinary),
            figure(attack.times()),
            attack.growth,
            if attack.is_bad() { "too much" } else { "" }
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
{\"set\":\"ordinary\",\"place\":\"nginx\",\"attack\":\"\",\"size\":0,\"bytes\":100,\"ns\":1000}
{\"set\":\"ordinary\",\"place\":\"syslog\",\"attack\":\"\",\"size\":0,\"bytes\":100,\"ns\":500}
{\"set\":\"fill\",\"place\":\"nginx path\",\"attack\":\"a\",\"size\":10,\"bytes\":10,\"ns\":100}
{\"set\":\"fill\",\"place\":\"nginx path\",\"attack\":\"a\",\"size\":20,\"bytes\":20,\"ns\":400}
{\"set\":\"log\",\"place\":\"t\",\"attack\":\"\",\"size\":0,\"bytes\":10,\"ns\":10}
{\"set\":\"stretched\",\"place\":\"t\",\"attack\":\"w\",\"size\":10,\"bytes\":10,\"ns\":600}
{\"set\":\"stretched\",\"place\":\"t\",\"attack\":\"w\",\"size\":20,\"bytes\":20,\"ns\":1200}
";

    #[test]
    fn an_attack_is_joined_from_its_sizes_and_what_is_ordinary() {
        let attacks = join(&read(TEXT).unwrap());
        let brief: Vec<(f64, f64, bool)> = attacks
            .iter()
            .map(|attack| (attack.times(), attack.growth, attack.is_bad()))
            .collect();
        // The first costs twice the ordinary and grows by four; the second's own log is cheaper than
        // any ordinary one, so it is held against that: twelve times.
        assert_eq!(brief, [(2.0, 4.0, true), (12.0, 2.0, false)]);
    }

    #[test]
    fn a_table_shows_the_worst_of_each_place_and_no_control_characters() {
        let mut attacks = join(&read(TEXT).unwrap());
        attacks[0].what = "\u{0}\u{1b}".to_owned();
        attacks.push(attacks[0].clone());
        let text = table(&worst_of_each_place(&attacks));
        assert_eq!(text.lines().count(), 4);
        assert!(text.contains("`\\0\\u{1b}`"), "{text}");
        assert!(text.contains("too much"), "{text}");
    }

    #[test]
    fn what_is_no_measurement_is_an_error() {
        assert!(read("{}\n").is_err());
        assert!(read("text\n").is_err());
    }
}
