//! The decisions in force against a model, and clients of every kind against what is in force.

use std::collections::{BTreeMap, BTreeSet};

use overspill_store::{Change, DecisionRow, LogEntry, Reason, Seq};
use proptest::prelude::*;

use super::*;

const SECOND_NS: i64 = 1_000_000_000;

/// A decision that is in force until a second.
fn row(id: i64, scope: &str, value: &str, kind: &str, origin: &str, until_s: i64) -> DecisionRow {
    DecisionRow {
        id,
        alert_id: Some(id),
        uuid: format!("uuid-{id}"),
        created_ns: 0,
        until_ns: until_s * SECOND_NS,
        origin: origin.to_owned(),
        kind: kind.to_owned(),
        scope: scope.to_owned(),
        value: value.to_owned(),
        scenario: "test/scenario".to_owned(),
        simulated: false,
    }
}

fn ban(id: i64, value: &str, until_s: i64) -> DecisionRow {
    row(id, "Ip", value, "ban", "crowdsec", until_s)
}

/// A log, and what follows it.
struct Ledger {
    active: Active,
    now_ns: i64,
    rows: BTreeMap<i64, DecisionRow>,
    seq: u64,
}

impl Ledger {
    fn new() -> Self {
        Self {
            active: Active::new(ActiveLimits::default(), Seq(0), 0),
            now_ns: 0,
            rows: BTreeMap::new(),
            seq: 0,
        }
    }

    fn begin(&mut self, row: DecisionRow) {
        self.seq += 1;
        self.rows.insert(row.id, row.clone());
        self.active.apply([LogEntry {
            seq: Seq(self.seq),
            at_ns: self.now_ns,
            change: Change::Begun,
            decision: row,
            was_until_ns: None,
        }]);
        self.settle();
    }

    fn end(&mut self, id: i64) {
        let now_ns = self.now_ns;
        let Some(row) = self.rows.get_mut(&id).filter(|row| row.until_ns > now_ns) else {
            return;
        };
        let was_until_ns = row.until_ns;
        row.until_ns = now_ns;
        self.seq += 1;
        let entry = LogEntry {
            seq: Seq(self.seq),
            at_ns: now_ns,
            change: Change::Ended(Reason::Deleted),
            decision: row.clone(),
            was_until_ns: Some(was_until_ns),
        };
        self.active.apply([entry]);
    }

    fn pass(&mut self, to_s: i64) {
        self.now_ns = to_s * SECOND_NS;
        self.settle();
    }

    /// As a server does: time is told only when something is due.
    fn settle(&mut self) {
        if self.active.is_due(self.now_ns) {
            self.active.advance(self.now_ns);
        }
    }

    fn delta(&self, mark: Mark) -> Answer {
        let dialect = Dialect::default();
        self.active
            .delta(&View::default(), mark, dialect, self.now_ns)
            .unwrap()
    }

    fn all(&self, view: &View) -> Answer {
        self.active.startup(view, self.now_ns)
    }

    fn mark(&self) -> Mark {
        self.all(&View::default()).mark
    }
}

fn shown(answer: &Answer) -> String {
    let new = answer
        .new
        .iter()
        .map(|held| format!("+{}:{}", held.id, held.kind));
    let deleted = answer
        .deleted
        .iter()
        .map(|ended| format!("-{}", ended.held.id));
    new.chain(deleted).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_client_is_told_what_begins_and_what_ends() {
    let mut ledger = Ledger::new();
    ledger.begin(ban(1, "192.0.2.1", 100));
    let mark = ledger.mark();
    assert_eq!(shown(&ledger.all(&View::default())), "+1:ban");
    ledger.begin(ban(2, "192.0.2.2", 50));
    let answer = ledger.delta(mark);
    assert_eq!(shown(&answer), "+2:ban");
    assert_eq!(shown(&ledger.delta(answer.mark)), "");
    ledger.pass(50);
    assert_eq!(shown(&ledger.delta(answer.mark)), "-2");
    ledger.end(1);
    assert_eq!(shown(&ledger.delta(answer.mark)), "-1 -2");
    let last = ledger.delta(answer.mark).mark;
    assert_eq!(shown(&ledger.delta(last)), "");
}

#[test]
fn the_longest_of_its_kind_is_shown_and_its_end_hands_over() {
    let mut ledger = Ledger::new();
    ledger.begin(ban(1, "192.0.2.1", 100));
    ledger.begin(ban(2, "192.0.2.1", 200));
    assert_eq!(shown(&ledger.all(&View::default())), "+2:ban");
    let mark = ledger.mark();
    // A shorter one changes nothing, and neither does its end.
    ledger.begin(ban(3, "192.0.2.1", 150));
    assert_eq!(shown(&ledger.delta(mark)), "");
    ledger.pass(150);
    assert_eq!(shown(&ledger.delta(mark)), "");
    ledger.begin(ban(4, "192.0.2.1", 180));
    let mark = ledger.mark();
    ledger.end(2);
    assert_eq!(shown(&ledger.delta(mark)), "+4:ban");
    ledger.pass(180);
    assert_eq!(shown(&ledger.delta(mark)), "-4");
}

#[test]
fn kinds_of_one_value_stand_together_and_the_strictest_is_last() {
    let mut ledger = Ledger::new();
    ledger.begin(ban(1, "192.0.2.1", 200));
    let mark = ledger.mark();
    ledger.begin(row(2, "Ip", "192.0.2.1", "captcha", "crowdsec", 100));
    assert_eq!(shown(&ledger.delta(mark)), "+2:captcha +1:ban");
    let mark = ledger.delta(mark).mark;
    ledger.pass(100);
    // The value is not deleted: it is still banned.
    assert_eq!(shown(&ledger.delta(mark)), "+1:ban");
}

#[test]
fn a_list_that_is_not_asked_for_hides_nothing() {
    let mut ledger = Ledger::new();
    ledger.begin(ban(1, "192.0.2.1", 100));
    ledger.begin(row(2, "Ip", "192.0.2.1", "ban", "CAPI", 1000));
    let view = View::parse("origins=crowdsec,cscli").unwrap();
    assert_eq!(shown(&ledger.all(&view)), "+1:ban");
    let mark = ledger.mark();
    ledger.pass(100);
    let told = ledger
        .active
        .delta(&view, mark, Dialect::default(), ledger.now_ns)
        .unwrap();
    assert_eq!(shown(&told), "-1");
    assert_eq!(shown(&ledger.delta(mark)), "");
}

#[test]
fn who_keeps_the_first_entry_is_told_again_of_the_longer_one() {
    let mut ledger = Ledger::new();
    let firewall = Dialect::of("crowdsec-firewall-bouncer/v0.0.34");
    let told = |ledger: &Ledger, mark| {
        ledger
            .active
            .delta(&View::default(), mark, firewall, ledger.now_ns)
            .unwrap()
    };
    ledger.begin(ban(1, "192.0.2.1", 100));
    ledger.begin(ban(2, "192.0.2.1", 200));
    let mark = ledger.mark();
    ledger.pass(101);
    let early = told(&ledger, mark);
    assert_eq!(shown(&early), "");
    ledger.pass(103);
    assert_eq!(shown(&told(&ledger, early.mark)), "+2:ban");
    let later = told(&ledger, early.mark);
    ledger.pass(105);
    assert_eq!(shown(&told(&ledger, later.mark)), "");
    // A shorter decision instead of a longer one: the entry has to go first.
    ledger.begin(ban(3, "192.0.2.1", 150));
    let mark = ledger.mark();
    ledger.end(2);
    assert_eq!(shown(&told(&ledger, mark)), "+3:ban -2");
}

#[test]
fn a_mark_from_before_what_is_known_is_not_answered() {
    let mut ledger = Ledger::new();
    ledger.active.limits.changes_max = 2;
    let mark = ledger.mark();
    for id in 1..=3 {
        ledger.begin(ban(id, &format!("192.0.2.{id}"), 100));
    }
    let delta = |mark| {
        ledger
            .active
            .delta(&View::default(), mark, Dialect::default(), ledger.now_ns)
    };
    assert!(delta(mark).is_none());
    let next = Mark {
        seq: Seq(1),
        ..mark
    };
    assert_eq!(shown(&delta(next).unwrap()), "+2:ban +3:ban");
    let beyond = Mark {
        seq: Seq(9),
        ..mark
    };
    assert!(delta(beyond).is_none());
}

#[test]
fn addresses_are_found_within_ranges_and_ranges_around_them() {
    let mut ledger = Ledger::new();
    ledger.begin(row(1, "Range", "192.0.2.0/24", "ban", "crowdsec", 100));
    ledger.begin(ban(2, "192.0.2.7", 100));
    ledger.begin(row(3, "Country", "FR", "ban", "crowdsec", 100));
    ledger.begin(ban(4, "2001:db8::1", 100));
    let find = |query: &str| {
        let found = ledger.active.find(&View::parse(query).unwrap());
        found.iter().map(|held| held.id).collect::<Vec<_>>()
    };
    assert_eq!(find("ip=192.0.2.7"), [1, 2]);
    assert_eq!(find("ip=192.0.2.8"), [1]);
    assert_eq!(find("range=192.0.2.0/28"), [1]);
    assert_eq!(find("range=192.0.0.0/16&contains=false"), [1, 2]);
    assert_eq!(find("range=0.0.0.0/0&contains=false"), [1, 2]);
    assert_eq!(find("ip=2001:db8::1"), [4]);
    assert_eq!(find("value=FR"), [3]);
    assert_eq!(find("scopes=ip,country"), [2, 3, 4]);
    assert_eq!(find("scenarios_containing=SCEN"), [1, 2, 3, 4]);
    assert_eq!(find("scenarios_not_containing=test"), Vec::<i64>::new());
    assert!(View::parse("ip=nonsense").is_err());
}

#[test]
fn of_too_many_those_that_end_first_are_not_held() {
    let mut ledger = Ledger::new();
    ledger.active.limits.decisions_max = 2;
    for (id, until_s) in [(1, 300), (2, 100), (3, 200)] {
        ledger.begin(ban(id, &format!("192.0.2.{id}"), until_s));
    }
    assert_eq!(shown(&ledger.all(&View::default())), "+1:ban +3:ban");
    assert_eq!(ledger.active.n_left_out(), 1);
}

/// What happens in a history.
#[derive(Debug, Clone)]
enum Step {
    Begin {
        value: u8,
        is_captcha: bool,
        lasts_s: i64,
    },
    End {
        nth: usize,
    },
    Pass {
        secs: i64,
    },
    Pull {
        client: usize,
        is_startup: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..4, any::<bool>(), 1_i64..20)
            .prop_map(|(value, is_captcha, lasts_s)| Step::Begin { value, is_captcha, lasts_s }),
        2 => (0_usize..40).prop_map(|nth| Step::End { nth }),
        2 => (0_i64..6).prop_map(|secs| Step::Pass { secs }),
        4 => (0_usize..3, prop::bool::weighted(0.1))
            .prop_map(|(client, is_startup)| Step::Pull { client, is_startup }),
    ]
}

/// How a client takes an answer: what it holds of each value, the kind and the end.
#[derive(Debug, Default)]
struct Client {
    held: BTreeMap<String, (String, i64)>,
    mark: Option<Mark>,
    /// Marks that it had before: a server that crashed may go back to one.
    earlier: Vec<Mark>,
}

impl Client {
    fn take(&mut self, answer: &Answer, is_deleted_first: bool) {
        if is_deleted_first {
            self.forget(answer);
        }
        for held in &answer.new {
            let entry = (held.kind.to_string(), held.until_ns);
            self.held.insert(held.value.to_string(), entry);
        }
        if !is_deleted_first {
            self.forget(answer);
        }
        self.earlier.extend(self.mark);
        self.mark = Some(answer.mark);
    }

    fn forget(&mut self, answer: &Answer) {
        for ended in &answer.deleted {
            self.held.remove(&*ended.held.value);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// After every pull a client holds what is in force: of each value the strictest kind, as long as it lasts. Whatever
    /// the order in which it takes the two lists, and also where it is told from a mark that it had long before.
    #[test]
    fn a_client_holds_what_is_in_force(
        steps in prop::collection::vec(step(), 1..60),
        back in prop::collection::vec(any::<prop::sample::Index>(), 60),
    ) {
        let mut ledger = Ledger::new();
        let mut clients = [Client::default(), Client::default(), Client::default()];
        let mut now_s = 0;
        let mut next_id = 0;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Begin { value, is_captcha, lasts_s } => {
                    next_id += 1;
                    let kind = if is_captcha { "captcha" } else { "ban" };
                    let value = format!("192.0.2.{value}");
                    ledger.begin(row(next_id, "Ip", &value, kind, "crowdsec", now_s + lasts_s));
                }
                Step::End { nth } => {
                    let ids: Vec<i64> = ledger.rows.keys().copied().collect();
                    if !ids.is_empty() {
                        ledger.end(ids[nth % ids.len()]);
                    }
                }
                Step::Pass { secs } => {
                    now_s += secs;
                    ledger.pass(now_s);
                }
                Step::Pull { client: which, is_startup } => {
                    let client = &mut clients[which];
                    let is_deleted_first = which == 0;
                    let mut mark = client.mark;
                    if which == 2 && !client.earlier.is_empty() {
                        mark = Some(*back[number].get(&client.earlier));
                    }
                    let dialect = Dialect { takes_deleted_first: is_deleted_first, keeps_first: false };
                    let view = View::default();
                    let answer = match mark.filter(|_| !is_startup) {
                        Some(mark) => ledger.active.delta(&view, mark, dialect, ledger.now_ns).unwrap(),
                        None => {
                            client.held.clear();
                            ledger.all(&view)
                        }
                    };
                    if !is_deleted_first {
                        let new: BTreeSet<_> = answer.new.iter().map(|held| &held.value).collect();
                        for ended in &answer.deleted {
                            prop_assert!(!new.contains(&ended.held.value), "{}", shown(&answer));
                        }
                    }
                    client.take(&answer, is_deleted_first);
                    let mut expected: BTreeMap<String, (u8, String, i64)> = BTreeMap::new();
                    for row in ledger.rows.values().filter(|row| row.until_ns > now_s * SECOND_NS) {
                        let entry = (severity(&row.kind), row.kind.clone(), row.until_ns);
                        let known = expected.entry(row.value.clone()).or_insert_with(|| entry.clone());
                        if *known < entry {
                            *known = entry;
                        }
                    }
                    let expected: BTreeMap<String, (String, i64)> = expected
                        .into_iter()
                        .map(|(value, (_, kind, until_ns))| (value, (kind, until_ns)))
                        .collect();
                    prop_assert_eq!(&client.held, &expected, "after {}", shown(&answer));
                }
            }
        }
    }

    /// A server that starts in the middle knows the same as one that saw it all.
    #[test]
    fn a_server_that_starts_knows_what_happened_lately(
        steps in prop::collection::vec(step(), 1..40),
        cut in 0_usize..40,
    ) {
        let mut ledger = Ledger::new();
        let mut log = Vec::new();
        let (mut now_s, mut next_id) = (0, 0);
        let mut mark = ledger.mark();
        for (number, step) in steps.into_iter().enumerate() {
            if number == cut {
                mark = ledger.mark();
            }
            let seq = ledger.seq;
            match step {
                Step::Begin { value, is_captcha, lasts_s } => {
                    next_id += 1;
                    let kind = if is_captcha { "captcha" } else { "ban" };
                    let value = format!("192.0.2.{value}");
                    ledger.begin(row(next_id, "Ip", &value, kind, "crowdsec", now_s + lasts_s));
                    log.push((next_id, None, now_s));
                }
                Step::End { nth } => {
                    let ids: Vec<i64> = ledger.rows.keys().copied().collect();
                    if let Some(id) = ids.get(nth % ids.len().max(1)) {
                        let was_until_ns = ledger.rows[id].until_ns;
                        ledger.end(*id);
                        if ledger.seq > seq {
                            log.push((*id, Some(was_until_ns), now_s));
                        }
                    }
                }
                Step::Pass { secs } => {
                    now_s += secs;
                    ledger.pass(now_s);
                }
                Step::Pull { .. } => {}
            }
        }
        // Rows and entries are as the database has them now.
        let mut late = Active::new(ActiveLimits::default(), Seq(0), 0);
        for row in ledger.rows.values().filter(|row| row.until_ns > 0) {
            late.load(row.clone());
        }
        let entries = log.iter().enumerate().map(|(number, (id, was_until_ns, at_s))| LogEntry {
            seq: Seq(number as u64 + 1),
            at_ns: at_s * SECOND_NS,
            change: match was_until_ns {
                None => Change::Begun,
                Some(_) => Change::Ended(Reason::Deleted),
            },
            decision: ledger.rows[id].clone(),
            was_until_ns: *was_until_ns,
        });
        late.apply(entries);
        late.advance(now_s * SECOND_NS);
        let view = View::default();
        let sets = |answer: &Answer| {
            let new: BTreeSet<i64> = answer.new.iter().map(|held| held.id).collect();
            let gone: BTreeSet<_> = answer.deleted.iter().map(|ended| ended.held.value.clone()).collect();
            (new, gone)
        };
        prop_assert_eq!(sets(&late.startup(&view, ledger.now_ns)).0, sets(&ledger.all(&view)).0);
        let told = |active: &Active| active.delta(&view, mark, Dialect::default(), ledger.now_ns);
        prop_assert_eq!(told(&late).map(|answer| sets(&answer)), told(&ledger.active).map(|answer| sets(&answer)));
    }
}
