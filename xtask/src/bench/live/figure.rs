//! What was measured, beside what is to be reached: as a table and as JSON.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::super::report::{Circumstances, figure};
use crate::command::root;

/// The form of the file of results; see `benches/README.md`.
const SCHEMA: u32 = 1;

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn shown(self) -> String {
        match self {
            Self::AtMost(most) => format!("at most {}", figure(most)),
            Self::AtLeast(least) => format!("at least {}", figure(least)),
        }
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) part: &'static str,
    pub(super) what: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    pub(super) target: Option<Target>,
    /// Load average of a minute at its end.
    pub(super) load: String,
}

/// The figures of a part.
#[derive(Debug)]
pub(super) struct Sheet {
    part: &'static str,
    figures: Vec<Figure>,
}

impl Sheet {
    pub(super) fn of(part: &'static str) -> Self {
        Self {
            part,
            figures: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.add(what.into(), value, unit, None);
    }

    pub(super) fn judge(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        self.add(what.into(), value, unit, Some(target));
    }

    fn add(&mut self, what: String, value: f64, unit: &'static str, target: Option<Target>) {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let found = Figure {
            part: self.part,
            what,
            value,
            unit,
            target,
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        };
        println!("{}", row(&found));
        self.figures.push(found);
    }

    pub(super) fn figures(self) -> Vec<Figure> {
        self.figures
    }
}

/// A row of the table.
fn row(found: &Figure) -> String {
    let target = found.target.map_or_else(String::new, Target::shown);
    let verdict = match found.target {
        None => "",
        Some(target) if target.is_met(found.value) => "met",
        Some(_) => "missed",
    };
    format!(
        "| {} | {} | {} {} | {target} | {verdict} | {} |",
        found.part,
        found.what,
        figure(found.value),
        found.unit,
        found.load
    )
}

/// All of it as a table.
pub(super) fn table(figures: &[Figure]) -> String {
    let rows: Vec<String> = figures.iter().map(row).collect();
    format!(
        "| part | what | | to be reached | | load |\n| --- | --- | ---: | --- | --- | ---: |\n{}\n",
        rows.join("\n")
    )
}

/// Writes `benches/results/DATE-CPU-live.json`.
pub(super) fn write(
    circumstances: &Circumstances,
    words: &[String],
    figures: &[Figure],
) -> Result<()> {
    let name = format!("{}-live.json", circumstances.name());
    let path = root().join("benches/results").join(&name);
    let text = format!("{:#}\n", of_all(circumstances, words, figures));
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    println!("written: benches/results/{name}");
    Ok(())
}

fn of_all(circumstances: &Circumstances, words: &[String], figures: &[Figure]) -> Value {
    let one = |found: &Figure| {
        json!({
            "part": found.part, "what": found.what, "value": found.value, "unit": found.unit,
            "target": found.target.map(Target::shown),
            "is_met": found.target.map(|target| target.is_met(found.value)),
            "load": found.load,
        })
    };
    json!({
        "schema": SCHEMA,
        "date": circumstances.date,
        "commit": circumstances.commit,
        "command": format!("cargo xtask bench {}", words.join(" ")),
        "machine": circumstances.json(),
        "figures": figures.iter().map(one).collect::<Vec<_>>(),
    })
}

/// The value below which this share of all lie, each counted alike; none of none.
pub(super) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

pub(super) fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// How much a line through these points rises for each step to the right, by least squares.
pub(super) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let (x_mean, y_mean) = (
        points.iter().map(|(x, _)| x).sum::<f64>() / n,
        points.iter().map(|(_, y)| y).sum::<f64>() / n,
    );
    let below: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let above: f64 = points
        .iter()
        .map(|(x, y)| (x - x_mean) * (y - y_mean))
        .sum();
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: f64, target: Option<Target>) -> Figure {
        Figure {
            part: "idle",
            what: "CPU".to_owned(),
            value,
            unit: "%",
            target,
            load: "0.10".to_owned(),
        }
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(50.0));
        assert_eq!(quantile(&values, 0.99), Some(99.0));
        assert_eq!(quantile(&values[..1], 0.01), Some(100.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_slope_is_what_a_line_rises() {
        let points = [0.0, 1.0, 2.0, 4.0].map(|x| (x, 7.0 - 0.5 * x));
        assert!((slope(&points).unwrap() + 0.5).abs() < 1e-9);
        assert_eq!(slope(&points[..1]), None);
        assert_eq!(slope(&[]), None);
    }

    #[test]
    fn the_table_says_what_is_missed() {
        let most = Some(Target::AtMost(1.0));
        let text = table(&[found(0.5, most), found(2.0, most), found(2.0, None)]);
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(rows[0], "| idle | CPU | 0.5 % | at most 1.0 | met | 0.10 |");
        assert!(rows[1].contains("| missed |"), "{text}");
        assert!(rows[2].contains("|  |  |"), "{text}");
        assert!(Target::AtLeast(0.7).is_met(0.7) && !Target::AtLeast(0.7).is_met(0.69));
    }
}
