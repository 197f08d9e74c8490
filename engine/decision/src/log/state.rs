//! The log as bytes, for checkpoints.
//!
//! Layout, little endian, texts with their length before them:
//!
//! ```text
//! "OSDL" version  generations  head next_id now  decisions  entries  settled alerts
//! ```
//!
//! Decisions are written once each, by number; entries name them by number. What is in an index
//! (deadlines, targets, open alerts) follows from the active decisions and is not written. The same
//! state gives the same bytes. Bytes that are something else give an error, never a panic.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use overspill_event::{Decision, Malformed};

use super::bytes::{Reader, put_i64, put_len, put_text, put_u64};
use super::{Change, DecisionLog, Entry, GENERATIONS_MAX, LogLimits, Reason, Seq};

const MAGIC: &[u8; 4] = b"OSDL";
const VERSION: u8 = 1;

/// Bytes that are no log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at} of a saved decision log")]
pub struct LogDecodeError {
    /// What is wrong.
    pub what: &'static str,
    /// Where.
    pub at: usize,
}

impl From<Malformed> for LogDecodeError {
    fn from(Malformed { what, at }: Malformed) -> Self {
        Self { what, at }
    }
}

/// A decision as it is saved: with its alert's identity while it is active.
struct Saved {
    decision: Arc<Decision>,
    alert: Option<Arc<str>>,
}

impl DecisionLog {
    /// Appends the log's bytes to `out`. Counters are not part of them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        put_len(out, self.generations.len());
        for (generation, start) in &self.generations {
            put_u64(out, *generation);
            put_u64(out, *start);
        }
        put_u64(out, self.head);
        put_u64(out, self.next_id);
        put_i64(out, self.now_ns);

        let mut decisions: BTreeMap<u64, &Arc<Decision>> = BTreeMap::new();
        for entry in &self.entries {
            decisions.insert(entry.decision.id, &entry.decision);
            if let Some(winner) = &entry.winner {
                decisions.insert(winner.id, winner);
            }
        }
        decisions.extend(self.active().map(|decision| (decision.id, decision)));
        put_len(out, decisions.len());
        for (id, decision) in decisions {
            put_decision(out, decision);
            match self.active.get(&id) {
                None => out.push(0),
                Some(active) => {
                    out.push(1);
                    put_text(out, &active.alert);
                }
            }
        }

        put_len(out, self.entries.len());
        for entry in &self.entries {
            out.push(change_number(entry.change));
            put_u64(out, entry.decision.id);
            // Numbers begin at 1.
            put_u64(out, entry.winner.as_ref().map_or(0, |winner| winner.id));
            out.push(u8::from(entry.winner_changed));
        }

        let settled = self.known.settled();
        put_len(out, settled.len());
        for uuid in settled {
            put_text(out, uuid);
        }
    }

    /// Reads a log back, in the generation it was saved in. Whoever goes on writing where something
    /// may have been written since says so first ([`Self::begin_generation`]).
    ///
    /// # Errors
    /// [`LogDecodeError`] when the bytes are cut short or are something else.
    pub fn decode(bytes: &[u8], limits: LogLimits) -> Result<Self, LogDecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(reader.error("not a decision log"));
        }
        if reader.byte()? != VERSION {
            return Err(reader.error("unknown version"));
        }
        let mut log = Self::new(limits, 0);
        log.generations = read_generations(&mut reader)?;
        log.head = reader.counter()?;
        log.next_id = reader.counter()?;
        log.now_ns = reader.i64()?;
        if log
            .generations
            .last()
            .is_some_and(|(_, start)| *start > log.head)
        {
            return Err(reader.error("generation begins after the head"));
        }
        let decisions = read_decisions(&mut reader, log.next_id)?;
        log.entries = read_entries(&mut reader, &decisions, log.head, limits.entries_max)?;
        for saved in decisions.values() {
            if let Some(alert) = &saved.alert {
                log.known.insert(alert);
                log.activate(&saved.decision, alert);
            }
        }
        let n_settled = reader.u64()?;
        for _ in 0..n_settled {
            let uuid: Arc<str> = Arc::from(reader.text()?);
            log.known.insert(&uuid);
            log.known.settle_if_idle(&uuid, limits.alerts_max);
        }
        if !reader.is_at_end() {
            return Err(reader.error("bytes after the end"));
        }
        Ok(log)
    }
}

fn put_decision(out: &mut Vec<u8>, decision: &Decision) {
    put_u64(out, decision.id);
    put_i64(out, decision.until_ns);
    out.push(u8::from(decision.simulated));
    for text in [
        &decision.uuid,
        &decision.origin,
        &decision.kind,
        &decision.scope,
        &decision.value,
        &decision.duration,
        &decision.scenario,
    ] {
        put_text(out, text);
    }
}

fn read_decision(reader: &mut Reader<'_>) -> Result<Decision, LogDecodeError> {
    // Fields are read in the order in which they are written here.
    Ok(Decision {
        id: reader.u64()?,
        until_ns: reader.i64()?,
        simulated: reader.flag()?,
        uuid: reader.text()?.to_owned(),
        origin: reader.text()?.to_owned(),
        kind: reader.text()?.to_owned(),
        scope: reader.text()?.to_owned(),
        value: reader.text()?.to_owned(),
        duration: reader.text()?.to_owned(),
        scenario: reader.text()?.to_owned(),
    })
}

fn read_generations(reader: &mut Reader<'_>) -> Result<Vec<(u64, u64)>, LogDecodeError> {
    let count = reader.u64()?;
    if count == 0 || count > GENERATIONS_MAX as u64 {
        return Err(reader.error("impossible number of generations"));
    }
    let mut generations: Vec<(u64, u64)> = Vec::new();
    for _ in 0..count {
        let life = (reader.u64()?, reader.u64()?);
        if generations
            .iter()
            .any(|known| known.0 == life.0 || known.1 > life.1)
        {
            return Err(reader.error("generations out of order"));
        }
        generations.push(life);
    }
    Ok(generations)
}

fn read_decisions(
    reader: &mut Reader<'_>,
    next_id: u64,
) -> Result<BTreeMap<u64, Saved>, LogDecodeError> {
    let mut decisions = BTreeMap::new();
    let mut last_id = 0;
    for _ in 0..reader.u64()? {
        let decision = Arc::new(read_decision(reader)?);
        let id = decision.id;
        if id <= last_id || id >= next_id {
            return Err(reader.error("decision numbers out of order"));
        }
        last_id = id;
        let alert = if reader.flag()? {
            Some(Arc::from(reader.text()?))
        } else {
            None
        };
        decisions.insert(id, Saved { decision, alert });
    }
    Ok(decisions)
}

fn read_entries(
    reader: &mut Reader<'_>,
    decisions: &BTreeMap<u64, Saved>,
    head: u64,
    entries_max: usize,
) -> Result<VecDeque<Entry>, LogDecodeError> {
    let count = reader.u64()?;
    let floor = head
        .checked_sub(count)
        .ok_or(reader.error("more entries than numbers"))?;
    let mut entries = VecDeque::new();
    for seq in floor + 1..=head {
        let number = reader.byte()?;
        let change = change_of(number).ok_or(reader.error("unknown change"))?;
        let named = |id: &u64| decisions.get(id).map(|saved| Arc::clone(&saved.decision));
        let decision = named(&reader.u64()?).ok_or(reader.error("unknown decision"))?;
        let winner = match reader.u64()? {
            0 => None,
            id => Some(named(&id).ok_or(reader.error("unknown winner"))?),
        };
        let winner_changed = reader.flag()?;
        entries.push_back(Entry {
            seq: Seq(seq),
            change,
            decision,
            winner,
            winner_changed,
        });
        // The limit may be lower now than when the log was saved.
        if entries.len() > entries_max {
            entries.pop_front();
        }
    }
    Ok(entries)
}

/// Numbers of the changes in saved bytes, never to be reused for another one.
const CHANGES: [(u8, Change); 6] = [
    (0, Change::New),
    (1, Change::Deleted(Reason::Expired)),
    (2, Change::Deleted(Reason::Deleted)),
    (3, Change::Deleted(Reason::Retracted)),
    (4, Change::Deleted(Reason::Allowlisted)),
    (5, Change::Deleted(Reason::Evicted)),
];

fn change_number(change: Change) -> u8 {
    CHANGES
        .iter()
        .find(|known| known.1 == change)
        .map_or(u8::MAX, |known| known.0)
}

fn change_of(number: u8) -> Option<Change> {
    CHANGES
        .iter()
        .find(|known| known.0 == number)
        .map(|known| known.1)
}
