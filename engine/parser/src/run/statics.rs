//! Statics: what a node writes to the event, and which types of values it may write.

use overspill_event::{Slot, Span};
use overspill_expr::{EvalError, EventPart, List, Map, Part, Program, Shape, Value};
use overspill_golike::strconv::{append_decimal, append_fixed6};

use super::Run;
use crate::enrich::enrich;
use crate::method::Method;
use crate::node::{Destination, Move, Node, Static, StaticValue};
use crate::observe::{Observer, Step};
use crate::outcome::Refusal;
use crate::state::Hint;

/// The two lists of statics of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// Those of its grok.
    Grok,
    /// Its own.
    Node,
}

/// What the expression of a static came to.
enum Computed {
    /// A text in the event's buffer; empty for nothing.
    Text(Span),
    /// It failed.
    Failed(EvalError),
}

impl<O: Observer + ?Sized> Run<'_, O> {
    /// Applies statics in order (`ProcessStatics` of `pkg/parser/runtime.go`).
    pub(super) fn statics(
        &mut self,
        node: &Node,
        of: Block,
        statics: &[Static],
        depth: usize,
    ) -> Result<(), Refusal> {
        let moves: &[Move] = match of {
            _ if !self.is_fast() => &[],
            Block::Grok => node.grok.as_ref().map_or(&[], |grok| &grok.moves),
            Block::Node => &node.moves,
        };
        for (place, entry) in statics.iter().enumerate() {
            match moves.get(place).copied().unwrap_or(Move::Whole) {
                Move::Nothing => {}
                Move::Constant(to, text) => self.event.set_span(to, text),
                Move::Field(to, from) => self.copy(to, self.event.span(from)),
                Move::Text(to, from) => self.copy(to, self.event.text_span(from)),
                Move::FieldToText(to, from) => {
                    let value = self.event.span(from);
                    if value.len > 0 {
                        self.event.set_text_span(to, value);
                    }
                }
                Move::Whole => self.one(node, (of, place), entry, depth)?,
            }
        }
        Ok(())
    }

    /// Writes a value to a field, unless it is empty or absent.
    fn copy(&mut self, to: Slot, value: Span) {
        if value.len > 0 {
            self.event.set_span(to, value);
        }
    }

    /// Applies one static.
    fn one(
        &mut self,
        node: &Node,
        (of, place): (Block, usize),
        entry: &Static,
        depth: usize,
    ) -> Result<(), Refusal> {
        let value = match &entry.value {
            StaticValue::Const(text) => self.event.append(text),
            StaticValue::Expression(program) => match self.compute(node, of, place, program)? {
                Computed::Text(span) => span,
                Computed::Failed(error) => {
                    let step = Step::StaticSkipped {
                        skipped: entry,
                        error: Some(&error),
                    };
                    self.step(depth, node, &step);
                    return Ok(());
                }
            },
        };
        let takes_empty = matches!(entry.destination, Destination::Method(Method::ParseDate));
        let is_written = (value.len > 0 || takes_empty) && self.apply(entry, value);
        if self.observer.is_enabled() {
            let step = match is_written {
                true => Step::Static {
                    written: entry,
                    value: self.event.bytes(value),
                },
                false => Step::StaticSkipped {
                    skipped: entry,
                    error: None,
                },
            };
            self.observer.step(depth, node, self.event, &step);
        }
        Ok(())
    }

    fn apply(&mut self, entry: &Static, value: Span) -> bool {
        match &entry.destination {
            Destination::Field(slot) => self.event.set_span(*slot, value),
            Destination::Method(method) => {
                let slots = self.plan.slots();
                enrich(*method, value, self.event, slots, self.state, self.services);
            }
            Destination::Target(target) => {
                if !target.write(self.event, value) {
                    self.state.counts.targets_nowhere += 1;
                    return false;
                }
            }
        }
        true
    }

    /// Evaluates an expression to a text. A plain field is not copied.
    fn compute(
        &mut self,
        node: &Node,
        of: Block,
        place: usize,
        program: &Program,
    ) -> Result<Computed, Refusal> {
        match program.shape() {
            Shape::Field(slot) => {
                let span = self.event.span(*slot);
                return Ok(Computed::Text(if span.is_present() {
                    span
                } else {
                    Span::EMPTY
                }));
            }
            Shape::Text(text) => return Ok(Computed::Text(self.event.text_span(*text))),
            Shape::Const(text) => return Ok(Computed::Text(self.event.append(text))),
            Shape::Other => {}
        }
        if let Some(textual) = program.as_textual() {
            let mut text = std::mem::take(&mut self.state.value);
            text.clear();
            let made = textual.append(&mut self.context(), &mut text);
            let span = self.event.append(&text);
            self.state.value = text;
            if made.is_ok() {
                return Ok(Computed::Text(span));
            }
        }
        let hint = Hint::new(of, place).filter(|_| !program.reads().effects);
        if let Some(hint) = hint
            && !self.state.knows(node.number, hint)
        {
            let mut text = std::mem::take(&mut self.state.value);
            text.clear();
            let is_text = matches!(program.eval_str(&mut self.context(), &mut text), Ok(true));
            let span = is_text.then(|| self.event.append(&text));
            self.state.value = text;
            match span {
                Some(span) => return Ok(Computed::Text(span)),
                // What it is instead, the value tells.
                None => self.state.remember(node.number, hint),
            }
        }
        let value = match program.eval(&mut self.context()) {
            Ok(value) => value,
            Err(error) => {
                self.state.counts.static_errors += 1;
                self.warn(node, "static", &error, |counts| counts.static_errors);
                return Ok(Computed::Failed(error));
            }
        };
        let number = &mut self.state.value;
        number.clear();
        match &value {
            Value::Str(text) => return Ok(Computed::Text(self.event.append(text))),
            Value::Int(int) => append_decimal(*int, number),
            Value::Float(float) => append_fixed6(*float, number),
            Value::Float32(float) => append_fixed6(f64::from(*float), number),
            value if is_nothing(value) => return Ok(Computed::Text(Span::EMPTY)),
            value => {
                self.state.counts.static_types += 1;
                let why = Refusal::StaticType {
                    node: std::sync::Arc::clone(&node.name),
                    found: value.type_name(),
                };
                if self.state.counts.static_types.is_power_of_two() {
                    self.services.log.warn(&why.to_string());
                }
                return Err(why);
            }
        }
        Ok(Computed::Text(self.event.append(&self.state.value)))
    }
}

/// What CrowdSec takes for no value: nil, `map[string]any` and `[]any`. Any other type that is
/// neither text nor number loses the event.
fn is_nothing(value: &Value) -> bool {
    matches!(
        value,
        Value::Nil
            | Value::List(List::Values(_) | List::Trees(_))
            | Value::Map(Map::Values(_) | Map::Trees(_))
            | Value::Event(EventPart {
                part: Part::Tree,
                ..
            })
    )
}
