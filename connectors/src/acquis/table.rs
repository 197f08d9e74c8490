//! Typed access to a map. Each key is handed out once; one that nobody asked for is unknown.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Finding, Kind, Place, Severity, Value};

/// Most findings that are kept of one document.
const FINDINGS_MAX: usize = 100;

/// A map that is being read.
pub(super) struct Table<'v> {
    file: String,
    /// Path of the map within the document, with a dot behind it.
    prefix: String,
    at: Place,
    entries: Vec<(&'v str, Place, &'v Value, bool)>,
    findings: Vec<Finding>,
    takes_all: bool,
}

impl<'v> Table<'v> {
    pub(super) fn new(value: &'v Value, file: &str) -> Self {
        let mut table = Self {
            file: file.to_owned(),
            prefix: String::new(),
            at: value.at,
            entries: Vec::new(),
            findings: Vec::new(),
            takes_all: false,
        };
        table.open(value);
        table
    }

    fn open(&mut self, value: &'v Value) {
        match &value.kind {
            Kind::Map(entries) => {
                let entry = |(key, at, value): &'v (String, Place, Value)| {
                    (key.as_str(), *at, value, false)
                };
                self.entries = entries.iter().map(entry).collect();
            }
            _ => self.find(
                value.at,
                "",
                Severity::Error,
                &format!("{}, not a map", value.what()),
            ),
        }
    }

    fn find(&mut self, at: Place, key: &str, severity: Severity, message: &str) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                file: self.file.clone(),
                at,
                key: format!("{}{key}", self.prefix),
                message: message.to_owned(),
                severity,
            });
        }
    }

    /// An error about a key, where it stands, or about its absence.
    pub(super) fn refuse_key(&mut self, key: &str, message: &str) {
        let at = self.place(key);
        self.find(at, key, Severity::Error, message);
    }

    /// A warning about a key.
    pub(super) fn warn_key(&mut self, key: &str, message: &str) {
        let at = self.place(key);
        self.find(at, key, Severity::Warning, message);
    }

    fn place(&self, key: &str) -> Place {
        let entry = self.entries.iter().find(|(name, ..)| *name == key);
        entry.map_or(self.at, |(_, at, ..)| *at)
    }

    /// Whether a key is there, whatever it holds.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, ..)| *name == key)
    }

    /// No key is unknown: the document is refused for another reason.
    pub(super) fn take_all(&mut self) {
        self.takes_all = true;
    }

    /// The value of a key, unless it is null.
    fn take(&mut self, key: &str) -> Option<&'v Value> {
        let entry = self.entries.iter_mut().find(|(name, ..)| *name == key)?;
        entry.3 = true;
        Some(entry.2).filter(|value| !value.is_null())
    }

    fn scalar(&mut self, key: &str) -> Option<(&'v str, Place)> {
        let value = self.take(key)?;
        if let Kind::Scalar(text, _) = &value.kind {
            return Some((text, value.at));
        }
        let message = format!("{}, not a single value", value.what());
        self.find(value.at, key, Severity::Error, &message);
        None
    }

    /// A text that is not empty.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        Some(self.text_at(key)?.0)
    }

    /// A text that is not empty, and where it stands.
    pub(super) fn text_at(&mut self, key: &str) -> Option<(String, Place)> {
        let (text, at) = self.scalar(key)?;
        (!text.is_empty()).then(|| (text.to_owned(), at))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let (text, at) = self.scalar(key)?;
        let flag = match text {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        };
        if flag.is_none() {
            let message = format!("{text:?} is neither true nor false");
            self.find(at, key, Severity::Error, &message);
        }
        flag
    }

    /// A number in a range; 0 is as if the key were not there, as Go has it.
    pub(super) fn number(&mut self, key: &str, max: u64) -> Option<u64> {
        let (text, at) = self.scalar(key)?;
        match text.parse::<i64>().map(u64::try_from) {
            Ok(Ok(0)) => None,
            Ok(Ok(number)) if number <= max => Some(number),
            _ => {
                let message = format!("{text:?} is no number from 1 to {max}");
                self.find(at, key, Severity::Error, &message);
                None
            }
        }
    }

    /// A duration as Go writes it, such as `1m30s`.
    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        let (text, at) = self.scalar(key)?;
        let duration = go_duration(text);
        if duration.is_none() {
            let message = format!("{text:?} is not a duration: write it like \"30s\"");
            self.find(at, key, Severity::Error, &message);
        }
        duration
    }

    /// A list of texts and where each stands.
    pub(super) fn texts(&mut self, key: &str) -> Vec<(String, Place)> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let Kind::List(items) = &value.kind else {
            let message = format!("{}, not a list", value.what());
            self.find(value.at, key, Severity::Error, &message);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            match &item.kind {
                Kind::Scalar(text, _) => texts.push((text.clone(), item.at)),
                _ => {
                    let message = format!("{}, not a text", item.what());
                    self.find(item.at, key, Severity::Error, &message);
                }
            }
        }
        texts
    }

    /// The map `labels`.
    pub(super) fn labels(&mut self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        if let Some(value) = self.take("labels") {
            let Kind::Map(entries) = &value.kind else {
                let message = format!("{}, not a map", value.what());
                self.find(value.at, "labels", Severity::Error, &message);
                return labels;
            };
            for (key, at, value) in entries {
                match &value.kind {
                    Kind::Scalar(text, _) => {
                        labels.insert(key.clone(), text.clone());
                    }
                    _ => {
                        let message = format!("{}, not a text", value.what());
                        let key = format!("labels.{key}");
                        self.find(*at, &key, Severity::Error, &message);
                    }
                }
            }
        }
        labels
    }

    /// Reads a map within this one.
    pub(super) fn child<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Table<'v>) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let mut table = Self::new(value, &self.file);
        table.prefix = format!("{}{key}.", self.prefix);
        let read = read(&mut table);
        let room = FINDINGS_MAX.saturating_sub(self.findings.len());
        self.findings.extend(table.finish().into_iter().take(room));
        read
    }

    /// An error at a place.
    pub(super) fn refuse_at(&mut self, at: Place, key: &str, message: &str) {
        self.find(at, key, Severity::Error, message);
    }

    /// What was found, unknown keys and keys that come twice included.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        if !self.takes_all {
            let mut seen = Vec::new();
            for (key, at, _, is_taken) in std::mem::take(&mut self.entries) {
                if seen.contains(&key) {
                    self.find(at, key, Severity::Error, "is there twice");
                } else if !is_taken {
                    self.find(at, key, Severity::Error, "unknown key");
                }
                seen.push(key);
            }
        }
        self.findings
            .sort_by_key(|finding| (finding.at.line, finding.at.column));
        self.findings
    }
}

/// `1h15m30.5s`, `500ms`; without a unit only `0`.
fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let n_number = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .filter(|n| *n > 0)?;
        let (number, behind) = rest.split_at(n_number);
        let n_unit = behind
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(n_unit);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        let part = Duration::try_from_secs_f64(number * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = behind;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, millis) in [
            ("30s", Some(30_000)),
            ("1h15m30.5s", Some(4_530_500)),
            ("500ms", Some(500)),
            ("0", Some(0)),
            ("+1m", Some(60_000)),
            ("30", None),
            ("", None),
            ("10 s", None),
            ("1d", None),
            ("1.2.3s", None),
            ("-1s", None),
        ] {
            let duration = go_duration(text).map(|duration| duration.as_millis());
            assert_eq!(duration, millis, "{text:?}");
        }
    }
}
