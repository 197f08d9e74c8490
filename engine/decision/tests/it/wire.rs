//! The JSON form of alerts: bytes captured from CrowdSec, rules of omission, and the reader.

use std::sync::Arc;

use overspill_decision::wire::{append_alert, append_alerts, read_alert, read_alerts};
use overspill_event::{Alert, AlertEvent, Decision, MetaItem, Source};
use proptest::prelude::*;

fn item(key: &str, value: &str) -> MetaItem {
    MetaItem {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn event(k: &str, timestamp: &str) -> AlertEvent {
    AlertEvent {
        timestamp: Some(timestamp.to_owned()),
        meta: [item("k", k), item("source_ip", "1.2.3.4")]
            .into_iter()
            .collect(),
    }
}

fn captured_alert() -> Alert {
    Alert {
        scenario: "test/wire".to_owned(),
        message: "Ip 1.2.3.4 performed 'test/wire' (2 events over 1s) \
                  at 2022-01-01 10:00:01 +0000 UTC"
            .to_owned(),
        events_count: 2,
        start_at: "2022-01-01T10:00:00Z".to_owned(),
        stop_at: "2022-01-01T10:00:01Z".to_owned(),
        capacity: 1,
        leakspeed: "10s".to_owned(),
        remediation: true,
        events: Arc::new(vec![
            event("<a&b>\"", "2022-01-01T10:00:00Z"),
            event("é\u{fffd}", "2022-01-01T10:00:01Z"),
        ]),
        source: Source {
            scope: "Ip".to_owned(),
            value: "1.2.3.4".to_owned(),
            ip: "1.2.3.4".to_owned(),
            ..Source::default()
        },
        source_key: "1.2.3.4".to_owned(),
        ..Alert::default()
    }
}

fn text(alert: &Alert) -> String {
    let mut out = Vec::new();
    append_alert(alert, &mut out);
    String::from_utf8(out).unwrap()
}

/// As captured from CrowdSec 1.4.6, whose second event had a byte that is not UTF-8.
const CAPTURED: &str = concat!(
    r#"[{"capacity":1,"decisions":null,"events":[{"meta":[{"key":"k","value":"<a&b>\""},"#,
    r#"{"key":"source_ip","value":"1.2.3.4"}],"timestamp":"2022-01-01T10:00:00Z"},"#,
    r#"{"meta":[{"key":"k","value":"é\ufffd"},{"key":"source_ip","value":"1.2.3.4"}],"#,
    r#""timestamp":"2022-01-01T10:00:01Z"}],"events_count":2,"labels":null,"leakspeed":"10s","#,
    r#""message":"Ip 1.2.3.4 performed 'test/wire' (2 events over 1s) "#,
    r#"at 2022-01-01 10:00:01 +0000 UTC","remediation":true,"scenario":"test/wire","#,
    r#""scenario_hash":"","scenario_version":"","simulated":false,"#,
    r#""source":{"ip":"1.2.3.4","scope":"Ip","value":"1.2.3.4"},"#,
    r#""start_at":"2022-01-01T10:00:00Z","stop_at":"2022-01-01T10:00:01Z"}]"#,
    "\n"
);

#[test]
fn an_alert_has_the_bytes_of_the_capture() {
    let mut out = Vec::new();
    append_alerts([&captured_alert()], &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), CAPTURED);
    assert_eq!(
        read_alerts(CAPTURED.as_bytes()).unwrap(),
        vec![captured_alert()]
    );
}

#[test]
fn every_key_has_its_place_when_everything_is_set() {
    let alert = Alert {
        kind: "crowdsec".to_owned(),
        uuid: "u".to_owned(),
        simulated: true,
        capacity: -1,
        events: Arc::default(),
        meta: vec![item("ctx", r#"["a"]"#)],
        source: Source {
            scope: "Range".to_owned(),
            value: "1.2.3.0/24".to_owned(),
            ip: "1.2.3.4".to_owned(),
            range: "1.2.3.0/24".to_owned(),
            as_name: "Example & Co".to_owned(),
            as_number: "64496".to_owned(),
            cn: "FR".to_owned(),
            latitude: 48.85,
            longitude: -2.35,
        },
        decisions: vec![
            Decision {
                id: 7,
                uuid: "d".to_owned(),
                origin: "crowdsec".to_owned(),
                kind: "ban".to_owned(),
                scope: "Range".to_owned(),
                value: "1.2.3.0/24".to_owned(),
                duration: "4h".to_owned(),
                until_ns: 1_641_045_600_500_000_000,
                scenario: "test/wire".to_owned(),
                simulated: true,
            },
            Decision::default(),
        ],
        ..captured_alert()
    };
    let expected = concat!(
        r#"{"capacity":-1,"decisions":[{"duration":"4h","id":7,"origin":"crowdsec","#,
        r#""scenario":"test/wire","scope":"Range","simulated":true,"type":"ban","#,
        r#""until":"2022-01-01T14:00:00.5Z","uuid":"d","value":"1.2.3.0/24"},"#,
        r#"{"duration":"","origin":"","scenario":"","scope":"","simulated":false,"type":"","#,
        r#""value":""}],"events":[],"events_count":2,"kind":"crowdsec","labels":null,"#,
        r#""leakspeed":"10s","message":"Ip 1.2.3.4 performed 'test/wire' (2 events over 1s) "#,
        r#"at 2022-01-01 10:00:01 +0000 UTC","meta":[{"key":"ctx","value":"[\"a\"]"}],"#,
        r#""remediation":true,"scenario":"test/wire","scenario_hash":"","scenario_version":"","#,
        r#""simulated":true,"source":{"as_name":"Example & Co","as_number":"64496","cn":"FR","#,
        r#""ip":"1.2.3.4","latitude":48.85,"longitude":-2.35,"range":"1.2.3.0/24","#,
        r#""scope":"Range","value":"1.2.3.0/24"},"start_at":"2022-01-01T10:00:00Z","#,
        r#""stop_at":"2022-01-01T10:00:01Z","uuid":"u"}"#
    );
    assert_eq!(text(&alert), expected);
    let back = read_alert(expected.as_bytes()).unwrap();
    assert_eq!(
        back,
        Alert {
            source_key: "1.2.3.0/24".to_owned(),
            ..alert
        }
    );
}

#[test]
fn texts_and_numbers_are_written_as_go_writes_them() {
    let written = |value: &str| {
        let alert = Alert {
            events: Arc::default(),
            meta: vec![item("", value)],
            ..captured_alert()
        };
        let text = text(&alert);
        let start = text.find("\"meta\":[").unwrap() + "\"meta\":[".len();
        text[start..start + text[start..].find(']').unwrap()].to_owned()
    };
    for (value, expected) in [
        ("", "{}"),
        ("a", r#"{"value":"a"}"#),
        ("\u{2028}\u{2029}", r#"{"value":"\u2028\u2029"}"#),
        (
            "\n\r\t\u{8}\u{c}\u{1}\u{7f}",
            "{\"value\":\"\\n\\r\\t\\b\\f\\u0001\u{7f}\"}",
        ),
        ("<>&'\\", r#"{"value":"<>&'\\"}"#),
    ] {
        assert_eq!(written(value), expected);
    }
    let degrees = |latitude: f32| {
        let source = Source {
            latitude,
            ..Source::default()
        };
        let text = text(&Alert {
            source,
            ..captured_alert()
        });
        let start = text.find("\"source\":{").unwrap() + "\"source\":{".len();
        text[start..start + text[start..].find('}').unwrap()].to_owned()
    };
    for (latitude, expected) in [
        (0.0, ""),
        (-0.0, ""),
        (0.1, r#""latitude":0.1,"#),
        (37.751, r#""latitude":37.751,"#),
        (-97.822, r#""latitude":-97.822,"#),
        (100.0, r#""latitude":100,"#),
        (1e-7, r#""latitude":1e-7,"#),
        (1e-6, r#""latitude":0.000001,"#),
        (1e21, r#""latitude":1e+21,"#),
        (16_777_216.0, r#""latitude":16777216,"#),
        (f32::NAN, ""),
        (f32::INFINITY, ""),
    ] {
        assert_eq!(
            degrees(latitude),
            format!(r#"{expected}"scope":"","value":"""#),
            "{latitude}"
        );
    }
}

#[test]
fn the_reader_names_what_is_wrong() {
    let full = CAPTURED.trim_end();
    for (from, to, expected) in [
        (r#""capacity":1,"#, "", "0.capacity is required"),
        (
            r#""capacity":1,"#,
            r#""capacity":null,"#,
            "0.capacity is required",
        ),
        (
            r#""capacity":1,"#,
            r#""capacity":1.5,"#,
            "0.capacity is not a 32-bit integer",
        ),
        (
            r#""capacity":1,"#,
            r#""capacity":1e10,"#,
            "0.capacity is not a 32-bit integer",
        ),
        (
            r#""capacity":1,"#,
            r#""capacity":"1","#,
            "0.capacity is not a 32-bit integer",
        ),
        (
            r#""simulated":false"#,
            r#""simulated":0"#,
            "0.simulated is not a boolean",
        ),
        (
            r#""events":["#,
            r#""events":null,"x":["#,
            "0.events is required",
        ),
        (r#""scope":"Ip","#, "", "0.source.scope is required"),
        (
            r#""scope":"Ip","#,
            r#""scope":4,"#,
            "0.source.scope is not a string",
        ),
        (
            r#""timestamp":"2022-01-01T10:00:01Z""#,
            r#""timestamp":null"#,
            "0.events.1.timestamp is required",
        ),
        (
            r#""decisions":null"#,
            r#""decisions":[{}]"#,
            "0.decisions.0.origin is required",
        ),
        (
            r#""decisions":null"#,
            r#""decisions":{}"#,
            "0.decisions is not a list",
        ),
        ("[{", "{", "not a JSON document"),
        ("}]", "}] x", "not a JSON document"),
    ] {
        let text = full.replacen(from, to, 1);
        assert_ne!(text, full, "{from}");
        assert_eq!(
            read_alerts(text.as_bytes()).unwrap_err().to_string(),
            expected,
            "{text}"
        );
    }
    assert_eq!(
        read_alert(b"[]").unwrap_err().to_string(),
        "the document is not an object"
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        texts in prop::collection::vec(any::<String>(), 6),
        count: i32,
        latitude in -90.0f32..90.0,
        until_ns in 1i64..4_000_000_000_000_000_000,
    ) {
        let mut alert = captured_alert();
        alert.scenario.clone_from(&texts[0]);
        alert.message.clone_from(&texts[1]);
        alert.meta = vec![item(&texts[2], &texts[3])];
        alert.source.value.clone_from(&texts[4]);
        alert.source_key.clone_from(&texts[4]);
        alert.source.latitude = latitude;
        alert.events_count = count;
        alert.decisions =
            vec![Decision { until_ns, value: texts[5].clone(), ..Decision::default() }];
        prop_assert_eq!(read_alert(text(&alert).as_bytes()).unwrap(), alert);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _refused = read_alerts(&bytes);
    }
}
