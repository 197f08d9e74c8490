//! Random lives of a store: checkpoints, failures at any step, deaths, damage, sleepers; after each step what is found
//! is compared with what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use overspill_checkpoint::{
    Blobs, CheckpointError, Depth, Entry, Generation, Kind, PieceKey, SegmentAck, SegmentWriter,
    decode_entry,
};
use proptest::prelude::*;

use super::faults::{Fate, FaultyBlobs};
use super::harness::{State, add, as_of, parts, state, vault, writer};

const PROCESSES: u32 = 2;

#[derive(Debug, Clone)]
enum Step {
    /// Some states change, and a checkpoint is made, during which the store may fail.
    Checkpoint {
        changes: Vec<(u8, u8)>,
        fault: Option<(usize, Fate)>,
    },
    Collect(Option<(usize, Fate)>),
    /// All processes die; a new generation begins, or the old one sleeps on meanwhile.
    Restart {
        is_asleep: bool,
    },
    /// A sleeper wakes and goes on.
    Wake(usize),
    Damage {
        object: usize,
        how: Harm,
    },
}

#[derive(Debug, Clone, Copy)]
enum Harm {
    Flip(usize),
    Cut(usize),
    Delete,
    Replace,
}

fn fault() -> impl Strategy<Value = Option<(usize, Fate)>> {
    let fate = prop_oneof![Just(Fate::Refused), Just(Fate::AnswerLost)];
    prop_oneof![2 => Just(None), 1 => (0_usize..12, fate).prop_map(Some)]
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        4 => any::<usize>().prop_map(Harm::Flip),
        1 => any::<usize>().prop_map(Harm::Cut),
        1 => Just(Harm::Delete),
        1 => Just(Harm::Replace),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let changes = prop::collection::vec((0_u8..24, 0_u8..200), 0..10);
    prop_oneof![
        8 => (changes, fault()).prop_map(|(changes, fault)| Step::Checkpoint { changes, fault }),
        3 => fault().prop_map(Step::Collect),
        2 => any::<bool>().prop_map(|is_asleep| Step::Restart { is_asleep }),
        1 => any::<usize>().prop_map(Step::Wake),
        1 => (any::<usize>(), harm()).prop_map(|(object, how)| Step::Damage { object, how }),
    ]
}

/// What is known of a checkpoint that was committed for certain.
struct Record {
    number: u64,
    segments: BTreeSet<String>,
    is_harmed: bool,
}

struct Life {
    faulty: Arc<FaultyBlobs>,
    store: Arc<dyn Blobs>,
    sound: Arc<dyn Blobs>,
    generation: Generation,
    sleepers: Vec<Generation>,
    now_ns: i64,
    state: State,
    /// The states of all checkpoints that were tried, by event time.
    tried: BTreeMap<i64, State>,
    committed: BTreeMap<i64, Record>,
    harmed: BTreeSet<String>,
    /// As of when each process has written last, and what it could not write.
    since_ns: [Option<i64>; 2],
    unwritten: [Option<SegmentWriter>; 2],
}

fn key_of(n: u8) -> PieceKey {
    match n {
        0..20 => PieceKey::group(n % 2, u16::from(n) * 50),
        _ => PieceKey::blob(&format!("file:{n}.log")),
    }
}

/// Whether these are changes to that.
fn is_change_to(changes: &PieceKey, to: &PieceKey) -> bool {
    let PieceKey::Changes { stage, group, .. } = changes else {
        return false;
    };
    *to == PieceKey::group(*stage, *group)
}

fn stage_of(key: &PieceKey) -> u8 {
    match key {
        PieceKey::Group { stage, .. } | PieceKey::Changes { stage, .. } => *stage,
        PieceKey::Blob { .. } => 0,
    }
}

impl Life {
    fn new() -> Self {
        let faulty = FaultyBlobs::new();
        let store = Arc::clone(&faulty) as Arc<dyn Blobs>;
        let sound = faulty.sound();
        let generation = vault(&store).begin_generation(0).unwrap();
        Self {
            faulty,
            store,
            sound,
            generation,
            sleepers: Vec::new(),
            now_ns: 0,
            state: State::new(),
            tried: BTreeMap::new(),
            committed: BTreeMap::new(),
            harmed: BTreeSet::new(),
            since_ns: [None; 2],
            unwritten: [None, None],
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Checkpoint { changes, fault } => self.checkpoint(&changes, fault),
            Step::Collect(fault) => {
                self.faulty.fail(fault);
                let collected = self.generation.collect(0);
                self.faulty.fail(None);
                self.collected();
                if let Err(CheckpointError::Fenced { .. }) = collected {
                    self.restart();
                }
            }
            Step::Restart { is_asleep } => {
                let older = self.restart();
                if is_asleep {
                    self.sleepers.push(older);
                }
            }
            Step::Wake(which) => self.wake(which),
            Step::Damage { object, how } => self.damage(object, how),
        }
    }

    /// Pieces for a checkpoint: most of what is there is not written whole.
    fn pieces(&self, changes: &[(u8, u8)]) -> BTreeMap<PieceKey, Vec<u8>> {
        let as_of_ns = self.now_ns;
        let byte = u8::try_from(as_of_ns % 251).unwrap();
        let mut pieces: BTreeMap<PieceKey, Vec<u8>> = BTreeMap::new();
        for (key, length) in changes {
            let key = match key_of(*key) {
                PieceKey::Group { stage, group }
                    if self.state.contains_key(&key_of(*key)) && (1..150).contains(length) =>
                {
                    PieceKey::Changes {
                        stage,
                        group,
                        as_of_ns,
                    }
                }
                key => key,
            };
            pieces.insert(key, vec![byte; usize::from(*length)]);
        }
        let keys: Vec<PieceKey> = pieces.keys().cloned().collect();
        pieces.retain(|key, _| !keys.iter().any(|whole| is_change_to(key, whole)));
        pieces
    }

    /// What changed, written by two processes; one that fails goes on with it the next time.
    fn checkpoint(&mut self, changes: &[(u8, u8)], fault: Option<(usize, Fate)>) {
        self.now_ns += 10;
        let now_ns = self.now_ns;
        let changed = self.pieces(changes);
        for (key, bytes) in &changed {
            self.state.retain(|changes, _| !is_change_to(changes, key));
            self.state.insert(key.clone(), bytes.clone());
        }
        self.state.retain(|_, bytes| !bytes.is_empty());
        self.tried.insert(now_ns, self.state.clone());
        self.faulty.fail(fault);
        let mut acks: Vec<SegmentAck> = Vec::new();
        for process in 0..PROCESSES {
            let at = process as usize;
            let number = self.generation.number();
            let mut writer = writer(&self.store, number, process, now_ns, self.since_ns[at]);
            for (key, bytes) in &changed {
                if u32::from(stage_of(key)) == process {
                    add(&mut writer, key, bytes);
                }
            }
            if let Some(earlier) = self.unwritten[at].take() {
                writer.carry(earlier);
            }
            match writer.finish() {
                Ok(ack) => {
                    self.since_ns[at] = Some(now_ns);
                    acks.push(ack);
                }
                Err(_) => self.unwritten[at] = Some(writer),
            }
        }
        let is_complete = acks.len() == PROCESSES as usize;
        let result = if is_complete {
            self.generation
                .commit(parts(now_ns, PROCESSES), &acks)
                .map(Some)
        } else {
            self.generation.take(&acks).map(|()| None)
        };
        self.faulty.fail(None);
        match result {
            Ok(Some(committed)) => {
                let segments = committed.manifest.segments.into_iter();
                let segments: BTreeSet<String> = segments.map(|segment| segment.name).collect();
                let record = Record {
                    number: committed.manifest.number,
                    is_harmed: !segments.is_disjoint(&self.harmed),
                    segments,
                };
                self.committed.insert(now_ns, record);
            }
            Ok(None) | Err(CheckpointError::Store(_)) => {}
            Err(CheckpointError::Fenced { .. }) => {
                self.restart();
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn restart(&mut self) -> Generation {
        let mut generation = vault(&self.store).begin_generation(0).unwrap();
        let found = generation.restore(Depth::Whole).unwrap();
        let restored_ns = as_of(&found);
        self.state = restored_ns.map_or_else(State::new, |ns| self.tried[&ns].clone());
        self.since_ns = [restored_ns; 2];
        self.unwritten = [None, None];
        // What is newer than that is lost.
        self.committed
            .retain(|ns, record| Some(*ns) <= restored_ns || record.is_harmed);
        std::mem::replace(&mut self.generation, generation)
    }

    fn wake(&mut self, which: usize) {
        if self.sleepers.is_empty() {
            return;
        }
        let which = which % self.sleepers.len();
        let sleeper = &mut self.sleepers[which];
        let acks = [0, 1].map(|process| {
            let mut writer = writer(&self.store, sleeper.number(), process, i64::MAX, None);
            add(&mut writer, &key_of(3), b"old");
            writer.finish().unwrap()
        });
        let refused = [
            sleeper
                .commit(parts(i64::MAX, PROCESSES), &acks)
                .map(|_| ()),
            sleeper.collect(0).map(|_| ()),
        ];
        for result in refused {
            let error = result.unwrap_err();
            let is_refused = matches!(
                error,
                CheckpointError::Fenced { .. } | CheckpointError::Ack(_)
            );
            assert!(is_refused, "{error:?}");
        }
        self.sleepers.remove(which);
    }

    fn damage(&mut self, object: usize, how: Harm) {
        let mut names = self.sound.list("log/").unwrap();
        names.extend(self.sound.list("segments/").unwrap());
        let Some(name) = names.get(object % names.len().max(1)).map(|l| &l.name) else {
            return;
        };
        let mut bytes = self.sound.get(name).unwrap().unwrap();
        if bytes.is_empty() {
            // It was cut off before.
            return;
        }
        // Whoever deletes a marker by hand frees its place for a sleeper, and the last entry for all of them.
        let last = self.sound.list("log/").unwrap().pop();
        let is_held = last.is_some_and(|last| last.name == *name)
            || (name.starts_with("log/")
                && !matches!(decode_entry(&bytes), Ok(Entry::Checkpoint(_))));
        let how = match how {
            Harm::Delete if is_held => Harm::Replace,
            how => how,
        };
        match how {
            Harm::Flip(at) => {
                let at = at % (bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
            }
            Harm::Cut(at) => bytes.truncate(at % bytes.len()),
            Harm::Delete => {}
            Harm::Replace => bytes = b"<html>Not a checkpoint</html>".to_vec(),
        }
        match how {
            Harm::Delete => self.sound.delete(name).unwrap(),
            _ => self.faulty.inner.damage(name, bytes),
        }
        self.harmed.insert(name.clone());
        for record in self.committed.values_mut() {
            let entry = format!("log/{:020}.manifest", record.number);
            record.is_harmed |= *name == entry || record.segments.contains(name);
        }
    }

    /// What is found is a state that was committed, whole, and the newest of those that were not harmed.
    fn check(&self) {
        let vault = vault(&self.sound);
        let found = vault.newest(Depth::Whole).unwrap();
        let found_ns = as_of(&found);
        if let Some(restored) = &found.restored {
            let ns = restored.manifest().parts.as_of_ns;
            assert_eq!(state(restored), self.tried[&ns], "as of {ns}");
            assert_eq!(restored.manifest().parts, parts(ns, PROCESSES));
            let verified = vault.verify(restored.manifest().number).unwrap();
            assert!(verified.is_whole());
        }
        for (ns, record) in &self.committed {
            assert!(
                Some(*ns) <= found_ns || record.is_harmed,
                "the checkpoint as of {ns} is lost; found as of {found_ns:?}"
            );
        }
        for listing in vault.list().unwrap() {
            if let Kind::Checkpoint { as_of_ns, .. } = listing.kind {
                assert!(self.tried.contains_key(&as_of_ns), "{listing:?}");
            }
        }
    }

    /// What was deleted is older than three others.
    fn collected(&mut self) {
        let listings = vault(&self.sound).list().unwrap();
        let is_marker = |kind: &Kind| matches!(kind, Kind::Generation { .. });
        let left: BTreeSet<u64> = listings
            .iter()
            .filter(|listing| !is_marker(&listing.kind))
            .map(|listing| listing.number)
            .collect();
        self.committed.retain(|ns, record| {
            let is_there = left.contains(&record.number);
            let n_newer = left.range(record.number..).count();
            assert!(
                is_there || record.is_harmed || n_newer >= 3,
                "the checkpoint as of {ns} was deleted"
            );
            is_there
        });
    }

    /// Those that are kept beside the newest are whole too, so damage has something to fall back to.
    fn check_kept(&self) {
        let vault = vault(&self.sound);
        let unharmed: BTreeSet<u64> = self
            .committed
            .values()
            .filter(|record| !record.is_harmed)
            .map(|record| record.number)
            .collect();
        let listings = vault.list().unwrap().into_iter().rev();
        let kept = listings.filter(|listing| matches!(listing.kind, Kind::Checkpoint { .. }));
        for listing in kept.take(3) {
            if unharmed.contains(&listing.number) {
                let verified = vault.verify(listing.number).unwrap();
                assert!(verified.is_whole(), "{:?}", verified.damages);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_was_committed_and_is_the_newest_that_is_whole(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut life = Life::new();
        for step in steps {
            life.step(step);
            life.check();
            life.check_kept();
        }
    }
}
