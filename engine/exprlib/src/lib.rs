//! CrowdSec's expression helpers as plain functions over byte strings.
//!
//! Each module is one family of helpers (`pkg/exprhelpers` of CrowdSec 1.7) without the expression
//! language around it: arguments are typed, `nil` and wrong types are the caller's business, and a
//! function returns an error exactly where CrowdSec's helper fails the expression. Helpers that
//! are Go's `strings`, `url`, `fmt` or `strconv` under another name are in `overspill-golike` and
//! not repeated here.
//!
//! Arguments come from log lines and may be hostile: everything is linear in its input, recursion
//! has a bound, and caches have a limit and never change a result.

#![forbid(unsafe_code)]

pub mod address;
pub mod bots;
pub mod data_file;
pub mod distance;
pub mod glob;
pub mod injection;
pub mod interval;
pub mod json_extract;
pub mod key_value;
pub mod map_file;
pub mod number;
pub mod per_thread;
pub mod query;
pub mod regex_set;
pub mod xml;
