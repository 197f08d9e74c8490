//! The product joined together: what the `overspill` command does, in parts that tests can call.
//!
//! [`cli`] parses flags and prints; [`content`] makes a plan of hub content; [`decisions`] keeps what a live job decides; [`wire`] joins
//! sources, plan and job; [`live`] does so for a job that does not end; [`processes`] runs a replay over several processes,
//! [`fleet`] supervises those of a live job; [`lapi`] serves the Local API;
//! [`hubtest`] runs the tests that come with hub content; [`explain`] tells what became of a line; [`report`] is what a
//! user sees; [`signals`] ends a job early; [`top`] watches a live one; [`warnings`] keeps what is said while one runs.

mod addresses;
pub mod cli;
pub mod content;
pub mod decisions;
pub mod explain;
pub mod fleet;
pub mod hubtest;
pub mod lapi;
pub mod link;
pub mod live;
pub mod processes;
pub mod report;
pub mod signals;
pub mod top;
pub mod warnings;
pub mod wire;
