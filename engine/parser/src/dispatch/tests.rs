//! The index against looking at every node in order.

use overspill_event::TextField;
use proptest::prelude::*;

use crate::testing::{Bench, Build, NOW, Spec, node};
use crate::{Counts, ParserState};

/// Filters on the few fields, on others, that fail, and that write.
const FILTERS: [&str; 24] = [
    "true",
    "false",
    "evt.Parsed.program == 'a'",
    "evt.Parsed.program != 'a'",
    "evt.Parsed.program startsWith 'a'",
    "evt.Parsed.program in ['b', 'ab']",
    "evt.Parsed.program not in ['', 'b']",
    "Upper(evt.Parsed.program) == 'AB'",
    "'program' in evt.Parsed",
    "evt.Line.Labels.type == 'x'",
    "evt.Line.Labels.type == 'x' && evt.Parsed.program == 'b'",
    "evt.Line.Module != 'file' || evt.Parsed.program contains 'b'",
    "not (evt.Parsed.program == 'a')",
    "evt.Meta.service == 'http' && evt.Meta.log_type in ['u', 'v']",
    "evt.Meta.log_type == 'u' || evt.Line.Raw contains 'z'",
    "evt.Unmarshaled.no.such == 'x' || evt.Parsed.program == 'a'",
    "evt.Parsed.program == 'a' && evt.Unmarshaled.no.such == 'x'",
    "evt.SetParsed('program', 'b') && evt.Parsed.program == 'b'",
    "evt.Parsed.program == 'a' && evt.SetMeta('service', 'http')",
    "evt.SetMeta('log_type', 'v') && evt.Parsed.program == 'never'",
    "evt.Line.Raw",
    "evt.Line.Raw startsWith 'l' && evt.Parsed.program == 'ab'",
    "'program' in evt.Parsed && not (evt.Parsed.program contains 'a') || evt.Parsed.program == 'ab'",
    "evt.Meta.log_type contains 'ab' && evt.Meta.service == 'http'",
];

/// Statics that change what filters look at.
const WRITES: [(&str, &str); 12] = [
    ("parsed.program", "=a"),
    ("parsed.program", "=b"),
    ("parsed.program", "evt.Parsed.program + 'b'"),
    ("meta.service", "=http"),
    ("meta.log_type", "=u"),
    ("meta.log_type", "evt.Parsed.program"),
    ("target.evt.Line.Labels.type", "=x"),
    ("meta.other", "=1"),
    ("meta.other", "evt.Parsed.word"),
    ("parsed.word", "Upper(evt.Parsed.program)"),
    ("target.evt.StrTime", "evt.Parsed.program"),
    ("enriched.word", "evt.Parsed.program + evt.Meta.log_type"),
];

/// Patterns on a field, or a text made of fields.
const GROKS: [(&str, &str); 4] = [
    ("%{WORD:word}", "parsed.program"),
    ("^%{DATA:word}b%{GREEDYDATA:rest}", "parsed.program"),
    (
        "%{WORD:program}",
        "Upper(evt.Parsed.program) + evt.Meta.other",
    ),
    ("l%{WORD:word}", "Raw"),
];

fn any_spec() -> impl Strategy<Value = Spec> {
    let child = (0..FILTERS.len(), 0..WRITES.len());
    let parts = (
        prop::option::weighted(0.9, 0..FILTERS.len()),
        prop::collection::vec(0..WRITES.len(), 0..3),
        prop::collection::vec(child, 0..3),
        prop::collection::vec(0..FILTERS.len(), 0..4),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.4, (0..GROKS.len(), 0..WRITES.len())),
    );
    parts.prop_map(|(filter, writes, children, allows, is_next, grok)| {
        let mut spec = node("n");
        if let Some((grok, write)) = grok {
            let (pattern, subject) = GROKS[grok];
            let (destination, value) = WRITES[write];
            spec = spec.grok(pattern, subject).grok_set(destination, value);
        }
        if let Some(filter) = filter {
            spec = spec.filter(FILTERS[filter]);
        }
        for write in writes {
            spec = spec.set(WRITES[write].0, WRITES[write].1);
        }
        for allow in allows {
            spec = spec.reason("known").allow(FILTERS[allow]);
        }
        for (filter, write) in children {
            let (destination, value) = WRITES[write];
            spec = spec.child(node("c").filter(FILTERS[filter]).set(destination, value));
        }
        if is_next { spec.next() } else { spec }
    })
}

/// A line's label, program and module.
type Kind = (Option<&'static str>, Option<&'static str>);

fn any_kind() -> impl Strategy<Value = Kind> {
    let label = prop::sample::select(vec![None, Some("x"), Some("y")]);
    let program = prop::sample::select(vec![
        None,
        Some(""),
        Some("a"),
        Some("b"),
        Some("ab"),
        Some("c"),
    ]);
    (label, program)
}

/// What became of lines of these kinds, and the counters of nodes and errors.
fn run(mut bench: Bench, kinds: &[Kind]) -> (Vec<String>, Vec<String>, Counts) {
    let mut told = Vec::new();
    for (label, program) in kinds {
        bench.labels = label
            .iter()
            .map(|label| ("type".into(), (*label).into()))
            .collect();
        bench.begin("line");
        if let Some(program) = program {
            let map = overspill_event::FieldMap::Parsed;
            bench.event.set_named(map, b"program", program.as_bytes());
        }
        let outcome = bench.go();
        told.push(bench.tell(&outcome));
        for text in [TextField::StrTime, TextField::Stage] {
            told.push(String::from_utf8_lossy(bench.event.text(text)).into_owned());
        }
        let enriched = bench.event.fields(overspill_event::FieldMap::Enriched);
        told.push(format!("{enriched:?}"));
    }
    let mut counts = Vec::new();
    bench.state.node_counts(&bench.plan, &mut |node, n| {
        counts.push(format!("{} {} {} {}", node.name, n.hits, n.ok, n.ko));
    });
    (told, counts, bench.state.counts().clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn with_and_without_the_index_every_line_becomes_the_same(
        first in prop::collection::vec(any_spec(), 1..8),
        second in prop::collection::vec(any_spec(), 1..8),
        kinds in prop::collection::vec(any_kind(), 1..24),
    ) {
        let stages = [("s00", first), ("s01", second)];
        let indexed = Bench::new(&stages);
        let mut build = Build::new();
        let plan = build.plan(&stages).without_index();
        let plain = Bench::of(plan, &build.schema.freeze());
        prop_assert_eq!(run(indexed, &kinds), run(plain, &kinds));
    }
}

/// How many nodes of a stage an event is shown to.
fn n_candidates(filters: &[&str], program: &str) -> (usize, usize) {
    let mut build = Build::new();
    let nodes = filters
        .iter()
        .map(|filter| node("n").filter(filter))
        .collect();
    let plan = build.plan(&[("s00", nodes)]);
    let mut bench = Bench::of(plan, &build.schema.freeze());
    bench.begin("line");
    let map = overspill_event::FieldMap::Parsed;
    bench.event.set_named(map, b"program", program.as_bytes());
    let (stage, index) = bench.plan.stage(0).unwrap();
    let mut cx = overspill_expr::Context {
        evt: Some(&mut bench.event),
        vars: &[],
        stash: &mut overspill_expr::NoStash,
        services: &bench.services,
        now: NOW,
    };
    let candidates = index.resolve(&stage.nodes, &mut cx);
    (
        candidates.len(),
        candidates
            .iter()
            .filter(|candidate| candidate.passes)
            .count(),
    )
}

#[test]
fn nodes_that_cannot_match_are_left_out_and_certain_filters_are_not_run() {
    let filters = [
        "evt.Parsed.program == 'nginx'",
        "evt.Parsed.program startsWith 'ng'",
        "evt.Parsed.program in ['sshd', 'nginx']",
        "evt.Parsed.program == 'nginx' && evt.Line.Raw contains 'x'",
        "evt.Line.Raw contains 'x'",
        "evt.Unmarshaled.a.b == 'x' && evt.Parsed.program == 'other'",
        "evt.SetMeta('a', 'b') && evt.Parsed.program == 'other'",
    ];
    assert_eq!(n_candidates(&filters, "nginx"), (7, 3));
    assert_eq!(n_candidates(&filters, "sshd"), (4, 1));
    assert_eq!(n_candidates(&filters, "cron"), (3, 0));
}

#[test]
fn a_line_that_names_too_much_is_shown_to_all_nodes() {
    let mut bench = Bench::new(&[(
        "s00",
        vec![
            node("a")
                .filter("evt.Parsed.program startsWith 'p'")
                .set("meta.a", "=1"),
        ],
    )]);
    bench.begin("line");
    let map = overspill_event::FieldMap::Parsed;
    bench.event.set_named(map, b"program", &vec![b'p'; 100_000]);
    let outcome = bench.go();
    assert!(bench.tell(&outcome).starts_with("processed a=1"));
}

#[test]
fn more_programs_than_are_remembered_are_still_right() {
    let mut bench = Bench::new(&[
        (
            "s00",
            vec![node("p").grok("^%{WORD:program}", "Raw").next()],
        ),
        (
            "s01",
            vec![
                node("a")
                    .filter("evt.Parsed.program == 'p7'")
                    .set("meta.a", "=1"),
                node("b")
                    .filter("evt.Parsed.program != 'p7'")
                    .set("meta.b", "=1"),
            ],
        ),
    ]);
    for round in 0..2 {
        for program in 0..3_000 {
            let told = bench.line(&format!("p{program} x"));
            let expected = if program == 7 {
                "processed a=1"
            } else {
                "processed b=1"
            };
            assert!(told.starts_with(expected), "round {round}: {told}");
        }
    }
    bench.state = ParserState::new(&bench.plan, NOW);
    assert!(bench.line("p7 x").starts_with("processed a=1"));
}
