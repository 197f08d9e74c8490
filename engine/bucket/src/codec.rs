//! States as bytes.
//!
//! Little endian, lengths before contents. Scenarios are written by number and fingerprint, so
//! that they are found again after a renumbering. Reading hostile bytes gives an error: no length
//! is believed before as many bytes are there.

use std::sync::Arc;

use crate::events::Events;
use crate::key::Key;
use crate::pour::{Order, Stamp};
use crate::queue::Queue;
use crate::rules::Rules;
use crate::spec::ScenarioId;
use crate::state::{Bucket, First, Hole, Memory, State};

/// Bytes that are no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) what: &'static str,
    pub(crate) at: usize,
}

/// A state that was read, and how many of its parts belong to scenarios that are gone.
#[derive(Debug)]
pub(crate) struct Restored<'a> {
    pub(crate) key: Key,
    /// The state but for the events of its bucket.
    pub(crate) state: State,
    /// Those events.
    pub(crate) queue: Vec<&'a [u8]>,
    pub(crate) n_orphaned: u64,
}

pub(crate) fn write_state(
    out: &mut Vec<u8>,
    key: Key,
    state: &State,
    rules: &Rules,
    events: &Events,
) {
    key.0.iter().for_each(|word| put(out, word.to_le_bytes()));
    write_order(out, &state.last);
    out.push(state.hits);
    put(out, state.keep_until_ns.to_le_bytes());
    write_len(out, state.holes.len());
    for hole in &state.holes {
        write_scenario(out, hole.scenario, rules);
        put(out, hole.until_ns.to_le_bytes());
        put(out, hole.until_eff_ns.to_le_bytes());
    }
    out.push(u8::from(state.bucket.is_some()));
    if let Some(bucket) = &state.bucket {
        write_bucket(out, bucket, rules, events);
    }
}

fn write_bucket(out: &mut Vec<u8>, bucket: &Bucket, rules: &Rules, events: &Events) {
    write_scenario(out, bucket.scenario, rules);
    put(out, bucket.total.to_le_bytes());
    out.push(u8::from(bucket.first.is_some()));
    if let Some(first) = &bucket.first {
        write_stamp(out, first.stamp);
        write_order(out, &first.order);
    }
    write_stamp(out, bucket.last);
    put(out, bucket.debt_ns.to_le_bytes());
    put(out, bucket.touched_ns.to_le_bytes());
    put(out, bucket.digest.to_le_bytes());
    write_len(out, bucket.queue.len());
    for &id in bucket.queue.ids() {
        let event = events.bytes(id);
        write_len(out, event.len());
        out.extend_from_slice(event);
    }
    let memory = bucket.memory.as_deref();
    let seen = memory.map_or(&[][..], |memory| &memory.seen);
    write_len(out, seen.len());
    let words = seen.iter().flatten();
    words.for_each(|word| put(out, word.to_le_bytes()));
    let bits = memory.map_or(&[][..], |memory| &memory.bits);
    write_len(out, bits.len());
    bits.iter().for_each(|word| put(out, word.to_le_bytes()));
}

/// Numbers are arrays of bytes.
fn put<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&bytes);
}

fn write_len(out: &mut Vec<u8>, len: usize) {
    // Every queue and set is bounded far below this, and so is an event.
    put(out, u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn write_scenario(out: &mut Vec<u8>, scenario: ScenarioId, rules: &Rules) {
    put(out, scenario.0.to_le_bytes());
    put(out, rules.fingerprint(scenario).to_le_bytes());
}

fn write_stamp(out: &mut Vec<u8>, stamp: Stamp) {
    put(out, stamp.ns.to_le_bytes());
    put(out, stamp.zone_secs.to_le_bytes());
}

fn write_order(out: &mut Vec<u8>, order: &Order) {
    put(out, order.eff_ns.to_le_bytes());
    put(out, order.partition.to_le_bytes());
    put(out, order.offset.to_le_bytes());
    put(out, order.seq.to_le_bytes());
}

/// Reads what was written, front to back.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(crate) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(len);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => Err(self.malformed("end of bytes")),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let taken = self.take(N)?;
        <[u8; N]>::try_from(taken).map_err(|_| self.malformed("end of bytes"))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => Err(self.malformed("flag that is neither 0 nor 1")),
        }
    }

    fn order(&mut self) -> Result<Order, Malformed> {
        Ok(Order {
            eff_ns: self.i64()?,
            partition: self.u32()?,
            offset: self.u64()?,
            seq: self.u32()?,
        })
    }

    fn stamp(&mut self) -> Result<Stamp, Malformed> {
        Ok(Stamp {
            ns: self.i64()?,
            zone_secs: self.array().map(i32::from_le_bytes)?,
        })
    }

    fn scenario(&mut self, rules: &Rules) -> Result<Option<ScenarioId>, Malformed> {
        let scenario = ScenarioId(self.u32()?);
        let fingerprint = self.u64()?;
        Ok(rules.find(scenario, fingerprint))
    }

    pub(crate) fn key(&mut self) -> Result<Key, Malformed> {
        Ok(Key([self.u64()?, self.u64()?]))
    }

    pub(crate) fn state(&mut self, rules: &Rules) -> Result<Restored<'a>, Malformed> {
        let key = self.key()?;
        let mut n_orphaned = 0;
        let mut state = State {
            last: self.order()?,
            ..State::default()
        };
        [state.hits] = self.array()?;
        if !(1..=2).contains(&state.hits) {
            return Err(self.malformed("number of pours that is neither 1 nor 2"));
        }
        state.keep_until_ns = self.i64()?;
        for _ in 0..self.u32()? {
            let scenario = self.scenario(rules)?;
            let until_ns = self.i64()?;
            let until_eff_ns = self.i64()?;
            match scenario {
                Some(scenario) => state.holes.push(Hole {
                    scenario,
                    until_ns,
                    until_eff_ns,
                }),
                None => n_orphaned += 1,
            }
        }
        let mut queue = Vec::new();
        if self.flag()? {
            state.bucket = self.bucket(rules, &mut queue)?;
            n_orphaned += u64::from(state.bucket.is_none());
        }
        Ok(Restored {
            key,
            state,
            queue,
            n_orphaned,
        })
    }

    fn bucket(
        &mut self,
        rules: &Rules,
        queue: &mut Vec<&'a [u8]>,
    ) -> Result<Option<Bucket>, Malformed> {
        let scenario = self.scenario(rules)?;
        let total = self.u32()?;
        let first = match self.flag()? {
            true => Some(First {
                stamp: self.stamp()?,
                order: self.order()?,
            }),
            false => None,
        };
        let last = self.stamp()?;
        let debt_ns = self.array().map(i128::from_le_bytes)?;
        if debt_ns < 0 {
            return Err(self.malformed("negative level"));
        }
        let touched_ns = self.i64()?;
        let digest = self.u64()?;
        for _ in 0..self.u32()? {
            let len = self.u32()?;
            queue.push(self.take(usize::try_from(len).unwrap_or(usize::MAX))?);
        }
        let mut memory = Memory::default();
        for _ in 0..self.u32()? {
            memory.seen.push([self.u64()?, self.u64()?]);
        }
        if !memory.seen.is_sorted_by(|a, b| a < b) {
            return Err(self.malformed("unsorted set"));
        }
        for _ in 0..self.u32()? {
            memory.bits.push(self.u64()?);
        }
        let has_memory = !(memory.seen.is_empty() && memory.bits.is_empty());
        let memory = has_memory.then(|| Arc::new(memory));
        Ok(scenario.map(|scenario| Bucket {
            scenario,
            total,
            first,
            last,
            debt_ns,
            touched_ns,
            digest,
            queue: Queue::default(),
            memory,
        }))
    }
}
