//! What the evaluator runs: the tree with every name resolved and every constant ready.
//!
//! Depth is bounded by the parser ([`crate::ast::DEPTH_MAX`]), so the evaluator may recurse.

mod reads;

use std::sync::Arc;

use overspill_event::{Slot, TextField};

use crate::boolean::StringSet;
use crate::builtins::Builtin;
use crate::calls::Helper;
use crate::regex::Regex;
use crate::value::{Bytes, Part, Value};

pub(crate) use reads::reads_of;

/// One operation and where it stands in the text.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) code: Code,
    /// First byte in the text and the byte after the last.
    pub(crate) span: (u32, u32),
    /// Whether it can end with an error.
    pub(crate) can_fail: bool,
}

/// What an operation is.
#[derive(Clone)]
pub(crate) enum Code {
    Const(Value),
    /// A field of `evt`.
    Slot(Slot),
    /// A text of `evt`.
    Text(TextField),
    /// Another plain field of `evt`.
    Plain(PlainField),
    /// A part of `evt`.
    Part(Part),
    /// `evt.Overflow`.
    Overflow,
    /// `'x' in evt.Meta`.
    HasField(Slot),
    /// `evt.Unmarshaled.key`.
    TreeKey(Box<[u8]>),
    /// `evt.Meta`, `evt.Parsed` by a method.
    SetField(Slot, Box<Node>),
    EventCall(EventMethod, Box<[Node]>),
    /// A variable besides `evt`.
    Var(usize),
    Local(usize),
    Element,
    ElementIndex,
    Accumulator,
    Not(Box<Node>),
    Negate(Box<Node>),
    Identity(Box<Node>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    /// Equality, or its opposite when the flag is set.
    Equal(bool, Box<[Node; 2]>),
    Compare(Comparison, Box<[Node; 2]>),
    TextTest(TextTest, Box<[Node; 2]>),
    Matches(Box<Node>, Arc<Regex>),
    MatchesComputed(Box<[Node; 2]>),
    In(Box<[Node; 2]>),
    InStrings(Box<Node>, StringSet),
    InRange(Box<Node>, i64, i64),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    /// `+` of two or more.
    Sum(Box<[Node]>),
    /// `+` of two or more that are strings for certain.
    Concat(Box<[Node]>),
    Range(Box<[Node; 2]>),
    Cond(Box<[Node; 3]>),
    Coalesce(Box<[Node; 2]>),
    Let(usize, Box<[Node; 2]>),
    Seq(Box<[Node]>),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
    Chain(Box<Chain>),
    Helper(&'static Helper, Box<[Node]>),
    Builtin(&'static Builtin, Box<[Node]>),
    Loop(Box<Loop>),
    /// Compiles, but always fails.
    Fail(&'static str),
}

/// A base and the steps from it.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) base: Node,
    pub(crate) steps: Box<[Step]>,
}

/// One step of a chain.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    /// A nil before this step ends the chain with nil.
    pub(crate) is_optional: bool,
}

/// What a step does.
#[derive(Clone)]
pub(crate) enum StepKind {
    /// A field or key by a constant name.
    Member(Bytes),
    /// A field of an event by slot.
    Field(Slot),
    Index(Node),
    Slice(Option<Node>, Option<Node>),
    Method(Box<str>, Box<[Node]>),
}

/// Fields of `evt` that are no texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainField {
    Type,
    ExpectMode,
    Whitelisted,
    Process,
    Time,
    LineTime,
    LineProcess,
}

/// Methods of `evt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventMethod {
    SetMeta,
    SetParsed,
    GetMeta,
    GetType,
    ParseIpSources,
}

/// Order tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Lt,
    Gt,
    Le,
    Ge,
}

/// Tests of a text for a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// Arithmetic besides `+`, and `+` of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
}

/// A builtin that evaluates something for each element.
#[derive(Clone)]
pub(crate) struct Loop {
    pub(crate) kind: LoopKind,
    pub(crate) list: Node,
    /// Evaluated for each element; some builtins do without.
    pub(crate) body: Option<Node>,
    /// The initial value of `reduce`, the order of `sortBy`.
    pub(crate) extra: Option<Node>,
    /// It asks whether an address is in a range of a file: `any(File('f'), IpInRange(a, #))`.
    pub(crate) in_ranges: Option<InRanges>,
}

/// A file of ranges and an address that is sought there.
#[derive(Clone)]
pub(crate) struct InRanges {
    pub(crate) file: Arc<str>,
    pub(crate) address: Node,
}

/// Which builtin a loop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Any,
    None,
    One,
    Filter,
    Map,
    Find {
        is_last: bool,
    },
    /// `filter(...)[0]` and `filter(...)[-1]`: as `Find`, but nothing found is an error.
    MustFind {
        is_last: bool,
    },
    FindIndex {
        is_last: bool,
    },
    /// Counts up to the limit and stops there.
    Count {
        limit: u64,
    },
    Sum,
    Reduce,
    GroupBy,
    SortBy,
}

impl Node {
    /// The text the node was made of.
    pub(crate) fn source<'t>(&self, text: &'t str) -> &'t str {
        let start = usize::try_from(self.span.0).unwrap_or(usize::MAX);
        let end = usize::try_from(self.span.1).unwrap_or(usize::MAX);
        text.get(start..end).unwrap_or_default()
    }

    /// The constant, if it is one.
    pub(crate) fn constant(&self) -> Option<&Value> {
        match &self.code {
            Code::Const(value) => Some(value),
            _ => None,
        }
    }

    /// The constant string, if it is one.
    pub(crate) fn constant_str(&self) -> Option<&Bytes> {
        match self.constant() {
            Some(Value::Str(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The constant boolean, if it is one.
    pub(crate) fn constant_bool(&self) -> Option<bool> {
        match self.constant() {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// All direct children.
    pub(crate) fn children(&self) -> Vec<&Node> {
        match &self.code {
            Code::Const(_)
            | Code::Slot(_)
            | Code::Text(_)
            | Code::Plain(_)
            | Code::Part(_)
            | Code::Overflow
            | Code::HasField(_)
            | Code::TreeKey(_)
            | Code::Var(_)
            | Code::Local(_)
            | Code::Element
            | Code::ElementIndex
            | Code::Accumulator
            | Code::Fail(_) => Vec::new(),
            Code::SetField(_, one)
            | Code::Not(one)
            | Code::Negate(one)
            | Code::Identity(one)
            | Code::Matches(one, _)
            | Code::InStrings(one, _)
            | Code::InRange(one, ..) => vec![one],
            Code::Equal(_, two)
            | Code::Compare(_, two)
            | Code::TextTest(_, two)
            | Code::MatchesComputed(two)
            | Code::In(two)
            | Code::Arithmetic(_, two)
            | Code::Range(two)
            | Code::Coalesce(two)
            | Code::Let(_, two) => two.iter().collect(),
            Code::Cond(three) => three.iter().collect(),
            Code::And(items)
            | Code::Or(items)
            | Code::Sum(items)
            | Code::Concat(items)
            | Code::Seq(items)
            | Code::List(items)
            | Code::EventCall(_, items)
            | Code::Helper(_, items)
            | Code::Builtin(_, items) => items.iter().collect(),
            Code::Map(entries) => entries
                .iter()
                .flat_map(|(key, value)| [key, value])
                .collect(),
            Code::Chain(chain) => {
                let mut children = vec![&chain.base];
                for step in &chain.steps {
                    match &step.kind {
                        StepKind::Member(_) | StepKind::Field(_) => {}
                        StepKind::Index(index) => children.push(index),
                        StepKind::Slice(from, to) => children.extend(from.iter().chain(to)),
                        StepKind::Method(_, args) => children.extend(args),
                    }
                }
                children
            }
            Code::Loop(one) => [Some(&one.list), one.body.as_ref(), one.extra.as_ref()]
                .into_iter()
                .flatten()
                .collect(),
        }
    }
}
