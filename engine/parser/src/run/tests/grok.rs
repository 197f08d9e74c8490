//! Grok: subjects, captures, and what follows from failing.

use super::check;
use crate::testing::{Spec, node};

fn ok(name: &str) -> Spec {
    node(name).set(&format!("meta.{name}"), "=1")
}

#[test]
fn captures_of_the_raw_line_become_parsed_fields() {
    check(
        vec![ok("a").grok("%{WORD:verb} %{INT:code}", "Raw")],
        "..GET 200..",
        "processed a=1 p.code=200 p.verb=GET",
    );
}

#[test]
fn captures_of_a_captured_field_are_found_within_it() {
    check(
        vec![
            ok("a").grok("<%{DATA:inner}>", "Raw"),
            ok("b").grok("b%{INT:n}", "parsed.inner"),
        ],
        "a1 <b2 c3> b4",
        "processed a=1 b=1 p.inner=b2 c3 p.n=2",
    );
}

#[test]
fn a_missing_subject_fails_and_an_empty_one_does_not() {
    check(
        vec![ok("a").grok("^%{DATA:x}$", "parsed.missing")],
        "line",
        "unparsed in s01",
    );
    check(
        vec![
            ok("a").grok("^%{DATA:empty}%{GREEDYDATA:rest}$", "Raw"),
            ok("b").grok("^%{DATA:x}$", "parsed.empty"),
        ],
        "line",
        "processed a=1 b=1 p.empty= p.rest=line p.x=",
    );
}

#[test]
fn groups_that_took_no_part_overwrite_with_the_empty_text() {
    check(
        vec![
            ok("a").grok("^%{WORD:x} ?(%{INT:n})?", "Raw"),
            ok("b").grok("^(%{INT:x}|%{WORD:y})", "Raw"),
        ],
        "word",
        "processed a=1 b=1 p.n= p.x= p.y=word",
    );
}

#[test]
fn a_pattern_without_fields_never_succeeds() {
    check(
        vec![ok("a").grok("%{WORD}", "Raw")],
        "word",
        "unparsed in s01",
    );
}

#[test]
fn computed_subjects_are_matched_as_text_and_other_types_as_the_empty_text() {
    let subject = |expression: &str, expected: &str| {
        let nodes = vec![
            node("json").set("method.UnmarshalJSON", "=x"),
            node("g").grok("^%{GREEDYDATA:all}$", expression),
        ];
        check(
            nodes,
            r#"{"s":"text","f":1.5,"b":true,"l":[1],"n":null}"#,
            expected,
        );
    };
    subject("evt.Unmarshaled.s + '!'", "processed p.all=text!");
    subject("evt.Unmarshaled.s", "processed p.all=text");
    subject("evt.Line.Src", "processed p.all=test.log");
    subject("evt.Parsed.missing", "processed p.all=");
    subject("'constant'", "processed p.all=constant");
    subject("40 + 2", "processed p.all=42");
    subject("0 - 7", "processed p.all=-7");
    subject("evt.Unmarshaled.f", "processed p.all=1.500000");
    subject("evt.Unmarshaled.b", "processed p.all=");
    subject("evt.Unmarshaled.l", "processed p.all=");
    subject("evt.Unmarshaled.n", "processed p.all=");
    // The first node succeeded, so the stage did, but nothing was captured.
    subject("evt.Unmarshaled.n.deeper", "processed");
}

#[test]
fn children_run_after_a_failed_grok_and_a_success_among_them_saves_the_parent() {
    check(
        vec![ok("p").grok("%{INT:n}", "Raw").child(ok("a"))],
        "no number",
        "processed a=1 p=1",
    );
    check(
        vec![
            ok("p")
                .grok("%{INT:n}", "Raw")
                .child(ok("a"))
                .child(ok("b").filter("false")),
        ],
        "no number",
        "unparsed in s01 a=1",
    );
}

#[test]
fn failed_children_do_not_hurt_a_parent_whose_grok_matched() {
    check(
        vec![
            ok("p")
                .grok("%{INT:n}", "Raw")
                .child(ok("a").filter("false")),
        ],
        "7",
        "processed p=1 p.n=7",
    );
}

#[test]
fn statics_of_grok_run_before_children_and_stay_when_these_fail() {
    check(
        vec![
            node("p")
                .grok("%{INT:n}", "Raw")
                .grok_set("meta.kind", "=number")
                .child(ok("a").filter("evt.Meta.kind == 'number'")),
        ],
        "7",
        "processed a=1 kind=number p.n=7",
    );
    check(
        vec![
            node("p")
                .child(
                    ok("q")
                        .grok("%{INT:n}", "Raw")
                        .grok_set("meta.kind", "=number"),
                )
                .child(ok("z").filter("false")),
        ],
        "7",
        "unparsed in s01 kind=number p.n=7 q=1"
            .replace("p.n=7 q=1", "q=1 p.n=7")
            .as_str(),
    );
}

#[test]
fn statics_of_a_failed_grok_do_not_run() {
    check(
        vec![
            ok("a"),
            ok("b")
                .grok("%{INT:n}", "Raw")
                .grok_set("meta.kind", "=number"),
        ],
        "word",
        "processed a=1",
    );
}

#[test]
fn a_static_of_grok_with_an_impossible_type_loses_the_event() {
    check(
        vec![
            ok("a")
                .grok("%{INT:n}", "Raw")
                .grok_set("meta.flag", "evt.Parsed.n == '7'"),
            ok("b"),
        ],
        "7",
        "dropped p.n=7",
    );
}
