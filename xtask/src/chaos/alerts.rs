//! What stands in a file of alerts, and how two of them differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::content::FOREIGN;

/// Alerts by what they say, and how often each stands. Ids are made of the partition, so they say nothing here.
pub(crate) type Standing = BTreeMap<String, i64>;

/// What a file of alerts holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Alerts {
    pub(crate) standing: Standing,
    /// Alerts that were written and taken back.
    pub(crate) n_withdrawn: usize,
    /// Ids of the decisions of alerts that stand.
    pub(crate) decided: Standing,
}

impl Alerts {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("alerts of {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut alerts = Self::default();
        let mut by_id: BTreeMap<String, (Value, i64)> = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let place = || format!("line {}", at + 1);
            let line: Value = serde_json::from_str(line).with_context(place)?;
            if let Some(id) = line["withdrawn"].as_str() {
                alerts.n_withdrawn += 1;
                match by_id.get_mut(id) {
                    Some((_, n)) if *n > 0 => *n -= 1,
                    _ => bail!("{}: withdraws {id}, which does not stand", place()),
                }
                continue;
            }
            let id = line["uuid"].as_str().with_context(place)?.to_owned();
            by_id.entry(id).or_insert((line, 0)).1 += 1;
        }
        for (alert, n) in by_id.into_values() {
            *alerts.standing.entry(content(&alert)).or_default() += n;
            let decisions = alert["decisions"].as_array().into_iter().flatten();
            for id in decisions.filter_map(|decision| decision["uuid"].as_str()) {
                *alerts.decided.entry(format!("decision {id}")).or_default() += n;
            }
        }
        alerts.decided.retain(|_, n| *n != 0);
        let is_told = |content: &str, n: i64| n != 0 && !content.starts_with(FOREIGN);
        alerts.standing.retain(|content, n| is_told(content, *n));
        Ok(alerts)
    }
}

/// The decisions that a log has as active: what `overspill decisions log -o json` prints.
pub(crate) fn active(printed: &str) -> Result<Standing> {
    let mut standing = Standing::new();
    for line in printed.lines() {
        let line: Value = serde_json::from_str(line).context("decisions log")?;
        if let Some(id) = line["active"]["uuid"].as_str() {
            *standing.entry(format!("decision {id}")).or_default() += 1;
        }
    }
    Ok(standing)
}

/// Scenario, source, start, stop and events of an alert.
fn content(alert: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    [
        &alert["scenario"],
        &alert["source"]["scope"],
        &alert["source"]["value"],
        &alert["start_at"],
        &alert["stop_at"],
        &alert["events_count"],
    ]
    .map(text)
    .join("  ")
}

/// How what was given differs from what is true.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// True and not given, each as often as it lacks.
    pub(crate) lost: Vec<String>,
    /// Given more often than it is true, which may be not at all.
    pub(crate) doubled: Vec<String>,
}

impl Difference {
    pub(crate) fn of(given: &Standing, truth: &Standing) -> Self {
        let mut difference = Self::default();
        let more = |some: &Standing, others: &Standing, into: &mut Vec<String>| {
            for (content, n) in some {
                let n_more = n - others.get(content).copied().unwrap_or(0);
                into.extend((0..n_more.max(0)).map(|_| content.clone()));
            }
        };
        more(truth, given, &mut difference.lost);
        more(given, truth, &mut difference.doubled);
        difference
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.doubled.extend(other.doubled);
    }

    pub(crate) fn is_none(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(id: &str, value: &str, n: u32) -> String {
        format!(
            "{{\"uuid\":\"{id}\",\"scenario\":\"s\",\"source\":{{\"scope\":\"Ip\",\"value\":\"{value}\"}},\
             \"start_at\":\"a\",\"stop_at\":\"b\",\"events_count\":{n},\"overspill\":{{\"at_ns\":1}}}}\n"
        )
    }

    fn withdrawn(id: &str) -> String {
        format!("{{\"withdrawn\":\"{id}\"}}\n")
    }

    #[test]
    fn decisions_stand_with_their_alerts_and_are_compared_with_the_log() {
        let decided = |id: &str| {
            let decisions = format!("\"decisions\":[{{\"uuid\":\"d{id}\"}}],\"scenario\"");
            alert(id, "x", 6).replace("\"scenario\"", &decisions)
        };
        let text = decided("1") + &decided("2") + "{\"withdrawn\":\"1\"}\n";
        let given = Alerts::parse(&text).unwrap();
        let log = active("{\"active\":{\"uuid\":\"d2\"}}\n{\"next\":\"1:3\"}\n").unwrap();
        assert_eq!(given.decided, log);
    }

    #[test]
    fn alerts_of_what_was_added_while_the_job_ran_are_not_compared() {
        let text = alert("1", "x", 6).replace("\"s\"", "\"chaos/extra-1\"");
        let alerts = Alerts::parse(&(text + &alert("2", "x", 7))).unwrap();
        assert_eq!(alerts.standing.len(), 1, "{alerts:?}");
    }

    #[test]
    fn what_was_taken_back_does_not_stand() {
        let text = [
            alert("1", "x", 6),
            withdrawn("1"),
            alert("2", "x", 7),
            alert("3", "y", 6),
            alert("4", "y", 6),
        ];
        let alerts = Alerts::parse(&text.concat()).unwrap();
        assert_eq!(alerts.n_withdrawn, 1);
        let expected = [("s  Ip  x  a  b  7", 1), ("s  Ip  y  a  b  6", 2)];
        assert_eq!(
            alerts.standing,
            expected.map(|(content, n)| (content.to_owned(), n)).into()
        );
    }

    #[test]
    fn lines_that_make_no_sense_are_errors() {
        for text in [
            withdrawn("1"),
            alert("1", "x", 6) + &withdrawn("1") + &withdrawn("1"),
            alert("1", "x", 6) + "{\"uui",
            "{}\n".to_owned(),
        ] {
            assert!(Alerts::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_lacks_and_what_is_too_much_are_told_apart() {
        let of = |pairs: &[(&str, i64)]| -> Standing {
            pairs.iter().map(|(c, n)| ((*c).to_owned(), *n)).collect()
        };
        let truth = of(&[("a", 1), ("b", 2), ("c", 1)]);
        let given = of(&[("a", 2), ("b", 1), ("d", 1)]);
        let difference = Difference::of(&given, &truth);
        assert_eq!(difference.lost, ["b", "c"]);
        assert_eq!(difference.doubled, ["a", "d"]);
        assert!(Difference::of(&truth, &truth).is_none());
    }
}
