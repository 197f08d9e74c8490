//! The reference: a plain simulation, pour after pour, written from the description of CrowdSec
//! (token bucket in floating point, as CrowdSec calculates it) and of the table's own rules.
//!
//! It forgets nothing and shares no code with the crate.

use std::collections::{BTreeMap, BTreeSet};

use overspill_bucket::{Key, Kind, Order, Spec, TableConfig, key_group};

use super::world::{EVENT_BYTES, Outcome, TestPour, expressions};

#[derive(Clone)]
struct Bucket {
    scenario: usize,
    tokens: f64,
    times: Option<(i64, i64)>,
    first_order: Order,
    total: u32,
    touched: i64,
    queue: Vec<u8>,
    seen: BTreeSet<[u64; 2]>,
    remembered: BTreeSet<usize>,
}

#[derive(Clone, Default)]
struct Cell {
    bucket: Option<Bucket>,
    holes: BTreeMap<usize, (i64, i64)>,
    last: Order,
    n_pours: u32,
    keep_until: Option<i64>,
}

pub(crate) struct Model<'a> {
    specs: &'a [Spec],
    config: TableConfig,
    cells: BTreeMap<Key, Cell>,
    pub(crate) outcomes: Vec<Outcome>,
}

/// All outcomes of these pours, sorted; the input ends at `end`.
pub(crate) fn outcomes(
    specs: &[Spec],
    config: TableConfig,
    pours: &[TestPour],
    end: i64,
) -> Vec<Outcome> {
    let mut model = Model {
        specs,
        config,
        cells: BTreeMap::new(),
        outcomes: Vec::new(),
    };
    let mut pours = pours.to_vec();
    pours.sort_by_key(|pour| pour.pour.order);
    for pour in &pours {
        model.fire_all(pour.pour.order.eff_ns - 1);
        model.forget(pour.pour.order.eff_ns);
        model.pour(pour);
        model.evict(key_group(pour.pour.key));
    }
    model.fire_all(end);
    model.outcomes.sort();
    model.outcomes
}

fn seconds(ns: i64) -> f64 {
    (ns / 1_000_000_000) as f64 + (ns % 1_000_000_000) as f64 / 1e9
}

impl Model<'_> {
    fn grace_end(&self, bucket: &Bucket) -> i64 {
        let span = self.specs[bucket.scenario].span_ns();
        bucket
            .touched
            .saturating_add(span)
            .saturating_add(self.config.grace_ns)
    }

    fn deadline(&self, bucket: &Bucket) -> Option<i64> {
        let spec = &self.specs[bucket.scenario];
        let deadline = bucket.times?.0.saturating_add(spec.span_ns());
        (spec.is_timed() && deadline <= self.grace_end(bucket)).then_some(deadline)
    }

    fn fire_all(&mut self, upto: i64) {
        for key in self.cells.keys().copied().collect::<Vec<Key>>() {
            let mut cell = self.cells[&key].clone();
            let deadline = cell
                .bucket
                .as_ref()
                .and_then(|bucket| self.deadline(bucket));
            if let Some(deadline) = deadline.filter(|&deadline| deadline <= upto) {
                let bucket = cell.bucket.take().unwrap();
                let eff_ns = deadline.max(bucket.touched);
                let order = Order {
                    eff_ns,
                    ..bucket.first_order
                };
                self.overflow(key, &mut cell, &bucket, deadline, order);
            }
            self.cells.insert(key, cell);
        }
    }

    /// Cells vanish where a multiple of 2^30 ns passes that lies after all they were kept for.
    fn forget(&mut self, eff: i64) {
        let boundary = eff.div_euclid(1 << 30) * (1 << 30);
        self.cells
            .retain(|_, cell| cell.keep_until.is_none_or(|until| until >= boundary));
    }

    fn pour(&mut self, test_pour: &TestPour) {
        let pour = &test_pour.pour;
        let eff = pour.order.eff_ns;
        let mut cell = self.cells.remove(&pour.key).unwrap_or_default();
        cell.last = pour.order;
        cell.n_pours += 1;
        cell.keep_until = cell.keep_until.max(Some(eff));
        if let Some(bucket) = &cell.bucket {
            let spec = &self.specs[bucket.scenario];
            let is_past = |time: i64| {
                bucket
                    .times
                    .is_some_and(|(_, last)| time > last.saturating_add(spec.span_ns()))
            };
            let is_expired = !spec.is_timed() && pour.time.is_some_and(|time| is_past(time.ns));
            if is_expired || eff > self.grace_end(bucket) {
                cell.bucket = None;
            }
        }
        let mut bucket = cell.bucket.take().unwrap_or_else(|| Bucket {
            scenario: pour.scenario.0 as usize,
            tokens: self.specs[pour.scenario.0 as usize].capacity as f64,
            times: None,
            first_order: pour.order,
            total: 0,
            touched: eff,
            queue: Vec::new(),
            seen: BTreeSet::new(),
            remembered: BTreeSet::new(),
        });
        match self.pour_into(&mut bucket, test_pour) {
            Verdict::Dies => {}
            Verdict::Lives => {
                cell.keep_until = cell.keep_until.max(Some(self.grace_end(&bucket)));
                cell.bucket = Some(bucket);
            }
            Verdict::Overflows(at) => {
                self.overflow(pour.key, &mut cell, &bucket, at, pour.order);
            }
        }
        self.cells.insert(pour.key, cell);
    }

    fn pour_into(&self, bucket: &mut Bucket, test_pour: &TestPour) -> Verdict {
        let TestPour { pour, event } = test_pour;
        let spec = &self.specs[bucket.scenario];
        let eff = pour.order.eff_ns;
        if spec.kind == Kind::Trigger {
            let at = pour.time.map_or(eff, |time| time.ns);
            bucket.times = Some((at, at));
            bucket.total = 1;
            bucket.queue = vec![*event];
            return Verdict::Overflows(at);
        }
        if spec.distinct
            && pour
                .distinct
                .is_some_and(|value| !bucket.seen.insert(value))
        {
            return Verdict::Lives;
        }
        if spec.cancel_on && pour.cancel {
            return Verdict::Dies;
        }
        bucket.touched = eff;
        let mut is_over = false;
        if let Some(time) = pour.time.map(|time| time.ns) {
            is_over = !self.allow(bucket, time) && spec.kind != Kind::Conditional;
            bucket.total += 1;
            if bucket.times.is_none() {
                bucket.first_order = pour.order;
            }
            bucket.times = Some((bucket.times.map_or(time, |(first, _)| first), time));
            let unlimited = self.config.queue_len_max as u64;
            let retained = spec.retained().unwrap_or(unlimited).min(unlimited) as usize;
            let fitting = self.config.queue_bytes_max as usize / EVENT_BYTES;
            bucket.queue.push(*event);
            while bucket.queue.len() > retained.min(fitting).max(1) {
                bucket.queue.remove(0);
            }
        }
        is_over |= spec.condition && expressions::condition(*event, &bucket.queue);
        if spec.bayes.is_some() && !is_over {
            is_over = self.believes(bucket, *event);
        }
        match is_over {
            true => Verdict::Overflows(bucket.times.map_or(eff, |(_, last)| last)),
            false => Verdict::Lives,
        }
    }

    /// `golang.org/x/time/rate`, with all its floating point.
    fn allow(&self, bucket: &mut Bucket, time: i64) -> bool {
        let spec = &self.specs[bucket.scenario];
        if spec.capacity == -1 || spec.leak_ns <= 0 {
            return true;
        }
        let limit = 1.0 / seconds(spec.leak_ns);
        let mut tokens = bucket.tokens;
        if let Some((_, last)) = bucket.times {
            tokens += seconds((time - last).max(0)) * limit;
        }
        tokens = tokens.min(spec.capacity as f64) - 1.0;
        let wait_ns = if tokens < 0.0 {
            ((-tokens / limit) * 1e9) as i64
        } else {
            0
        };
        let is_allowed = spec.capacity >= 1 && wait_ns <= 0;
        if is_allowed {
            bucket.tokens = tokens;
        }
        is_allowed
    }

    fn believes(&self, bucket: &mut Bucket, event: u8) -> bool {
        let bayes = self.specs[bucket.scenario].bayes.as_ref().unwrap();
        let mut p = bayes.prior;
        for (index, condition) in bayes.conditions.iter().enumerate() {
            let is_remembered = condition.guillotine && bucket.remembered.contains(&index);
            let holds = match is_remembered {
                true => Some(true),
                false => expressions::bayesian(index, event, &bucket.queue),
            };
            let (evil, benign) = match holds {
                None => continue,
                Some(true) => (condition.evil, condition.benign),
                Some(false) => (1.0 - condition.evil, 1.0 - condition.benign),
            };
            if holds == Some(true) {
                bucket.remembered.insert(index);
            }
            p = (evil * p) / (evil * p + benign * (1.0 - p));
        }
        p > bayes.threshold
    }

    fn overflow(&mut self, key: Key, cell: &mut Cell, bucket: &Bucket, at: i64, order: Order) {
        let spec = &self.specs[bucket.scenario];
        if spec.overflow_filter && !expressions::overflow_filter(&bucket.queue) {
            return;
        }
        if let Some(blackhole) = spec.blackhole_ns {
            let hole = cell.holes.get(&bucket.scenario);
            if hole.is_some_and(|&(until, until_eff)| until > at && order.eff_ns <= until_eff) {
                return;
            }
            let until_eff = order
                .eff_ns
                .saturating_add(blackhole)
                .saturating_add(self.config.grace_ns);
            cell.holes
                .insert(bucket.scenario, (at + blackhole, until_eff));
            cell.holes
                .retain(|_, &mut (_, until_eff)| until_eff >= order.eff_ns);
            cell.keep_until = cell.keep_until.max(Some(until_eff));
        }
        let (first_ns, last_ns) = bucket.times.unwrap_or((at, bucket.touched));
        self.outcomes.push(Outcome {
            order,
            key,
            scenario: bucket.scenario as u32,
            first_ns,
            last_ns,
            overflow_ns: at,
            total: bucket.total,
            first_order: if bucket.times.is_some() {
                bucket.first_order
            } else {
                order
            },
            queue: bucket.queue.clone(),
        });
    }

    fn evict(&mut self, group: u16) {
        let keys_max = self.config.keys_per_group_max;
        let bytes_max = self.config.bytes_per_group_max as usize;
        let bytes_of = |cell: &Cell| {
            cell.bucket
                .as_ref()
                .map_or(0, |bucket| bucket.queue.len() * EVENT_BYTES)
        };
        let mut cells: Vec<(bool, Order, Key, usize)> = self
            .cells
            .iter()
            .filter(|(key, _)| key_group(**key) == group)
            .map(|(key, cell)| {
                let is_busy = cell.n_pours > 1 && cell.bucket.is_some();
                (
                    is_busy || !cell.holes.is_empty(),
                    cell.last,
                    *key,
                    bytes_of(cell),
                )
            })
            .collect();
        cells.sort();
        let (mut n_keys, mut n_bytes) = (cells.len(), cells.iter().map(|cell| cell.3).sum());
        let target = |n: usize, max: usize| if n > max { max - max / 8 } else { usize::MAX };
        let (keys_target, bytes_target) = (target(n_keys, keys_max), target(n_bytes, bytes_max));
        for (_, _, key, bytes) in cells {
            if n_keys <= keys_target && n_bytes <= bytes_target {
                break;
            }
            self.cells.remove(&key);
            n_keys -= 1;
            n_bytes -= bytes;
        }
    }
}

enum Verdict {
    Dies,
    Lives,
    Overflows(i64),
}
