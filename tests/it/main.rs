//! Cross-crate tests: arrows, command line, replays, conformance.

mod arrows;
