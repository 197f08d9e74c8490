//! Documents of scenarios.

use expect_test::{Expect, expect};

use super::findings;
use crate::item::{bucket, scenario};

fn check_scenario(text: &str, expected: &Expect) {
    expected.assert_eq(&findings(text, scenario::read).1);
}

/// A valid scenario with further lines.
fn scenario_with(lines: &str) -> String {
    let mut text = String::from("name: a/b\ndescription: d\nfilter: 'true'\n");
    if !lines.starts_with("type:") {
        text.push_str("type: trigger\n");
    }
    text.push_str(lines);
    text
}

#[test]
fn a_whole_scenario_is_read() {
    let text = "
format: 2.0
version: 7
type: leaky
name: a/b
description: d
references: [r]
filter: evt.Meta.log_type == 'x'
groupby: evt.Meta.source_ip
distinct: evt.Meta.user
capacity: 5
leakspeed: \"10s\"
duration: 1h
blackhole: 1m30s
overflow_filter: 'true'
cancel_on: 'false'
cache_size: 3
scope: {type: user, expression: evt.Meta.user}
labels: {remediation: yes, n: 3, list: [a, {b: ~}], service: 'yes'}
data: [{dest_file: f}]
reprocess: true
debug: false
";
    let (items, found) = findings(text, scenario::read);
    assert_eq!(found, "");
    let item = items.into_iter().flatten().next().unwrap();
    assert_eq!(item.kind, bucket::BucketKind::Leaky);
    assert_eq!((item.capacity.value, item.cache_size), (5, 3));
    assert_eq!(
        (item.leakspeed_ns, item.duration_ns),
        (10_000_000_000, 3_600_000_000_000)
    );
    assert_eq!(item.blackhole_ns, Some(90_000_000_000));
    assert!(item.remediation && item.reprocess);
    assert_eq!(item.labels.len(), 4);
    assert_eq!(&*item.scope.kind, "user");
}

#[test]
fn remediation_is_the_boolean_alone() {
    for (value, expected) in [
        ("true", true),
        ("y", true),
        ("'true'", false),
        ("1", false),
        ("false", false),
        ("~", false),
    ] {
        let text = scenario_with(&format!("labels: {{remediation: {value}}}\n"));
        let (items, _) = findings(&text, scenario::read);
        assert_eq!(items[0].as_ref().unwrap().remediation, expected, "{value}");
    }
}

#[test]
fn a_scenario_has_its_required_keys_and_no_unknown_ones() {
    check_scenario(
        "type: leaky\n",
        &expect![[r#"
        error: x.yaml:1: a scenario needs `name`
           1 | type: leaky
             | ^
        error: x.yaml:1: a scenario needs `description`
           1 | type: leaky
             | ^
        error: x.yaml:1: a scenario needs `filter`
           1 | type: leaky
             | ^"#]],
    );
    check_scenario(
        "---\n",
        &expect![[r#"
        error: x.yaml:2: a scenario needs `name`
        error: x.yaml:2: a scenario needs `description`
        error: x.yaml:2: a scenario needs `type`
        error: x.yaml:2: a scenario needs `filter`"#]],
    );
    check_scenario(
        &scenario_with("author: me\ntags: [a]\n"),
        &expect![[r#"
        error: x.yaml:5: unknown key `author`
           5 | author: me
             | ^^^^^^ the author is part of the name now; delete the line
        error: x.yaml:6: unknown key `tags`
           6 | tags: [a]
             | ^^^^ labels carry this now; delete the line"#]],
    );
    check_scenario(
        &scenario_with("data: [{dest_file: x, url: y}]\n"),
        &expect![[r#"
        error: x.yaml:5: key `data[0]`: unknown key `url`
           5 | data: [{dest_file: x, url: y}]
             |                       ^^^"#]],
    );
}

#[test]
fn values_of_a_scenario_have_their_types() {
    check_scenario(
        &scenario_with("type: leeky\n"),
        &expect![[r#"
        error: x.yaml:4: key `type`: there is no bucket type "leeky"
           4 | type: leeky
             |       ^^^^^ did you mean leaky?"#]],
    );
    check_scenario(
        &scenario_with("type: uniq\n"),
        &expect![[r#"
        error: x.yaml:4: key `type`: there is no bucket type "uniq"
           4 | type: uniq
             |       ^^^^ one of leaky, trigger, counter, conditional, bayesian"#]],
    );
    check_scenario(
        &scenario_with("capacity: '5'\n"),
        &expect![[r#"
        error: x.yaml:5: key `capacity`: "5" in quotes is not a whole number
           5 | capacity: '5'
             |           ^^^ write it without quotes"#]],
    );
    check_scenario(
        &scenario_with("capacity: many\n"),
        &expect![[r#"
        error: x.yaml:5: key `capacity`: "many" is not a whole number
           5 | capacity: many
             |           ^^^^"#]],
    );
    check_scenario(
        &scenario_with("capacity: 99999999999\n"),
        &expect![[r#"
        error: x.yaml:5: key `capacity`: 99999999999 is past what a capacity can be
           5 | capacity: 99999999999
             |           ^^^^^^^^^^^"#]],
    );
    check_scenario(
        &scenario_with("labels: [a]\n"),
        &expect![[r#"
        error: x.yaml:5: key `labels`: a list is not a map of keys
           5 | labels: [a]
             |         ^"#]],
    );
}

#[test]
fn a_duration_that_go_would_not_read_is_explained() {
    check_scenario(
        &scenario_with("blackhole: 10 s\n"),
        &expect![[r#"
        error: x.yaml:5: key `blackhole`: "10 s" is not a duration
           5 | blackhole: 10 s
             |            ^^^^ write it without the space: "10s""#]],
    );
    check_scenario(
        &scenario_with("blackhole: 10\n"),
        &expect![[r#"
        error: x.yaml:5: key `blackhole`: "10" is not a duration
           5 | blackhole: 10
             |            ^^ a number needs a unit: "10s""#]],
    );
    check_scenario(
        &scenario_with("blackhole: 2d\n"),
        &expect![[r#"
        error: x.yaml:5: key `blackhole`: "2d" is not a duration
           5 | blackhole: 2d
             |            ^^ days are no unit here: "48h""#]],
    );
    check_scenario(
        &scenario_with("blackhole: soon\n"),
        &expect![[r#"
        error: x.yaml:5: key `blackhole`: "soon" is not a duration
           5 | blackhole: soon
             |            ^^^^ numbers with units ns, us, ms, s, m or h, such as "1m30s""#]],
    );
}

#[test]
fn leaky_trigger_and_counter_buckets_have_their_demands() {
    check_scenario(
        &scenario_with("type: leaky\n"),
        &expect![[r#"
        error: x.yaml:1: a leaky bucket needs `capacity`
           1 | name: a/b
             | ^
        error: x.yaml:1: a leaky bucket needs `leakspeed`
           1 | name: a/b
             | ^"#]],
    );
    check_scenario(
        &scenario_with("type: leaky\ncapacity: -1\nleakspeed: 0s\n"),
        &expect![[r#"
        error: x.yaml:5: key `capacity`: -1 is no capacity of a leaky bucket: must be above 0
           5 | capacity: -1
             |           ^^
        error: x.yaml:6: key `leakspeed`: "0s" must be above 0
           6 | leakspeed: 0s
             |            ^^"#]],
    );
    check_scenario(
        &scenario_with("capacity: 1\n"),
        &expect![[r#"
        error: x.yaml:5: key `capacity`: 1 is no capacity of a trigger bucket: must be 0 or left out
           5 | capacity: 1
             |           ^"#]],
    );
    check_scenario(
        &scenario_with("type: counter\ncapacity: 0\n"),
        &expect![[r#"
        error: x.yaml:5: key `capacity`: 0 is no capacity of a counter bucket: must be -1
           5 | capacity: 0
             |           ^
        error: x.yaml:1: a counter bucket needs `duration`
           1 | name: a/b
             | ^"#]],
    );
    check_scenario(
        &scenario_with("type: counter\ncapacity: -1\nduration: -1s\n"),
        &expect![[r#"
        error: x.yaml:6: key `duration`: "-1s" must be above 0
           6 | duration: -1s
             |           ^^^"#]],
    );
}

#[test]
fn conditional_and_bayesian_buckets_have_their_demands() {
    check_scenario(
        &scenario_with("type: conditional\ncapacity: -1\nleakspeed: 1s\n"),
        &expect![[r#"
        error: x.yaml:1: a conditional bucket needs `condition`
           1 | name: a/b
             | ^"#]],
    );
    check_scenario(
        &scenario_with("type: conditional\ncapacity: 5\nleakspeed: 1s\ncondition: 'true'\n"),
        &expect![[r#"
            warning: x.yaml:5: key `capacity`: a conditional bucket of capacity 5 keeps few events; -1 is usual
               5 | capacity: 5
                 |           ^"#]],
    );
    check_scenario(
        &scenario_with("type: conditional\ncapacity: -2\nleakspeed: 1s\ncondition: 'true'\n"),
        &expect![[r#"
            error: x.yaml:5: key `capacity`: -2 is no capacity of a conditional bucket: must be -1 or more
               5 | capacity: -2
                 |           ^^"#]],
    );
    check_scenario(
        &scenario_with(
            "type: bayesian\ncapacity: -1\nbayesian_prior: 1.5\nbayesian_threshold: 0\n",
        ),
        &expect![[r#"
            error: x.yaml:1: a bayesian bucket needs `leakspeed`
               1 | name: a/b
                 | ^
            error: x.yaml:1: a bayesian bucket needs `bayesian_conditions`
               1 | name: a/b
                 | ^
            error: x.yaml:6: key `bayesian_prior`: 1.5 must be above 0 and at most 1
               6 | bayesian_prior: 1.5
                 |                 ^^^
            error: x.yaml:7: key `bayesian_threshold`: 0 must not be 0 and at most 1
               7 | bayesian_threshold: 0
                 |                     ^"#]],
    );
    check_scenario(
        &scenario_with(
            "type: bayesian\ncapacity: -1\nleakspeed: 1s\nbayesian_prior: 0.5\nbayesian_threshold: 0.8\n\
             bayesian_conditions:\n- {condition: 'true', prob_given_evil: 0.8, prob_given_benign: 0.2, guillotine: true}\n\
             - {prob_given_evil: 0.8}\n",
        ),
        &expect![[r#"
            error: x.yaml:11: key `bayesian_conditions[1]`: a bayesian condition needs `condition`
              11 | - {prob_given_evil: 0.8}
                 |   ^"#]],
    );
}

#[test]
fn scopes_need_an_expression_or_must_not_have_one() {
    check_scenario(&scenario_with("scope: {type: Range}\n"), &expect![""]);
    check_scenario(
        &scenario_with("scope: {type: Range, expression: x}\n"),
        &expect![""],
    );
    check_scenario(
        &scenario_with("scope: {type: Ip, expression: x}\n"),
        &expect![[r#"
        error: x.yaml:5: key `scope.expression`: scope Ip takes no expression: its value is the address
           5 | scope: {type: Ip, expression: x}
             |                               ^"#]],
    );
    check_scenario(
        &scenario_with("scope: {expression: x}\n"),
        &expect![[r#"
        error: x.yaml:5: key `scope.expression`: scope Ip takes no expression: its value is the address
           5 | scope: {expression: x}
             |                     ^"#]],
    );
    check_scenario(
        &scenario_with("scope: {type: ip}\n"),
        &expect![[r#"
        error: x.yaml:5: key `scope.type`: scope ip needs an `expression`
           5 | scope: {type: ip}
             |               ^^ did you mean Ip?"#]],
    );
    check_scenario(
        &scenario_with("scope: {type: username}\n"),
        &expect![[r#"
        error: x.yaml:5: key `scope.type`: scope username needs an `expression`
           5 | scope: {type: username}
             |               ^^^^^^^^"#]],
    );
    check_scenario(
        &scenario_with("scope: username\n"),
        &expect![[r#"
        error: x.yaml:5: key `scope`: "username" is not a map of keys
           5 | scope: username
             |        ^^^^^^^^"#]],
    );
}

#[test]
fn formats_from_one_to_three_are_read() {
    let cases = [
        ("", true),
        ("1.0", true),
        ("1", true),
        ("2.5.1", true),
        ("v3.0", true),
        ("3.0.0.0", true),
        ("3.0.0.1", false),
        ("3.0.1", false),
        ("3.1", false),
        ("0.9", false),
        ("2.0-beta", false),
        ("2.0+build", true),
        ("two", false),
        ("1..2", false),
    ];
    for (version, expected) in cases {
        let text = scenario_with(&format!("format: '{version}'\n"));
        let found = findings(&text, scenario::read).1;
        assert_eq!(found.is_empty(), expected, "{version}: {found}");
    }
}
