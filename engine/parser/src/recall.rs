//! Nodes whose work is remembered by the values that it depends on.
//!
//! What a node of the enriching stage makes of a line depends on a few fields: an address, a
//! request, a status. Requests of a site and addresses of its visitors come again and again. So of
//! a top-level node that reads nothing but fields, the fields it wrote, whether it succeeded and
//! what it counted are kept by the values it read, and written without running it when they come
//! again. Anything out of the ordinary (an error, a match of a whitelist) is never kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use overspill_event::{Event, EventKind, Slot, Span, TextField};
use overspill_expr::{Geo, Program};
use overspill_memo::{Asked, Memo};

use crate::counts::{Counts, NodeCounts};
use crate::method::{EngineSlots, Method};
use crate::node::{Destination, Move, Node, Static, Subject};
use crate::target::TargetPath;
use crate::values;
use crate::whitelist::Whitelist;

/// Outcomes that are remembered a node, and the longest values that they are remembered by,
/// together.
const PLACES: usize = 4_096;
const INPUT_BYTES_MAX: usize = 320;
/// Longest texts of an outcome that is remembered, together.
const TEXT_BYTES_MAX: usize = 1_024;
/// An event that holds more could be cut by one node and not by another: nothing is remembered.
const EVENT_BYTES_MAX: usize = Event::BYTES_MAX / 2;
/// Fields that a node may read or write: a bit each.
const INPUTS_MAX: usize = 64;

/// The texts outside the maps that a remembered node may write.
const TEXTS: [TextField; 4] = [
    TextField::Stage,
    TextField::StrTime,
    TextField::StrTimeFormat,
    TextField::MarshaledTime,
];

/// What a node that depends on fields only reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Pure {
    /// Its place among those of the plan.
    pub(crate) number: usize,
    /// The fields that it reads, and those that it writes: one that has its value already looks as
    /// if it had not been written.
    inputs: Box<[Slot]>,
    outputs: Box<[Slot]>,
    /// The texts outside the maps that it writes, but for the stage, which it begins in.
    texts: Box<[TextField]>,
    /// The nodes whose counters it moves: itself and those below.
    first_node: usize,
    n_nodes: usize,
}

/// What a node made of an event.
#[derive(Debug, Clone, Default)]
struct Outcome {
    success: bool,
    /// Texts of what it wrote; spans that are no constants are pieces of it.
    texts: Vec<u8>,
    fields: Vec<(Slot, Span)>,
    others: Vec<(TextField, Span)>,
    counts: Vec<(usize, NodeCounts)>,
}

/// Pieces of an event whose texts are kept already: here and there.
type Kept = Vec<(Span, Span)>;

/// What a worker remembers, and where it stands with the present event.
#[derive(Default)]
pub(crate) struct Recall {
    memos: Vec<Memo<Outcome>>,
    databases: Option<Arc<dyn Geo>>,
    /// The values that were asked for last.
    inputs: Vec<u8>,
    /// What was there before the node ran.
    fields: Vec<Span>,
    others: [Span; TEXTS.len()],
    nodes: Vec<NodeCounts>,
    counts: Counts,
    kept: Kept,
}

impl std::fmt::Debug for Recall {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Recall({} nodes)", self.memos.len())
    }
}

/// What is known of a node and the event at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recalled {
    /// It was written to the event; whether the node succeeds.
    Known(bool),
    /// The node is to be run, and [`Recall::keep`] called after it.
    New,
    /// The node is to be run.
    PassedBy,
}

impl Recall {
    /// Does the work of a node that is remembered.
    pub(crate) fn apply(
        &mut self,
        pure: &Pure,
        event: &mut Event,
        nodes: &mut [NodeCounts],
        geo: &Arc<dyn Geo>,
    ) -> Recalled {
        let is_ordinary =
            event.kind == EventKind::Log && !event.whitelisted && event.n_bytes() < EVENT_BYTES_MAX;
        if !is_ordinary {
            return Recalled::PassedBy;
        }
        let is_same = self.databases.as_ref();
        if !is_same.is_some_and(|known| Arc::ptr_eq(known, geo)) {
            self.memos.clear();
            self.databases = Some(Arc::clone(geo));
        }
        if self.memos.len() <= pure.number {
            let new = || Memo::new(PLACES, INPUT_BYTES_MAX);
            self.memos.resize_with(pure.number + 1, new);
        }
        let Some(memo) = self.memos.get_mut(pure.number) else {
            return Recalled::PassedBy;
        };
        if memo.passes_by() || !read(&mut self.inputs, pure, event) {
            return Recalled::PassedBy;
        }
        match memo.ask(&self.inputs) {
            Asked::Known(outcome) => {
                outcome.write(event, nodes);
                Recalled::Known(outcome.success)
            }
            Asked::New(_) => Recalled::New,
            Asked::PassedBy => Recalled::PassedBy,
        }
    }

    /// Remembers how the event is before the node runs.
    pub(crate) fn begin(
        &mut self,
        pure: &Pure,
        event: &Event,
        nodes: &[NodeCounts],
        counts: &Counts,
    ) {
        self.fields.clear();
        self.fields
            .extend(pure.outputs.iter().map(|slot| event.span(*slot)));
        self.others = TEXTS.map(|text| event.text_span(text));
        self.nodes.clear();
        self.nodes
            .extend(nodes.iter().skip(pure.first_node).take(pure.n_nodes));
        self.counts.clone_from(counts);
    }

    /// Keeps what the node did since [`Recall::begin`].
    pub(crate) fn keep(
        &mut self,
        pure: &Pure,
        event: &Event,
        nodes: &[NodeCounts],
        counts: &Counts,
        success: bool,
    ) {
        let is_ordinary = !event.whitelisted && !event.is_truncated() && self.counts == *counts;
        if !is_ordinary || event.n_bytes() >= EVENT_BYTES_MAX {
            return;
        }
        let memo = self.memos.get_mut(pure.number);
        let Some(mut room) = memo.and_then(|memo| memo.room(&self.inputs)) else {
            return;
        };
        let outcome = room.answer();
        outcome.success = success;
        outcome.texts.clear();
        outcome.fields.clear();
        outcome.others.clear();
        outcome.counts.clear();
        self.kept.clear();
        for (slot, before) in pure.outputs.iter().zip(&self.fields) {
            let span = event.span(*slot);
            if span != *before {
                let kept = outcome.text(event, span, &mut self.kept);
                outcome.fields.push((*slot, kept));
            }
        }
        for (text, before) in TEXTS.into_iter().zip(self.others) {
            let span = event.text_span(text);
            if span != before {
                let kept = outcome.text(event, span, &mut self.kept);
                outcome.others.push((text, kept));
            }
        }
        let after = nodes.iter().skip(pure.first_node).take(pure.n_nodes);
        for (at, (before, after)) in self.nodes.iter().zip(after).enumerate() {
            if before != after {
                let moved = NodeCounts {
                    hits: after.hits - before.hits,
                    ok: after.ok - before.ok,
                    ko: after.ko - before.ko,
                    // What a whitelist takes out is not remembered.
                    whitelisted: 0,
                };
                outcome.counts.push((pure.first_node + at, moved));
            }
        }
        if outcome.texts.len() <= TEXT_BYTES_MAX {
            room.keep(&self.inputs);
        } else {
            *outcome = Outcome::default();
        }
    }
}

/// Puts together what a node reads; answers whether that is short enough.
fn read(inputs: &mut Vec<u8>, pure: &Pure, event: &Event) -> bool {
    inputs.clear();
    // Which of the fields there are; most are absent.
    let mut present = 0u64;
    for (at, slot) in pure.inputs.iter().enumerate() {
        let span = event.span(*slot);
        if span.is_present() {
            present |= 1 << at;
            values::append(inputs, event, span);
            if inputs.len() > INPUT_BYTES_MAX {
                return false;
            }
        }
    }
    for text in &pure.texts {
        values::append(inputs, event, event.text_span(*text));
    }
    inputs.extend_from_slice(&present.to_le_bytes());
    inputs.len() <= INPUT_BYTES_MAX
}

impl Outcome {
    /// Keeps a text of an event, once.
    fn text(&mut self, event: &Event, span: Span, kept: &mut Kept) -> Span {
        if span.is_constant() || span.len == 0 {
            return span;
        }
        if let Some((_, same)) = kept.iter().find(|(known, _)| *known == span) {
            return *same;
        }
        let start = u32::try_from(self.texts.len()).unwrap_or(0);
        self.texts.extend_from_slice(event.bytes(span));
        let here = Span {
            start,
            len: span.len,
        };
        kept.push((span, here));
        here
    }

    fn write(&self, event: &mut Event, nodes: &mut [NodeCounts]) {
        let texts = event.append(&self.texts).start;
        let place = |span: Span| match span.is_constant() || span.len == 0 {
            true => span,
            false => Span {
                start: texts + span.start,
                len: span.len,
            },
        };
        for (slot, span) in &self.fields {
            event.set_span(*slot, place(*span));
        }
        for (text, span) in &self.others {
            event.set_text_span(*text, place(*span));
        }
        for (node, moved) in &self.counts {
            if let Some(counts) = nodes.get_mut(*node) {
                counts.hits += moved.hits;
                counts.ok += moved.ok;
                counts.ko += moved.ko;
            }
        }
    }
}

impl Pure {
    /// What a node reads and writes, if that is fields only, and its work is worth remembering.
    /// Nodes must have their numbers.
    pub(crate) fn of(node: &Node, slots: &EngineSlots, number: usize) -> Option<Self> {
        let mut parts = Parts {
            slots,
            inputs: BTreeSet::new(),
            outputs: BTreeSet::new(),
            texts: Vec::new(),
            n_nodes: 0,
            is_work: false,
        };
        parts.node(node)?;
        parts.inputs.extend(&parts.outputs);
        (parts.is_work && parts.inputs.len() <= INPUTS_MAX).then(|| Self {
            number,
            inputs: parts.inputs.into_iter().collect(),
            outputs: parts.outputs.into_iter().collect(),
            texts: parts.texts.into(),
            first_node: node.number,
            n_nodes: parts.n_nodes,
        })
    }
}

/// What is known of a node and those below it. A method gives `None` for what forbids it to be
/// remembered.
struct Parts<'a> {
    slots: &'a EngineSlots,
    inputs: BTreeSet<Slot>,
    outputs: BTreeSet<Slot>,
    texts: Vec<TextField>,
    n_nodes: usize,
    is_work: bool,
}

impl Parts<'_> {
    fn node(&mut self, node: &Node) -> Option<()> {
        self.n_nodes += 1;
        if !node.stash.is_empty() {
            return None;
        }
        // The filter of the top-level node is always evaluated.
        let is_top = self.n_nodes == 1;
        let filter = node.filter.as_ref().filter(|_| is_top);
        for program in node.programs().into_iter().skip(filter.iter().count()) {
            self.program(program)?;
        }
        let whitelist = node.whitelist.as_ref();
        if whitelist.is_some_and(Whitelist::has_addresses) {
            self.inputs.insert(self.slots.source_ip);
            self.is_work = true;
        }
        if let Some(grok) = &node.grok {
            match &grok.subject {
                // Lines and their messages do not come again.
                Subject::Raw => return None,
                Subject::Parsed(slot) if *slot == self.slots.message => return None,
                Subject::Parsed(slot) => {
                    self.inputs.insert(*slot);
                }
                Subject::Expression(_) => {}
            }
            self.is_work = true;
            self.outputs.extend(&grok.fields);
            self.statics(&grok.statics, &grok.moves)?;
        }
        self.statics(&node.statics, &node.moves)?;
        for child in &node.children {
            self.node(child)?;
        }
        Some(())
    }

    fn statics(&mut self, statics: &[Static], moves: &[Move]) -> Option<()> {
        for (entry, quick) in statics.iter().zip(moves) {
            self.is_work |= matches!(quick, Move::Whole);
            match &entry.destination {
                Destination::Field(slot) | Destination::Target(TargetPath::Field(slot)) => {
                    self.outputs.insert(*slot);
                }
                Destination::Target(TargetPath::Text(TextField::Stage)) => {}
                Destination::Target(TargetPath::Text(text)) if TEXTS.contains(text) => {
                    if !self.texts.contains(text) {
                        self.texts.push(*text);
                    }
                }
                Destination::Target(_) => return None,
                Destination::Method(method) => self.method(*method)?,
            }
        }
        Some(())
    }

    fn method(&mut self, method: Method) -> Option<()> {
        let slots = self.slots;
        match method {
            Method::GeoIpCity => self.outputs.extend([
                slots.iso_code,
                slots.is_in_eu,
                slots.latitude,
                slots.longitude,
            ]),
            Method::GeoIpAsn => {
                self.outputs
                    .extend([slots.asn_number, slots.as_number, slots.asn_org]);
            }
            Method::IpToRange => {
                self.outputs.insert(slots.source_range);
            }
            Method::Unknown => {}
            Method::ReverseDns | Method::ParseDate | Method::UnmarshalJson => return None,
        }
        Some(())
    }

    fn program(&mut self, program: &Program) -> Option<()> {
        let reads = program.reads();
        let reads_more = !reads.texts.is_empty()
            || reads.tree
            || reads.line
            || reads.all
            || reads.meta
            || reads.overflow
            || reads.time
            || reads.variables != 0
            || reads.outside;
        let writes = reads.effects || reads.writes_any || !reads.writes.is_empty();
        (!reads_more && !writes).then(|| self.inputs.extend(&reads.slots))
    }
}
