//! Whatever the text, there is an answer soon: no panic, no overflow of the stack, no hang.

use overspill_event::SchemaBuilder;
use overspill_expr::{Compiler, Env};
use proptest::prelude::*;

use crate::fixture::{check, result};

fn compiles(text: &str) -> bool {
    Compiler::new(&mut SchemaBuilder::new())
        .compile(text, &Env::event())
        .is_ok()
}

/// What the hub's largest filters look like: long flat chains.
#[test]
fn long_chains_compile_and_run() {
    for (op, want) in [("||", "false"), ("or", "false"), ("&&", "false")] {
        let parts: Vec<String> = (0..1_200)
            .map(|n| format!("evt.Parsed.x contains 'part{n}'"))
            .collect();
        let text = parts.join(&format!(" {op} "));
        assert_eq!(result(&Env::event(), &text, &[]), want);
    }
    let sum = vec!["evt.Parsed.program"; 1_500].join(" + ");
    assert_eq!(result(&Env::event(), &sum, &[]).len(), 2 + 4 * 1_500);
    let chain = format!("evt.Unmarshaled{}", ".a".repeat(3_000));
    assert_eq!(result(&Env::event(), &chain, &[]), "error");
}

#[test]
fn more_nodes_than_crowdsec_takes_are_refused() {
    let of = |n: usize| vec!["1 == 1"; n].join(" or ");
    // Each comparison is three nodes, each `or` one.
    assert!(compiles(&of(2_500)));
    assert!(!compiles(&of(2_501)));
}

#[test]
fn nesting_is_bounded() {
    let within = |n: usize, open: &str, close: &str, inner: &str| {
        format!("{}{inner}{}", open.repeat(n), close.repeat(n))
    };
    for (open, close, inner) in [
        ("(", ")", "true"),
        ("not (", ")", "true"),
        ("[", "]", "1"),
        ("Upper(", ")", "'a'"),
        ("{a: ", "}", "1"),
        ("true ? ", " : 1", "1"),
        ("any([1], ", ")", "true"),
        ("if true {", "} else {1}", "1"),
        ("-", "", "1"),
        ("!", "", "true"),
        ("2 ** ", "", "2"),
        ("let a", "", " = 1; 1"),
        ("true ? 1 : ", "", "1"),
        ("evt.Unmarshaled[", "]", "'a'"),
    ] {
        // Whatever is accepted is also evaluated within the stack of a thread.
        for n in [20, 40, 60, 90, 120, 160, 180, 190, 195, 197, 198, 199] {
            let text = within(n, open, close, inner);
            if compiles(&text) {
                result(&Env::event(), &text, &[]);
            }
        }
        assert!(!compiles(&within(2_000, open, close, inner)), "{open}");
        assert!(!compiles(&within(100_000, open, close, inner)), "{open}");
    }
    assert!(compiles(&within(50, "(", ")", "true")));
    assert!(compiles(&within(50, "Upper(", ")", "'a'")));
    let minuses = vec!["1"; 5_000].join(" - ");
    assert!(!compiles(&minuses));
    let pipes = format!("'a'{}", " | Upper()".repeat(3_000));
    assert!(!compiles(&pipes));
}

#[test]
fn bombs_end_with_an_error() {
    check(&[
        ("1..1000001", "over budget"),
        ("len(1..999999)", "999999"),
        ("1..9223372036854775807", "over budget"),
        ("-9223372036854775807..9223372036854775807", "over budget"),
        ("sum(map(1..100000, # * 2))", "10000100000"),
        ("any(1..900000, any(1..900000, # == -1))", "over budget"),
        (
            "let l = 1..3000; any(l, any(l, any(l, any(l, # == -1))))",
            "over budget",
        ),
        ("let l = 1..1000; count(l, any(l, # == -1)) > 5", "false"),
        ("reduce(1..100000, #acc + #acc, 'aaaaaaaa')", "over budget"),
        ("reduce(1..100000, [#acc])", "over budget"),
        ("reduce(1..100000, ({a: #acc}))", "over budget"),
        ("reduce(1..100000, concat(#acc, #acc), [1])", "over budget"),
        (
            "reduce(1..40, ReplaceAll(#acc, 'a', 'aaaaaaaa'), 'a')",
            "over budget",
        ),
        ("repeat(repeat('a', 1000000), 1000000)", "over budget"),
        ("reduce(1..100, repeat(#acc, 100), 'ab')", "over budget"),
        ("len(repeat('a', 1000000))", "1000000"),
        ("Sprintf('%999999999d', 1) == ''", "false"),
        ("2 ** 99999", "inf"),
        ("uniq(1..200000)", "over budget"),
        ("len(sort(map(1..100000, -#)))", "100000"),
    ]);
}

/// What panics inside Go's evaluator, and what Go clamps, wraps or lets overflow.
#[test]
fn panics_of_go_are_errors() {
    check(&[
        // Index out of range.
        ("evt.Unmarshaled.json.l[3]", "error"),
        ("evt.Unmarshaled.json.l[-9223372036854775807]", "error"),
        ("Split('a', '-')[1]", "error"),
        ("filter(1..3, # > 5)[0]", "error"),
        ("first([]) == nil", "true"),
        ("last(filter(1..3, # > 5)) == nil", "true"),
        ("Split('', ',')[0][0]", "refused"),
        ("evt.Unmarshaled.json.l[evt.Unmarshaled.json.s]", "error"),
        // Nil dereference.
        ("evt.Overflow.Alert.Scenario", "error"),
        ("evt.Unmarshaled.none.more", "error"),
        ("evt.Unmarshaled.json.n.more", "error"),
        ("evt.Unmarshaled.json.n[1:]", "error"),
        ("evt.Unmarshaled.none['x']", "error"),
        ("not evt.Unmarshaled.none", "error"),
        ("-evt.Unmarshaled.none", "error"),
        ("len(evt.Unmarshaled.none)", "error"),
        ("any(evt.Unmarshaled.none, # == 1)", "error"),
        ("evt.Unmarshaled.none > 4", "error"),
        ("'a' in evt.Unmarshaled.none", "false"),
        ("Upper(evt.Unmarshaled.none)", "error"),
        // Wrong type behind an interface.
        ("evt.Unmarshaled.json.s.more", "error"),
        ("evt.Unmarshaled.json.f[0]", "error"),
        ("evt.Unmarshaled.json.l.more", "error"),
        ("Upper(evt.Unmarshaled.json.l)", "error"),
        ("evt.Unmarshaled.json.f % 2", "error"),
        ("evt.Unmarshaled.json.s + 1", "error"),
        ("evt.Unmarshaled.json.l < 1", "error"),
        ("evt.Unmarshaled.json.t ? 1 : 2", "1"),
        ("evt.Unmarshaled.json.s ? 1 : 2", "error"),
        // Division by zero.
        ("5 % int(evt.Parsed.empty + '0')", "error"),
        ("5 / int(evt.Parsed.empty + '0')", "inf"),
        ("-5 / 0.0", "-inf"),
        // Slice bounds.
        ("evt.Parsed.program[2:1]", "\"\""),
        ("evt.Parsed.program[-100:100]", "\"sshd\""),
        ("evt.Parsed.program[9223372036854775807:]", "\"\""),
        ("evt.Unmarshaled.json.l[2:1]", "[]"),
        ("evt.Unmarshaled.json.l[-100:100]", "[\"a\", \"b\", 3.0]"),
        ("[1, 2][1:][5:]", "[]"),
        // Integers past their range.
        ("9223372036854775807 + 1", "-9223372036854775808"),
        ("-9223372036854775807 - 2", "9223372036854775807"),
        ("9223372036854775807 * 2", "-2"),
        ("(-9223372036854775807 - 1) % -1", "0"),
        ("-(-9223372036854775807 - 1)", "-9223372036854775808"),
        ("abs(-9223372036854775807 - 1)", "-9223372036854775808"),
        ("int(1e300)", "-9223372036854775808"),
        ("int('9223372036854775808')", "error"),
        ("Atof('1e999')", "inf"),
        // Counts below zero.
        ("repeat('a', -1)", "error"),
        ("Sprintf('%*d', -5, 1)", "\"1    \""),
        ("Sprintf('%[9]d', 1)", "\"%!d(BADINDEX)\""),
        ("split('a-b', '-', -1)", "[\"a\", \"b\"]"),
        ("duration('9999999999h')", "error"),
        ("date('0000-00-00')", "error"),
        ("date('9999-12-31').Year()", "9999"),
        ("fromJSON('{')", "error"),
        ("fromBase64('!')", "error"),
    ]);
}

/// The condition of `?:` and the middle of a chain are copied; that counts as nodes.
#[test]
fn copies_do_not_multiply() {
    let mut text = "evt.Whitelisted".to_owned();
    for _ in 0..40 {
        text = format!("({text} ?: false)");
    }
    assert!(!compiles(&text));
    let mut text = "1".to_owned();
    for _ in 0..40 {
        text = format!("(1 < {text} < 3 ? 1 : 2)");
    }
    assert!(!compiles(&text));
    let mut text = "0".to_owned();
    for _ in 0..30 {
        text = format!("filter([1], # == 1)[{text}]");
    }
    assert!(compiles(&text));
}

#[test]
fn too_many_fields_are_an_error_with_a_place() {
    let mut schema = SchemaBuilder::new();
    for n in 0..65_535 {
        schema
            .intern(overspill_event::FieldMap::Parsed, &format!("f{n}"))
            .unwrap();
    }
    let error = Compiler::new(&mut schema)
        .compile(
            "evt.Parsed.f1 == 'a' and\n evt.Parsed.new == 'b'",
            &Env::event(),
        )
        .unwrap_err();
    assert!(error.message.contains("65535"), "{error}");
    assert_eq!((error.line, error.column), (2, 2));
}

#[test]
fn errors_say_where() {
    let check = |text: &str, message: &str, line: usize, column: usize| {
        let error = Compiler::new(&mut SchemaBuilder::new())
            .compile(text, &Env::event())
            .unwrap_err();
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text}: {error}"
        );
    };
    check("evt.Parsed.a ==\n foo", "unknown name foo", 2, 2);
    check("'é' == evt.Nope", "no field Nope", 1, 8);
    check("evt.Parsed.a == 'x", "not terminated", 1, 17);
    check("evt.Parsed.a matches '('", "regexp", 1, 22);
    check(
        "Upper(5)",
        "cannot use int as argument (type string) to call Upper",
        1,
        1,
    );
    check("1 +", "unexpected end", 1, 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_compiled_or_refused(text in "\\PC{0,60}") {
        compiles(&text);
    }

    #[test]
    fn any_mixture_of_tokens_is_compiled_and_run_or_refused(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "evt", ".", "?.", "Parsed", "Unmarshaled", "Meta", "a", "b", "(", ")", "[", "]", "{", "}",
            "'x'", "1", "2.5", "nil", "true", "#", "#acc", "#index", ",", ";", ":", "?", "??", "and",
            "or", "not", "in", "matches", "contains", "==", "!=", "<", "..", "+", "-", "*", "/", "%",
            "**", "|", "let x =", "x", "if", "else", "any(", "map(", "filter(", "reduce(", "count(",
            "len(", "int(", "Upper(", "Split(", "File(", "Sprintf(", "evt.Parsed.program",
            "evt.Unmarshaled.json", "'words.txt'", "'%d'", "get(", "first(", "sortBy(", "1..3",
        ]), 1..14)
    ) {
        result(&Env::event(), &tokens.join(" "), &[]);
    }

    #[test]
    fn broken_expressions_of_the_right_shape_are_handled(
        cut in 0usize..400,
        junk in "\\PC{0,3}",
    ) {
        let whole = "let l = filter(queue, {#.Meta.log_type == 'x'}); (evt.Unmarshaled?.a['b'][-1:] \
                     ?? 'c') + Sprintf(\"%v\\u0041\", {k: [1, 2.5e3, 0x1f]}) not matches `^a$` ? \
                     any(File('f'), Upper(evt.Parsed.a) contains Upper(#)) : evt.GetMeta('x') in ['a']";
        let at = whole.floor_char_boundary(cut.min(whole.len()));
        compiles(&format!("{}{junk}{}", &whole[..at], &whole[at..]));
        compiles(&format!("{}{junk}", &whole[..at]));
    }
}
