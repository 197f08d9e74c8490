//! The terminal: whether it is one, how wide, and colours.

use std::io::IsTerminal;

use crate::cli::args::Color;

/// Width when it is not known.
const WIDTH_DEFAULT: usize = 100;
/// Narrower tables cannot be read.
const WIDTH_MIN: usize = 60;

/// How to write to one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Escape codes may be written.
    pub is_coloured: bool,
    /// A person looks on: lines may be rewritten.
    pub is_terminal: bool,
    /// Columns.
    pub width: usize,
}

/// One of the colours in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Titles.
    Bold,
    /// What matters less.
    Dim,
    /// Attackers, errors.
    Red,
    /// Success.
    Green,
    /// Warnings.
    Yellow,
}

impl Style {
    /// The style of a stream of this kind.
    #[must_use]
    pub fn of(stream: &impl IsTerminal, color: Color) -> Self {
        let is_terminal = stream.is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_coloured = match color {
            Color::Yes => true,
            Color::No => false,
            Color::Auto => is_terminal && !no_color,
        };
        let columns = std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok());
        let width = columns.unwrap_or(WIDTH_DEFAULT).max(WIDTH_MIN);
        Self {
            is_coloured,
            is_terminal,
            width,
        }
    }

    /// A style without colours, for pipes and tests.
    #[must_use]
    pub fn plain(width: usize) -> Self {
        Self {
            is_coloured: false,
            is_terminal: false,
            width,
        }
    }

    /// The text in a colour, if colours are on.
    #[must_use]
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.is_coloured {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Bold => 1,
            Paint::Dim => 2,
            Paint::Red => 31,
            Paint::Green => 32,
            Paint::Yellow => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Text of a log as it may be shown: control characters made visible, so that a line written by
/// an attacker cannot move the cursor or recolour the terminal.
#[must_use]
pub fn safe(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// At most `width` characters; a cut is shown.
#[must_use]
pub fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_attacker_wrote_cannot_control_the_terminal() {
        assert_eq!(
            safe("a\x1b[31mb\n\u{202e}c"),
            "a\u{fffd}[31mb\u{fffd}\u{fffd}c"
        );
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(clip("äöü", 3), "äöü");
    }
}
