use super::table::{Findings, Table, Unknown};
use super::*;
use crate::diagnostic::SourceFile;

/// The tree in a short form: scalars by style (`plain`, `'quoted'`, `|block|`), lists and maps.
fn sketch(node: &Node) -> String {
    match &node.data {
        Data::Scalar(scalar) => match scalar.style {
            Style::Plain => scalar.text.to_string(),
            Style::Quoted => format!("'{}'", scalar.text),
            Style::Block => format!("|{}|", scalar.text.escape_debug()),
        },
        Data::List(items) => {
            format!(
                "[{}]",
                items.iter().map(sketch).collect::<Vec<_>>().join(", ")
            )
        }
        Data::Map(entries) => {
            let pairs: Vec<String> = entries
                .iter()
                .map(|entry| format!("{}: {}", entry.key, sketch(&entry.value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

fn trees(text: &str) -> String {
    match parse(text) {
        Ok(documents) => documents
            .iter()
            .map(|document| {
                let problems: Vec<String> = document
                    .problems
                    .iter()
                    .map(|problem| format!(" !{problem}"))
                    .collect();
                format!("{}{}", sketch(&document.root), problems.concat())
            })
            .collect::<Vec<_>>()
            .join(" --- "),
        Err(error) => format!("{}:{}: {error}", error.at.line, error.at.column),
    }
}

#[test]
fn streams_become_trees() {
    let cases = [
        ("", ""),
        ("# nothing but a comment\n", ""),
        ("a: 1\n", "{a: 1}"),
        ("a: 1\n---\nb: 2\n", "{a: 1} --- {b: 2}"),
        ("a: 1\n---\n", "{a: 1} --- "),
        ("---\na: 1\n...\n", "{a: 1}"),
        ("a: [1, 'x', \"y\"]\n", "{a: [1, 'x', 'y']}"),
        (
            "a: |\n  one\n  two\nb: >-\n  one\n  two\n",
            "{a: |one\\ntwo\\n|, b: |one two|}",
        ),
        ("\u{feff}a: 1\n", "{a: 1}"),
        ("a: &x [1, 2]\nb: *x\n", "{a: [1, 2], b: [1, 2]}"),
        ("a: one\n  two\n", "{a: one two}"),
        ("a:\n- b\n- c\n", "{a: [b, c]}"),
        ("a:\nb: ~\n", "{a: , b: ~}"),
        (
            "a: 'it''s'\nb: \"x\\ty\\u00e9\"\n",
            "{a: 'it's', b: 'x\ty\u{e9}'}",
        ),
        // An anchor is known in its own document only.
        (
            "a: &x 1\n---\nb: *x\n",
            "3:4: alias of an anchor that contains it or stands in another document",
        ),
        (
            "a: [1\n",
            "2:1: while parsing a flow sequence, expected ',' or ']'",
        ),
        ("[a, b]: c\n", "1:1: a list cannot be a key"),
    ];
    for (text, expected) in cases {
        assert_eq!(trees(text), expected, "{text:?}");
    }
}

#[test]
fn merges_stand_where_they_are_written() {
    let cases = [
        ("t: &t {a: 1, b: 2}\nx:\n  <<: *t\n  b: 3\n", "b", "3"),
        ("t: &t {a: 1, b: 2}\nx:\n  b: 3\n  <<: *t\n", "b", "2"),
        ("s: &s {b: 1}\nt: &t {b: 2}\nx:\n  <<: [*s, *t]\n", "b", "1"),
        ("t: &t {a: 1}\nx:\n  <<: *t\n", "a", "1"),
    ];
    for (text, key, expected) in cases {
        let documents = parse(text).unwrap();
        assert!(documents[0].problems.is_empty(), "{text}");
        let Data::Map(entries) = &documents[0].root.data else {
            panic!("no map: {text}")
        };
        let file = SourceFile::new("x.yaml", text);
        let mut findings = Findings::new(&file);
        let merged = &entries.last().unwrap().value;
        let mut table = Table::open(merged, Unknown::Ignore, &mut findings);
        let found = if key == "a" {
            table.text("a", &mut findings)
        } else {
            table.text("b", &mut findings)
        };
        assert_eq!(&*found.unwrap().value, expected, "{text}");
    }
    assert_eq!(
        trees("a:\n  <<: 1\n"),
        "{a: {}} !`<<` takes a map or a list of maps"
    );
    assert_eq!(trees("a:\n  '<<': 1\n"), "{a: {<<: 1}}");
}

#[test]
fn a_key_given_twice_is_found_at_every_level() {
    assert_eq!(trees("a: 1\na: 2\n"), "{a: 1, a: 2} !duplicate key `a`");
    assert_eq!(
        trees("n:\n- s: {v: 1, v: 2}\n- {v: 3}\n"),
        "{n: [{s: {v: 1, v: 2}}, {v: 3}]} !duplicate key `v`"
    );
}

#[test]
fn bombs_are_refused_quickly() {
    let mut doubling = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..30 {
        let before = n - 1;
        doubling.push_str(&format!(
            "a{n}: &a{n} [*a{before}, *a{before}, *a{before}, *a{before}]\n"
        ));
    }
    assert!(trees(&doubling).ends_with("more than 200000 values, aliases expanded"));

    let mut merging = String::from("a0: &a0 {x: 1}\n");
    for n in 1..40 {
        let before = n - 1;
        merging.push_str(&format!(
            "a{n}: &a{n} {{<<: [*a{before}, *a{before}, *a{before}]}}\n"
        ));
    }
    assert!(trees(&merging).ends_with("more than 200000 values, aliases expanded"));

    assert!(trees("a: &a [*a]\n").contains("alias of an anchor that contains it"));

    assert!(
        trees(&format!("{}{}", "[".repeat(150), "]".repeat(150))).contains("levels of nesting")
    );
    assert!(trees(&"[".repeat(100_000)).contains("recursion limit"));
    assert!(trees(&"- ".repeat(100_000)).contains("levels of nesting"));
    assert!(trees(&"{a: ".repeat(50_000)).contains("recursion limit"));
    let mut nesting = String::from("a0: &a0 [x]\n");
    for n in 1..300 {
        nesting.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    assert!(trees(&nesting).contains("levels of nesting"));
    assert!(trees(&"---\n".repeat(100_000)).contains("more than 1000 documents"));
    assert!(trees(&"x".repeat(BYTES_MAX + 1)).contains("longer than"));
    assert!(trees(&format!("[{}]", "x,".repeat(NODES_MAX + 1))).contains("more than"));
}

/// What a scalar gives as text, boolean, whole number and number; `-` where it does not fit.
fn decoded(scalar: &str) -> String {
    let text = format!("v: {scalar}\n");
    let documents = parse(&text).unwrap();
    let file = SourceFile::new("x.yaml", text.as_str());
    let mut findings = Findings::new(&file);
    let mut table = Table::open(&documents[0].root, Unknown::Ignore, &mut findings);
    let string = table
        .text("v", &mut findings)
        .map(|text| text.value.to_string());
    let is_null = string.is_none() && findings.list.is_empty();
    let before = findings.list.len();
    let flag = table.flag("v", &mut findings);
    let flag = if findings.list.len() > before {
        "-".into()
    } else {
        flag.to_string()
    };
    let int = table
        .int("v", &mut findings)
        .map_or("-".into(), |int| int.to_string());
    let float = table
        .float("v", &mut findings)
        .map_or("-".into(), |float| float.to_string());
    if is_null {
        "null".into()
    } else {
        format!("{} {flag} {int} {float}", string.unwrap_or("-".into()))
    }
}

#[test]
fn scalars_fit_the_types_that_yaml_v2_gives_them() {
    let cases = [
        ("5", "5 - 5 5"),
        ("2.0", "2.0 - 2 2"),
        ("0x10", "0x10 - 16 16"),
        ("010", "010 - 8 8"),
        ("0o17", "0o17 - 15 15"),
        ("0b11", "0b11 - 3 3"),
        ("-0x1F", "-0x1F - -31 -31"),
        ("08", "08 - 8 8"),
        ("1_000", "1_000 - 1000 1000"),
        ("+-5", "+-5 - - -"),
        ("0x", "0x - - -"),
        ("-1", "-1 - -1 -1"),
        ("1e3", "1e3 - 1000 1000"),
        (".5", ".5 - 0 0.5"),
        ("5.", "5. - 5 5"),
        ("1.2.3.4", "1.2.3.4 - - -"),
        ("'5'", "5 - - -"),
        ("yes", "yes true - -"),
        ("true", "true true - -"),
        ("Off", "Off false - -"),
        ("n", "n false - -"),
        ("'yes'", "yes - - -"),
        ("tRue", "tRue - - -"),
        ("2020-01-01", "2020-01-01 - - -"),
        ("~", "null"),
        ("null", "null"),
        ("", "null"),
        ("'null'", "null - - -"),
        ("!!str 5", "5 - - -"),
        ("!!int '5'", "5 - 5 5"),
        (
            "9223372036854775808",
            "9223372036854775808 - - 9223372036854776000",
        ),
        (".inf", ".inf - - inf"),
        ("[1]", "- - - -"),
        ("{a: 1}", "- - - -"),
    ];
    for (scalar, expected) in cases {
        assert_eq!(decoded(scalar), expected, "{scalar}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[ab:\\-&*<>|'\"\\[\\]{}, \n#!?%.~0-9\t\u{e9}]{0,60}") {
        if let Ok(documents) = parse(&text) {
            for document in documents {
                // Excerpts are cut out of the text at the places of the nodes.
                let file = SourceFile::new("x.yaml", text.as_str());
                let mut findings = Findings::new(&file);
                let table = Table::open(&document.root, Unknown::Refuse, &mut findings);
                table.close(&[], &mut findings);
                for finding in findings.finish() {
                    proptest::prop_assert!(!finding.render().is_empty());
                }
            }
        }
    }
}
