//! What a user sees: tables, counters, progress, machine-readable forms.

pub mod human;
pub mod input;
pub mod machine;
pub mod progress;
pub mod table;
pub mod term;
