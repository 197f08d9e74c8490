//! Truth, equality, order, arithmetic, membership, string tests.

use crate::fixture::check;

#[test]
fn logic_checks_every_operand_but_the_last() {
    check(&[
        ("evt.Unmarshaled.json.t && nil", "nil"),
        (
            "evt.Unmarshaled.json.t && evt.Unmarshaled.json.s",
            "\"str\"",
        ),
        (
            "evt.Unmarshaled.json.s && evt.Whitelisted == false",
            "error",
        ),
        ("evt.Unmarshaled.nope || evt.Unmarshaled.json.t", "error"),
        (
            "evt.Parsed.program == 'x' and evt.Unmarshaled.a.b.c",
            "false",
        ),
        (
            "evt.Parsed.program == 'sshd' or evt.Unmarshaled.a.b.c",
            "true",
        ),
        ("not evt.Unmarshaled.json.s", "error"),
        ("not nil", "error"),
        ("evt.Parsed.program && true", "refused"),
    ]);
}

#[test]
fn constants_fold_before_anything_runs() {
    check(&[
        ("evt.Unmarshaled.json.s and true", "\"str\""),
        ("evt.Unmarshaled.a.b.c or true", "true"),
        ("false and evt.Unmarshaled.a.b.c", "false"),
        ("evt.Unmarshaled.a.b.c and false", "false"),
        ("false or evt.Unmarshaled.json.s", "\"str\""),
        ("1 == 2 and evt.Unmarshaled.a.b.c", "false"),
        ("'a' + 'b' == 'ab'", "true"),
        ("5 % 0", "refused"),
        ("evt.Nope and false", "refused"),
    ]);
}

#[test]
fn equality_never_fails() {
    check(&[
        ("1 == 1.0", "true"),
        ("evt.Unmarshaled.json.i == 5", "true"),
        ("evt.Unmarshaled.json.i == '5'", "false"),
        ("evt.Unmarshaled.json.i != '5'", "true"),
        ("evt.Unmarshaled.json.n == nil", "true"),
        ("evt.Unmarshaled.nope == nil", "true"),
        ("evt.Unmarshaled.nope == ''", "false"),
        ("evt.Parsed.nope == ''", "true"),
        ("evt.Parsed.nope == nil", "false"),
        ("evt.Parsed.nope != nil", "true"),
        ("evt.Parsed.nope ?? 'd'", "\"\""),
        ("evt.Unmarshaled.kv.nope == ''", "true"),
        ("evt.Unmarshaled.kv.nope == nil", "false"),
        ("evt.Unmarshaled.json.ints == [1, 2]", "true"),
        ("[1, 2] == [1.0, 2]", "true"),
        ("evt.Unmarshaled.json.l == evt.Unmarshaled.json.l", "true"),
        ("evt.Unmarshaled.json.t == true", "true"),
        ("evt.Time == evt.Time", "true"),
        ("duration('60s') == duration('1m')", "true"),
        ("evt.Parsed.a == 1", "refused"),
        ("evt.Parsed == nil", "false"),
    ]);
}

#[test]
fn order_wants_two_of_a_kind() {
    check(&[
        ("1 < 2.5", "true"),
        ("'a' < 'b'", "true"),
        ("'a' <= 'a'", "true"),
        ("evt.Unmarshaled.json.i > 4", "true"),
        ("evt.Unmarshaled.nope > 4", "error"),
        ("evt.Unmarshaled.json.s < 5", "error"),
        ("evt.Parsed.a > 0", "refused"),
        ("duration('1h') > duration('10m')", "true"),
        ("evt.Time < now()", "false"),
        ("0.0 / 0.0 <= 1", "false"),
    ]);
}

#[test]
fn arithmetic_mixes_integers_floats_times_and_durations() {
    check(&[
        ("1 + 2.5", "3.5"),
        ("2 * 3", "6"),
        ("7 / 7", "1.0"),
        ("1 / 0", "inf"),
        ("evt.Unmarshaled.json.i + 1", "6.0"),
        ("int(evt.Unmarshaled.json.i) % 3", "2"),
        ("evt.Unmarshaled.json.f % 2", "error"),
        ("int(evt.Parsed.number) % int('0')", "error"),
        ("'a' + 'b' + evt.Parsed.program", "\"absshd\""),
        (
            "evt.Parsed.program + ':' + evt.Parsed.number",
            "\"sshd:42\"",
        ),
        ("'a' + 1", "refused"),
        ("'a' + evt.Unmarshaled.nope", "error"),
        ("evt.Unmarshaled.nope + '/'", "error"),
        ("evt.Unmarshaled.json.s + '/' + 'x'", "\"str/x\""),
        ("evt.Time + duration('1h') - evt.Time", "1h0m0s"),
        ("duration('1m') * 3", "3m0s"),
        ("2 * duration('1m')", "2m0s"),
        ("duration('1m') + duration('1s')", "1m1s"),
        ("-evt.Unmarshaled.json.f", "-2.5"),
        ("-evt.Unmarshaled.json.s", "error"),
        ("-'a'", "refused"),
        ("9223372036854775807 + 1", "-9223372036854775808"),
    ]);
}

#[test]
fn membership_depends_on_what_is_searched() {
    check(&[
        ("evt.Parsed.program in ['sshd', 'x']", "true"),
        ("evt.Unmarshaled.nope in ['', 'b']", "true"),
        ("evt.Unmarshaled.nope in ['a']", "false"),
        ("evt.Unmarshaled.nope not in ['healthz', 'b']", "true"),
        ("evt.Unmarshaled.json.i in ['a']", "error"),
        ("evt.Unmarshaled.nope in ['', nil]", "true"),
        ("evt.Unmarshaled.json.s in ['', nil]", "false"),
        ("evt.Unmarshaled.json.i in ['', nil]", "false"),
        ("evt.Unmarshaled.json.i in [5, 6]", "true"),
        ("5 in [5.0]", "true"),
        ("2 in 1..3", "true"),
        ("4 in 1..3", "false"),
        ("'s' in evt.Unmarshaled.json", "true"),
        ("'zz' in evt.Unmarshaled.json", "false"),
        ("evt.Unmarshaled.json.i in evt.Unmarshaled.json", "error"),
        ("'source_ip' in evt.Meta", "true"),
        ("'empty' in evt.Parsed", "true"),
        ("'nope' in evt.Parsed", "false"),
        ("'Meta' in evt", "true"),
        ("'Nope' in evt", "false"),
        ("'a' in evt.Unmarshaled.nope", "false"),
        ("'a' in nil", "refused"),
        ("'a' in 'abc'", "refused"),
        ("'s' in evt.Unmarshaled.json.s", "error"),
        ("'a' in evt.Unmarshaled.json.l", "true"),
        ("1 in ['a']", "refused"),
        ("evt.Parsed.program in File('words.txt')", "false"),
        ("'ssh' in File('words.txt')", "true"),
    ]);
}

#[test]
fn string_tests_take_nil_and_refuse_other_types() {
    check(&[
        ("evt.Parsed.message contains 'password'", "true"),
        ("evt.Parsed.message contains ''", "true"),
        ("evt.Parsed.message startsWith 'Failed'", "true"),
        ("evt.Parsed.message endsWith 'root'", "false"),
        ("Lower(evt.Parsed.message) endsWith 'root'", "true"),
        ("evt.Unmarshaled.nope contains 'a'", "false"),
        ("'a' contains evt.Unmarshaled.nope", "false"),
        ("evt.Unmarshaled.json.i contains 'a'", "error"),
        ("evt.Unmarshaled.json.s contains 't'", "true"),
        ("1 contains 'a'", "refused"),
        ("evt.Parsed.message matches '(?i)ROOT$'", "true"),
        ("evt.Parsed.message matches '^Root'", "false"),
        ("evt.Parsed.message matches '['", "refused"),
        ("evt.Unmarshaled.nope matches 'a'", "false"),
        ("evt.Unmarshaled.json.i matches 'a'", "error"),
        ("evt.Parsed.message matches Upper('failed')", "false"),
        ("Upper(evt.Parsed.message) matches Upper('failed')", "true"),
        ("evt.Parsed.message matches evt.Parsed.program", "false"),
        (
            "evt.Parsed.message matches ('[' + evt.Parsed.program)",
            "error",
        ),
        ("evt.Parsed.message matches evt.Unmarshaled.nope", "false"),
        ("evt.Parsed.invalid matches '^a.b$'", "true"),
    ]);
}

#[test]
fn regexes_are_those_of_go() {
    check(&[
        ("'é' matches '\\\\w'", "false"),
        ("'a\\nb' matches 'a.b'", "false"),
        ("'a\\n' matches 'a$'", "false"),
        ("'x{' matches 'x{'", "true"),
        ("evt.Parsed.invalid matches 'a\u{fffd}b'", "true"),
    ]);
}
