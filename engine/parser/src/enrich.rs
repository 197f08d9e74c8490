//! The enrichment methods: what they read, what they write to `evt.Enriched`.
//!
//! None of them fails an event: a method that has no answer writes nothing (`pkg/parser/enrich_*.go`).

use overspill_event::{Event, ExpectMode, Span, TextField};
use overspill_expr::{Lookup, Services};
use overspill_golike::net::parse_addr;
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
        Method::GeoIpCity | Method::GeoIpAsn | Method::IpToRange => {
            let mut text = std::mem::take(&mut state.value);
            text.clear();
            text.extend_from_slice(event.bytes(value));
            if !state.geo.enrich(method, &text, event, slots, services) {
                state.counts.method_errors += 1;
            }
            state.value = text;
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
