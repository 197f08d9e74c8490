//! What one partition keeps between its lines.

use overspill_expr::Stash;
use overspill_filters::State;
use overspill_golike::time::Time;
use overspill_grok::Scratch;
use overspill_memo::Memo;
use rustc_hash::FxHashMap;

use crate::counts::{Counts, NodeCounts, NodeTally};
use crate::date::Dates;
use crate::dispatch::Cache;
use crate::geo::GeoMemo;
use crate::node::Node;
use crate::plan::ParserPlan;
use crate::recall::Recall;
use crate::run::Block;
use crate::stash::StashSet;

const SECS_PER_DAY: i64 = 86_400;

/// What is left of whitelist expressions, over all kinds of events, that a partition remembers.
const WHITELISTS_MAX: usize = 1 << 13;

/// Stashes, caches and counters of one partition. Only the stashes decide results; the rest may be
/// dropped at any time.
///
/// A state serves one plan. Given another (after a reload) it keeps the stashes whose names are
/// still known and begins anew with everything else.
#[derive(Debug)]
pub struct ParserState {
    /// Caches of the partition.
    pub stash: StashSet,
    pub(crate) grok: Scratch,
    pub(crate) dates: Dates,
    pub(crate) geo: GeoMemo,
    pub(crate) dispatch: Cache,
    /// Whitelist expressions that could hold; lent while they are evaluated.
    pub(crate) whitelists: Option<Box<State>>,
    /// What the event had been written to when they were looked up; `None` for another event.
    pub(crate) looked: Option<u32>,
    /// By node: answers of the filter to values of the one field that it reads.
    pub(crate) answers: FxHashMap<usize, Memo<bool>>,
    pub(crate) recall: Recall,
    pub(crate) counts: Counts,
    pub(crate) nodes: Vec<NodeCounts>,
    /// By node: statics whose expression gave something else than text when it was last asked
    /// for text, so that it is asked for its value at once.
    not_text: Vec<u64>,
    /// Text under construction.
    pub(crate) value: Vec<u8>,
    /// Key under construction.
    pub(crate) key: Vec<u8>,
    plan: u64,
    now: Time,
    year: i32,
    fixed_year: Option<i32>,
}

impl ParserState {
    /// The state of a partition that has seen nothing.
    #[must_use]
    pub fn new(plan: &ParserPlan, now: Time) -> Self {
        let mut state = Self {
            stash: StashSet::new(plan),
            grok: Scratch::default(),
            dates: Dates::default(),
            geo: GeoMemo::default(),
            dispatch: Cache::default(),
            whitelists: Some(Box::new(State::bounded(WHITELISTS_MAX))),
            looked: None,
            answers: FxHashMap::default(),
            recall: Recall::default(),
            counts: Counts::default(),
            nodes: vec![NodeCounts::default(); plan.n_nodes()],
            not_text: vec![0; plan.n_nodes()],
            value: Vec::new(),
            key: Vec::new(),
            plan: plan.identity(),
            now,
            year: 0,
            fixed_year: None,
        };
        state.year = year_of(now);
        state.stash.set_default_time(now.unix_ns());
        state
    }

    /// The present moment: what an undated line is dated, and what `TimeNow()` answers.
    pub fn set_now(&mut self, now: Time) {
        let is_same_day =
            now.secs.div_euclid(SECS_PER_DAY) == self.now.secs.div_euclid(SECS_PER_DAY);
        if !is_same_day {
            self.year = year_of(now);
        }
        self.now = now;
        self.stash.set_default_time(now.unix_ns());
    }

    /// The present moment, as set.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The year of dates that have none: a given one, or with `None` that of the present moment.
    pub fn set_year(&mut self, year: Option<i32>) {
        self.fixed_year = year;
    }

    /// The year of dates that have none.
    #[must_use]
    pub fn year(&self) -> i32 {
        self.fixed_year.unwrap_or(self.year)
    }

    /// The caches, for expressions evaluated elsewhere on behalf of the partition.
    pub fn stash_mut(&mut self) -> &mut dyn Stash {
        &mut self.stash
    }

    /// What went wrong so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Calls `each` with the counters of every node of the plan, children included, in the order
    /// of the plan. Several nodes may have the same name.
    pub fn node_counts(&self, plan: &ParserPlan, each: &mut dyn FnMut(&Node, NodeCounts)) {
        if plan.identity() == self.plan {
            plan.each_node(&mut |node| {
                each(
                    node,
                    self.nodes.get(node.number).copied().unwrap_or_default(),
                );
            });
        }
    }

    /// Goes on counting nodes in `nodes`, and gives the counters so far in their place. A new tally counts
    /// from nothing.
    pub fn swap_nodes(&mut self, nodes: &mut NodeTally) {
        nodes.0.resize(self.nodes.len(), NodeCounts::default());
        std::mem::swap(&mut self.nodes, &mut nodes.0);
    }

    /// As [`ParserState::node_counts`]: names, hits and successes of nodes that were hit.
    pub fn counters(&self, plan: &ParserPlan, each: &mut dyn FnMut(&str, u64, u64)) {
        self.node_counts(plan, &mut |node, counts| {
            if counts.hits > 0 {
                each(&node.name, counts.hits, counts.ok);
            }
        });
    }

    /// Whether that static gave something else than text.
    pub(crate) fn knows(&self, node: usize, hint: Hint) -> bool {
        self.not_text
            .get(node)
            .is_some_and(|bits| bits >> hint.0 & 1 == 1)
    }

    /// Remembers that a static gave something else than text. It does not matter to results.
    pub(crate) fn remember(&mut self, node: usize, hint: Hint) {
        if let Some(bits) = self.not_text.get_mut(node) {
            *bits |= 1 << hint.0;
        }
    }

    /// Makes the state serve `plan`.
    pub(crate) fn bind(&mut self, plan: &ParserPlan) {
        if self.plan != plan.identity() {
            self.plan = plan.identity();
            self.nodes = vec![NodeCounts::default(); plan.n_nodes()];
            self.not_text = vec![0; plan.n_nodes()];
            self.dispatch = Cache::default();
            self.whitelists = Some(Box::new(State::bounded(WHITELISTS_MAX)));
            self.looked = None;
            self.answers.clear();
            self.recall = Recall::default();
            self.geo = GeoMemo::default();
            self.stash.adopt(plan);
        }
    }
}

/// The place of a static within its node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint(u32);

impl Hint {
    /// `None` for statics past the first few dozen, of which nothing is remembered.
    pub(crate) fn new(of: Block, place: usize) -> Option<Self> {
        const EACH: u32 = u64::BITS / 2;
        let place = u32::try_from(place).ok().filter(|place| *place < EACH)?;
        Some(Self(match of {
            Block::Grok => place,
            Block::Node => EACH + place,
        }))
    }
}

fn year_of(time: Time) -> i32 {
    i32::try_from(time.in_utc().year()).unwrap_or(1970)
}
