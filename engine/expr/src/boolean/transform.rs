//! What is done to a text before it is tested.

use std::borrow::Cow;

use overspill_golike::{strings, url};

/// Longest text that changes its case without an allocation.
const SHORT: usize = 64;

/// One change of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextStep {
    /// `Lower`.
    Lower,
    /// `Upper`.
    Upper,
    /// `PathUnescape`: unchanged when an escape is malformed.
    PathUnescape,
    /// `QueryUnescape`: likewise.
    QueryUnescape,
}

impl TextStep {
    /// The step that a helper is.
    pub(crate) fn of_helper(name: &str) -> Option<Self> {
        Some(match name {
            "Lower" => Self::Lower,
            "Upper" => Self::Upper,
            "PathUnescape" => Self::PathUnescape,
            "QueryUnescape" => Self::QueryUnescape,
            _ => return None,
        })
    }

    /// Whether it undoes escapes.
    #[must_use]
    pub fn is_unescape(self) -> bool {
        matches!(self, Self::PathUnescape | Self::QueryUnescape)
    }

    /// The step that a builtin is.
    pub(crate) fn of_builtin(name: &str) -> Option<Self> {
        match name {
            "lower" => Some(Self::Lower),
            "upper" => Some(Self::Upper),
            _ => None,
        }
    }

    /// The changed text.
    #[must_use]
    pub fn apply(self, text: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Lower => strings::lower(text),
            Self::Upper => strings::upper(text),
            Self::PathUnescape if !text.contains(&b'%') => Cow::Borrowed(text),
            Self::PathUnescape => url::path_unescape(text).map_or(Cow::Borrowed(text), Cow::Owned),
            Self::QueryUnescape if !text.iter().any(|b| matches!(b, b'%' | b'+')) => {
                Cow::Borrowed(text)
            }
            Self::QueryUnescape => {
                url::query_unescape(text).map_or(Cow::Borrowed(text), Cow::Owned)
            }
        }
    }
}

/// Up to three changes, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Transform {
    steps: [Option<TextStep>; 3],
}

impl Transform {
    /// No change.
    pub const NONE: Self = Self { steps: [None; 3] };
    /// To lower case.
    pub const LOWER: Self = Self::one(TextStep::Lower);
    /// To upper case.
    pub const UPPER: Self = Self::one(TextStep::Upper);
    /// Escapes of a path undone.
    pub const PATH_UNESCAPE: Self = Self::one(TextStep::PathUnescape);
    /// Escapes of a query undone.
    pub const QUERY_UNESCAPE: Self = Self::one(TextStep::QueryUnescape);

    const fn one(step: TextStep) -> Self {
        Self {
            steps: [Some(step), None, None],
        }
    }

    /// This and one step more; `None` when there are three already.
    #[must_use]
    pub fn then(mut self, step: TextStep) -> Option<Self> {
        let free = self.steps.iter_mut().find(|place| place.is_none())?;
        *free = Some(step);
        Some(self)
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.steps[0].is_none()
    }

    /// The changes in order.
    pub fn steps(self) -> impl Iterator<Item = TextStep> {
        self.steps.into_iter().flatten()
    }

    /// Calls `with` with the changed text. A short ASCII text that only changes its case is changed
    /// without an allocation.
    pub(crate) fn with<R>(self, text: &[u8], with: impl FnOnce(&[u8]) -> R) -> R {
        // An empty text stays empty.
        if self.is_none() || text.is_empty() {
            return with(text);
        }
        let mut short = [0; SHORT];
        match (self.steps, short.get_mut(..text.len())) {
            ([Some(TextStep::Lower), None, None], Some(short)) if text.is_ascii() => {
                short.copy_from_slice(text);
                short.make_ascii_lowercase();
                with(short)
            }
            ([Some(TextStep::Upper), None, None], Some(short)) if text.is_ascii() => {
                short.copy_from_slice(text);
                short.make_ascii_uppercase();
                with(short)
            }
            _ => with(&self.apply(text)),
        }
    }

    /// The changed text.
    #[must_use]
    pub fn apply(self, text: &[u8]) -> Cow<'_, [u8]> {
        let mut result = Cow::Borrowed(text);
        for step in self.steps() {
            result = match result {
                Cow::Borrowed(text) => step.apply(text),
                Cow::Owned(text) => match step.apply(&text) {
                    Cow::Owned(changed) => Cow::Owned(changed),
                    Cow::Borrowed(_) => Cow::Owned(text),
                },
            };
        }
        result
    }
}
