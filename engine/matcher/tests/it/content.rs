//! What the tests share: scenarios from texts, events, and what evaluating them gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_bucket::{Kind, ScenarioId, Spec};
use overspill_event::{Event, FieldMap, Keep, Schema, SchemaBuilder, TextField};
use overspill_expr::{Compiler, Context, DataFiles, DataKind, Env, NoStash, Program, Services};
use overspill_golike::time::Time;
use overspill_matcher::{Hit, Keyer, MatchState, Outside, Rules, ScenarioPlan, Scope};

/// Lines of the data file that filters name.
pub(crate) const FILE: &str = "/admin\nsqlmap\n";

/// A scenario as a test writes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) filter: String,
    pub(crate) groupby: Option<String>,
    pub(crate) distinct: Option<String>,
    pub(crate) cancel_on: Option<String>,
}

impl Draft {
    pub(crate) fn filter(text: &str) -> Self {
        Self {
            name: "s".to_owned(),
            filter: text.to_owned(),
            ..Self::default()
        }
    }
}

/// Scenarios, compiled, with their schema and services.
pub(crate) struct Content {
    pub(crate) schema: Arc<Schema>,
    pub(crate) services: Services,
    plans: Vec<ScenarioPlan>,
}

impl Content {
    pub(crate) fn new(drafts: &[Draft]) -> Self {
        let mut files = DataFiles::builder();
        files
            .add("f.txt", DataKind::Strings, FILE.as_bytes())
            .unwrap();
        let files = files.build();
        let mut builder = SchemaBuilder::new();
        let plans = {
            let mut compiler = Compiler::new(&mut builder).with_files(&files);
            drafts
                .iter()
                .zip(0..)
                .map(|(draft, number)| plan(draft, ScenarioId(number), &mut compiler))
                .collect()
        };
        Self {
            schema: builder.freeze(),
            services: Services {
                files: Arc::new(files),
                ..Services::none()
            },
            plans,
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules::new(self.plans.clone(), Keyer::new([7; 16]), &self.schema)
    }

    pub(crate) fn event(&self, fields: &TestEvent) -> Event {
        let mut event = Event::new(Arc::clone(&self.schema));
        for ((map, name), value) in &fields.fields {
            let map = if *map == "Meta" {
                FieldMap::Meta
            } else {
                FieldMap::Parsed
            };
            event.set_named(map, name.as_bytes(), value.as_bytes());
        }
        event.set_text(TextField::LineRaw, fields.raw.as_bytes());
        event
    }

    /// Hits, why the event was abandoned if it was, and what the event looks like afterwards.
    pub(crate) fn matches(
        &self,
        rules: &Rules,
        state: &mut MatchState,
        fields: &TestEvent,
    ) -> Matched {
        let mut event = self.event(fields);
        let mut hits = Vec::new();
        let mut outside = self.outside();
        let result = rules.matches(&mut event, state, &mut outside, &mut hits);
        Matched {
            hits,
            abandoned_at: result.err().map(|abandoned| abandoned.scenario),
            event: encoded(&event),
        }
    }

    /// What evaluating every filter by the general evaluator gives: scenarios that hold up to the
    /// first filter or groupby that raises.
    pub(crate) fn evaluated(&self, fields: &TestEvent) -> (Vec<u32>, Option<ScenarioId>) {
        let mut event = self.event(fields);
        let mut held = Vec::new();
        for plan in &self.plans {
            match plan.filter.eval_bool(&mut self.context(&mut event)) {
                Err(_) => return (held, Some(plan.id)),
                Ok(false) => continue,
                Ok(true) => {}
            }
            let mut text = Vec::new();
            if let Some(groupby) = &plan.groupby
                && groupby
                    .eval_str(&mut self.context(&mut event), &mut text)
                    .is_err()
            {
                return (held, Some(plan.id));
            }
            for program in [&plan.distinct, &plan.cancel_on].into_iter().flatten() {
                // Only its side effects matter here.
                let _value = program.eval(&mut self.context(&mut event));
            }
            held.push(plan.id.0);
        }
        (held, None)
    }

    fn context<'c>(&'c self, event: &'c mut Event) -> Context<'c> {
        Context {
            evt: Some(event),
            vars: &[],
            // It has no size: nothing is allocated.
            stash: Box::leak(Box::new(NoStash)),
            services: &self.services,
            now: Time::ZERO,
        }
    }

    pub(crate) fn outside(&self) -> Outside<'_> {
        Outside {
            // It has no size: nothing is allocated.
            stash: Box::leak(Box::new(NoStash)),
            services: &self.services,
            now: Time::ZERO,
        }
    }
}

/// What matching an event gave.
#[derive(Debug, PartialEq)]
pub(crate) struct Matched {
    pub(crate) hits: Vec<Hit>,
    pub(crate) abandoned_at: Option<ScenarioId>,
    pub(crate) event: Vec<u8>,
}

impl Matched {
    pub(crate) fn scenarios(&self) -> Vec<u32> {
        self.hits.iter().map(|hit| hit.scenario.0).collect()
    }
}

/// The fields of an event, by map and name.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestEvent {
    pub(crate) fields: BTreeMap<(&'static str, &'static str), String>,
    pub(crate) raw: String,
}

impl TestEvent {
    /// An event of these fields of `evt.Meta`.
    pub(crate) fn meta(fields: &[(&'static str, &str)]) -> Self {
        Self {
            fields: fields
                .iter()
                .map(|(name, value)| (("Meta", *name), (*value).to_owned()))
                .collect(),
            raw: String::new(),
        }
    }
}

fn encoded(event: &Event) -> Vec<u8> {
    let mut bytes = Vec::new();
    let everything = Keep {
        all: true,
        line: true,
        tree: true,
        ..Keep::default()
    };
    event.encode(&everything, &mut bytes);
    bytes
}

fn plan(draft: &Draft, id: ScenarioId, compiler: &mut Compiler<'_>) -> ScenarioPlan {
    let mut compile = |text: &str| -> Program {
        compiler
            .compile(text, &Env::event())
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    let filter = compile(&draft.filter);
    let mut optional = |text: &Option<String>| text.as_deref().map(&mut compile);
    ScenarioPlan {
        id,
        name: draft.name.as_str().into(),
        description: "d".into(),
        hash: "".into(),
        version: "".into(),
        groupby: optional(&draft.groupby),
        distinct: optional(&draft.distinct),
        cancel_on: optional(&draft.cancel_on),
        filter,
        overflow_filter: None,
        condition: None,
        bayesian: Vec::new(),
        scope: Scope {
            kind: "Ip".into(),
            expression: None,
        },
        bucket: Spec::new(Kind::Trigger),
        keep: Keep::default(),
        labels: BTreeMap::new(),
        remediation: false,
        reprocess: false,
        simulated: false,
        capacity: 0,
        leakspeed_ns: 0,
    }
}
