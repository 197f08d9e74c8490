//! Checkpoints: asked for, put together of the parts of all processes, committed, and only then told to the sources.
//! The keeper is a thread of process 0.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::{Receiver, Sender, select};
use overspill_checkpoint as store;
use overspill_checkpoint::{
    Depth, Generation, Layout, ManifestParts, PieceKey, RestartPoints, Vault,
};
use overspill_connectors::source::Clock;
use overspill_dataflow::checkpoint::Piece;
use overspill_dataflow::post::Letter;
use overspill_dataflow::restart::StashBytes;

use super::journal::{Ack, Cursors};
use super::message::{self, Message, Peers};
use super::metrics::Meters;
use super::outlet::{Name, Point};
use super::part::{Part, PartMaker, load, stash_name};
use super::reload::Reload;
use super::sources::{Committed, Told};
use super::{LOOK, Word};
use crate::wire::chain;

/// Name of where the alerts stand, among the cursors of a checkpoint.
const ALERTS: &str = "alerts";
/// Name of the list of sources among the cursors of a checkpoint.
const SOURCES: &str = "sources";

/// What a checkpoint says beside the states.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) points: BTreeMap<Name, Point>,
    /// Sources that were read, with partitions or without.
    pub(crate) sources: BTreeSet<String>,
    /// Where alerts were written up to.
    pub(crate) alerts: Cursors,
}

impl Kept {
    /// Of a checkpoint that was found.
    pub(crate) fn of(found: &store::Restored) -> Result<Self> {
        let parts = &found.manifest().parts;
        let mut points = BTreeMap::new();
        for (source, partitions) in &parts.partitions {
            for (name, kept) in partitions {
                let place = || format!("checkpoint: source {source}: partition {name}");
                let name = (source.clone(), name.clone());
                let mut point = load(kept).with_context(place)?;
                let stash = found.blob(&stash_name(&name)).with_context(place)?;
                point.stash = stash.map(Into::into);
                points.insert(name, point);
            }
        }
        let alerts = parts.cursors.get(ALERTS).cloned();
        let alerts = alerts
            .map(serde_json::from_value)
            .transpose()
            .context("checkpoint: where the alerts stand")?
            .unwrap_or_default();
        let sources = parts.cursors.get(SOURCES).cloned();
        let sources = sources
            .map(serde_json::from_value)
            .transpose()
            .context("checkpoint: its sources")?
            .unwrap_or_default();
        Ok(Self {
            points,
            sources,
            alerts,
        })
    }

    /// What parsers remember of partitions.
    pub(crate) fn stashes(&self) -> BTreeMap<Name, StashBytes> {
        let points = self.points.iter();
        points
            .filter_map(|(name, point)| Some((name.clone(), point.stash.clone()?)))
            .collect()
    }

    /// A machine has another name now, and so have its sources; also with the keeper, in the process that has it.
    pub(crate) fn rename_node(&mut self, from: &str, to: &str, mut keeper: Option<&mut Keeper>) {
        let renamed = |key: &str| {
            let rest = key.strip_prefix(from)?.strip_prefix('/')?;
            Some(format!("{to}/{rest}"))
        };
        for ((source, name), point) in std::mem::take(&mut self.points) {
            let key = renamed(&source).unwrap_or(source);
            self.points.insert((key, name), point);
        }
        for source in std::mem::take(&mut self.sources) {
            let key = renamed(&source);
            if let (Some(keeper), Some(key)) = (&mut keeper, &key) {
                keeper.rename(&source, key);
            }
            self.sources.insert(key.unwrap_or(source));
        }
    }
}

/// Makes checkpoints.
pub(crate) struct Keeper {
    generation: Generation,
    restored_ns: Option<i64>,
    /// Where all partitions of all processes stand.
    points: RestartPoints,
    meters: Arc<Meters>,
}

/// What a keeper works with.
pub(crate) struct Surroundings {
    /// Asks the job.
    pub(crate) wanted: Arc<AtomicU64>,
    pub(crate) pieces: Receiver<Piece>,
    pub(crate) maker: PartMaker,
    /// Asks the journal.
    pub(crate) asked_ns: Arc<AtomicI64>,
    pub(crate) acked: Receiver<Ack>,
    /// The other processes, and what they say.
    pub(crate) peers: Peers,
    pub(crate) letters: Receiver<Letter>,
    /// Tells each source of this process.
    pub(crate) committed: Committed,
    /// Sources that are known.
    pub(crate) sources: BTreeSet<String>,
    pub(crate) content: Vec<String>,
    pub(crate) every: Duration,
    pub(crate) clock: Clock,
    pub(crate) words: Sender<Word>,
    pub(crate) reload: Arc<Reload>,
    /// Set when the job is to end in order.
    pub(crate) stop: Arc<AtomicBool>,
    /// The next one is the last.
    pub(crate) is_last: Arc<AtomicBool>,
    /// Ends the job.
    pub(crate) halt: Arc<AtomicBool>,
}

/// A checkpoint that is being made.
#[derive(Debug, Default)]
struct Round {
    /// Its event time, once the workers of this process have settled it.
    upto_ns: Option<i64>,
    cursors: Option<Cursors>,
    /// What each process has done; none for one that could not.
    parts: BTreeMap<usize, Option<Part>>,
    told: Told,
}

impl Keeper {
    /// Begins a generation: nobody else commits to this store from here on.
    pub(crate) fn begin(vault: &Vault, now_ns: i64, meters: &Arc<Meters>) -> Result<Self> {
        let generation = vault
            .begin_generation(now_ns)
            .map_err(|error| anyhow!(chain(&error)))
            .context("begin to write checkpoints")?;
        meters.checkpoints.began(generation.number());
        Ok(Self {
            generation,
            restored_ns: None,
            points: RestartPoints::new(),
            meters: Arc::clone(meters),
        })
    }

    /// Number of the generation.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.number()
    }

    /// The newest checkpoint that is whole.
    pub(crate) fn restore(&mut self, words: &Sender<Word>) -> Result<Option<store::Restored>> {
        let found = self
            .generation
            .restore(Depth::Whole)
            .map_err(|error| anyhow!(chain(&error)))
            .context("look for the newest checkpoint")?;
        for skipped in &found.skipped {
            let text = format!(
                "checkpoint {} cannot be used, so an older one is: {}",
                skipped.number, skipped.damage
            );
            let _no_room = words.try_send(Word::Trouble(text));
        }
        if found.restored.is_none() && !found.skipped.is_empty() {
            bail!(
                "no checkpoint can be used, and starting without one would forget what was counted; \
                 move them away to do that"
            );
        }
        if let Some(restored) = &found.restored {
            let parts = &restored.manifest().parts;
            self.restored_ns = Some(parts.as_of_ns);
            self.points = parts.partitions.clone();
        }
        Ok(found.restored)
    }

    /// A source has another name than in the checkpoint.
    fn rename(&mut self, from: &str, to: &str) {
        if let Some(points) = self.points.remove(from) {
            self.points.insert(to.to_owned(), points);
        }
    }

    /// With what it works on.
    pub(crate) fn with(self, surroundings: Surroundings) -> Working {
        Working {
            committed_ns: self.restored_ns,
            keeper: self,
            surroundings,
            number: 0,
            round: None,
        }
    }
}

/// A keeper at work.
pub(crate) struct Working {
    keeper: Keeper,
    surroundings: Surroundings,
    /// Number of the newest one that was asked for.
    number: u64,
    round: Option<Round>,
    /// Event time of the newest that is durable.
    committed_ns: Option<i64>,
}

impl Working {
    /// Makes checkpoints until the job ends.
    pub(crate) fn run(mut self) -> Result<()> {
        let mut due_ns = (self.surroundings.clock)();
        loop {
            if self.surroundings.halt.load(Ordering::SeqCst) {
                return Ok(());
            }
            let now_ns = (self.surroundings.clock)();
            let is_last = self.surroundings.is_last.load(Ordering::SeqCst);
            if self.round.is_none() && (now_ns >= due_ns || is_last) {
                let every_ns = i64::try_from(self.surroundings.every.as_nanos());
                due_ns = now_ns.saturating_add(every_ns.unwrap_or(i64::MAX));
                self.ask();
            }
            select! {
                recv(self.surroundings.pieces) -> piece => match piece {
                    Ok(piece) => self.take(piece)?,
                    // The job has ended.
                    Err(_) => return Ok(()),
                },
                recv(self.surroundings.letters) -> letter => {
                    if let Ok(letter) = letter {
                        self.hear(&letter);
                    }
                }
                recv(self.surroundings.acked) -> ack => {
                    if let (Ok(ack), Some(round)) = (ack, &mut self.round)
                        && round.upto_ns == Some(ack.upto_ns)
                    {
                        round.cursors = Some(ack.durable().context("write alerts")?);
                    }
                }
                default(LOOK) => {}
            }
            self.finish()?;
        }
    }

    fn ask(&mut self) {
        self.number += 1;
        self.keeper.meters.checkpoints.asked();
        self.round = Some(Round::default());
        self.surroundings
            .wanted
            .store(self.number, Ordering::SeqCst);
    }

    fn take(&mut self, piece: Piece) -> Result<()> {
        let Some(upto_ns) = self.surroundings.maker.take(piece)? else {
            return Ok(());
        };
        if let Some(round) = &mut self.round {
            round.upto_ns = Some(upto_ns);
        }
        self.surroundings.asked_ns.store(upto_ns, Ordering::SeqCst);
        let part = match self.surroundings.maker.write() {
            Ok(part) => part,
            Err(error) => {
                self.failed(&error)?;
                None
            }
        };
        if let Some(round) = &mut self.round {
            round.told = self.surroundings.maker.register.told();
            round.parts.insert(self.surroundings.peers.index, part);
        }
        Ok(())
    }

    fn hear(&mut self, letter: &Letter) {
        match (message::read(letter), &mut self.round) {
            (Some(Message::Part(part)), Some(round)) if part.number == self.number => {
                round.parts.insert(letter.from, Some(*part));
            }
            (Some(Message::NoPart { number, why }), Some(round)) if number == self.number => {
                round.parts.insert(letter.from, None);
                let from = letter.from;
                self.say(&format!(
                    "no checkpoint, trying again: process {from}: {why}"
                ));
            }
            (Some(Message::Ready { digest }), _) => {
                let n = self.surroundings.peers.n;
                if self.surroundings.reload.hear(letter.from, digest, n) {
                    self.surroundings.is_last.store(true, Ordering::SeqCst);
                }
            }
            (Some(Message::Stop), _) => self.surroundings.stop.store(true, Ordering::SeqCst),
            // Process 0 sends the others.
            _ => {}
        }
    }

    /// Commits the checkpoint that is being made, if all of it is here.
    fn finish(&mut self) -> Result<()> {
        let n = self.surroundings.peers.n;
        let is_whole = |round: &mut Round| round.cursors.is_some() && round.parts.len() == n;
        let Some(round) = self.round.take_if(is_whole) else {
            return Ok(());
        };
        let is_missing = round.parts.values().any(Option::is_none);
        let mut acks = Vec::with_capacity(n);
        for part in round.parts.into_values().flatten() {
            acks.push(part.ack);
            self.surroundings.sources.extend(part.sources);
            self.stand(part.points);
        }
        let Some(upto_ns) = round.upto_ns.filter(|_| !is_missing) else {
            // What some have written is not written again.
            if let Err(error) = self.keeper.generation.take(&acks) {
                self.failed(&error)?;
            }
            return self.done();
        };
        // No time has passed.
        if self.committed_ns.is_some_and(|last_ns| last_ns >= upto_ns) {
            return self.done();
        }
        let parts = self.parts(upto_ns, round.cursors.as_ref())?;
        let committed = match self.keeper.generation.commit(parts, &acks) {
            Ok(committed) => committed,
            Err(error) => return self.failed(&error),
        };
        let n_bytes = acks.iter().map(store::SegmentAck::n_bytes).sum();
        self.keeper.meters.checkpoints.kept(upto_ns, n_bytes);
        self.committed_ns = Some(upto_ns);
        let damaged = self.repair(&committed);
        let number = self.number;
        self.surroundings
            .peers
            .tell_others(&Message::Kept { number, damaged });
        self.surroundings.committed.tell(&round.told);
        let now_ns = (self.surroundings.clock)();
        if let Err(error) = self.keeper.generation.collect(now_ns) {
            self.say(&format!("old checkpoints stay: {}", chain(&error)));
        }
        self.done()
    }

    /// What turned out to be damaged is written again from memory. Until then the newest checkpoint is not whole.
    fn repair(&mut self, committed: &store::Committed) -> Vec<PieceKey> {
        if let Some(error) = &committed.compaction_error {
            let why = chain(error);
            self.say(&format!("segments were not put together: {why}"));
        }
        if let Some((key, damage)) = committed.damaged.first() {
            let (n, damage) = (committed.damaged.len(), chain(damage));
            self.say(&format!(
                "the newest checkpoint is damaged, and is made good with the next one: {key} ({n} in all): {damage}"
            ));
        }
        let damaged = committed.damaged.iter().map(|(key, _)| key.clone());
        let damaged: Vec<PieceKey> = damaged.collect();
        self.surroundings.maker.repair(&damaged);
        damaged
    }

    /// Takes over where partitions stand.
    fn stand(&mut self, points: Vec<(Name, Option<store::RestartPoint>)>) {
        for ((source, name), point) in points {
            let of_source = self.keeper.points.entry(source).or_default();
            match point {
                Some(point) => {
                    of_source.insert(name, point);
                }
                None => {
                    of_source.remove(&name);
                }
            }
        }
        self.keeper.points.retain(|_, points| !points.is_empty());
    }

    fn done(&self) -> Result<()> {
        if self.surroundings.is_last.load(Ordering::SeqCst) {
            let again = self.surroundings.reload.is_agreed();
            self.surroundings.peers.tell_others(&Message::End { again });
            self.surroundings.halt.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    /// A store that fails for a while stops nothing; one that belongs to somebody else now ends the job.
    fn failed(&self, error: &store::CheckpointError) -> Result<()> {
        self.keeper.meters.checkpoints.failed();
        if error.may_pass() {
            self.say(&format!("no checkpoint, trying again: {}", chain(error)));
            return Ok(());
        }
        Err(anyhow!(chain(error)).context("write a checkpoint"))
    }

    fn say(&self, text: &str) {
        let word = Word::Trouble(text.to_owned());
        let _no_room = self.surroundings.words.try_send(word);
    }

    fn parts(&self, upto_ns: i64, alerts: Option<&Cursors>) -> Result<ManifestParts> {
        let mut cursors = BTreeMap::new();
        if let Some(alerts) = alerts {
            cursors.insert(ALERTS.to_owned(), serde_json::to_value(alerts)?);
        }
        let sources = serde_json::to_value(&self.surroundings.sources)?;
        cursors.insert(SOURCES.to_owned(), sources);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let n = self.surroundings.peers.n;
        Ok(ManifestParts {
            as_of_ns: upto_ns,
            created_wall_ns: (self.surroundings.clock)(),
            layout: Layout {
                processes: count(n),
                workers: count(self.surroundings.maker.workers * n),
            },
            content: self.surroundings.content.clone(),
            partitions: self.keeper.points.clone(),
            cursors,
            ..ManifestParts::default()
        })
    }
}
