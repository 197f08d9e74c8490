//! Who looks on: hub tests record top-level nodes, `explain` shows every step.

use overspill_event::Event;
use overspill_expr::EvalError;

use crate::node::{Node, Static};

/// Sees the nodes of an event as they run. Observing changes no result; it makes every node of a
/// stage be looked at, those that cannot match included.
pub trait Observer {
    /// Whether anything is to be reported. With `false` the runner takes its short cuts.
    fn is_enabled(&self) -> bool {
        true
    }

    /// A top-level node has run; the event is as the node left it. Nodes that failed their filter
    /// are reported, with `success` false; a node that lost its event to an error is not.
    fn node(&mut self, stage: &str, node: &Node, event: &Event, success: bool) {
        let _ = (stage, node, event, success);
    }

    /// One step of a node, in the order of evaluation. `depth` is 0 for top-level nodes.
    fn step(&mut self, depth: usize, node: &Node, event: &Event, step: &Step<'_>) {
        let _ = (depth, node, event, step);
    }
}

/// One step of a node.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// The node is looked at.
    Entered,
    /// Its filter is false, with the part that was false where that can be told.
    FilteredOut(Option<String>),
    /// Its filter could not be evaluated, which counts as false.
    FilterFailed(&'a EvalError),
    /// Its whitelist matches the event.
    Whitelisted {
        /// The whitelist's reason; the event keeps the first one.
        reason: &'a str,
    },
    /// Its pattern was tried.
    Grok {
        /// What it was matched against, or `None` when there was no such text.
        subject: Option<&'a [u8]>,
        /// Whether it matched.
        matched: bool,
    },
    /// Something was remembered.
    Stashed {
        /// Name of the cache.
        cache: &'a str,
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// A static was applied, or called its method.
    Static {
        /// The static.
        written: &'a Static,
        /// Its value.
        value: &'a [u8],
    },
    /// A static was skipped: its value is empty or could not be computed, or its target leads
    /// nowhere.
    StaticSkipped {
        /// The static.
        skipped: &'a Static,
        /// The error of its expression.
        error: Option<&'a EvalError>,
    },
    /// The event moved to another stage.
    MovedTo {
        /// The stage it is in now.
        stage: &'a str,
    },
    /// The node is done.
    Left {
        /// Whether it succeeded.
        success: bool,
    },
}

/// Nobody looks on.
impl Observer for () {
    fn is_enabled(&self) -> bool {
        false
    }
}

impl<T: Observer + ?Sized> Observer for &mut T {
    fn is_enabled(&self) -> bool {
        (**self).is_enabled()
    }

    fn node(&mut self, stage: &str, node: &Node, event: &Event, success: bool) {
        (**self).node(stage, node, event, success);
    }

    fn step(&mut self, depth: usize, node: &Node, event: &Event, step: &Step<'_>) {
        (**self).step(depth, node, event, step);
    }
}
