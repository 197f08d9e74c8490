//! Alerts from overflows: message, events, context, identity.

use overspill_decision::{BuildError, Spill, wire};
use overspill_event::{FieldMap, Position};

use crate::harness::{LEAKY, Line, Scenario, at_ten, build, build_with, spill};

#[test]
fn the_message_says_who_did_what_over_how_long() {
    const ONE: &[Line] = &["meta.source_ip=1.2.3.4 at=x"];
    const TWO: &[Line] = &["meta.source_ip=1.2.3.4 at=x", "meta.source_ip=1.2.3.5 at=x"];
    for (lines, first, last, overflow, total, expected) in [
        (
            ONE,
            "2022-01-01T10:00:00Z",
            "2022-01-01T10:00:05Z",
            "2022-01-01T10:00:05Z",
            6,
            "Ip 1.2.3.4 performed 'test/leaky' (6 events over 5s) at 2022-01-01 10:00:05 +0000 UTC",
        ),
        (
            ONE,
            "2022-01-01T10:00:00Z",
            "2022-01-01T10:00:00.25Z",
            "2022-01-01T10:02:50Z",
            9,
            "Ip 1.2.3.4 performed 'test/leaky' (9 events over 2m50s) \
             at 2022-01-01 10:00:00.25 +0000 UTC",
        ),
        (
            ONE,
            "2022-01-01T10:00:05+01:00",
            "2022-01-01T10:00:00+01:00",
            "2022-01-01T10:00:00+01:00",
            2,
            "Ip 1.2.3.4 performed 'test/leaky' (2 events over -5s) \
             at 2022-01-01 10:00:00 +0100 +0100",
        ),
        (
            ONE,
            "2022-01-01T10:00:00Z",
            "2022-01-01T10:00:00Z",
            "2022-01-01T10:00:00.000035776Z",
            1,
            "Ip 1.2.3.4 performed 'test/leaky' (1 events over 35.776µs) \
             at 2022-01-01 10:00:00 +0000 UTC",
        ),
        (
            TWO,
            "2022-01-01T10:00:00Z",
            "2022-01-01T10:00:00Z",
            "2022-01-01T11:00:00Z",
            7,
            "Ip 2 sources performed 'test/leaky' (7 events over 1h0m0s) \
             at 2022-01-01 10:00:00 +0000 UTC",
        ),
    ] {
        let spill = spill(first, last, overflow, total);
        let overflow_built = build_with(LEAKY, &spill, lines, |_| {}).unwrap();
        let alert = overflow_built.alert().unwrap();
        assert_eq!(alert.message, expected);
        assert_eq!(alert.start_at, first);
        assert_eq!(alert.stop_at, overflow);
        assert_eq!(u64::try_from(alert.events_count).unwrap(), total);
    }
}

#[test]
fn events_carry_all_their_meta_by_key_and_their_time_as_written() {
    let overflow = build(
        LEAKY,
        &[
            "meta.source_ip=1.2.3.4 meta.user= meta.b=2 meta.A=1 enriched.x=1 \
             at=2022-01-01T10:00:00+01:00 time=2000-01-01T00:00:00Z",
            "meta.source_ip=1.2.3.4 time=2022-01-01T10:00:00.50Z",
        ],
    )
    .unwrap();
    let events = &overflow.alerts[0].events;
    let text = |at: usize| {
        let meta: Vec<String> = events[at]
            .meta
            .iter()
            .map(|item| format!("{}={}", item.key, item.value))
            .collect();
        format!(
            "{} {}",
            events[at].timestamp.as_deref().unwrap(),
            meta.join(" ")
        )
    };
    assert_eq!(
        text(0),
        "2022-01-01T10:00:00+01:00 A=1 b=2 source_ip=1.2.3.4 user="
    );
    assert_eq!(text(1), "2022-01-01T10:00:00.5Z source_ip=1.2.3.4");
    let error = build(LEAKY, &["meta.source_ip=1.2.3.4"]).unwrap_err();
    assert_eq!(error, BuildError::NoTimestamp);
}

#[test]
fn a_built_alert_has_the_bytes_of_the_capture() {
    let scenario = Scenario {
        name: "test/wire",
        ..LEAKY
    };
    let lines: &[Line] = &["at=2022-01-01T10:00:00Z", "at=2022-01-01T10:00:01Z"];
    let overflow = build_with(scenario, &at_ten(), lines, |events| {
        let values: [&[u8]; 2] = [b"<a&b>\"", b"\xc3\xa9\xff"];
        for (event, value) in events.iter_mut().zip(values) {
            event.set_named(FieldMap::Meta, b"source_ip", b"1.2.3.4");
            event.set_named(FieldMap::Meta, b"k", value);
        }
    })
    .unwrap();
    let mut alert = overflow.alerts[0].clone();
    assert_eq!(alert.kind, "crowdsec");
    assert_eq!(alert.uuid.len(), 36);
    // The release that was captured knew neither; its scenario had capacity 1.
    alert.kind.clear();
    alert.uuid.clear();
    alert.capacity = 1;
    let mut out = Vec::new();
    wire::append_alerts([&alert], &mut out);
    let expected = concat!(
        r#"[{"capacity":1,"decisions":null,"events":[{"meta":[{"key":"k","value":"<a&b>\""},"#,
        r#"{"key":"source_ip","value":"1.2.3.4"}],"timestamp":"2022-01-01T10:00:00Z"},"#,
        r#"{"meta":[{"key":"k","value":"é\ufffd"},{"key":"source_ip","value":"1.2.3.4"}],"#,
        r#""timestamp":"2022-01-01T10:00:01Z"}],"events_count":2,"labels":null,"#,
        r#""leakspeed":"10s","message":"Ip 1.2.3.4 performed 'test/wire' (2 events over 1s) "#,
        r#"at 2022-01-01 10:00:01 +0000 UTC","remediation":true,"scenario":"test/wire","#,
        r#""scenario_hash":"","scenario_version":"","simulated":false,"#,
        r#""source":{"ip":"1.2.3.4","scope":"Ip","value":"1.2.3.4"},"#,
        r#""start_at":"2022-01-01T10:00:00Z","stop_at":"2022-01-01T10:00:01Z"}]"#,
        "\n"
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_overflow_without_events_has_no_alert() {
    let overflow = build(LEAKY, &[]).unwrap();
    assert_eq!((overflow.alerts.len(), overflow.sources.len()), (0, 0));
}

#[test]
fn context_lists_each_value_once_by_key() {
    let scenario = Scenario {
        context: &[
            (
                "user",
                &["evt.Meta.user", "evt.Meta.user", "evt.Meta.other"],
            ),
            ("a_uri", &["evt.Meta.uri"]),
            ("status", &["int(evt.Meta.status)"]),
            ("words", &["split(evt.Meta.words, ',')"]),
            (
                "none",
                &[
                    "evt.Meta.nothing",
                    "nil",
                    "evt.Unmarshaled.x",
                    "false",
                    "0.0",
                ],
            ),
            ("yes", &["true", "1.5"]),
        ],
        ..LEAKY
    };
    let overflow = build(
        scenario,
        &[
            "meta.source_ip=1.2.3.4 meta.user=root meta.uri=/<a> meta.status=404 meta.words=x,,y at=x",
            "meta.source_ip=1.2.3.4 meta.user=eve meta.other=root meta.status=0 meta.words=y,z at=x",
            "meta.source_ip=1.2.3.4 meta.user=eve meta.status=404 at=x",
        ],
    )
    .unwrap();
    let meta: Vec<String> = overflow.alerts[0]
        .meta
        .iter()
        .map(|item| format!("{} {}", item.key, item.value))
        .collect();
    assert_eq!(
        meta,
        [
            r#"a_uri ["/\u003ca\u003e"]"#,
            r#"status ["404","0"]"#,
            r#"user ["root","eve"]"#,
            r#"words ["x","y","z"]"#,
            r#"yes ["true","1.5"]"#,
        ]
    );
}

#[test]
fn identities_tell_overflows_apart_and_are_the_same_again() {
    let uuid = |spill: &Spill<'_>| {
        let overflow = build_with(LEAKY, spill, &["meta.source_ip=1.2.3.4 at=x"], |_| {});
        overflow.unwrap().alerts[0].uuid.clone()
    };
    let base = at_ten();
    assert_eq!(uuid(&base), uuid(&base));
    let later = Position {
        partition: 0,
        offset: 10,
    };
    for other in [
        Spill {
            partition: b"1.2.3.5",
            ..base
        },
        Spill { total: 3, ..base },
        Spill {
            first_position: later,
            ..base
        },
        Spill {
            position: later,
            ..base
        },
    ] {
        assert_ne!(uuid(&other), uuid(&base), "{other:?}");
    }
}
