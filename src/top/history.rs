//! Looks in a row: what went on between them.

use std::collections::{BTreeMap, VecDeque};

use super::Top;

/// Rates of a source that are kept for its curve.
const CURVE_MAX: usize = 40;

/// The newest look, and rates since the one before.
#[derive(Debug, Clone, Default)]
pub struct History {
    newest: Top,
    before: Option<Top>,
    /// Lines a second of each source, oldest first.
    curves: BTreeMap<String, VecDeque<f64>>,
}

impl History {
    /// A further look.
    pub fn push(&mut self, top: Top) {
        let is_first = self.newest == Top::default();
        let before = std::mem::replace(&mut self.newest, top);
        // Another process has other counters.
        let is_same = !is_first && before.uptime_secs <= self.newest.uptime_secs;
        if !is_same {
            self.curves.clear();
        }
        self.before = is_same.then_some(before);
        let ids: Vec<String> = self.newest.sources.iter().map(|it| it.id.clone()).collect();
        self.curves.retain(|id, _| ids.contains(id));
        for id in ids {
            let Some(rate) = self.source_rate(&id) else {
                continue;
            };
            let curve = self.curves.entry(id).or_default();
            curve.push_back(rate);
            if curve.len() > CURVE_MAX {
                curve.pop_front();
            }
        }
    }

    /// The newest look.
    #[must_use]
    pub fn newest(&self) -> &Top {
        &self.newest
    }

    /// How much a counter grew in a second; none before the second look.
    fn rate(&self, of: impl Fn(&Top) -> Option<f64>) -> Option<f64> {
        let before = self.before.as_ref()?;
        let secs = self.newest.uptime_secs - before.uptime_secs;
        let grown = of(&self.newest)? - of(before)?;
        (secs > 0.0).then(|| (grown / secs).max(0.0))
    }

    /// Lines a second.
    #[must_use]
    pub fn line_rate(&self) -> Option<f64> {
        self.rate(|top| Some(top.lines as f64))
    }

    /// Lines a second of a source.
    #[must_use]
    pub fn source_rate(&self, id: &str) -> Option<f64> {
        self.rate(|top| {
            let source = top.sources.iter().find(|source| source.id == id)?;
            Some(source.lines as f64)
        })
    }

    /// Its rates so far, oldest first.
    pub fn curve(&self, id: &str) -> impl Iterator<Item = f64> {
        self.curves.get(id).into_iter().flatten().copied()
    }

    /// Pours a second of a scenario.
    #[must_use]
    pub fn scenario_rate(&self, name: &str) -> Option<f64> {
        self.rate(|top| {
            let mut scenarios = top.scenarios.iter();
            let scenario = scenarios.find(|scenario| scenario.name == name)?;
            Some(scenario.pours as f64)
        })
    }

    /// Which part of the time a thread was busy, from 0 to 1.
    #[must_use]
    pub fn busy(&self, name: &str) -> Option<f64> {
        let share = self.rate(|top| {
            let thread = top.threads.iter().find(|thread| thread.name == name)?;
            Some(thread.cpu_secs)
        })?;
        Some(share.min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::{Source, Thread};

    fn top(uptime_secs: f64, lines: u64) -> Top {
        Top {
            uptime_secs,
            lines,
            sources: vec![Source {
                id: "one".to_owned(),
                lines,
                ..Source::default()
            }],
            threads: vec![Thread {
                name: "worker 0".to_owned(),
                cpu_secs: uptime_secs / 2.0,
            }],
            ..Top::default()
        }
    }

    #[test]
    fn rates_are_those_between_two_looks_at_one_process() {
        let mut history = History::default();
        history.push(top(10.0, 100));
        assert_eq!(history.line_rate(), None);
        history.push(top(12.0, 300));
        assert_eq!(history.line_rate(), Some(100.0));
        assert_eq!(history.source_rate("one"), Some(100.0));
        assert_eq!(history.source_rate("two"), None);
        assert_eq!(history.busy("worker 0"), Some(0.5));
        history.push(top(13.0, 300));
        assert_eq!(history.curve("one").collect::<Vec<f64>>(), [100.0, 0.0]);
        // It was started again.
        history.push(top(1.0, 5));
        assert_eq!(history.line_rate(), None);
        assert_eq!(history.curve("one").count(), 0);
    }
}
