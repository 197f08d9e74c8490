//! The environments besides `evt` alone: queues, alerts, contexts, assertions.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_event::{
    Alert, AlertEvent, Event, EventKind, FieldMap, MetaItem, Overflow, SchemaBuilder, Source,
};
use overspill_expr::{
    AlertObject, Compiler, Context, Env, EvalError, LeakyObject, LeakyView, Map, NoStash, Object,
    OverflowObject, QueueObject, RequestObject, Value,
};

use crate::fixture::{check_in, services, time, words};

fn alert() -> Alert {
    let item = |key: &str, value: &str| MetaItem {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    Alert {
        scenario: "crowdsecurity/ssh-bf".to_owned(),
        events_count: 6,
        remediation: true,
        events: Arc::new(vec![AlertEvent {
            timestamp: Some("2026-01-01T00:00:00Z".to_owned()),
            meta: [
                item("log_type", "ssh_failed-auth"),
                item("exe", "/usr/bin/node"),
            ]
            .into_iter()
            .collect(),
        }]),
        meta: vec![item("user", "[\"root\"]")],
        source: Source {
            scope: "Ip".to_owned(),
            value: "1.2.3.4".to_owned(),
            ip: "1.2.3.4".to_owned(),
            as_name: "ACME".to_owned(),
            as_number: "42".to_owned(),
            cn: "FR".to_owned(),
            latitude: 48.5,
            ..Source::default()
        },
        source_key: "1.2.3.4".to_owned(),
        ..Alert::default()
    }
}

fn overflow() -> Overflow {
    let alert = alert();
    Overflow {
        mapkey: "abc".to_owned(),
        sources: BTreeMap::from([("1.2.3.4".to_owned(), alert.source.clone())]),
        alerts: vec![alert],
        ..Overflow::default()
    }
}

#[test]
fn profiles_see_the_alert() {
    let alert = Value::object(AlertObject::new(Arc::new(alert())));
    check_in(
        &Env::profile(),
        &[alert],
        &[
            (
                "Alert.Remediation == true && Alert.GetScope() == 'Ip'",
                "true",
            ),
            ("Alert.GetScenario()", "\"crowdsecurity/ssh-bf\""),
            ("Alert.Scenario == 'crowdsecurity/ssh-bf'", "true"),
            ("Alert.Scenario contains 'ssh'", "true"),
            ("Alert.Scenario in ['crowdsecurity/ssh-bf']", "true"),
            ("Alert.Scenario", "&\"crowdsecurity/ssh-bf\""),
            ("Upper(Alert.Scenario)", "\"CROWDSECURITY/SSH-BF\""),
            ("Alert.EventsCount > 5", "true"),
            ("Alert.GetEventsCount()", "int32 6"),
            ("Alert.GetEventsCount() == 6", "true"),
            ("Alert.Source.GetValue()", "\"1.2.3.4\""),
            ("Alert.Source.IP", "\"1.2.3.4\""),
            ("Alert.Source.Cn in ['FR', 'DE']", "true"),
            ("Alert.Source.GetAsNumberName()", "\"42 ACME\""),
            ("Alert.Source.Latitude > 48", "true"),
            ("Alert.Source.String()", "\"ip 1.2.3.4 (FR/42)\""),
            ("Alert.Events[0].GetMeta('log_type')", "\"ssh_failed-auth\""),
            ("Alert.Events[0].GetMeta('nope')", "\"\""),
            (
                "any(Alert.Events, {.GetMeta('exe') startsWith '/usr'})",
                "true",
            ),
            ("Alert.GetMeta('user')", "\"[\\\"root\\\"]\""),
            ("Alert.Meta[0].Key", "\"user\""),
            ("len(Alert.Decisions)", "0"),
            (
                "Sprintf('%dh', GetDecisionsCount(Alert.GetValue()) + 4)",
                "\"4h\"",
            ),
            ("Alert.Nope", "refused"),
            ("Alert.GetNope()", "refused"),
            ("evt.Meta.a", "refused"),
        ],
    );
}

#[test]
fn postoverflows_see_the_overflow_of_the_event() {
    let mut schema = SchemaBuilder::new();
    let cases = [
        ("evt.Overflow.Alert.Remediation == true", "true"),
        (
            "evt.Overflow.Alert.Remediation == true && IsIPV6(evt.Overflow.Alert.Source.IP)",
            "false",
        ),
        ("evt.Overflow.Alert.Source.GetScope()", "\"Ip\""),
        (
            "IpToRange(evt.Overflow.Alert.Source.IP, '/24')",
            "\"1.2.3.0/24\"",
        ),
        ("evt.Overflow.Alert.Source.Value", "&\"1.2.3.4\""),
        (
            "evt.Overflow.Alert.GetScenario() == 'crowdsecurity/ssh-bf'",
            "true",
        ),
        (
            "all(evt.Overflow.Alert.Events, {.GetMeta('exe') == '/usr/bin/node'})",
            "true",
        ),
        ("evt.Overflow.GetSources()", "[\"1.2.3.4\"]"),
        ("'1.2.3.4' in evt.Overflow.GetSources()", "true"),
        ("evt.Overflow.Sources['1.2.3.4'].IP", "\"1.2.3.4\""),
        ("evt.Overflow.Whitelisted", "false"),
        ("evt.Overflow.Mapkey", "\"abc\""),
        ("evt.Overflow.APIAlerts[0].Source.Cn", "\"FR\""),
        ("evt.Overflow.APIAlerts[0].GetScope()", "refused"),
        ("evt.GetType()", "\"overflow\""),
        ("evt.GetMeta('exe')", "\"/usr/bin/node\""),
        ("len(evt.ParseIPSources())", "1"),
        ("evt.Overflow.Nope", "refused"),
    ];
    for (text, want) in cases {
        let Ok(program) = Compiler::new(&mut schema).compile(text, &Env::event()) else {
            assert_eq!(want, "refused", "{text}");
            continue;
        };
        assert!(
            program.reads().overflow || text.contains("GetType"),
            "{text}"
        );
        let mut event = Event::new(schema.clone().freeze());
        event.kind = EventKind::Overflow;
        event.overflow = Some(Arc::new(overflow()));
        let services = services();
        let mut cx = Context {
            evt: Some(&mut event),
            vars: &[],
            stash: &mut NoStash,
            services: &services,
            now: time("2026-01-01T00:00:00Z"),
        };
        let found = program
            .eval(&mut cx)
            .map_or("error".to_owned(), |value| words(&value));
        assert_eq!(found, want, "{text}");
    }
}

/// What an expression gives for an event with an overflow.
fn of_overflow(text: &str) -> String {
    let mut schema = SchemaBuilder::new();
    let Ok(program) = Compiler::new(&mut schema).compile(text, &Env::event()) else {
        return "refused".to_owned();
    };
    let mut event = Event::new(schema.freeze());
    event.kind = EventKind::Overflow;
    event.overflow = Some(Arc::new(overflow()));
    let services = services();
    let mut cx = Context {
        evt: Some(&mut event),
        vars: &[],
        stash: &mut NoStash,
        services: &services,
        now: time("2026-01-01T00:00:00Z"),
    };
    let result = program.eval(&mut cx);
    result.map_or("error".to_owned(), |value| words(&value))
}

#[test]
fn what_is_read_of_an_alert_in_place_is_what_a_copy_says() {
    let of_alert = [
        "Scenario",
        "ScenarioHash",
        "ScenarioVersion",
        "Message",
        "StartAt",
        "StopAt",
        "Leakspeed",
        "EventsCount",
        "Capacity",
        "Simulated",
        "Remediation",
        "Kind",
        "UUID",
        "CreatedAt",
        "MachineID",
        "ID",
        "Labels",
        "Meta[0].Value",
        "Events[0].GetMeta('exe')",
        "GetScope()",
        "GetValue()",
        "GetScenario()",
        "GetEventsCount()",
        "GetMeta('user')",
        "Decisions",
        "Scenario[1:3]",
        "Labels[0]",
        "Nope",
        "GetNope()",
    ];
    let of_source = [
        "Scope",
        "Value",
        "IP",
        "IP[0:2]",
        "Range",
        "AsName",
        "AsNumber",
        "Cn",
        "Latitude",
        "Longitude",
        "GetScope()",
        "GetValue()",
        "GetAsNumberName()",
        "String()",
        "Nope",
    ];
    let of_alert = of_alert.map(|name| format!("evt.Overflow.Alert.{name}"));
    let of_source = of_source.map(|name| format!("evt.Overflow.Alert?.Source?.{name}"));
    for text in of_alert.iter().chain(&of_source) {
        // Once there is a copy of the overflow, that is what is read.
        let copied = of_overflow(&format!("let copy = evt.Overflow; {text}"));
        assert_eq!(of_overflow(text), copied, "{text}");
    }
    assert_eq!(of_overflow("evt.Overflow.Alert.Source.IP[0:2]"), "\"1.\"");
}

#[test]
fn a_log_event_has_no_alert() {
    check_in(
        &Env::event(),
        &[],
        &[
            ("evt.Overflow.Alert == nil", "true"),
            ("evt.Overflow.Alert.Remediation", "error"),
            ("evt.Overflow.Alert?.Remediation", "nil"),
            ("evt.Overflow.Alert.GetScope()", "error"),
            ("evt.Overflow.Whitelisted", "false"),
            ("len(evt.Overflow.GetSources())", "0"),
        ],
    );
}

fn queued(ip: &str, minute: u32) -> Arc<Event> {
    let mut event = Event::new(SchemaBuilder::new().freeze());
    event.set_named(FieldMap::Meta, b"source_ip", ip.as_bytes());
    event.set_named(FieldMap::Enriched, b"Latitude", b"48.5");
    event.time = time(&format!("2026-01-01T00:{minute:02}:00Z"));
    Arc::new(event)
}

const QUEUE_CASES: &[(&str, &str)] = &[
    ("len(queue.Queue)", "3"),
    ("queue.L", "5"),
    ("queue.Queue[-1].Meta.source_ip", "\"3.3.3.3\""),
    ("queue.Queue[0]['Meta']['source_ip']", "\"1.1.1.1\""),
    ("queue.Queue[5].Meta.source_ip", "error"),
    (
        "len(queue.Queue) >= 9 and queue.Queue[9].Meta.source_ip == ''",
        "false",
    ),
    ("any(queue.Queue, {.Meta.source_ip == '2.2.2.2'})", "true"),
    ("all(queue.Queue, {.Enriched.Latitude == '48.5'})", "true"),
    (
        "map(queue.Queue[-2:], {#.Meta.source_ip})",
        "[\"2.2.2.2\", \"3.3.3.3\"]",
    ),
    ("len(queue.Queue[-4:])", "3"),
    (
        "MedianInterval(map(queue.Queue[-4:], {#.Time})) > duration('10m')",
        "true",
    ),
    ("MedianInterval(map(queue.Queue, {#.Time}))", "15m0s"),
    (
        "let f = filter(queue.Queue, {#.Meta.source_ip != ''}); len(f) >= 2 && \
             MedianInterval(map(f[-4:], {#.Time})) > duration('10m')",
        "true",
    ),
    ("queue.Queue[0].GetMeta('source_ip')", "refused"),
    ("queue.Queue[0].Nope", "refused"),
    ("leaky.Total_count", "7"),
    ("leaky.Mapkey", "\"key\""),
    ("leaky.Queue.L", "5"),
    ("leaky.First_ts.Hour()", "0"),
    ("leaky.Factory.Spec.Name", "\"s\""),
    ("evt.Meta.source_ip", "\"3.3.3.3\""),
];

/// Queue elements read fields by slot, so they must be of the program's schema: by name here.
#[test]
fn conditions_see_the_queue() {
    let mut schema = SchemaBuilder::new();
    let programs: Vec<_> = QUEUE_CASES
        .iter()
        .map(|(text, _)| Compiler::new(&mut schema).compile(text, &Env::condition()))
        .collect();
    let frozen = schema.freeze();
    let of_schema = |event: Arc<Event>| {
        let mut copy = Event::new(Arc::clone(&frozen));
        for (map, name, value) in event.extras() {
            copy.set_named(map, name, value);
        }
        copy.time = event.time;
        Arc::new(copy)
    };
    let events = [
        queued("1.1.1.1", 0),
        queued("2.2.2.2", 10),
        queued("3.3.3.3", 30),
    ];
    let events: Arc<[Arc<Event>]> = events.into_iter().map(of_schema).collect();
    let queue = QueueObject::new(Arc::clone(&events), 5);
    let view = LeakyView {
        mapkey: "key".to_owned(),
        scenario: "s".to_owned(),
        uuid: "u".to_owned(),
        first: time("2026-01-01T00:00:00Z"),
        last: time("2026-01-01T00:30:00Z"),
        overflow: time("0001-01-01T00:00:00Z"),
        total: 7,
        duration_ns: 60,
        capacity: -1,
    };
    let leaky = LeakyObject::new(view, queue.clone());
    let vars = [Value::object(queue), Value::object(leaky)];
    let services = services();
    for ((text, want), program) in QUEUE_CASES.iter().zip(programs) {
        let Ok(program) = program else {
            assert_eq!(*want, "refused", "{text}");
            continue;
        };
        let mut event = (*events[2]).clone();
        let mut cx = Context {
            evt: Some(&mut event),
            vars: &vars,
            stash: &mut NoStash,
            services: &services,
            now: time("2026-01-01T00:00:00Z"),
        };
        let found = program
            .eval(&mut cx)
            .map_or("error".to_owned(), |value| words(&value));
        assert_eq!(found, *want, "{text}");
    }
}

#[test]
fn overflow_filters_have_a_signal_and_no_event() {
    let queue = QueueObject::new(Arc::from([]), 0);
    let vars = [
        Value::object(queue.clone()),
        Value::object(OverflowObject::new(Arc::new(overflow()))),
        Value::Nil,
    ];
    check_in(
        &Env::overflow_filter(),
        &vars,
        &[
            ("len(queue.Queue) == 0", "true"),
            ("signal.Alert.Source.IP", "\"1.2.3.4\""),
            ("signal.Alert.GetScope() == 'Ip'", "true"),
            ("evt.Meta.source_ip", "error"),
            ("evt.Meta.source_ip == ''", "error"),
            ("evt == nil", "true"),
            ("leaky.Total_count > 1", "error"),
            ("evt.Nope", "refused"),
        ],
    );
}

#[test]
fn contexts_have_an_empty_match_and_request() {
    let vars = [Value::Map(Map::of([])), Value::object(RequestObject)];
    check_in(
        &Env::context(),
        &vars,
        &[
            ("evt.Meta.source_ip", "\"1.2.3.4\""),
            (
                "(match.uri != nil && match.internal != true) ? match.uri : ''",
                "\"\"",
            ),
            ("req.Method != '' ? JA4H(req) : ''", "\"\""),
            ("req.Method != '' ? req.UserAgent() : ''", "\"\""),
            ("req != nil ? req.Host : ''", "\"\""),
            ("req.URL == nil", "true"),
            ("evt.GetMeta('source_ip')", "error"),
            (
                "evt.Meta.service in ['tcp'] ? evt.Parsed.a + ':' : ''",
                "\"\"",
            ),
            ("req.Nope", "refused"),
        ],
    );
}

/// What a host may hand over: here a list of maps, as hub tests do.
struct Results;

impl Object for Results {
    fn type_name(&self) -> &str {
        "results"
    }
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }
    fn len(&self) -> Option<usize> {
        Some(2)
    }
    fn index(&self, key: &Value) -> Option<Result<Value, EvalError>> {
        let event = Arc::new(Event::new(SchemaBuilder::new().freeze()));
        Some(match key {
            Value::Str(name) if &**name == b"s01-parse" => {
                Ok(Value::list(vec![Value::event(event)]))
            }
            Value::Int(0) => Ok(Value::object(OverflowObject::new(Arc::new(overflow())))),
            _ => Err(EvalError::fixed("index out of range")),
        })
    }
}

#[test]
fn assertions_have_results_and_basename() {
    check_in(
        &Env::assertions(),
        &[Value::object(Results)],
        &[
            ("len(results) == 2", "true"),
            ("results['s01-parse'][0].Parsed.a", "\"\""),
            ("results['s01-parse'][0].Unmarshaled.a", "nil"),
            ("results['s01-parse'][1].Parsed.a", "error"),
            ("results['s01-parse'][0].Overflow.Alert == nil", "true"),
            ("results[0].Alert.GetScenario()", "\"crowdsecurity/ssh-bf\""),
            ("'1.2.3.4' in results[0].GetSources()", "true"),
            ("results[0].Sources['1.2.3.4'].GetScope()", "\"Ip\""),
            ("results[0].Alert.GetEventsCount() == 6", "true"),
            ("results[0].Alert.Remediation == true", "true"),
            (
                "results[0].Alert.Events[0].GetMeta('exe') == '/usr/bin/node'",
                "true",
            ),
            ("results[3]", "error"),
            ("basename('/a/b/x.log') == 'x.log'", "true"),
            ("basename('/')", "\"/\""),
            ("basename('')", "\".\""),
            ("any(results, # == 1)", "error"),
            ("FloatApproxEqual(1, 1.0)", "true"),
            ("evt.Meta.a", "refused"),
        ],
    );
}
