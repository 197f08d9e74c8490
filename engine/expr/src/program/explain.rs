//! Why a filter is false, for people.

use super::Program;
use crate::code::{Code, Node};
use crate::context::Context;
use crate::eval::Machine;
use crate::value::Value;

/// Longest value that is shown, in bytes.
const SHOWN_MAX: usize = 200;

/// The first part that makes the program false, and what it saw.
pub(super) fn explain_false(program: &Program, cx: &mut Context<'_>) -> Option<String> {
    let mut machine = Machine::new(cx, program.n_locals());
    match machine.eval(program.root()) {
        Ok(Value::Bool(false)) => {}
        Ok(Value::Bool(true)) => return None,
        Ok(other) => return Some(format!("{} is {}, not bool", program.text(), shown(&other))),
        Err(error) => return Some(format!("{} fails: {error}", program.text())),
    }
    let mut node = program.root();
    // Each turn goes one level deeper, so that this ends.
    while let Code::And(items) = &node.code {
        let is_false = |item: &&Node| matches!(machine.eval(item), Ok(Value::Bool(false)));
        node = items.iter().find(is_false)?;
    }
    Some(reason(&mut machine, node, program.text()))
}

fn reason(machine: &mut Machine<'_, '_>, node: &Node, text: &str) -> String {
    let source = node.source(text);
    if let Some(subject) = subject(node).filter(|subject| subject.constant().is_none()) {
        let value = machine
            .eval(subject)
            .map_or_else(|error| error.to_string(), |v| shown(&v));
        return format!("{source} is false (it is {value})");
    }
    match &node.code {
        // Where the opposite has no text of its own (`not in`), it would say nothing new.
        Code::Not(inner) if inner.source(text) != source => {
            format!("{source} is false ({} is true)", inner.source(text))
        }
        _ => format!("{source} is false"),
    }
}

/// What a test, or the opposite of one, looks at.
fn subject(node: &Node) -> Option<&Node> {
    match &node.code {
        Code::Equal(_, sides)
        | Code::Compare(_, sides)
        | Code::TextTest(_, sides)
        | Code::MatchesComputed(sides)
        | Code::In(sides) => Some(&sides[0]),
        Code::Matches(left, _) | Code::InStrings(left, _) | Code::InRange(left, ..) => Some(left),
        Code::Not(inner) => subject(inner),
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    let text = value.text();
    let cut = text.get(..SHOWN_MAX).unwrap_or(&text);
    let text = String::from_utf8_lossy(cut);
    match value {
        Value::Str(_) => format!("{text:?}"),
        Value::Nil => "nil".to_owned(),
        _ => text.into_owned(),
    }
}
