//! What can be wrong with a Go or RE2 regex, and where.

/// Why a pattern is not a Go or RE2 regex.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} of the regex")]
pub struct TranslateError {
    /// Byte offset in the pattern of the construct that is wrong.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: TranslateErrorKind,
}

/// The kinds of [`TranslateError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TranslateErrorKind {
    /// A group is not closed.
    #[error("missing closing parenthesis")]
    MissingParenthesis,
    /// A parenthesis closes nothing.
    #[error("unexpected closing parenthesis")]
    UnexpectedParenthesis,
    /// A class is not closed.
    #[error("missing closing bracket")]
    MissingBracket,
    /// A repetition operator has nothing before it.
    #[error("missing argument to repetition operator")]
    NothingToRepeat,
    /// Two repetition operators in a row, as in `a**`.
    #[error("two repetition operators in a row")]
    StackedRepetition,
    /// A count above 1,000, also when nested counts multiply, or a range that runs backwards.
    #[error("invalid repeat count (the limit is 1000, nested counts multiply)")]
    RepeatCount,
    /// A range such as `z-a`, or one whose end is a class.
    #[error("invalid character class range")]
    ClassRange,
    /// A named class that does not exist.
    #[error("unknown character class name")]
    ClassName,
    /// An escape that means nothing, look-around and back-references among them.
    #[error("invalid escape sequence")]
    Escape,
    /// A backslash at the very end.
    #[error("trailing backslash")]
    TrailingBackslash,
    /// A group name that is empty or holds more than letters, digits and underscores.
    #[error("invalid group name")]
    GroupName,
    /// `(?` followed by something else than the flags i, m, s and U.
    #[error("invalid or unsupported group syntax (look-around and flag x are not supported)")]
    GroupFlags,
    /// More nested groups than [`NEST_LIMIT`](super::NEST_LIMIT).
    #[error("groups nested too deeply")]
    NestedTooDeep,
}
