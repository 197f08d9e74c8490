//! The general evaluator: a walk over the code that builds owned values.
//!
//! It can do everything; [`crate::Bool`] does the common part faster. Every element and every byte
//! it makes is charged to a budget, so that no expression runs for ever or eats all memory.

mod access;
mod chain;
mod event;
mod loops;
mod methods;
mod operate;
mod sort;

use std::sync::Arc;

use overspill_event::Event;

use crate::builtins::Builtin;
use crate::code::{Code, Node};
use crate::context::Context;
use crate::error::EvalError;
use crate::program::into_bool;
use crate::services::Counters;
use crate::value::{Entries, List, Map, Value, arithmetic};

pub(crate) use access::place;
pub(crate) use sort::sort_values;

/// Most elements of lists and maps that one evaluation makes, as in CrowdSec.
const ELEMENTS_MAX: usize = 1_000_000;
/// Most steps of one evaluation: elements visited and 32-byte pieces of text made.
const STEPS_MAX: usize = 5_000_000;
/// Deepest nesting of computed lists and maps.
const VALUE_DEPTH_MAX: u16 = 100;

/// One evaluation.
pub(crate) struct Machine<'m, 'c> {
    pub(crate) cx: &'m mut Context<'c>,
    locals: Vec<Value>,
    scopes: Vec<Scope>,
    elements_left: usize,
    steps_left: usize,
}

/// The element a loop is at.
pub(crate) struct Scope {
    element: Value,
    index: usize,
    accumulator: Value,
}

impl<'m, 'c> Machine<'m, 'c> {
    pub(crate) fn new(cx: &'m mut Context<'c>, n_locals: usize) -> Self {
        Self {
            cx,
            locals: vec![Value::Nil; n_locals],
            scopes: Vec::new(),
            elements_left: ELEMENTS_MAX,
            steps_left: STEPS_MAX,
        }
    }

    /// Charges for elements of a list or map.
    pub(crate) fn charge_elements(&mut self, n: usize) -> Result<(), EvalError> {
        match self.elements_left.checked_sub(n) {
            Some(left) => {
                self.elements_left = left;
                self.charge(n)
            }
            None => Err(self.over_budget()),
        }
    }

    /// Charges for work.
    pub(crate) fn charge(&mut self, n: usize) -> Result<(), EvalError> {
        match self.steps_left.checked_sub(n) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(self.over_budget()),
        }
    }

    fn over_budget(&self) -> EvalError {
        Counters::bump(&self.cx.services.counters.budget_exceeded);
        EvalError::Budget
    }

    /// A string value, charged for.
    pub(crate) fn text(&mut self, bytes: &[u8]) -> Result<Value, EvalError> {
        self.charge(1 + bytes.len() / 32)?;
        Ok(Value::str(bytes))
    }

    /// A list value, charged for.
    pub(crate) fn list(&mut self, items: Vec<Value>) -> Result<Value, EvalError> {
        self.charge_elements(items.len())?;
        self.shallow(Value::list(items))
    }

    /// The value, unless it nests too deeply.
    pub(crate) fn shallow(&self, value: Value) -> Result<Value, EvalError> {
        if value.depth() > VALUE_DEPTH_MAX {
            Err(self.over_budget())
        } else {
            Ok(value)
        }
    }

    pub(crate) fn event(&self) -> Result<&Event, EvalError> {
        self.cx
            .evt
            .as_deref()
            .ok_or(EvalError::fixed("cannot fetch a field of nil"))
    }

    pub(crate) fn event_mut(&mut self) -> Result<&mut Event, EvalError> {
        self.cx
            .evt
            .as_deref_mut()
            .ok_or(EvalError::fixed("cannot fetch a field of nil"))
    }

    /// The value of a node.
    pub(crate) fn eval(&mut self, node: &Node) -> Result<Value, EvalError> {
        match &node.code {
            Code::Const(value) => Ok(value.clone()),
            Code::Slot(slot) => {
                let bytes = Arc::from(self.event()?.text_of(*slot));
                self.made_text(bytes)
            }
            Code::Text(text) => {
                let bytes = Arc::from(self.event()?.text(*text));
                self.made_text(bytes)
            }
            Code::Local(number) => Ok(self.locals.get(*number).cloned().unwrap_or_default()),
            Code::Element => Ok(self.scope().element.clone()),
            Code::And(items) => self.chain_of(items, false),
            Code::Or(items) => self.chain_of(items, true),
            Code::Not(inner) => Ok(Value::Bool(!self.condition(inner)?)),
            Code::Equal(is_negated, sides) => {
                let left = self.eval(&sides[0])?;
                let right = self.eval(&sides[1])?;
                Ok(Value::Bool(self.are_equal(&left, &right) != *is_negated))
            }
            Code::Cond(parts) => {
                let branch = if self.condition(&parts[0])? {
                    &parts[1]
                } else {
                    &parts[2]
                };
                self.eval(branch)
            }
            Code::Chain(chain) => self.eval_chain(chain),
            Code::Helper(helper, args) => self.eval_helper(helper, args),
            Code::Loop(one) => self.eval_loop(one),
            _ => self.eval_rare(node),
        }
    }

    /// The codes that need no place in the stack frame of the common ones.
    #[inline(never)]
    #[expect(clippy::too_many_lines, reason = "one flat match over the codes")]
    fn eval_rare(&mut self, node: &Node) -> Result<Value, EvalError> {
        match &node.code {
            Code::Plain(field) => self.plain_field(*field),
            Code::Part(part) => self.part(*part),
            Code::Overflow => self.overflow_of_event(),
            Code::HasField(slot) => Ok(Value::Bool(self.event()?.get(*slot).is_some())),
            Code::TreeKey(key) => Ok(self
                .event()?
                .unmarshaled(key)
                .map_or(Value::Nil, Value::from_tree)),
            Code::SetField(slot, value) => self.set_field(*slot, value),
            Code::EventCall(method, args) => self.event_call(*method, args),
            Code::Var(at) => Ok(self.cx.vars.get(*at).cloned().unwrap_or_default()),
            Code::ElementIndex => Ok(Value::Int(
                i64::try_from(self.scope().index).unwrap_or(i64::MAX),
            )),
            Code::Accumulator => Ok(self.scope().accumulator.clone()),
            Code::Negate(inner) => self.negate(inner, true),
            Code::Identity(inner) => self.negate(inner, false),
            Code::Compare(comparison, sides) => self.compare(*comparison, sides),
            Code::TextTest(test, sides) => self.text_test(*test, sides),
            Code::Matches(left, regex) => self.matches(left, regex),
            Code::MatchesComputed(sides) => self.matches_computed(sides),
            Code::In(sides) => self.is_in(sides),
            Code::InStrings(left, set) => self.is_in_strings(left, set),
            Code::InRange(left, from, to) => {
                let value = self.eval(left)?.as_integer();
                Ok(Value::Bool(
                    value.is_some_and(|value| (*from..=*to).contains(&value)),
                ))
            }
            Code::Arithmetic(op, sides) => {
                let left = self.eval(&sides[0])?;
                let right = self.eval(&sides[1])?;
                arithmetic(*op, &left, &right)
            }
            Code::Sum(items) => self.sum_of(items),
            Code::Concat(items) => {
                let mut out = Vec::new();
                for item in items {
                    if !self.eval_str(item, &mut out)? {
                        return Err(EvalError::fixed("invalid operation: + with a non-string"));
                    }
                }
                self.text(&out)
            }
            Code::Range(sides) => self.range(sides),
            Code::Coalesce(sides) => match self.eval(&sides[0])? {
                Value::Nil => self.eval(&sides[1]),
                value => Ok(value),
            },
            Code::Let(number, parts) => {
                let value = self.eval(&parts[0])?;
                if let Some(place) = self.locals.get_mut(*number) {
                    *place = value;
                }
                self.eval(&parts[1])
            }
            Code::Seq(items) => {
                let mut last = Value::Nil;
                for item in items {
                    last = self.eval(item)?;
                }
                Ok(last)
            }
            Code::List(items) => {
                let values = items
                    .iter()
                    .map(|item| self.eval(item))
                    .collect::<Result<_, _>>()?;
                self.list(values)
            }
            Code::Map(entries) => self.map_literal(entries),
            Code::Builtin(builtin, args) => {
                if let Some(found) = self.of_field(builtin, args) {
                    return found;
                }
                let mut values = Vec::with_capacity(args.len());
                for arg in args {
                    let value = self.eval(arg)?;
                    values.push(self.plain(value));
                }
                self.charge(1 + values.iter().map(cost).sum::<usize>())?;
                let result = (builtin.run)(self, &values)?;
                self.shallow(result)
            }
            Code::Fail(message) => Err(EvalError::fixed(message)),
            _ => Err(EvalError::fixed("operation is evaluated elsewhere")),
        }
    }

    /// A builtin of a field's text, where that can be read in place. It is charged for as if there
    /// were a value.
    fn of_field(&mut self, builtin: &Builtin, args: &[Node]) -> Option<Result<Value, EvalError>> {
        let run = builtin.of_text?;
        let [
            Node {
                code: Code::Slot(slot),
                ..
            },
        ] = args
        else {
            return None;
        };
        let n_steps = self.event().ok()?.text_of(*slot).len() / 32;
        Some(
            self.charge(1 + n_steps)
                .and_then(|()| self.charge(1 + n_steps))
                .and_then(|()| run(self.event()?.text_of(*slot))),
        )
    }

    fn made_text(&mut self, bytes: Arc<[u8]>) -> Result<Value, EvalError> {
        self.charge(1 + bytes.len() / 32)?;
        Ok(Value::Str(bytes))
    }

    /// `and` and `or`: all but the last must be booleans, the last is returned as it is.
    fn chain_of(&mut self, items: &[Node], decisive: bool) -> Result<Value, EvalError> {
        let Some((last, rest)) = items.split_last() else {
            return Ok(Value::Bool(!decisive));
        };
        for item in rest {
            if self.condition(item)? == decisive {
                return Ok(Value::Bool(decisive));
            }
        }
        self.eval(last)
    }

    /// The value of an operand that must be a boolean.
    fn condition(&mut self, node: &Node) -> Result<bool, EvalError> {
        let value = self.eval(node)?;
        into_bool(value.behind_pointer())
            .map_err(|_| EvalError::of(format!("cannot use {} as a condition", value.type_name())))
    }

    fn sum_of(&mut self, items: &[Node]) -> Result<Value, EvalError> {
        let Some((first, rest)) = items.split_first() else {
            return Ok(Value::Nil);
        };
        let mut sum = self.eval(first)?;
        for item in rest {
            let next = self.eval(item)?;
            sum = arithmetic(crate::code::Arithmetic::Add, &sum, &next)?;
            self.charge(cost(&sum))?;
        }
        Ok(sum)
    }

    fn map_literal(&mut self, entries: &[(Node, Node)]) -> Result<Value, EvalError> {
        let mut map = std::collections::BTreeMap::new();
        for (key, value) in entries {
            let key = match self.eval(key)? {
                Value::Str(key) => key,
                other => {
                    let message = format!("map keys must be strings, found {}", other.type_name());
                    return Err(EvalError::of(message));
                }
            };
            map.insert(key, self.eval(value)?);
        }
        self.charge_elements(map.len())?;
        self.shallow(Value::Map(Map::Values(Arc::new(Entries::new(map)))))
    }

    fn eval_helper(
        &mut self,
        helper: &'static crate::calls::Helper,
        args: &[Node],
    ) -> Result<Value, EvalError> {
        let result = match args {
            [one] => {
                let values = [self.eval(one)?];
                self.charge(1 + cost(&values[0]))?;
                (helper.run)(self, &values)
            }
            [one, two] => {
                let values = [self.eval(one)?, self.eval(two)?];
                self.charge(1 + cost(&values[0]) + cost(&values[1]))?;
                (helper.run)(self, &values)
            }
            args => {
                let values: Vec<Value> = args
                    .iter()
                    .map(|arg| self.eval(arg))
                    .collect::<Result<_, _>>()?;
                self.charge(1 + values.iter().map(cost).sum::<usize>())?;
                (helper.run)(self, &values)
            }
        }?;
        self.charge(cost(&result))?;
        Ok(result)
    }

    /// Appends the result to `out` if it is a string, and answers whether it was.
    pub(crate) fn eval_str(&mut self, node: &Node, out: &mut Vec<u8>) -> Result<bool, EvalError> {
        match &node.code {
            Code::Slot(slot) => {
                out.extend_from_slice(self.event()?.text_of(*slot));
                self.charge(1 + out.len() / 64)?;
                Ok(true)
            }
            Code::Text(text) => {
                out.extend_from_slice(self.event()?.text(*text));
                self.charge(1 + out.len() / 64)?;
                Ok(true)
            }
            Code::Const(Value::Str(bytes)) => {
                out.extend_from_slice(bytes);
                Ok(true)
            }
            Code::Concat(items) => {
                for item in items {
                    if !self.eval_str(item, out)? {
                        return Err(EvalError::fixed("invalid operation: + with a non-string"));
                    }
                    if out.len() > crate::value::TEXT_BYTES_MAX {
                        return Err(self.over_budget());
                    }
                }
                Ok(true)
            }
            Code::Cond(parts) => {
                let branch = if self.condition(&parts[0])? {
                    &parts[1]
                } else {
                    &parts[2]
                };
                self.eval_str(branch, out)
            }
            _ => match self.eval(node)? {
                Value::Str(bytes) => {
                    out.extend_from_slice(&bytes);
                    Ok(true)
                }
                _ => Ok(false),
            },
        }
    }

    fn scope(&self) -> &Scope {
        static OUTSIDE: Scope = Scope {
            element: Value::Nil,
            index: 0,
            accumulator: Value::Nil,
        };
        self.scopes.last().unwrap_or(&OUTSIDE)
    }
}

/// What handling a value costs, in steps.
pub(crate) fn cost(value: &Value) -> usize {
    match value {
        Value::Str(bytes) => bytes.len() / 32,
        Value::List(List::Events(_)) => 1,
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        _ => 0,
    }
}
