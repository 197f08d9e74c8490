//! What does not compile: each finding as users see it, and what runs all the same.

use expect_test::{Expect, expect};
use overspill_scenarios::{Content, Hub, Selection};
use tempfile::tempdir;

use crate::{compiled, rendered, scenario_names, trigger, write};

/// Parsers of one stage, by base name and text.
fn parsers(files: &[(&str, &str)]) -> Content {
    let mut content = Content::default();
    for (name, text) in files {
        content.add_parser_text("s01-parse", name, text);
    }
    content
}

fn check_parser(text: &str, expected: &Expect) {
    let compiled = compiled(&parsers(&[("x.yaml", text)]));
    expected.assert_eq(&rendered(&compiled));
}

#[test]
fn expressions_are_pointed_into() {
    check_parser(
        "name: a\nfilter: evt.Mota.x == 'y'\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
        error: x.yaml:2: key `filter`: expression: type *pipeline.Event has no field Mota
           2 | filter: evt.Mota.x == 'y'
             |         ^"#]],
    );
    check_parser(
        "name: a\nfilter: \"evt.Meta.x = 'y'\"\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
        error: x.yaml:2: key `filter`: expression: unexpected token =
           2 | filter: "evt.Meta.x = 'y'"
             |                     ^"#]],
    );
    check_parser(
        "name: a\nfilter: |\n  evt.Meta.x == 'y' &&\n    evt.Meta.z == &\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
            error: x.yaml:4: key `filter`: expression: unrecognized character '&'
               4 |     evt.Meta.z == &
                 |                   ^"#]],
    );
    check_parser(
        "name: a\nfilter: \"evt.Meta.x == \\\"y\\\" && nope\"\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
            error: x.yaml:2: key `filter`: expression: unknown name nope
               2 | filter: "evt.Meta.x == \"y\" && nope"
                 |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"#]],
    );
    check_parser(
        "name: a\nstatics:\n- {meta: a, expression: nope(1)}\n- {meta: b, expression: nope(2)}\n",
        &expect![[r#"
        error: x.yaml:3: key `statics[0].expression`: expression: unknown name nope
           3 | - {meta: a, expression: nope(1)}
             |                         ^
        error: x.yaml:4: key `statics[1].expression`: expression: unknown name nope
           4 | - {meta: b, expression: nope(2)}
             |                         ^"#]],
    );
}

#[test]
fn groks_and_whitelists_are_checked() {
    check_parser(
        "name: a\ngrok: {pattern: '%{NOSUCHNAME:x}', apply_on: message}\n",
        &expect![[r#"
        error: x.yaml:2: key `grok.pattern`: cannot expand grok pattern: grok pattern "NOSUCHNAME" is not defined
           2 | grok: {pattern: '%{NOSUCHNAME:x}', apply_on: message}
             |                 ^^^^^^^^^^^^^^^^^"#]],
    );
    check_parser(
        "name: a\ngrok: {name: NOSUCHNAME, apply_on: message}\n",
        &expect![[r#"
        error: x.yaml:2: key `grok.name`: cannot expand grok pattern: grok pattern "NOSUCHNAME" is not defined
           2 | grok: {name: NOSUCHNAME, apply_on: message}
             |              ^^^^^^^^^^"#]],
    );
    check_parser(
        "name: a\ngrok: {pattern: '(%{WORD:x}', apply_on: message}\n",
        &expect![[r#"
            error: x.yaml:2: key `grok.pattern`: cannot expand grok pattern: the pattern is not a valid regex: missing closing parenthesis at byte 19 of the regex
               2 | grok: {pattern: '(%{WORD:x}', apply_on: message}
                 |                 ^^^^^^^^^^^^"#]],
    );
    check_parser(
        "name: a\ngrok: {pattern: 'x+', apply_on: message}\n",
        &expect![[r#"
        warning: x.yaml:2: key `grok.pattern`: a pattern without a field, as in %{WORD:name}, never counts as a match
           2 | grok: {pattern: 'x+', apply_on: message}
             |                 ^^^^"#]],
    );
    check_parser(
        "name: a\npattern_syntax: {WORD: x, MINE: '%{NOSUCHNAME}'}\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
            warning: x.yaml:2: key `pattern_syntax.WORD`: pattern `WORD` has another definition already, which stays
               2 | pattern_syntax: {WORD: x, MINE: '%{NOSUCHNAME}'}
                 |                  ^^^^
            error: x.yaml:2: key `pattern_syntax.MINE`: grok pattern "NOSUCHNAME" is not defined
               2 | pattern_syntax: {WORD: x, MINE: '%{NOSUCHNAME}'}
                 |                                 ^^^^^^^^^^^^^^^"#]],
    );
    check_parser(
        "name: a\nstatics: [{target: evt.Nowhere, value: b}]\n",
        &expect![[r#"
        warning: x.yaml:2: key `statics[0].target`: `evt.Nowhere` is no text of an event; the static does nothing
           2 | statics: [{target: evt.Nowhere, value: b}]
             |                    ^^^^^^^^^^^"#]],
    );
    check_parser(
        "name: a\nwhitelist: {reason: r, ip: [1.2.3.04, 10.0.0.0/8], cidr: [1.2.3.4, 10.0.0.0/33]}\n",
        &expect![[r#"
            error: x.yaml:2: key `whitelist.ip[0]`: "1.2.3.04" is not an address
               2 | whitelist: {reason: r, ip: [1.2.3.04, 10.0.0.0/8], cidr: [1.2.3.4, 10.0.0.0/33]}
                 |                             ^^^^^^^^ write it like 192.0.2.1 or 2001:db8::1, without leading zeros
            error: x.yaml:2: key `whitelist.ip[1]`: "10.0.0.0/8" is not an address
               2 | whitelist: {reason: r, ip: [1.2.3.04, 10.0.0.0/8], cidr: [1.2.3.4, 10.0.0.0/33]}
                 |                                       ^^^^^^^^^^ a range goes below `cidr`
            error: x.yaml:2: key `whitelist.cidr[0]`: "1.2.3.4" is not a range
               2 | whitelist: {reason: r, ip: [1.2.3.04, 10.0.0.0/8], cidr: [1.2.3.4, 10.0.0.0/33]}
                 |                                                           ^^^^^^^ an address goes below `ip`
            error: x.yaml:2: key `whitelist.cidr[1]`: "10.0.0.0/33" is not a range
               2 | whitelist: {reason: r, ip: [1.2.3.04, 10.0.0.0/8], cidr: [1.2.3.4, 10.0.0.0/33]}
                 |                                                                    ^^^^^^^^^^^ write it like 192.0.2.0/24 or 2001:db8::/32"#]],
    );
}

#[test]
fn the_first_definition_of_a_pattern_stays_and_a_refused_document_defines_nothing() {
    let node = |pattern: &str, filter: &str| {
        format!(
            "name: a\nfilter: \"{filter}\"\npattern_syntax: {{MINE: '{pattern}'}}\n\
             grok: {{pattern: '%{{MINE:m}}', apply_on: message}}\n"
        )
    };
    let refused = node("one", "nope");
    let (first, second) = (node("two", "1==1"), node("three", "1==1"));
    let content = parsers(&[
        ("1.yaml", &refused),
        ("2.yaml", &first),
        ("3.yaml", &first),
        ("4.yaml", &second),
    ]);
    let compiled = compiled(&content);
    expect![[r#"
        error: 1.yaml:2: key `filter`: expression: unknown name nope
           2 | filter: "nope"
             |          ^
        warning: 4.yaml:3: key `pattern_syntax.MINE`: pattern `MINE` has another definition already, which stays
           3 | pattern_syntax: {MINE: 'three'}
             |                  ^^^^"#]].assert_eq(&rendered(&compiled));
    assert_eq!(compiled.report.n_parsers, 3);
}

#[test]
fn a_document_is_refused_and_the_others_of_its_file_run() {
    let root = tempdir().unwrap();
    let text = format!(
        "{}---\nname: broken\n---\n{}",
        trigger("one"),
        trigger("two")
    );
    write(
        root.path(),
        &[
            ("scenarios/a/many.yaml", text.as_str()),
            ("scenarios/a/zz.yaml", "a: [\n"),
        ],
    );
    let hub = Hub::open(root.path()).unwrap();
    let compiled = compiled(&hub.select(&Selection {
        everything: true,
        ..Selection::default()
    }));
    assert_eq!(scenario_names(&compiled), ["one", "two"]);
    assert_eq!(compiled.scenarios[1].id.0, 1);
    expect![[r#"
        error: scenarios/a/many.yaml:6: a scenario needs `description`
           6 | name: broken
             | ^
        error: scenarios/a/many.yaml:6: a scenario needs `type`
           6 | name: broken
             | ^
        error: scenarios/a/many.yaml:6: a scenario needs `filter`
           6 | name: broken
             | ^
        error: scenarios/a/zz.yaml:2: while parsing a node, did not find expected node content
          2 of 4 items were refused; 2 run."#]]
    .assert_eq(&overspill_scenarios::render(&compiled.report));
}

#[test]
fn every_expression_of_a_scenario_is_compiled() {
    let root = tempdir().unwrap();
    let text = "type: bayesian\nname: s\ndescription: d\nfilter: nope1\ngroupby: nope2\ndistinct: nope3\n\
        cancel_on: nope4\noverflow_filter: evt == nil || nope5\ncondition: queue.L > 1 && nope6\n\
        capacity: -1\nleakspeed: 1s\nbayesian_prior: 0.5\nbayesian_threshold: 0.5\n\
        bayesian_conditions: [{condition: nope7}]\nscope: {type: user, expression: nope8}\n";
    write(root.path(), &[("scenarios/a/s.yaml", text)]);
    let hub = Hub::open(root.path()).unwrap();
    let compiled = compiled(&hub.select(&Selection {
        everything: true,
        ..Selection::default()
    }));
    let text = rendered(&compiled);
    for n in 1..=8 {
        assert!(
            text.contains(&format!("nope{n}")),
            "nope{n} is not in:\n{text}"
        );
    }
    assert!(compiled.scenarios.is_empty());
}

#[test]
fn profiles_that_do_not_compile_are_left_out() {
    let mut content = Content::default();
    content.set_profiles(
        "profiles.yaml",
        "name: one\nfilters: [evt.Meta.x]\n---\nname: two\nfilters: ['Alert.GetScope() == \"Ip\"']\non_error: apply\n",
    );
    let compiled = compiled(&content);
    assert_eq!(compiled.report.n_profiles, 1);
    expect![[r#"
        error: profiles.yaml:2: key `filters[0]`: expression: unknown name evt
           2 | filters: [evt.Meta.x]
             |           ^"#]]
    .assert_eq(&rendered(&compiled));
}

#[test]
fn buckets_keep_what_later_expressions_read() {
    let root = tempdir().unwrap();
    let scenario = |name: &str, more: &str| {
        format!(
            "type: conditional\nname: {name}\ndescription: d\nfilter: evt.Parsed.only_in_filter == 'x'\n\
             capacity: -1\nleakspeed: 1s\n{more}"
        )
    };
    write(
        root.path(),
        &[
            (
                "scenarios/a/1.yaml",
                &scenario(
                    "1",
                    "condition: 'any(queue.Queue, {.Parsed.seen == \"x\"})'\n",
                ),
            ),
            (
                "scenarios/a/2.yaml",
                &scenario("2", "condition: evt.Unmarshaled.a.b == 'x'\n"),
            ),
            (
                "contexts/a/c.yaml",
                "context: {k: [evt.Parsed.in_context]}\n",
            ),
        ],
    );
    let hub = Hub::open(root.path()).unwrap();
    let compiled = compiled(&hub.select(&Selection {
        everything: true,
        ..Selection::default()
    }));
    assert_eq!(rendered(&compiled), "");
    let kept = |at: usize| {
        let keep = &compiled.scenarios[at].keep;
        let mut names: Vec<&str> = keep
            .slots
            .iter()
            .map(|slot| compiled.schema.name(*slot))
            .collect();
        names.sort_unstable();
        (names, keep.tree, keep.all)
    };
    let mut always = vec![
        "ASNNumber",
        "ASNOrg",
        "ASNumber",
        "IsoCode",
        "Latitude",
        "Longitude",
        "in_context",
    ];
    assert_eq!(kept(1), (always.clone(), true, false));
    always.push("seen");
    assert_eq!(kept(0), (always, false, false));
}
