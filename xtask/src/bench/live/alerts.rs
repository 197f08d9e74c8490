//! A file of alerts as it grows: each line with the moment at which it was seen there.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::lines::Family;

/// A line of the file.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    line: Vec<u8>,
}

/// Reads what comes.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    file: Option<File>,
    half: Vec<u8>,
    pub(super) seen: Vec<Seen>,
}

impl Follower {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            half: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Takes in what was written since the last look.
    pub(super) fn look(&mut self) -> Result<()> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error).context("open the alerts"),
            }
        }
        if let Some(file) = &mut self.file {
            let before = self.half.len();
            file.read_to_end(&mut self.half)?;
            if self.half.len() > before {
                self.cut(Instant::now());
            }
        }
        Ok(())
    }

    /// Takes whole lines off what was read.
    fn cut(&mut self, at: Instant) {
        let Some(end) = self.half.iter().rposition(|byte| *byte == b'\n') else {
            return;
        };
        let rest = self.half.split_off(end + 1);
        let whole = std::mem::replace(&mut self.half, rest);
        for line in whole.split(|byte| *byte == b'\n') {
            if !line.is_empty() {
                let line = line.to_vec();
                self.seen.push(Seen { at, line });
            }
        }
    }

    /// When the first line, from a number on, came that has a text in it.
    pub(super) fn find(&self, from: usize, text: &str) -> Option<Instant> {
        let has_it = |seen: &&Seen| {
            let mut windows = seen.line.windows(text.len());
            windows.any(|window| window == text.as_bytes())
        };
        Some(self.seen.get(from..)?.iter().find(has_it)?.at)
    }

    /// The first alert about each member of a family by a scenario: number and moment, as they came.
    pub(super) fn of(&self, family: Family, scenario: &str) -> Vec<(u32, Instant)> {
        let mut known = std::collections::BTreeSet::new();
        let numbered = self.seen.iter().filter_map(|seen| {
            let number = number(&seen.line, family, scenario)?;
            Some((number, seen.at))
        });
        numbered
            .filter(|(number, _)| known.insert(*number))
            .collect()
    }
}

/// Whom of a family an alert is about, if it is by that scenario.
fn number(line: &[u8], family: Family, scenario: &str) -> Option<u32> {
    let alert: Value = serde_json::from_slice(line).ok()?;
    if alert["scenario"].as_str()? != scenario {
        return None;
    }
    family.number(alert["source"]["value"].as_str()?)
}

/// The longest time between two that follow each other, and when it ended.
pub(super) fn longest_gap(moments: &[Instant]) -> Option<(Duration, Instant)> {
    let gaps = moments
        .windows(2)
        .map(|pair| (pair[1].saturating_duration_since(pair[0]), pair[1]));
    gaps.max_by_key(|(gap, _)| *gap)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::lines::{ATTACKERS, PROBES};
    use super::*;

    fn alert(scenario: &str, address: &str) -> String {
        format!("{{\"scenario\":\"{scenario}\",\"source\":{{\"value\":\"{address}\"}}}}\n")
    }

    #[test]
    fn half_a_line_is_none_and_the_first_of_each_counts() {
        let path = std::env::temp_dir().join(format!("bench-alerts-{}", std::process::id()));
        let mut follower = Follower::new(path.clone());
        follower.look().unwrap();
        assert!(follower.seen.is_empty(), "there is no file");
        let mut file = File::create(&path).unwrap();
        let text = alert("a", "45.0.0.7") + &alert("b", "45.0.0.8") + &alert("a", "46.0.0.9");
        let (head, tail) = text.split_at(text.len() - 5);
        file.write_all(head.as_bytes()).unwrap();
        follower.look().unwrap();
        assert_eq!(follower.seen.len(), 2);
        file.write_all(tail.as_bytes()).unwrap();
        file.write_all(b"{\"withdrawn\":\"x\"}\n").unwrap();
        file.write_all(alert("a", "45.0.0.7").as_bytes()).unwrap();
        follower.look().unwrap();
        assert_eq!(follower.seen.len(), 5);
        let numbers = |family, scenario| -> Vec<u32> {
            let of = follower.of(family, scenario);
            of.into_iter().map(|(number, _)| number).collect()
        };
        assert_eq!(numbers(ATTACKERS, "a"), [7]);
        assert_eq!(numbers(ATTACKERS, "b"), [8]);
        assert_eq!(numbers(PROBES, "a"), [9]);
        assert!(follower.find(0, "\"46.0.0.9\"").is_some());
        assert!(follower.find(3, "\"46.0.0.9\"").is_none());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_longest_gap_says_when_it_ended() {
        let since = Instant::now();
        let moments = [0, 5, 25, 30].map(|ms| since + Duration::from_millis(ms));
        let gap = longest_gap(&moments).unwrap();
        assert_eq!(gap, (Duration::from_millis(20), moments[2]));
        assert!(longest_gap(&moments[..1]).is_none());
    }
}
