//! Files that somebody broke, or made to break us: each is refused with its reason, soon, and what
//! is beside it loads.

use std::fs;
use std::process::Command;

use expect_test::{Expect, expect};
use overspill_scenarios::{Compiled, ConfigPaths, Diagnostic, Hub, Selection, installed, render};
use tempfile::{TempDir, tempdir};

use crate::{compiled, scenario_names, trigger, write};

/// A hub of one sound scenario and these files.
fn hub(files: &[(&str, &[u8])]) -> TempDir {
    let root = tempdir().unwrap();
    write(root.path(), &[("scenarios/a/zz.yaml", &trigger("sound"))]);
    for (path, bytes) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    root
}

fn load(root: &TempDir) -> Compiled {
    let hub = Hub::open(root.path()).unwrap();
    compiled(&hub.select(&Selection {
        everything: true,
        ..Selection::default()
    }))
}

fn check(files: &[(&str, &[u8])], expected: &Expect) {
    let compiled = load(&hub(files));
    expected.assert_eq(&render(&compiled.report));
    assert!(scenario_names(&compiled).contains(&"sound"));
}

/// A parser with this grok pattern.
fn parser(pattern: &str) -> String {
    format!("name: p\ngrok: {{pattern: '{pattern}', apply_on: message}}\n")
}

/// A trigger with this filter.
fn filter(text: &str) -> String {
    format!("type: trigger\nname: f\ndescription: d\nfilter: \"{text}\"\n")
}

#[test]
fn files_that_are_no_text_are_refused_by_name() {
    let mut latin = trigger("latin").into_bytes();
    latin.extend_from_slice(b"# caf\xE9\n");
    let mut wide = vec![0xFF, 0xFE];
    wide.extend(trigger("wide").encode_utf16().flat_map(u16::to_le_bytes));
    check(
        &[
            ("scenarios/a/1-nul.yaml", &[0; 4096]),
            ("scenarios/a/2-nul.yaml", b"name: a\0b\ntype: trigger\n"),
            ("scenarios/a/3-latin.yaml", &latin),
            ("scenarios/a/4-wide.yaml", &wide),
            ("scenarios/a/5-huge.yaml", &vec![b'x'; (4 << 20) + 1]),
            ("parsers/s01-parse/a/2-nul.yaml", b"\0"),
            ("parsers/s01-parse/a/3-words.yaml", b"just words\n"),
            ("parsers/s01-parse/a/4-tab.yaml", b"name: a\n\tfilter: b\n"),
            ("contexts/a/2-nul.yaml", b"\0\0"),
        ],
        &expect![[r#"
            error: scenarios/a/3-latin.yaml: is not UTF-8
            error: scenarios/a/4-wide.yaml: is not UTF-8
            error: scenarios/a/5-huge.yaml: is longer than 4194304 bytes
            error: parsers/s01-parse/a/2-nul.yaml:1: found unprintable character
               1 | �
                 | ^
            error: parsers/s01-parse/a/3-words.yaml:1: "just words" is not a map of keys
               1 | just words
                 | ^^^^^^^^^^
            error: parsers/s01-parse/a/4-tab.yaml:1: while scanning a plain scalar, found a tab
               1 | name: a
                 |       ^
            error: scenarios/a/1-nul.yaml:1: found unprintable character
               1 | ����������������������������������������������������������������������������������������������������
                 | ^
            error: scenarios/a/2-nul.yaml:1: found unprintable character
               1 | name: a�b
                 |        ^
            error: contexts/a/2-nul.yaml:1: found unprintable character
               1 | ��
                 | ^
              9 of 10 items were refused; 1 run."#]],
    );
}

#[test]
fn files_without_a_document_are_told_and_are_no_errors() {
    check(
        &[
            ("scenarios/a/1-empty.yaml", b""),
            ("scenarios/a/2-comment.yaml", b"# nothing\n"),
            ("parsers/s01-parse/a/1-blank.yaml", b"\n\n"),
            ("postoverflows/s00-enrich/a/1-empty.yaml", b""),
            ("contexts/a/1-empty.yaml", b""),
        ],
        &expect![[r#"
            warning: parsers/s01-parse/a/1-blank.yaml: holds no item
            warning: postoverflows/s00-enrich/a/1-empty.yaml: holds no item
            warning: scenarios/a/1-empty.yaml: holds no item
            warning: scenarios/a/2-comment.yaml: holds no item
            warning: contexts/a/1-empty.yaml: holds no item"#]],
    );
}

#[test]
fn settings_and_patterns_that_are_no_text_leave_the_rest_alone() {
    let root = tempdir().unwrap();
    let etc = root.path();
    write(
        etc,
        &[
            ("patterns/good", "MINE %{DATA}!\n"),
            ("patterns/nul", "A \0\0\nB %{MINE}\n"),
            (
                "parsers/s01-parse/p.yaml",
                "name: x\ngrok: {pattern: '%{MINE:m}', apply_on: message}\n",
            ),
            ("scenarios/s.yaml", &trigger("sound")),
            ("simulation.yaml", "\0"),
            ("profiles.yaml", "name: p\n---\n- [\n"),
            ("console/context.yaml", "[[["),
        ],
    );
    for path in ["patterns/bad", "scenarios/bad.yaml", "profiles.yaml.local"] {
        fs::write(etc.join(path), b"A \xFF\n").unwrap();
    }
    let report = compiled(&installed(&ConfigPaths::below(etc))).report;
    assert_eq!((report.n_parsers, report.n_scenarios), (1, 1));
    let place = format!("{}/", etc.display());
    expect![[r#"
        error: scenarios/bad.yaml: is not UTF-8
        error: patterns/bad: is not UTF-8
        error: profiles.yaml.local: is not UTF-8
        error: simulation.yaml:1: found unprintable character
           1 | �
             | ^
        error: console/context.yaml:2: while parsing a node, did not find expected node content
        error: profiles.yaml:4: while parsing a node, did not find expected node content
          1 of 3 items was refused; 2 run."#]]
    .assert_eq(&render(&report).replace(&place, ""));
}

#[test]
fn a_named_pipe_is_not_waited_for() {
    let root = hub(&[]);
    let pipe = root.path().join("scenarios/a/pipe.yaml");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    expect![[r#"
        error: scenarios/a/pipe.yaml: is a named pipe
          1 of 2 items was refused; 1 run."#]]
    .assert_eq(&render(&load(&root).report));
}

#[test]
fn bombs_of_aliases_and_nesting_are_refused() {
    let mut laughs = String::from("name: p\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let parts = vec![format!("*a{}", n - 1); 9].join(", ");
        laughs.push_str(&format!("a{n}: &a{n} [{parts}]\n"));
    }
    let deep = format!("name: p\nnodes: {}{}\n", "[".repeat(300), "]".repeat(300));
    let nodes: String = (0..90)
        .map(|level| format!("{}nodes:\n{}-\n", " ".repeat(level), " ".repeat(level)))
        .collect();
    check(
        &[
            ("parsers/s01-parse/a/1-laughs.yaml", laughs.as_bytes()),
            ("parsers/s01-parse/a/2-deep.yaml", deep.as_bytes()),
            ("parsers/s01-parse/a/3-nodes.yaml", nodes.as_bytes()),
            (
                "parsers/s01-parse/a/4-self.yaml",
                b"name: &n p\nnodes: &a [*a]\n",
            ),
            (
                "parsers/s01-parse/a/5-open.yaml",
                b"[".repeat(100_000).as_slice(),
            ),
            (
                "parsers/s01-parse/a/6-list.yaml",
                b"- ".repeat(100_000).as_slice(),
            ),
        ],
        &expect![[r#"
            error: parsers/s01-parse/a/1-laughs.yaml:6: more than 200000 values, aliases expanded
               6 | a4: &a4 [*a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3]
                 |     ^
            error: parsers/s01-parse/a/2-deep.yaml:2: recursion limit exceeded
               2 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
                 |                     ^
            error: parsers/s01-parse/a/3-nodes.yaml:101: more than 100 levels of nesting
             101 |                                                   nodes:
                 |                                                   ^
            error: parsers/s01-parse/a/4-self.yaml:2: alias of an anchor that contains it or stands in another document
               2 | nodes: &a [*a]
                 |            ^
            error: parsers/s01-parse/a/5-open.yaml:1: recursion limit exceeded
               1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
                 |                     ^
            error: parsers/s01-parse/a/6-list.yaml:1: more than 100 levels of nesting
               1 | - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - 
                 |                     ^
              6 of 7 items were refused; 1 run."#]],
    );
}

#[test]
fn bombs_of_patterns_are_refused() {
    let repeated = parser("(?:a{1000}){1000}%{WORD:w}");
    let optional = parser("((((a{0,99}){0,99}){0,99}){0,99})%{WORD:w}");
    let deep = parser(&format!(
        "{}a{}%{{WORD:w}}",
        "(".repeat(900),
        ")".repeat(900)
    ));
    let unicode = parser(r"(?:\p{L}{200}){200}%{WORD:w}");
    let mut doubling = String::from("name: p\npattern_syntax:\n  D0: 'aaaaaaaaaaaaaaaa'\n");
    for n in 1..21 {
        doubling.push_str(&format!("  D{n}: '%{{D{0}}}%{{D{0}}}'\n", n - 1));
    }
    doubling.push_str("grok: {pattern: '%{D20:d}', apply_on: message}\n");
    let circle = "name: p\npattern_syntax: {ONE: '%{TWO}', TWO: '%{ONE}'}\n\
                  grok: {pattern: '%{ONE:x}', apply_on: message}\n";
    check(
        &[
            ("parsers/s01-parse/a/1-repeated.yaml", repeated.as_bytes()),
            ("parsers/s01-parse/a/2-optional.yaml", optional.as_bytes()),
            ("parsers/s01-parse/a/3-deep.yaml", deep.as_bytes()),
            ("parsers/s01-parse/a/4-unicode.yaml", unicode.as_bytes()),
            ("parsers/s01-parse/a/5-doubling.yaml", doubling.as_bytes()),
            ("parsers/s01-parse/a/6-circle.yaml", circle.as_bytes()),
        ],
        &expect![[r#"
            error: parsers/s01-parse/a/1-repeated.yaml:2: key `grok.pattern`: cannot expand grok pattern: the pattern is not a valid regex: invalid repeat count (the limit is 1000, nested counts multiply) at byte 11 of the regex
               2 | grok: {pattern: '(?:a{1000}){1000}%{WORD:w}', apply_on: message}
                 |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            error: parsers/s01-parse/a/2-optional.yaml:2: key `grok.pattern`: cannot expand grok pattern: the pattern is not a valid regex: invalid repeat count (the limit is 1000, nested counts multiply) at byte 12 of the regex
               2 | grok: {pattern: '((((a{0,99}){0,99}){0,99}){0,99})%{WORD:w}', apply_on: message}
                 |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            error: parsers/s01-parse/a/3-deep.yaml:2: key `grok.pattern`: cannot expand grok pattern: the pattern is not a valid regex: groups nested too deeply at byte 250 of the regex
               2 | grok: {pattern: '(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((
                 |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            error: parsers/s01-parse/a/4-unicode.yaml:2: key `grok.pattern`: cannot expand grok pattern: the pattern is not a valid regex: invalid repeat count (the limit is 1000, nested counts multiply) at byte 14 of the regex
               2 | grok: {pattern: '(?:\p{L}{200}){200}%{WORD:w}', apply_on: message}
                 |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
            error: parsers/s01-parse/a/5-doubling.yaml:21: key `pattern_syntax.D18`: grok pattern "D18" expands to more than 4194304 bytes of regex
              21 |   D18: '%{D17}%{D17}'
                 |        ^^^^^^^^^^^^^^
            error: parsers/s01-parse/a/5-doubling.yaml:22: key `pattern_syntax.D19`: grok pattern "D18" is not defined
              22 |   D19: '%{D18}%{D18}'
                 |        ^^^^^^^^^^^^^^
            error: parsers/s01-parse/a/5-doubling.yaml:23: key `pattern_syntax.D20`: grok pattern "D19" is not defined
              23 |   D20: '%{D19}%{D19}'
                 |        ^^^^^^^^^^^^^^
            error: parsers/s01-parse/a/5-doubling.yaml:24: key `grok.pattern`: cannot expand grok pattern: grok pattern "D20" is not defined
              24 | grok: {pattern: '%{D20:d}', apply_on: message}
                 |                 ^^^^^^^^^^
            error: parsers/s01-parse/a/6-circle.yaml:2: key `pattern_syntax.ONE`: grok pattern "TWO" is not defined
               2 | pattern_syntax: {ONE: '%{TWO}', TWO: '%{ONE}'}
                 |                       ^^^^^^^^
            error: parsers/s01-parse/a/6-circle.yaml:2: key `pattern_syntax.TWO`: grok pattern "ONE" is not defined
               2 | pattern_syntax: {ONE: '%{TWO}', TWO: '%{ONE}'}
                 |                                      ^^^^^^^^
            error: parsers/s01-parse/a/6-circle.yaml:3: key `grok.pattern`: cannot expand grok pattern: grok pattern "ONE" is not defined
               3 | grok: {pattern: '%{ONE:x}', apply_on: message}
                 |                 ^^^^^^^^^^
              6 of 7 items were refused; 1 run."#]],
    );
}

#[test]
fn bombs_of_expressions_are_refused() {
    let regex = filter("evt.Line.Raw matches '(a{1000}){1000}'");
    let lookaround = filter("evt.Line.Raw matches '(?=a)'");
    let deep = filter(&format!("{}true{}", "(".repeat(5_000), ")".repeat(5_000)));
    let long = filter(&["1 == 1"; 5_000].join(" or "));
    let nul = filter("evt.Line.Raw == 'a\\0b' + \\0");
    check(
        &[
            ("scenarios/a/1-regex.yaml", regex.as_bytes()),
            ("scenarios/a/2-lookaround.yaml", lookaround.as_bytes()),
            ("scenarios/a/3-deep.yaml", deep.as_bytes()),
            ("scenarios/a/4-long.yaml", long.as_bytes()),
            ("scenarios/a/5-nul.yaml", nul.as_bytes()),
        ],
        &expect![[r#"
            error: scenarios/a/1-regex.yaml:4: key `filter`: expression: error parsing regexp: invalid regex "(a{1000}){1000}": invalid repeat count (the limit is 1000, nested counts multiply) at byte 9 of the regex
               4 | filter: "evt.Line.Raw matches '(a{1000}){1000}'"
                 |                               ^
            error: scenarios/a/2-lookaround.yaml:4: key `filter`: expression: error parsing regexp: invalid regex "(?=a)": invalid or unsupported group syntax (look-around and flag x are not supported) at byte 0 of the regex
               4 | filter: "evt.Line.Raw matches '(?=a)'"
                 |                               ^
            error: scenarios/a/3-deep.yaml:4: key `filter`: expression: expression is nested too deeply
               4 | ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((
                 |                     ^
            error: scenarios/a/4-long.yaml:4: key `filter`: expression: expression exceeds the maximum of 10000 nodes
               4 | 1 or 1 == 1 or 1 == 1 or 1 == 1 or 1 == 1 or 1 == 1 or 1 == 1 or 1 == 1 or 1 == 1 or 1 == 1 or 1 == 
                 |                     ^
            error: scenarios/a/5-nul.yaml:4: key `filter`: expression: unrecognized character '\0'
               4 | filter: "evt.Line.Raw == 'a\0b' + \0"
                 |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              5 of 6 items were refused; 1 run."#]],
    );
}

#[test]
fn numbers_and_durations_past_their_range_are_refused() {
    let cases = [
        ("9223372036854775808", "1s"),
        ("-9223372036854775808", "1s"),
        ("0x7FFFFFFFFFFFFFFF", "1s"),
        (".inf", "1s"),
        ("1", "9999999999h"),
        ("1", "1e9s"),
        ("1", "0.0000000001s"),
    ]
    .map(|(capacity, leakspeed)| {
        format!(
            "type: leaky\nname: l\ndescription: d\nfilter: 'true'\ncapacity: {capacity}\n\
             leakspeed: {leakspeed}\n"
        )
    });
    let paths: Vec<String> = (0..cases.len())
        .map(|n| format!("scenarios/a/{n}.yaml"))
        .collect();
    let files: Vec<(&str, &[u8])> = paths
        .iter()
        .zip(&cases)
        .map(|(path, text)| (path.as_str(), text.as_bytes()))
        .collect();
    check(
        &files,
        &expect![[r#"
            error: scenarios/a/0.yaml:5: key `capacity`: "9223372036854775808" is not a whole number
               5 | capacity: 9223372036854775808
                 |           ^^^^^^^^^^^^^^^^^^^
            error: scenarios/a/1.yaml:5: key `capacity`: -9223372036854775808 is past what a capacity can be
               5 | capacity: -9223372036854775808
                 |           ^^^^^^^^^^^^^^^^^^^^
            error: scenarios/a/2.yaml:5: key `capacity`: 9223372036854775807 is past what a capacity can be
               5 | capacity: 0x7FFFFFFFFFFFFFFF
                 |           ^^^^^^^^^^^^^^^^^^
            error: scenarios/a/3.yaml:5: key `capacity`: ".inf" is not a whole number
               5 | capacity: .inf
                 |           ^^^^
            error: scenarios/a/4.yaml:6: key `leakspeed`: "9999999999h" is not a duration
               6 | leakspeed: 9999999999h
                 |            ^^^^^^^^^^^ numbers with units ns, us, ms, s, m or h, such as "1m30s"
            error: scenarios/a/5.yaml:6: key `leakspeed`: "1e9s" is not a duration
               6 | leakspeed: 1e9s
                 |            ^^^^ numbers with units ns, us, ms, s, m or h, such as "1m30s"
            error: scenarios/a/6.yaml:6: key `leakspeed`: "0.0000000001s" must be above 0
               6 | leakspeed: 0.0000000001s
                 |            ^^^^^^^^^^^^^
              7 of 8 items were refused; 1 run."#]],
    );
}

#[test]
fn aliases_do_not_nest_past_the_limit() {
    let mut nodes = String::from("name: p\nnodes:\n- &a0 {statics: [{meta: a, value: b}]}\n");
    for n in 1..300 {
        nodes.push_str(&format!("- &a{n} {{nodes: [*a{}]}}\n", n - 1));
    }
    let mut labels = format!("{}labels:\n  a0: &a0 [x]\n", trigger("f"));
    for n in 1..300 {
        labels.push_str(&format!("  a{n}: &a{n} [*a{}]\n", n - 1));
    }
    check(
        &[
            ("parsers/s01-parse/a/1-nodes.yaml", nodes.as_bytes()),
            ("scenarios/a/1-labels.yaml", labels.as_bytes()),
        ],
        &expect![[r#"
            error: parsers/s01-parse/a/1-nodes.yaml:50: more than 100 levels of nesting
              50 | - &a47 {nodes: [*a46]}
                 |   ^
            error: scenarios/a/1-labels.yaml:103: more than 100 levels of nesting
             103 |   a97: &a97 [*a96]
                 |        ^
              2 of 3 items were refused; 1 run."#]],
    );
}

#[test]
fn too_many_fields_refuse_the_document_that_names_them() {
    let names = |from: usize| {
        let statics: Vec<String> = (from..from + 35_000)
            .map(|n| format!("- {{meta: f{n}, value: x}}\n"))
            .collect();
        format!("name: p\nstatics:\n{}", statics.concat())
    };
    let (one, two) = (names(0), names(35_000));
    let root = hub(&[
        ("parsers/s01-parse/a/1.yaml", one.as_bytes()),
        ("parsers/s01-parse/a/2.yaml", two.as_bytes()),
        (
            "parsers/s01-parse/a/3.yaml",
            b"name: p\nstatics: [{meta: f1, value: x}]\n",
        ),
    ]);
    let report = load(&root).report;
    let refused: Vec<&str> = report.refused.iter().map(|item| &*item.file).collect();
    assert_eq!(
        refused,
        ["parsers/s01-parse/a/2.yaml", "scenarios/a/zz.yaml"]
    );
    assert_eq!(report.n_parsers, 2);
    expect![[r#"
        error: parsers/s01-parse/a/2.yaml:30526: key `statics[30523].meta`: the content names more than 65535 different fields (at `f65523`)
        30526 | - {meta: f65523, value: x}
              |          ^^^^^^"#]].assert_eq(&report.findings[0].render());
    expect![[r#"
        error: scenarios/a/zz.yaml:4: key `filter`: expression: the content names more than 65535 different fields (at `log_type`)
           4 | filter: evt.Meta.log_type == 'sound'
             |         ^"#]].assert_eq(&report.findings[report.findings.len() - 1].render());
}

/// Each of many findings shows its line; to look for it from the start of the file would take
/// minutes.
#[test]
fn a_file_in_which_everything_is_wrong_is_read_once() {
    let keys: String = (0..60_000).map(|n| format!("k{n}: [{n}]\n")).collect();
    let keys = format!("name: p\n{keys}");
    let documents = "---\nx: [1]\n".repeat(900);
    let statics: String = (0..20_000)
        .map(|n| format!("- {{meta: a, expression: nope{n}}}\n"))
        .collect();
    let statics = format!("name: p\nstatics:\n{statics}");
    let root = hub(&[
        ("parsers/s01-parse/a/1-keys.yaml", keys.as_bytes()),
        ("parsers/s01-parse/a/2-statics.yaml", statics.as_bytes()),
        ("scenarios/a/1-documents.yaml", documents.as_bytes()),
    ]);
    let report = load(&root).report;
    assert_eq!(report.refused.len(), 902);
    let last_of = |file: &str| {
        let of_file = |finding: &&Diagnostic| finding.file.ends_with(file);
        report.findings.iter().rfind(of_file).unwrap().render()
    };
    assert!(last_of("1-keys.yaml").ends_with(": 59950 more findings are not shown"));
    assert!(last_of("2-statics.yaml").ends_with(": 19950 more findings are not shown"));
    expect![[r#"
        error: scenarios/a/1-documents.yaml:1800: unknown key `x`
        1800 | x: [1]
             | ^"#]]
    .assert_eq(&last_of("1-documents.yaml"));
}

#[test]
fn any_number_of_warnings_refuses_nothing_and_hides_no_error() {
    let patterns: String = (0..80).map(|n| format!("  P{n}: other{n}\n")).collect();
    let first = format!(
        "name: a\npattern_syntax:\n{}statics: [{{meta: a, value: b}}]\n",
        patterns.replace("other", "one")
    );
    let second = format!("name: b\npattern_syntax:\n{patterns}statics: [{{meta: a, value: b}}]\n");
    let third = second.replace("meta: a, value: b", "meta: a, expression: nope");
    let root = hub(&[
        ("parsers/s01-parse/a/1.yaml", first.as_bytes()),
        ("parsers/s01-parse/a/2.yaml", second.as_bytes()),
        ("parsers/s01-parse/a/3.yaml", third.as_bytes()),
    ]);
    let report = load(&root).report;
    assert_eq!((report.n_parsers, report.refused.len()), (2, 1));
    let errors: Vec<String> = report.errors().map(Diagnostic::render).collect();
    expect!["error: parsers/s01-parse/a/3.yaml:83: key `statics[0].expression`: expression: unknown name nope"].assert_eq(&errors.join("\n"));
    let left_out = report
        .warnings()
        .filter(|finding| finding.message.ends_with("more findings are not shown"));
    assert_eq!(left_out.count(), 2);
}
