//! The index changes nothing but time: hits, their order, what raises, and what acts.

use overspill_event::{EventKind, FieldMap, TextField};
use overspill_matcher::MatchState;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::content::{Content, Draft, TestEvent};

/// Texts that literals and values are made of. Among them: letters that are equal but for case,
/// a character whose lower case is ASCII, escapes, and the empty text.
const TEXTS: [&str; 12] = [
    "ssh",
    "SSH",
    "nginx",
    "tcp",
    "/admin",
    "sqlmap",
    "%2Fadmin",
    "a+b",
    "a b",
    "\u{212a}ey",
    "key",
    "",
];
const NUMBERS: [&str; 4] = ["1", "404", "x", ""];
const FIELDS: [(&str, &str); 6] = [
    ("Meta", "log_type"),
    ("Meta", "service"),
    ("Meta", "a"),
    ("Meta", "b"),
    ("Parsed", "c"),
    ("Parsed", "n"),
];

fn field() -> impl Strategy<Value = String> {
    select(
        &[
            "evt.Meta.log_type",
            "evt.Meta.service",
            "evt.Meta.a",
            "evt.Meta.b",
            "evt.Parsed.c",
            "evt.Line.Raw",
            "evt.Meta.never",
        ][..],
    )
    .prop_map(str::to_owned)
}

fn subject() -> impl Strategy<Value = String> {
    let changed = select(
        &[
            "Lower(F)",
            "Upper(F)",
            "PathUnescape(F)",
            "QueryUnescape(Lower(F))",
            "Lower(PathUnescape(QueryUnescape(F)))",
        ][..],
    );
    prop_oneof![
        3 => field(),
        1 => (changed, field()).prop_map(|(change, field)| change.replace('F', &field)),
    ]
}

fn literal() -> impl Strategy<Value = String> {
    select(&TEXTS[..]).prop_map(|text| format!("'{text}'"))
}

/// A test of a field, as filters have them.
fn test() -> impl Strategy<Value = String> {
    let compare = select(&["==", "!=", "contains", "startsWith", "endsWith"][..]);
    let member = select(&["in", "not in"][..]);
    let regex = select(&["^ss", "(?i)admin", "m.p$", "^$"][..]);
    prop_oneof![
        5 => (subject(), compare, literal()).prop_map(|(f, op, l)| format!("{f} {op} {l}")),
        2 => (subject(), member, vec(literal(), 0..4))
            .prop_map(|(f, op, set)| format!("{f} {op} [{}]", set.join(", "))),
        1 => (subject(), regex).prop_map(|(f, regex)| format!("{f} matches '{regex}'")),
        1 => subject().prop_map(|f| format!("any(File('f.txt'), {{{f} contains #}})")),
        1 => subject().prop_map(|f| format!("{f} in File('f.txt')")),
        1 => (subject(), vec(literal(), 2..4)).prop_map(|(f, set)| {
            let parts: Vec<String> = set.iter().map(|l| format!("{f} contains {l}")).collect();
            format!("({})", parts.join(" || "))
        }),
        1 => (subject(), vec(literal(), 0..4))
            .prop_map(|(f, set)| format!("any([{}], {{{f} contains #}})", set.join(", "))),
        1 => select(&["a", "b", "never"][..]).prop_map(|key| format!("'{key}' in evt.Meta")),
        1 => field().prop_map(|f| format!("len({f}) > 3")),
    ]
}

/// What raises for some events.
fn raising() -> impl Strategy<Value = String> {
    let text = ["int(evt.Parsed.n) > 3", "Split(evt.Meta.a, 'm')[1] == 'ap'"];
    select(text.to_vec()).prop_map(str::to_owned)
}

/// What changes the event.
fn acting() -> impl Strategy<Value = String> {
    let name = select(&["log_type", "service", "a", "b"][..]);
    (name, literal()).prop_map(|(name, value)| format!("evt.SetMeta('{name}', {value})"))
}

fn filter() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        16 => test(),
        1 => raising(),
        1 => acting(),
        1 => select(&["true", "false"][..]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" && "))),
            2 => vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" || "))),
            1 => inner.prop_map(|part| format!("not ({part})")),
        ]
    })
}

fn draft() -> impl Strategy<Value = Draft> {
    let text = || {
        prop_oneof![
            4 => field(),
            1 => Just("Split(evt.Meta.a, 'm')[1]".to_owned()),
        ]
    };
    let cancel_on = prop_oneof![4 => test(), 1 => raising(), 1 => acting()];
    (
        select(&["one", "two"][..]),
        filter(),
        option::of(text()),
        option::weighted(0.2, text()),
        option::weighted(0.2, cancel_on),
    )
        .prop_map(|(name, filter, groupby, distinct, cancel_on)| Draft {
            name: name.to_owned(),
            filter,
            groupby,
            distinct,
            cancel_on,
        })
}

fn value(name: &str) -> BoxedStrategy<String> {
    let texts = if name == "n" {
        NUMBERS.to_vec()
    } else {
        TEXTS.to_vec()
    };
    vec(select(texts), 1..3)
        .prop_map(|parts| parts.concat())
        .boxed()
}

fn event() -> impl Strategy<Value = TestEvent> {
    let entry = select(&FIELDS[..])
        .prop_flat_map(|place| value(place.1).prop_map(move |value| (place, value)));
    (vec(entry, 0..8), value("raw")).prop_map(|(fields, raw)| TestEvent {
        fields: fields.into_iter().collect(),
        raw,
    })
}

/// Compares the three ways over a stream of events.
fn check(drafts: &[Draft], events: &[TestEvent], entries_max: usize) -> Result<(), TestCaseError> {
    let content = Content::new(drafts);
    let (indexed, plain) = (content.rules(), content.rules().without_index());
    let mut indexed_state = MatchState::bounded(entries_max);
    let mut plain_state = MatchState::default();
    // The second time, values are known.
    for event in events.iter().chain(events) {
        let with = content.matches(&indexed, &mut indexed_state, event);
        let without = content.matches(&plain, &mut plain_state, event);
        prop_assert_eq!(&with, &without, "{:?}", event);
        let (held, abandoned_at) = content.evaluated(event);
        prop_assert_eq!(without.scenarios(), held);
        prop_assert_eq!(without.abandoned_at, abandoned_at);
    }
    prop_assert_eq!(
        indexed_state.n_groupby_not_text,
        plain_state.n_groupby_not_text
    );
    Ok(())
}

/// `PROPTEST_CASES` asks for another number. Failures are not written to the tree.
fn config(cases: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, |text| text.parse().unwrap());
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn the_index_gives_what_evaluating_everything_gives(
        drafts in vec(draft(), 1..8),
        events in vec(event(), 1..12),
    ) {
        check(&drafts, &events, 1 << 18)?;
    }

    #[test]
    fn an_index_without_room_gives_the_same(
        drafts in vec(draft(), 1..5),
        events in vec(event(), 1..12),
        entries_max in 0usize..6,
    ) {
        check(&drafts, &events, entries_max)?;
    }

    #[test]
    fn many_literals_of_one_field_give_the_same(
        drafts in vec(wide(), 1..4),
        values in btree_map(0u32..1_500, Just(()), 1..20),
    ) {
        let events: Vec<TestEvent> = values
            .keys()
            .map(|value| TestEvent::meta(&[("a", &format!("v{value}"))]))
            .collect();
        check(&drafts, &events, 1 << 18)?;
    }
}

/// A filter with more literals than a dimension numbers, together with the others.
fn wide() -> impl Strategy<Value = Draft> {
    (0u32..1_000, 1u32..700, any::<bool>()).prop_map(|(from, n, is_in)| {
        let set: Vec<String> = (from..from + n).map(|n| format!("'v{n}'")).collect();
        let op = if is_in { "in" } else { "not in" };
        Draft::filter(&format!("evt.Meta.a {op} [{}]", set.join(", ")))
    })
}

/// Scenarios that hold for an event of these meta fields, both ways.
fn held(filters: &[&str], event: &[(&'static str, &str)]) -> Vec<u32> {
    let drafts: Vec<Draft> = filters.iter().map(|text| Draft::filter(text)).collect();
    let content = Content::new(&drafts);
    let event = TestEvent::meta(event);
    let with = content.matches(&content.rules(), &mut MatchState::default(), &event);
    let plain = content.rules().without_index();
    let without = content.matches(&plain, &mut MatchState::default(), &event);
    assert_eq!(with, without);
    with.scenarios()
}

#[test]
fn a_filter_sees_what_it_wrote_itself() {
    let filters = ["evt.SetMeta('log_type', 'x') && evt.Meta.log_type == 'x'"];
    assert_eq!(held(&filters, &[("log_type", "ssh")]), vec![0]);
    let filters =
        ["(evt.Meta.a == 'never' || evt.SetMeta('log_type', 'x')) && evt.Meta.log_type == 'x'"];
    assert_eq!(held(&filters, &[("log_type", "ssh")]), vec![0]);
    let filters = ["evt.SetMeta('a', 'deadbeef') && evt.Meta.a contains 'deadbeef'"];
    assert_eq!(held(&filters, &[]), vec![0]);
}

#[test]
fn later_filters_see_what_earlier_ones_wrote() {
    let filters = [
        "evt.Meta.log_type == 'ssh' && evt.SetMeta('a', 'deadbeef')",
        "evt.Meta.a == 'deadbeef'",
        "evt.Meta.a contains 'adbe'",
    ];
    assert_eq!(held(&filters, &[("log_type", "ssh")]), vec![0, 1, 2]);
    assert_eq!(held(&filters, &[("log_type", "tcp")]), Vec::<u32>::new());
}

#[test]
fn later_filters_see_what_cancel_on_wrote() {
    let cancels = Draft {
        cancel_on: Some("evt.SetMeta('log_type', 'x')".to_owned()),
        ..Draft::filter("evt.Meta.log_type == 'ssh'")
    };
    let content = Content::new(&[cancels, Draft::filter("evt.Meta.log_type == 'x'")]);
    let event = TestEvent::meta(&[("log_type", "ssh")]);
    let matched = content.matches(&content.rules(), &mut MatchState::default(), &event);
    assert_eq!(matched.scenarios(), vec![0, 1]);
    assert!(matched.hits[0].cancels);
}

#[test]
fn an_error_abandons_the_event_for_the_scenarios_after_it_only() {
    let content = Content::new(&[
        Draft::filter("evt.Meta.log_type == 'ssh'"),
        Draft::filter("evt.Meta.a == 'y' && int(evt.Parsed.n) > 3"),
        Draft::filter("evt.Meta.log_type == 'ssh'"),
    ]);
    let rules = content.rules();
    let mut state = MatchState::default();
    let fine = TestEvent::meta(&[("log_type", "ssh")]);
    let matched = content.matches(&rules, &mut state, &fine);
    assert_eq!(
        (matched.scenarios(), matched.abandoned_at),
        (vec![0, 2], None)
    );
    let raises = TestEvent::meta(&[("log_type", "ssh"), ("a", "y")]);
    let matched = content.matches(&rules, &mut state, &raises);
    assert_eq!(matched.scenarios(), vec![0]);
    assert_eq!(matched.abandoned_at.map(|id| id.0), Some(1));
}

#[test]
fn a_gate_behind_an_error_does_not_hide_it() {
    let filters = Content::new(&[Draft::filter(
        "int(evt.Parsed.n) > 3 && evt.Meta.a contains 'deadbeef'",
    )]);
    let matched = filters.matches(
        &filters.rules(),
        &mut MatchState::default(),
        &TestEvent::meta(&[("a", "nothing of the kind")]),
    );
    assert_eq!(matched.abandoned_at.map(|id| id.0), Some(0));
}

/// Matches events one after the other with one state, and answers what held for each.
fn held_in_turn(filter: &str, events: &[TestEvent]) -> Vec<Vec<u32>> {
    let content = Content::new(&[Draft::filter(filter)]);
    let rules = content.rules();
    let mut state = MatchState::default();
    let held = |event| content.matches(&rules, &mut state, event).scenarios();
    events.iter().map(held).collect()
}

#[test]
fn an_absent_field_is_not_an_empty_one() {
    let (absent, empty) = (TestEvent::meta(&[]), TestEvent::meta(&[("a", "")]));
    let events = [&absent, &empty, &absent, &empty].map(TestEvent::clone);
    let held = held_in_turn("'a' in evt.Meta", &events);
    assert_eq!(held, [vec![], vec![0], vec![], vec![0]]);
    let held = held_in_turn("len(evt.Meta.a) == 0 && not ('a' in evt.Meta)", &events);
    assert_eq!(held, [vec![0], vec![], vec![0], vec![]]);
}

#[test]
fn what_reads_more_of_an_event_than_one_field_is_not_known_by_it() {
    let content = Content::new(&[
        Draft::filter("len(evt.Meta.a) == 1 && evt.Whitelisted"),
        Draft::filter("len(evt.Meta.a) == 1 && evt.GetType() == 'overflow'"),
        Draft::filter("len(evt.Meta.a) == 1 && evt.Line.Labels['x'] == 'y'"),
        Draft::filter("len(evt.Meta.a) == 1 && evt.Line.Raw == 'raw'"),
    ]);
    let rules = content.rules();
    let mut state = MatchState::default();
    for round in 0..8u8 {
        let mut event = content.event(&TestEvent::meta(&[("a", "v")]));
        event.whitelisted = round & 1 == 1;
        if round & 2 == 2 {
            event.kind = EventKind::Overflow;
        }
        if round & 4 == 4 {
            event.set_named(FieldMap::Labels, b"x", b"y");
            event.set_text(TextField::LineRaw, b"raw");
        }
        let mut hits = Vec::new();
        let matched = rules.matches(&mut event, &mut state, &mut content.outside(), &mut hits);
        matched.unwrap();
        let held: Vec<u32> = hits.iter().map(|hit| hit.scenario.0).collect();
        let expected: Vec<u32> = [(0, 1), (1, 2), (2, 4), (3, 4)]
            .into_iter()
            .filter(|(_, bit)| round & bit != 0)
            .map(|(number, _)| number)
            .collect();
        assert_eq!(held, expected, "round {round}");
    }
}

#[test]
fn a_file_that_is_not_loaded_is_missed_each_time() {
    let content = Content::new(&[Draft::filter("RegexpInFile(evt.Meta.a, 'no.txt')")]);
    let rules = content.rules();
    let mut state = MatchState::default();
    for n in 1..4 {
        let matched = content.matches(&rules, &mut state, &TestEvent::meta(&[("a", "v")]));
        assert_eq!(matched.scenarios(), Vec::<u32>::new());
        let missing = &content.services.counters.files_missing;
        assert_eq!(missing.load(std::sync::atomic::Ordering::Relaxed), n);
    }
}

#[test]
fn what_raises_for_a_value_raises_each_time() {
    let content = Content::new(&[Draft::filter("int(evt.Parsed.n) > 3")]);
    let rules = content.rules();
    let mut state = MatchState::default();
    for (n, held) in [
        ("4", Some(1)),
        ("x", None),
        ("3", Some(0)),
        ("4", Some(1)),
        ("x", None),
    ] {
        let event = TestEvent {
            fields: [(("Parsed", "n"), n.to_owned())].into(),
            raw: String::new(),
        };
        let matched = content.matches(&rules, &mut state, &event);
        match held {
            Some(held) => assert_eq!((matched.hits.len(), matched.abandoned_at), (held, None)),
            None => assert!(matched.abandoned_at.is_some()),
        }
    }
}

#[test]
fn a_distinct_value_that_cannot_be_evaluated_is_none_and_abandons_nothing() {
    let distinct = |text: &str| Draft {
        distinct: Some(text.to_owned()),
        ..Draft::filter("true")
    };
    let content = Content::new(&[
        distinct("Split(evt.Meta.a, ',')[3]"),
        distinct("evt.Meta.a"),
        distinct("evt.Meta.b"),
    ]);
    let event = TestEvent::meta(&[("a", "v"), ("b", "w")]);
    let matched = content.matches(&content.rules(), &mut MatchState::default(), &event);
    assert_eq!(matched.scenarios(), vec![0, 1, 2]);
    assert_eq!(matched.hits[0].distinct, None);
    assert!(matched.hits[1].distinct.is_some());
    assert_ne!(matched.hits[1].distinct, matched.hits[2].distinct);
}
