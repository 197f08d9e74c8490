//! One event through the stages: `Parse` of `pkg/parser/runtime.go` and the nodes of
//! `pkg/parser/node.go`, step by step.
//!
//! ```text
//! stage:  for each top-level node until one with next_stage succeeds or the event has moved
//! node:   filter -> whitelist -> grok and its statics -> stash -> children -> statics -> move on
//! ```

mod grok;
mod statics;

use std::sync::Arc;

use overspill_event::{Event, EventKind, Slot, Span, TextField};
use overspill_expr::{Context, EvalError, Program, Services};
use overspill_memo::{Asked, Memo};

use crate::counts::{Counts, NodeCounts};
use crate::dispatch::{Choice, Seen, StageIndex};
use crate::node::Node;
use crate::observe::{Observer, Step};
use crate::outcome::{Outcome, Refusal};
use crate::plan::{ParserPlan, StagePlan};
use crate::recall::{Pure, Recalled};
use crate::state::ParserState;
use crate::whitelist::Whitelist;

use self::grok::GrokResult;
pub(crate) use self::statics::Block;

/// Values whose answer a filter of one field remembers, and their longest.
const ANSWERS: usize = 1_024;
const ANSWER_BYTES_MAX: usize = 64;

/// Takes an event through all stages.
///
/// An event without a stage begins with the first one; one that has a stage begins there. The
/// event's `process` and `whitelisted` are set as CrowdSec does, and a missing `time` becomes
/// [`ParserState::now`].
pub fn parse<O: Observer + ?Sized>(
    plan: &ParserPlan,
    event: &mut Event,
    state: &mut ParserState,
    services: &Services,
    observer: &mut O,
) -> Outcome {
    state.bind(plan);
    state.looked = None;
    state.stash.begin();
    event.process = false;
    if event.time.is_zero() {
        event.time = state.now().in_utc();
    }
    let mut run = Run {
        plan,
        event,
        state,
        services,
        observer,
        at: None,
        at_span: Span::ABSENT,
    };
    let outcome = match run.stages() {
        Ok(outcome) => outcome,
        Err(why) => Outcome::Dropped { why },
    };
    event.process = outcome == Outcome::Processed;
    if event.is_truncated() {
        state.counts.truncated += 1;
    }
    outcome
}

/// An event under way.
struct Run<'a, O: ?Sized> {
    plan: &'a ParserPlan,
    event: &'a mut Event,
    state: &'a mut ParserState,
    services: &'a Services,
    observer: &'a mut O,
    /// The stage that `evt.Stage` names, as long as its text is `at_span`.
    at: Option<usize>,
    at_span: Span,
}

impl<'a, O: Observer + ?Sized> Run<'a, O> {
    fn stages(&mut self) -> Result<Outcome, Refusal> {
        let plan = self.plan;
        if self.event.text(TextField::Stage).is_empty() {
            self.move_to(0);
        }
        for (number, stage) in plan.stages().iter().enumerate() {
            let at = self.stage();
            if at.is_some_and(|at| at > number) {
                continue;
            }
            // The stage before succeeded without handing the event over, or a node sent it back,
            // or to a stage that does not exist.
            if at != Some(number) || !self.run_stage(number)? {
                return Ok(Outcome::Unparsed {
                    stage: Arc::clone(&stage.name),
                });
            }
        }
        Ok(Outcome::Processed)
    }

    /// Runs the nodes of a stage; answers whether one succeeded.
    fn run_stage(&mut self, number: usize) -> Result<bool, Refusal> {
        let plan = self.plan;
        let Some((stage, index)) = plan.stage(number) else {
            return Ok(false);
        };
        let is_fast = self.is_fast();
        let mut choice = match is_fast {
            true => self.choose(number, stage, index),
            false => Choice::All,
        };
        let mut is_ok = false;
        let mut place = 0;
        while let Some(candidate) = self.state.dispatch.candidate(number, index, choice, place) {
            place += 1;
            let Some(node) = stage.nodes.get(candidate.node) else {
                continue;
            };
            let seen = (is_fast && candidate.alters).then(|| Seen::of(index, self.event));
            let success = match &node.pure {
                Some(pure) if is_fast => self.recalled(node, pure, candidate.passes)?,
                _ => self.node(node, 0, candidate.passes)?,
            };
            if self.observer.is_enabled() {
                self.observer.node(&stage.name, node, self.event, success);
            }
            is_ok |= success;
            if (success && node.next_stage) || self.stage() != Some(number) {
                break;
            }
            if seen.is_some_and(|seen| seen != Seen::of(index, self.event)) {
                choice = self.choose(number, stage, index);
                place = self
                    .state
                    .dispatch
                    .list(number, index, choice)
                    .partition_point(|next| next.node <= candidate.node);
            }
        }
        Ok(is_ok)
    }

    fn choose(&mut self, number: usize, stage: &StagePlan, index: &StageIndex) -> Choice {
        if let Some(known) = self.state.dispatch.find(number, index, self.event) {
            return known;
        }
        let candidates = index.resolve(&stage.nodes, &mut self.context());
        self.state.dispatch.insert(number, candidates)
    }

    /// As [`Run::node`], of a top-level node whose work may be remembered.
    fn recalled(&mut self, node: &'a Node, pure: &Pure, passes: bool) -> Result<bool, Refusal> {
        // Most nodes end here, for less than a look-up takes.
        if !passes && !self.filter(node, 0) {
            return Ok(false);
        }
        let ParserState {
            recall,
            nodes,
            counts,
            ..
        } = &mut *self.state;
        match recall.apply(pure, self.event, nodes, &self.services.geo) {
            Recalled::Known(success) => return Ok(success),
            Recalled::PassedBy => return self.node(node, 0, true),
            Recalled::New => recall.begin(pure, self.event, nodes, counts),
        }
        let success = self.node(node, 0, true)?;
        let ParserState {
            recall,
            nodes,
            counts,
            ..
        } = &mut *self.state;
        recall.keep(pure, self.event, nodes, counts, success);
        Ok(success)
    }

    /// Runs one node; answers whether it succeeded. `passes` spares its filter.
    ///
    /// Recursion is as deep as nodes are nested, which the plan limits.
    fn node(&mut self, node: &'a Node, depth: usize, passes: bool) -> Result<bool, Refusal> {
        self.step(depth, node, &Step::Entered);
        if !passes && !self.filter(node, depth) {
            return Ok(false);
        }
        self.count(node, |counts| &mut counts.hits);
        let is_whitelisted = self.whitelist(node, depth);
        let grok = self.grok(node, depth)?;
        if grok != GrokResult::Failed {
            self.stash(node, depth);
        }
        let mut success = grok != GrokResult::Failed;
        for child in &node.children {
            if self.node(child, depth + 1, false)? {
                success = true;
                if node.next_stage {
                    break;
                }
            } else if grok != GrokResult::Matched {
                // Without a grok of its own that matched, the last child decides.
                success = false;
            }
        }
        if success {
            self.count(node, |counts| &mut counts.ok);
            if is_whitelisted || !node.is_whitelist() {
                self.statics(node, Block::Node, &node.statics, depth)?;
            }
            if node.next_stage {
                self.move_on(node, depth);
            }
        } else {
            self.count(node, |counts| &mut counts.ko);
        }
        self.step(depth, node, &Step::Left { success });
        Ok(success)
    }

    fn filter(&mut self, node: &Node, depth: usize) -> bool {
        let Some(filter) = &node.filter else {
            return true;
        };
        let answer = match node.input {
            Some(slot) if self.is_fast() => self.remembered(node, filter, slot),
            _ => filter.eval_bool(&mut self.context()),
        };
        match answer {
            Ok(true) => true,
            Ok(false) => {
                if self.observer.is_enabled() {
                    let why = self.why_false(filter);
                    self.step(depth, node, &Step::FilteredOut(why));
                }
                false
            }
            Err(error) => {
                match error {
                    EvalError::NotBool { .. } => self.state.counts.filters_not_bool += 1,
                    _ => self.state.counts.filter_errors += 1,
                }
                self.warn(node, "filter", &error, |counts| {
                    counts.filter_errors + counts.filters_not_bool
                });
                self.step(depth, node, &Step::FilterFailed(&error));
                false
            }
        }
    }

    /// Whether the event is to be taken the fast way: nobody looks on, and it is not forbidden.
    fn is_fast(&self) -> bool {
        self.plan.is_indexed() && !self.observer.is_enabled()
    }

    /// The answer of a filter that reads one field only.
    fn remembered(&mut self, node: &Node, filter: &Program, slot: Slot) -> Result<bool, EvalError> {
        let span = self.event.span(slot);
        let memo = self.state.answers.entry(node.number);
        let memo = memo.or_insert_with(|| Memo::new(ANSWERS, ANSWER_BYTES_MAX));
        match memo.ask(self.event.bytes(span)) {
            Asked::Known(answer) => return Ok(*answer),
            Asked::PassedBy => return filter.eval_bool(&mut self.context()),
            Asked::New(_) => {}
        }
        let answer = filter.eval_bool(&mut self.context())?;
        let value = self.event.bytes(span);
        let memo = self.state.answers.get_mut(&node.number);
        if let Some(mut room) = memo.and_then(|memo| memo.room(value)) {
            *room.answer() = answer;
            room.keep(value);
        }
        Ok(answer)
    }

    /// Why a filter is false; asked of a copy of the event when asking changes it.
    fn why_false(&mut self, filter: &Program) -> Option<String> {
        if !filter.reads().effects {
            return filter.explain_false(&mut self.context());
        }
        let mut copy = self.event.clone();
        let mut cx = self.context();
        cx.evt = Some(&mut copy);
        filter.explain_false(&mut cx)
    }

    /// Whether this node's whitelist matches. Only the first that does marks the event.
    fn whitelist(&mut self, node: &Node, depth: usize) -> bool {
        let Some(whitelist) = &node.whitelist else {
            return false;
        };
        let is_listed = whitelist.contains_source(self.event, self.plan.slots())
            || self.whitelist_expression(node);
        if !is_listed {
            return false;
        }
        self.count(node, |counts| &mut counts.whitelisted);
        if !self.event.whitelisted {
            self.event.whitelisted = true;
            self.event
                .set_text(TextField::WhitelistReason, whitelist.reason().as_bytes());
            if self.event.kind == EventKind::Overflow
                && let Some(overflow) = &mut self.event.overflow
            {
                Arc::make_mut(overflow).whitelisted = true;
            }
        }
        self.step(
            depth,
            node,
            &Step::Whitelisted {
                reason: whitelist.reason(),
            },
        );
        true
    }

    fn whitelist_expression(&mut self, node: &Node) -> bool {
        match &node.whitelist {
            Some(whitelist) if whitelist.expressions().is_empty() => return false,
            Some(whitelist) if self.is_fast() => return self.open_expression(node, whitelist),
            _ => {}
        }
        let expressions = node
            .whitelist
            .iter()
            .flat_map(|whitelist| whitelist.expressions());
        for expression in expressions {
            let answer = expression.eval_bool(&mut self.context());
            if let Some(decided) = self.decided(node, answer) {
                return decided;
            }
        }
        false
    }

    /// As [`Run::whitelist_expression`], with the expressions that could hold.
    fn open_expression(&mut self, node: &Node, whitelist: &Whitelist) -> bool {
        let plan = self.plan;
        // Lent for the while, so that the rest of the state can be written to.
        let mut open = self.state.whitelists.take().unwrap_or_default();
        let end = whitelist.first + whitelist.expressions().len();
        let mut first = whitelist.first;
        let decided = 'decided: loop {
            let n_writes = self.event.n_writes();
            if self.state.looked != Some(n_writes) {
                open.look(plan.whitelists(), self.event);
                self.state.looked = Some(n_writes);
            }
            let mut place = open.place_of(first);
            // An expression may change the event, and with it what could hold.
            while self.event.n_writes() == n_writes {
                let entry = open.next(&mut place).filter(|entry| entry.number < end);
                let Some(entry) = entry else {
                    break 'decided false;
                };
                first = entry.number + 1;
                let answer = match &entry.rest {
                    None => Ok(true),
                    Some(rest) => rest.eval(&mut self.context()),
                };
                if let Some(decided) = self.decided(node, answer) {
                    break 'decided decided;
                }
            }
        };
        self.state.whitelists = Some(open);
        decided
    }

    /// What the answer of one expression makes of a whitelist; `None` to go on.
    fn decided(&mut self, node: &Node, answer: Result<bool, EvalError>) -> Option<bool> {
        match answer {
            Ok(true) => Some(true),
            Ok(false) => None,
            Err(EvalError::NotBool { .. }) => {
                self.state.counts.whitelists_not_bool += 1;
                None
            }
            Err(error) => {
                self.state.counts.whitelist_errors += 1;
                self.warn(node, "whitelist", &error, |counts| counts.whitelist_errors);
                Some(false)
            }
        }
    }

    fn stash(&mut self, node: &Node, depth: usize) {
        for write in &node.stash {
            let mut value = std::mem::take(&mut self.state.value);
            let mut key = std::mem::take(&mut self.state.key);
            value.clear();
            key.clear();
            let mut cx = self.context();
            let is_text = matches!(write.value.eval_str(&mut cx, &mut value), Ok(true))
                && matches!(write.key.eval_str(&mut cx, &mut key), Ok(true));
            if is_text {
                self.state
                    .stash
                    .set(write.cache, &key, &value, write.ttl_ns);
                let step = Step::Stashed {
                    cache: &write.name,
                    key: &key,
                    value: &value,
                };
                self.step(depth, node, &step);
            } else {
                self.state.counts.stash_skipped += 1;
            }
            self.state.value = value;
            self.state.key = key;
        }
    }

    /// The stage that `evt.Stage` names, if it is one of the plan's.
    fn stage(&mut self) -> Option<usize> {
        let span = self.event.text_span(TextField::Stage);
        if span != self.at_span {
            self.at = self.plan.stage_number(self.event.bytes(span));
            self.at_span = span;
        }
        self.at
    }

    fn move_to(&mut self, number: usize) {
        if let Some(stage) = self.plan.stages().get(number) {
            match self.plan.stage_text(number) {
                Some(name) => self.event.set_text_span(TextField::Stage, name),
                None => self.event.set_text(TextField::Stage, stage.name.as_bytes()),
            }
            self.at = Some(number);
            self.at_span = self.event.text_span(TextField::Stage);
        }
    }

    /// To the stage after the event's own, wherever the node is; from an unknown stage that is
    /// the first one, and from the last one there is none.
    fn move_on(&mut self, node: &Node, depth: usize) {
        let next = self.stage().map_or(0, |at| at + 1);
        self.move_to(next);
        if let Some(stage) = self.plan.stages().get(next) {
            self.step(depth, node, &Step::MovedTo { stage: &stage.name });
        }
    }

    fn context(&mut self) -> Context<'_> {
        let now = self.state.now();
        Context {
            evt: Some(&mut *self.event),
            vars: &[],
            stash: &mut self.state.stash,
            services: self.services,
            now,
        }
    }

    fn step(&mut self, depth: usize, node: &Node, step: &Step<'_>) {
        if self.observer.is_enabled() {
            self.observer.step(depth, node, self.event, step);
        }
    }

    fn count(&mut self, node: &Node, counter: impl Fn(&mut NodeCounts) -> &mut u64) {
        if let Some(counts) = self.state.nodes.get_mut(node.number) {
            *counter(counts) += 1;
        }
    }

    /// Logs the 1st, 2nd, 4th, 8th ... error of a kind: whoever writes log lines must not be able
    /// to fill ours.
    fn warn(&self, node: &Node, what: &str, error: &EvalError, count: impl Fn(&Counts) -> u64) {
        let n = count(&self.state.counts);
        if n.is_power_of_two() {
            let message = format!("{what} of node `{}` failed: {error}", node.name);
            self.services.log.warn(&message);
        }
    }
}

#[cfg(test)]
mod tests;
