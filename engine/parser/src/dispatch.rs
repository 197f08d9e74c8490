//! Which top-level nodes of a stage an event has to be shown to.
//!
//! Nearly every top-level filter asks for the event's program, its label type or its kind. These
//! few fields have few values, so for each combination the filters are evaluated once as far as
//! these fields go: nodes whose filter is false whatever the rest of the event are left out, and
//! filters that are true whatever the rest are not run again. A filter that could raise an error
//! or change something is always run. After a node has changed one of the fields the runner asks
//! again, so the result is that of looking at every node in order.

use std::sync::Arc;

use overspill_event::{Event, FieldMap, SchemaBuilder, Slot, Span, TextField};
use overspill_expr::{Bool, Context, FieldRef, StrTest, Test};
use rustc_hash::FxHashMap;

use crate::node::{Destination, Node, Static};
use crate::target::TargetPath;
use crate::values;

/// Fields that have few values and decide much.
const FIELDS: [(FieldMap, &str); 4] = [
    (FieldMap::Parsed, "program"),
    (FieldMap::Labels, "type"),
    (FieldMap::Meta, "service"),
    (FieldMap::Meta, "log_type"),
];
/// The above, and the module.
const FIELDS_MAX: usize = FIELDS.len() + 1;
/// Longest combination of values that is remembered; longer ones are shown to all nodes.
const KEY_BYTES_MAX: usize = 512;
/// Combinations that are remembered a stage; when there are more, all are forgotten.
const KEYS_MAX: usize = 1_024;

/// A node that an event has to be shown to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Candidate {
    /// Place among the top-level nodes of the stage.
    pub(crate) node: usize,
    /// Its filter is certainly true.
    pub(crate) passes: bool,
    /// It may change one of the fields that the candidates were chosen for.
    pub(crate) alters: bool,
}

/// Candidates in load order.
pub(crate) type Candidates = Box<[Candidate]>;

/// Which candidates of a stage. It holds until the next answer is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Every node, none of them certain.
    All,
    /// Those of this number.
    Kept(usize),
}

/// The index of one stage.
#[derive(Debug)]
pub(crate) struct StageIndex {
    /// Fields that its filters test, of the few that are worth it.
    fields: Vec<FieldRef>,
    /// Every node, none of them certain.
    all: Candidates,
}

impl StageIndex {
    pub(crate) fn new(nodes: &[Node], schema: &SchemaBuilder) -> Self {
        let mut fields: Vec<FieldRef> = FIELDS
            .iter()
            .filter_map(|(map, name)| schema.get(*map, name).map(FieldRef::Slot))
            .collect();
        fields.push(FieldRef::Text(TextField::LineModule));
        let filters: Vec<&Bool> = nodes.iter().filter_map(filter_of).collect();
        fields.retain(|field| filters.iter().any(|filter| tests(filter, *field)));
        let all = nodes
            .iter()
            .enumerate()
            .map(|(node, plan)| Candidate {
                node,
                passes: false,
                alters: alters(plan, &fields),
            })
            .collect();
        Self { fields, all }
    }

    /// The nodes to look at for an event as it is now.
    pub(crate) fn resolve(&self, nodes: &[Node], cx: &mut Context<'_>) -> Candidates {
        let mut candidates = Vec::new();
        for (node, plan) in nodes.iter().enumerate() {
            let possible = match (&plan.filter, filter_of(plan)) {
                (None, _) => TRUE,
                (Some(_), None) => TRUE | FALSE,
                (Some(_), Some(filter)) => possible(filter, &self.fields, cx),
            };
            if possible != FALSE {
                candidates.push(Candidate {
                    node,
                    passes: possible == TRUE,
                    alters: self.all.get(node).is_none_or(|candidate| candidate.alters),
                });
            }
        }
        candidates.into()
    }
}

fn filter_of(node: &Node) -> Option<&Bool> {
    node.filter.as_ref()?.as_bool_tree()
}

/// Whether a node, or one below it, may write one of `fields`.
fn alters(node: &Node, fields: &[FieldRef]) -> bool {
    let is_field = |slot: &Slot| fields.contains(&FieldRef::Slot(*slot));
    let is_written = |entry: &Static| match &entry.destination {
        Destination::Field(slot) | Destination::Target(TargetPath::Field(slot)) => is_field(slot),
        Destination::Target(TargetPath::Text(text)) => fields.contains(&FieldRef::Text(*text)),
        Destination::Target(_) | Destination::Method(_) => false,
    };
    let grok = node.grok.iter();
    let mut statics = grok.clone().flat_map(|grok| &grok.statics);
    node.statics.iter().any(is_written)
        || statics.any(is_written)
        || grok.flat_map(|grok| &grok.fields).any(is_field)
        || node.programs().iter().any(|program| {
            let reads = program.reads();
            reads.writes_any || reads.writes.iter().any(is_field)
        })
        || node.children.iter().any(|child| alters(child, fields))
}

/// What the state of a partition remembers, by stage.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    stages: Vec<Known>,
    /// The question asked last.
    key: Vec<u8>,
}

/// The answers of one stage.
#[derive(Debug, Default)]
struct Known {
    by_key: FxHashMap<Arc<[u8]>, usize>,
    lists: Vec<Candidates>,
    /// The answer before: lines of one program come in a row.
    last: Option<(Arc<[u8]>, usize)>,
}

impl Cache {
    /// The nodes to look at for an event as it is now, if that was resolved before. What is not
    /// has to be resolved and handed to [`Cache::insert`].
    pub(crate) fn find(
        &mut self,
        stage: usize,
        index: &StageIndex,
        event: &Event,
    ) -> Option<Choice> {
        if index.fields.is_empty() {
            return Some(Choice::All);
        }
        let known = self.stages.get_mut(stage);
        if let Some((key, number)) = known.as_ref().and_then(|known| known.last.as_ref())
            && is_key_of(key, index, event)
        {
            return Some(Choice::Kept(*number));
        }
        self.key.clear();
        for field in &index.fields {
            values::append(&mut self.key, event, span_of(*field, event));
            if self.key.len() > KEY_BYTES_MAX {
                return Some(Choice::All);
            }
        }
        let known = known?;
        let (key, number) = known.by_key.get_key_value(self.key.as_slice())?;
        known.last = Some((Arc::clone(key), *number));
        Some(Choice::Kept(*number))
    }

    /// A candidate of a choice.
    pub(crate) fn candidate(
        &self,
        stage: usize,
        index: &StageIndex,
        choice: Choice,
        place: usize,
    ) -> Option<Candidate> {
        self.list(stage, index, choice).get(place).copied()
    }

    /// All candidates of a choice.
    pub(crate) fn list<'a>(
        &'a self,
        stage: usize,
        index: &'a StageIndex,
        choice: Choice,
    ) -> &'a [Candidate] {
        match choice {
            Choice::All => &index.all,
            Choice::Kept(number) => self
                .stages
                .get(stage)
                .and_then(|known| known.lists.get(number))
                .map_or(&[], |list| list),
        }
    }

    /// Remembers the answer to the question that [`Cache::find`] could not answer last.
    pub(crate) fn insert(&mut self, stage: usize, candidates: Candidates) -> Choice {
        if self.stages.len() <= stage {
            self.stages.resize_with(stage + 1, Known::default);
        }
        let Some(known) = self.stages.get_mut(stage) else {
            return Choice::All;
        };
        if known.lists.len() >= KEYS_MAX {
            known.by_key.clear();
            known.lists.clear();
            known.last = None;
        }
        let number = known.lists.len();
        known.lists.push(candidates);
        known.by_key.insert(self.key.as_slice().into(), number);
        Choice::Kept(number)
    }
}

/// Whether a key is the event's.
fn is_key_of(key: &[u8], index: &StageIndex, event: &Event) -> bool {
    let mut rest = Some(key);
    for field in &index.fields {
        rest = rest.and_then(|rest| values::strip(rest, event, span_of(*field, event)));
    }
    rest.is_some_and(<[u8]>::is_empty)
}

/// The values that candidates were chosen for: pieces of the event's buffer, which never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen([Span; FIELDS_MAX]);

impl Seen {
    /// The values as they are now.
    pub(crate) fn of(index: &StageIndex, event: &Event) -> Self {
        let mut spans = [Span::ABSENT; FIELDS_MAX];
        for (span, field) in spans.iter_mut().zip(&index.fields) {
            *span = span_of(*field, event);
        }
        Self(spans)
    }
}

fn span_of(field: FieldRef, event: &Event) -> Span {
    match field {
        FieldRef::Slot(slot) => event.span(slot),
        FieldRef::Text(text) => event.text_span(text),
    }
}

/// Whether a filter tests a field anywhere.
fn tests(filter: &Bool, field: FieldRef) -> bool {
    match filter {
        Bool::And(items) | Bool::Or(items) => items.iter().any(|item| tests(item, field)),
        Bool::Not(inner) => tests(inner, field),
        Bool::Str(test) => test.subject.field == field && is_cheap(test),
        Bool::Const(_) | Bool::Dyn(_) => false,
    }
}

/// Whether a test depends on nothing but its field and is quick.
fn is_cheap(test: &StrTest) -> bool {
    matches!(
        test.test,
        Test::Eq(_)
            | Test::Ne(_)
            | Test::In(_)
            | Test::NotIn(_)
            | Test::Contains(_)
            | Test::StartsWith(_)
            | Test::EndsWith(_)
            | Test::Matches(_)
            | Test::Present
    )
}

/// What an evaluation may come to: a set of the four below.
type Possible = u8;
const TRUE: Possible = 1;
const FALSE: Possible = 2;
const ERROR: Possible = 4;
/// It may change something.
const EFFECT: Possible = 8;

/// What a filter may come to for any event that has the values of `known` as this one.
fn possible(filter: &Bool, known: &[FieldRef], cx: &mut Context<'_>) -> Possible {
    match filter {
        Bool::Const(true) => TRUE,
        Bool::Const(false) => FALSE,
        Bool::Not(inner) => {
            let inner = possible(inner, known, cx);
            let swapped = (inner & TRUE) << 1 | (inner & FALSE) >> 1;
            swapped | inner & (ERROR | EFFECT)
        }
        Bool::And(items) => chain(items, TRUE, known, cx),
        Bool::Or(items) => chain(items, FALSE, known, cx),
        Bool::Str(test) if known.contains(&test.subject.field) && is_cheap(test) => {
            match filter.eval(cx) {
                Ok(true) => TRUE,
                Ok(false) => FALSE,
                Err(_) => TRUE | FALSE | ERROR,
            }
        }
        Bool::Str(_) => TRUE | FALSE,
        Bool::Dyn(expr) => {
            let reads = expr.reads();
            let mut possible = TRUE | FALSE;
            if reads.can_fail {
                possible |= ERROR;
            }
            if reads.effects {
                possible |= EFFECT;
            }
            possible
        }
    }
}

/// A chain of `and` (goes on while TRUE) or of `or` (goes on while FALSE).
fn chain(items: &[Bool], goes_on: Possible, known: &[FieldRef], cx: &mut Context<'_>) -> Possible {
    let mut result = 0;
    for item in items {
        let item = possible(item, known, cx);
        result |= item & !goes_on;
        if item & goes_on == 0 {
            return result;
        }
    }
    result | goes_on
}

#[cfg(test)]
mod tests;
