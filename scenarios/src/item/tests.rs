use expect_test::{Expect, expect};

use super::*;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::yaml::table::Findings;
use crate::yaml::{self, Node};

/// All findings about the documents of a text, as users see them.
fn findings<T>(
    text: &str,
    mut read: impl FnMut(&Node, &mut Findings<'_>) -> T,
) -> (Vec<T>, String) {
    let file = SourceFile::new("x.yaml", text);
    let mut items = Vec::new();
    let mut found = Vec::new();
    for document in yaml::parse(text).unwrap() {
        let mut findings = Findings::new(&file);
        for problem in &document.problems {
            findings.push(Diagnostic::yaml(&file, problem));
        }
        items.push(read(&document.root, &mut findings));
        found.extend(findings.finish().iter().map(Diagnostic::render));
    }
    (items, found.join("\n"))
}

fn check_node(text: &str, expected: &Expect) {
    expected.assert_eq(&findings(text, node::read).1);
}

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
fn a_whole_node_is_read() {
    let text = "
format: 2.0
name: a/b
description: d
author: me
references: [x]
filter: evt.Line.Labels.type == 'x'
onsuccess: next_stage
debug: off
pattern_syntax:
  ONE: 'a+'
  TWO: '%{ONE:x}'
grok:
  pattern: '%{TWO:y}'
  apply_on: message
  statics:
  - enriched: z
    value: 1
  - meta: empty
nodes:
- grok: {name: TWO, expression: 'evt.Parsed.x'}
  nodes:
  - statics: [{target: evt.StrTime, expression: evt.Parsed.t}]
stash:
- {name: s, key: k, value: v, ttl: 10s, size: 5, strategy: LFU}
whitelist:
  reason: because
  ip: [1.2.3.4]
  cidr: [10.0.0.0/8]
  expression: ['true']
statics:
- method: ParseDate
  expression: evt.StrTime
- {meta: a, parsed: b, value: 0x10, expression: ignored}
data:
- {source_url: 'https://x/y', dest_file: y, type: string, cache: true, strategy: LRU, size: 1, ttl: 1m}
";
    let (items, found) = findings(text, node::read);
    assert_eq!(found, "");
    let node = items.into_iter().flatten().next().unwrap();
    assert!(node.next_stage);
    assert_eq!(&*node.name, "a/b");
    assert_eq!(node.patterns.len(), 2);
    assert_eq!(&*node.children[0].name, "child-a/b");
    assert_eq!(&*node.children[0].children[0].name, "child-child-a/b");
    assert_eq!(node.stash[0].ttl_ns, 10_000_000_000);
    assert_eq!(node.stash[0].strategy, node::Strategy::Lfu);
    assert!(matches!(
        node.grok.as_ref().unwrap().statics[1].source,
        statics::Source::Nothing
    ));
    // `parsed` comes before `meta`, a value before an expression, and a value keeps its text.
    let last = &node.statics[1];
    assert!(matches!(&last.destination, statics::Destination::Parsed(text) if &*text.value == "b"));
    assert!(matches!(&last.source, statics::Source::Value(text) if &*text.value == "0x10"));
    assert_eq!(&*node.data[0].dest_file.as_ref().unwrap().value, "y");
}

#[test]
fn a_document_without_name_description_and_author_is_passed_over() {
    let (items, found) = findings(
        "filter: 'true'\nstatics: [{meta: a, value: b}]\n",
        node::read,
    );
    assert!(items[0].is_none());
    assert_eq!(found, "");
}

#[test]
fn what_crowdsec_refuses_in_a_node_is_refused() {
    check_node(
        "name: a\nstatics: [{meta: a, value: b}]\nfliter: x\nconditional: true\n",
        &expect![[r#"
            error: x.yaml:3: unknown key `fliter`
               3 | fliter: x
                 | ^^^^^^ did you mean `filter`?
            error: x.yaml:4: unknown key `conditional`
               4 | conditional: true
                 | ^^^^^^^^^^^"#]],
    );
    check_node(
        "name: a\nname: b\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
        error: x.yaml:2: duplicate key `name`
           2 | name: b
             | ^"#]],
    );
    check_node(
        "name: a\nwhitelist: {reason: r, ip: 1.2.3.4}\n",
        &expect![[r#"
        error: x.yaml:2: key `whitelist.ip`: "1.2.3.4" is not a list
           2 | whitelist: {reason: r, ip: 1.2.3.4}
             |                            ^^^^^^^ write it as a list: ["1.2.3.4"]"#]],
    );
    check_node(
        "name: a\nwhitelist: {reason: r}\n",
        &expect![[r#"
        error: x.yaml:1: the node does nothing: it has no grok, nodes, statics or whitelist entries
           1 | name: a
             | ^"#]],
    );
    check_node(
        "name: a\nstash:\n- {name: s, key: k, value: v, ttl: 10s}\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
            error: x.yaml:3: key `stash[0]`: a stash needs `size`
               3 | - {name: s, key: k, value: v, ttl: 10s}
                 |   ^"#]],
    );
    check_node(
        "name: a\nstash: [{name: s, key: k, value: v, ttl: 10s, size: 1}]\n",
        &expect![[r#"
        error: x.yaml:1: the node does nothing: it has no grok, nodes, statics or whitelist entries
           1 | name: a
             | ^"#]],
    );
    check_node(
        "name: a\ngrok: {pattern: x}\n",
        &expect![[r#"
        error: x.yaml:2: key `grok`: a grok needs `apply_on` or `expression`
           2 | grok: {pattern: x}
             |       ^"#]],
    );
    check_node(
        "name: a\ngrok: {apply_on: x}\n",
        &expect![[r#"
        error: x.yaml:2: key `grok.apply_on`: a grok with `apply_on` needs a `pattern` or a `name`
           2 | grok: {apply_on: x}
             |                  ^"#]],
    );
    check_node(
        "name: a\ngrok: {statics: [{meta: a, value: b}]}\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
        warning: x.yaml:2: key `grok`: a grok without a pattern does nothing
           2 | grok: {statics: [{meta: a, value: b}]}
             |       ^"#]],
    );
    check_node(
        "name: a\nonsuccess: next\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
        error: x.yaml:2: key `onsuccess`: "next" is not what can follow
           2 | onsuccess: next
             |            ^^^^ use next_stage or continue"#]],
    );
    check_node(
        "name: a\ndebug: 'yes'\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
        error: x.yaml:2: key `debug`: "yes" in quotes is not true or false
           2 | debug: 'yes'
             |        ^^^^^ write it without quotes"#]],
    );
    check_node(
        "name: a\npattern_syntax:\n  N: x\n  A: 5\n  B: 'n'\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
        error: x.yaml:3: key `pattern_syntax.N`: N without quotes is not a text
           3 |   N: x
             |   ^ write it in quotes: 'N'
        error: x.yaml:4: key `pattern_syntax.A`: 5 without quotes is not a text
           4 |   A: 5
             |      ^ write it in quotes: '5'"#]],
    );
    check_node(
        "name: a\nformat: 4.0\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
        error: x.yaml:2: key `format`: format 4.0 is not supported, only 1.0 to 3.0 are
           2 | format: 4.0
             |         ^^^"#]],
    );
    check_node(
        "name: a\nformat: new\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
        error: x.yaml:2: key `format`: "new" is not a version
           2 | format: new
             |         ^^^ write for example 2.0"#]],
    );
    check_node(
        "- name: a\n",
        &expect![[r#"
        error: x.yaml:1: a list is not a map of keys
           1 | - name: a
             | ^"#]],
    );
}

#[test]
fn statics_of_a_node_are_validated_and_those_of_a_grok_are_not() {
    check_node(
        "name: a\nstatics: [{enriched: a, value: b}]\n",
        &expect![[r#"
        error: x.yaml:2: key `statics[0].enriched`: a static of a node cannot write `enriched` only
           2 | statics: [{enriched: a, value: b}]
             |                      ^ use `meta` or `parsed`, or move the static into the node's grok"#]],
    );
    check_node(
        "name: a\nstatics: [{meta: a}]\n",
        &expect![[r#"
        error: x.yaml:2: key `statics[0]`: a static needs a `value` or an `expression`
           2 | statics: [{meta: a}]
             |           ^"#]],
    );
    check_node(
        "name: a\nstatics: [{value: b}]\n",
        &expect![[r#"
        error: x.yaml:2: key `statics[0]`: a static needs one of `meta`, `parsed`, `target` or `method`
           2 | statics: [{value: b}]
             |           ^"#]],
    );
    check_node(
        "name: a\nstatics: [{method: GeoIPCity, expression: x}]\n",
        &expect![[r#"
        warning: x.yaml:2: key `statics[0].method`: there is no method `GeoIPCity`; the static does nothing
           2 | statics: [{method: GeoIPCity, expression: x}]
             |                    ^^^^^^^^^"#]],
    );
    check_node(
        "name: a\nstatics: {meta: a, value: b}\n",
        &expect![[r#"
        error: x.yaml:2: key `statics`: a map is not a list
           2 | statics: {meta: a, value: b}
             |          ^"#]],
    );
    check_node(
        "name: a\nstatics: [{meta: a, value: b, type: c}]\n",
        &expect![[r#"
        error: x.yaml:2: key `statics[0]`: unknown key `type`
           2 | statics: [{meta: a, value: b, type: c}]
             |                               ^^^^"#]],
    );
    check_node(
        "name: a\ngrok: {pattern: x, apply_on: y, statics: [{enriched: a}, {value: b}]}\n",
        &expect![[r#"
            error: x.yaml:2: key `grok.statics[1]`: a static needs one of `meta`, `parsed`, `target` or `method`
               2 | grok: {pattern: x, apply_on: y, statics: [{enriched: a}, {value: b}]}
                 |                                                          ^"#]],
    );
}

#[test]
fn deep_children_name_their_place() {
    check_node(
        "name: a\nnodes:\n- statics: [{meta: a, value: b}]\n- nodes:\n  - grok: {pattern: [x], apply_on: y}\n",
        &expect![[r#"
            error: x.yaml:5: key `nodes[1].nodes[0].grok.pattern`: a list is not a text
               5 |   - grok: {pattern: [x], apply_on: y}
                 |                     ^"#]],
    );
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
fn what_crowdsec_refuses_in_a_scenario_is_refused() {
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
        &scenario_with("data: [{dest_file: x, url: y}]\n"),
        &expect![[r#"
        error: x.yaml:5: key `data[0]`: unknown key `url`
           5 | data: [{dest_file: x, url: y}]
             |                       ^^^"#]],
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
fn each_type_has_its_demands() {
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
