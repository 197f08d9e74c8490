//! What Go prints and parses: dates, durations, numbers, formats, JSON, addresses, escapes.
//!
//! ```text
//! layout or format, up to a NUL | the text to read
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use overspill_fuzz::{Input, NOW, text};
use overspill_golike::fmt::{Arg, TEXT_BYTES_MAX, sprintf};
use overspill_golike::json::{self, Escape, append_value, decode};
use overspill_golike::time::{
    Layout, Time, append_rfc3339, append_rfc3339_nano, parse_date, parse_rfc3339,
};
use overspill_golike::{base64, duration, net, strconv, strings, url};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let first = input.field();
    let rest = input.0;
    dates(text(first), rest);
    durations(text(rest));
    formats(first, rest);
    json(rest);
    addresses(rest);
    escapes(first, rest);
});

fn dates(layout: &str, date: &[u8]) {
    let compiled = Layout::compile(layout);
    let _ = compiled.format(&NOW);
    if let Ok(time) = compiled.parse(date) {
        printed(&time);
        let _ = compiled.format(&time);
    }
    for explicit in [None, Some(layout)] {
        if let Some(parsed) = parse_date(date, explicit, 2026) {
            printed(&parsed.time);
        }
    }
    if let Some(time) = parse_rfc3339(date) {
        let mut out = Vec::new();
        append_rfc3339_nano(&time, &mut out);
        let again = parse_rfc3339(&out);
        // Seconds of an offset are not written.
        if time.offset_secs % 60 == 0 {
            assert_eq!(again, Some(time), "{}", String::from_utf8_lossy(&out));
        }
        printed(&time);
    }
}

/// Everything that is asked of a time.
fn printed(time: &Time) {
    let mut out = Vec::new();
    append_rfc3339(time, &mut out);
    let _ = (
        time.default_text(),
        time.wall_clock(),
        time.weekday(),
        time.year_day(),
    );
    let _ = (
        time.unix_ns(),
        time.unix_milli(),
        time.unix_micro(),
        time.sub(&NOW),
    );
    let _ = (
        time.add(i64::MAX),
        time.add(i64::MIN),
        time.add_date(1, -13, 400),
    );
    let _ = (
        time.truncate(1_000_000_007),
        time.round(3_600_000_000_000),
        time.in_utc(),
    );
}

fn durations(text: &str) {
    if let Ok(ns) = duration::parse(text) {
        let printed = duration::format(ns);
        assert_eq!(duration::parse(&printed), Ok(ns), "{printed}");
    }
    _ = duration::parse_with_days(text);
}

fn formats(format: &[u8], rest: &[u8]) {
    let mut input = Input(rest);
    let mut args = Vec::new();
    while args.len() < 6 && !input.is_empty() {
        args.push(arg(&mut input, 0));
    }
    let printed = sprintf(format, &args);
    assert!(printed.len() <= TEXT_BYTES_MAX, "{} bytes", printed.len());
    for arg in &args {
        let _ = (arg.default_text(), arg.go_type());
    }
}

fn arg(input: &mut Input<'_>, depth: usize) -> Arg {
    match input.byte() % 13 {
        0 => Arg::Nil,
        1 => Arg::Bool(input.byte() % 2 == 1),
        2 => Arg::int(input.long()),
        3 => Arg::Uint {
            value: input.long().cast_unsigned(),
            go_type: "uint64",
        },
        4 => Arg::Float64(f64::from_bits(input.long().cast_unsigned())),
        5 => Arg::Float32(f32::from_le_bytes(input.array())),
        6 => Arg::Bytes(input.piece().to_vec()),
        7 => Arg::Time(Time {
            secs: input.long(),
            nanos: u32::from_le_bytes(input.array()) % 1_000_000_000,
            offset_secs: i32::from_le_bytes(input.array()),
        }),
        8 => Arg::Duration(input.long()),
        9 => Arg::Other {
            text: input.piece().to_vec(),
            go_type: "main.Thing",
        },
        10 if depth < 3 => Arg::List {
            items: (0..input.byte() % 4)
                .map(|_| arg(input, depth + 1))
                .collect(),
            go_type: "[]interface {}",
        },
        11 if depth < 3 => Arg::Map {
            members: (0..input.byte() % 4)
                .map(|_| (input.piece().to_vec(), arg(input, depth + 1)))
                .collect(),
            go_type: "map[string]interface {}",
        },
        _ => Arg::Str(input.piece().to_vec()),
    }
}

/// What was read is written so that it reads the same.
fn json(document: &[u8]) {
    let Ok(value) = decode(document) else {
        return;
    };
    for escape in [Escape::Html, Escape::Plain] {
        let mut out = Vec::new();
        assert_eq!(append_value(&value, escape, &mut out), Ok(()));
        assert_eq!(
            decode(&out).as_ref(),
            Ok(&value),
            "{}",
            String::from_utf8_lossy(&out)
        );
        let theirs: Result<serde_json::Value, _> = serde_json::from_slice(&out);
        let is_deep = out
            .iter()
            .filter(|byte| matches!(byte, b'[' | b'{'))
            .count()
            > 100;
        assert!(
            theirs.is_ok() || is_deep,
            "{}",
            String::from_utf8_lossy(&out)
        );
    }
    let _ = json::quote(document, Escape::Html);
}

fn addresses(text: &[u8]) {
    if let Some(ip) = net::parse_ip(text) {
        let printed = ip.to_string();
        assert_eq!(net::parse_ip(printed.as_bytes()), Some(ip));
        let _ = net::unmapped(ip);
    }
    if let Some(prefix) = net::parse_prefix(text) {
        assert!(prefix.contains_ip(prefix.ip()), "{prefix:?}");
        assert!(prefix.masked().contains_ip(prefix.ip()), "{prefix:?}");
    }
    if let Some(cidr) = net::parse_cidr(text) {
        assert!(
            cidr.contains(cidr.network()) && cidr.contains(cidr.last()),
            "{cidr:?}"
        );
    }
    if let Some(addr) = net::parse_addr(text) {
        let _ = addr.without_zone();
    }
}

fn escapes(first: &[u8], text: &[u8]) {
    assert_eq!(
        url::query_unescape(&url::query_escape(text)).as_deref(),
        Ok(text)
    );
    assert_eq!(
        url::path_unescape(&url::path_escape(text)).as_deref(),
        Ok(text)
    );
    _ = (
        url::query_unescape(text),
        url::path_unescape(text),
        url::parse_query(text),
    );
    let _ = (
        url::query_unescape_lenient(text),
        url::parse_query_lenient(text),
    );
    assert_eq!(
        base64::decode(base64::encode(text).as_bytes()).as_deref(),
        Ok(text)
    );
    _ = base64::decode(text);
    _ = (
        strconv::atoi(text),
        strconv::parse_uint(text, 0),
        strconv::parse_float(text),
    );
    let quoted = strconv::quote(text);
    assert!(
        quoted.len() >= text.len() + 2 || text.is_empty(),
        "{quoted}"
    );
    assert_eq!(strings::join(&strings::split(text, first), first), text);
    let _ = (
        strings::upper(text),
        strings::lower(text),
        strings::fields(text),
    );
    let _ = (
        strings::trim(text, first),
        strings::trim_space(text),
        strings::to_valid(text),
    );
    let _ = (strings::index_any(text, first), strings::count(text, first));
}
