//! What can go wrong: at load with an expression's text, at run time with its values.

use std::borrow::Cow;

/// An expression that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line}, column {column}")]
pub struct CompileError {
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// Where, in bytes of the text.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in code points, from 1.
    pub column: usize,
}

impl CompileError {
    /// An error at a byte offset of a text.
    #[must_use]
    pub fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let offset = text.floor_char_boundary(offset.min(text.len()));
        let before = text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        Self {
            message: message.into(),
            offset,
            line,
            column,
        }
    }
}

/// An evaluation that gave no value. What follows depends on who evaluates: a node's filter is
/// false, a scenario's filter abandons the event, a static is skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A filter's result was not a boolean. CrowdSec ends its process on a scenario's filter.
    #[error("result is {found}, not bool")]
    NotBool {
        /// Go's name of the type that was found.
        found: Cow<'static, str>,
    },
    /// Anything that Go's machine reports as an error or a panic.
    #[error("{0}")]
    Failed(Cow<'static, str>),
    /// A list or a string would have grown past the limits.
    #[error("memory budget exceeded")]
    Budget,
    /// The answer is looked up elsewhere and not known yet (a name lookup, a reputation query).
    #[error("answer is not known yet")]
    Pending,
}

impl EvalError {
    /// A failure with a constant text.
    #[must_use]
    pub const fn fixed(message: &'static str) -> Self {
        Self::Failed(Cow::Borrowed(message))
    }

    /// A failure with a computed text.
    #[must_use]
    pub fn of(message: String) -> Self {
        Self::Failed(Cow::Owned(message))
    }
}
