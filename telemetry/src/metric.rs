//! Families of metrics: names, meanings, labels.

/// How values of a metric behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They only grow while a process lives.
    Counter,
    /// They go up and down.
    Gauge,
    /// They are spread over ranges.
    Histogram,
}

impl Kind {
    /// The word of the text format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A family of values under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it counts, with the unit.
    pub help: &'static str,
    /// How its values behave.
    pub kind: Kind,
    /// Names of its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
}

impl Metric {
    /// Whether its names are such as Prometheus takes.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let is_name = |name: &str, is_extra: fn(char) -> bool| {
            !name.is_empty()
                && !name.starts_with(|letter: char| letter.is_ascii_digit())
                && name.chars().all(|letter| {
                    letter.is_ascii_alphanumeric() || letter == '_' || is_extra(letter)
                })
        };
        let is_label = |label: &&str| {
            is_name(label, |_| false)
                && !label.starts_with("__")
                && !(self.kind == Kind::Histogram && *label == "le")
        };
        is_name(self.name, |letter| letter == ':')
            && !self.help.is_empty()
            && self.labels.iter().all(is_label)
    }
}
