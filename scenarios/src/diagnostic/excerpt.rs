//! The source line under a finding, with a caret below the place.

use super::{Printable, SourceFile};
use crate::yaml::Mark;

/// One source line and the columns to point at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Number of the line, from 1.
    pub line: u32,
    /// The line, or the part of it around the place, without control characters.
    pub text: String,
    /// Characters before the caret.
    pub indent: usize,
    /// Characters to underline, at least one.
    pub width: usize,
}

/// Widest piece of a line that is shown.
const COLUMNS_MAX: usize = 100;
/// Characters kept before the place when a line is cut on the left.
const BEFORE: usize = 20;

impl Excerpt {
    /// The line of `start`; `None` when the text has no such line.
    #[must_use]
    pub fn of(file: &SourceFile, start: Mark, end: Mark) -> Option<Self> {
        let line = file.line(usize::try_from(start.line).ok()?)?;
        let line: Vec<char> = line.trim_end().chars().collect();
        let column = usize::try_from(start.column)
            .ok()?
            .saturating_sub(1)
            .min(line.len());
        let end_column = if end.line == start.line {
            usize::try_from(end.column).ok()?.saturating_sub(1)
        } else {
            line.len()
        };
        let skipped = if line.len() > COLUMNS_MAX {
            column.saturating_sub(BEFORE)
        } else {
            0
        };
        let kept = line.iter().skip(skipped).take(COLUMNS_MAX);
        let indent = column - skipped;
        let n_kept = line.len().saturating_sub(skipped).min(COLUMNS_MAX);
        let width = end_column
            .saturating_sub(column)
            .min(n_kept.saturating_sub(indent))
            .max(1);
        let shown: String = kept.map(|char| printable(*char)).collect();
        Some(Self {
            line: start.line,
            text: shown,
            indent,
            width,
        })
    }

    /// Appends the two lines of the picture.
    pub(super) fn render(&self, hint: Option<&str>, out: &mut String) {
        let Self {
            line,
            text,
            indent,
            width,
        } = self;
        let number = format!("{line:>4}");
        let gutter = " ".repeat(number.len());
        out.push_str(&format!("\n{number} | {text}\n{gutter} | "));
        out.extend(std::iter::repeat_n(' ', *indent));
        out.extend(std::iter::repeat_n('^', *width));
        if let Some(hint) = hint {
            out.push_str(&format!(" {}", Printable(hint)));
        }
    }
}

/// A character that cannot move the cursor or colour a terminal.
pub(super) fn printable(char: char) -> char {
    match char {
        '\t' => ' ',
        // Marks that reverse the direction of text can make a line read as another.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        control if control.is_control() => '\u{fffd}',
        other => other,
    }
}
