//! Members, indexes, slices, optional chains.

use crate::fixture::check;

#[test]
fn members_of_maps_of_strings_and_of_anything() {
    check(&[
        ("evt.Parsed.program", "\"sshd\""),
        ("evt.Parsed['program']", "\"sshd\""),
        ("evt['Parsed']['program']", "\"sshd\""),
        ("evt.Parsed[evt.Unmarshaled.json.s]", "\"\""),
        ("evt.Parsed['pro' + 'gram']", "\"sshd\""),
        ("evt.Parsed[Lower('PROGRAM')]", "\"sshd\""),
        ("evt.Parsed.nope", "\"\""),
        ("evt.Unmarshaled.nope", "nil"),
        ("evt.Unmarshaled.nope.a", "error"),
        ("evt.Unmarshaled.json.nope", "nil"),
        ("evt.Unmarshaled.json.nope.a", "error"),
        ("evt.Unmarshaled.json.s.a", "error"),
        ("evt.Unmarshaled.json.i.a", "error"),
        ("evt.Unmarshaled.json.l.a", "error"),
        ("evt.Unmarshaled.json.deep.er.est", "\"x\""),
        ("evt.Unmarshaled.json['dotted.key']", "\"d\""),
        ("evt.Unmarshaled['json']['deep']['er']", "{est: \"x\"}"),
        ("evt.Unmarshaled.kv.user", "\"bob,\""),
        ("evt.Unmarshaled.kv.nope", "\"\""),
        ("evt.Line.Raw", "\"a raw line\""),
        ("evt.Line.Src", "\"/var/log/x.log\""),
        ("evt.Line.Module", "\"file\""),
        ("evt.Line.Labels.type", "\"syslog\""),
        ("evt.Line.Labels['nope']", "\"\""),
        ("evt.Line.Nope", "refused"),
        ("evt.Nope", "refused"),
        ("evt.StrTime", "\"Mar  7 23:30:00\""),
        ("evt.Type", "0"),
        ("evt.ExpectMode", "0"),
        ("evt.Whitelisted", "false"),
        ("evt.Process", "true"),
        ("evt.Enriched.IsoCode", "\"FR\""),
        ("evt.Stage", "\"\""),
        ("nil.a", "refused"),
    ]);
}

#[test]
fn indexes_count_from_either_end() {
    check(&[
        ("evt.Unmarshaled.json.l[0]", "\"a\""),
        ("evt.Unmarshaled.json.l[-1]", "3.0"),
        ("evt.Unmarshaled.json.l[-3]", "\"a\""),
        ("evt.Unmarshaled.json.l[3]", "error"),
        ("evt.Unmarshaled.json.l[-4]", "error"),
        ("evt.Unmarshaled.json.l['a']", "error"),
        ("evt.Unmarshaled.json[5]", "error"),
        ("evt.Unmarshaled.json.s[0]", "uint8 115"),
        ("evt.Unmarshaled.json.s[-1]", "uint8 114"),
        ("evt.Unmarshaled.json.s[3]", "error"),
        ("evt.Parsed.program[0]", "refused"),
        ("Split('a-b-c', '-')[-1]", "\"c\""),
        ("Split('a-b-c', '-')[1]", "\"b\""),
        ("Split('a-b-c', '-')[int('2')]", "\"c\""),
        ("evt.Unmarshaled.nope[0]", "error"),
        ("[1, 2, 3][1]", "2"),
    ]);
}

#[test]
fn slices_are_clamped_and_cut_bytes() {
    check(&[
        ("'abc'[0:100]", "\"abc\""),
        ("'abc'[10:2]", "\"\""),
        ("'abc'[:2]", "\"ab\""),
        ("'abc'[1:]", "\"bc\""),
        ("'abc'[-2:]", "\"bc\""),
        ("'abc'[:-1]", "\"ab\""),
        ("'abc'[:]", "\"abc\""),
        ("'é'[0:1]", "\"\u{fffd}\""),
        ("evt.Parsed.program[0:2]", "\"ss\""),
        ("evt.Unmarshaled.json.l[1:]", "[\"b\", 3.0]"),
        ("evt.Unmarshaled.json.l[-4:]", "[\"a\", \"b\", 3.0]"),
        ("evt.Unmarshaled.nope[1:]", "error"),
        ("evt.Unmarshaled.json.i[1:]", "error"),
        ("evt.Unmarshaled.json.l['a':]", "refused"),
    ]);
}

#[test]
fn an_optional_step_cuts_the_whole_chain() {
    check(&[
        ("evt.Unmarshaled.nope?.a.b.c", "nil"),
        ("evt.Unmarshaled.json?.nope.b", "error"),
        ("evt.Unmarshaled.json?.nope?.b", "nil"),
        ("(evt.Unmarshaled.nope?.a).b", "nil"),
        ("evt.Unmarshaled.nope?.[0]", "nil"),
        ("evt.Unmarshaled.json?.l?.[0]", "\"a\""),
        ("evt.Unmarshaled.json?.deep?.er?.est", "\"x\""),
        ("evt.Unmarshaled.json?.n?.x", "nil"),
        ("evt.Unmarshaled.nope?.a() == nil", "true"),
        ("evt.Unmarshaled.nope?.a contains 'x'", "false"),
        ("evt.Unmarshaled.nope?.a not in ['x', 'y']", "true"),
    ]);
}

#[test]
fn get_gives_nil_where_indexing_fails() {
    check(&[
        ("get(evt.Unmarshaled.nope, 'a')", "nil"),
        ("get(evt.Unmarshaled.json, 's')", "\"str\""),
        ("get(evt.Unmarshaled.json, 'zz')", "nil"),
        ("get(evt.Unmarshaled.json.l, 1)", "\"b\""),
        ("get(evt.Unmarshaled.json.l, 9)", "nil"),
        ("get(evt.Unmarshaled.json.l, -1)", "3.0"),
        ("get(evt.Unmarshaled.json.l, 'a')", "error"),
        ("get(evt.Unmarshaled.json.s, 'a')", "error"),
        ("get(evt.Parsed, 'program')", "\"sshd\""),
    ]);
}

#[test]
fn times_and_durations_have_methods() {
    check(&[
        ("evt.Time.Hour()", "23"),
        ("evt.Time.Year()", "2026"),
        ("evt.Time.Weekday()", "time.Weekday 6"),
        ("evt.Time.Weekday().String()", "\"Saturday\""),
        (
            "evt.Time.Weekday().String() in ['Saturday', 'Sunday']",
            "true",
        ),
        ("evt.Time.Month().String()", "\"March\""),
        ("evt.Time.Unix()", "int64 1772919000"),
        ("evt.Time.Format('2006-01-02')", "\"2026-03-07\""),
        ("evt.Time.UTC().Hour()", "21"),
        ("evt.Time.Hour() >= 20 or evt.Time.Hour() < 6", "true"),
        ("evt.Time.Nope()", "refused"),
        ("duration('90s').Seconds()", "90.0"),
        ("duration('90s').String()", "\"1m30s\""),
        ("duration('90s').Minutes()", "1.5"),
        ("duration('1d')", "error"),
        ("duration('10')", "error"),
    ]);
}

#[test]
fn events_have_methods() {
    check(&[
        ("evt.GetType()", "\"log\""),
        ("evt.GetMeta('source_ip')", "\"1.2.3.4\""),
        ("evt.GetMeta('nope')", "\"\""),
        ("evt.SetMeta('new', 'x')", "true"),
        (
            "evt.SetMeta('new', evt.Parsed.program) and evt.Meta.new == 'sshd'",
            "true",
        ),
        (
            "evt.SetParsed('new', 'x') and evt.Parsed.new == 'x'",
            "true",
        ),
        (
            "evt.SetMeta(evt.Parsed.program, 'x') and evt.Meta.sshd == 'x'",
            "true",
        ),
        ("evt.SetMeta('new', evt.Unmarshaled.json.i)", "error"),
        ("evt.SetMeta('new')", "refused"),
        ("evt.Nope()", "refused"),
        ("len(evt.ParseIPSources())", "1"),
        ("evt.Appsec.GetName()", "\"\""),
        ("evt.Appsec.HasInBandMatches ? 'a' : 'b'", "\"b\""),
        ("Sprintf('%+v', evt.Appsec.GetRuleIDs())", "\"[]\""),
        ("let e = evt; e.GetMeta('source_ip')", "\"1.2.3.4\""),
    ]);
}
