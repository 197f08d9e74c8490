//! Lines of test partitions, and how they may arrive.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// One line: a step from the time of the line before it, in milliseconds, and the rest.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) step_ms: i64,
    pub(crate) text: String,
}

/// A line of this time, in milliseconds after the hour.
pub(crate) fn line(ms: i64, rest: &str) -> String {
    format!(
        "2025-01-01T10:{:02}:{:02}.{:03}Z {rest}",
        ms / 60_000,
        ms / 1_000 % 60,
        ms % 1_000
    )
}

/// The lines of a partition, as texts.
pub(crate) fn texts(lines: &[Line]) -> Vec<String> {
    let mut ms = 60_000;
    lines
        .iter()
        .map(|next| {
            ms = (ms + next.step_ms).max(0);
            line(ms, &next.text)
        })
        .collect()
}

fn any_line() -> impl Strategy<Value = Line> {
    // Mostly forward or at once, now and then back, and at times a leap over every span.
    let step_ms = prop_oneof![
        6 => 0i64..3_000,
        3 => Just(0),
        2 => select(&[1_000i64, 2_000, 10, 5][..]),
        2 => -4_000i64..0,
        1 => select(&[-30_000i64, 30_000][..]),
    ];
    let kind = select(&["a", "a", "a", "b", "b", "c", "UNKNOWN"][..]);
    let address = select(&["192.0.2.1", "192.0.2.2", "192.0.2.9", "2001:db8::1"][..]);
    let value = select(&["x", "x", "x", "y", "y", "z", "z", "stop", "ok", "list"][..]);
    (step_ms, kind, address, value).prop_map(|(step_ms, kind, address, value)| Line {
        step_ms,
        text: format!("{kind} {address} {value}"),
    })
}

/// Partitions of lines that pour into every scenario.
pub(crate) fn partitions() -> impl Strategy<Value = Vec<Vec<String>>> {
    vec(vec(any_line(), 0..40).prop_map(|lines| texts(&lines)), 1..5)
}

/// One arrival: the next lines of a partition, and whether all that was sent is to be worked off
/// before the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) partition: usize,
    pub(crate) n_lines: usize,
    pub(crate) is_settled: bool,
}

/// How lines arrive. What a script leaves over comes afterwards, partition by partition.
pub(crate) fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let arrival = (0usize..5, 1usize..12, prop::bool::weighted(0.8));
    let arrival = arrival.prop_map(|(partition, n_lines, is_settled)| Arrival {
        partition,
        n_lines,
        is_settled,
    });
    vec(arrival, 0..40)
}
