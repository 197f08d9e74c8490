//! Typed access to a mapping, with yaml.v2's rules for what fits which type.
//!
//! A [`Table`] hands out each key once; [`Table::close`] reports what was never asked for. A value
//! of the wrong shape is reported and read as absent, so one pass finds everything that is wrong.

use std::sync::Arc;

use super::{Data, Document, Entry, Mark, Node, Resolved, Style};
use crate::diagnostic::{Diagnostic, FINDINGS_MAX, Severity, SourceFile, nearest, shown};

/// A text with its place, so that whoever makes sense of it can point at it.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) value: Arc<str>,
    pub(crate) style: Style,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
    /// Path of the key, such as `nodes[1].filter`.
    pub(crate) key: Box<str>,
}

impl Text {
    pub(crate) fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// The name of an entry as a text; its key path is where `findings` stands.
    pub(crate) fn of_key(entry: &Entry, findings: &Findings<'_>) -> Self {
        Self {
            value: Arc::clone(&entry.key),
            style: entry.key_style,
            start: entry.at,
            end: entry.key_end(),
            key: Box::from(&*findings.path),
        }
    }
}

/// What a document is called in messages, and what happens to keys nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// An error, as CrowdSec's strict decoding has it.
    Refuse,
    /// A warning: files that CrowdSec reads without strictness.
    Warn,
    /// Nothing: files that carry data for other programs.
    Ignore,
}

/// Where findings of one file go, and the key path that is being read.
pub(crate) struct Findings<'f> {
    pub(crate) file: &'f SourceFile,
    path: String,
    pub(crate) list: Vec<Diagnostic>,
    n_errors: usize,
    n_left_out: usize,
}

impl<'f> Findings<'f> {
    pub(crate) fn new(file: &'f SourceFile) -> Self {
        Self {
            file,
            path: String::new(),
            list: Vec::new(),
            n_errors: 0,
            n_left_out: 0,
        }
    }

    /// Those of a document, beginning with what was wrong with its tree.
    pub(crate) fn of_document(file: &'f SourceFile, document: &Document) -> Self {
        let mut findings = Self::new(file);
        for problem in &document.problems {
            findings.push(findings.at(problem.at, problem.at, problem.message.clone()));
        }
        findings
    }

    /// An error at a place. There is no excerpt when it is past the limit.
    pub(crate) fn at(&self, start: Mark, end: Mark, message: impl Into<String>) -> Diagnostic {
        if self.list.len() < FINDINGS_MAX {
            Diagnostic::at(self.file, start, end, message)
        } else {
            Diagnostic {
                at: start,
                ..Diagnostic::file(Arc::clone(&self.file.path), message)
            }
        }
    }

    /// Adds a finding; past the limit it is only counted, but the first error is always told.
    pub(crate) fn push(&mut self, finding: Diagnostic) {
        self.n_errors += usize::from(finding.is_error());
        let is_first_error = finding.is_error() && self.n_errors == 1;
        if self.list.len() < FINDINGS_MAX {
            self.list.push(finding);
            return;
        }
        self.n_left_out += 1;
        if let Some(last) = self.list.last_mut().filter(|_| is_first_error) {
            *last = finding;
        }
    }

    /// An error about a text.
    pub(crate) fn refuse(&mut self, text: &Text, message: impl Into<String>) {
        let finding = self.at(text.start, text.end, message);
        self.push(finding.with_key(&*text.key));
    }

    /// An error about a text, with a hint.
    pub(crate) fn refuse_with_hint(
        &mut self,
        text: &Text,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let finding = self.at(text.start, text.end, message);
        self.push(finding.with_key(&*text.key).with_hint(hint));
    }

    /// A warning about a text.
    pub(crate) fn warn(&mut self, text: &Text, message: impl Into<String>) {
        let finding = self.at(text.start, text.end, message);
        self.push(finding.with_key(&*text.key).warning());
    }

    /// An error at the key that is being read.
    pub(crate) fn refuse_at(&mut self, at: Mark, end: Mark, message: impl Into<String>) {
        let finding = self.at(at, end, message).with_key(self.path.clone());
        self.push(finding);
    }

    /// A warning at the key that is being read.
    pub(crate) fn warn_at(&mut self, at: Mark, end: Mark, message: impl Into<String>) {
        let finding = self.at(at, end, message).with_key(self.path.clone());
        self.push(finding.warning());
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.n_errors > 0
    }

    /// Errors so far, those that are not shown among them.
    pub(crate) fn n_errors(&self) -> usize {
        self.n_errors
    }

    /// All findings, the last of them saying how many were left out.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        if self.n_left_out > 0 {
            let message = format!("{} more findings are not shown", self.n_left_out);
            let path = Arc::clone(&self.file.path);
            self.list.push(Diagnostic::file(path, message).warning());
        }
        self.list
    }

    /// Runs `read` with a key or an index appended to the path.
    pub(crate) fn within<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length > 0 && !step.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(&shown(step));
        let value = read(self);
        self.path.truncate(length);
        value
    }

    /// A scalar as a string field takes it: numbers and booleans keep their source text, null is
    /// absent.
    pub(crate) fn text(&mut self, node: &Node) -> Option<Text> {
        let Data::Scalar(scalar) = &node.data else {
            self.shape(node, "a text");
            return None;
        };
        if Resolved::of(scalar) == Resolved::Null {
            return None;
        }
        Some(Text {
            value: Arc::clone(&scalar.text),
            style: scalar.style,
            start: node.start,
            end: node.end,
            key: Box::from(&*self.path),
        })
    }

    /// The items of a list; a null is an empty list.
    pub(crate) fn items<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        match &node.data {
            Data::List(items) => items,
            Data::Scalar(scalar) if Resolved::of(scalar) == Resolved::Null => &[],
            _ => {
                self.shape(node, "a list");
                &[]
            }
        }
    }

    /// Reports a value of the wrong shape.
    pub(crate) fn shape(&mut self, node: &Node, wanted: &str) {
        let (found, hint) = match &node.data {
            Data::Scalar(scalar) if wanted == "a list" => {
                let text = shown(&scalar.text);
                (
                    format!("\"{text}\""),
                    Some(format!("write it as a list: [\"{text}\"]")),
                )
            }
            Data::Scalar(scalar) => (format!("\"{}\"", shown(&scalar.text)), None),
            other => (other.kind().to_owned(), None),
        };
        let end = if matches!(node.data, Data::Scalar(_)) {
            node.end
        } else {
            node.start
        };
        let mut finding = self
            .at(node.start, end, format!("{found} is not {wanted}"))
            .with_key(self.path.clone());
        finding.hint = hint;
        self.push(finding);
    }
}

/// A mapping that is being read key by key.
pub(crate) struct Table<'n> {
    entries: &'n [Entry],
    asked: Vec<&'static str>,
    pub(crate) start: Mark,
    unknown: Unknown,
}

impl<'n> Table<'n> {
    /// A mapping; a null reads as one without keys, anything else is reported.
    pub(crate) fn open(node: &'n Node, unknown: Unknown, findings: &mut Findings<'_>) -> Self {
        let entries: &[Entry] = match &node.data {
            Data::Map(entries) => entries,
            Data::Scalar(scalar) if Resolved::of(scalar) == Resolved::Null => &[],
            _ => {
                findings.shape(node, "a map of keys");
                &[]
            }
        };
        Self {
            entries,
            asked: Vec::new(),
            start: node.start,
            unknown,
        }
    }

    /// The value of a key as it is: the last one written or merged.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'n Node> {
        self.asked.push(key);
        self.entries
            .iter()
            .rev()
            .find(|entry| &*entry.key == key)
            .map(|entry| &entry.value)
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<Text> {
        let node = self.value(key)?;
        findings.within(key, |findings| findings.text(node))
    }

    /// A text that is not empty: content treats an empty one as absent.
    pub(crate) fn filled(
        &mut self,
        key: &'static str,
        findings: &mut Findings<'_>,
    ) -> Option<Text> {
        self.text(key, findings).filter(|text| !text.is_empty())
    }

    /// A boolean in any spelling of YAML 1.1, unquoted. Absent is false.
    pub(crate) fn flag(&mut self, key: &'static str, findings: &mut Findings<'_>) -> bool {
        self.scalar(key, "true or false", findings, |resolved| match resolved {
            Resolved::Bool(value) => Some(value),
            _ => None,
        })
        .unwrap_or(false)
    }

    /// A whole number.
    pub(crate) fn int(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<i64> {
        self.scalar(key, "a whole number", findings, |resolved| match resolved {
            Resolved::Int(value) => Some(value),
            // Go converts a float field's value to an integer, towards zero.
            Resolved::Float(value) if value.abs() < 9.0e15 =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "bounded on the line above")]
                Some(value.trunc() as i64)
            }
            _ => None,
        })
    }

    /// A number.
    pub(crate) fn float(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Option<f64> {
        self.scalar(key, "a number", findings, |resolved| match resolved {
            #[expect(
                clippy::cast_precision_loss,
                reason = "Go's conversion loses the same bits"
            )]
            Resolved::Int(value) => Some(value as f64),
            Resolved::Float(value) => Some(value),
            _ => None,
        })
    }

    fn scalar<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        findings: &mut Findings<'_>,
        convert: impl FnOnce(Resolved) -> Option<T>,
    ) -> Option<T> {
        let node = self.value(key)?;
        if let Data::Scalar(scalar) = &node.data {
            let resolved = Resolved::of(scalar);
            if resolved == Resolved::Null {
                return None;
            }
            if let Some(value) = convert(resolved) {
                return Some(value);
            }
            if scalar.style == Style::Quoted {
                let message = format!("\"{}\" in quotes is not {wanted}", shown(&scalar.text));
                let finding = findings
                    .at(node.start, node.end, message)
                    .with_hint("write it without quotes");
                findings.within(key, |findings| {
                    let finding = finding.with_key(findings.path.clone());
                    findings.push(finding);
                });
                return None;
            }
        }
        findings.within(key, |findings| findings.shape(node, wanted));
        None
    }

    /// A list of texts; null items are skipped.
    pub(crate) fn texts(&mut self, key: &'static str, findings: &mut Findings<'_>) -> Vec<Text> {
        self.list(key, findings, |item, findings| findings.text(item))
            .into_iter()
            .flatten()
            .collect()
    }

    /// A list, each item read by `read`.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        findings: &mut Findings<'_>,
        mut read: impl FnMut(&'n Node, &mut Findings<'_>) -> T,
    ) -> Vec<T> {
        let Some(node) = self.value(key) else {
            return Vec::new();
        };
        findings.within(key, |findings| {
            let items = findings.items(node);
            let mut values = Vec::with_capacity(items.len());
            for (n, item) in items.iter().enumerate() {
                values.push(findings.within(&format!("[{n}]"), |findings| read(item, findings)));
            }
            values
        })
    }

    /// A mapping below a key; `None` when absent or null.
    pub(crate) fn child<T>(
        &mut self,
        key: &'static str,
        findings: &mut Findings<'_>,
        read: impl FnOnce(Table<'n>, &mut Findings<'_>) -> T,
    ) -> Option<T> {
        let node = self.value(key)?;
        if matches!(&node.data, Data::Scalar(scalar) if Resolved::of(scalar) == Resolved::Null) {
            return None;
        }
        let unknown = self.unknown;
        Some(findings.within(key, |findings| {
            let table = Table::open(node, unknown, findings);
            read(table, findings)
        }))
    }

    /// The pairs of an untyped ordered map below a key: name and text, in file order.
    pub(crate) fn pairs(
        &mut self,
        key: &'static str,
        findings: &mut Findings<'_>,
    ) -> Vec<(Text, Text)> {
        let Some(node) = self.value(key) else {
            return Vec::new();
        };
        findings.within(key, |findings| {
            let table = Table::open(node, Unknown::Ignore, findings);
            let mut pairs = Vec::with_capacity(table.entries.len());
            for entry in table.entries {
                findings.within(&entry.key, |findings| {
                    let name = Text::of_key(entry, findings);
                    if let Some(value) = findings.text(&entry.value) {
                        pairs.push((name, value));
                    }
                });
            }
            pairs
        })
    }

    /// Every key and value, for maps whose keys are free.
    pub(crate) fn entries(&self) -> &'n [Entry] {
        self.entries
    }

    /// Whether a key is written at all.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| &*entry.key == key)
    }

    /// Reports the keys that nobody asked for. `gone` names keys of other versions with a reason.
    pub(crate) fn close(self, gone: &[(&str, &str)], findings: &mut Findings<'_>) {
        if self.unknown == Unknown::Ignore {
            return;
        }
        for entry in self.entries {
            if self.asked.iter().any(|asked| **asked == *entry.key) {
                continue;
            }
            let message = format!("unknown key `{}`", shown(&entry.key));
            let mut finding = findings.at(entry.at, entry.key_end(), message);
            finding.key.clone_from(&findings.path);
            finding.hint = gone
                .iter()
                .find(|(name, _)| **name == *entry.key)
                .map(|(_, reason)| (*reason).to_owned())
                .or_else(|| {
                    nearest(&entry.key, self.asked.iter().copied())
                        .map(|near| format!("did you mean `{near}`?"))
                });
            if self.unknown == Unknown::Warn {
                finding.severity = Severity::Warning;
            }
            findings.push(finding);
        }
    }
}
