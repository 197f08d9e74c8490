//! Parser stages: what turns a raw line into an event with meta data, and what looks at an
//! overflow before it becomes an alert.
//!
//! A [`ParserPlan`] holds compiled nodes by stage; [`parse`] takes one [`Event`] through them with
//! the rules of CrowdSec v1.7 (`pkg/parser`): filter, whitelist, grok, stash, children, statics,
//! next stage. A [`ParserState`] is what one partition keeps between lines: stashes, caches and
//! counters. An [`Observer`] sees every node of an event; with `()` for an observer nothing is
//! reported and nodes whose filter is certainly false for the event's program are never looked at.
//!
//! The crate reads no clock and does no IO: time is [`ParserState::set_now`], everything else
//! outside is [`overspill_expr::Services`]. Lines are hostile: nothing here panics on one, and
//! whatever a line makes grow has a limit and a counter.
//!
//! [`Event`]: overspill_event::Event

#![forbid(unsafe_code)]

mod counts;
mod date;
mod dispatch;
mod enrich;
mod geo;
mod method;
mod node;
mod observe;
mod outcome;
mod plan;
mod recall;
mod run;
mod stash;
mod state;
mod target;
#[cfg(test)]
mod testing;
mod unmarshal;
mod values;
mod whitelist;

pub use counts::{Counts, NodeCounts, NodeTally};
pub use method::Method;
pub use node::{Destination, Grok, Node, StashWrite, Static, StaticValue, Strategy, Subject};
pub use observe::{Observer, Step};
pub use outcome::{Outcome, Refusal};
pub use plan::{NODE_DEPTH_MAX, ParserPlan, PlanError, StagePlan, intern_engine_fields};
pub use run::parse;
pub use stash::{
    STASH_CACHE_BYTES_MAX, STASH_ENTRIES_MAX, STASH_ENTRY_BYTES_MAX, StashDecodeError, StashSet,
};
pub use state::ParserState;
pub use target::{OverflowText, TargetPath};
pub use whitelist::Whitelist;
