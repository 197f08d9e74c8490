//! Documents of parsers.

use expect_test::{Expect, expect};

use super::findings;
use crate::item::{node, statics};

fn check_node(text: &str, expected: &Expect) {
    expected.assert_eq(&findings(text, node::read).1);
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
fn a_node_is_a_map_of_known_keys_each_given_once() {
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
        "- name: a\n",
        &expect![[r#"
        error: x.yaml:1: a list is not a map of keys
           1 | - name: a
             | ^"#]],
    );
}

#[test]
fn a_node_must_do_something() {
    check_node(
        "name: a\nwhitelist: {reason: r}\n",
        &expect![[r#"
        error: x.yaml:1: the node does nothing: it has no grok, nodes, statics or whitelist entries
           1 | name: a
             | ^"#]],
    );
    check_node(
        "name: a\nstash: [{name: s, key: k, value: v, ttl: 10s, size: 1}]\n",
        &expect![[r#"
        error: x.yaml:1: the node does nothing: it has no grok, nodes, statics or whitelist entries
           1 | name: a
             | ^"#]],
    );
    check_node(
        "name: a\ngrok: {statics: [{meta: a, value: b}]}\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
        warning: x.yaml:2: key `grok`: a grok without a pattern does nothing
           2 | grok: {statics: [{meta: a, value: b}]}
             |       ^"#]],
    );
}

#[test]
fn groks_stashes_and_whitelists_are_whole() {
    check_node(
        "name: a\nwhitelist: {reason: r, ip: 1.2.3.4}\n",
        &expect![[r#"
        error: x.yaml:2: key `whitelist.ip`: "1.2.3.4" is not a list
           2 | whitelist: {reason: r, ip: 1.2.3.4}
             |                            ^^^^^^^ write it as a list: ["1.2.3.4"]"#]],
    );
    check_node(
        "name: a\nstash:\n- {name: s, key: k, value: v, ttl: 10s}\nstatics: [{meta: a, value: b}]\n",
        &expect![[r#"
            error: x.yaml:3: key `stash[0]`: a stash needs `size`
               3 | - {name: s, key: k, value: v, ttl: 10s}
                 |   ^"#]],
    );
    check_node(
        "name: a\ngrok: {pattern: x}\n",
        &expect![[r#"
        error: x.yaml:2: key `grok`: a grok needs `apply_on` or `expression`
           2 | grok: {pattern: x}
             |       ^"#]],
    );
    check_node(
        "name: a\ngrok: {pattern: x, statics: [{method: Nope, value: b}]}\n",
        &expect![[r#"
            warning: x.yaml:2: key `grok.statics[0].method`: there is no method `Nope`; the static does nothing
               2 | grok: {pattern: x, statics: [{method: Nope, value: b}]}
                 |                                       ^^^^
            error: x.yaml:2: key `grok`: a grok needs `apply_on` or `expression`
               2 | grok: {pattern: x, statics: [{method: Nope, value: b}]}
                 |       ^"#]],
    );
    check_node(
        "name: a\ngrok: {apply_on: x}\n",
        &expect![[r#"
        error: x.yaml:2: key `grok.apply_on`: a grok with `apply_on` needs a `pattern` or a `name`
           2 | grok: {apply_on: x}
             |                  ^"#]],
    );
}

#[test]
fn values_of_a_node_have_their_types() {
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
