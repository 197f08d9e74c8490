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

use crate::alerts;
use crate::evidence::{Cache, Reader};
use crate::plan::Plan;

/// Answers the bucket table's questions with a plan's programs.
#[derive(Debug)]
pub(crate) struct PlanJudge {
    plan: Arc<Plan>,
    cache: Cache,
    /// For overflow filters, which see the alert.
    reader: Reader,
    /// The event just poured, for conditions that look at it; anything for those that do not.
    poured: Event,
    /// The queue as a condition sees it, in its order.
    queue: Vec<Arc<Event>>,
    /// Expressions that raised an error, or gave no boolean.
    pub(crate) n_errors: u64,
}

impl PlanJudge {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self {
            cache: Cache::new(&plan.schema),
            reader: Reader::new(&plan.schema),
            poured: Event::new(Arc::clone(&plan.schema)),
            queue: Vec::new(),
            plan,
            n_errors: 0,
        }
    }

    /// Puts the events of a queue at hand, oldest first.
    fn read<'q>(&mut self, queue: impl Iterator<Item = &'q [u8]>) {
        self.queue.clear();
        let Self {
            cache, queue: out, ..
        } = self;
        out.extend(queue.filter_map(|kept| cache.event(kept).cloned()));
    }

    /// Puts the last events of a queue at hand that a condition depends on; answers what it says if
    /// that is seen by them.
    fn read_last<'q>(
        &mut self,
        tail: &Tail,
        newest_first: impl Iterator<Item = &'q [u8]>,
    ) -> Option<bool> {
        self.queue.clear();
        let services = &self.plan.services;
        for kept in newest_first {
            if let Some(event) = self.cache.event(kept)
                && tail.counts(event, services)
            {
                self.queue.push(Arc::clone(event));
                if self.queue.len() >= tail.limit() {
                    break;
                }
            }
        }
        self.queue.reverse();
        tail.decide(&self.queue)
    }

    /// `queue` of a bucket, whose events are at hand, and `leaky` if there is a view for it.
    fn variables(&mut self, scenario: &ScenarioPlan, view: Option<LeakyView>) -> [Value; 2] {
        let limit = scenario
            .bucket
            .retained()
            .map_or(-1, |n| i64::try_from(n).unwrap_or(-1) - 1);
        let queue = QueueObject::new(self.queue.drain(..).collect(), limit);
        let leaky = view.map_or(Value::Nil, |view| {
            Value::object(LeakyObject::new(view, queue.clone()))
        });
        [Value::object(queue), leaky]
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
        match program.tail() {
            None => self.read(view.queue()),
            Some(tail) => {
                let decided = self.read_last(tail, view.queue().rev());
                if decided.is_some() {
                    return decided;
                }
            }
        }
        if program.reads().event {
            self.poured.decode_again(event).ok()?;
        }
        let leaky = program
            .reads()
            .reads_variable(1)
            .then(|| leaky_view(scenario, view.first(), view.last(), view.total()));
        let vars = self.variables(scenario, leaky);
        let now = view.last().map_or(Time::ZERO, time_of);
        let mut context = Context {
            evt: Some(&mut self.poured),
            vars: &vars,
            stash: &mut NoStash,
            services: &plan.services,
            now,
        };
        let answer = program.eval_bool(&mut context);
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
        self.read(overflow.queue.iter());
        let [queue, leaky] = self.variables(scenario, Some(view));
        let builder = AlertBuilder::default();
        let signal = alerts::build(&plan, &builder, overflow, &mut self.reader).unwrap_or_default();
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
