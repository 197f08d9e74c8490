//! Alerts as JSON, in the form that CrowdSec's Local API takes and gives.
//!
//! Keys come in alphabetical order; what is empty and optional is left out; `decisions` and
//! `labels` are `null` when there are none. `<`, `>` and `&` stand as they are (`pkg/apiclient`
//! encodes without HTML escaping); U+2028, U+2029 and U+FFFD are escaped. The writer gives the same bytes
//! for the same alert; the reader takes any JSON of that shape and names what is missing.

mod read;

use overspill_event::{Alert, AlertEvent, Decision, Source};
use overspill_golike::json::{Escape, append_string};
use overspill_golike::strconv::{append_decimal, append_json_float32};
use overspill_golike::time::{Time, append_rfc3339_nano};

pub use read::{WireError, read_alert, read_alerts};

/// Appends one alert and a newline: a document of its own, or a line of many.
pub fn append_alert_line(alert: &Alert, out: &mut Vec<u8>) {
    append_alert(alert, out);
    out.push(b'\n');
}

/// Appends a list of alerts and a newline: the body of a push.
pub fn append_alerts<'a>(alerts: impl IntoIterator<Item = &'a Alert>, out: &mut Vec<u8>) {
    append_list(alerts, out, append_alert);
    out.push(b'\n');
}

/// Appends one alert.
pub fn append_alert(alert: &Alert, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::begin(out);
    object.number("capacity", i64::from(alert.capacity));
    object.value("decisions", |out| {
        if alert.decisions.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            append_list(&alert.decisions, out, append_decision);
        }
    });
    object.value("events", |out| {
        append_list(&*alert.events, out, append_event)
    });
    object.number("events_count", i64::from(alert.events_count));
    object.optional_text("kind", &alert.kind);
    object.value("labels", |out| out.extend_from_slice(b"null"));
    object.text("leakspeed", &alert.leakspeed);
    object.text("message", &alert.message);
    if !alert.meta.is_empty() {
        object.value("meta", |out| {
            append_list(&alert.meta, out, |item, out| {
                append_meta(&item.key, &item.value, out);
            });
        });
    }
    if alert.remediation {
        object.flag("remediation", true);
    }
    object.text("scenario", &alert.scenario);
    object.text("scenario_hash", &alert.scenario_hash);
    object.text("scenario_version", &alert.scenario_version);
    object.flag("simulated", alert.simulated);
    object.value("source", |out| append_source(&alert.source, out));
    object.text("start_at", &alert.start_at);
    object.text("stop_at", &alert.stop_at);
    object.optional_text("uuid", &alert.uuid);
    object.end();
}

/// Appends one decision.
pub fn append_decision(decision: &Decision, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::begin(out);
    object.text("duration", &decision.duration);
    if decision.id != 0 {
        object.number("id", i64::try_from(decision.id).unwrap_or(i64::MAX));
    }
    object.text("origin", &decision.origin);
    object.text("scenario", &decision.scenario);
    object.text("scope", &decision.scope);
    object.flag("simulated", decision.simulated);
    object.text("type", &decision.kind);
    if decision.until_ns != 0 {
        let mut until = Vec::new();
        append_rfc3339_nano(&Time::from_unix_ns(decision.until_ns), &mut until);
        object.value("until", |out| append_string(&until, Escape::Plain, out));
    }
    object.optional_text("uuid", &decision.uuid);
    object.text("value", &decision.value);
    object.end();
}

fn append_event(event: &AlertEvent, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::begin(out);
    object.value("meta", |out| {
        append_list(&event.meta, out, |item, out| {
            append_meta(item.key, item.value, out);
        });
    });
    match &event.timestamp {
        Some(timestamp) => object.text("timestamp", timestamp),
        None => object.value("timestamp", |out| out.extend_from_slice(b"null")),
    }
    object.end();
}

fn append_meta(key: &str, value: &str, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::begin(out);
    object.optional_text("key", key);
    object.optional_text("value", value);
    object.end();
}

fn append_source(source: &Source, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::begin(out);
    object.optional_text("as_name", &source.as_name);
    object.optional_text("as_number", &source.as_number);
    object.optional_text("cn", &source.cn);
    object.optional_text("ip", &source.ip);
    object.optional_degrees("latitude", source.latitude);
    object.optional_degrees("longitude", source.longitude);
    object.optional_text("range", &source.range);
    object.text("scope", &source.scope);
    object.text("value", &source.value);
    object.end();
}

fn append_list<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    append: impl Fn(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (number, item) in items.into_iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        append(item, out);
    }
    out.push(b']');
}

/// A string. The replacement character is escaped: in an alert it nearly always stands for a byte
/// that was not UTF-8, which is how Go writes such a byte.
fn append_text(text: &str, out: &mut Vec<u8>) {
    const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
    let start = out.len();
    append_string(text.as_bytes(), Escape::Plain, out);
    if !text.is_ascii() && text.contains(char::REPLACEMENT_CHARACTER) {
        let mut rest = &out.split_off(start)[..];
        while let Some((first, tail)) = rest.split_first() {
            rest = match rest.strip_prefix(REPLACEMENT) {
                Some(tail) => {
                    out.extend_from_slice(b"\\ufffd");
                    tail
                }
                None => {
                    out.push(*first);
                    tail
                }
            };
        }
    }
}

/// Writes the members of one object; the caller keeps the order of keys.
struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> ObjectWriter<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_first: true,
        }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    /// Writes a member. The keys are our own words, which have nothing to escape.
    fn value(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.reserve(key.len() + 4);
        self.out
            .extend_from_slice(if self.is_first { b"\"" } else { b",\"" });
        self.is_first = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        write(self.out);
    }

    fn text(&mut self, key: &str, text: &str) {
        self.value(key, |out| append_text(text, out));
    }

    fn optional_text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &str, number: i64) {
        self.value(key, |out| append_decimal(number, out));
    }

    fn flag(&mut self, key: &str, flag: bool) {
        self.value(key, |out| {
            out.extend_from_slice(if flag { &b"true"[..] } else { &b"false"[..] })
        });
    }

    /// JSON has no way to write what is not finite; Go refuses the whole alert then.
    fn optional_degrees(&mut self, key: &str, degrees: f32) {
        let mut text = Vec::new();
        if degrees != 0.0 && append_json_float32(degrees, &mut text).is_ok() {
            self.value(key, |out| out.append(&mut text));
        }
    }
}
