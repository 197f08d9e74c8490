//! The registered helpers: bound, typed, and failing where CrowdSec's fail.

use crate::fixture::check;

#[test]
fn strings() {
    check(&[
        ("Upper('ß')", "\"ß\""),
        ("Lower('İ')", "\"i\""),
        ("Lower('ΑΣ')", "\"ας\"".replace('ς', "σ").leak()),
        ("Upper('ŉ')", "\"ŉ\""),
        ("Upper(evt.Parsed.invalid)", "\"A\u{fffd}B\""),
        ("Split('a,b', ',')", "[\"a\", \"b\"]"),
        ("Split('', ',')", "[\"\"]"),
        ("Split('é1', '')", "[\"é\", \"1\"]"),
        ("SplitN('a,b,c', ',', 2)", "[\"a\", \"b,c\"]"),
        ("SplitN('a', ',', 0)", "[]"),
        ("SplitAfter('a,b', ',')", "[\"a,\", \"b\"]"),
        ("Fields(' a  b ')", "[\"a\", \"b\"]"),
        ("Join(Split('a,b', ','), '-')", "\"a-b\""),
        ("Join(['a'], '-')", "refused"),
        ("Join(evt.Unmarshaled.json.l, '-')", "error"),
        ("Get(Split('a,b', ','), 1)", "\"b\""),
        ("Get(Split('a,b', ','), 5)", "\"\""),
        ("Get(Split('a,b', ','), -1)", "error"),
        ("Index('abc', 'c')", "2"),
        ("IndexAny('abc', 'xc')", "2"),
        ("Replace('aaa', 'a', 'b', 2)", "\"bba\""),
        ("ReplaceAll('aaa', 'a', 'b')", "\"bbb\""),
        ("Trim('xxaxx', 'x')", "\"a\""),
        ("TrimLeft('xxa', 'x')", "\"a\""),
        ("TrimRight('axx', 'x')", "\"a\""),
        ("TrimSpace('\\t a \\n')", "\"a\""),
        ("TrimPrefix('abc', 'ab')", "\"c\""),
        ("TrimSuffix('abc', 'bc')", "\"a\""),
        ("Sprintf('%s-%d', 'a', 5)", "\"a-5\""),
        ("Sprintf('%s')", "\"%!s(MISSING)\""),
        ("Sprintf('%d', 5.0)", "\"%!d(float64=5)\""),
        ("Sprintf('a', 1)", "\"a%!(EXTRA int=1)\""),
        ("Sprintf('%v', evt.Unmarshaled.json.i)", "\"5\""),
        (
            "Sprintf('%v', evt.Unmarshaled.json.big)",
            "\"1.234567e+06\"",
        ),
        ("ToString('a')", "\"a\""),
        ("ToString(5)", "\"\""),
        ("ToString(nil)", "\"\""),
        ("Match('*', '')", "true"),
        ("Match('a*', '')", "false"),
        ("Match('a?c*', 'abcde')", "true"),
        ("Match('a[b]', 'ab')", "false"),
        ("Atof('1_000.5')", "1000.5"),
        ("Atof('0x1p4')", "16.0"),
        ("Atof('nope')", "0.0"),
        ("Atof('1e999')", "inf"),
        ("FloatApproxEqual(1.0, 1.0000001)", "true"),
        ("FloatApproxEqual(1, 2)", "false"),
        ("B64Decode('YWJj')", "\"abc\""),
        ("B64Decode('!')", "error"),
        ("LogInfo('x %d', 5)", "true"),
        ("Hostname()", "\"host\""),
        ("TimeNow()", "\"2026-03-04T05:06:07Z\""),
        ("ParseUnix('1700000000.5')", "\"2023-11-14T22:13:20Z\""),
        ("ParseUnix('nope')", "\"\""),
        ("basename('/a/b')", "refused"),
    ]);
}

#[test]
fn wrong_dynamic_types_fail_the_expression() {
    check(&[
        ("Upper(evt.Unmarshaled.nope)", "error"),
        ("Upper(evt.Unmarshaled.json.i)", "error"),
        ("Upper(evt.Unmarshaled.json.s)", "\"STR\""),
        ("Distance(evt.Unmarshaled.nope, '1', '2', '3')", "error"),
        ("IpInRange(evt.Unmarshaled.nope, '10.0.0.0/8')", "error"),
        ("Upper(nil)", "refused"),
    ]);
}

#[test]
fn addresses() {
    check(&[
        ("IpInRange(evt.Meta.source_ip, '1.2.3.0/24')", "true"),
        ("IpInRange('::ffff:1.2.3.4', '1.2.3.0/24')", "true"),
        ("IpInRange('1.2.3.4', '1.2.3.4')", "false"),
        ("IpInRange('nope', '1.2.3.0/24')", "false"),
        ("IsIP('1.2.3.4')", "true"),
        ("IsIP('01.2.3.4')", "false"),
        ("IsIPV4('::ffff:1.2.3.4')", "true"),
        ("IsIPV6('::1')", "true"),
        ("IsIPV6(evt.Meta.source_ip)", "false"),
        ("IpToRange('1.2.3.4', '/24')", "\"1.2.3.0/24\""),
        ("IpToRange('1.2.3.4', '24')", "\"1.2.3.0/24\""),
        ("IpToRange('::ffff:1.2.3.4', '/24')", "\"::/24\""),
        ("IpToRange('nope', '/24')", "\"\""),
        ("Distance('48.8', '2.3', '48.8', '2.3')", "0.0"),
        ("Distance('0', '0', '48.8', '2.3')", "0.0"),
        ("Distance('51.5', '0', '48.9', '2.4') > 300", "true"),
        ("Distance('x', '0', '48.9', '2.4')", "error"),
        ("GeoIPEnrich('1.2.3.4')", "nil"),
        ("GeoIPASNEnrich('1.2.3.4')", "nil"),
        ("GeoIPRangeEnrich('1.2.3.4')", "nil"),
        ("IPToCountry('1.2.3.4')", "\"\""),
        ("LookupHost('x')", "[]"),
    ]);
}

#[test]
fn data_files() {
    check(&[
        ("File('words.txt')", "[\"admin\", \"root\", \"ssh\"]"),
        ("File('nope.txt')", "[]"),
        (
            "any(File('words.txt'), evt.Parsed.program contains #)",
            "true",
        ),
        ("any(File('words.txt'), {evt.Parsed.program == #})", "false"),
        ("any(File('words.txt'), {# == 'root'})", "true"),
        (
            "any(File('words.txt'), {evt.Parsed.program startsWith #})",
            "true",
        ),
        (
            "any(File('words.txt'), {evt.Parsed.message endsWith #})",
            "false",
        ),
        (
            "any(File('words.txt'), {Lower(evt.Parsed.message) endsWith #})",
            "true",
        ),
        (
            "any(File('words.txt'), {Upper(evt.Meta.http_path) contains Upper(#)})",
            "true",
        ),
        (
            "any(File('paths.txt'), {evt.Meta.http_path startsWith #})",
            "true",
        ),
        (
            "any(File('words.txt'), {evt.Meta.http_path contains Lower(#)})",
            "false",
        ),
        (
            "none(File('words.txt'), evt.Parsed.program contains #)",
            "false",
        ),
        (
            "all(File('words.txt'), evt.Parsed.program contains #)",
            "false",
        ),
        (
            "any(File('nope.txt'), evt.Parsed.program contains #)",
            "false",
        ),
        (
            "any(File('words.txt'), {# contains evt.Parsed.empty})",
            "true",
        ),
        (
            "any(File('words.txt'), {len(#) > 4 and # != evt.Parsed.program})",
            "true",
        ),
        ("'root' in File('words.txt')", "true"),
        ("RegexpInFile('curl/7', 'agents.txt')", "true"),
        ("RegexpInFile('xcurl/7', 'agents.txt')", "false"),
        ("RegexpInFile(evt.Parsed.program, 'nope.txt')", "false"),
        ("LookupFile('/exact', 'map.json')", "\"one\""),
        ("LookupFile('/a/part', 'map.json')", "\"two\""),
        ("LookupFile('/relx', 'map.json')", "\"three\""),
        ("LookupFile('/none', 'map.json')", "\"\""),
        ("LookupFile('/none', 'nope.json')", "\"\""),
        ("len(FileMap('map.json'))", "3"),
        ("FileMap('map.json')[0].tag", "\"one\""),
        ("any(FileMap('map.json'), #.type == 'regex')", "true"),
    ]);
}

#[test]
fn json_documents_and_key_values() {
    check(&[
        ("UnmarshalJSON('{\"a\": 1}', evt.Unmarshaled, 'x')", "nil"),
        (
            "UnmarshalJSON('{\"a\": 1}', evt.Unmarshaled, 'x') == nil",
            "true",
        ),
        (
            "UnmarshalJSON('{\"a\": 1}', evt.Unmarshaled, 'x') in ['', nil]",
            "true",
        ),
        (
            "UnmarshalJSON('{\"a\": 1}', evt.Unmarshaled, 'x'); evt.Unmarshaled.x.a",
            "1.0",
        ),
        (
            "UnmarshalJSON('{\"a\": 1} x', evt.Unmarshaled, 'x')",
            "error",
        ),
        ("UnmarshalJSON('{', evt.Unmarshaled, 'x')", "error"),
        ("UnmarshalJSON('{}', evt.Parsed, 'x')", "refused"),
        (
            "ParseKV('a=1 b=\"x y\" a=2', evt.Unmarshaled, 'x'); evt.Unmarshaled.x",
            "{a: \"2\", b: \"x y\"}",
        ),
        (
            "ParseKV('e==3', evt.Unmarshaled, 'x'); evt.Unmarshaled.x.e",
            "\"\"",
        ),
        (
            "ParseKV(\"f='x y'\", evt.Unmarshaled, 'x'); evt.Unmarshaled.x.f",
            "\"'x\"",
        ),
        ("ParseKV('nothing', evt.Unmarshaled, 'x')", "error"),
        (
            "ParseKV('a=1', evt.Unmarshaled, 'kv'); evt.Unmarshaled.kv",
            "{a: \"1\", user: \"bob,\"}",
        ),
        ("ParseKV('a=1', evt.Unmarshaled, 'json')", "error"),
        (
            "ParseKVLax('msg=hello world src=1', evt.Unmarshaled, 'x'); evt.Unmarshaled.x.msg",
            "\"hello world\"",
        ),
        ("ParseKVLax('nothing', evt.Unmarshaled, 'y')", "error"),
    ]);
}

#[test]
fn json_pieces_and_xml() {
    check(&[
        (
            "JsonExtract('{\"a\": {\"b\": [1, \"x\\\\ty\"]}}', 'a.b[1]')",
            "\"x\\\\ty\"",
        ),
        ("JsonExtract('{\"a\": 5}', 'a')", "\"5\""),
        ("JsonExtract('{\"a\": 5}', 'b')", "\"\""),
        ("JsonExtract('nope', 'b')", "\"\""),
        (
            "JsonExtractUnescape('{\"log\": \"x\\\\n\"}', 'log')",
            "\"x\\n\"",
        ),
        ("JsonExtractLib('{\"a\": 5}', 'a')", "error"),
        ("JsonExtractSlice('{\"a\": [1]}', 'a')", "[1.0]"),
        ("JsonExtractSlice('{\"a\": {}}', 'a') == nil", "true"),
        ("JsonExtractObject('{\"a\": {\"b\": 1}}', 'a').b", "1.0"),
        (
            "ToJsonString({b: '<', a: 1e21})",
            "\"{\\\"a\\\":1e+21,\\\"b\\\":\\\"\\\\u003c\\\"}\"",
        ),
        ("ToJsonString(nil)", "\"null\""),
        ("KeyExists('s', evt.Unmarshaled.json)", "true"),
        ("KeyExists('zz', evt.Unmarshaled)", "false"),
        ("XMLGetNodeValue('<A><B>x</B></A>', '/A/B[1]')", "\"x\""),
        ("XMLGetNodeValue('<A><B>x</A>', '/A/B[1]')", "\"\""),
        (
            "XMLGetAttributeValue('<A><B c=\"d\"/></A>', '/A/B[1]', 'c')",
            "\"d\"",
        ),
    ]);
}

#[test]
fn urls() {
    check(&[
        ("PathUnescape(evt.Parsed.uri)", "\"/a b/../etc\""),
        ("PathUnescape('a%zz%20')", "\"a%zz%20\""),
        ("QueryUnescape('a+b%20c')", "\"a b c\""),
        ("PathUnescape(evt.Parsed.uri) contains '/../'", "true"),
        (
            "Lower(PathUnescape(evt.Parsed.uri)) contains '/etc'",
            "true",
        ),
        ("PathEscape('/a b+c')", "\"%2Fa%20b+c\""),
        ("QueryEscape('/a b+c')", "\"%2Fa+b%2Bc\""),
        (
            "ParseUri('/x?a=1&a=2&b=')",
            "{a: [\"1\", \"2\"], b: [\"\"]}",
        ),
        ("ParseUri('/x?a=1;b=2')", "{}"),
        ("ParseQuery('a=1;b=2')", "{a: [\"1;b=2\"]}"),
        ("ExtractQueryParam('/x?a=1&a=2', 'a')", "[\"1\", \"2\"]"),
        ("ExtractQueryParam('/x', 'a')", "[]"),
    ]);
}

#[test]
fn lists_and_intervals() {
    check(&[
        ("Distinct([1, 1, 'a'])", "[1, \"a\"]"),
        ("Distinct('a')", "nil"),
        ("Flatten([1, [2]], 3)", "[1, 2, 3]"),
        ("FlattenDistinct([1, [2]], 2)", "[1, 2]"),
        (
            "MedianInterval([evt.Time, evt.Time + duration('10m')])",
            "10m0s",
        ),
        (
            "AverageInterval([evt.Time, evt.Time + duration('10m'), evt.Time + duration('1h')])",
            "30m0s",
        ),
        ("MedianInterval([evt.Time])", "error"),
        ("MedianInterval([1, 2])", "error"),
    ]);
}

#[test]
fn what_is_outside_is_absent() {
    check(&[
        ("GetFromStash('users', '7')", "\"alice\""),
        ("GetFromStash('users', '8')", "\"\""),
        ("GetFromStash('nope', '7')", "\"\""),
        ("SetInStash('users', '7', 'x', nil)", "error"),
        ("GetDecisionsCount('1.2.3.4')", "0"),
        ("GetDecisionsSinceCount('1.2.3.4', '1d')", "0"),
        ("GetActiveDecisionsCount('1.2.3.4')", "0"),
        ("GetActiveDecisionsTimeLeft('1.2.3.4')", "0s"),
        ("CrowdsecCTI('1.2.3.4')", "error"),
        ("HTTPGet('http://x')", "refused"),
        ("LibInjectionIsSQLI('x')", "refused"),
    ]);
}
