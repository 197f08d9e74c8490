//! Stages: who runs, who moves the event, when a line is lost.

use overspill_event::TextField;

use super::check;
use crate::testing::{Bench, Spec, line, node};

fn ok(name: &str) -> Spec {
    node(name).set(&format!("meta.{name}"), "=1")
}

fn fails(name: &str) -> Spec {
    ok(name).filter("false")
}

#[test]
fn without_any_stage_every_event_is_processed() {
    assert_eq!(line(&[], "x"), "processed");
}

#[test]
fn a_stage_without_a_success_loses_the_event_even_the_last_one() {
    check(vec![fails("a")], "x", "unparsed in s01");
    let stages = [("s00", vec![ok("a").next()]), ("s01", vec![fails("b")])];
    assert_eq!(line(&stages, "x"), "unparsed in s01 a=1");
}

#[test]
fn a_success_that_nobody_hands_over_loses_the_event_at_the_next_stage() {
    let stages = [("s00", vec![ok("a")]), ("s01", vec![ok("b")])];
    assert_eq!(line(&stages, "x"), "unparsed in s01 a=1");
}

#[test]
fn the_last_stage_needs_no_next_stage() {
    let stages = [
        ("s00", vec![ok("a").next()]),
        ("s01", vec![ok("b"), ok("c")]),
    ];
    assert_eq!(line(&stages, "x"), "processed a=1 b=1 c=1");
}

#[test]
fn nodes_accumulate_until_one_with_next_stage_succeeds() {
    check(
        vec![ok("a"), fails("b").next(), ok("c"), ok("d").next(), ok("e")],
        "x",
        "processed a=1 c=1 d=1",
    );
}

#[test]
fn a_child_that_moves_the_event_ends_the_stage_for_the_nodes_after_its_parent() {
    let stages = [
        ("s00", vec![ok("a").child(ok("b").next()), ok("c")]),
        ("s01", vec![ok("d")]),
    ];
    assert_eq!(line(&stages, "x"), "processed a=1 b=1 d=1");
}

#[test]
fn child_and_parent_with_next_stage_advance_twice() {
    let twice = vec![ok("a").next().child(ok("b").next())];
    let stages = [
        ("s00", twice.clone()),
        ("s01", vec![ok("c")]),
        ("s02", vec![ok("d")]),
    ];
    assert_eq!(line(&stages, "x"), "processed a=1 b=1 d=1");
    let stages = [("s00", twice), ("s01", vec![ok("c")])];
    assert_eq!(
        line(&stages, "x"),
        "processed a=1 b=1 c=1",
        "from the last stage there is no next"
    );
}

#[test]
fn a_static_that_writes_the_stage_moves_the_event() {
    let to = |stage: &str| {
        vec![
            ok("a").set("target.evt.Stage", &format!("={stage}")),
            ok("b"),
        ]
    };
    let rest = |first| [first, ("s01", vec![ok("c").next()]), ("s02", vec![ok("d")])];
    let check = |stage: &str, expected: &str| {
        assert_eq!(line(&rest(("s00", to(stage))), "x"), expected, "to {stage}");
    };
    check("s01", "processed a=1 c=1 d=1");
    check("s02", "processed a=1 d=1");
    check("s00", "unparsed in s01 a=1 b=1");
    check("nowhere", "unparsed in s01 a=1");
}

#[test]
fn an_unknown_stage_is_only_noticed_by_a_stage_after_it() {
    check(
        vec![ok("a").set("target.evt.Stage", "=nowhere"), ok("b")],
        "x",
        "processed a=1",
    );
}

#[test]
fn from_an_unknown_stage_next_stage_leads_to_the_first() {
    let mut bench = Bench::new(&[
        ("s00", vec![ok("a").next()]),
        (
            "s01",
            vec![ok("b").set("target.evt.Stage", "=nowhere").next()],
        ),
    ]);
    assert_eq!(bench.line("x"), "processed a=1 b=1");
    assert_eq!(bench.event.text(TextField::Stage), b"s00");
}

#[test]
fn an_event_sent_back_to_an_earlier_stage_is_lost_at_the_next() {
    let stages = [
        ("s00", vec![ok("a").next()]),
        ("s01", vec![ok("b").set("target.evt.Stage", "=s00")]),
        ("s02", vec![ok("c")]),
    ];
    assert_eq!(line(&stages, "x"), "unparsed in s02 a=1 b=1");
}

#[test]
fn an_event_that_has_a_stage_begins_there() {
    let mut bench = Bench::new(&[("s00", vec![ok("a").next()]), ("s01", vec![ok("b")])]);
    bench.begin("x");
    bench.event.set_text(TextField::Stage, b"s01");
    let outcome = bench.go();
    assert_eq!(bench.tell(&outcome), "processed b=1");
}

#[test]
fn a_missing_time_becomes_the_present_moment_and_a_given_one_stays() {
    let mut bench = Bench::new(&[("s00", vec![ok("a")])]);
    bench.line("x");
    assert_eq!(bench.event.time, crate::testing::NOW);
    bench.begin("x");
    bench.event.time = overspill_golike::time::Time::from_unix(7);
    let _processed = bench.go();
    assert_eq!(bench.event.time.secs, 7);
}

#[test]
fn only_true_lets_an_event_into_a_node() {
    let entered =
        |filter: &str| line(&[("s00", vec![ok("a").filter(filter)])], "x") == "processed a=1";
    assert!(entered("true"));
    assert!(entered("evt.Line.Raw == 'x'"));
    assert!(!entered("evt.Line.Raw == 'y'"));
    assert!(!entered("evt.Unmarshaled.missing"), "nil");
    assert!(!entered("evt.Unmarshaled.missing.x == 1"), "an error");
    assert!(!entered("evt.Line.Raw"), "a string");
}

#[test]
fn what_a_filter_changed_stays_when_the_node_is_not_entered() {
    check(
        vec![
            ok("a").filter("evt.SetMeta('seen', 'yes') && evt.Line.Raw == 'y'"),
            ok("b"),
        ],
        "x",
        "processed b=1 seen=yes",
    );
}

#[test]
fn without_grok_the_last_child_decides() {
    check(
        vec![ok("p").child(ok("a")).child(fails("b"))],
        "x",
        "unparsed in s01 a=1",
    );
    check(
        vec![ok("p").child(fails("a")).child(ok("b"))],
        "x",
        "processed b=1 p=1",
    );
    check(
        vec![ok("p").child(fails("a")).child(fails("b"))],
        "x",
        "unparsed in s01",
    );
}

#[test]
fn with_next_stage_the_first_child_that_succeeds_wins_and_ends_the_list() {
    check(
        vec![
            ok("p")
                .next()
                .child(fails("a"))
                .child(ok("b"))
                .child(fails("c"))
                .child(ok("d")),
        ],
        "x",
        "processed b=1 p=1",
    );
}

#[test]
fn counters_tell_hits_successes_and_failures_of_every_node() {
    let mut bench = Bench::new(&[(
        "s00",
        vec![
            fails("a"),
            ok("b").child(fails("c")),
            ok("d").child(ok("e")),
        ],
    )]);
    bench.line("x");
    bench.line("x");
    let mut seen = Vec::new();
    bench.state.node_counts(&bench.plan, &mut |node, counts| {
        seen.push(format!(
            "{} {}/{}/{}",
            node.name, counts.hits, counts.ok, counts.ko
        ));
    });
    assert_eq!(
        seen,
        ["a 0/0/0", "b 2/0/2", "c 0/0/0", "d 2/2/0", "e 2/2/0"]
    );
}

#[test]
fn nodes_nested_too_deeply_make_no_plan() {
    let mut build = crate::testing::Build::new();
    let mut stages = vec![crate::StagePlan {
        name: "s00".into(),
        nodes: Vec::new(),
    }];
    let mut deep = crate::Node::new("deep");
    for _ in 0..crate::NODE_DEPTH_MAX {
        let mut parent = crate::Node::new("deep");
        parent.children.push(deep);
        deep = parent;
    }
    stages[0].nodes.push(deep);
    let refused = crate::ParserPlan::new(stages, &mut build.schema).map(|plan| plan.n_nodes());
    assert_eq!(
        refused,
        Err(crate::PlanError::TooDeep {
            node: "deep".into()
        })
    );
}
