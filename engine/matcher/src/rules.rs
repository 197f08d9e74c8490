//! All scenarios with their index: an event in, the buckets it pours into out.
//!
//! ```text
//! event -> log_type and service -> group: the filters that are not false for these two
//!       -> its other small-domain fields -> kind: what is left of each filter
//!       -> gates: literals that must occur -> evaluation of what is left -> groupby, distinct, ...
//! ```
//!
//! Groups and kinds are made on first sight by folding the filters with what is known, and kept
//! while there is room ([`MatchState`]). Order, run-time errors and side effects are those of
//! evaluating every filter in order: what could raise or act is never skipped, and after an
//! expression has changed the event, its kind is looked up anew for the scenarios that follow.

use overspill_bucket::{Key, ScenarioId};
use overspill_event::{Event, FieldMap, Schema, Slot};
use overspill_expr::{Bool, Context, EvalError, Services, Stash};

use crate::dims::Dims;
use crate::gates::GatesBuilder;
use crate::key::{Keyer, ScenarioKey};
use crate::kinds::{Index, Kinds};
use crate::plan::ScenarioPlan;
use crate::scans::Scans;

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
    kinds: Kinds,
    scans: Scans,
    /// Filters of the present kind that could hold, a bit each.
    open: Vec<u64>,
    scratch: Vec<u8>,
    group_text: Vec<u8>,
    /// Groupby expressions that gave no string.
    pub n_groupby_not_text: u64,
    /// `distinct` expressions that raised an error: the pour counts as one without a value.
    pub n_distinct_failed: u64,
    /// `cancel_on` expressions that raised an error: the bucket is not cancelled.
    pub n_cancel_failed: u64,
    /// Events whose kind was not remembered because there was no room.
    pub n_unremembered: u64,
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
            kinds: Kinds::bounded(entries_max),
            scans: Scans::default(),
            open: Vec::new(),
            scratch: Vec::new(),
            group_text: Vec::new(),
            n_groupby_not_text: 0,
            n_distinct_failed: 0,
            n_cancel_failed: 0,
            n_unremembered: 0,
        }
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
        let dims = Dims::of(filters.iter());
        let mut gates = GatesBuilder::default();
        for filter in &filters {
            gates.add(filter, &dims);
        }
        let is_primary = |slot: Slot| {
            ["log_type", "service"]
                .iter()
                .any(|name| schema.slot(FieldMap::Meta, name.as_bytes()) == Some(slot))
        };
        let keys = scenarios
            .iter()
            .map(|scenario| keyer.scenario(scenario.filter.text(), &scenario.name))
            .collect();
        let index = Index::new(filters, dims, gates.build(), is_primary);
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
        let mut kinds = std::mem::take(&mut state.kinds);
        let mut open = std::mem::take(&mut state.open);
        let done = self.open_of(&mut kinds, &mut open, event, state, cx, hits);
        state.kinds = kinds;
        state.open = open;
        done
    }

    fn open_of(
        &self,
        kinds: &mut Kinds,
        open: &mut Vec<u64>,
        event: &mut Event,
        state: &mut MatchState,
        cx: &mut Outside<'_>,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Abandoned> {
        let mut first = 0;
        loop {
            let kind = kinds.find(&self.index, event, &mut state.n_unremembered);
            kind.open(&self.index.gates, event, &mut state.scans, open);
            let n_writes = event.n_writes();
            let from = first;
            let mut todo = kind
                .entries(open)
                .skip_while(|entry| entry.scenario < from);
            // Once an expression changed the event, what was known of it no longer counts.
            while event.n_writes() == n_writes {
                let Some(entry) = todo.next() else {
                    return Ok(());
                };
                let number = entry.scenario;
                first = number + 1;
                let rest = entry.rest.as_ref();
                if rest.map_or(Ok(true), |rest| self.holds(number, rest, event, cx))? {
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
        for (number, filter) in self.index.filters.iter().enumerate().skip(first) {
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
