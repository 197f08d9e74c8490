//! The language's own functions.

use crate::fixture::check;

#[test]
fn loops_over_lists() {
    check(&[
        ("any([1, 2], # == 2)", "true"),
        ("all([1, 2], # > 0)", "true"),
        ("none([1, 2], # > 2)", "true"),
        ("one([1, 2], # == 2)", "true"),
        ("all([], # > 0)", "true"),
        ("any([], # > 0)", "false"),
        ("none([], # > 0)", "true"),
        ("one([], # > 0)", "false"),
        ("filter(1..5, # > 3)", "[4, 5]"),
        ("map(1..3, # * 2)", "[2, 4, 6]"),
        ("find(1..5, # > 3)", "4"),
        ("find(1..5, # > 9)", "nil"),
        ("findLast(1..5, # > 3)", "5"),
        ("findIndex(1..5, # > 3)", "3"),
        ("findLastIndex(1..5, # > 9)", "nil"),
        ("count(1..5, # > 3)", "2"),
        ("count([true, false, true])", "2"),
        ("sum(1..4)", "10"),
        ("sum(1..4, # * 2)", "20"),
        ("reduce([], #acc + #)", "error"),
        ("reduce([], #acc + #, 5)", "5"),
        (
            "groupBy(['a', 'bb', 'c'], len(#) == 1 ? 'one' : 'two')",
            "{one: [\"a\", \"c\"], two: [\"bb\"]}",
        ),
        ("sortBy([3, 1, 2], #)", "[1, 2, 3]"),
        ("sortBy([3, 1, 2], #, 'desc')", "[3, 2, 1]"),
        ("sortBy(evt.Unmarshaled.json.l, #)", "error"),
    ]);
}

#[test]
fn loops_fail_where_the_language_fails() {
    check(&[
        ("any(evt.Unmarshaled.nope, # == 1)", "error"),
        ("any(evt.Unmarshaled.json, # == 1)", "error"),
        ("any(evt.Parsed, # == 'a')", "refused"),
        ("any('abc', # == 'a')", "refused"),
        ("any(evt.Unmarshaled.json.s, # == 115)", "true"),
        ("any([1], #)", "refused"),
        ("any(evt.Unmarshaled.json.l, #)", "error"),
        ("any(evt.Unmarshaled.json.l, int(#) > 1)", "error"),
        (
            "any(evt.Unmarshaled.json.l, # == 'a' or int(#) > 1)",
            "true",
        ),
        ("any(1, # == 1)", "refused"),
        ("any([1])", "refused"),
    ]);
}

#[test]
fn rewrites_show_in_which_errors_are_met() {
    check(&[
        // One loop tests both for each element: the second is true before the first can fail.
        (
            "any(evt.Unmarshaled.json.l, # == 'zz') or any(evt.Unmarshaled.json.l, int(#) > 0)",
            "error",
        ),
        (
            "any(evt.Unmarshaled.json.ints, # + 'a' == 'b') or any(evt.Unmarshaled.json.ints, # == 1)",
            "error",
        ),
        ("any([1, 'a'], # == 9) or any([1, 'a'], # + 1 == 2)", "true"),
        ("any([1, 'a'], # + 1 == 9) or any([1, 'a'], # == 1)", "true"),
        // Counting stops once the answer is known.
        (
            "count(evt.Unmarshaled.json.l, # == 'a' or int(#) > 1) > 0",
            "true",
        ),
        (
            "count(evt.Unmarshaled.json.l, # == 'a' or int(#) > 1) >= 1",
            "true",
        ),
        (
            "count(evt.Unmarshaled.json.l, # == 'a' or int(#) > 1) > 1",
            "error",
        ),
        ("len(filter([1, 2, 3], # > 1))", "2"),
        (
            "filter(evt.Unmarshaled.json.l, # == 'a' or int(#) > 1)[0]",
            "\"a\"",
        ),
        ("filter(evt.Unmarshaled.json.l, # == 'zz')[0]", "error"),
        (
            "filter(evt.Unmarshaled.json.objects, #.name == 'a')[0]['value']['login']",
            "\"bob\"",
        ),
        (
            "filter(evt.Unmarshaled.json.objects, #.name == 'c')[0]['value']['login']",
            "error",
        ),
        ("filter(1..5, # > 1)[-1]", "5"),
        ("filter(1..5, # > 1)[1]", "3"),
        ("first(filter(1..5, # > 9))", "nil"),
        ("last(filter(1..5, # > 2))", "5"),
    ]);
}

#[test]
fn conversions() {
    check(&[
        ("len('abc')", "3"),
        ("len('é')", "1"),
        ("len(evt.Parsed.invalid)", "3"),
        ("len(evt.Parsed.nope)", "0"),
        ("len(evt.Unmarshaled.json.l)", "3"),
        ("len(evt.Unmarshaled.kv)", "1"),
        ("len(evt.Meta)", "3"),
        ("len(evt.Unmarshaled.nope)", "error"),
        ("len(evt.Unmarshaled.json.i)", "error"),
        ("len(5)", "refused"),
        ("int(3.9)", "3"),
        ("int(-3.9)", "-3"),
        ("int('42')", "42"),
        ("int('+42')", "42"),
        ("int(evt.Parsed.number)", "42"),
        ("int(evt.Parsed.nope)", "error"),
        ("int(' 42')", "error"),
        ("int('1.5')", "error"),
        ("int('0x10')", "error"),
        ("int(evt.Unmarshaled.nope)", "error"),
        ("int(evt.Unmarshaled.json.i)", "5"),
        ("int(true)", "refused"),
        ("int(duration('1s'))", "1000000000"),
        ("float('1.5')", "1.5"),
        ("float(' 1.5')", "error"),
        ("float(2)", "2.0"),
        ("float(evt.Unmarshaled.nope)", "error"),
        ("string(nil)", "\"<nil>\""),
        ("string(5)", "\"5\""),
        ("string([1, 'a'])", "\"[1 a]\""),
        ("string(duration('90s'))", "\"1m30s\""),
        ("string(1234567.0)", "\"1.234567e+06\""),
        ("string(evt.Unmarshaled.json.big)", "\"1.234567e+06\""),
        ("type(1)", "\"int\""),
        ("type(nil)", "\"nil\""),
        ("type('a')", "\"string\""),
        ("type([1])", "\"array\""),
    ]);
}

#[test]
fn strings() {
    check(&[
        ("upper('abc')", "\"ABC\""),
        ("lower('ABC')", "\"abc\""),
        ("lower(evt.Unmarshaled.nope)", "error"),
        ("trim('  a ')", "\"a\""),
        ("trim('xax', 'x')", "\"a\""),
        ("trimPrefix('xa', 'x')", "\"a\""),
        ("trimPrefix(' a')", "\"a\""),
        ("trimSuffix('a,', ',')", "\"a\""),
        ("hasPrefix('abc', 'ab')", "true"),
        ("hasSuffix('abc', 'bc')", "true"),
        ("hasSuffix(evt.Unmarshaled.nope, 'bc')", "error"),
        ("indexOf('abc', 'c')", "2"),
        ("indexOf('abc', 'z')", "-1"),
        ("lastIndexOf('abab', 'ab')", "2"),
        ("split('a,b', ',')", "[\"a\", \"b\"]"),
        ("split('a,b,c', ',', 2)", "[\"a\", \"b,c\"]"),
        ("splitAfter('a,b', ',')", "[\"a,\", \"b\"]"),
        ("replace('aaa', 'a', 'b')", "\"bbb\""),
        ("replace('aaa', 'a', 'b', 1)", "\"baa\""),
        ("repeat('ab', 3)", "\"ababab\""),
        ("repeat('ab', -1)", "error"),
        ("repeat('ab', 1000001)", "over budget"),
        ("join(['a', 'b'], '-')", "\"a-b\""),
        ("join(['a', 'b'])", "\"ab\""),
        ("join(['a', 1], '-')", "error"),
    ]);
}

#[test]
fn numbers() {
    check(&[
        ("abs(-5)", "5"),
        ("ceil(1.2)", "2.0"),
        ("floor(1.8)", "1.0"),
        ("round(1.5)", "2.0"),
        ("max(1, 5, 3)", "5"),
        ("min([4, 2.5])", "2.5"),
        ("max('a')", "refused"),
        ("mean([1, 2, 3])", "2.0"),
        ("median([1, 3, 2])", "2.0"),
        ("median([1, 2, 3, 4])", "2.5"),
        ("bitand(6, 3)", "2"),
        ("bitor(6, 1)", "7"),
        ("bitshl(1, 4)", "16"),
        ("bitnot(0)", "-1"),
        ("bitshl(1, -1)", "error"),
    ]);
}

#[test]
fn lists_and_maps() {
    check(&[
        ("first([])", "nil"),
        ("first([1, 2])", "1"),
        ("last([1, 2])", "2"),
        ("take([1, 2, 3], 2)", "[1, 2]"),
        ("take([1], 5)", "[1]"),
        ("keys({b: 1, a: 2})", "[\"a\", \"b\"]"),
        ("values({b: 1, a: 2})", "[2, 1]"),
        ("toPairs({a: 1})", "[[\"a\", 1]]"),
        ("fromPairs([['a', 1]])", "{a: 1}"),
        ("reverse([1, 2])", "[2, 1]"),
        ("uniq([1, 1.0, 2, 'a', 'a'])", "[1, 2, \"a\"]"),
        ("concat([1], [2, 3])", "[1, 2, 3]"),
        ("flatten([1, [2, [3]]])", "[1, 2, 3]"),
        ("sort([3, 1, 2])", "[1, 2, 3]"),
        ("sort(['b', 'a'], 'desc')", "[\"b\", \"a\"]"),
        ("sort([1, 'a'])", "error"),
    ]);
}

#[test]
fn encodings_and_times() {
    check(&[
        (
            "toJSON({b: 1, a: [true]})",
            r#""{\n  \"a\": [\n    true\n  ],\n  \"b\": 1\n}""#,
        ),
        ("toJSON([])", "\"[]\""),
        ("fromJSON('{\"a\": [1]}').a[0]", "1.0"),
        ("fromJSON('{')", "error"),
        ("toBase64('abc')", "\"YWJj\""),
        ("fromBase64('YWJj')", "\"abc\""),
        ("fromBase64('YW')", "error"),
        ("now().Year()", "2026"),
        ("date('2024-05-06').Day()", "6"),
        (
            "date('06/05/2024', '02/01/2006').Month().String()",
            "\"May\"",
        ),
        ("date('nope')", "error"),
    ]);
}
