//! Values of a moment, in Prometheus' text format, within limits.
//!
//! Names of sources, partitions and scenarios are chosen by others, so their number is bounded here: a family
//! has so many series at most. What is beyond is summed up in one whose labels are all `other`, and how many
//! went there is on the page too ([`FOLDED`]). A series that was shown keeps its place while it is there, so
//! that newcomers push nobody out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::histogram::Observed;
use crate::metric::{Kind, Metric};

/// What the text is, for HTTP.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The value of all labels of what had no room.
pub const OTHER: &str = "other";

/// How many series of a family had no room of their own.
pub static FOLDED: Metric = Metric {
    name: "overspill_metrics_folded_series",
    help: "Series without room of their own, summed up under the label value other.",
    kind: Kind::Gauge,
    labels: &["metric"],
};

/// How much a page may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Series of a family, without the one that sums up the others.
    pub series_max: usize,
    /// Bytes of the value of a label; the rest is cut, and series that are then the same are summed up.
    pub label_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series_max: 2_000,
            label_bytes_max: 256,
        }
    }
}

type Labels = Vec<String>;

/// What pages have in common: limits, and which series have room.
#[derive(Debug)]
pub struct Book {
    limits: Limits,
    known: BTreeMap<&'static str, BTreeSet<Labels>>,
}

/// The values of a moment.
#[derive(Debug)]
pub struct Page<'a> {
    book: &'a mut Book,
    families: BTreeMap<&'static str, Family>,
}

#[derive(Debug)]
struct Family {
    metric: &'static Metric,
    series: BTreeMap<Labels, Value>,
}

#[derive(Debug, Clone)]
enum Value {
    Number(f64),
    Spread(Observed),
}

impl Value {
    fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Number(sum), Self::Number(value)) => *sum += value,
            (Self::Spread(sum), Self::Spread(value)) => sum.add(value),
            (Self::Number(_), Self::Spread(_)) | (Self::Spread(_), Self::Number(_)) => {
                debug_assert!(false, "a metric is either a number or a histogram");
            }
        }
    }
}

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            known: BTreeMap::new(),
        }
    }

    /// An empty page.
    pub fn page(&mut self) -> Page<'_> {
        Page {
            book: self,
            families: BTreeMap::new(),
        }
    }

    /// Keeps a family within its limit; answers how many series went to the others.
    fn fold(&mut self, family: &mut Family) -> usize {
        let name = family.metric.name;
        let n_beyond = family.series.len().saturating_sub(self.limits.series_max);
        if n_beyond == 0 {
            self.known
                .insert(name, family.series.keys().cloned().collect());
            return 0;
        }
        let known = self.known.remove(name).unwrap_or_default();
        let mut room = self.limits.series_max;
        let mut kept = BTreeSet::new();
        let (old, new): (Vec<&Labels>, Vec<&Labels>) = family
            .series
            .keys()
            .partition(|labels| known.contains(*labels));
        for labels in old.into_iter().chain(new) {
            if room == 0 {
                break;
            }
            room -= 1;
            kept.insert(labels.clone());
        }
        let mut others: Option<Value> = None;
        family.series.retain(|labels, value| {
            let is_kept = kept.contains(labels);
            if !is_kept {
                match &mut others {
                    Some(sum) => sum.add(value),
                    None => others = Some(value.clone()),
                }
            }
            is_kept
        });
        if let Some(others) = others {
            let labels = vec![OTHER.to_owned(); family.metric.labels.len()];
            family.add(labels, &others);
        }
        self.known.insert(name, kept);
        n_beyond
    }
}

impl Family {
    fn add(&mut self, labels: Labels, value: &Value) {
        match self.series.get_mut(&labels) {
            Some(sum) => sum.add(value),
            None => {
                self.series.insert(labels, value.clone());
            }
        }
    }
}

impl Page<'_> {
    /// Adds to a series; the first time, it begins with this value.
    pub fn add(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        self.put(metric, labels, &Value::Number(value));
    }

    /// Adds a count to a series. Above 2^53 the last digits are lost, as they are in Prometheus.
    pub fn count(&mut self, metric: &'static Metric, labels: &[&str], n: u64) {
        self.add(metric, labels, n as f64);
    }

    /// Adds what a histogram holds to a series.
    pub fn spread(&mut self, metric: &'static Metric, labels: &[&str], observed: Observed) {
        self.put(metric, labels, &Value::Spread(observed));
    }

    fn put(&mut self, metric: &'static Metric, labels: &[&str], value: &Value) {
        debug_assert_eq!(
            labels.len(),
            metric.labels.len(),
            "{}: a value for each label",
            metric.name
        );
        let bytes_max = self.book.limits.label_bytes_max;
        let cut = |text: &&str| text[..text.floor_char_boundary(bytes_max)].to_owned();
        let labels: Labels = labels.iter().map(cut).collect();
        self.families
            .entry(metric.name)
            .or_insert_with(|| Family {
                metric,
                series: BTreeMap::new(),
            })
            .add(labels, value);
    }

    /// The page as text, families and series in the order of their names.
    #[must_use]
    pub fn finish(mut self) -> String {
        let mut n_folded = Vec::new();
        for family in self.families.values_mut() {
            let n_beyond = self.book.fold(family);
            if n_beyond > 0 {
                n_folded.push((family.metric.name, n_beyond));
            }
        }
        for (name, n) in n_folded {
            self.count(&FOLDED, &[name], n as u64);
        }
        let mut text = String::new();
        for family in self.families.values() {
            write_family(family, &mut text);
        }
        text
    }
}

fn write_family(family: &Family, out: &mut String) {
    let Metric {
        name, help, kind, ..
    } = family.metric;
    out.push_str("# HELP ");
    out.push_str(name);
    out.push(' ');
    escape(help, false, out);
    out.push_str("\n# TYPE ");
    out.push_str(name);
    out.push(' ');
    out.push_str(kind.name());
    out.push('\n');
    for (values, value) in &family.series {
        let labels = family.metric.labels.iter().copied();
        let labels: Vec<(&str, &str)> = labels.zip(values.iter().map(String::as_str)).collect();
        match value {
            Value::Number(number) => write_sample(name, "", &labels, None, *number, out),
            Value::Spread(observed) => write_spread(name, &labels, observed, out),
        }
    }
}

fn write_spread(name: &str, labels: &[(&str, &str)], observed: &Observed, out: &mut String) {
    let mut n = 0;
    let bounds = observed.bounds.iter().copied().chain([f64::INFINITY]);
    for (bound, count) in bounds.zip(&observed.counts) {
        n += count;
        write_sample(name, "_bucket", labels, Some(bound), n as f64, out);
    }
    write_sample(name, "_sum", labels, None, observed.sum, out);
    write_sample(name, "_count", labels, None, n as f64, out);
}

fn write_sample(
    name: &str,
    suffix: &str,
    labels: &[(&str, &str)],
    bound: Option<f64>,
    value: f64,
    out: &mut String,
) {
    out.push_str(name);
    out.push_str(suffix);
    let mut before = '{';
    for (label, value) in labels {
        out.push(before);
        out.push_str(label);
        out.push_str("=\"");
        escape(value, true, out);
        out.push('"');
        before = ',';
    }
    if let Some(bound) = bound {
        out.push(before);
        out.push_str("le=\"");
        write_number(bound, out);
        out.push('"');
        before = ',';
    }
    if before == ',' {
        out.push('}');
    }
    out.push(' ');
    write_number(value, out);
    out.push('\n');
}

fn write_number(value: f64, out: &mut String) {
    if value == f64::INFINITY {
        out.push_str("+Inf");
    } else if value == f64::NEG_INFINITY {
        out.push_str("-Inf");
    } else {
        // Writing to a text does not fail.
        let _written = write!(out, "{value}");
    }
}

/// Backslashes and line ends stand escaped everywhere, quotes within labels.
fn escape(text: &str, is_quoted: bool, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if is_quoted => out.push_str("\\\""),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::histogram::Histogram;

    static LINES: Metric = Metric {
        name: "t_lines_total",
        help: "Lines \\ read\nso far, \"quoted\".",
        kind: Kind::Counter,
        labels: &["source", "type"],
    };
    static TOOK: Metric = Metric {
        name: "t_took_seconds",
        help: "Time.",
        kind: Kind::Histogram,
        labels: &["what"],
    };
    static UP: Metric = Metric {
        name: "t_up",
        help: "Up.",
        kind: Kind::Gauge,
        labels: &[],
    };

    fn book(series_max: usize) -> Book {
        Book::new(Limits {
            series_max,
            label_bytes_max: 16,
        })
    }

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut book = book(10);
        let took = Histogram::new(&[0.5, 1.0]);
        for ms in [100, 500, 900, 1_500] {
            took.observe(Duration::from_millis(ms));
        }
        let mut page = book.page();
        page.count(&LINES, &["a\\\"\nb", "x"], 7);
        page.count(&LINES, &["a\\\"\nb", "x"], 1);
        page.spread(&TOOK, &["y"], took.observed());
        page.add(&UP, &[], f64::NEG_INFINITY);
        assert_eq!(
            page.finish(),
            "# HELP t_lines_total Lines \\\\ read\\nso far, \"quoted\".\n\
             # TYPE t_lines_total counter\n\
             t_lines_total{source=\"a\\\\\\\"\\nb\",type=\"x\"} 8\n\
             # HELP t_took_seconds Time.\n\
             # TYPE t_took_seconds histogram\n\
             t_took_seconds_bucket{what=\"y\",le=\"0.5\"} 2\n\
             t_took_seconds_bucket{what=\"y\",le=\"1\"} 3\n\
             t_took_seconds_bucket{what=\"y\",le=\"+Inf\"} 4\n\
             t_took_seconds_sum{what=\"y\"} 3\n\
             t_took_seconds_count{what=\"y\"} 4\n\
             # HELP t_up Up.\n\
             # TYPE t_up gauge\n\
             t_up -Inf\n"
        );
    }

    #[test]
    fn a_cut_label_ends_with_a_whole_letter() {
        let mut book = book(10);
        let mut page = book.page();
        page.count(&LINES, &["0123456789abcdeé", "x"], 1);
        page.count(&LINES, &["0123456789abcde", "x"], 1);
        let text = page.finish();
        assert!(
            text.contains("{source=\"0123456789abcde\",type=\"x\"} 2\n"),
            "{text}"
        );
    }

    #[test]
    fn what_has_no_room_is_summed_up_and_newcomers_push_nobody_out() {
        let mut book = book(2);
        let mut page = book.page();
        page.count(&LINES, &["m", "x"], 1);
        page.count(&LINES, &["n", "x"], 2);
        assert!(!page.finish().contains("folded"));
        // Newcomers that sort before those that are there.
        let mut page = book.page();
        for (name, n) in [("a", 10), ("b", 20), ("m", 3), ("n", 4)] {
            page.count(&LINES, &[name, "x"], n);
        }
        let text = page.finish();
        assert!(text.contains("{source=\"m\",type=\"x\"} 3\n"), "{text}");
        assert!(text.contains("{source=\"n\",type=\"x\"} 4\n"), "{text}");
        let other = "{source=\"other\",type=\"other\"} 30\n";
        assert!(text.contains(other), "{text}");
        let folded = "overspill_metrics_folded_series{metric=\"t_lines_total\"} 2\n";
        assert!(text.contains(folded), "{text}");
        // Who leaves makes room.
        let mut page = book.page();
        page.count(&LINES, &["a", "x"], 11);
        page.count(&LINES, &["n", "x"], 5);
        let text = page.finish();
        assert!(text.contains("{source=\"a\",type=\"x\"} 11\n"), "{text}");
        assert!(!text.contains("other"), "{text}");
    }

    #[test]
    fn names_that_prometheus_refuses_are_seen() {
        assert!(LINES.is_well_formed() && TOOK.is_well_formed() && FOLDED.is_well_formed());
        let named = |name| Metric { name, ..LINES };
        for name in ["", "1a", "a-b", "a b"] {
            assert!(!named(name).is_well_formed(), "{name}");
        }
        for label in ["", "__a", "a:b", "9"] {
            let labels: &'static [&'static str] = vec![label].leak();
            assert!(!Metric { labels, ..LINES }.is_well_formed(), "{label}");
        }
    }
}
