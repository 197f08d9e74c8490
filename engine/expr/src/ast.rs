//! What the parser makes of a text.
//!
//! Chains of `and`, `or` and `+` are flat lists and postfix chains are one node, so that depth
//! grows with nesting and not with length; [`DEPTH_MAX`] bounds it, and with it every recursion
//! over a tree in this crate.

use crate::value::Bytes;

/// Deepest tree that is accepted. The deepest of the hub has a depth below 20.
pub(crate) const DEPTH_MAX: u16 = 200;

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ast {
    pub(crate) kind: Kind,
    /// First byte in the text.
    pub(crate) start: usize,
    /// Byte after the last.
    pub(crate) end: usize,
    /// Levels below and including this node.
    pub(crate) depth: u16,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Bytes),
    ByteStr(Bytes),
    /// A variable.
    Name(Box<str>),
    /// `#`.
    Element,
    /// `#index`.
    ElementIndex,
    /// `#acc`.
    Accumulator,
    Unary(Unary, Box<Ast>),
    Binary(Binary, Box<[Ast; 2]>),
    /// `and` (true) or `or` (false) of at least two.
    Logic(bool, Vec<Ast>),
    /// `+` of at least two, from the left.
    Sum(Vec<Ast>),
    /// Condition, then, else.
    Cond(Box<[Ast; 3]>),
    Chain(Box<Ast>, Vec<Step>),
    /// A function by name.
    Call {
        name: Box<str>,
        args: Vec<Ast>,
        /// `::name(...)`: the builtin even when a helper has its name.
        is_builtin: bool,
    },
    /// An argument that is evaluated for each element.
    Predicate(Box<Ast>),
    Let {
        name: Box<str>,
        value: Box<Ast>,
        body: Box<Ast>,
    },
    Seq(Vec<Ast>),
    List(Vec<Ast>),
    Map(Vec<(Ast, Ast)>),
}

/// Operators with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unary {
    Not,
    Minus,
    Plus,
}

/// Operators with two operands that are not flattened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
    Coalesce,
}

/// One step of a postfix chain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    /// Written with `?.`.
    pub(crate) is_optional: bool,
    /// Byte after the step's last.
    pub(crate) end: usize,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StepKind {
    Member(Box<str>),
    Method(Box<str>, Vec<Ast>),
    Index(Ast),
    Slice(Option<Ast>, Option<Ast>),
}

impl Ast {
    /// All direct children.
    pub(crate) fn children(&self) -> Vec<&Ast> {
        match &self.kind {
            Kind::Nil
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Float(_)
            | Kind::Str(_)
            | Kind::ByteStr(_)
            | Kind::Name(_)
            | Kind::Element
            | Kind::ElementIndex
            | Kind::Accumulator => Vec::new(),
            Kind::Unary(_, inner) | Kind::Predicate(inner) => vec![inner],
            Kind::Binary(_, sides) => sides.iter().collect(),
            Kind::Cond(parts) => parts.iter().collect(),
            Kind::Logic(_, items) | Kind::Sum(items) | Kind::Seq(items) | Kind::List(items) => {
                items.iter().collect()
            }
            Kind::Call { args, .. } => args.iter().collect(),
            Kind::Let { value, body, .. } => vec![value, body],
            Kind::Map(entries) => entries
                .iter()
                .flat_map(|(key, value)| [key, value])
                .collect(),
            Kind::Chain(base, steps) => {
                let mut children = vec![&**base];
                for step in steps {
                    match &step.kind {
                        StepKind::Member(_) => {}
                        StepKind::Method(_, args) => children.extend(args),
                        StepKind::Index(index) => children.push(index),
                        StepKind::Slice(from, to) => children.extend(from.iter().chain(to)),
                    }
                }
                children
            }
        }
    }

    /// How many nodes the tree has.
    pub(crate) fn count(&self) -> usize {
        1 + self.children().into_iter().map(Self::count).sum::<usize>()
    }
}
