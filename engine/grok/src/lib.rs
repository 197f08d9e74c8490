//! Grok: named patterns and the matchers compiled from them.
//!
//! A [`Library`] holds the named patterns (CrowdSec's own come built in). [`Matcher::compile`] turns
//! a pattern such as `%{IP:source_ip} logged in` into a matcher that finds the leftmost match in a
//! line and gives the spans of its fields. Matching is linear in the line for every pattern and
//! allocates nothing on the ordinary path.
//!
//! Results are those of CrowdSec v1.7: patterns are RE2 syntax ([`translate`]), groups are counted
//! as its grok library counts them, and what does not look like UTF-8 is treated as RE2 treats it.
//! [`GoRegex`] is the other dialect in CrowdSec content, Go's `regexp`.
//!
//! ```
//! use overspill_grok::{Library, Matcher, Scratch};
//!
//! let library = Library::builtin();
//! let matcher = Matcher::compile(&library, "from %{IP:source_ip} port %{INT:port}", None).unwrap();
//! let mut scratch = Scratch::new();
//! let line = b"refused from 192.0.2.7 port 22";
//! assert!(matcher.run(&mut scratch, line));
//! let field = matcher.fields().iter().position(|name| &**name == "source_ip").unwrap();
//! assert_eq!(scratch.value(field, line), b"192.0.2.7");
//! ```

#![forbid(unsafe_code)]

mod goregex;
mod hir;
mod library;
mod literal;
mod matcher;
mod translate;
mod utf8;

pub use goregex::{Captures, GoRegex, GoRegexError, compile_go};
pub use library::{Added, DEFINITION_LIMIT, EXPANSION_LIMIT, Library, LibraryError};
pub use matcher::{Engine, GrokError, Matcher, Pattern, Scratch};
pub use translate::{NEST_LIMIT, TranslateError, TranslateErrorKind, translate};
