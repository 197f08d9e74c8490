//! CrowdSec's expression language: text in, a compiled [`Program`] out.
//!
//! [`Compiler`] parses, checks and resolves an expression for the place it stands in ([`Env`]);
//! the event's fields it names become slots of the schema. A [`Program`] is evaluated with a
//! [`Context`], by a general evaluator over [`Value`] or, for filters, by [`Bool`], a tree of
//! tests on spans of the event that builds no value at all. Results and errors are those of
//! expr-lang 1.17.8 with the helper functions that CrowdSec registers.
//!
//! Expressions and log lines are hostile: parsing is bounded in depth and size, evaluation in
//! steps, elements and bytes, and nothing here panics on either. The crate reads no clock and does
//! no IO; whatever is outside is asked through [`Services`].
//!
//! ```
//! use overspill_event::{Event, FieldMap, SchemaBuilder};
//! use overspill_expr::{Compiler, Context, Env, NoStash, Services};
//! use overspill_golike::time::Time;
//!
//! let mut schema = SchemaBuilder::new();
//! let filter = Compiler::new(&mut schema)
//!     .compile("Lower(evt.Meta.http_path) contains '/admin'", &Env::event())
//!     .unwrap();
//! let mut event = Event::new(schema.freeze());
//! event.set_named(FieldMap::Meta, b"http_path", b"/Admin/login");
//! let services = Services::none();
//! let mut cx = Context {
//!     evt: Some(&mut event),
//!     vars: &[],
//!     stash: &mut NoStash,
//!     services: &services,
//!     now: Time::ZERO,
//! };
//! assert_eq!(filter.eval_bool(&mut cx), Ok(true));
//! ```

#![forbid(unsafe_code)]

mod ast;
mod boolean;
mod builtins;
mod calls;
mod code;
mod compiler;
mod context;
mod env;
mod error;
mod eval;
mod files;
mod geo;
mod lex;
mod object;
mod parse;
mod program;
mod regex;
mod services;
mod tail;
mod textual;
mod types;
mod value;

pub use boolean::{
    Bool, DynExpr, FieldRef, FileRef, StrTest, StringSet, Subject, Test, TextStep, Transform,
};
pub use compiler::Compiler;
pub use context::{Context, NoStash, Stash};
pub use env::Env;
pub use error::{CompileError, EvalError};
pub use files::{DataFileError, DataFiles, DataFilesBuilder, DataKind};
pub use geo::{Mmdb, MmdbError};
pub use object::{
    AlertObject, LeakyObject, LeakyView, Object, OverflowObject, QueueObject, RequestObject,
};
pub use program::{Program, Reads, Shape};
pub use regex::{Regex, RegexCache};
pub use services::{
    AsnRecord, CityRecord, Counters, Country, Cti, DecisionCounts, Geo, Log, Lookup, Nothing,
    Resolver, Services,
};
pub use tail::Tail;
pub use textual::Textual;
pub use value::{Bytes, Entries, EventPart, IntKind, Items, List, Map, Part, Value};
