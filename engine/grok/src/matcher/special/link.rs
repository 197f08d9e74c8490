//! What nodes can know about each other: first bytes, ends of runs, steps to fuse.

use memchr::memmem::Finder;
use regex_syntax::hir::Look;

use super::build::Builder;
use super::node::{Body, Field, First, NONE, Node, Op, Stop, Word};

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
        Op::Leaf(leaf) => {
            let leaf = &builder.leaves[*leaf as usize];
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
            for branch in branches {
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
            Op::Split(branches) => branches
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
        next: piece,
    } = node(index)?
    else {
        return None;
    };
    let piece = node(*piece)?;
    let body = match &piece.op {
        Op::Leaf(leaf) => Body::Leaf(*leaf),
        Op::Run(run) if run.possessive && run.max == usize::MAX => Body::Run(run.clone()),
        Op::Run(run) if !run.greedy && run.min == 0 && run.max == usize::MAX => {
            if !matches!(run.stop, Stop::Never | Stop::At(b'\n')) {
                return None;
            }
            let text = run.literal.as_ref()?;
            Body::Anything(Box::new(text.clone()))
        }
        _ => return None,
    };
    let end = node(piece.next)?;
    let Op::Save { slot: end_slot, .. } = end.op else {
        return None;
    };
    let literal = node(end.next)?;
    let Op::Word(word) = literal.op else {
        return None;
    };
    (slot % 2 == 0 && end_slot == slot + 1).then_some(Field {
        slot: *slot,
        undo: *undo,
        body,
        word,
        next: literal.next,
        slow: index,
    })
}
