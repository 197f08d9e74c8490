//! Postfix chains, `?.` included.

use overspill_event::Tree;

use super::Machine;
use crate::code::{Chain, Code, Step, StepKind};
use crate::error::EvalError;
use crate::object::{alert_call, alert_field, source_field};
use crate::value::{EventPart, Part, Value};

impl Machine<'_, '_> {
    pub(super) fn eval_chain(&mut self, chain: &Chain) -> Result<Value, EvalError> {
        let (mut value, taken) = match &chain.base.code {
            Code::TreeKey(key) => self.walk_tree(key, &chain.steps)?,
            Code::Overflow => match self.walk_overflow(&chain.steps) {
                Some(found) => found,
                None => (self.eval(&chain.base)?, 0),
            },
            _ => (self.eval(&chain.base)?, 0),
        };
        for step in chain.steps.get(taken..).unwrap_or_default() {
            if step.is_optional && value.is_nil() {
                return Ok(Value::Nil);
            }
            value = self.step(&value, &step.kind)?;
        }
        Ok(value)
    }

    /// Follows constant names through `evt.Unmarshaled` without copying; answers the value and how
    /// many steps led to it.
    fn walk_tree(&mut self, key: &[u8], steps: &[Step]) -> Result<(Value, usize), EvalError> {
        let Some(mut tree) = self.event()?.unmarshaled(key) else {
            return Ok((Value::Nil, 0));
        };
        let mut taken = 0;
        for step in steps {
            let StepKind::Member(name) = &step.kind else {
                break;
            };
            let Tree::Map(map) = tree else { break };
            taken += 1;
            match map.get(&**name) {
                Some(found) => tree = found,
                None => return Ok((Value::Nil, taken)),
            }
        }
        Ok((Value::from_tree(tree), taken))
    }

    /// What an overflow's alert says of itself or its source, as `evt.Overflow.Alert.Source.IP`, and
    /// how many steps led there. `None` where a structure would be the value, or nothing: those
    /// go the general way.
    fn walk_overflow(&self, steps: &[Step]) -> Option<(Value, usize)> {
        let alert = self.event().ok()?.overflow.as_deref()?.alert()?;
        let [first, second, rest @ ..] = steps else {
            return None;
        };
        if !matches!(&first.kind, StepKind::Member(name) if &**name == b"Alert") {
            return None;
        }
        match (&second.kind, rest.first().map(|step| &step.kind)) {
            (StepKind::Member(name), Some(StepKind::Member(of_source))) if &**name == b"Source" => {
                let name = std::str::from_utf8(of_source).ok()?;
                Some((source_field(&alert.source, name)?, 3))
            }
            (StepKind::Member(name), _) => {
                let name = std::str::from_utf8(name).ok()?;
                Some((alert_field(alert, name)?, 2))
            }
            (StepKind::Method(name, args), _) if args.is_empty() => {
                Some((alert_call(alert, name)?, 2))
            }
            _ => None,
        }
    }

    fn step(&mut self, value: &Value, step: &StepKind) -> Result<Value, EvalError> {
        match step {
            StepKind::Member(name) => self.member(value, name),
            StepKind::Field(slot) => match value {
                Value::Event(EventPart {
                    event: Some(event),
                    part: Part::Whole,
                }) => Ok(Value::str(event.text_of(*slot))),
                Value::Event(EventPart {
                    event: None,
                    part: Part::Whole,
                }) => Ok(Value::str(self.event()?.text_of(*slot))),
                other => {
                    let message = format!("cannot fetch a field from {}", other.type_name());
                    Err(EvalError::of(message))
                }
            },
            StepKind::Index(key) => {
                let key = self.eval(key)?;
                self.index(value, &key)
            }
            StepKind::Slice(from, to) => {
                let from = from.as_ref().map(|from| self.eval(from)).transpose()?;
                let to = to.as_ref().map(|to| self.eval(to)).transpose()?;
                self.slice(value, from.as_ref(), to.as_ref())
            }
            StepKind::Method(name, args) => {
                let args = args
                    .iter()
                    .map(|arg| self.eval(arg))
                    .collect::<Result<Vec<_>, _>>()?;
                self.method(value, name, &args)
            }
        }
    }
}
