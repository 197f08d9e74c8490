//! What the lines of each source came to, in a job that does not end.
//!
//! The counters of nodes and scenarios that a worker has anyway are swapped for those of the source whose lines
//! follow, so counting by source costs a look-up for a few dozen lines, and nothing for each.

use std::collections::BTreeMap;

use overspill_event::Origin;
use overspill_parser::{NodeTally, ParserState};

use crate::line::LineWorker;
use crate::plan::Plan;
use crate::stats::Stats;

/// Sources that a worker tells apart; the lines of further ones count as those of one called `other`.
const SOURCES_MAX: usize = 1_024;

/// Lanes whose source is remembered; then they are looked up anew.
const LANES_MAX: usize = 4_096;

/// The source of lines that have none of their own.
const OTHER: &str = "other";

/// What is called a source here: path, module, and the label `type`.
type Name = (String, String, String);

/// Counters of one source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    outcomes: Outcomes,
    nodes: NodeTally,
    pours: Vec<u64>,
}

/// What lines came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Lines that were read.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Lines that reached the scenarios.
    pub parsed: u64,
    /// Lines that no parser of some stage understood.
    pub unparsed: u64,
    /// Lines that a whitelist took out.
    pub whitelisted: u64,
    /// Lines lost to an error of a parser.
    pub refused: u64,
}

impl Outcomes {
    fn of(stats: &Stats) -> Self {
        Self {
            lines: stats.lines,
            bytes: stats.bytes,
            parsed: stats.parsed,
            unparsed: stats.unparsed,
            whitelisted: stats.whitelisted,
            refused: stats.refused,
        }
    }

    fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.parsed += other.parsed;
        self.unparsed += other.unparsed;
        self.whitelisted += other.whitelisted;
        self.refused += other.refused;
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            lines: self.lines - before.lines,
            bytes: self.bytes - before.bytes,
            parsed: self.parsed - before.parsed,
            unparsed: self.unparsed - before.unparsed,
            whitelisted: self.whitelisted - before.whitelisted,
            refused: self.refused - before.refused,
        }
    }
}

/// Counters of all sources of a worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tallies {
    by_name: BTreeMap<Name, Tally>,
    /// The source of each lane that was seen.
    of_lane: BTreeMap<usize, Name>,
}

impl Tallies {
    /// Lets a worker count what follows for the source of a lane; to be given back by [`Tallies::end`].
    pub(crate) fn begin(
        &mut self,
        lane: usize,
        origin: &Origin,
        worker: &mut LineWorker,
        state: &mut ParserState,
    ) -> Outcomes {
        self.swap(lane, origin, worker, state);
        Outcomes::of(&worker.stats)
    }

    /// The worker has counted some lines, beginning at `before`.
    pub(crate) fn end(
        &mut self,
        lane: usize,
        origin: &Origin,
        before: &Outcomes,
        worker: &mut LineWorker,
        state: &mut ParserState,
    ) {
        let outcomes = Outcomes::of(&worker.stats).since(before);
        self.swap(lane, origin, worker, state)
            .outcomes
            .add(&outcomes);
    }

    fn swap(
        &mut self,
        lane: usize,
        origin: &Origin,
        worker: &mut LineWorker,
        state: &mut ParserState,
    ) -> &mut Tally {
        let tally = self.of(lane, origin);
        state.swap_nodes(&mut tally.nodes);
        worker.swap_pours(&mut tally.pours);
        tally
    }

    fn of(&mut self, lane: usize, origin: &Origin) -> &mut Tally {
        let by_name = &self.by_name;
        if self.of_lane.len() >= LANES_MAX {
            self.of_lane.clear();
        }
        let name = self.of_lane.entry(lane).or_insert_with(|| {
            let kind = origin.labels.iter().find(|(label, _)| label == "type");
            let kind = kind.map_or("", |(_, kind)| kind.as_str());
            let name = (origin.src.clone(), origin.module.clone(), kind.to_owned());
            if by_name.len() < SOURCES_MAX || by_name.contains_key(&name) {
                return name;
            }
            [OTHER; 3].map(str::to_owned).into()
        });
        self.by_name.entry(name.clone()).or_default()
    }

    /// Adds those of another worker.
    pub(crate) fn add(&mut self, other: &Self) {
        for (name, tally) in &other.by_name {
            let sum = self.by_name.entry(name.clone()).or_default();
            sum.outcomes.add(&tally.outcomes);
            sum.nodes.add(&tally.nodes);
            add_all(&mut sum.pours, &tally.pours);
        }
    }

    /// Adds what was counted for sources and nowhere else.
    pub(crate) fn count(&self, stats: &mut Stats, pours: &mut Vec<u64>, plan: &Plan) {
        for tally in self.by_name.values() {
            stats.count_nodes(&tally.nodes, &plan.parsers);
            add_all(pours, &tally.pours);
        }
    }

    pub(crate) fn views(&self, plan: &Plan) -> Vec<SourceView> {
        let by_name = self.by_name.iter();
        by_name
            .map(|((src, module, kind), tally)| {
                let mut nodes = Vec::new();
                tally.nodes.each(&plan.parsers, &mut |stage, node, counts| {
                    let whitelist = node.whitelist.as_ref();
                    let whitelist = whitelist.filter(|whitelist| whitelist.has_entries());
                    nodes.push(NodeView {
                        stage: stage.to_owned(),
                        name: node.name.to_string(),
                        hits: counts.hits,
                        ok: counts.ok,
                        ko: counts.ko,
                        whitelist: whitelist
                            .map(|whitelist| (whitelist.reason().to_owned(), counts.whitelisted)),
                    });
                });
                let scenarios = plan.rules.scenarios().iter().zip(&tally.pours);
                let pours = scenarios
                    .filter(|(_, n)| **n > 0)
                    .map(|(scenario, n)| (scenario.name.to_string(), *n))
                    .collect();
                SourceView {
                    src: src.clone(),
                    module: module.clone(),
                    kind: kind.clone(),
                    outcomes: tally.outcomes,
                    nodes,
                    pours,
                }
            })
            .collect()
    }
}

fn add_all(sums: &mut Vec<u64>, counts: &[u64]) {
    if sums.len() < counts.len() {
        sums.resize(counts.len(), 0);
    }
    for (sum, n) in sums.iter_mut().zip(counts) {
        *sum += n;
    }
}

/// A source, as an onlooker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceView {
    /// Path, topic, peer, ...: `evt.Line.Src` of the partition.
    pub src: String,
    /// `file`, `kafka`, ...: `evt.Line.Module`.
    pub module: String,
    /// The label `type`.
    pub kind: String,
    /// What its lines came to.
    pub outcomes: Outcomes,
    /// The nodes that were hit, in the order of the plan.
    pub nodes: Vec<NodeView>,
    /// Pours by scenario, in the order of the plan.
    pub pours: Vec<(String, u64)>,
}

/// A node of a parser, as an onlooker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its stage.
    pub stage: String,
    /// Its name.
    pub name: String,
    /// Lines that passed its filter.
    pub hits: u64,
    /// Of these, successes.
    pub ok: u64,
    /// Of these, failures.
    pub ko: u64,
    /// The reason of its whitelist, if it has one, and how many lines that took out.
    pub whitelist: Option<(String, u64)>,
}
