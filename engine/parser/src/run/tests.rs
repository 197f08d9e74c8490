//! Each rule of stages and nodes, on plans of a few nodes.

mod grok;
mod observe;
mod stages;
mod stash;
mod statics;
mod whitelist;

use crate::testing::{Spec, line};

/// Runs one stage and compares what became of the line.
#[track_caller]
fn check(nodes: Vec<Spec>, raw: &str, expected: &str) {
    assert_eq!(line(&[("s01", nodes)], raw), expected);
}
