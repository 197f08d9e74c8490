//! The GeoIP methods, and what they wrote for addresses seen before.
//!
//! An attack is many lines of few addresses. Reading an address, looking it up and writing the
//! record's numbers costs more than a whole line does otherwise, so the texts that a method gave
//! are kept by the text it was given.

use std::collections::HashMap;
use std::sync::Arc;

use overspill_event::{Event, Slot};
use overspill_expr::{Geo, Services};
use overspill_golike::net::parse_ip;
use overspill_golike::strconv::{append_decimal, append_fixed6};

use crate::method::{EngineSlots, Method};

/// Texts that are remembered for each method; all are forgotten when it is full. Every partition
/// has its own: about 600 kB at most.
pub(crate) const REMEMBERED_MAX: usize = 1_024;
/// Longest text that is remembered: addresses are shorter.
const TEXT_MAX: usize = 64;

/// What a method writes for a text: slots and values; `None` when it has no answer.
type Answer = Option<Box<[(Slot, Box<[u8]>)]>>;

/// How a database is asked.
type Ask = fn(&[u8], &EngineSlots, &dyn Geo) -> Answer;

/// Answers of the three methods, for one plan and one set of databases. Keys come from log lines,
/// so their hash is a keyed one.
#[derive(Default)]
pub(crate) struct GeoMemo {
    city: HashMap<Box<[u8]>, Answer>,
    asn: HashMap<Box<[u8]>, Answer>,
    range: HashMap<Box<[u8]>, Answer>,
    databases: Option<Arc<dyn Geo>>,
}

impl std::fmt::Debug for GeoMemo {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "GeoMemo({} answers)", self.len())
    }
}

impl GeoMemo {
    /// How many answers are remembered.
    pub(crate) fn len(&self) -> usize {
        self.city.len() + self.asn.len() + self.range.len()
    }

    /// Writes what a GeoIP method answers for a text to the event. Gives `false` when it has no
    /// answer: the text is no address, or the database has no record of it.
    pub(crate) fn enrich(
        &mut self,
        method: Method,
        text: &[u8],
        event: &mut Event,
        slots: &EngineSlots,
        services: &Services,
    ) -> bool {
        let is_same = self
            .databases
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, &services.geo));
        if !is_same {
            *self = Self::default();
            self.databases = Some(Arc::clone(&services.geo));
        }
        let (memo, answer): (_, Ask) = match method {
            Method::GeoIpCity => (&mut self.city, city),
            Method::GeoIpAsn => (&mut self.asn, asn),
            _ => (&mut self.range, range),
        };
        if let Some(found) = memo.get(text) {
            return write(found, event);
        }
        let found = answer(text, slots, &*services.geo);
        let is_answer = write(&found, event);
        if text.len() <= TEXT_MAX {
            if memo.len() >= REMEMBERED_MAX {
                memo.clear();
            }
            memo.insert(text.into(), found);
        }
        is_answer
    }
}

fn write(answer: &Answer, event: &mut Event) -> bool {
    let Some(fields) = answer else { return false };
    for (slot, value) in fields {
        event.set(*slot, value);
    }
    true
}

fn city(text: &[u8], slots: &EngineSlots, geo: &dyn Geo) -> Answer {
    if !geo.has_city() {
        return Some(Box::default());
    }
    let record = geo.city(parse_ip(text)?)?;
    let country = record.enrich_country();
    let degrees = |degrees| {
        let mut text = Vec::new();
        append_fixed6(degrees, &mut text);
        text.into_boxed_slice()
    };
    let is_in_eu: &[u8] = if country.is_in_eu { b"true" } else { b"false" };
    Some(Box::new([
        (slots.iso_code, Box::from(country.iso_code.as_bytes())),
        (slots.is_in_eu, Box::from(is_in_eu)),
        (slots.latitude, degrees(record.latitude)),
        (slots.longitude, degrees(record.longitude)),
    ]))
}

fn asn(text: &[u8], slots: &EngineSlots, geo: &dyn Geo) -> Answer {
    if !geo.has_asn() {
        return Some(Box::default());
    }
    let record = geo.asn(parse_ip(text)?)?;
    let mut number = Vec::new();
    append_decimal(i64::from(record.number), &mut number);
    let number = number.into_boxed_slice();
    Some(Box::new([
        (slots.asn_number, number.clone()),
        (slots.as_number, number),
        (slots.asn_org, Box::from(record.organisation.as_bytes())),
    ]))
}

/// A text that is no address, or one without a range, is no error here.
fn range(text: &[u8], slots: &EngineSlots, geo: &dyn Geo) -> Answer {
    let range = parse_ip(text).and_then(|ip| geo.range(ip));
    Some(
        range
            .map(|range| (slots.source_range, Box::from(range.as_bytes())))
            .into_iter()
            .collect(),
    )
}
