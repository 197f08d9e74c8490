//! From a regex tree to nodes.
//!
//! The skeleton of captures becomes nodes; whatever lies between and holds no capture becomes a
//! literal, a run of one class or a leaf. Nodes are made from the back, so each knows what follows.

use std::sync::Arc;

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::byteset::ByteClass;
use super::leaf::Leaf;
use super::node::{NONE, Node, Op, Piece, Run, Split, Stop, Way};

/// Patterns with more nodes are left to the regex engine.
const NODE_LIMIT: usize = 20_000;

/// Different leaves, and leaves too large, that one pattern may have before it is left to the
/// regex engine.
const LEAF_LIMIT: usize = 200;
const REFUSED_LIMIT: usize = 8;

/// Captures repeated a fixed number of times are unrolled up to this many copies.
const UNROLL_LIMIT: u32 = 8;

/// A class with more ASCII members than this makes an endless repetition a run of its own, not
/// part of a leaf: it would run past the window.
const WIDE: u32 = 90;

/// The pattern has a shape that is not specialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit;

pub(super) struct Builder {
    pub(super) nodes: Vec<Node>,
    pub(super) leaves: Vec<Arc<Leaf>>,
    /// The bytes of text with other than ASCII characters would mislead a run.
    pub(super) ascii_only: bool,
    /// Some group or repetition is optional at this depth.
    optional: usize,
    /// Leaves whose automaton turned out too large.
    refused: usize,
}

impl Builder {
    /// Builds the nodes of a tree; gives them and the index of the first.
    pub(super) fn build(hir: &Hir) -> Result<(Builder, u32), Unfit> {
        let mut builder = Builder {
            nodes: Vec::new(),
            leaves: Vec::new(),
            ascii_only: false,
            optional: 0,
            refused: 0,
        };
        let end = builder.add(Op::Match, NONE)?;
        let start = builder.node(hir, end)?;
        Ok((builder, start))
    }

    fn add(&mut self, op: Op, next: u32) -> Result<u32, Unfit> {
        if self.nodes.len() >= NODE_LIMIT {
            return Err(Unfit);
        }
        self.nodes.push(Node { op, next });
        Ok(self.nodes.len() as u32 - 1)
    }

    /// The node that matches the tree and goes on with `next`.
    fn node(&mut self, hir: &Hir, next: u32) -> Result<u32, Unfit> {
        let whole = !has_captures(hir) && !is_simple(hir) && !has_wide_run(hir);
        if whole && let Some(node) = self.leaf(hir, next)? {
            return Ok(node);
        }
        match hir.kind() {
            HirKind::Empty => Ok(next),
            HirKind::Literal(literal) => self.add(Op::Literal(literal.0.clone()), next),
            HirKind::Class(class) => self.run(class, 1, Some(1), true, next),
            HirKind::Look(look) => self.look(*look, next),
            HirKind::Capture(group) => {
                let slot = 2 * (group.index - 1);
                let undo = self.optional > 0;
                let end = self.add(
                    Op::Save {
                        slot: slot + 1,
                        undo,
                    },
                    next,
                )?;
                let body = self.node(&group.sub, end)?;
                self.add(Op::Save { slot, undo }, body)
            }
            HirKind::Concat(parts) => self.concat(parts, next),
            HirKind::Alternation(branches) => {
                self.optional += 1;
                let branches: Result<Vec<u32>, Unfit> = branches
                    .iter()
                    .map(|branch| self.node(branch, next))
                    .collect();
                self.optional -= 1;
                self.add(Op::Split(Split::new(branches?)), NONE)
            }
            HirKind::Repetition(repetition) => self.repetition(repetition, next),
        }
    }

    fn look(&mut self, look: Look, next: u32) -> Result<u32, Unfit> {
        match look {
            Look::Start
            | Look::End
            | Look::StartLF
            | Look::EndLF
            | Look::WordAscii
            | Look::WordAsciiNegate => self.add(Op::Look(look), next),
            _ => Err(Unfit),
        }
    }

    /// A leaf, unless its automaton is too large.
    fn leaf(&mut self, hir: &Hir, next: u32) -> Result<Option<u32>, Unfit> {
        // Automata take time to build, above all those that then are too large.
        if self.leaves.len() >= LEAF_LIMIT || self.refused >= REFUSED_LIMIT {
            return Err(Unfit);
        }
        let Some(leaf) = Leaf::new(hir) else {
            self.refused += 1;
            return Ok(None);
        };
        let known = self
            .leaves
            .iter()
            .position(|other| Arc::ptr_eq(other, &leaf));
        let index = known.unwrap_or_else(|| {
            self.leaves.push(leaf);
            self.leaves.len() - 1
        });
        let piece = Piece {
            leaf: index as u32,
            way: Way::All,
        };
        self.add(Op::Leaf(piece), next).map(Some)
    }

    fn run(
        &mut self,
        class: &Class,
        min: u32,
        max: Option<u32>,
        greedy: bool,
        next: u32,
    ) -> Result<u32, Unfit> {
        let class = ByteClass::new(class).ok_or(Unfit)?;
        // Bytes say the same as characters only if all others are alike and none are counted.
        let counted = min > 1 || max.is_some();
        self.ascii_only |= class.wide && (!class.exact || counted);
        let mut outside = (0..=0xFF).filter(|byte| !class.set.contains(*byte));
        let stop = match (outside.next(), outside.next(), outside.next()) {
            (None, ..) => Stop::Never,
            (Some(byte), None, _) => Stop::At(byte),
            (Some(one), Some(two), None) => Stop::AtTwo(one, two),
            _ => Stop::Table,
        };
        let run = Run {
            table: Box::new(class.set.table()),
            min: min as usize,
            max: max.map_or(usize::MAX, |max| max as usize),
            greedy,
            possessive: false,
            to_end: false,
            stop,
            literal: None,
            follow: None,
        };
        self.add(Op::Run(Box::new(run)), next)
    }

    /// Neighbours without captures are put into one leaf, less the simple ones at its edges.
    fn concat(&mut self, parts: &[Hir], next: u32) -> Result<u32, Unfit> {
        let mut next = next;
        let mut end = parts.len();
        while end > 0 {
            let plain = |part: &&Hir| !has_captures(part) && !has_wide_run(part);
            let stretch = parts[..end].iter().rev().take_while(plain).count();
            if stretch == 0 {
                next = self.node(&parts[end - 1], next)?;
                end -= 1;
                continue;
            }
            let group = &parts[end - stretch..end];
            let lead = group.iter().take_while(|part| is_simple(part)).count();
            let trail = group[lead..]
                .iter()
                .rev()
                .take_while(|part| is_simple(part))
                .count();
            let core = &group[lead..group.len() - trail];
            next = self.each(&group[lead + core.len()..], next)?;
            if core.len() == 1 {
                next = self.node(&core[0], next)?;
            } else if !core.is_empty() {
                next = match self.leaf(&Hir::concat(core.to_vec()), next)? {
                    Some(leaf) => leaf,
                    None => self.each(core, next)?,
                };
            }
            next = self.each(&group[..lead], next)?;
            end -= stretch;
        }
        Ok(next)
    }

    fn each(&mut self, parts: &[Hir], next: u32) -> Result<u32, Unfit> {
        parts
            .iter()
            .rev()
            .try_fold(next, |next, part| self.node(part, next))
    }

    fn repetition(&mut self, repetition: &Repetition, next: u32) -> Result<u32, Unfit> {
        if let HirKind::Class(class) = repetition.sub.kind() {
            return self.run(
                class,
                repetition.min,
                repetition.max,
                repetition.greedy,
                next,
            );
        }
        let order = |body: u32, next: u32| {
            Split::new(if repetition.greedy {
                vec![body, next]
            } else {
                vec![next, body]
            })
        };
        self.optional += 1;
        let node = match (repetition.min, repetition.max) {
            (0, Some(1)) => {
                let body = self.node(&repetition.sub, next)?;
                self.add(Op::Split(order(body, next)), NONE)
            }
            (min @ (0 | 1), None) => {
                // A body that may be empty would loop in place.
                if repetition.sub.properties().minimum_len().unwrap_or(0) == 0 {
                    return Err(Unfit);
                }
                let again = self.add(Op::Split(Split::default()), NONE)?;
                let body = self.node(&repetition.sub, again)?;
                if let Some(node) = self.nodes.get_mut(again as usize) {
                    node.op = Op::Split(order(body, next));
                }
                Ok(if min == 0 { again } else { body })
            }
            (min, Some(max)) if min == max && max <= UNROLL_LIMIT => {
                (0..max).try_fold(next, |next, _| self.node(&repetition.sub, next))
            }
            _ => Err(Unfit),
        };
        self.optional -= 1;
        node
    }
}

fn has_captures(hir: &Hir) -> bool {
    hir.properties().explicit_captures_len() > 0
}

/// A node of its own is at least as good as a leaf.
fn is_simple(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => true,
        HirKind::Repetition(repetition) => matches!(repetition.sub.kind(), HirKind::Class(_)),
        _ => false,
    }
}

fn has_wide_run(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            let endless = repetition.max.is_none();
            if let HirKind::Class(class) = repetition.sub.kind() {
                return endless && ByteClass::new(class).is_some_and(|c| c.set.ascii_len() > WIDE);
            }
            has_wide_run(&repetition.sub)
        }
        HirKind::Concat(parts) => parts.iter().any(has_wide_run),
        HirKind::Capture(group) => has_wide_run(&group.sub),
        _ => false,
    }
}
