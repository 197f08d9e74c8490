//! Which literals occur in the fields of an event: one scan a field, remembered by value.

use overspill_memo::{Asked, Memo};

use crate::gates::Gates;

/// Values that are remembered a field.
const PLACES: usize = 1_024;
/// Longest value that is remembered, in bytes.
const VALUE_BYTES_MAX: usize = 512;
/// Most fired literals of a value that is remembered.
const FIRED_MAX: usize = 64;

/// What a scan of one field found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan<'a> {
    /// These literals occur; each is named once.
    Fired(&'a [u32]),
    /// The automaton cannot tell: everything counts as fired.
    Open,
}

/// What a worker remembers of the values it scanned.
#[derive(Debug, Default)]
pub(crate) struct Scans {
    fields: Vec<FieldScans>,
}

#[derive(Debug)]
struct FieldScans {
    memo: Memo<Answer>,
    /// Of a value that is not remembered.
    other: Answer,
}

#[derive(Debug, Default, Clone)]
struct Answer {
    is_open: bool,
    fired: Vec<u32>,
}

impl Default for FieldScans {
    fn default() -> Self {
        Self {
            memo: Memo::new(PLACES, VALUE_BYTES_MAX),
            other: Answer::default(),
        }
    }
}

impl Answer {
    fn scan(&mut self, gates: &Gates, field: usize, value: &[u8]) {
        self.is_open = !gates.scan(field, value, &mut self.fired);
    }

    fn get(&self) -> Scan<'_> {
        match self.is_open {
            true => Scan::Open,
            false => Scan::Fired(&self.fired),
        }
    }
}

impl Scans {
    /// Scans a field's value, which is not empty, or remembers what that gave.
    pub(crate) fn scan(&mut self, gates: &Gates, field: usize, value: &[u8]) -> Scan<'_> {
        if self.fields.len() <= field {
            self.fields.resize_with(field + 1, FieldScans::default);
        }
        match self.fields.get_mut(field) {
            Some(scans) => scans.scan(gates, field, value),
            None => Scan::Open,
        }
    }
}

impl FieldScans {
    fn scan(&mut self, gates: &Gates, field: usize, value: &[u8]) -> Scan<'_> {
        match self.memo.ask(value) {
            Asked::Known(answer) => answer.get(),
            Asked::New(mut room) => {
                let answer = room.answer();
                answer.scan(gates, field, value);
                if answer.fired.len() > FIRED_MAX {
                    self.other = std::mem::take(answer);
                    return self.other.get();
                }
                room.keep(value).get()
            }
            Asked::PassedBy => {
                self.other.scan(gates, field, value);
                self.other.get()
            }
        }
    }
}
