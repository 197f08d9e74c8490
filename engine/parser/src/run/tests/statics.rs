//! Statics: types, empty values, targets, methods.

use std::net::IpAddr;
use std::sync::Arc;

use overspill_event::{Alert, ExpectMode, FieldMap, Overflow, Source, TextField};
use overspill_expr::{AsnRecord, CityRecord, Country, Geo, Lookup, Resolver};

use super::check;
use crate::testing::{Bench, node};

const JSON: &str =
    r#"{"s":"text","e":"","f":200,"big":1e21,"b":true,"l":[1],"m":{"k":1},"n":null}"#;

/// What becomes of a static with this expression, and of the static after it.
#[track_caller]
fn check_type(expression: &str, expected: &str) {
    let nodes = vec![
        node("json").set("method.UnmarshalJSON", "=x"),
        node("a").set("meta.v", expression).set("meta.z", "=after"),
    ];
    check(nodes, JSON, expected);
}

#[test]
fn texts_and_numbers_are_written() {
    check_type("evt.Unmarshaled.s", "processed v=text z=after");
    check_type("evt.Line.Src", "processed v=test.log z=after");
    check_type("'constant'", "processed v=constant z=after");
    check_type(
        "evt.Unmarshaled.b ? 'yes' : 'no'",
        "processed v=yes z=after",
    );
    check_type("7", "processed v=7 z=after");
    check_type("len(evt.Unmarshaled.s)", "processed v=4 z=after");
    check_type("int(evt.Unmarshaled.f)", "processed v=200 z=after");
    check_type("evt.Unmarshaled.f", "processed v=200.000000 z=after");
    check_type(
        "evt.Unmarshaled.big",
        "processed v=1000000000000000000000.000000 z=after",
    );
    check_type("7 / 2", "processed v=3.500000 z=after");
}

#[test]
fn nothing_is_written_for_nothing_and_for_errors() {
    check_type("evt.Unmarshaled.e", "processed z=after");
    check_type("evt.Parsed.missing", "processed z=after");
    check_type("evt.Unmarshaled.n", "processed z=after");
    check_type("evt.Unmarshaled.missing", "processed z=after");
    check_type("evt.Unmarshaled.l", "processed z=after");
    check_type("evt.Unmarshaled.m", "processed z=after");
    check_type("evt.Unmarshaled", "processed z=after");
    check_type("evt.Unmarshaled.missing.deeper", "processed z=after");
    check_type("evt.Unmarshaled.b ? nil : 'x'", "processed z=after");
}

#[test]
fn any_other_type_loses_the_event() {
    check_type("evt.Unmarshaled.b", "dropped");
    check_type("evt.Unmarshaled.s == 'text'", "dropped");
    check_type("Split('a,b', ',')", "dropped");
    check_type("evt.Parsed", "dropped");
    check_type("evt.Time", "dropped");
    check_type("duration('1s')", "dropped");
}

#[test]
fn an_empty_value_does_not_clear_a_field() {
    check(
        vec![
            node("a")
                .set("meta.v", "=old")
                .set("meta.v", "evt.Parsed.missing"),
        ],
        "x",
        "processed v=old",
    );
}

#[test]
fn targets_write_where_they_lead_and_nowhere_is_no_error() {
    let mut bench = Bench::new(&[(
        "s00",
        vec![
            node("a")
                .set("target.evt.StrTime", "=soon")
                .set("target.StrTimeFormat", "=2006")
                .set("target.evt.Parsed.x.y", "=px")
                .set("target.evt.Line.Labels.type", "=relabelled")
                .set("target.evt.Unmarshaled.u", "=tree")
                .set("target.source_ip", "=lost")
                .set("target.evt.Process", "=lost")
                .set("meta.u", "evt.Unmarshaled.u")
                .set("meta.t", "evt.Line.Labels.type"),
        ],
    )]);
    assert_eq!(bench.line("raw"), "processed t=relabelled u=tree p.x=px");
    assert_eq!(bench.event.text(TextField::StrTime), b"soon");
    assert_eq!(bench.event.text(TextField::StrTimeFormat), b"2006");
    assert_eq!(bench.state.counts().targets_nowhere, 2);
}

fn date_bench() -> Bench {
    let date = node("date")
        .set("method.ParseDate", "evt.StrTime")
        .set("target.MarshaledTime", "evt.Enriched.MarshaledTime");
    let time = node("time").grok("^%{DATA:layout}\\|%{GREEDYDATA:time}$", "Raw");
    Bench::new(&[(
        "s00",
        vec![
            time.set("target.evt.StrTime", "evt.Parsed.time")
                .set("target.evt.StrTimeFormat", "evt.Parsed.layout"),
            date,
        ],
    )])
}

#[test]
fn dates_are_recognised_as_crowdsec_recognises_them() {
    let mut bench = date_bench();
    let mut check = |line: &str, expected: &str| {
        bench.line(line);
        let marshaled = bench.event.text(TextField::MarshaledTime);
        assert_eq!(String::from_utf8_lossy(marshaled), expected, "{line}");
    };
    for _ in 0..2 {
        check(
            "|2024-01-02T03:04:05.123456789+02:00",
            "2024-01-02T03:04:05.123456789+02:00",
        );
        check("|10/Oct/2000:13:55:36 -0700", "2000-10-10T13:55:36-07:00");
        check("|Feb 29 10:11:12", "2026-03-01T10:11:12Z");
        check("|1700000000.123", "2023-11-14T22:13:20Z");
        check("060102 15:04:05|240102 15:04:05", "2024-01-02T15:04:05Z");
        check("0102 15:04:05|0102 15:04:05", "2026-01-02T15:04:05Z");
        check(
            "01/02/2006, 15:04:05|2022-01-02 15:04:05",
            "2022-01-02T15:04:05Z",
        );
        check("|2022/1/2 15:04:05", "2026-05-04T03:02:01Z");
        check("|", "2026-05-04T03:02:01Z");
    }
    assert_eq!(bench.state.counts().dates_unknown, 4);
}

#[test]
fn a_date_without_a_year_takes_the_year_it_is_given() {
    let mut bench = date_bench();
    bench.state.set_year(Some(2024));
    bench.line("|Feb 29 10:11:12");
    assert_eq!(
        bench.event.text(TextField::MarshaledTime),
        b"2024-02-29T10:11:12Z"
    );
}

#[test]
fn only_a_replay_takes_its_time_from_the_date() {
    let mut bench = date_bench();
    bench.line("|1700000000");
    assert_eq!(bench.event.time, crate::testing::NOW);
    bench.begin("|1700000000");
    bench.event.mode = ExpectMode::TimeMachine;
    let _processed = bench.go();
    assert_eq!(bench.event.time.secs, 1_700_000_000);
    bench.begin("|unknown");
    bench.event.mode = ExpectMode::TimeMachine;
    let _processed = bench.go();
    assert_eq!(
        bench.event.time,
        crate::testing::NOW,
        "the fallback does not touch it"
    );
}

struct Known;

impl Geo for Known {
    fn has_city(&self) -> bool {
        true
    }
    fn has_asn(&self) -> bool {
        true
    }
    fn city(&self, ip: IpAddr) -> Option<Arc<CityRecord>> {
        Some(Arc::new(match ip.to_string().as_str() {
            "1.1.1.1" => CityRecord {
                registered_country: Country {
                    iso_code: "AU".into(),
                    is_in_eu: true,
                    name: String::new(),
                },
                latitude: -33.5,
                longitude: 151.25,
                ..CityRecord::default()
            },
            _ => CityRecord::default(),
        }))
    }
    fn asn(&self, ip: IpAddr) -> Option<Arc<AsnRecord>> {
        Some(Arc::new(match ip.to_string().as_str() {
            "1.1.1.1" => AsnRecord {
                number: 13335,
                organisation: "Some Net".into(),
            },
            _ => AsnRecord::default(),
        }))
    }
    fn range(&self, ip: IpAddr) -> Option<String> {
        (ip.to_string() == "1.1.1.1").then(|| "1.1.1.0/24".to_owned())
    }
}

impl Resolver for Known {
    fn reverse(&self, ip: IpAddr) -> Lookup<Vec<String>> {
        match ip.to_string().as_str() {
            "1.1.1.1" => Lookup::Ready(vec!["One.example.".into(), "two.".into()]),
            "2.2.2.2" => Lookup::Pending,
            _ => Lookup::Failed,
        }
    }
    fn forward(&self, _name: &str) -> Lookup<Vec<IpAddr>> {
        Lookup::Failed
    }
}

#[track_caller]
fn check_enriched(bench: &mut Bench, line: &str, expected: &str) {
    bench.line(line);
    let fields: Vec<String> = bench
        .event
        .fields(FieldMap::Enriched)
        .iter()
        .map(|(key, value)| {
            format!(
                "{}={}",
                String::from_utf8_lossy(key),
                String::from_utf8_lossy(value)
            )
        })
        .collect();
    assert_eq!(fields.join(" "), expected, "{line}");
}

#[test]
fn addresses_are_enriched_with_what_the_databases_say() {
    let all = node("a")
        .set("method.GeoIpCity", "evt.Line.Raw")
        .set("method.GeoIpASN", "evt.Line.Raw")
        .set("method.IpToRange", "evt.Line.Raw")
        .set("method.reverse_dns", "evt.Line.Raw")
        .set("method.NoSuchMethod", "evt.Line.Raw");
    let mut bench = Bench::new(&[("s00", vec![all])]);
    check_enriched(&mut bench, "1.1.1.1", "");
    bench.services.geo = Arc::new(Known);
    bench.services.resolver = Arc::new(Known);
    check_enriched(
        &mut bench,
        "1.1.1.1",
        "ASNNumber=13335 ASNOrg=Some Net ASNumber=13335 IsInEU=true IsoCode=AU \
         Latitude=-33.500000 Longitude=151.250000 SourceRange=1.1.1.0/24 reverse_dns=One.example.",
    );
    check_enriched(
        &mut bench,
        "2.2.2.2",
        "ASNNumber=0 ASNOrg= ASNumber=0 IsInEU=false IsoCode= Latitude=0.000000 \
         Longitude=0.000000",
    );
    assert_eq!(bench.state.counts().lookups_pending, 1);
    assert_eq!(bench.state.counts().method_errors, 0);
    check_enriched(&mut bench, "no address", "");
    assert_eq!(bench.state.counts().method_errors, 3);
}

#[test]
fn what_is_remembered_of_addresses_is_bounded_and_changes_nothing() {
    let all = node("a")
        .set("method.GeoIpASN", "evt.Line.Raw")
        .set("method.IpToRange", "evt.Line.Raw");
    let mut bench = Bench::new(&[("s00", vec![all])]);
    bench.services.geo = Arc::new(Known);
    for n in 0..3_000 {
        if n % 700 == 0 {
            check_enriched(
                &mut bench,
                "1.1.1.1",
                "ASNNumber=13335 ASNOrg=Some Net ASNumber=13335 SourceRange=1.1.1.0/24",
            );
        }
        let other = format!("10.0.{}.{}", n / 256, n % 256);
        check_enriched(&mut bench, &other, "ASNNumber=0 ASNOrg= ASNumber=0");
        bench.line("no address");
    }
    assert_eq!(bench.state.counts().method_errors, 3_000);
    assert!(bench.state.geo.len() <= 2 * crate::geo::REMEMBERED_MAX);
}

#[test]
fn the_json_of_a_line_is_merged_into_the_tree_and_other_lines_leave_it() {
    let unmarshal = node("a")
        .set("method.UnmarshalJSON", "=x")
        .set("meta.k", "evt.Unmarshaled.k");
    check(vec![unmarshal.clone()], r#"{"k":"v"}"#, "processed k=v");
    check(vec![unmarshal.clone()], r#"["k"]"#, "processed");
    check(
        vec![unmarshal.clone()],
        r#"{"k":"v"} trailing"#,
        "processed",
    );
    let before = node("b").set("target.evt.Unmarshaled.k", "=old");
    check(
        vec![before.clone(), unmarshal.clone()],
        r#"{"other":1}"#,
        "processed k=old",
    );
    check(
        vec![before.clone(), unmarshal.clone()],
        r#"{"k":"new"}"#,
        "processed k=new",
    );
    check(vec![before, unmarshal], "null", "processed");
}

#[test]
fn postoverflow_statics_write_through_to_the_alert_and_its_source() {
    let source = Source {
        scope: "Ip".into(),
        value: "::1".into(),
        ..Source::default()
    };
    let alert = Alert {
        source: source.clone(),
        source_key: "::1".into(),
        ..Alert::default()
    };
    let overflow = Overflow {
        sources: [("::1".to_owned(), source)].into(),
        alerts: vec![alert],
        ..Overflow::default()
    };
    let mut bench = Bench::new(&[(
        "s00",
        vec![
            node("a")
                .set("target.evt.Overflow.Alert.Source.Value", "=::/64")
                .set("target.evt.Overflow.Alert.Source.Scope", "=Range")
                .set("target.evt.Overflow.Alert.Message", "=told")
                .set("target.evt.Overflow.Sources.x", "=lost")
                .set("meta.scope", "evt.Overflow.Alert.GetScope()"),
        ],
    )]);
    assert_eq!(bench.overflow(overflow), "processed scope=Range");
    let overflow = bench.event.overflow.as_ref().unwrap();
    assert_eq!(overflow.alerts[0].message, "told");
    assert_eq!(overflow.alerts[0].source.value, "::/64");
    assert_eq!(overflow.sources["::1"].value, "::/64");
    assert_eq!(bench.state.counts().targets_nowhere, 1);
}
