//! A plan: the stages of some content, numbered and indexed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use overspill_event::{FieldMap, SchemaBuilder, SchemaFull, Slot, Span};
use overspill_expr::{Bool, Program};
use overspill_filters::Index;

use crate::dispatch::StageIndex;
use crate::method::EngineSlots;
use crate::node::{Move, Node, Static};
use crate::recall::Pure;
use crate::stash::CacheSpec;

/// Deepest nesting of nodes. The hub's deepest is 3.
pub const NODE_DEPTH_MAX: usize = 64;

/// Why nodes make no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nodes nested deeper than [`NODE_DEPTH_MAX`].
    #[error("nodes of `{node}` are nested deeper than {NODE_DEPTH_MAX} levels")]
    TooDeep {
        /// The top-level node.
        node: Arc<str>,
    },
    /// Too many field names.
    #[error(transparent)]
    Schema(#[from] SchemaFull),
}

/// Interns the fields that the engine itself reads and writes. Called before content is compiled,
/// it keeps content with too many fields from taking their numbers.
///
/// # Errors
/// [`SchemaFull`] when there is no number left.
pub fn intern_engine_fields(schema: &mut SchemaBuilder) -> Result<(), SchemaFull> {
    EngineSlots::intern(schema).map(|_| ())
}

/// One stage: its top-level nodes in load order.
#[derive(Debug, Clone)]
pub struct StagePlan {
    /// Name, as `evt.Stage` has it.
    pub name: Arc<str>,
    /// Top-level nodes in load order.
    pub nodes: Vec<Node>,
}

/// The stages of some content. Immutable; shared by all workers.
#[derive(Debug)]
pub struct ParserPlan {
    stages: Vec<StagePlan>,
    /// The names of the stages as constants, if there was room.
    names: Vec<Option<Span>>,
    indexes: Vec<StageIndex>,
    caches: Vec<CacheSpec>,
    slots: EngineSlots,
    /// The expressions of all whitelists.
    whitelists: Index,
    n_nodes: usize,
    is_indexed: bool,
    identity: u64,
}

impl ParserPlan {
    /// Numbers and indexes stages, which must be in their order: ascending by name.
    ///
    /// # Errors
    /// [`PlanError`] when nodes are nested too deeply or there are too many field names.
    pub fn new(mut stages: Vec<StagePlan>, schema: &mut SchemaBuilder) -> Result<Self, PlanError> {
        static IDENTITIES: AtomicU64 = AtomicU64::new(0);
        let slots = EngineSlots::intern(schema)?;
        let mut numbering = Numbering::default();
        let mut n_pure = 0;
        for node in stages.iter_mut().flat_map(|stage| &mut stage.nodes) {
            if !numbering.number(node, schema, 0) {
                return Err(PlanError::TooDeep {
                    node: Arc::clone(&node.name),
                });
            }
            node.pure = Pure::of(node, &slots, n_pure);
            n_pure += usize::from(node.pure.is_some());
        }
        let indexes = stages
            .iter()
            .map(|stage| StageIndex::new(&stage.nodes, schema))
            .collect();
        let names = stages
            .iter()
            .map(|stage| schema.constant(stage.name.as_bytes()))
            .collect();
        Ok(Self {
            stages,
            names,
            indexes,
            caches: numbering.caches,
            whitelists: Index::new(numbering.expressions, &primary(schema)),
            slots,
            n_nodes: numbering.n_nodes,
            is_indexed: true,
            identity: IDENTITIES.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// The same plan without the index: every node of a stage is looked at. The slow and obvious
    /// path that the index is compared with.
    #[must_use]
    pub fn without_index(mut self) -> Self {
        self.is_indexed = false;
        self
    }

    /// The stages, in order.
    #[must_use]
    pub fn stages(&self) -> &[StagePlan] {
        &self.stages
    }

    /// How many nodes there are, children included.
    #[must_use]
    pub fn n_nodes(&self) -> usize {
        self.n_nodes
    }

    /// Calls `each` with every node, children after their parent, in load order.
    pub fn each_node(&self, each: &mut dyn FnMut(&Node)) {
        self.each_node_of_stage(&mut |_stage, node| each(node));
    }

    /// As [`ParserPlan::each_node`], with the name of the stage.
    pub fn each_node_of_stage(&self, each: &mut dyn FnMut(&str, &Node)) {
        fn walk(stage: &str, node: &Node, each: &mut dyn FnMut(&str, &Node)) {
            each(stage, node);
            for child in &node.children {
                walk(stage, child, each);
            }
        }
        for stage in &self.stages {
            for node in &stage.nodes {
                walk(&stage.name, node, each);
            }
        }
    }

    /// Whether a node remembers something of one line for a later one. Without that, what becomes
    /// of a line does not depend on those before it.
    #[must_use]
    pub fn has_stash(&self) -> bool {
        !self.caches.is_empty()
    }

    pub(crate) fn stage(&self, number: usize) -> Option<(&StagePlan, &StageIndex)> {
        Some((self.stages.get(number)?, self.indexes.get(number)?))
    }

    /// The name of a stage as a constant, if there was room for it.
    pub(crate) fn stage_text(&self, number: usize) -> Option<Span> {
        self.names.get(number).copied().flatten()
    }

    /// Place of a stage by name.
    pub(crate) fn stage_number(&self, name: &[u8]) -> Option<usize> {
        self.stages
            .iter()
            .position(|stage| stage.name.as_bytes() == name)
    }

    pub(crate) fn caches(&self) -> &[CacheSpec] {
        &self.caches
    }

    pub(crate) fn whitelists(&self) -> &Index {
        &self.whitelists
    }

    pub(crate) fn slots(&self) -> &EngineSlots {
        &self.slots
    }

    pub(crate) fn is_indexed(&self) -> bool {
        self.is_indexed
    }

    /// Tells plans apart within the process.
    pub(crate) fn identity(&self) -> u64 {
        self.identity
    }
}

/// The field that alone decides a node's filter, if there is one and the filter is worth more than
/// remembering its answer.
fn input(node: &Node) -> Option<Slot> {
    let filter = node.filter.as_ref()?;
    let reads = filter.reads();
    let [slot] = *reads.slots.as_slice() else {
        return None;
    };
    let reads_more = !reads.texts.is_empty()
        || reads.tree
        || reads.line
        || reads.all
        || reads.meta
        || reads.overflow
        || reads.time
        || reads.variables != 0
        || reads.outside;
    let is_simple = match filter.as_bool_tree()? {
        Bool::And(parts) | Bool::Or(parts) => parts.len() < 2,
        _ => true,
    };
    let acts = reads.effects || reads.can_fail || reads.writes_any || !reads.writes.is_empty();
    (!reads_more && !acts && !is_simple).then_some(slot)
}

fn moves(statics: &[Static], schema: &mut SchemaBuilder) -> Box<[Move]> {
    statics.iter().map(|entry| entry.as_move(schema)).collect()
}

/// Fields that tell which whitelists an event has to do with.
fn primary(schema: &SchemaBuilder) -> Vec<Slot> {
    ["log_type", "service"]
        .iter()
        .filter_map(|name| schema.get(FieldMap::Meta, name))
        .collect()
}

/// Gives nodes, stash entries and expressions of whitelists their numbers.
#[derive(Default)]
struct Numbering {
    n_nodes: usize,
    expressions: Vec<Bool>,
    caches: Vec<CacheSpec>,
    names: HashSet<Arc<str>>,
}

impl Numbering {
    /// Answers whether the node is not too deep.
    fn number(&mut self, node: &mut Node, schema: &mut SchemaBuilder, depth: usize) -> bool {
        if depth >= NODE_DEPTH_MAX {
            return false;
        }
        node.number = self.n_nodes;
        self.n_nodes += 1;
        node.input = input(node);
        node.moves = moves(&node.statics, schema);
        if let Some(grok) = &mut node.grok {
            grok.moves = moves(&grok.statics, schema);
        }
        if let Some(whitelist) = &mut node.whitelist {
            whitelist.first = self.expressions.len();
            let expressions = whitelist.expressions().iter();
            self.expressions
                .extend(expressions.map(Program::to_bool_tree));
        }
        for write in &mut node.stash {
            if self.names.insert(Arc::clone(&write.name)) {
                self.caches.push(CacheSpec {
                    name: Arc::clone(&write.name),
                    size: write.size,
                });
            }
            let known = self.caches.iter().position(|spec| spec.name == write.name);
            write.cache = known.unwrap_or_default();
        }
        node.children
            .iter_mut()
            .all(|child| self.number(child, schema, depth + 1))
    }
}
