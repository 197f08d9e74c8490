//! What is wrong with a piece of content: where, what, and what to write instead.
//!
//! Everything that reads content collects [`Diagnostic`]s in a list, so that all findings of a
//! load are told at once. [`Diagnostic::render`] gives the shape users meet everywhere: the place,
//! the source line, a caret and a hint. Texts from files are shown shortened and without control
//! characters, because they may come from anybody.

mod excerpt;
mod near;

use std::fmt::{self, Write as _};
use std::sync::{Arc, OnceLock};

pub use excerpt::Excerpt;
pub(crate) use near::nearest;

use crate::yaml::{Mark, YamlError};

/// Most findings that are kept for one file; the rest is counted in the last one.
pub(crate) const FINDINGS_MAX: usize = 50;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Loaded, but something will not do what it says.
    Warning,
    /// Refused.
    Error,
}

/// A file of content: the name under which findings speak of it, and its text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Path as users know it.
    pub path: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    /// Where each line of the text begins: as many findings as one likes stay cheap.
    starts: Arc<OnceLock<Box<[usize]>>>,
}

impl SourceFile {
    /// A file by name and text.
    #[must_use]
    pub fn new(path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
            starts: Arc::default(),
        }
    }

    /// A line by its number, from 1, without its end.
    pub(crate) fn line(&self, number: usize) -> Option<&str> {
        let starts = self.starts.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
            std::iter::once(0)
                .chain(ends.map(|(at, _)| at + 1))
                .collect()
        });
        let start = *starts.get(number.checked_sub(1)?)?;
        self.text.get(start..)?.lines().next()
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Path of the file, as users know it.
    pub file: Arc<str>,
    /// Where in the file; line 0 when the finding is about the whole file.
    pub at: Mark,
    /// Path of the key, such as `nodes[1].grok.pattern`; empty when no key is to blame.
    pub key: String,
    /// What is wrong: a lowercase fragment.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The source line.
    pub excerpt: Option<Excerpt>,
}

impl Diagnostic {
    /// An error about a whole file.
    #[must_use]
    pub fn file(path: impl Into<Arc<str>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: path.into(),
            at: Mark::default(),
            key: String::new(),
            message: message.into(),
            hint: None,
            excerpt: None,
        }
    }

    /// An error at a place of a file; the caret covers what lies between `start` and `end`.
    #[must_use]
    pub fn at(file: &SourceFile, start: Mark, end: Mark, message: impl Into<String>) -> Self {
        Self {
            at: start,
            excerpt: Excerpt::of(file, start, end),
            ..Self::file(Arc::clone(&file.path), message)
        }
    }

    /// What the scanner or the tree builder found.
    #[must_use]
    pub fn yaml(file: &SourceFile, error: &YamlError) -> Self {
        Self::at(file, error.at, error.at, error.message.clone())
    }

    /// The same finding, blamed on a key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// The same finding with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same finding as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether the finding refuses what it is about.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The finding for a terminal, several lines without a final line break.
    #[must_use]
    pub fn render(&self) -> String {
        let head = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut out = format!("{head}: {self}");
        match &self.excerpt {
            Some(excerpt) => excerpt.render(self.hint.as_deref(), &mut out),
            None => {
                if let Some(hint) = &self.hint {
                    out.push_str(&format!("\n     | {}", Printable(hint)));
                }
            }
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Printable(&self.file))?;
        if self.at.line > 0 {
            write!(out, ":{}", self.at.line)?;
        }
        if !self.key.is_empty() {
            write!(out, ": key `{}`", Printable(&self.key))?;
        }
        write!(out, ": {}", Printable(&self.message))
    }
}

impl std::error::Error for Diagnostic {}

/// A text as a terminal may have it, line breaks as blanks: messages of compilers quote what they
/// were given.
struct Printable<'t>(&'t str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = |char| match char {
            '\n' => ' ',
            other => excerpt::printable(other),
        };
        self.0
            .chars()
            .try_for_each(|char| out.write_char(printable(char)))
    }
}

/// A text from a file as a message shows it: no control characters, at most 60 characters.
#[must_use]
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let mut out = String::new();
    for (n, char) in text.chars().enumerate() {
        if n == SHOWN_MAX {
            out.push('…');
            break;
        }
        out.push(excerpt::printable(char));
    }
    out
}

#[cfg(test)]
mod tests;
