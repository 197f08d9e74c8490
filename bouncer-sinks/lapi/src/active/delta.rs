//! What a client is told.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::{Active, Changed, Held, Mark, View, severity};

/// Decisions that ended which a client that starts is told of, at most: the newest. It has to know them only where it
/// kept what it held over its own restart.
const STARTUP_ENDED_MAX: usize = 10_000;
/// A firewall bouncer is told again of a longer decision this long after a shorter one on the same target ended, when
/// the kernel has surely dropped its entry.
const REPEATED_AFTER_NS: i64 = 2_000_000_000;

/// How a client takes what it is told, which its `User-Agent` says (`lapi.md` 10.8, 14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialect {
    /// It takes `deleted` before `new`: a value may be in both where its decision became another.
    pub takes_deleted_first: bool,
    /// It passes over a decision on a value that it holds already, even if that lasts longer.
    pub keeps_first: bool,
}

impl Dialect {
    /// What is known of a client. Of an unknown one the least is expected.
    #[must_use]
    pub fn of(user_agent: &str) -> Self {
        const DELETED_FIRST: [&str; 7] = [
            "crowdsec-firewall-bouncer/",
            "crowdsec-custom-bouncer/",
            "crowdsec-cloudflare-worker-bouncer/",
            "cloudflare-worker-bouncer/",
            "crowdsec-blocklist-mirror/",
            "crowdsec-nginx-bouncer/",
            "crowdsec-openresty-bouncer/",
        ];
        Self {
            takes_deleted_first: DELETED_FIRST
                .iter()
                .any(|known| user_agent.starts_with(known)),
            keeps_first: user_agent.starts_with("crowdsec-firewall-bouncer/"),
        }
    }
}

/// A decision that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The decision.
    pub held: Arc<Held>,
    /// When it ended, in nanoseconds since the Unix epoch.
    pub at_ns: i64,
}

/// What a client is told, and how far it has come with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Decisions in force, of one target the strictest last.
    pub new: Vec<Arc<Held>>,
    /// What is over. A value that is in `new` as well has only changed.
    pub deleted: Vec<Ended>,
    /// Where the client is then.
    pub mark: Mark,
}

/// A value within a scope: what a client has one entry of.
type Target<'a> = (&'a str, &'a str);

/// What happened to one target.
#[derive(Debug, Default)]
struct Touched<'a> {
    /// Decisions that began or ended.
    changed: Vec<(&'a Arc<Held>, Option<i64>)>,
    /// Whether the one that lasts longest is to be said again.
    is_repeated: bool,
}

impl Active {
    /// All that a view shows: for a client that starts. Nothing is due at `now_ns` ([`Active::is_due`]).
    ///
    /// Costs a look at every decision.
    #[must_use]
    pub fn startup(&self, view: &View, now_ns: i64) -> Answer {
        let mut new: Vec<Vec<Arc<Held>>> = Vec::new();
        if view.is_deduplicated {
            // In any order: it is sorted below.
            let targets = self.by_value.keys();
            let targets = targets.flat_map(|value| self.targets_of(value, view));
            new.extend(targets.map(|(_, held)| winners(&held).into_iter().cloned().collect()));
            new.sort_unstable_by_key(|held| held.iter().map(|held| held.id).min());
        } else {
            new.push(self.find(view));
        }
        Answer {
            new: new.into_iter().flatten().collect(),
            deleted: self.ended_lately(view),
            mark: self.mark(Mark::default(), now_ns),
        }
    }

    /// What a client that is at a mark does not know, or `None` if the mark is before what is known here: then it is
    /// told all that there is ([`Self::startup`]). Nothing is due at `now_ns`.
    ///
    /// Costs what changed since the mark, whatever is in force.
    #[must_use]
    pub fn delta(&self, view: &View, mark: Mark, dialect: Dialect, now_ns: i64) -> Option<Answer> {
        let earliest_ns = if dialect.keeps_first {
            mark.at_ns.saturating_sub(REPEATED_AFTER_NS)
        } else {
            mark.at_ns
        };
        if mark.seq < self.floor() || mark.seq > self.head || mark.at_ns < self.expired_since_ns {
            return None;
        }
        let changes = self.changes_after(mark);
        let expired = self.expired_after(earliest_ns);
        let mut answer = Answer {
            new: Vec::new(),
            deleted: Vec::new(),
            mark: self.mark(mark, now_ns),
        };
        if !view.is_deduplicated {
            self.tell_each(view, mark, changes, expired, &mut answer);
            return Some(answer);
        }
        let mut touched: BTreeMap<Target<'_>, Touched<'_>> = BTreeMap::new();
        for changed in changes.filter(|changed| view.shows(&changed.held)) {
            touched
                .entry(target(&changed.held))
                .or_default()
                .changed
                .push((&changed.held, changed.ended_ns));
        }
        for held in expired.filter(|held| view.shows(held)) {
            let touched = touched.entry(target(held)).or_default();
            if held.until_ns > mark.at_ns {
                touched.changed.push((held, Some(held.until_ns)));
            }
            touched.is_repeated |=
                dialect.keeps_first && held.until_ns <= now_ns.saturating_sub(REPEATED_AFTER_NS);
        }
        let mut new = Vec::new();
        for (target, touched) in touched {
            self.tell(
                target,
                &touched,
                view,
                dialect,
                &mut new,
                &mut answer.deleted,
            );
        }
        new.sort_unstable_by_key(|held: &Vec<Arc<Held>>| held.iter().map(|held| held.id).min());
        answer.new = new.into_iter().flatten().collect();
        answer.deleted.sort_by_key(|ended| ended.held.id);
        Some(answer)
    }

    /// How a target stands that something happened to.
    fn tell(
        &self,
        (scope, value): Target<'_>,
        touched: &Touched<'_>,
        view: &View,
        dialect: Dialect,
        new: &mut Vec<Vec<Arc<Held>>>,
        deleted: &mut Vec<Ended>,
    ) {
        let in_force: Vec<&Arc<Held>> = self
            .of_value(value)
            .iter()
            .filter(|held| *held.scope == *scope && view.shows(held))
            .collect();
        let winners = winners(&in_force);
        if winners.is_empty() {
            deleted.extend(newest_of_each_kind(&touched.changed));
            return;
        }
        let changed: HashSet<i64> = touched.changed.iter().map(|(held, _)| held.id).collect();
        let standing: Vec<&Arc<Held>> = winners
            .iter()
            .filter(|winner| !changed.contains(&winner.id))
            .copied()
            .collect();
        let is_news = touched
            .changed
            .iter()
            .any(|(held, _)| !is_covered(held, &standing));
        if is_news && dialect.takes_deleted_first {
            let early = touched
                .changed
                .iter()
                .filter(|(held, ended_ns)| ended_ns.is_some_and(|at_ns| at_ns < held.until_ns))
                .copied()
                .collect::<Vec<_>>();
            deleted.extend(newest_of_each_kind(&early));
        }
        if is_news || touched.is_repeated {
            new.push(winners.into_iter().cloned().collect());
        }
    }

    /// What a view shows of what happened, decision by decision.
    fn tell_each<'a>(
        &'a self,
        view: &View,
        mark: Mark,
        changes: impl Iterator<Item = &'a Changed>,
        expired: impl Iterator<Item = &'a Arc<Held>>,
        answer: &mut Answer,
    ) {
        for Changed { held, ended_ns } in changes.filter(|changed| view.shows(&changed.held)) {
            match ended_ns {
                None if self.by_id.contains_key(&held.id) => answer.new.push(Arc::clone(held)),
                None => {}
                Some(at_ns) => answer.deleted.push(Ended {
                    held: Arc::clone(held),
                    at_ns: *at_ns,
                }),
            }
        }
        let expired = expired.filter(|held| held.until_ns > mark.at_ns && view.shows(held));
        answer.deleted.extend(expired.map(|held| Ended {
            held: Arc::clone(held),
            at_ns: held.until_ns,
        }));
        answer.deleted.sort_by_key(|ended| ended.held.id);
    }

    /// What ended lately and is not in force in another way.
    fn ended_lately(&self, view: &View) -> Vec<Ended> {
        let early = self.changes.iter().rev().filter_map(|changed| {
            let at_ns = changed.ended_ns?;
            Some((&changed.held, at_ns))
        });
        let expired = self.expired.iter().rev().map(|held| (held, held.until_ns));
        let mut ended: Vec<(&Arc<Held>, i64)> = early
            .take(STARTUP_ENDED_MAX)
            .chain(expired.take(STARTUP_ENDED_MAX))
            .filter(|(held, _)| view.shows(held))
            .collect();
        ended.sort_by_key(|(held, at_ns)| (std::cmp::Reverse(*at_ns), held.id));
        let mut seen = HashSet::new();
        let mut told: Vec<Ended> = ended
            .into_iter()
            .filter(|(held, _)| {
                let is_held = self
                    .of_value(&held.value)
                    .iter()
                    .any(|other| other.scope == held.scope && view.shows(other));
                !is_held && (!view.is_deduplicated || seen.insert((target(held), &*held.kind)))
            })
            .take(STARTUP_ENDED_MAX)
            .map(|(held, at_ns)| Ended {
                held: Arc::clone(held),
                at_ns,
            })
            .collect();
        told.sort_by_key(|ended| ended.held.id);
        told
    }

    /// What a view shows of one value, by scope.
    fn targets_of<'a>(&'a self, value: &str, view: &View) -> Vec<(&'a str, Vec<&'a Arc<Held>>)> {
        let mut targets: Vec<(&str, Vec<&Arc<Held>>)> = Vec::with_capacity(1);
        for held in self.of_value(value).iter().filter(|held| view.shows(held)) {
            match targets.iter_mut().find(|(scope, _)| **scope == *held.scope) {
                Some((_, of_scope)) => of_scope.push(held),
                None => targets.push((&held.scope, vec![held])),
            }
        }
        targets
    }

    fn changes_after(&self, mark: Mark) -> impl Iterator<Item = &Changed> {
        let n_known = mark.seq.0.saturating_sub(self.floor().0);
        let n_known = usize::try_from(n_known).unwrap_or(usize::MAX);
        self.changes.range(n_known.min(self.changes.len())..)
    }

    fn expired_after(&self, at_ns: i64) -> impl Iterator<Item = &Arc<Held>> {
        let first = self.expired.partition_point(|held| held.until_ns <= at_ns);
        self.expired.range(first..)
    }

    /// The present, for a client that came from a mark. The clock of another server may have been ahead of this one's.
    fn mark(&self, from: Mark, now_ns: i64) -> Mark {
        Mark {
            seq: self.head,
            at_ns: self.now_ns.max(now_ns).max(from.at_ns),
        }
    }
}

fn target(held: &Held) -> Target<'_> {
    (&held.scope, &held.value)
}

/// Of each kind of decision on one target the one that lasts longest, the oldest among equals; the strictest kind last.
/// A decision that is pretended does not compete with one that is not.
fn winners<'a>(in_force: &[&'a Arc<Held>]) -> Vec<&'a Arc<Held>> {
    let mut winners: Vec<&Arc<Held>> = Vec::with_capacity(1);
    for held in in_force {
        let same = winners
            .iter_mut()
            .find(|winner| winner.kind == held.kind && winner.simulated == held.simulated);
        match same {
            Some(winner) => {
                let is_longer = held.until_ns > winner.until_ns;
                let is_older = held.until_ns == winner.until_ns && held.id < winner.id;
                if is_longer || is_older {
                    *winner = held;
                }
            }
            None => winners.push(held),
        }
    }
    winners.sort_by_key(|held| (severity(&held.kind), held.id));
    winners
}

/// Whether what happened to a decision changes nothing for anybody: another one of its kind stood all the time and
/// lasts as long.
fn is_covered(held: &Held, standing: &[&Arc<Held>]) -> bool {
    standing.iter().any(|winner| {
        winner.kind == held.kind
            && winner.simulated == held.simulated
            && held.until_ns <= winner.until_ns
    })
}

/// What is said of a target that is over: one decision of each kind, the last that ended.
fn newest_of_each_kind(changed: &[(&Arc<Held>, Option<i64>)]) -> Vec<Ended> {
    let mut newest: Vec<Ended> = Vec::with_capacity(1);
    for (held, ended_ns) in changed {
        let Some(at_ns) = *ended_ns else {
            continue;
        };
        let ended = Ended {
            held: Arc::clone(held),
            at_ns,
        };
        match newest.iter_mut().find(|other| other.held.kind == held.kind) {
            Some(other) if other.at_ns <= at_ns => *other = ended,
            Some(_) => {}
            None => newest.push(ended),
        }
    }
    newest
}
