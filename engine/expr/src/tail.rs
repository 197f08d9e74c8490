//! Conditions that ask for the last few of a bucket's events.
//!
//! Conditions like
//!
//! ```text
//! let failed = filter(queue.Queue, {#.Meta.log_type == 'x'});
//! len(failed) >= 4 && MedianInterval(map(failed[-4:], {#.Time})) > duration('10m')
//! ```
//!
//! look at the whole queue at every pour, and need no more of it than the last four events of a
//! kind. Whoever evaluates such a condition may leave the others out: the result is the same, and
//! its cost no longer grows with the queue, which an attacker fills.

use std::sync::Arc;

use overspill_event::Event;
use overspill_exprlib::interval;
use overspill_golike::{duration, time::Time};

use crate::boolean::Bool;
use crate::code::{Chain, Code, Comparison, LoopKind, Node, StepKind};
use crate::services::Services;
use crate::value::Value;

/// Most events that are worth looking for from the end.
const LIMIT_MAX: usize = 64;
/// Place of the queue among the variables.
const QUEUE: usize = 0;

/// Which events of the queue a condition depends on.
#[derive(Debug, Clone)]
pub struct Tail {
    predicate: Arc<Bool>,
    limit: usize,
    /// With fewer events the condition does not hold.
    least: usize,
    /// All that the condition asks of as many events.
    spacing: Option<Spacing>,
}

/// A comparison of how far apart the last events are, as in the example above.
#[derive(Debug, Clone, Copy)]
struct Spacing {
    interval_ns: fn(&[Time]) -> Result<i64, interval::TooFewTimes>,
    n_events: usize,
    comparison: Comparison,
    bound_ns: i64,
}

impl Tail {
    /// How many events, the last ones of the kind, are enough.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether an event is of the kind.
    #[must_use]
    pub fn counts(&self, event: &Event, services: &Services) -> bool {
        holds(&self.predicate, event, services)
    }

    /// What the condition says of the last events of the kind, oldest first: [`Tail::limit`] of
    /// them, or as many as there are. `None` when that takes an evaluation.
    #[must_use]
    pub fn decide(&self, last: &[Arc<Event>]) -> Option<bool> {
        if last.len() < self.least {
            return Some(false);
        }
        let spacing = self.spacing?;
        let from = last.len().saturating_sub(spacing.n_events);
        let times: Vec<Time> = last[from..].iter().map(|event| event.time).collect();
        let interval_ns = (spacing.interval_ns)(&times).ok()?;
        Some(match spacing.comparison {
            Comparison::Lt => interval_ns < spacing.bound_ns,
            Comparison::Le => interval_ns <= spacing.bound_ns,
            Comparison::Gt => interval_ns > spacing.bound_ns,
            Comparison::Ge => interval_ns >= spacing.bound_ns,
        })
    }

    /// What a condition depends on, if it is of the form above. `boolean` finds the tests in the
    /// body of the filter, once that speaks of `evt`.
    pub(crate) fn of(root: &Node, boolean: impl Fn(&Node) -> Option<Bool>) -> Option<Self> {
        let Code::Let(number, parts) = &root.code else {
            return None;
        };
        let [value, body] = &**parts;
        let Code::Loop(one) = &value.code else {
            return None;
        };
        let is_plain = one.kind == LoopKind::Filter && one.extra.is_none() && is_queue(&one.list);
        if !is_plain || n_queues(root) != 1 {
            return None;
        }
        let predicate = boolean(&of_event(one.body.as_ref()?)?)?;
        let limit = needed(body, *number)?;
        (is_tests(&predicate) && limit <= LIMIT_MAX).then(|| Self {
            predicate: Arc::new(predicate),
            limit,
            least: least(body, *number),
            spacing: spacing(body, *number),
        })
    }
}

fn is_queue(node: &Node) -> bool {
    match &node.code {
        Code::Chain(chain) => {
            let is_member = |kind: &StepKind| match kind {
                StepKind::Member(name) => **name == *b"Queue",
                _ => false,
            };
            matches!(chain.base.code, Code::Var(QUEUE))
                && matches!(&*chain.steps, [step] if is_member(&step.kind))
        }
        _ => false,
    }
}

fn n_queues(node: &Node) -> usize {
    let own = usize::from(matches!(node.code, Code::Var(QUEUE)));
    own + node.children().into_iter().map(n_queues).sum::<usize>()
}

/// The body of a loop over events, speaking of `evt` instead of the element.
fn of_event(node: &Node) -> Option<Node> {
    let with = |code: Code| {
        Some(Node {
            code,
            ..node.clone()
        })
    };
    let all = |items: &[Node]| items.iter().map(of_event).collect::<Option<Vec<Node>>>();
    match &node.code {
        Code::Const(_) => Some(node.clone()),
        Code::Chain(chain) => match (&chain.base.code, &*chain.steps) {
            (Code::Element, [step]) => match &step.kind {
                StepKind::Field(slot) => with(Code::Slot(*slot)),
                _ => None,
            },
            _ => None,
        },
        Code::And(items) => with(Code::And(all(items)?.into())),
        Code::Or(items) => with(Code::Or(all(items)?.into())),
        Code::Not(inner) => with(Code::Not(Box::new(of_event(inner)?))),
        Code::Equal(is_negated, sides) => {
            let sides = [of_event(&sides[0])?, of_event(&sides[1])?];
            with(Code::Equal(*is_negated, Box::new(sides)))
        }
        Code::InStrings(inner, set) => {
            with(Code::InStrings(Box::new(of_event(inner)?), set.clone()))
        }
        Code::TextTest(kind, sides) => {
            let sides = [of_event(&sides[0])?, of_event(&sides[1])?];
            with(Code::TextTest(*kind, Box::new(sides)))
        }
        _ => None,
    }
}

/// Whether a tree is of tests only, which neither fail nor change anything.
fn is_tests(tree: &Bool) -> bool {
    match tree {
        Bool::Const(_) | Bool::Str(_) => true,
        Bool::And(items) | Bool::Or(items) => items.iter().all(is_tests),
        Bool::Not(inner) => is_tests(inner),
        Bool::Dyn(_) => false,
    }
}

fn holds(tree: &Bool, event: &Event, services: &Services) -> bool {
    match tree {
        Bool::Const(value) => *value,
        Bool::Str(test) => test.holds(event, services),
        Bool::And(items) => items.iter().all(|item| holds(item, event, services)),
        Bool::Or(items) => items.iter().any(|item| holds(item, event, services)),
        Bool::Not(inner) => !holds(inner, event, services),
        // There is none ([`is_tests`]).
        Bool::Dyn(_) => true,
    }
}

/// How many elements from the end of the list that variable `number` holds decide what a node
/// gives; `None` when it may ask for more than that tells.
fn needed(node: &Node, number: usize) -> Option<usize> {
    match &node.code {
        Code::Local(other) if *other == number => return None,
        // How the length compares with `n` is decided by whether there are `n`, or one more.
        Code::Compare(comparison, sides) if is_length(&sides[0], number) => {
            let n = constant(&sides[1])?;
            return match comparison {
                Comparison::Ge | Comparison::Lt => Some(n),
                Comparison::Gt | Comparison::Le => n.checked_add(1),
            };
        }
        Code::Equal(_, sides) if is_length(&sides[0], number) => {
            return constant(&sides[1])?.checked_add(1);
        }
        Code::Chain(chain) if is_local(&chain.base, number) => return needed_by_chain(chain),
        _ => {}
    }
    let mut most = 0;
    for child in node.children() {
        most = most.max(needed(child, number)?);
    }
    Some(most)
}

/// `list[-n:]`, and nothing after it.
fn needed_by_chain(chain: &Chain) -> Option<usize> {
    let [step] = &*chain.steps else { return None };
    match &step.kind {
        StepKind::Slice(Some(from), None) => match from.constant()? {
            Value::Int(from) if *from < 0 => usize::try_from(from.checked_neg()?).ok(),
            _ => None,
        },
        _ => None,
    }
}

/// How many elements there must be for the node to hold, as far as its first test says so: if that
/// fails, nothing else is looked at.
fn least(node: &Node, number: usize) -> usize {
    match &node.code {
        Code::And(items) => items.first().map_or(0, |first| least(first, number)),
        Code::Compare(comparison, sides) if is_length(&sides[0], number) => {
            match (comparison, constant(&sides[1])) {
                (Comparison::Ge, Some(n)) => n,
                (Comparison::Gt, Some(n)) => n.saturating_add(1),
                _ => 0,
            }
        }
        _ => 0,
    }
}

/// `len(list) >= n && MedianInterval(map(list[-m:], {#.Time})) > d`, and nothing else.
fn spacing(node: &Node, number: usize) -> Option<Spacing> {
    let Code::And(items) = &node.code else {
        return None;
    };
    let [length, test] = &**items else {
        return None;
    };
    let Code::Compare(Comparison::Ge | Comparison::Gt, _) = &length.code else {
        return None;
    };
    let Code::Compare(comparison, sides) = &test.code else {
        return None;
    };
    let Code::Helper(helper, args) = &sides[0].code else {
        return None;
    };
    let bound_ns = duration_ns(&sides[1])?;
    let interval_ns = match helper.name {
        "AverageInterval" => interval::average_ns,
        "MedianInterval" => interval::median_ns,
        _ => return None,
    };
    let [
        Node {
            code: Code::Loop(map),
            ..
        },
    ] = &**args
    else {
        return None;
    };
    let Code::Chain(list) = &map.list.code else {
        return None;
    };
    let is_map = map.kind == LoopKind::Map && map.extra.is_none();
    let is_time = map.body.as_ref().is_some_and(is_time_of_element);
    // Two times at least have an interval.
    let is_enough = least(length, number) >= 2;
    if !(is_map && is_time && is_enough && is_local(&list.base, number)) {
        return None;
    }
    let n_events = needed_by_chain(list).filter(|n| *n >= 2)?;
    Some(Spacing {
        interval_ns,
        n_events,
        comparison: *comparison,
        bound_ns,
    })
}

/// `duration('10m')`, which is not worked out at load.
fn duration_ns(node: &Node) -> Option<i64> {
    let Code::Builtin(builtin, args) = &node.code else {
        return None;
    };
    let [text] = &**args else { return None };
    let text = std::str::from_utf8(text.constant_str()?).ok()?;
    (builtin.name == "duration").then(|| duration::parse(text).ok())?
}

fn is_time_of_element(node: &Node) -> bool {
    let Code::Chain(chain) = &node.code else {
        return false;
    };
    let is_time = |kind: &StepKind| matches!(kind, StepKind::Member(name) if **name == *b"Time");
    matches!(chain.base.code, Code::Element)
        && matches!(&*chain.steps, [step] if is_time(&step.kind))
}

fn is_local(node: &Node, number: usize) -> bool {
    matches!(node.code, Code::Local(other) if other == number)
}

fn is_length(node: &Node, number: usize) -> bool {
    match &node.code {
        Code::Builtin(builtin, args) => {
            builtin.name == "len" && matches!(&**args, [arg] if is_local(arg, number))
        }
        _ => false,
    }
}

fn constant(node: &Node) -> Option<usize> {
    match node.constant()? {
        Value::Int(n) => usize::try_from(*n).ok(),
        _ => None,
    }
}
