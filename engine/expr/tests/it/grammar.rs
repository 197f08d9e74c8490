//! Section by section: tokens, precedence, sequences, literals.

use crate::fixture::check;

#[test]
fn precedence_is_that_of_the_language() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 ** 2", "-4.0"),
        ("2 ** 3 ** 2", "512.0"),
        ("2 ^ 3", "8.0"),
        ("true or false and false", "true"),
        ("(true or false) and false", "false"),
        ("not true or true", "true"),
        ("!false && true", "true"),
        ("10 - 2 - 3", "5"),
        ("1 == 1 and 2 == 2", "true"),
        ("7 / 2", "3.5"),
        ("7 % 3", "1"),
        ("-7 % 3", "-1"),
        ("1 + 1 in [2, 3]", "true"),
        ("1..3", "[1, 2, 3]"),
        ("3..1", "[]"),
        ("1 + 1..2 + 2", "[2, 3, 4]"),
        ("+5", "5"),
        ("- -5", "5"),
    ]);
}

#[test]
fn not_binds_tighter_than_comparisons() {
    check(&[
        ("not evt.Parsed.program == 'x'", "refused"),
        ("not evt.Parsed.program in ['x']", "refused"),
        ("not (evt.Parsed.program == 'x')", "true"),
        ("evt.Parsed.program not in ['x']", "true"),
        ("evt.Parsed.program not contains 'ssh'", "false"),
        ("evt.Parsed.program not startsWith 'x'", "true"),
        ("evt.Parsed.program not endsWith 'd'", "false"),
        ("evt.Parsed.program not matches '^s'", "false"),
        ("evt.Parsed.program not == 'x'", "refused"),
    ]);
}

#[test]
fn order_comparisons_chain_and_others_do_not() {
    check(&[
        ("1 < 2 < 3", "true"),
        ("1 < 3 < 2", "false"),
        ("3 > 2 >= 2", "true"),
        ("1 < 2 == true", "true"),
        ("1 == 1 == true", "true"),
    ]);
}

#[test]
fn coalescing_needs_parentheses_next_to_other_operators() {
    check(&[
        ("(evt.Unmarshaled.nope ?? '') == ''", "true"),
        ("evt.Unmarshaled.nope ?? '' == ''", "refused"),
        (
            "evt.Unmarshaled.nope ?? evt.Unmarshaled.nope2 ?? 'd'",
            "\"d\"",
        ),
        ("'' == evt.Unmarshaled.nope ?? ''", "true"),
        ("Upper(ToString(evt.Unmarshaled.nope ?? 'd'))", "\"D\""),
        ("trimSuffix(evt.Unmarshaled.kv.user ?? '', ',')", "\"bob\""),
    ]);
}

#[test]
fn ternaries_and_ifs() {
    check(&[
        ("true ? 1 : 2", "1"),
        ("false ? 1 : true ? 2 : 3", "2"),
        ("true ?: false", "true"),
        ("'a' == 'b' ? 'x' : nil", "nil"),
        ("if 1 == 1 { 'a' } else { 'b' }", "\"a\""),
        ("if false { 1 } else if true { 2 } else { 3 }", "2"),
        ("if true { 1 }", "refused"),
        ("if true { let a = 1; a + 1 } else { 0 }", "2"),
        ("evt.Parsed.program ? 1 : 2", "refused"),
        ("evt.Unmarshaled.json.s ? 1 : 2", "error"),
    ]);
}

#[test]
fn sequences_and_declarations() {
    check(&[
        ("1; 2; 3", "3"),
        ("1; 2;", "2"),
        ("let x = 5; x * 2", "10"),
        ("let x = 5; let y = x + 1; x + y", "11"),
        ("(let x = 5; x) + 1", "6"),
        ("let x = 1; let x = 2; x", "refused"),
        ("let evt = 1; evt", "refused"),
        ("let Upper = 1; Upper", "refused"),
        ("let len = 1; len", "refused"),
        ("let p = evt.Meta; p.log_type", "\"ssh_failed-auth\""),
        ("let p = evt.Meta; 'source_ip' in p", "true"),
        ("y", "refused"),
        ("let x = 1", "refused"),
    ]);
}

#[test]
fn literals() {
    check(&[
        ("nil", "nil"),
        ("0x10 + 0b11 + 0o7", "26"),
        ("1_000", "1000"),
        (".5", "0.5"),
        ("1e3", "1000.0"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "refused"),
        ("'a\\'b'", "\"a'b\""),
        ("\"\\u0041\\x42\"", "\"AB\""),
        ("'\\.'", "refused"),
        ("'a\nb'", "refused"),
        ("`a\\d`", "\"a\\\\d\""),
        ("b'ab'[0]", "uint8 97"),
        ("[1, 'a', nil,]", "[1, \"a\", nil]"),
        ("[]", "[]"),
        (
            "{a: 1, 'b': 2, 3: 4, (Lower('C')): 5,}",
            "{3: 4, a: 1, b: 2, c: 5}",
        ),
        ("{(1): 2}", "error"),
        ("{'Jan': '01'}['Jan']", "\"01\""),
        ("{'Jan': '01'}['Nop']", "nil"),
        ("{'Jan': '01'}['Nop'] + '/'", "error"),
        ("{'Jan': '01'}.Jan", "\"01\""),
    ]);
}

#[test]
fn comments_and_line_ends_are_free() {
    check(&[
        ("1 + // one\n 2 /* two */", "3"),
        ("\n evt.Parsed.program\n ==\n 'sshd' ", "true"),
    ]);
}

#[test]
fn keywords_after_a_dot_are_names() {
    check(&[
        ("evt.Parsed.in", "\"\""),
        ("evt.Parsed.not", "\"\""),
        ("evt.Unmarshaled.json.matches", "nil"),
        ("{in: 1}", "refused"),
    ]);
}

#[test]
fn predicates_take_braces_or_none() {
    check(&[
        ("any([1, 2], # > 1)", "true"),
        ("any([1, 2], {# > 1})", "true"),
        ("any([1, 2], {let x = #; x > 1})", "true"),
        ("map([1, 2], #index)", "[0, 1]"),
        ("filter([{'a': 1}, {'a': 2}], .a == 2)", "[{a: 2}]"),
        ("any([[1], [2]], {any(#, # == 2)})", "true"),
        ("map([1, 2], 1; 2)", "refused"),
        ("#", "refused"),
        ("reduce(1..4, #acc + #, 10)", "20"),
        ("reduce(1..4, #acc * #)", "24"),
    ]);
}

#[test]
fn pipes_and_builtins_by_colons() {
    check(&[
        ("'abc' | Upper()", "\"ABC\""),
        ("'a,b' | split(',') | len()", "2"),
        ("[1, 2, 3] | filter(# > 1) | len()", "2"),
        ("::len('abc')", "3"),
        ("::nope('abc')", "refused"),
        ("$env", "refused"),
    ]);
}

#[test]
fn what_is_no_expression_is_refused() {
    check(&[
        ("", "refused"),
        ("(", "refused"),
        ("1 +", "refused"),
        ("evt.", "refused"),
        ("evt.Parsed.a b", "refused"),
        ("foo(1)", "refused"),
        ("evt.Parsed['a'", "refused"),
        ("1 & 2", "refused"),
        ("a = 1", "refused"),
        ("Upper('a', 'b')", "refused"),
        ("Upper()", "refused"),
        ("Upper(5)", "refused"),
    ]);
}
