//! Lines that are JSON objects, of which one member is the line or the time.
//!
//! Without either the object itself is the line and nothing is parsed here. A line that is no object,
//! or lacks the member, is a dead letter.

use std::borrow::Cow;
use std::fmt;

use overspill_event::{LineBatch, Origin};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::file::FileSource;
use crate::ledger::{Counts, DeadLetter};
use crate::open::Options;
use crate::rows::time::rfc3339;
use crate::source::{Source, SourceError, Step};

/// Picks members out of JSON lines.
#[derive(Debug)]
pub struct JsonLines {
    lines: FileSource,
    options: Options,
    /// Lines read.
    n_lines: u64,
    batch: LineBatch,
}

impl JsonLines {
    /// Picks from `lines` what the options ask for.
    #[must_use]
    pub fn new(lines: FileSource, options: Options) -> Self {
        options.ledger.count(&Counts {
            files: 1,
            ..Counts::default()
        });
        Self {
            lines,
            options,
            n_lines: 0,
            batch: LineBatch::default(),
        }
    }

    /// Moves the picked lines of `self.batch` to `out`.
    fn pick(&mut self, out: &mut LineBatch) {
        let mut counts = Counts::default();
        for line in &self.batch.lines {
            let row = self.n_lines;
            self.n_lines += 1;
            counts.rows += 1;
            let bytes = self.batch.bytes(line);
            let picked = match self.picked(bytes) {
                Ok(picked) => picked,
                Err(reason) => {
                    self.options.ledger.dead(DeadLetter {
                        path: self.lines.origin().src.clone(),
                        row_group: None,
                        row: Some(row),
                        reason,
                    });
                    continue;
                }
            };
            if !self.options.window.is_open() {
                match picked.time {
                    Some(ns) if self.options.window.holds(ns) => {}
                    Some(_) => {
                        counts.rows_outside += 1;
                        continue;
                    }
                    None => {
                        counts.rows_without_time += 1;
                        continue;
                    }
                }
            }
            match (&self.options.wanted.message, picked.message) {
                (None, _) => out.push(bytes, line.offset, line.is_cut),
                (Some(_), Some(text)) if !text.is_empty() => {
                    out.push(text.as_bytes(), line.offset, line.is_cut);
                }
                _ => counts.rows_empty += 1,
            }
        }
        self.options.ledger.count(&counts);
    }

    fn picked<'a>(&self, bytes: &'a [u8]) -> Result<Picked<'a>, String> {
        let seed = Pick(&self.options);
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let picked = seed
            .deserialize(&mut deserializer)
            .and_then(|picked| deserializer.end().map(|()| picked));
        picked.map_err(|error| format!("no JSON line with what was asked for: {error}"))
    }
}

impl Source for JsonLines {
    fn origin(&self) -> &Origin {
        self.lines.origin()
    }

    fn read(&mut self, out: &mut LineBatch) -> Result<Step, SourceError> {
        self.batch.data.clear();
        self.batch.lines.clear();
        let step = self.lines.read(&mut self.batch);
        self.pick(out);
        step
    }

    fn progress(&self) -> (u64, Option<u64>) {
        self.lines.progress()
    }
}

/// What was found in a line.
#[derive(Debug, Default)]
struct Picked<'a> {
    message: Option<Cow<'a, str>>,
    time: Option<i64>,
}

struct Pick<'o>(&'o Options);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Picked<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Picked<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let wanted = &self.0.wanted;
        let mut picked = Picked::default();
        let mut has_message = false;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let is = |name: &Option<String>| name.as_deref() == Some(&*key);
            // One member may be both.
            match (is(&wanted.message), is(&wanted.time)) {
                (false, false) => {
                    map.next_value::<IgnoredAny>()?;
                }
                (is_message, is_time) => {
                    let value: Scalar<'de> = map.next_value_seed(ScalarSeed)?;
                    if is_time {
                        picked.time = value.time(self.0);
                    }
                    if is_message {
                        has_message = true;
                        picked.message = match value {
                            Scalar::Text(text) => Some(text),
                            Scalar::Null => None,
                            Scalar::Number(_) | Scalar::Other => {
                                return Err(serde::de::Error::custom("the member is not text"));
                            }
                        };
                    }
                }
            }
        }
        if wanted.message.is_some() && !has_message {
            return Err(serde::de::Error::custom("the member is missing"));
        }
        Ok(picked)
    }
}

/// A value that may be a line or a time.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(i64),
    Null,
    Other,
}

impl Scalar<'_> {
    fn time(&self, options: &Options) -> Option<i64> {
        match self {
            Self::Text(text) => rfc3339(text.as_bytes()),
            Self::Number(number) => Some(options.unit.to_ns(*number)),
            Self::Null | Self::Other => None,
        }
    }
}

struct ScalarSeed;

impl<'de> DeserializeSeed<'de> for ScalarSeed {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        // Seconds with a fraction; beyond what an i64 holds it stands at its end.
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let whole = number as i64;
        Ok(Scalar::Number(whole))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

#[cfg(test)]
#[path = "json_lines_tests.rs"]
mod tests;
