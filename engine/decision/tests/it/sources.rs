//! Whom an alert is about.

use overspill_decision::fill_overflow_event;
use overspill_event::{FieldMap, MetaRef, Overflow, Position, Source};

use crate::harness::{LEAKY, Line, Scenario, at_ten, build, build_with, time};

/// The one source of `lines`: key, value, ip, range, AS number, AS name, country, degrees.
fn check_source(scope: &'static str, expression: Option<&'static str>, line: Line, expected: &str) {
    let result = build(
        Scenario {
            scope,
            expression,
            ..LEAKY
        },
        &[line],
    );
    let text = match result {
        Err(error) => format!("error: {error}"),
        Ok(overflow) => {
            let (key, source) = overflow.sources.first_key_value().unwrap();
            assert_eq!(source.scope, scope);
            assert_eq!(overflow.alerts[0].source, *source);
            assert_eq!(overflow.alerts[0].source_key, *key);
            format!(
                "{key}|{}|{}|{}|{}|{}|{}|{},{}",
                source.value,
                source.ip,
                source.range,
                source.as_number,
                source.as_name,
                source.cn,
                source.latitude,
                source.longitude
            )
        }
    };
    assert_eq!(text, expected, "{scope} {expression:?} {line}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn sources_of_log_events_follow_the_scope() {
    let full = "meta.source_ip=1.2.3.4 meta.SourceRange=1.2.3.4/24 enriched.IsoCode=FR \
                enriched.ASNumber=64496 enriched.ASNNumber=1 enriched.ASNOrg=Ex \
                enriched.Latitude=48.850000 enriched.Longitude=-2.5 at=x";
    let full: Line = full;
    for (scope, expression, line, expected) in [
        (
            "Ip",
            None,
            full,
            "1.2.3.4|1.2.3.4|1.2.3.4|1.2.3.0/24|64496|Ex|FR|48.85,-2.5",
        ),
        (
            "Range",
            None,
            full,
            "1.2.3.0/24|1.2.3.0/24|1.2.3.4|1.2.3.0/24|64496|Ex|FR|48.85,-2.5",
        ),
        (
            "Range",
            Some("evt.Meta.source_ip + '/8'"),
            full,
            "1.2.3.4/8|1.2.3.4/8|1.2.3.4|1.2.3.0/24|64496|Ex|FR|48.85,-2.5",
        ),
        (
            "AS",
            Some("evt.Enriched.ASNumber"),
            full,
            "64496|64496||||||0,0",
        ),
        ("user", Some("evt.Meta.nobody"), full, "|||||||0,0"),
        ("user", Some("1 + 1"), full, "|||||||0,0"),
        ("user", None, full, "error: scope `user` has no expression"),
        (
            "ip",
            Some("evt.Meta.source_ip"),
            full,
            "1.2.3.4|1.2.3.4||||||0,0",
        ),
        (
            "Ip",
            None,
            "meta.source_ip=2001:DB8::1 at=x",
            "2001:DB8::1|2001:DB8::1|2001:DB8::1|||||0,0",
        ),
        (
            "Ip",
            None,
            "meta.source_ip=::ffff:1.2.3.4 at=x",
            "::ffff:1.2.3.4|::ffff:1.2.3.4|::ffff:1.2.3.4|||||0,0",
        ),
        (
            "Range",
            None,
            "meta.source_ip=1.2.3.4 at=x",
            "||1.2.3.4|||||0,0",
        ),
        (
            "Range",
            Some("2"),
            "meta.source_ip=1.2.3.4 at=x",
            "||1.2.3.4|||||0,0",
        ),
        (
            "Ip",
            None,
            "meta.other=1 at=x",
            "error: event has no source_ip in its meta data",
        ),
        (
            "Ip",
            None,
            "meta.source_ip= at=x",
            "error: source_ip `` is not an address",
        ),
        (
            "Ip",
            None,
            "meta.source_ip=01.2.3.4 at=x",
            "error: source_ip `01.2.3.4` is not an address",
        ),
        (
            "Ip",
            None,
            "meta.source_ip=fe80::1%e at=x",
            "error: source_ip `fe80::1%e` is not an address",
        ),
        (
            "Ip",
            None,
            "meta.source_ip=1.2.3.4 meta.SourceRange=1.2.3.4 at=x",
            "error: source range `1.2.3.4` is not a range",
        ),
        (
            "Ip",
            None,
            "meta.source_ip=1.2.3.4 enriched.ASNNumber=7 enriched.Latitude=north \
             enriched.Longitude=NaN at=x",
            "1.2.3.4|1.2.3.4|1.2.3.4||7|||0,0",
        ),
        (
            "Ip",
            None,
            "meta.source_ip=1.2.3.4 enriched.ASNumber= enriched.ASNNumber=7 at=x",
            "1.2.3.4|1.2.3.4|1.2.3.4|||||0,0",
        ),
    ] {
        check_source(scope, expression, line, expected);
    }
}

#[test]
fn the_last_event_of_a_source_tells_where_it_is() {
    let overflow = build(
        LEAKY,
        &[
            "meta.source_ip=1.2.3.4 enriched.IsoCode=FR at=x",
            "meta.source_ip=1.2.3.3 enriched.IsoCode=US at=x",
            "meta.source_ip=1.2.3.4 enriched.IsoCode=DE at=x",
        ],
    )
    .unwrap();
    let keys: Vec<&str> = overflow
        .alerts
        .iter()
        .map(|alert| &*alert.source_key)
        .collect();
    assert_eq!(keys, ["1.2.3.3", "1.2.3.4"], "alerts are by source");
    assert_eq!(overflow.alerts[1].source.cn, "DE");
    assert!(overflow.alerts.iter().all(|alert| alert.events.len() == 3));
    assert_ne!(overflow.alerts[0].uuid, overflow.alerts[1].uuid);
}

#[test]
fn a_reprocessed_overflow_gives_its_sources() {
    let source = |scope: &str, value: &str, range: &str| Source {
        scope: scope.to_owned(),
        value: value.to_owned(),
        ip: value.to_owned(),
        range: range.to_owned(),
        cn: "FR".to_owned(),
        ..Source::default()
    };
    let inner = Overflow {
        sources: [
            source("Ip", "1.2.3.4", "1.2.3.0/24"),
            source("Ip", "9.9.9.9", ""),
            source("user", "root", ""),
        ]
        .into_iter()
        .map(|source| (source.value.clone(), source))
        .collect(),
        time: Some(time("2022-01-01T10:00:00Z")),
        ..Overflow::default()
    };
    for (scope, expression, expected) in [
        (
            "Ip",
            None,
            "1.2.3.4:1.2.3.4/1.2.3.4 9.9.9.9:9.9.9.9/9.9.9.9",
        ),
        ("Range", None, "1.2.3.0/24:1.2.3.0/24/"),
        ("Range", Some("'10.0.0.0/8'"), "10.0.0.0/8:10.0.0.0/8/"),
        ("Range", Some("1"), ""),
        ("user", None, "root:root/root"),
        ("AS", None, ""),
    ] {
        let scenario = Scenario {
            scope,
            expression,
            ..LEAKY
        };
        let overflow = build_with(scenario, &at_ten(), &["meta.x=1"], |events| {
            fill_overflow_event(&mut events[0], inner.clone(), Position::default());
        })
        .unwrap();
        let text: Vec<String> = overflow
            .sources
            .iter()
            .map(|(key, source)| format!("{key}:{}/{}", source.value, source.ip))
            .collect();
        assert_eq!(text.join(" "), expected, "{scope} {expression:?}");
        if let Some(alert) = overflow.alert() {
            let event = &alert.events[0];
            assert_eq!(event.timestamp.as_deref(), Some("2022-01-01T10:00:00Z"));
            assert!(event.meta.is_empty());
        }
    }
}

#[test]
fn with_very_many_sources_an_alert_carries_its_own_events() {
    let overflow = build_with(LEAKY, &at_ten(), &["at=x"; 70], |events| {
        for (number, event) in events.iter_mut().enumerate() {
            let ip = format!("10.0.0.{}", number / 2 * 2 % 69);
            event.set_named(FieldMap::Meta, b"source_ip", ip.as_bytes());
        }
    })
    .unwrap();
    assert_eq!(overflow.alerts.len(), 35);
    assert!(overflow.alerts.iter().all(|alert| alert.events.len() == 70));
    let overflow = build_with(LEAKY, &at_ten(), &["at=x"; 140], |events| {
        for (number, event) in events.iter_mut().enumerate() {
            let ip = format!("10.0.0.{}", number / 2);
            event.set_named(FieldMap::Meta, b"source_ip", ip.as_bytes());
        }
    })
    .unwrap();
    assert_eq!(overflow.alerts.len(), 70);
    for alert in &overflow.alerts {
        assert_eq!(alert.events.len(), 2);
        let own = |item: MetaRef<'_>| item.value == alert.source_key;
        assert!(alert.events.iter().all(|event| event.meta.iter().all(own)));
    }
}
