//! What nodes can know about each other: first bytes, ends of runs, steps to fuse.

use std::sync::Arc;

use memchr::memmem::Finder;
use regex_syntax::hir::Look;

use super::build::Builder;
use super::leaf::Leaf;
use super::node::{Body, Field, First, NONE, Node, Op, Stop, Way, Word};
use super::tail::Tail;

/// Tails of a pattern that can use each other's answers.
const SHARED_LIMIT: usize = 64;

/// Computes with what the rest of the pattern can begin, for each node.
///
/// Loops make this a fixed point; sets only grow, so it ends, and most patterns take two rounds.
pub(super) fn firsts(builder: &Builder) -> Vec<First> {
    let mut firsts = vec![First::default(); builder.nodes.len()];
    loop {
        let mut changed = false;
        for index in 0..builder.nodes.len() {
            let first = first(builder, &firsts, index);
            if firsts[index] != first {
                firsts[index] = first;
                changed = true;
            }
        }
        if !changed {
            return firsts;
        }
    }
}

fn first(builder: &Builder, firsts: &[First], index: usize) -> First {
    let node = &builder.nodes[index];
    let next = || firsts.get(node.next as usize).copied().unwrap_or_default();
    let mut first = First::default();
    match &node.op {
        Op::Match => {
            first.any = true;
            first.end = true;
        }
        Op::Literal(text) => {
            if let Some(byte) = text.first() {
                first.bytes.insert(*byte);
            }
        }
        Op::Run(run) => {
            (0..=0xFFu8)
                .filter(|byte| run.table[usize::from(*byte)])
                .for_each(|byte| first.bytes.insert(byte));
            if run.min == 0 {
                first.extend(&next());
            }
        }
        Op::Leaf(piece) => {
            let leaf = &builder.leaves[piece.leaf as usize];
            first.bytes = leaf.first;
            let next = next();
            if leaf.nullable {
                first.bytes.extend(&next.bytes);
                first.any |= next.any;
            }
            first.end = leaf.end_ok && next.end;
        }
        Op::Look(Look::End) => first.end = next().end,
        Op::Save { .. } | Op::Look(_) => first = next(),
        Op::Split(branches) => {
            for branch in &branches.branches {
                first.extend(&firsts[*branch as usize]);
            }
        }
        Op::Word(_) | Op::Field(_) => {}
    }
    first
}

/// Tells each run how it can end.
pub(super) fn finish_runs(nodes: &mut [Node], firsts: &[First]) {
    for index in 0..nodes.len() {
        let next = nodes[index].next;
        let literal = literal_at(nodes, next);
        let at_end = ends_there(nodes, next);
        let Some(Node {
            op: Op::Run(run), ..
        }) = nodes.get_mut(index)
        else {
            continue;
        };
        let follow = &firsts[next as usize];
        let apart = !follow.any
            && (0..=0xFFu8).all(|b| !(run.table[usize::from(b)] && follow.bytes.contains(b)));
        run.possessive = apart || run.min == run.max;
        run.to_end = run.greedy && at_end;
        run.literal = literal.map(|text| Finder::new(&text).into_owned());
        run.follow = (!follow.any).then(|| follow.bytes.single()).flatten();
    }
}

/// The literal that must come next, behind any saves.
pub(super) fn literal_at(nodes: &[Node], mut at: u32) -> Option<Box<[u8]>> {
    loop {
        match nodes.get(at as usize) {
            Some(Node {
                op: Op::Save { .. },
                next,
            }) => at = *next,
            Some(Node {
                op: Op::Literal(text),
                ..
            }) => return Some(text.clone()),
            _ => return None,
        }
    }
}

/// Only saves and the end of the subject stand before the end of the pattern.
fn ends_there(nodes: &[Node], mut at: u32) -> bool {
    loop {
        match nodes.get(at as usize) {
            Some(Node {
                op: Op::Save { .. } | Op::Look(Look::End),
                next,
            }) => at = *next,
            Some(Node { op: Op::Match, .. }) => return true,
            _ => return false,
        }
    }
}

/// Literals of up to eight bytes are compared as one word.
pub(super) fn shorten_literals(nodes: &mut [Node]) {
    for node in nodes {
        if let Op::Literal(text) = &node.op
            && let Some(word) = Word::new(text)
        {
            node.op = Op::Word(word);
        }
    }
}

/// Puts "save, piece, save, short literal" into one node and leads all ways there; the separate
/// nodes stay, for when the shortcut does not decide. Gives the new index of `start`.
pub(super) fn fuse(nodes: &mut Vec<Node>, firsts: &mut Vec<First>, start: u32) -> u32 {
    let count = nodes.len();
    let mut moved: Vec<u32> = (0..count as u32).collect();
    for index in 0..count {
        let Some(field) = field(nodes, index as u32) else {
            continue;
        };
        moved[index] = nodes.len() as u32;
        nodes.push(Node {
            op: Op::Field(Box::new(field)),
            next: NONE,
        });
        firsts.push(firsts[index]);
    }
    let place = |at: u32| moved.get(at as usize).copied().unwrap_or(at);
    for node in nodes.iter_mut() {
        node.next = place(node.next);
        match &mut node.op {
            Op::Split(split) => split
                .branches
                .iter_mut()
                .for_each(|branch| *branch = place(*branch)),
            Op::Field(field) => field.next = place(field.next),
            _ => {}
        }
    }
    place(start)
}

fn field(nodes: &[Node], index: u32) -> Option<Field> {
    let node = |at: u32| nodes.get(at as usize);
    let Node {
        op: Op::Save { slot, undo },
        next: place,
    } = node(index)?
    else {
        return None;
    };
    let piece = node(*place)?;
    let Node {
        op: Op::Save { slot: end_slot, .. },
        next: after,
    } = node(piece.next)?
    else {
        return None;
    };
    let word = match node(*after)? {
        Node {
            op: Op::Word(word),
            next,
        } => Some((*word, *next)),
        _ => None,
    };
    let body = match &piece.op {
        Op::Leaf(leaf) if leaf.way != Way::All => Body::Leaf(*leaf),
        Op::Run(run) if (run.possessive || run.to_end) && run.max == usize::MAX => {
            Body::Run(run.clone())
        }
        Op::Run(run) if !run.greedy && run.min == 0 && run.max == usize::MAX => {
            if !matches!(run.stop, Stop::Never | Stop::At(b'\n')) || word.is_none() {
                return None;
            }
            let text = run.literal.as_ref()?;
            Body::Anything(Box::new(text.clone()))
        }
        _ => return None,
    };
    (slot % 2 == 0 && *end_slot == slot + 1).then_some(Field {
        group: *slot / 2,
        undo: *undo,
        body,
        word: word.map(|(word, _)| word),
        next: word.map_or(*after, |(_, next)| next),
        slow: index,
        piece: *place,
        behind: piece.next,
    })
}

/// A leaf with what follows it in some place of the pattern.
#[derive(Debug)]
pub(super) struct Tailed {
    pub(super) tail: Arc<Tail>,
    pub(super) leaf: u32,
    pub(super) repeats: bool,
    /// The tails of the same leaf, by number, whose answer serves here as well: all that can
    /// follow here can follow there.
    pub(super) served_by: u64,
    /// There is another tail of the leaf, or the leaf stands in several places.
    pub(super) is_shared: bool,
    follow: First,
}

/// Decides for each leaf how its end is found.
pub(super) fn tails(nodes: &mut [Node], leaves: &[Arc<Leaf>], firsts: &[First]) -> Vec<Tailed> {
    let never_fails = never_fail(nodes);
    let mut tails: Vec<Tailed> = Vec::new();
    for node in nodes.iter_mut() {
        let Op::Leaf(piece) = &mut node.op else {
            continue;
        };
        if never_fails.get(node.next as usize) == Some(&true) {
            piece.way = Way::Preferred;
            continue;
        }
        let (Some(follow), Some(leaf)) = (
            firsts.get(node.next as usize),
            leaves.get(piece.leaf as usize),
        ) else {
            continue;
        };
        let mut same_leaf = tails.iter_mut().filter(|tail| tail.leaf == piece.leaf);
        if let Some(tail) = same_leaf.find(|tail| tail.follow == *follow) {
            tail.is_shared = true;
        } else if let Some(tail) = leaf.tail(follow) {
            tails.push(Tailed {
                tail,
                leaf: piece.leaf,
                repeats: leaf.repeats,
                served_by: 0,
                is_shared: false,
                follow: *follow,
            });
        } else {
            continue;
        }
        let known = |tail: &Tailed| tail.leaf == piece.leaf && tail.follow == *follow;
        if let Some(number) = tails.iter().position(known) {
            piece.way = Way::Tail(number as u32);
        }
    }
    for index in 0..tails.len() {
        let (leaf, follow) = (tails[index].leaf, tails[index].follow);
        let mut served_by = 0;
        let mut is_shared = tails[index].is_shared;
        for (number, other) in tails.iter().enumerate().take(SHARED_LIMIT) {
            if other.leaf == leaf && other.follow.includes(&follow) {
                served_by |= 1 << number;
            }
            is_shared |= other.leaf == leaf && number != index;
        }
        tails[index].served_by = served_by;
        tails[index].is_shared = is_shared;
    }
    tails
}

/// For each node, whether the rest of the pattern from there on matches any text. Where a loop
/// would have to be followed the answer is no.
fn never_fail(nodes: &[Node]) -> Vec<bool> {
    let mut never = vec![false; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        // Nodes are made from the back.
        let is_next = |next: u32| (next as usize) < index && never[next as usize];
        never[index] = match &node.op {
            Op::Match => true,
            Op::Save { .. } => is_next(node.next),
            Op::Run(run) => run.min == 0 && is_next(node.next),
            Op::Split(split) => split.branches.iter().any(|branch| is_next(*branch)),
            _ => false,
        };
    }
    never
}

/// Lets each split know its branches.
pub(super) fn finish_splits(nodes: &mut [Node], firsts: &[First]) {
    for node in nodes {
        if let Op::Split(split) = &mut node.op {
            split.note_firsts(firsts);
        }
    }
}
