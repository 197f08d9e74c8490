//! The enrichment methods: what they read, what they write to `evt.Enriched`.
//!
//! None of them fails an event: a method that has no answer writes nothing (`pkg/parser/enrich_*.go`).

use overspill_event::{Event, ExpectMode, Span, TextField};
use overspill_expr::{Lookup, Services};
use overspill_golike::net::{parse_addr, parse_ip};
use overspill_golike::strconv::append_fixed6;
use overspill_golike::time::append_rfc3339_nano;

use crate::method::{EngineSlots, Method};
use crate::state::ParserState;
use crate::unmarshal::unmarshal_line;

/// Runs a method on a value, a piece of the event's buffer.
pub(crate) fn enrich(
    method: Method,
    value: Span,
    event: &mut Event,
    slots: &EngineSlots,
    state: &mut ParserState,
    services: &Services,
) {
    match method {
        Method::ParseDate => parse_date(value, event, slots, state),
        Method::GeoIpCity => {
            if geo_city(value, event, slots, state, services).is_none() {
                state.counts.method_errors += 1;
            }
        }
        Method::GeoIpAsn => {
            if geo_asn(value, event, slots, state, services).is_none() {
                state.counts.method_errors += 1;
            }
        }
        Method::IpToRange => {
            let range = parse_ip(event.bytes(value)).and_then(|ip| services.geo.range(ip));
            if let Some(range) = range {
                event.set(slots.source_range, range.as_bytes());
            }
        }
        Method::ReverseDns => reverse_dns(value, event, slots, state, services),
        Method::UnmarshalJson => {
            if unmarshal_line(event).is_err() {
                state.counts.method_errors += 1;
            }
        }
        Method::Unknown => {}
    }
}

fn parse_date(value: Span, event: &mut Event, slots: &EngineSlots, state: &mut ParserState) {
    let layout = event.text(TextField::StrTimeFormat);
    let year = state.year();
    let marshaled = match state.dates.parse(event.bytes(value), layout, year) {
        Some((time, marshaled)) => {
            let marshaled = event.append(marshaled);
            if event.mode == ExpectMode::TimeMachine {
                event.time = time;
            }
            state.stash.set_time(time.unix_ns());
            marshaled
        }
        None => {
            state.counts.dates_unknown += 1;
            state.value.clear();
            append_rfc3339_nano(&state.now().in_utc(), &mut state.value);
            event.append(&state.value)
        }
    };
    event.set_span(slots.marshaled_time, marshaled);
}

fn geo_city(
    value: Span,
    event: &mut Event,
    slots: &EngineSlots,
    state: &mut ParserState,
    services: &Services,
) -> Option<()> {
    if !services.geo.has_city() {
        return Some(());
    }
    let record = services.geo.city(parse_ip(event.bytes(value))?)?;
    let country = record.enrich_country();
    event.set(slots.iso_code, country.iso_code.as_bytes());
    event.set(
        slots.is_in_eu,
        if country.is_in_eu { b"true" } else { b"false" },
    );
    for (slot, degrees) in [
        (slots.latitude, record.latitude),
        (slots.longitude, record.longitude),
    ] {
        state.value.clear();
        append_fixed6(degrees, &mut state.value);
        event.set(slot, &state.value);
    }
    Some(())
}

fn geo_asn(
    value: Span,
    event: &mut Event,
    slots: &EngineSlots,
    state: &mut ParserState,
    services: &Services,
) -> Option<()> {
    if !services.geo.has_asn() {
        return Some(());
    }
    let record = services.geo.asn(parse_ip(event.bytes(value))?)?;
    state.value.clear();
    append_decimal(i64::from(record.number), &mut state.value);
    let number = event.append(&state.value);
    event.set_span(slots.asn_number, number);
    event.set_span(slots.as_number, number);
    event.set(slots.asn_org, record.organisation.as_bytes());
    Some(())
}

fn reverse_dns(
    value: Span,
    event: &mut Event,
    slots: &EngineSlots,
    state: &mut ParserState,
    services: &Services,
) {
    let Some(addr) = parse_addr(event.bytes(value)) else {
        state.counts.method_errors += 1;
        return;
    };
    match services.resolver.reverse(addr.ip) {
        Lookup::Ready(names) => {
            if let Some(name) = names.first() {
                event.set(slots.reverse_dns, name.as_bytes());
            }
        }
        Lookup::Failed => {}
        Lookup::Pending => state.counts.lookups_pending += 1,
    }
}

/// Appends a number in decimal.
pub(crate) fn append_decimal(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    while rest > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests;
