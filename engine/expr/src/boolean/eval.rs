//! Evaluation of test trees.

use overspill_event::Event;

use overspill_golike::net;

use super::{Bool, FieldRef, StrTest, Test};
use crate::context::Context;
use crate::error::EvalError;
use crate::eval::Machine;
use crate::files::LineTest;
use crate::program::into_bool;
use crate::services::{Counters, Services};

impl Bool {
    /// Whether it holds.
    ///
    /// # Errors
    /// As the general evaluator's: an operand that is no boolean is an error, and a result that is
    /// none is [`EvalError::NotBool`].
    pub fn eval(&self, cx: &mut Context<'_>) -> Result<bool, EvalError> {
        match self {
            Self::Const(value) => Ok(*value),
            Self::Str(test) => test.eval(cx),
            Self::Not(inner) => inner.eval(cx).map(|value| !value).map_err(operand),
            Self::And(items) => chain(items, false, cx),
            Self::Or(items) => chain(items, true, cx),
            Self::Dyn(expr) => {
                let inner = &expr.inner;
                let result = Machine::new(cx, inner.n_locals).eval(&inner.node);
                match result {
                    Ok(value) => into_bool(&value),
                    Err(error) => {
                        Counters::bump(&cx.services.counters.errors);
                        Err(error)
                    }
                }
            }
        }
    }
}

/// Tests in order up to the first that is `decisive`. Only the last may be no boolean.
fn chain(items: &[Bool], decisive: bool, cx: &mut Context<'_>) -> Result<bool, EvalError> {
    let Some((last, rest)) = items.split_last() else {
        return Ok(!decisive);
    };
    for item in rest {
        if item.eval(cx).map_err(operand)? == decisive {
            return Ok(decisive);
        }
    }
    last.eval(cx)
}

/// What a result that is no boolean means to an operator.
fn operand(error: EvalError) -> EvalError {
    match error {
        EvalError::NotBool { found } => EvalError::of(format!("cannot use {found} as a condition")),
        other => other,
    }
}

impl StrTest {
    /// Whether the event's text is as the test wants it.
    ///
    /// # Errors
    /// Only when there is no event.
    pub fn eval(&self, cx: &Context<'_>) -> Result<bool, EvalError> {
        match cx.evt.as_deref() {
            Some(event) => Ok(self.holds(event, cx.services)),
            None => Err(EvalError::fixed("cannot fetch a field of nil")),
        }
    }

    /// Whether the event's text is as the test wants it.
    #[must_use]
    pub fn holds(&self, event: &Event, services: &Services) -> bool {
        let text = match self.subject.field {
            FieldRef::Slot(slot) if matches!(self.test, Test::Present) => {
                return event.get(slot).is_some();
            }
            FieldRef::Slot(slot) => event.text_of(slot),
            FieldRef::Text(text) => event.text(text),
        };
        self.subject
            .transform
            .with(text, |text| self.test.holds(text, services))
    }
}

impl Test {
    /// Whether a text, after the subject's changes, is as the test wants it.
    #[must_use]
    pub fn holds(&self, text: &[u8], services: &Services) -> bool {
        match self {
            Self::Eq(want) => *text == **want,
            Self::Ne(want) => *text != **want,
            Self::In(set) => set.contains(text),
            Self::NotIn(set) => !set.contains(text),
            Self::Contains(part) => overspill_golike::strings::contains(text, part),
            Self::ContainsAny(parts) => parts
                .iter()
                .any(|part| overspill_golike::strings::contains(text, part)),
            Self::StartsWith(part) => text.starts_with(part),
            Self::EndsWith(part) => text.ends_with(part),
            Self::Matches(regex) => regex.is_match(text),
            Self::MatchesAny(regexes) => regexes.iter().any(|regex| regex.is_match(text)),
            Self::AnyEq(file) => services.any_line(file, LineTest::Eq, text),
            Self::AnyContains(file) => services.any_line(file, LineTest::Contains, text),
            Self::AnyStartsWith(file) => services.any_line(file, LineTest::StartsWith, text),
            Self::AnyEndsWith(file) => services.any_line(file, LineTest::EndsWith, text),
            Self::RegexpInFile(file) => services.regexp_in_file(&file.name, text),
            Self::InRange(range) => net::parse_ip(text).is_some_and(|ip| range.contains(ip)),
            Self::IsAddress { v4, v6 } => {
                net::parse_ip(text).is_some_and(|ip| if ip.is_ipv4() { *v4 } else { *v6 })
            }
            Self::Present => true,
        }
    }
}
