//! Grok of a node: subject, match, captures into fields, grok statics.

use overspill_event::{Span, TextField};
use overspill_expr::{Program, Shape, Value};
use overspill_golike::strconv::{append_decimal, append_fixed6};

use super::Run;
use super::statics::Block;
use crate::node::{Node, Subject};
use crate::observe::{Observer, Step};
use crate::outcome::Refusal;

/// How the grok of a node went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrokResult {
    /// The node has none.
    Absent,
    /// It matched and gave at least one field.
    Matched,
    /// It did not, or had nothing to be matched against.
    Failed,
}

impl<O: Observer + ?Sized> Run<'_, O> {
    pub(super) fn grok(&mut self, node: &Node, depth: usize) -> Result<GrokResult, Refusal> {
        let Some(grok) = &node.grok else {
            return Ok(GrokResult::Absent);
        };
        let subject = match &grok.subject {
            Subject::Raw => Some(self.event.text_span(TextField::LineRaw)),
            Subject::Parsed(slot) => Some(self.event.span(*slot)).filter(|span| span.is_present()),
            Subject::Expression(program) => self.subject(node, program),
        };
        let Some(subject) = subject else {
            self.step(
                depth,
                node,
                &Step::Grok {
                    subject: None,
                    matched: false,
                },
            );
            return Ok(GrokResult::Failed);
        };
        let matched = grok
            .pattern
            .run(&mut self.state.grok, self.event.bytes(subject));
        if self.observer.is_enabled() {
            let text = Some(self.event.bytes(subject));
            let step = Step::Grok {
                subject: text,
                matched,
            };
            self.observer.step(depth, node, self.event, &step);
        }
        if !matched {
            return Ok(GrokResult::Failed);
        }
        for (field, slot) in grok.fields.iter().enumerate() {
            // A group that took no part is written, too: as the empty text.
            let span = match self.state.grok.span(field) {
                Some((start, end)) => Span {
                    start: subject.start.saturating_add(start),
                    len: end.saturating_sub(start),
                },
                None => Span::EMPTY,
            };
            self.event.set_span(*slot, span);
        }
        self.statics(node, Block::Grok, &grok.statics, depth)?;
        Ok(GrokResult::Matched)
    }

    /// The text of a computed subject, in the event's buffer.
    fn subject(&mut self, node: &Node, program: &Program) -> Option<Span> {
        match program.shape() {
            Shape::Field(slot) => {
                let span = self.event.span(*slot);
                return Some(if span.is_present() { span } else { Span::EMPTY });
            }
            Shape::Text(text) => return Some(self.event.text_span(*text)),
            Shape::Const(_) | Shape::Other => {}
        }
        let value = match program.eval(&mut self.context()) {
            Ok(value) => value,
            Err(error) => {
                self.state.counts.subject_errors += 1;
                self.warn(node, "grok expression", &error, |counts| {
                    counts.subject_errors
                });
                return None;
            }
        };
        let number = &mut self.state.value;
        number.clear();
        match value {
            Value::Str(text) => return Some(self.event.append(&text)),
            Value::Int(int) => append_decimal(int, number),
            Value::Float(float) => append_fixed6(float, number),
            Value::Float32(float) => append_fixed6(f64::from(float), number),
            // Matching goes on with the empty text.
            _ => self.state.counts.subjects_not_text += 1,
        }
        Some(self.event.append(&self.state.value))
    }
}
