//! What every test of built alerts needs: a scenario, events in one line each, and a builder.

use std::sync::Arc;

use overspill_decision::{AlertBuilder, AlertContext, AlertSpec, BuildError, Spill};
use overspill_event::{Event, EventKind, FieldMap, Overflow, Position, SchemaBuilder, TextField};
use overspill_expr::{Compiler, Env, Services};
use overspill_golike::time::{Time, parse_rfc3339};

/// A scenario, its expressions still text.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) scope: &'static str,
    pub(crate) expression: Option<&'static str>,
    pub(crate) context: &'static [(&'static str, &'static [&'static str])],
    pub(crate) context_bytes: usize,
}

pub(crate) const LEAKY: Scenario = Scenario {
    name: "test/leaky",
    scope: "Ip",
    expression: None,
    context: &[],
    context_bytes: 0,
};

/// Fields of one event: `meta.source_ip=1.2.3.4 enriched.IsoCode=FR at=2022-01-01T10:00:00Z`.
pub(crate) type Line = &'static str;

pub(crate) fn time(text: &str) -> Time {
    parse_rfc3339(text.as_bytes()).unwrap()
}

pub(crate) fn fill(event: &mut Event, line: Line) {
    event.kind = EventKind::Log;
    for word in line.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap();
        match name.split_once('.') {
            Some(("meta", name)) => {
                event.set_named(FieldMap::Meta, name.as_bytes(), value.as_bytes());
            }
            Some(("enriched", name)) => {
                event.set_named(FieldMap::Enriched, name.as_bytes(), value.as_bytes());
            }
            _ if name == "at" => event.set_text(TextField::MarshaledTime, value.as_bytes()),
            _ if name == "time" => event.time = time(value),
            _ => panic!("{word}"),
        }
    }
}

pub(crate) fn build_with(
    scenario: Scenario,
    spill: &Spill<'_>,
    lines: &[Line],
    change: impl FnOnce(&mut Vec<Event>),
) -> Result<Overflow, BuildError> {
    let mut schema = SchemaBuilder::new();
    let mut compiler = Compiler::new(&mut schema);
    let expression = scenario
        .expression
        .map(|text| compiler.compile(text, &Env::event()).unwrap());
    let context: Vec<(Arc<str>, Vec<_>)> = scenario
        .context
        .iter()
        .map(|(key, texts)| {
            let compiled = texts
                .iter()
                .map(|text| compiler.compile(text, &Env::context()).unwrap());
            (Arc::from(*key), compiled.collect())
        })
        .collect();
    let schema = schema.freeze();
    let mut events: Vec<Event> = lines
        .iter()
        .map(|line| {
            let mut event = Event::new(Arc::clone(&schema));
            fill(&mut event, line);
            event
        })
        .collect();
    change(&mut events);
    let spec = AlertSpec {
        name: scenario.name.into(),
        hash: "".into(),
        version: "".into(),
        filter: "true".into(),
        capacity: 5,
        leakspeed_ns: 10_000_000_000,
        scope: scenario.scope.into(),
        scope_expression: expression,
        remediation: true,
        reprocess: false,
        simulated: false,
    };
    AlertBuilder::new(AlertContext::new(context, scenario.context_bytes)).build(
        &spec,
        spill,
        &mut events,
        &Services::none(),
    )
}

pub(crate) fn spill(first: &str, last: &str, overflow: &str, total: u64) -> Spill<'static> {
    Spill {
        partition: b"1.2.3.4",
        first: time(first),
        last: time(last),
        overflow: time(overflow),
        total,
        first_position: Position {
            partition: 0,
            offset: 1,
        },
        position: Position {
            partition: 0,
            offset: 9,
        },
    }
}

pub(crate) fn at_ten() -> Spill<'static> {
    spill(
        "2022-01-01T10:00:00Z",
        "2022-01-01T10:00:01Z",
        "2022-01-01T10:00:01Z",
        2,
    )
}

pub(crate) fn build(scenario: Scenario, lines: &[Line]) -> Result<Overflow, BuildError> {
    build_with(scenario, &at_ten(), lines, |_| {})
}
