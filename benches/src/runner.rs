//! Content, and lines through it, without the dataflow.

use std::sync::Arc;

use overspill_event::{Event, ExpectMode, Keep, Origin, Position};
use overspill_expr::Services;
use overspill_golike::time::Time;
use overspill_matcher::{Hit, Keyer, MatchState, Outside, Rules};
use overspill_parser::{Outcome, ParserPlan, ParserState, parse};
use overspill_scenarios::{CompileFailed, Content, Options, compile, embedded};

/// 2024-03-10T08:00:00Z: later than the generated lines.
const NOW_SECS: i64 = 1_710_057_600;

/// Which paths are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Those of a real run.
    Fast,
    /// Only regexes, every node and every filter in turn.
    Reference,
}

/// The content does not compile.
#[derive(Debug, thiserror::Error)]
#[error("compile the content")]
pub struct Failed(#[from] CompileFailed);

/// Everything that one line needs, as in one worker and one partition.
#[derive(Debug)]
pub struct Runner {
    parsers: ParserPlan,
    rules: Rules,
    services: Services,
    origin: Origin,
    state: ParserState,
    matches: MatchState,
    event: Event,
    hits: Vec<Hit>,
    offset: u64,
}

impl Runner {
    /// A runner of the embedded library for lines of a label `type`.
    ///
    /// # Errors
    /// [`Failed`], which the tests of the library exclude.
    pub fn new(label: &str, engine: Engine) -> Result<Self, Failed> {
        let options = Options {
            strict: true,
            ..Options::default()
        };
        Self::with(&embedded(), options, label, engine)
    }

    /// A runner of any content; items that are refused are left out.
    ///
    /// # Errors
    /// [`Failed`] when nothing can run.
    pub fn of(content: &Content, label: &str, engine: Engine) -> Result<Self, Failed> {
        Self::with(content, Options::default(), label, engine)
    }

    fn with(
        content: &Content,
        options: Options,
        label: &str,
        engine: Engine,
    ) -> Result<Self, Failed> {
        let options = Options {
            reference: engine == Engine::Reference,
            ..options
        };
        let compiled = compile(content, &options)?;
        let rules = Rules::new(compiled.scenarios, Keyer::new([7; 16]), &compiled.schema);
        let (parsers, rules) = match engine {
            Engine::Fast => (compiled.parsers, rules),
            Engine::Reference => (compiled.parsers.without_index(), rules.without_index()),
        };
        let now = Time::from_unix(NOW_SECS);
        Ok(Self {
            state: ParserState::new(&parsers, now),
            parsers,
            rules,
            services: Services {
                files: compiled.data_files,
                ..Services::none()
            },
            origin: Origin {
                src: "/var/log/sample.log".to_owned(),
                module: "file".to_owned(),
                labels: vec![("type".to_owned(), label.to_owned())],
            },
            matches: MatchState::default(),
            event: Event::new(Arc::clone(&compiled.schema)),
            hits: Vec::new(),
            offset: 0,
        })
    }

    /// From here on lines bear these labels, `type` and others.
    pub fn relabel(&mut self, labels: &[(&str, &str)]) {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.origin.labels = labels.iter().map(owned).collect();
    }

    /// Takes a line through all parser stages. Answers whether it was parsed.
    pub fn parse(&mut self, line: &[u8]) -> bool {
        let position = Position {
            partition: 0,
            offset: self.offset,
        };
        self.offset += 1;
        self.event.begin_line(&self.origin, line, position);
        self.event.mode = ExpectMode::TimeMachine;
        let outcome = parse(
            &self.parsers,
            &mut self.event,
            &mut self.state,
            &self.services,
            &mut (),
        );
        outcome == Outcome::Processed
    }

    /// Matches the event that was parsed last. Answers how many scenarios it pours into.
    pub fn matches(&mut self) -> usize {
        self.hits.clear();
        let mut outside = Outside {
            stash: self.state.stash_mut(),
            services: &self.services,
            now: Time::from_unix(NOW_SECS),
        };
        let matched = self.rules.matches(
            &mut self.event,
            &mut self.matches,
            &mut outside,
            &mut self.hits,
        );
        match matched {
            Ok(()) => self.hits.len(),
            Err(_) => 0,
        }
    }

    /// The event that was parsed last.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Appends the event that was parsed last as a pour keeps it, raw line included or not.
    pub fn encode(&self, keep: &Keep, out: &mut Vec<u8>) {
        self.event.encode(keep, out);
    }
}
