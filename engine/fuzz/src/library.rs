//! The embedded library, compiled once for all inputs of a process.

use std::sync::{Arc, LazyLock};

use overspill_event::Schema;
use overspill_expr::Services;
use overspill_matcher::{Keyer, Rules};
use overspill_parser::ParserPlan;
use overspill_scenarios::{Options, compile, embedded};

/// Everything that lines go through.
#[derive(Debug)]
pub struct Library {
    /// Field names.
    pub schema: Arc<Schema>,
    /// Stages of lines.
    pub parsers: ParserPlan,
    /// Scenarios.
    pub rules: Rules,
    /// Data files.
    pub services: Services,
}

/// How the library is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paths {
    /// The specialised grok matcher, and indexes over nodes and filters.
    Fast,
    /// Only regexes, and every node and filter in turn.
    Plain,
}

static FAST: LazyLock<Library> = LazyLock::new(|| Library::new(Paths::Fast));
static PLAIN: LazyLock<Library> = LazyLock::new(|| Library::new(Paths::Plain));

/// The library as it runs, and as the measure of that.
#[must_use]
pub fn library() -> (&'static Library, &'static Library) {
    (&FAST, &PLAIN)
}

impl Library {
    fn new(paths: Paths) -> Self {
        let options = Options {
            strict: true,
            reference: paths == Paths::Plain,
            ..Options::default()
        };
        let compiled = match compile(&embedded(), &options) {
            Ok(compiled) => compiled,
            Err(error) => panic!("the embedded library does not compile: {error:?}"),
        };
        let services = Services {
            files: compiled.data_files,
            ..Services::none()
        };
        let rules = Rules::new(compiled.scenarios, Keyer::new([7; 16]), &compiled.schema);
        let (parsers, rules) = match paths {
            Paths::Fast => (compiled.parsers, rules),
            Paths::Plain => (compiled.parsers.without_index(), rules.without_index()),
        };
        Self {
            schema: compiled.schema,
            parsers,
            rules,
            services,
        }
    }
}
