//! Expressions that look into a bucket: conditions, bayesian conditions, overflow filters.

use std::sync::Arc;

use overspill_bucket::{BucketView, Judge, Overflow, Stamp};
use overspill_decision::{AlertBuilder, mapkey};
use overspill_event::Event;
use overspill_expr::{
    Context, EvalError, LeakyObject, LeakyView, NoStash, OverflowObject, Program, QueueObject,
    Tail, Value,
};
use overspill_golike::time::Time;
use overspill_matcher::ScenarioPlan;

use crate::alerts::{self, decode};
use crate::plan::Plan;

/// Decoded events that are kept for the next question; conditions ask about the same queue again.
const EVENTS_MAX: usize = 1_024;

/// Answers the bucket table's questions with a plan's programs.
#[derive(Debug)]
pub(crate) struct PlanJudge {
    plan: Arc<Plan>,
    /// Events by what buckets keep of them.
    events: rustc_hash::FxHashMap<Box<[u8]>, Arc<Event>>,
    /// An empty event, for conditions that look at the queue only.
    blank: Option<Event>,
    /// Expressions that raised an error, or gave no boolean.
    pub(crate) n_errors: u64,
}

impl PlanJudge {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            events: rustc_hash::FxHashMap::default(),
            blank: None,
            n_errors: 0,
        }
    }

    fn event(&mut self, kept: &[u8]) -> Option<Arc<Event>> {
        if let Some(event) = self.events.get(kept) {
            return Some(Arc::clone(event));
        }
        let event = Arc::new(decode(&self.plan, kept)?);
        if self.events.len() >= EVENTS_MAX {
            self.events.clear();
        }
        self.events.insert(kept.into(), Arc::clone(&event));
        Some(event)
    }

    /// The last events of a queue that a condition depends on, newest first.
    fn last<'q>(
        &mut self,
        tail: &Tail,
        newest_first: &mut dyn Iterator<Item = &'q [u8]>,
    ) -> Vec<&'q [u8]> {
        let plan = Arc::clone(&self.plan);
        let counts = |kept: &&[u8]| {
            self.event(kept)
                .is_some_and(|event| tail.counts(&event, &plan.services))
        };
        newest_first.filter(counts).take(tail.limit()).collect()
    }

    /// `queue` of a bucket, and `leaky` if there is a view for it.
    fn variables(
        &mut self,
        scenario: &ScenarioPlan,
        view: Option<LeakyView>,
        queue: &mut dyn Iterator<Item = &[u8]>,
    ) -> (Value, Value) {
        let events: Vec<Arc<Event>> = queue.filter_map(|kept| self.event(kept)).collect();
        let limit = scenario
            .bucket
            .retained()
            .map_or(-1, |n| i64::try_from(n).unwrap_or(-1) - 1);
        let queue = QueueObject::new(events.into(), limit);
        let leaky = view.map_or(Value::Nil, |view| {
            Value::object(LeakyObject::new(view, queue.clone()))
        });
        (Value::object(queue), leaky)
    }

    fn ask(
        &mut self,
        view: &BucketView<'_>,
        event: &[u8],
        program: impl Fn(&ScenarioPlan) -> Option<&Program>,
    ) -> Option<bool> {
        let plan = Arc::clone(&self.plan);
        let scenario = plan.rules.scenario(view.scenario)?;
        let program = program(scenario)?;
        let mut event = match program.reads().event {
            true => decode(&plan, event)?,
            false => self
                .blank
                .take()
                .unwrap_or_else(|| Event::new(Arc::clone(&plan.schema))),
        };
        let leaky = program
            .reads()
            .reads_variable(1)
            .then(|| leaky_view(scenario, view.first(), view.last(), view.total()));
        let (queue, leaky) = match program.tail() {
            None => self.variables(scenario, leaky, &mut view.queue()),
            Some(tail) => {
                let last = self.last(tail, &mut view.queue().rev());
                self.variables(scenario, leaky, &mut last.into_iter().rev())
            }
        };
        let now = view.last().map_or(Time::ZERO, time_of);
        let mut context = Context {
            evt: Some(&mut event),
            vars: &[queue, leaky],
            stash: &mut NoStash,
            services: &plan.services,
            now,
        };
        let answer = program.eval_bool(&mut context);
        if !program.reads().event {
            self.blank = Some(event);
        }
        self.answer(&scenario.name, "condition", answer)
    }

    /// Counts an error and logs the 1st, 2nd, 4th ...: whoever writes log lines must not be able to
    /// fill ours.
    fn answer(
        &mut self,
        scenario: &str,
        what: &str,
        answer: Result<bool, EvalError>,
    ) -> Option<bool> {
        answer
            .map_err(|error| {
                self.n_errors += 1;
                if self.n_errors.is_power_of_two() {
                    let text = format!("{what} of scenario `{scenario}` failed: {error}");
                    self.plan.services.log.warn(&text);
                }
            })
            .ok()
    }
}

impl Judge for PlanJudge {
    fn condition(&mut self, event: &[u8], bucket: &BucketView<'_>) -> bool {
        self.ask(bucket, event, |scenario| scenario.condition.as_ref())
            .unwrap_or(false)
    }

    fn bayesian(&mut self, index: usize, event: &[u8], bucket: &BucketView<'_>) -> Option<bool> {
        self.ask(bucket, event, |scenario| scenario.bayesian.get(index))
    }

    fn overflow_filter(&mut self, overflow: &Overflow) -> bool {
        let plan = Arc::clone(&self.plan);
        let Some(scenario) = plan.rules.scenario(overflow.scenario) else {
            return true;
        };
        let Some(program) = &scenario.overflow_filter else {
            return true;
        };
        let first = Some(overflow.first);
        let view = LeakyView {
            overflow: time_of(overflow.overflow),
            ..leaky_view(scenario, first, Some(overflow.last), overflow.total)
        };
        let (queue, leaky) = self.variables(scenario, Some(view), &mut overflow.queue.iter());
        let signal = alerts::build(&plan, &AlertBuilder::default(), overflow).unwrap_or_default();
        let vars = [
            queue,
            Value::object(OverflowObject::new(Arc::new(signal))),
            leaky,
        ];
        let mut context = Context {
            evt: None,
            vars: &vars,
            stash: &mut NoStash,
            services: &plan.services,
            now: time_of(overflow.overflow),
        };
        let answer = program.eval_bool(&mut context);
        self.answer(&scenario.name, "overflow_filter", answer)
            .unwrap_or(true)
    }
}

/// A bucket's stamp as a time.
pub(crate) fn time_of(stamp: Stamp) -> Time {
    Time {
        offset_secs: stamp.zone_secs,
        ..Time::from_unix_ns(stamp.ns)
    }
}

fn leaky_view(
    scenario: &ScenarioPlan,
    first: Option<Stamp>,
    last: Option<Stamp>,
    total: u32,
) -> LeakyView {
    LeakyView {
        mapkey: mapkey(
            scenario.filter.text().as_bytes(),
            b"",
            scenario.name.as_bytes(),
        ),
        scenario: scenario.name.to_string(),
        uuid: String::new(),
        first: first.map_or(Time::ZERO, time_of),
        last: last.map_or(Time::ZERO, time_of),
        overflow: Time::ZERO,
        total: i64::from(total),
        duration_ns: scenario.bucket.span_ns(),
        capacity: i64::from(scenario.capacity),
    }
}
