//! What an expression reads and writes, from its code.

use overspill_event::{FieldMap, TextField};

use super::{Code, EventMethod, Node, PlainField, StepKind};
use crate::calls::{Effect, Helper};
use crate::program::{Reads, bit};
use crate::value::Part;

/// What a node and everything below it reads.
pub(crate) fn reads_of(node: &Node) -> Reads {
    let mut reads = Reads {
        can_fail: node.can_fail,
        ..Reads::default()
    };
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        visit(node, &mut reads);
        open.extend(node.children());
    }
    reads.slots.sort_unstable();
    reads.slots.dedup();
    reads.writes.sort_unstable();
    reads.writes.dedup();
    reads
}

fn visit(node: &Node, reads: &mut Reads) {
    reads.event |= matches!(
        node.code,
        Code::Slot(_)
            | Code::HasField(_)
            | Code::Text(_)
            | Code::Plain(_)
            | Code::Part(_)
            | Code::Overflow
            | Code::TreeKey(_)
            | Code::SetField(..)
            | Code::EventCall(..)
    );
    reads.other |= matches!(
        node.code,
        Code::Plain(_) | Code::Part(_) | Code::Overflow | Code::EventCall(..)
    );
    match &node.code {
        Code::Slot(slot) | Code::HasField(slot) => reads.slots.push(*slot),
        Code::Text(text) => read_text(*text, reads),
        Code::Plain(PlainField::Time | PlainField::LineTime) => reads.time = true,
        Code::Part(part) => read_part(*part, reads),
        Code::Overflow => reads.overflow = true,
        Code::TreeKey(_) => reads.tree = true,
        Code::SetField(slot, _) => {
            reads.writes.push(*slot);
            reads.effects = true;
        }
        Code::EventCall(method, _) => match method {
            EventMethod::SetMeta | EventMethod::SetParsed => {
                reads.effects = true;
                reads.writes_any = true;
            }
            EventMethod::GetMeta | EventMethod::ParseIpSources => {
                reads.all = true;
                reads.overflow = true;
            }
            EventMethod::GetType => {}
        },
        Code::Var(place) => reads.variables |= bit(*place),
        Code::Helper(helper, args) => read_helper(helper, args, reads),
        Code::Builtin(builtin, _) if builtin.is_clock => {
            reads.time = true;
            reads.outside = true;
        }
        Code::Chain(chain) => {
            for step in &chain.steps {
                if let StepKind::Field(slot) = &step.kind {
                    reads.slots.push(*slot);
                }
            }
            read_members(node, reads);
        }
        _ => {}
    }
}

/// Members of queue elements that are no slots.
fn read_members(node: &Node, reads: &mut Reads) {
    let Code::Chain(chain) = &node.code else {
        return;
    };
    for step in &chain.steps {
        if let StepKind::Member(name) = &step.kind {
            match &**name {
                b"Unmarshaled" => reads.tree = true,
                b"Line" => reads.line = true,
                b"Overflow" => reads.overflow = true,
                b"Parsed" | b"Enriched" => reads.all = true,
                _ => {}
            }
        }
    }
}

fn read_text(text: TextField, reads: &mut Reads) {
    match text {
        TextField::LineRaw | TextField::LineSrc | TextField::LineModule | TextField::Stage => {
            reads.line = true;
        }
        _ => {}
    }
    reads.texts.push(text);
}

fn read_part(part: Part, reads: &mut Reads) {
    match part {
        Part::Whole | Part::Fields(FieldMap::Parsed | FieldMap::Enriched) => reads.all = true,
        Part::Line | Part::Fields(FieldMap::Labels) => reads.line = true,
        Part::Fields(FieldMap::Meta) => reads.meta = true,
        Part::Tree => reads.tree = true,
        Part::Appsec => {}
    }
}

fn read_helper(helper: &Helper, args: &[Node], reads: &mut Reads) {
    match helper.effect {
        Effect::Pure => {}
        Effect::Outside => reads.outside = true,
        Effect::Writes => {
            reads.effects = true;
            // Every helper that writes does so to the map it is given.
            reads.tree |= args
                .iter()
                .any(|arg| matches!(arg.code, Code::Part(Part::Tree)));
        }
    }
}
