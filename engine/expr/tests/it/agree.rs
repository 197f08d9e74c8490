//! The tests on spans give what the general evaluator gives, on any expression and any event.

use overspill_event::{Event, FieldMap, SchemaBuilder};
use overspill_expr::{Compiler, Context, Env, NoStash, Value};
use overspill_golike::time::Time;
use proptest::prelude::*;

use crate::fixture::services;

const FIELDS: [&str; 4] = [
    "evt.Meta.a",
    "evt.Parsed.b",
    "evt.Line.Raw",
    "evt.Line.Labels.c",
];

/// Texts that collide with one another under the transforms.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("root".to_owned()),
        Just("ROOT".to_owned()),
        Just("admin".to_owned()),
        Just("a%41b".to_owned()),
        Just("a+b".to_owned()),
        Just("ssh root".to_owned()),
        "[abAB%+ ]{0,4}",
        Just("é".to_owned()),
        Just("10.1.2.3".to_owned()),
        Just("::ffff:10.0.0.1".to_owned()),
        Just("fd00::1".to_owned()),
    ]
}

fn subject() -> impl Strategy<Value = String> {
    let field = prop::sample::select(&FIELDS[..]).prop_map(str::to_owned);
    field.prop_recursive(3, 4, 1, |inner| {
        let change = prop::sample::select(vec![
            "Upper",
            "Lower",
            "lower",
            "PathUnescape",
            "QueryUnescape",
            "TrimSpace",
        ]);
        (change, inner).prop_map(|(change, inner)| format!("{change}({inner})"))
    })
}

fn quoted() -> impl Strategy<Value = String> {
    text().prop_map(|text| format!("{text:?}"))
}

/// A single test.
fn atom() -> impl Strategy<Value = String> {
    let op = prop::sample::select(vec![
        "==",
        "!=",
        "contains",
        "startsWith",
        "endsWith",
        "not contains",
        "not startsWith",
    ]);
    let line = prop::sample::select(vec!["#", "Upper(#)", "Lower(#)"]);
    let file_op = prop::sample::select(vec!["==", "contains", "startsWith", "endsWith"]);
    let range = prop::sample::select(vec!["10.0.0.0/8", "::ffff:10.0.0.0/104", "fd00::/8", "no"]);
    let is_address = prop::sample::select(vec!["IsIP", "IsIPV4", "IsIPV6"]);
    let every = prop::sample::select(vec!["any", "none", "all"]);
    prop_oneof![
        4 => (subject(), op, quoted()).prop_map(|(s, op, q)| format!("{s} {op} {q}")),
        1 => (quoted(), subject()).prop_map(|(q, s)| format!("{q} == {s}")),
        2 => (subject(), prop::collection::vec(quoted(), 1..12), any::<bool>()).prop_map(
            |(s, items, not)| {
                let not = if not { "not " } else { "" };
                format!("{s} {not}in [{}]", items.join(", "))
            }
        ),
        1 => subject().prop_map(|s| format!("{s} matches '(?i)^(root|a.b)$'")),
        2 => (every.clone(), subject(), file_op, line.clone())
            .prop_map(|(f, s, op, l)| format!("{f}(File('words.txt'), {{{s} {op} {l}}})")),
        1 => (subject(), subject(), line.clone()).prop_map(|(s, t, l)| {
            format!("any(File('words.txt'), {{{s} contains {l} ? {t} endsWith # : false}})")
        }),
        1 => (every.clone(), subject(), line.clone())
            .prop_map(|(f, s, l)| format!("{f}(File('words.txt'), {{{s} matches {l}}})")),
        1 => subject().prop_map(|s| format!("{s} in File('words.txt')")),
        1 => subject().prop_map(|s| format!("RegexpInFile({s}, 'agents.txt')")),
        1 => subject().prop_map(|s| format!("{s} == nil")),
        1 => (subject(), range).prop_map(|(s, r)| format!("IpInRange({s}, '{r}')")),
        1 => (is_address, subject()).prop_map(|(f, s)| format!("{f}({s})")),
        1 => Just("'a' in evt.Meta".to_owned()),
        1 => subject().prop_map(|s| format!("int({s}) > 5")),
        1 => Just("evt.Unmarshaled.x.y == 'z'".to_owned()),
        1 => Just("evt.Unmarshaled.x".to_owned()),
        1 => (subject(), subject()).prop_map(|(a, b)| format!("{a} == {b}")),
        1 => subject().prop_map(|s| format!("len({s}) > 3")),
        1 => Just("true".to_owned()),
        1 => Just("false".to_owned()),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    atom().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..5)
                .prop_map(|items| format!("({})", items.join(" and "))),
            prop::collection::vec(inner.clone(), 2..5)
                .prop_map(|items| format!("({})", items.join(" || "))),
            inner.clone().prop_map(|inner| format!("not ({inner})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ? {b} : false)")),
            (inner.clone(), subject()).prop_map(|(a, s)| {
                format!("(let v{} = {s}; {a} and v{0} contains 'root')", a.len())
            }),
            (inner.clone(), subject()).prop_map(|(a, s)| {
                format!(
                    "(let w{} = IsIPV4({s}); ({a} and not w{0}) or w{0})",
                    a.len()
                )
            }),
        ]
    })
}

/// An expression that makes a text, most of them of the simple form.
fn textual() -> impl Strategy<Value = String> {
    let simple = prop_oneof![
        3 => subject(),
        1 => quoted(),
        1 => subject().prop_map(|s| format!("len({s})")),
        1 => Just("evt.Unmarshaled.x".to_owned()),
    ];
    simple.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
            (expression(), inner.clone(), inner.clone())
                .prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
        ]
    })
}

/// An event of the four fields.
fn event_of(schema: SchemaBuilder, values: &[Option<String>]) -> Event {
    let mut event = Event::new(schema.freeze());
    let maps = [FieldMap::Meta, FieldMap::Parsed, FieldMap::Labels];
    for ((map, name), value) in maps.into_iter().zip(["a", "b", "c"]).zip(values) {
        if let Some(value) = value {
            event.set_named(map, name.as_bytes(), value.as_bytes());
        }
    }
    if let Some(Some(raw)) = values.last() {
        event.set_text(overspill_event::TextField::LineRaw, raw.as_bytes());
    }
    event
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn both_forms_of_a_text_agree(
        expression in textual(),
        values in prop::collection::vec(prop::option::of(text()), 4),
    ) {
        let mut schema = SchemaBuilder::new();
        let files = crate::fixture::files();
        let mut compiler = Compiler::new(&mut schema).with_files(&files);
        let Ok(program) = compiler.compile(&expression, &Env::event()) else {
            // Types that do not go together, or a name that is declared twice.
            return Ok(());
        };
        let mut event = event_of(schema, &values);
        let services = services();
        let mut cx = Context {
            evt: Some(&mut event),
            vars: &[],
            stash: &mut NoStash,
            services: &services,
            now: Time::ZERO,
        };
        let general = program.eval(&mut cx);
        if let Some(textual) = program.as_textual() {
            let mut made = Vec::new();
            textual.append(&mut cx, &mut made).unwrap();
            let expected = match general.clone() {
                Ok(Value::Str(text)) => text.to_vec(),
                Ok(Value::Int(number)) => number.to_string().into_bytes(),
                other => panic!("{expression} gives {other:?}"),
            };
            prop_assert_eq!(made, expected, "{}", expression);
        }
        let mut text = b"before".to_vec();
        let is_text = program.eval_str(&mut cx, &mut text);
        match general {
            Ok(Value::Str(expected)) => {
                prop_assert_eq!(is_text, Ok(true), "{}", expression);
                prop_assert_eq!(&text[6..], &expected[..], "{}", expression);
            }
            Ok(_) => prop_assert_eq!((is_text, &text[..]), (Ok(false), &b"before"[..])),
            Err(error) => prop_assert_eq!((is_text, &text[..]), (Err(error), &b"before"[..])),
        }
    }
}

#[test]
fn a_file_of_ranges_is_searched_as_line_by_line() {
    let check = |file: &str, text: Option<&str>| {
        let answers = [
            format!("any(File('{file}'), {{IpInRange(evt.Meta.a, #)}})"),
            format!("any(File('{file}'), {{len(#) > 0 && IpInRange(evt.Meta.a, #)}})"),
            // Of another form: the loop runs.
            format!("any(File('{file}'), {{IpInRange(evt.Meta.a, Lower(#))}})"),
        ]
        .map(|expression| {
            let mut schema = SchemaBuilder::new();
            let program = Compiler::new(&mut schema)
                .compile(&expression, &Env::event())
                .unwrap();
            let mut event = event_of(schema, &[text.map(str::to_owned)]);
            let services = services();
            let mut cx = Context {
                evt: Some(&mut event),
                vars: &[],
                stash: &mut NoStash,
                services: &services,
                now: Time::ZERO,
            };
            program.eval_bool(&mut cx)
        });
        assert_eq!(answers[0], answers[2], "{text:?}");
        assert_eq!(answers[1], answers[2], "{text:?}");
        answers[0].clone().unwrap()
    };
    let found = [
        "10.1.2.3",
        "11.0.0.1",
        "192.168.1.7",
        "192.168.1.8",
        "172.16.9.9",
        "fd00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "1.2.3.4",
        "",
        "x",
    ]
    .map(|text| check("ranges.txt", Some(text)));
    assert_eq!(
        found,
        [
            true, false, true, false, true, true, false, true, false, false, false
        ]
    );
    assert!(!check("ranges.txt", None));
    assert!(!check("no such file", Some("10.0.0.1")));
}

#[test]
fn texts_of_fields_have_the_simple_form() {
    for (expression, is_simple) in [
        ("evt.Parsed.file_frag + evt.Parsed.file_ext", true),
        ("evt.Meta.a in ['404', '403'] ? 'false' : 'true'", true),
        (
            "Upper(evt.Meta.a) in ['.JPG', '.CSS'] ? 'true' : Lower(evt.Meta.b)",
            true,
        ),
        ("len(evt.Parsed.http_args)", true),
        ("evt.Unmarshaled.a", false),
        ("evt.Unmarshaled.a.b == 'x' ? 'a' : 'b'", false),
        ("TrimSpace(evt.Meta.a)", false),
        ("evt.SetMeta('a', 'b') ? 'a' : 'b'", false),
    ] {
        let mut schema = SchemaBuilder::new();
        let program = Compiler::new(&mut schema).compile(expression, &Env::event());
        assert_eq!(
            program.unwrap().as_textual().is_some(),
            is_simple,
            "{expression}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn both_forms_of_a_filter_agree(
        expression in expression(),
        values in prop::collection::vec(prop::option::of(text()), 4),
    ) {
        let mut schema = SchemaBuilder::new();
        let files = crate::fixture::files();
        let mut compiler = Compiler::new(&mut schema).with_files(&files);
        let compiled = compiler.compile(&expression, &Env::event());
        let program = match compiled {
            Ok(program) => program,
            Err(error) => {
                // Nested declarations of one name are the only thing that is refused here.
                prop_assert!(error.message.starts_with("cannot redeclare"), "{expression}: {error}");
                return Ok(());
            }
        };
        let mut event = event_of(schema, &values);
        let services = services();
        let mut cx = Context {
            evt: Some(&mut event),
            vars: &[],
            stash: &mut NoStash,
            services: &services,
            now: Time::ZERO,
        };
        let general = program.eval_bool_reference(&mut cx);
        prop_assert_eq!(program.eval_bool(&mut cx), general.clone(), "{}", expression);
        if general.is_err() {
            let can_give_another_type = matches!(
                general,
                Err(overspill_expr::EvalError::NotBool { .. })
            );
            prop_assert!(program.reads().can_fail || can_give_another_type, "{}", expression);
        }
        if let Some(tree) = program.as_bool_tree() {
            let is_failure = matches!(&general, Err(error)
                if !matches!(error, overspill_expr::EvalError::NotBool { .. }));
            prop_assert!(tree.can_fail() || !is_failure, "{}", expression);
        }
        if general == Ok(false) {
            prop_assert!(program.explain_false(&mut cx).is_some());
        }
    }
}
