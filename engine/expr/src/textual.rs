//! Expressions that make a text of fields: what statics, `groupby` and `distinct` mostly are.
//!
//! A [`Textual`] gives what the general evaluator gives, without building a value. It is only made
//! of what can neither fail nor change anything.

use overspill_event::Event;
use overspill_golike::strconv::append_decimal;
use overspill_golike::strings::rune_count;

use crate::boolean::{Bool, Subject};
use crate::context::Context;
use crate::error::EvalError;
use crate::services::Counters;
use crate::value::{Bytes, TEXT_BYTES_MAX};

/// A text made of fields and constants.
#[derive(Debug, Clone)]
pub enum Textual {
    /// Always this.
    Const(Bytes),
    /// A field, perhaps changed.
    Subject(Subject),
    /// One after the other: `a + b`.
    Concat(Box<[Textual]>),
    /// One of two: `c ? a : b`.
    Cond(Box<(Bool, Textual, Textual)>),
    /// The number of code points of a field, in decimal: `len(a)`. It is an integer to whom the
    /// type matters ([`Textual::is_integer`]).
    Len(Subject),
}

impl Textual {
    /// Whether the expression gives an integer, of which this makes the text.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::Len(_))
    }

    /// Appends the text to `out`.
    ///
    /// # Errors
    /// Only when there is no event, or the text would be longer than any text may be.
    pub fn append(&self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Result<(), EvalError> {
        match self {
            Self::Const(bytes) => out.extend_from_slice(bytes),
            Self::Subject(subject) => append(subject, event(cx)?, out),
            Self::Len(subject) => {
                let text = subject.field.bytes(event(cx)?);
                let n = rune_count(&subject.transform.apply(text));
                append_decimal(i64::try_from(n).unwrap_or(i64::MAX), out);
            }
            Self::Concat(parts) => {
                let start = out.len();
                for part in parts {
                    part.append(cx, out)?;
                    if out.len() - start > TEXT_BYTES_MAX {
                        Counters::bump(&cx.services.counters.budget_exceeded);
                        return Err(EvalError::Budget);
                    }
                }
            }
            Self::Cond(parts) => {
                let (condition, then, otherwise) = &**parts;
                let branch = if condition.eval(cx)? { then } else { otherwise };
                branch.append(cx, out)?;
            }
        }
        Ok(())
    }
}

fn event<'c>(cx: &'c Context<'_>) -> Result<&'c Event, EvalError> {
    cx.evt
        .as_deref()
        .ok_or(EvalError::fixed("cannot fetch a field of nil"))
}

fn append(subject: &Subject, event: &Event, out: &mut Vec<u8>) {
    let text = subject.field.bytes(event);
    if subject.transform.is_none() {
        out.extend_from_slice(text);
    } else {
        out.extend_from_slice(&subject.transform.apply(text));
    }
}
