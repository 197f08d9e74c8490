//! Whitelist nodes: who is let pass, and what follows.

use overspill_event::{Overflow, Source};

use super::check;
use crate::testing::{Bench, Spec, node};

fn from(ip: &str) -> Spec {
    node("from").set("meta.source_ip", &format!("={ip}"))
}

#[test]
fn listed_addresses_and_ranges_are_let_pass() {
    let list = node("w")
        .reason("r")
        .ip("1.2.3.4")
        .ip("fe80::1%eth0")
        .cidr("10.1.2.3/8")
        .cidr("fd00::/8");
    let listed = |ip: &str| {
        let told = crate::testing::line(&[("s00", vec![from(ip), list.clone()])], "x");
        told.starts_with("processed whitelisted(r)")
    };
    for ip in [
        "1.2.3.4",
        "10.0.0.0",
        "10.255.255.255",
        "fd12::1",
        "fe80::1%eth0",
    ] {
        assert!(listed(ip), "{ip}");
    }
    for ip in [
        "1.2.3.5",
        "11.0.0.0",
        "::ffff:1.2.3.4",
        "::ffff:10.0.0.1",
        "fd12::1%eth0",
    ] {
        assert!(!listed(ip), "{ip}");
    }
    for ip in [
        "01.2.3.4",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3",
        "",
        "fe80::1",
        "fe80::1%eth1",
    ] {
        assert!(!listed(ip), "{ip:?}");
    }
}

#[test]
fn expressions_are_tried_in_order_up_to_an_error() {
    let node = |expressions: &[&str]| {
        vec![
            expressions
                .iter()
                .fold(node("w").reason("r"), |spec, text| spec.allow(text)),
        ]
    };
    check(
        node(&["false", "evt.Line.Raw == 'x'"]),
        "x",
        "processed whitelisted(r)",
    );
    check(node(&["false", "evt.Line.Raw == 'y'"]), "x", "processed");
    check(
        node(&["evt.Line.Raw", "true"]),
        "x",
        "processed whitelisted(r)",
    );
    check(
        node(&["evt.Unmarshaled.no.such == 1", "true"]),
        "x",
        "processed",
    );
    check(
        node(&["true", "evt.Unmarshaled.no.such == 1"]),
        "x",
        "processed whitelisted(r)",
    );
}

#[test]
fn the_first_reason_stays_and_later_stages_still_run() {
    check(
        vec![
            node("a").reason("first").allow("true"),
            node("b").reason("second").allow("true"),
            node("c").set("meta.c", "=1"),
        ],
        "x",
        "processed whitelisted(first) c=1",
    );
}

#[test]
fn statics_of_a_whitelist_node_run_only_when_it_matches_itself() {
    let list = |name: &str, expression: &str| {
        node(name)
            .reason(name)
            .allow(expression)
            .set(&format!("meta.{name}"), "=1")
    };
    check(
        vec![list("a", "true"), list("b", "false"), list("c", "true")],
        "x",
        "processed whitelisted(a) a=1 c=1",
    );
    check(
        vec![node("w").reason("only a reason").set("meta.w", "=1")],
        "x",
        "processed w=1",
    );
}

#[test]
fn a_whitelist_node_succeeds_whenever_its_filter_lets_it() {
    check(vec![node("w").reason("r").ip("1.2.3.4")], "x", "processed");
    check(
        vec![node("w").filter("false").reason("r").ip("1.2.3.4")],
        "x",
        "unparsed in s01",
    );
}

#[test]
fn a_whitelist_counts_even_when_the_grok_of_its_node_fails() {
    check(
        vec![
            node("w").reason("r").allow("true").grok("%{INT:n}", "Raw"),
            node("z"),
        ],
        "word",
        "processed whitelisted(r)",
    );
}

#[test]
fn any_source_of_an_overflow_is_enough() {
    let overflow = |keys: &[&str]| Overflow {
        sources: keys
            .iter()
            .map(|key| ((*key).to_owned(), Source::default()))
            .collect(),
        ..Overflow::default()
    };
    let mut bench = Bench::new(&[(
        "s00",
        vec![
            node("w")
                .reason("r")
                .cidr("10.0.0.0/8")
                .allow("evt.Overflow.Mapkey == 'k'"),
        ],
    )]);
    assert_eq!(
        bench.overflow(overflow(&["9.9.9.9", "10.1.1.1"])),
        "processed whitelisted(r)"
    );
    assert!(bench.event.overflow.as_ref().unwrap().whitelisted);
    assert_eq!(
        bench.overflow(overflow(&["9.9.9.9", "not an address"])),
        "processed"
    );
    assert!(!bench.event.overflow.as_ref().unwrap().whitelisted);
}
