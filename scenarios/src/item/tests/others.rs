//! Profiles, simulation and collections.

use expect_test::{Expect, expect};

use super::findings;
use crate::item::{collection, profile, simulation};

#[test]
fn profiles_are_read_and_checked() {
    let check = |text: &str, expected: Expect| {
        expected.assert_eq(&findings(text, profile::read).1);
    };
    check(
        "name: p\nfilters: ['true']\ndecisions: [{type: ban, duration: 1d12h}]\non_success: break\n",
        expect![[""]],
    );
    check(
        "name: p\nfilters: ['true']\ndecisions: [{duration: 4 h}, {type: ban}]\non_success: stop\non_failure: x\nfoo: 1\n",
        expect![[r#"
            error: x.yaml:3: key `decisions[0]`: a decision needs `type`
               3 | decisions: [{duration: 4 h}, {type: ban}]
                 |             ^
            error: x.yaml:3: key `decisions[0].duration`: "4 h" is not a duration
               3 | decisions: [{duration: 4 h}, {type: ban}]
                 |                        ^^^ write it without the space: "4h"
            warning: x.yaml:3: key `decisions[1]`: a decision without `duration` lasts 4h
               3 | decisions: [{duration: 4 h}, {type: ban}]
                 |                              ^
            error: x.yaml:4: key `on_success`: "stop" is not what can follow
               4 | on_success: stop
                 |             ^^^^ use continue or break
            error: x.yaml:5: key `on_failure`: "x" is not what can follow
               5 | on_failure: x
                 |             ^ use continue or break or apply
            error: x.yaml:6: unknown key `foo`
               6 | foo: 1
                 | ^^^"#]],
    );
    check(
        "name: p\nduration_expr: \"'4h'\"\ndecisions: [{type: ban, value: 1.2.3.4}]\non_error: whatever\n",
        expect![[r#"
            warning: x.yaml:3: key `decisions[0].value`: has no effect: the alert gives this
               3 | decisions: [{type: ban, value: 1.2.3.4}]
                 |             ^"#]],
    );
}

#[test]
fn simulation_turns_around_for_exclusions() {
    let mut simulation = simulation::Simulation::default();
    let (_, found) = findings("simulation: on\nexclusions: [a/b]\n", |root, findings| {
        simulation.read(root, findings);
    });
    assert_eq!(found, "");
    assert!(!simulation.of("a/b") && simulation.of("c/d"));
    // What the second file does not mention stays.
    let _ = findings("exclusions: [c/d]\n", |root, findings| {
        simulation.read(root, findings)
    });
    assert!(simulation.of("a/b") && !simulation.of("c/d"));
    let (_, found) = findings("simulated: true\n", |root, findings| {
        simulation.read(root, findings)
    });
    assert!(found.contains("unknown key `simulated`"), "{found}");
}

#[test]
fn collections_name_members_and_carry_anything_else() {
    let text = "
parsers: [a/p]
scenarios: ['', a/s]
collections: [a/c]
appsec-rules: [a/r, a/q]
labels: {x: y}
tags: [z]
";
    let (items, found) = findings(text, collection::read);
    assert_eq!(found, "");
    let members: Vec<String> = items[0]
        .members
        .iter()
        .map(|(kind, name)| format!("{kind}/{}", name.value))
        .collect();
    assert_eq!(members, ["parsers/a/p", "scenarios/a/s", "collections/a/c"]);
    assert_eq!(items[0].n_unsupported, 2);
}
