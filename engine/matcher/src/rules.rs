//! All scenarios with their index: an event in, the buckets it pours into out.
//!
//! The index leaves the filters that could hold ([`overspill_filters`]). Order, run-time errors and
//! side effects are those of evaluating every filter in order: what could raise or act is never
//! skipped, and after an expression has changed the event, it is looked up anew for the scenarios
//! that follow.

use std::sync::atomic::Ordering;

use overspill_bucket::{Key, ScenarioId};
use overspill_event::{Event, FieldMap, Schema, Slot};
use overspill_expr::{Bool, Context, EvalError, Services, Stash};

use overspill_filters::{Index, State};

use crate::key::{Keyer, ScenarioKey};
use crate::plan::ScenarioPlan;

/// What is left of filters, over all groups and kinds, that a worker remembers: about 40 MB.
const ENTRIES_MAX: usize = 1 << 18;

/// One bucket an event pours into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The pouring scenario.
    pub scenario: ScenarioId,
    /// The bucket.
    pub key: Key,
    /// Hash of the `distinct` value; `None` when there is none, or it could not be evaluated.
    pub distinct: Option<[u64; 2]>,
    /// The event cancels the bucket.
    pub cancels: bool,
}

/// Why an event was abandoned before all scenarios had seen it.
#[derive(Debug, Clone)]
pub struct Abandoned {
    /// The scenario whose filter or groupby failed.
    pub scenario: ScenarioId,
    /// Why.
    pub error: EvalError,
}

/// Every scenario of some content.
#[derive(Debug)]
pub struct Rules {
    scenarios: Vec<ScenarioPlan>,
    keys: Vec<ScenarioKey>,
    keyer: Keyer,
    index: Index,
    is_indexed: bool,
}

/// What a worker remembers of the kinds of events it saw. One a worker.
///
/// When it is full, events of kinds that it does not remember are evaluated as their group left
/// the filters ([`MatchState::n_unremembered`]): slower, with the same result.
#[derive(Debug)]
pub struct MatchState {
    /// Filters that could hold; lent while they are evaluated.
    filters: Option<Box<State>>,
    scratch: Vec<u8>,
    group_text: Vec<u8>,
    /// Groupby expressions that gave no string.
    pub n_groupby_not_text: u64,
    /// `distinct` expressions that raised an error: the pour counts as one without a value.
    pub n_distinct_failed: u64,
    /// `cancel_on` expressions that raised an error: the bucket is not cancelled.
    pub n_cancel_failed: u64,
}

impl Default for MatchState {
    fn default() -> Self {
        Self::bounded(ENTRIES_MAX)
    }
}

impl MatchState {
    /// A state that remembers what is left of so many filters, over all kinds.
    #[must_use]
    pub fn bounded(entries_max: usize) -> Self {
        Self {
            filters: Some(Box::new(State::bounded(entries_max))),
            scratch: Vec::new(),
            group_text: Vec::new(),
            n_groupby_not_text: 0,
            n_distinct_failed: 0,
            n_cancel_failed: 0,
        }
    }

    /// Events whose kind was not remembered because there was no room.
    #[must_use]
    pub fn n_unremembered(&self) -> u64 {
        self.filters
            .as_ref()
            .map_or(0, |filters| filters.n_unremembered)
    }
}

impl Rules {
    /// Indexes scenarios, which must be in the order of evaluation.
    #[must_use]
    pub fn new(scenarios: Vec<ScenarioPlan>, keyer: Keyer, schema: &Schema) -> Self {
        let filters: Vec<Bool> = scenarios
            .iter()
            .map(|scenario| scenario.filter.to_bool_tree())
            .collect();
        let primary: Vec<Slot> = ["log_type", "service"]
            .iter()
            .filter_map(|name| schema.slot(FieldMap::Meta, name.as_bytes()))
            .collect();
        let keys = scenarios
            .iter()
            .map(|scenario| keyer.scenario(scenario.filter.text(), &scenario.name))
            .collect();
        let index = Index::new(filters, &primary);
        Self {
            scenarios,
            keys,
            keyer,
            index,
            is_indexed: true,
        }
    }

    /// The same rules without the index: every filter of every event, in order. The slow and
    /// obvious path that the index is compared with.
    #[must_use]
    pub fn without_index(mut self) -> Self {
        self.is_indexed = false;
        self
    }

    /// The scenarios, by number.
    #[must_use]
    pub fn scenarios(&self) -> &[ScenarioPlan] {
        &self.scenarios
    }

    /// A scenario by its number.
    #[must_use]
    pub fn scenario(&self, id: ScenarioId) -> Option<&ScenarioPlan> {
        self.scenarios.get(index(id))
    }

    /// Evaluates what could hold and appends a [`Hit`] for each scenario the event pours into.
    ///
    /// # Errors
    /// [`Abandoned`] when a filter or groupby raised: scenarios after it did not see the event;
    /// the hits before it stand.
    pub fn matches(
        &self,
        event: &mut Event,
        state: &mut MatchState,
        cx: &mut Outside<'_>,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Abandoned> {
        if !self.is_indexed {
            return self.all_from(0, event, state, cx, hits);
        }
        // Lent for the while, so that the rest of the state can be written to.
        let mut filters = state.filters.take().unwrap_or_default();
        let done = self.open(&mut filters, event, state, cx, hits);
        state.filters = Some(filters);
        done
    }

    fn open(
        &self,
        filters: &mut State,
        event: &mut Event,
        state: &mut MatchState,
        cx: &mut Outside<'_>,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Abandoned> {
        let mut first = 0;
        loop {
            filters.look(&self.index, event);
            let n_writes = event.n_writes();
            let mut place = filters.place_of(first);
            // Once an expression changed the event, what was known of it no longer counts.
            while event.n_writes() == n_writes {
                let Some((entry, is_sure)) = filters.next_known(&mut place) else {
                    return Ok(());
                };
                let number = entry.number;
                first = number + 1;
                let holds = match &entry.rest {
                    Some(rest) if !is_sure => {
                        let n_missing = cx.n_files_missing();
                        let holds = self.holds(number, rest, event, cx)?;
                        // A file that is not there is missed each time it is asked for.
                        if cx.n_files_missing() == n_missing {
                            filters.learn(place, holds);
                        }
                        holds
                    }
                    _ => true,
                };
                if holds {
                    self.hit(number, event, state, cx, hits)?;
                }
            }
        }
    }

    fn all_from(
        &self,
        first: usize,
        event: &mut Event,
        state: &mut MatchState,
        cx: &mut Outside<'_>,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Abandoned> {
        for (number, filter) in self.index.filters().iter().enumerate().skip(first) {
            if self.holds(number, filter, event, cx)? {
                self.hit(number, event, state, cx, hits)?;
            }
        }
        Ok(())
    }

    fn holds(
        &self,
        number: usize,
        filter: &Bool,
        event: &mut Event,
        cx: &mut Outside<'_>,
    ) -> Result<bool, Abandoned> {
        filter
            .eval(&mut cx.context(event))
            .map_err(|error| Abandoned {
                scenario: self.scenarios[number].id,
                error,
            })
    }

    /// The bucket of a scenario whose filter holds.
    fn hit(
        &self,
        number: usize,
        event: &mut Event,
        state: &mut MatchState,
        cx: &mut Outside<'_>,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Abandoned> {
        let scenario = &self.scenarios[number];
        state.group_text.clear();
        if let Some(groupby) = &scenario.groupby {
            match groupby.eval_str(&mut cx.context(event), &mut state.group_text) {
                Ok(true) => {}
                // CrowdSec ends the process here; a bucket of its own for such events is kinder.
                Ok(false) => state.n_groupby_not_text += 1,
                Err(error) => {
                    return Err(Abandoned {
                        scenario: scenario.id,
                        error,
                    });
                }
            }
        }
        let key = self.keys[number].bucket(&state.group_text);
        let distinct = scenario.distinct.as_ref().and_then(|distinct| {
            state.scratch.clear();
            match distinct.eval_str(&mut cx.context(event), &mut state.scratch) {
                Ok(true) => Some(self.keyer.distinct(&state.scratch)),
                // Not a string counts as the empty string, an error as no value.
                Ok(false) => Some(self.keyer.distinct(b"")),
                Err(_) => {
                    state.n_distinct_failed += 1;
                    None
                }
            }
        });
        let cancels = scenario.cancel_on.as_ref().is_some_and(|cancel_on| {
            let cancels = cancel_on.eval_bool(&mut cx.context(event));
            state.n_cancel_failed += u64::from(cancels.is_err());
            cancels == Ok(true)
        });
        hits.push(Hit {
            scenario: scenario.id,
            key,
            distinct,
            cancels,
        });
        Ok(())
    }

    /// The text a scenario groups an event by; what `explain` shows and `mapkey` is made of.
    pub fn group_text(
        &self,
        id: ScenarioId,
        event: &mut Event,
        cx: &mut Outside<'_>,
    ) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        if let Some(groupby) = &self.scenario(id)?.groupby {
            groupby.eval_str(&mut cx.context(event), &mut text).ok()?;
        }
        Some(text)
    }
}

/// A scenario's number as an index.
fn index(id: ScenarioId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}

/// What expressions reach beside the event.
pub struct Outside<'a> {
    /// Caches of the partition.
    pub stash: &'a mut dyn Stash,
    /// Data files, GeoIP and the rest.
    pub services: &'a Services,
    /// What `now()` answers.
    pub now: overspill_golike::time::Time,
}

impl Outside<'_> {
    /// How often a data file was asked for that is not loaded.
    fn n_files_missing(&self) -> u64 {
        let counters = &self.services.counters;
        counters.files_missing.load(Ordering::Relaxed)
    }

    fn context<'c>(&'c mut self, event: &'c mut Event) -> Context<'c> {
        Context {
            evt: Some(event),
            vars: &[],
            stash: self.stash,
            services: self.services,
            now: self.now,
        }
    }
}
