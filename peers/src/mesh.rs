//! What the two threads of [`connect`](crate::connect) share: who has come, of which generation.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::greeting::{Card, Verdict};
use crate::link::Link;
use crate::meet::{ClusterError, Generation, Peers};
use crate::notice::{Counts, Missing, Notice, Refusal, Sampler};
use crate::socket::is_gone;

/// Most processes whose differences are remembered: as many as may be counted wrongly.
const DIFFERENCES_MAX: usize = 256;

pub(crate) struct Mesh<'a> {
    pub(crate) peers: &'a Peers,
    pub(crate) now: fn() -> Instant,
    tell: &'a (dyn Fn(&Notice) + Sync),
    state: Mutex<State>,
    is_over: AtomicBool,
}

struct State {
    generation: Option<u64>,
    /// Generations below are refused.
    floor: u64,
    links: Vec<Option<Link>>,
    reasons: Vec<Option<String>>,
    /// Since when, and when last, a process was seen to differ.
    differences: BTreeMap<u32, (Instant, Instant)>,
    counts: Counts,
    sampler: Sampler,
    error: Option<ClusterError>,
}

impl<'a> Mesh<'a> {
    pub(crate) fn new(
        peers: &'a Peers,
        now: fn() -> Instant,
        tell: &'a (dyn Fn(&Notice) + Sync),
    ) -> Self {
        let n = peers.spec.n();
        let (generation, floor) = match peers.generation {
            Generation::Given(generation) => (Some(generation), generation),
            Generation::Learnt { at_least } => (None, at_least),
        };
        Self {
            peers,
            now,
            tell,
            state: Mutex::new(State {
                generation,
                floor,
                links: (0..n).map(|_| None).collect(),
                reasons: vec![None; n],
                differences: BTreeMap::new(),
                counts: Counts::default(),
                sampler: Sampler::new(peers.limits.notice_every),
                error: None,
            }),
            is_over: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn tell(&self, notice: &Notice) {
        (self.tell)(notice);
    }

    pub(crate) fn count(&self, count: impl Fn(&mut Counts)) {
        count(&mut self.state().counts);
    }

    /// What this process says of itself to process `to`.
    pub(crate) fn card(&self, to: u32) -> Card {
        let state = self.state();
        Card {
            from: index_u32(self.peers.index),
            to,
            n: index_u32(self.peers.spec.n()),
            is_encrypted: self.peers.tls.is_some(),
            is_learning: state.generation.is_none(),
            generation: state.generation.unwrap_or(state.floor),
            build: self.peers.identity.build,
            content: self.peers.identity.content,
        }
    }

    /// What to think of a dialer that has proven this card.
    pub(crate) fn judge(&self, card: &Card) -> Verdict {
        let own = self.card(card.from);
        if let Some(verdict) = stranger_than(card, &own) {
            return verdict;
        }
        if card.from <= own.from || card.from >= own.n {
            return Verdict::WrongIndex;
        }
        if own.is_learning {
            return Verdict::Early;
        }
        if card.generation > own.generation {
            return Verdict::Newer;
        }
        let learns_from_us = card.is_learning && own.from == 0;
        if card.generation < own.generation && !learns_from_us {
            return Verdict::Older;
        }
        match link_of(&self.state(), card.from) {
            Some(link) if !is_gone(link.socket()) => Verdict::Duplicate,
            _ => Verdict::Welcome,
        }
    }

    /// Notes what came of a connection that did not become a link.
    pub(crate) fn refuse(&self, from: SocketAddr, refusal: Refusal) {
        let now = (self.now)();
        let notice = {
            let mut state = self.state();
            state.counts.refuse(refusal);
            let is_told = refusal != Refusal::Verdict(Verdict::Early);
            (is_told && state.sampler.lets_through(refusal, now)).then(|| Notice::Refused {
                from,
                refusal,
                n: state.counts.refused(refusal),
            })
        };
        if let Some(notice) = notice {
            self.tell(&notice);
        }
    }

    /// Notes why a peer that was dialed is still missing.
    pub(crate) fn reason(&self, index: usize, reason: String) {
        if let Some(known) = self.state().reasons.get_mut(index) {
            *known = Some(reason);
        }
    }

    /// A process that knows the secret, with this card, is not welcome; `verdict` is about it.
    pub(crate) fn judged(&self, card: &Card, verdict: Verdict) {
        let now = (self.now)();
        let grace = self.peers.limits.differs_grace;
        let mut state = self.state();
        if let Some(known) = usize_of(card.from).and_then(|from| state.reasons.get_mut(from)) {
            *known = Some(verdict.reason().to_owned());
        }
        if verdict.is_difference()
            && (state.differences.len() < DIFFERENCES_MAX
                || state.differences.contains_key(&card.from))
        {
            let (since, last) = state.differences.entry(card.from).or_insert((now, now));
            if now.saturating_duration_since(*last) > grace {
                *since = now;
            }
            *last = now;
            if now.saturating_duration_since(*since) >= grace {
                state.error = Some(ClusterError::Differs {
                    index: card.from,
                    what: verdict.reason(),
                });
            }
        }
        if verdict != Verdict::Newer {
            return;
        }
        match self.peers.generation {
            Generation::Given(ours) => {
                state.error = Some(ClusterError::Superseded {
                    ours,
                    theirs: card.generation,
                });
            }
            Generation::Learnt { .. } => {
                // Process 0 as we know it is of the past.
                state.floor = state.floor.max(card.generation);
                if state.generation.is_some_and(|known| known < state.floor) {
                    state.forget();
                }
            }
        }
    }

    /// Keeps the link to a peer of this generation; `false` when it came too late or is one too many.
    pub(crate) fn met(&self, index: usize, link: Link, generation: u64) -> bool {
        let mut notices = Vec::new();
        {
            let mut state = self.state();
            match state.generation {
                Some(known) if known == generation => {}
                None if index == 0 && generation >= state.floor => {
                    state.generation = Some(generation);
                    state.floor = generation;
                    notices.push(Notice::Generation(generation));
                }
                _ => return false,
            }
            let Some(place) = state.links.get_mut(index) else {
                return false;
            };
            if place.as_ref().is_some_and(|link| !is_gone(link.socket())) {
                return false;
            }
            *place = Some(link);
            if let Some(reason) = state.reasons.get_mut(index) {
                *reason = None;
            }
            state.differences.remove(&index_u32(index));
            state.counts.met += 1;
            notices.push(Notice::Met(index));
        }
        for notice in &notices {
            self.tell(notice);
        }
        true
    }

    /// Lets go of peers that have closed their links.
    pub(crate) fn watch(&self) {
        let mut gone = Vec::new();
        {
            let mut state = self.state();
            for (index, place) in state.links.iter_mut().enumerate() {
                if place.as_ref().is_some_and(|link| is_gone(link.socket())) {
                    *place = None;
                    gone.push(index);
                }
            }
            state.counts.lost += gone.len() as u64;
            if gone.contains(&0) && matches!(self.peers.generation, Generation::Learnt { .. }) {
                state.forget();
            }
        }
        for index in gone {
            self.tell(&Notice::Lost(index));
        }
    }

    /// The peers below that are to be dialed now: process 0 first, for the generation.
    pub(crate) fn to_dial(&self) -> Vec<usize> {
        let state = self.state();
        let n_now = if state.generation.is_none() {
            1
        } else {
            self.peers.index
        };
        (0..n_now.min(self.peers.index))
            .filter(|index| state.is_missing(*index))
            .collect()
    }

    /// The peers that have not come.
    pub(crate) fn missing(&self) -> Vec<Missing> {
        let state = self.state();
        (0..state.links.len())
            .filter(|index| *index != self.peers.index && state.is_missing(*index))
            .map(|index| Missing {
                index,
                reason: state.reasons[index].clone(),
            })
            .collect()
    }

    pub(crate) fn take_error(&self) -> Option<ClusterError> {
        self.state().error.take()
    }

    /// All links and their generation, if nobody is missing.
    pub(crate) fn take(&self) -> Option<(Vec<Option<Link>>, u64, Counts)> {
        let mut state = self.state();
        let generation = state.generation?;
        let n_met = state.links.iter().flatten().count();
        if n_met + 1 < self.peers.spec.n() {
            return None;
        }
        let links = std::mem::take(&mut state.links);
        Some((links, generation, state.counts.clone()))
    }
}

impl State {
    fn is_missing(&self, index: usize) -> bool {
        self.links.get(index).is_some_and(Option::is_none)
    }

    /// Begins again: the generation has to be learnt, and links of the former one are closed.
    fn forget(&mut self) {
        self.generation = None;
        self.links.iter_mut().for_each(|link| *link = None);
    }
}

/// What keeps a card and our own from being of one job, whatever their generations.
pub(crate) fn stranger_than(card: &Card, own: &Card) -> Option<Verdict> {
    if card.to != own.from {
        Some(Verdict::WrongTarget)
    } else if card.n != own.n {
        Some(Verdict::Processes)
    } else if card.build != own.build {
        Some(Verdict::Build)
    } else if card.content != own.content {
        Some(Verdict::Content)
    } else if card.is_encrypted != own.is_encrypted {
        Some(Verdict::Encryption)
    } else {
        None
    }
}

fn link_of(state: &State, index: u32) -> Option<&Link> {
    state.links.get(usize_of(index)?)?.as_ref()
}

fn usize_of(index: u32) -> Option<usize> {
    usize::try_from(index).ok()
}

/// There are at most [`PROCESSES_MAX`](crate::PROCESSES_MAX) processes.
pub(crate) fn index_u32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
