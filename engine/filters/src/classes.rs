//! What values of small-domain fields are, remembered by value.
//!
//! A field may be many dimensions, one for each way in which filters change its text. The numbers
//! that a value has in all of them are its class, and classes are numbered as they come. So an
//! event asks each field once, and most often the answer is that of a short value seen before.

use overspill_event::{Event, Span};
use overspill_expr::FieldRef;
use rustc_hash::FxHashMap;

use crate::dims::{DimField, Dims, Lengths, OTHER};

/// Longest value whose class is remembered.
const VALUE_BYTES_MAX: usize = 22;
/// Values that are remembered a field.
const PLACES: usize = 64;
/// Classes of a field from which on everything is to be forgotten. Content bounds them, but not by
/// a number that is written down.
const CLASSES_MAX: usize = 1 << 12;

/// Class of the values that no literal names.
const OTHERS: u16 = 0;

/// The classes that a worker saw.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    fields: Vec<FieldClasses>,
    is_full: bool,
    scratch: Vec<u16>,
}

#[derive(Debug)]
struct FieldClasses {
    field: FieldRef,
    lengths: Lengths,
    /// Class of the empty value, which is also that of an absent field.
    empty: u16,
    /// Short values and their classes. A value has one place, where the last one stays.
    places: Box<[Short; PLACES]>,
    /// The numbers in the field's dimensions, by class. The first class is [`OTHERS`].
    ids: Vec<Box<[u16]>>,
    by_ids: FxHashMap<Box<[u16]>, u16>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Short {
    value: [u8; VALUE_BYTES_MAX],
    /// 0 in a place that was never used: the empty value is not remembered here.
    len: u8,
    class: u16,
}

impl Classes {
    /// Puts the classes of an event's values in some fields into `key`, and answers whether they
    /// are what stood there before.
    pub(crate) fn read(
        &mut self,
        dims: &Dims,
        which: &[usize],
        event: &Event,
        key: &mut Vec<u16>,
    ) -> bool {
        if self.fields.len() != dims.fields.len() {
            let fields = dims.fields.iter();
            self.fields = fields.map(|field| FieldClasses::new(dims, field)).collect();
        }
        let mut is_same = key.len() == which.len();
        key.resize(which.len(), 0);
        for (at, known) in which.iter().zip(key) {
            let Some(field) = self.fields.get_mut(*at) else {
                continue;
            };
            let class = match field.class(event) {
                Ok(class) => class,
                Err(value) => {
                    let class = field.class_of(dims, *at, value, &mut self.scratch);
                    self.is_full |= field.ids.len() >= CLASSES_MAX;
                    class
                }
            };
            is_same &= *known == class;
            *known = class;
        }
        is_same
    }

    /// The numbers of a class in the dimensions of a field.
    pub(crate) fn ids(&self, field: usize, class: u16) -> &[u16] {
        self.fields
            .get(field)
            .and_then(|known| known.ids.get(usize::from(class)))
            .map_or(&[], |ids| ids)
    }

    /// Whether everything that classes stand in is to be forgotten before the next event.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Forgets everything: classes are numbered anew.
    pub(crate) fn forget(&mut self) {
        self.fields.clear();
        self.is_full = false;
    }
}

impl FieldClasses {
    fn new(dims: &Dims, field: &DimField) -> Self {
        let others: Box<[u16]> = vec![OTHER; field.dims.len()].into();
        let mut new = Self {
            field: field.field,
            lengths: field.lengths,
            empty: OTHERS,
            places: Box::new([Short::default(); PLACES]),
            by_ids: FxHashMap::from_iter([(others.clone(), OTHERS)]),
            ids: vec![others],
        };
        new.empty = new.number(&ids_of(dims, field, b"").collect::<Vec<u16>>());
        new
    }

    /// The class of an event's value if it is quickly told, or the value.
    #[inline(always)]
    fn class<'e>(&self, event: &'e Event) -> Result<u16, &'e [u8]> {
        // Most fields are absent from most events: that is seen before anything is read.
        let value = match self.field {
            FieldRef::Slot(slot) => match event.span(slot) {
                Span { len: 0, .. } => return Ok(self.empty),
                span => event.bytes(span),
            },
            FieldRef::Text(text) => event.text(text),
        };
        if value.is_empty() {
            return Ok(self.empty);
        }
        if self.lengths.is_other(value) {
            return Ok(OTHERS);
        }
        let short = &self.places[place_of(value)];
        match is_same(short.known(), value) {
            true => Ok(short.class),
            false => Err(value),
        }
    }

    /// Works the class of a value out.
    fn class_of(&mut self, dims: &Dims, at: usize, value: &[u8], scratch: &mut Vec<u16>) -> u16 {
        let Some(field) = dims.fields.get(at) else {
            return OTHERS;
        };
        scratch.clear();
        scratch.extend(ids_of(dims, field, value));
        let class = self.number(scratch);
        self.keep(value, class);
        class
    }

    /// The class of these numbers.
    fn number(&mut self, ids: &[u16]) -> u16 {
        if let Some(class) = self.by_ids.get(ids) {
            return *class;
        }
        let class = u16::try_from(self.ids.len()).unwrap_or(u16::MAX);
        self.ids.push(ids.into());
        self.by_ids.insert(ids.into(), class);
        class
    }

    fn keep(&mut self, value: &[u8], class: u16) {
        let len = value.len();
        let place = &mut self.places[place_of(value)];
        if let Some(room) = place.value.get_mut(..len) {
            room.copy_from_slice(value);
            place.len = u8::try_from(len).unwrap_or(0);
            place.class = class;
        }
    }
}

/// The numbers of a value in the dimensions of a field.
fn ids_of<'v>(
    dims: &'v Dims,
    field: &'v DimField,
    value: &'v [u8],
) -> impl Iterator<Item = u16> + use<'v> {
    let of_field = field.dims.iter().filter_map(|dim| dims.dims.get(*dim));
    of_field.map(|dim| dim.id(value))
}

impl Short {
    #[inline(always)]
    fn known(&self) -> &[u8] {
        self.value.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// The place of a value that is not empty: short values that differ mostly do so at their ends.
#[inline(always)]
fn place_of(value: &[u8]) -> usize {
    let (Some(first), Some(last)) = (value.first(), value.last()) else {
        return 0;
    };
    (usize::from(*first) + usize::from(*last) * 5 + value.len() * 17) % PLACES
}

/// Whether two short texts are equal: most are of a few bytes, not worth a call of `memcmp`.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        // The two ends overlap, or meet, up to 16 bytes.
        (Some(start), Some(other)) if a.len() <= 16 => {
            start == other && a.last_chunk::<8>() == b.last_chunk::<8>()
        }
        (Some(_), _) => a == b,
        _ => match (a.first_chunk::<4>(), b.first_chunk::<4>()) {
            (Some(start), Some(other)) => {
                start == other && a.last_chunk::<4>() == b.last_chunk::<4>()
            }
            _ => a.iter().zip(b).all(|(a, b)| a == b),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_the_same_exactly_when_every_byte_is() {
        let text: Vec<u8> = (0..VALUE_BYTES_MAX).map(|n| b'a' + n as u8).collect();
        for len in 0..=VALUE_BYTES_MAX {
            let a = &text[..len];
            let copy = a.to_vec();
            assert!(is_same(a, &copy));
            for at in 0..len {
                let mut b = a.to_vec();
                b[at] = b'!';
                assert!(!is_same(a, &b), "byte {at} of {len}");
            }
            assert!(!is_same(a, &text[..(len + 1) % (VALUE_BYTES_MAX + 1)]));
        }
    }
}
