//! Decisions and alerts as the API gives them: keys in order of the alphabet, HTML escaped, durations in whole seconds
//! from now (`pkg/models`, `lapi.md` 1, 6, 8).

use overspill_golike::duration;
use overspill_golike::json::{Escape, append_string};
use overspill_golike::strconv::append_decimal;

use crate::active::{Ended, Held};

const SECOND_NS: i64 = 1_000_000_000;

/// A decision in force, in a stream. What lasts less than half a second lasts one: clients take nothing for for ever.
pub(crate) fn append_in_force(held: &Held, now_ns: i64, out: &mut Vec<u8>) {
    let left_ns = whole_seconds(held.until_ns.saturating_sub(now_ns)).max(SECOND_NS);
    append_decision(held, left_ns, WithUuid::Yes, out);
}

/// A decision that is over: how long it has been.
pub(crate) fn append_ended(ended: &Ended, now_ns: i64, out: &mut Vec<u8>) {
    let left_ns = whole_seconds(ended.at_ns.saturating_sub(now_ns)).min(0);
    append_decision(&ended.held, left_ns, WithUuid::Yes, out);
}

/// A decision in force, in a list.
pub(crate) fn append_listed(held: &Held, now_ns: i64, out: &mut Vec<u8>) {
    let left_ns = whole_seconds(held.until_ns.saturating_sub(now_ns)).max(SECOND_NS);
    append_decision(held, left_ns, WithUuid::No, out);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WithUuid {
    Yes,
    No,
}

fn append_decision(held: &Held, left_ns: i64, with_uuid: WithUuid, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"duration\":\"");
    let mut text = String::new();
    duration::append(left_ns, &mut text);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\",\"id\":");
    append_decimal(held.id, out);
    let members: [(&[u8], &str); 5] = [
        (b",\"origin\":", &held.origin),
        (b",\"scenario\":", &held.scenario),
        (b",\"scope\":", &held.scope),
        (b",\"type\":", &held.kind),
        (b",\"uuid\":", &held.uuid),
    ];
    for (key, value) in members {
        if key == b",\"uuid\":" && (with_uuid == WithUuid::No || value.is_empty()) {
            continue;
        }
        out.extend_from_slice(key);
        append_string(value.as_bytes(), Escape::Html, out);
    }
    out.extend_from_slice(b",\"value\":");
    append_string(held.value.as_bytes(), Escape::Html, out);
    out.push(b'}');
}

/// Go's `Round(time.Second)`: half away from zero.
pub(crate) fn whole_seconds(ns: i64) -> i64 {
    let half = if ns < 0 {
        -SECOND_NS / 2
    } else {
        SECOND_NS / 2
    };
    ns.saturating_add(half) / SECOND_NS * SECOND_NS
}
