//! The language and its helpers, a line a case, as a user of the crate sees them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests may panic, and say loudly what they skipped"
)]

mod agree;
mod builtins;
mod fixture;
mod grammar;
mod helpers;
mod hostile;
mod hub;
mod objects;
mod operators;
mod reads;
mod tail;
mod values;
