//! Which scenarios an event pours into.
//!
//! [`ScenarioPlan`] is a compiled scenario. [`Rules`] holds all of them with an index, so that an
//! event evaluates only the filters that could hold; the results are those of evaluating every
//! filter in order. The crate keeps no state between events but bounded caches
//! ([`MatchState`], one a worker), and does no IO.

mod key;
mod plan;
mod rules;

pub use key::{Keyer, ScenarioKey};
pub use plan::{ScenarioPlan, Scope};
pub use rules::{Abandoned, Hit, MatchState, Outside, Rules};
