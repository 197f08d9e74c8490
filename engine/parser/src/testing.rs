//! Small plans for tests, written as text and compiled with the real compilers.

use std::sync::Arc;

use overspill_event::{
    Event, FieldMap, Origin, Overflow, Position, Schema, SchemaBuilder, TextField,
};
use overspill_expr::{Compiler, Env, Program, Services};
use overspill_golike::net::{parse_addr, parse_prefix};
use overspill_golike::time::Time;
use overspill_grok::{Library, Matcher};

use crate::{
    Destination, Grok, Method, Node, Observer, Outcome, ParserPlan, ParserState, StagePlan,
    StashWrite, Static, StaticValue, Subject, TargetPath, Whitelist, parse,
};

/// 2026-05-04T03:02:01Z.
pub(crate) const NOW: Time = Time::from_unix(1_777_863_721);

/// A node before it is compiled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spec {
    name: String,
    filter: Option<String>,
    /// Pattern, subject (`Raw`, `parsed.x`, or an expression).
    grok: Option<(String, String)>,
    grok_statics: Vec<(String, String)>,
    statics: Vec<(String, String)>,
    reason: String,
    ips: Vec<String>,
    cidrs: Vec<String>,
    allowed: Vec<String>,
    /// Cache, key, value, seconds, size.
    stash: Vec<(String, String, String, i64, usize)>,
    children: Vec<Spec>,
    next: bool,
}

pub(crate) fn node(name: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        ..Spec::default()
    }
}

impl Spec {
    pub(crate) fn filter(mut self, text: &str) -> Self {
        self.filter = Some(text.to_owned());
        self
    }

    pub(crate) fn grok(mut self, pattern: &str, subject: &str) -> Self {
        self.grok = Some((pattern.to_owned(), subject.to_owned()));
        self
    }

    /// A static of the grok block; see [`Spec::set`].
    pub(crate) fn grok_set(mut self, destination: &str, value: &str) -> Self {
        self.grok_statics
            .push((destination.to_owned(), value.to_owned()));
        self
    }

    /// A static. Destinations: `meta.x`, `parsed.x`, `enriched.x`, `method.x`, `target.evt.x`;
    /// values: `=text` is a constant, anything else an expression.
    pub(crate) fn set(mut self, destination: &str, value: &str) -> Self {
        self.statics
            .push((destination.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn reason(mut self, reason: &str) -> Self {
        self.reason = reason.to_owned();
        self
    }

    pub(crate) fn ip(mut self, ip: &str) -> Self {
        self.ips.push(ip.to_owned());
        self
    }

    pub(crate) fn cidr(mut self, cidr: &str) -> Self {
        self.cidrs.push(cidr.to_owned());
        self
    }

    pub(crate) fn allow(mut self, expression: &str) -> Self {
        self.allowed.push(expression.to_owned());
        self
    }

    pub(crate) fn stash(
        mut self,
        cache: &str,
        key: &str,
        value: &str,
        secs: i64,
        n: usize,
    ) -> Self {
        self.stash
            .push((cache.to_owned(), key.to_owned(), value.to_owned(), secs, n));
        self
    }

    pub(crate) fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    pub(crate) fn next(mut self) -> Self {
        self.next = true;
        self
    }
}

/// Compiles specs.
pub(crate) struct Build {
    pub(crate) schema: SchemaBuilder,
    library: Library,
}

impl Build {
    pub(crate) fn new() -> Self {
        Self {
            schema: SchemaBuilder::new(),
            library: Library::builtin(),
        }
    }

    pub(crate) fn program(&mut self, text: &str) -> Program {
        match Compiler::new(&mut self.schema).compile(text, &Env::event()) {
            Ok(program) => program,
            Err(error) => panic!("{text}: {error}"),
        }
    }

    pub(crate) fn plan(&mut self, stages: &[(&str, Vec<Spec>)]) -> ParserPlan {
        let stages = stages
            .iter()
            .map(|(name, nodes)| StagePlan {
                name: Arc::from(*name),
                nodes: nodes.iter().map(|spec| self.node(spec)).collect(),
            })
            .collect();
        ParserPlan::new(stages, &mut self.schema).unwrap()
    }

    fn node(&mut self, spec: &Spec) -> Node {
        let mut node = Node::new(&*spec.name);
        node.filter = spec.filter.as_ref().map(|text| self.program(text));
        node.grok = spec.grok.as_ref().map(|(pattern, subject)| {
            let matcher = Arc::new(Matcher::compile(&self.library, pattern, None).unwrap());
            let subject = match subject.strip_prefix("parsed.") {
                Some(name) => Subject::Parsed(self.schema.intern(FieldMap::Parsed, name).unwrap()),
                None if subject == "Raw" => Subject::Raw,
                None => Subject::Expression(self.program(subject)),
            };
            let mut grok = Grok::new(matcher, subject, &mut self.schema).unwrap();
            grok.statics = self.statics(&spec.grok_statics);
            grok
        });
        node.statics = self.statics(&spec.statics);
        if !spec.reason.is_empty() {
            node.whitelist = Some(Whitelist::new(
                &*spec.reason,
                &spec
                    .ips
                    .iter()
                    .map(|ip| parse_addr(ip.as_bytes()).unwrap())
                    .collect::<Vec<_>>(),
                &spec
                    .cidrs
                    .iter()
                    .map(|cidr| parse_prefix(cidr.as_bytes()).unwrap())
                    .collect::<Vec<_>>(),
                spec.allowed.iter().map(|text| self.program(text)).collect(),
            ));
        }
        for (cache, key, value, secs, size) in &spec.stash {
            let (key, value) = (self.program(key), self.program(value));
            let ttl_ns = secs * 1_000_000_000;
            node.stash
                .push(StashWrite::new(&**cache, key, value, ttl_ns, *size));
        }
        node.children = spec.children.iter().map(|child| self.node(child)).collect();
        node.next_stage = spec.next;
        node
    }

    fn statics(&mut self, specs: &[(String, String)]) -> Vec<Static> {
        let mut statics = Vec::new();
        for (destination, value) in specs {
            let (kind, name) = destination.split_once('.').unwrap();
            let mut field = |map| Destination::Field(self.schema.intern(map, name).unwrap());
            let destination = match kind {
                "meta" => field(FieldMap::Meta),
                "parsed" => field(FieldMap::Parsed),
                "enriched" => field(FieldMap::Enriched),
                "method" => Destination::Method(Method::by_name(name)),
                "target" => Destination::Target(TargetPath::parse(name, &mut self.schema).unwrap()),
                other => panic!("no destination {other}"),
            };
            let value = match value.strip_prefix('=') {
                Some(text) => StaticValue::Const(text.as_bytes().into()),
                None => StaticValue::Expression(self.program(value)),
            };
            statics.push(Static { destination, value });
        }
        statics
    }
}

/// A plan with an event and a state of its own.
pub(crate) struct Bench {
    pub(crate) plan: ParserPlan,
    pub(crate) event: Event,
    pub(crate) state: ParserState,
    pub(crate) services: Services,
    pub(crate) labels: Vec<(String, String)>,
}

impl Bench {
    pub(crate) fn new(stages: &[(&str, Vec<Spec>)]) -> Self {
        let mut build = Build::new();
        let plan = build.plan(stages);
        Self::of(plan, &build.schema.freeze())
    }

    pub(crate) fn of(plan: ParserPlan, schema: &Arc<Schema>) -> Self {
        Self {
            event: Event::new(Arc::clone(schema)),
            state: ParserState::new(&plan, NOW),
            plan,
            services: Services::none(),
            labels: Vec::new(),
        }
    }

    /// Begins a line; [`Bench::go`] parses it.
    pub(crate) fn begin(&mut self, line: &str) {
        let origin = Origin {
            src: "test.log".to_owned(),
            module: "file".to_owned(),
            labels: self.labels.clone(),
        };
        self.event
            .begin_line(&origin, line.as_bytes(), Position::default());
    }

    pub(crate) fn go(&mut self) -> Outcome {
        self.observed(&mut ())
    }

    pub(crate) fn observed<O: Observer>(&mut self, observer: &mut O) -> Outcome {
        parse(
            &self.plan,
            &mut self.event,
            &mut self.state,
            &self.services,
            observer,
        )
    }

    /// Parses a line and tells what became of it.
    pub(crate) fn line(&mut self, line: &str) -> String {
        self.begin(line);
        let outcome = self.go();
        self.tell(&outcome)
    }

    /// Takes an overflow through the stages and tells what became of it.
    pub(crate) fn overflow(&mut self, overflow: Overflow) -> String {
        self.event.reset();
        self.event.kind = overspill_event::EventKind::Overflow;
        self.event.overflow = Some(Arc::new(overflow));
        let outcome = self.go();
        self.tell(&outcome)
    }

    /// Outcome, then meta and parsed fields.
    pub(crate) fn tell(&self, outcome: &Outcome) -> String {
        assert_eq!(self.event.process, *outcome == Outcome::Processed);
        let mut text = match outcome {
            Outcome::Processed => "processed".to_owned(),
            Outcome::Unparsed { stage } => format!("unparsed in {stage}"),
            Outcome::Dropped { .. } => "dropped".to_owned(),
        };
        if self.event.whitelisted {
            let reason = self.event.text(TextField::WhitelistReason);
            text.push_str(&format!(
                " whitelisted({})",
                String::from_utf8_lossy(reason)
            ));
        }
        for (map, name) in [(FieldMap::Meta, ""), (FieldMap::Parsed, "p.")] {
            for (key, value) in self.event.fields(map) {
                let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
                text.push_str(&format!(" {name}{key}={value}"));
            }
        }
        text
    }
}

/// What one line becomes.
pub(crate) fn line(stages: &[(&str, Vec<Spec>)], line: &str) -> String {
    Bench::new(stages).line(line)
}
