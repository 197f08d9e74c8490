//! Shards and what they came of.
//!
//! A stream that is resharded closes shards and makes others of them. What was written under a key goes to the child
//! once it goes to the parent no more, so a child is read when its parents are read to their end: those of
//! them that are read here. A parent that is not there any more, or that another process reads, keeps
//! nobody waiting.
//!
//! Event time stands at the parent until the child is known where the parent is read, and only there. So while a job runs, children are
//! read by the process that reads their parent ([`origin`]), and counted where it is; a restart divides all shards anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::Listed;
use crate::source::Position;

/// Most shards that are followed.
pub(super) const SHARDS_MAX: usize = 10_000;

/// How far a shard is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Life {
    /// It is to begin here, when its parents are read to their end.
    Waiting(Position),
    /// Its stream has this number.
    Open(u32),
    /// It was read to its end then; its children are to begin before it ends.
    Closed(u32, Instant),
    /// Nothing more is to be read of it.
    Ended,
}

/// A shard.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) life: Life,
    pub(super) parents: Vec<Arc<str>>,
    pub(super) hashes: (u128, u128),
    missing_since: Option<Instant>,
}

/// The shards of a stream that are this process's.
#[derive(Debug, Default)]
pub(super) struct Family {
    members: BTreeMap<Arc<str>, Member>,
}

impl Family {
    /// Whether a shard is known.
    pub(super) fn knows(&self, shard: &str) -> bool {
        self.members.contains_key(shard)
    }

    /// Whether there is no room to know more.
    pub(super) fn is_full(&self) -> bool {
        self.members.len() >= SHARDS_MAX
    }

    pub(super) fn add(&mut self, shard: &Arc<str>, life: Life, parents: Vec<Arc<str>>) {
        let member = Member {
            life,
            parents,
            hashes: (0, u128::MAX),
            missing_since: None,
        };
        self.members.insert(Arc::clone(shard), member);
    }

    pub(super) fn remove(&mut self, shard: &str) -> Option<Member> {
        self.members.remove(shard)
    }

    pub(super) fn get(&self, shard: &str) -> Option<&Member> {
        self.members.get(shard)
    }

    pub(super) fn set(&mut self, shard: &str, life: Life) {
        if let Some(member) = self.members.get_mut(shard) {
            member.life = life;
        }
    }

    /// What a listing says of a shard that is known.
    pub(super) fn see(&mut self, listed: &Listed) {
        if let Some(member) = self.members.get_mut(&listed.shard) {
            member.parents.clone_from(&listed.parents);
            member.hashes = listed.hashes;
        }
    }

    /// Shards that have not been there for so long.
    pub(super) fn gone(
        &mut self,
        is_there: impl Fn(&Arc<str>) -> bool,
        now: Instant,
        gone_wait: Duration,
    ) -> Vec<Arc<str>> {
        let mut gone = Vec::new();
        for (shard, member) in &mut self.members {
            if is_there(shard) {
                member.missing_since = None;
                continue;
            }
            let since = *member.missing_since.get_or_insert(now);
            if now.duration_since(since) >= gone_wait {
                gone.push(Arc::clone(shard));
            }
        }
        gone
    }

    /// Shards that are to begin now, and where.
    pub(super) fn ready(&self) -> Vec<(Arc<str>, Position)> {
        let is_read = |parent: &Arc<str>| {
            let parent = self.members.get(parent);
            parent.is_none_or(|parent| matches!(parent.life, Life::Closed(..) | Life::Ended))
        };
        let ready = |(shard, member): (&Arc<str>, &Member)| match &member.life {
            Life::Waiting(position) if member.parents.iter().all(is_read) => {
                Some((Arc::clone(shard), position.clone()))
            }
            _ => None,
        };
        self.members.iter().filter_map(ready).collect()
    }

    /// The stream of a parent that has not ended yet, if there is one.
    pub(super) fn open_parent(&self, shard: &str) -> Option<u32> {
        let mut parents = self.members.get(shard)?.parents.iter();
        parents.find_map(|parent| match self.members.get(parent)?.life {
            Life::Open(number) | Life::Closed(number, _) => Some(number),
            Life::Waiting(_) | Life::Ended => None,
        })
    }

    /// Shards whose end was seen before this, so that their children are known.
    pub(super) fn closed_before(&self, begun: Instant) -> Vec<(Arc<str>, u32)> {
        let closed = |(shard, member): (&Arc<str>, &Member)| match member.life {
            Life::Closed(number, at) if at < begun => Some((Arc::clone(shard), number)),
            _ => None,
        };
        self.members.iter().filter_map(closed).collect()
    }
}

/// The shard whose name says which process reads this one: itself, if the job began with it, else the first one that it
/// came of, over all generations that are listed. Each process knows the same of both, so they agree.
pub(super) fn origin<'a>(
    shard: &'a str,
    is_resumed: impl Fn(&str) -> bool,
    parents: impl Fn(&str) -> Option<&'a [Arc<str>]>,
) -> &'a str {
    let mut origin = shard;
    // A shard is listed after its parents, so there is no circle, unless the service makes one.
    for _ in 0..SHARDS_MAX {
        if is_resumed(origin) {
            break;
        }
        let parent = parents(origin).and_then(<[_]>::first);
        let Some(parent) = parent.filter(|parent| is_resumed(parent) || parents(parent).is_some())
        else {
            break;
        };
        origin = parent;
    }
    origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_a_parent_reads_its_children_until_the_job_begins_with_them() {
        let shards: [(&str, &[&str]); 6] = [
            ("0", &[]),
            ("1", &["0"]),
            ("2", &["0"]),
            ("3", &["2", "9"]),
            ("4", &["8"]),
            ("5", &["5"]),
        ];
        let shards: BTreeMap<&str, Vec<Arc<str>>> = shards
            .iter()
            .map(|(shard, parents)| (*shard, parents.iter().map(|id| Arc::from(*id)).collect()))
            .collect();
        let of = |shard, resumed: &[&str]| {
            let parents = |shard: &str| shards.get(shard).map(Vec::as_slice);
            origin(shard, |shard| resumed.contains(&shard), parents).to_owned()
        };
        // Of a job that never ran, all are of the oldest that is listed.
        let first = ["0", "1", "2", "3", "4", "5"].map(|shard| of(shard, &[]));
        assert_eq!(first, ["0", "0", "0", "0", "4", "5"]);
        // One that began with some of them.
        let later = ["0", "1", "2", "3", "4"].map(|shard| of(shard, &["0", "2", "8"]));
        assert_eq!(later, ["0", "0", "2", "2", "8"]);
    }

    fn waiting() -> Life {
        Life::Waiting(Position::beginning())
    }

    fn id(shard: &str) -> Arc<str> {
        Arc::from(shard)
    }

    fn ready(family: &Family) -> Vec<String> {
        let ready = family.ready();
        ready.iter().map(|(shard, _)| shard.to_string()).collect()
    }

    #[test]
    fn a_shard_is_ready_when_all_of_its_parents_that_are_read_here_are_at_their_end() {
        let mut family = Family::default();
        // a splits into b and c; b and d are merged into e; f came of a shard that is not known.
        family.add(&id("a"), waiting(), vec![]);
        family.add(&id("b"), waiting(), vec![id("a")]);
        family.add(&id("c"), waiting(), vec![id("a")]);
        family.add(&id("d"), waiting(), vec![]);
        family.add(&id("e"), waiting(), vec![id("b"), id("d")]);
        family.add(&id("f"), waiting(), vec![id("z")]);
        assert_eq!(ready(&family), ["a", "d", "f"]);
        family.set("a", Life::Open(0));
        family.set("f", Life::Ended);
        family.set("d", Life::Ended);
        assert_eq!(ready(&family), [""; 0]);
        let at = Instant::now();
        family.set("a", Life::Closed(0, at));
        assert_eq!(ready(&family), ["b", "c"]);
        assert!(family.closed_before(at).is_empty());
        let later = at + Duration::from_millis(1);
        assert_eq!(family.closed_before(later), [(id("a"), 0)]);
        family.set("b", Life::Ended);
        assert_eq!(ready(&family), ["c", "e"]);
    }

    #[test]
    fn a_shard_is_gone_when_it_was_not_there_for_long_enough() {
        let mut family = Family::default();
        family.add(&id("a"), waiting(), vec![]);
        family.add(&id("b"), waiting(), vec![]);
        let (at, wait) = (Instant::now(), Duration::from_secs(10));
        let second = |n| at + Duration::from_secs(n);
        let is_a = |shard: &Arc<str>| **shard == *"a";
        assert!(family.gone(is_a, second(0), wait).is_empty());
        assert!(family.gone(|_| true, second(9), wait).is_empty());
        assert!(family.gone(is_a, second(10), wait).is_empty());
        assert_eq!(family.gone(is_a, second(20), wait), [id("b")]);
    }
}
