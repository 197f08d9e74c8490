//! Overflows poured again: the second stage's source.
//!
//! Only final overflows are poured, in their order, so the second stage never takes anything back
//! because of the first. Their time is the overflow's (CrowdSec uses the wall clock here, so that
//! its replays of old logs alert with today's date: a stated difference).

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_event::{Event, Position};
use overspill_expr::NoStash;
use overspill_golike::time::Time;
use overspill_matcher::{Hit, MatchState, Outside};

use crate::alerts::AlertRecord;
use crate::batch::PourBatch;
use crate::clock::complete_ns;
use crate::line::heads;
use crate::outgoing::Outgoing;
use crate::plan::{Keeps, Plan};
use crate::stats::Stats;

/// Bits of a rank that tell the pours of one overflow apart.
const RANK_BITS: u32 = 14;

/// Bytes of pours that are given at once.
const GIVEN_BYTES: usize = 1 << 18;

/// An overflow's place in their order, and its identity.
type Place = (i64, u32, u64, u32, u128);

/// Matches final overflows against the scenarios.
pub(crate) struct Reprocessor {
    plan: Arc<Plan>,
    keeps: Keeps,
    /// Records above the watermark, with the sum of their signs.
    waiting: BTreeMap<Place, (i64, AlertRecord)>,
    matches: MatchState,
    hits: Vec<Hit>,
    payload: Vec<u8>,
    event: Event,
    outgoing: Outgoing,
    n_bytes: usize,
    now: Time,
    stats: Stats,
}

impl Reprocessor {
    /// For a job of `peers` workers.
    pub(crate) fn new(plan: Arc<Plan>, now: Time, peers: usize) -> Self {
        let event = Event::new(Arc::clone(&plan.schema));
        Self {
            keeps: Keeps::of(&plan.rules, &plan.schema),
            plan,
            waiting: BTreeMap::new(),
            matches: MatchState::default(),
            hits: Vec::new(),
            payload: Vec::new(),
            event,
            outgoing: Outgoing::new(peers),
            n_bytes: 0,
            now,
            stats: Stats::default(),
        }
    }

    /// Takes a record; one that is taken back before it is final leaves nothing.
    pub(crate) fn take(&mut self, record: AlertRecord) {
        if !record.overflow.reprocess || record.overflow.whitelisted {
            return;
        }
        let (eff_ns, partition, offset, seq) = record.order;
        let place = (eff_ns, partition, offset, seq, record.identity);
        let diff = record.diff;
        let entry = self.waiting.entry(place).or_insert((0, record));
        entry.0 += diff;
        if entry.0 == 0 {
            self.waiting.remove(&place);
        }
    }

    /// Pours what has become final; `None` is the end.
    pub(crate) fn advance(&mut self, frontier: Option<u64>, mut give: impl FnMut(&mut PourBatch)) {
        let final_ns = complete_ns(frontier);
        while let Some(entry) = self.waiting.first_entry()
            && entry.key().0 <= final_ns
        {
            let (n, record) = entry.remove();
            if n > 0 {
                self.pour(record);
            }
            if self.n_bytes >= GIVEN_BYTES {
                self.give(&mut give);
            }
        }
        self.give(&mut give);
    }

    fn give(&mut self, give: &mut impl FnMut(&mut PourBatch)) {
        self.n_bytes = 0;
        self.outgoing.take().iter_mut().for_each(give);
    }

    /// All counters so far.
    pub(crate) fn total(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.count_matches(&self.matches);
        stats
    }

    fn pour(&mut self, record: AlertRecord) {
        // The bytes are our own, so an error is a defect of ours.
        if let Err(error) = self.event.decode_again(&record.event) {
            self.stats
                .change("overflows that could not be read back", 1);
            self.stats.sample_error(|| error.to_string());
            return;
        }
        self.stats.reprocessed += 1;
        let time = record.overflow.time;
        let (eff_ns, partition, offset, seq) = record.order;
        self.event.overflow = Some(record.overflow);
        self.hits.clear();
        let mut outside = Outside {
            stash: &mut NoStash,
            services: &self.plan.services,
            now: self.now,
        };
        let matched = self.plan.rules.matches(
            &mut self.event,
            &mut self.matches,
            &mut outside,
            &mut self.hits,
        );
        if let Err(abandoned) = matched {
            self.stats.filter_errors += 1;
            self.stats.sample_error(|| abandoned.error.to_string());
        }
        for hit in &self.hits {
            if let Some(scenario) = self.plan.rules.scenario(hit.scenario) {
                let counts = self.stats.scenarios.entry(scenario.name.to_string());
                counts.or_default().0 += 1;
            }
        }
        let position = Position { partition, offset };
        let order = (eff_ns, position, seq << RANK_BITS);
        self.n_bytes += heads(
            &self.plan,
            &self.keeps,
            &self.event,
            &self.hits,
            order,
            time,
            &mut self.payload,
            &mut self.outgoing,
        );
        self.stats.pours += self.hits.len() as u64;
        // Others may hold the overflow too, and change their copy.
        self.event.overflow = None;
    }
}
