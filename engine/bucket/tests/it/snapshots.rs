//! State as of a watermark, taken elsewhere.

use std::sync::Arc;

use overspill_bucket::{
    Change, KEY_GROUPS, Key, Kind, SnapshotError, Spec, Table, TableConfig, group_owner,
};
use proptest::prelude::*;

use super::properties::{Case, crowded, roomy};
use super::world::{Fleet, SECOND, TestJudge, config, leaky, pour_at, sum};

/// Takes the fleet apart and builds another one of it.
fn moved(case: &Case, fleet: &Fleet, n_tables: usize, speculative: bool) -> Fleet {
    let mut next = Fleet::new(&case.specs, case.config(speculative), n_tables);
    for group in 0..KEY_GROUPS {
        let table = &fleet.tables[group_owner(group, fleet.tables.len())];
        let bytes = table.snapshot(group).expect("the watermark has moved");
        let target = &mut next.tables[group_owner(group, n_tables)];
        assert_eq!(target.restore(&[&bytes]), Ok(group));
        assert_eq!(
            target.snapshot(group),
            Some(bytes),
            "equal states give equal bytes"
        );
    }
    next
}

/// A fleet that was restored as of a watermark is given all pours again, and what the first fleet said
/// before: it says the rest.
fn goes_on(
    case: &Case,
    second: &mut Fleet,
    watermark: i64,
    before: Vec<Change>,
) -> Result<(), TestCaseError> {
    second.changes = before;
    // What the first fleet said of pours above the watermark died with it.
    second
        .changes
        .retain(|change| change.overflow.order.eff_ns <= watermark);
    for pour in &case.pours {
        second.pour(pour);
    }
    second.finish(case.end());
    prop_assert_eq!(sum(&second.changes), case.expected());
    Ok(())
}

fn check_move(case: &Case, modes: [bool; 2], sizes: [usize; 2]) -> Result<(), TestCaseError> {
    let mut first = Fleet::new(&case.specs, case.config(modes[0]), sizes[0]);
    let mut second = None;
    case.feed(&mut first, |fleet, watermark| {
        if second.is_none() && watermark > case.end() / 3 {
            second = Some((
                moved(case, fleet, sizes[1], modes[1]),
                watermark,
                fleet.changes.clone(),
            ));
        }
    });
    let Some((mut second, watermark, before)) = second else {
        return Ok(());
    };
    goes_on(case, &mut second, watermark, before)?;
    let n_late: u64 = second
        .tables
        .iter()
        .map(|table| table.counters().late)
        .sum();
    let n_early = case
        .pours
        .iter()
        .filter(|pour| pour.pour.order.eff_ns <= watermark)
        .count();
    prop_assert_eq!(n_late, n_early as u64);
    Ok(())
}

/// What was written of each group: all of it, and what changed after.
struct Written {
    groups: Vec<Vec<Vec<u8>>>,
    /// Pieces with all of a group, and with what changed.
    n_pieces: [usize; 2],
}

impl Written {
    fn new() -> Self {
        Self {
            groups: vec![Vec::new(); usize::from(KEY_GROUPS)],
            n_pieces: [0, 0],
        }
    }

    /// Writes what changed in a table.
    fn write(&mut self, table: &mut Table) {
        for group in table.changed_groups() {
            let pieces = &mut self.groups[usize::from(group)];
            let Some(piece) = table.write_group(group, &mut Vec::new()) else {
                continue;
            };
            if piece.is_whole {
                pieces.clear();
            }
            pieces.push(piece.bytes);
            self.n_pieces[usize::from(!piece.is_whole)] += 1;
        }
        assert!(table.changed_groups().is_empty());
    }

    /// The groups of table `index` of `n`, as of a watermark.
    fn restore(&self, table: &mut Table, index: usize, n: usize, watermark_ns: i64) {
        table.stand_at(watermark_ns);
        for (group, pieces) in (0..KEY_GROUPS).zip(&self.groups) {
            if group_owner(group, n) == index && !pieces.is_empty() {
                assert_eq!(table.restore(pieces), Ok(group));
            }
        }
        assert!(table.changed_groups().is_empty());
    }
}

/// Goes on, after the last watermark, with what was written at each watermark.
fn check_increments(case: &Case, modes: [bool; 2], sizes: [usize; 2]) -> Result<(), TestCaseError> {
    let mut first = Fleet::new(&case.specs, case.config(modes[0]), sizes[0]);
    let mut written = Written::new();
    let mut last = None;
    case.feed(&mut first, |fleet, watermark| {
        for table in &mut fleet.tables {
            written.write(table);
        }
        let snapshots: Vec<_> = (0..KEY_GROUPS)
            .map(|group| fleet.tables[group_owner(group, sizes[0])].snapshot(group))
            .collect();
        last = Some((watermark, fleet.changes.clone(), snapshots));
    });
    let Some((watermark, before, snapshots)) = last else {
        return Ok(());
    };
    let mut second = Fleet::new(&case.specs, case.config(modes[1]), sizes[1]);
    for (index, table) in second.tables.iter_mut().enumerate() {
        written.restore(table, index, sizes[1], watermark);
    }
    for (group, expected) in (0..KEY_GROUPS).zip(snapshots) {
        let table = &second.tables[group_owner(group, sizes[1])];
        prop_assert_eq!(table.snapshot(group), expected, "group {}", group);
    }
    let n_written: usize = written.n_pieces.iter().sum();
    prop_assert!(
        n_written <= case.pours.len() * 2,
        "what did not change was written"
    );
    goes_on(case, &mut second, watermark, before)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn increments_make_up_the_whole(
        case in prop_oneof![roomy(), crowded()],
        modes in any::<[bool; 2]>(),
        sizes in [1..5_usize, 1..5_usize],
    ) {
        check_increments(&case, modes, sizes)?;
    }

    #[test]
    fn a_restored_fleet_of_any_size_goes_on_as_if_undisturbed(
        case in prop_oneof![roomy(), crowded()],
        modes in any::<[bool; 2]>(),
        sizes in [1..5_usize, 1..5_usize],
    ) {
        check_move(&case, modes, sizes)?;
    }

    #[test]
    fn hostile_bytes_give_an_error_or_a_table_that_works(
        case in roomy(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<proptest::sample::Index>(),
        is_cut: bool,
    ) {
        let mut fleet = Fleet::new(&case.specs, case.config(true), 1);
        for pour in &case.pours {
            fleet.pour(pour);
        }
        fleet.advance(case.end());
        for group in [0, 256, 512, 768] {
            let mut bytes = fleet.tables[0].snapshot(group).unwrap();
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
                let mut table = Table::new(&case.specs, case.config(false));
                prop_assert!(table.restore(&[&bytes]).is_err());
                continue;
            }
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let mut damaged = Fleet::new(&case.specs, case.config(false), 1);
            if damaged.tables[0].restore(&[&bytes]).is_ok() {
                for pour in &case.pours {
                    damaged.pour(pour);
                }
                damaged.finish(i64::MAX);
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_reason() {
    let specs: Arc<[Spec]> = [leaky(5, 10)].into();
    let config = TableConfig::replay(i64::MAX);
    let mut table = Table::new(&specs, config);
    assert_eq!(table.snapshot(0), None);
    table.advance(0, &mut TestJudge, &mut Vec::new());
    let bytes = table.snapshot(3).unwrap();
    assert_eq!(table.snapshot(KEY_GROUPS), None);

    let check = |bytes: &[u8], message: &str| {
        let error = Table::new(&specs, config).restore(&[bytes]).unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    let change = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    check(b"OS", "not a snapshot of buckets");
    check(b"OSX\x01", "not a snapshot of buckets");
    check(b"OSC\x09", "snapshot version 9 is not known");
    check(&change(3, 9), "snapshot version 9 is not known");
    check(&change(5, 9), "group out of range at byte 6 of a snapshot");
    check(
        &bytes[..bytes.len() - 1],
        "end of bytes at byte 14 of a snapshot",
    );
    check(
        &[&bytes[..], &[0]].concat(),
        "bytes after the end at byte 18 of a snapshot",
    );
    check(&change(14, 1), "end of bytes at byte 18 of a snapshot");

    let mut other = Table::new(&specs, config);
    other.stand_at(-5);
    let error = SnapshotError::Watermark {
        snapshot_ns: 0,
        table_ns: -5,
    };
    assert_eq!(other.restore(&[&bytes]), Err(error));
    let nothing: [&[u8]; 0] = [];
    assert_eq!(other.restore(&nothing), Err(SnapshotError::NotASnapshot));
}

#[test]
fn scenarios_are_found_again_by_their_fingerprint() {
    let spec = |capacity, fingerprint| Spec {
        fingerprint,
        ..leaky(capacity, 10)
    };
    let old: Arc<[Spec]> = [spec(1, 11), spec(2, 22)].into();
    let run = |new: &[Spec]| {
        let mut fleet = Fleet::new(&old, TableConfig::replay(i64::MAX), 1);
        let mut pour = pour_at(0, 0);
        pour.pour.scenario = overspill_bucket::ScenarioId(1);
        fleet.pour(&pour);
        fleet.advance(0);
        let bytes = fleet.tables[0].snapshot(0).unwrap();
        let mut next = Fleet::new(&new.into(), TableConfig::replay(i64::MAX), 1);
        next.tables[0].restore(&[&bytes]).unwrap();
        let counters = next.tables[0].counters();
        for n in 1..3 {
            let mut pour = pour_at(n, SECOND);
            pour.pour.order.eff_ns = SECOND;
            next.pour(&pour);
        }
        next.finish(SECOND);
        (
            counters.live_buckets,
            counters.orphaned,
            sum(&next.changes).len(),
        )
    };
    assert_eq!(run(&[spec(2, 22), spec(1, 11)]), (1, 0, 1), "renumbered");
    assert_eq!(
        run(&[Spec {
            ..Spec::new(Kind::Counter)
        }]),
        (0, 1, 0),
        "gone"
    );
}

/// Pours once into each of some keys of the first group.
fn pour_keys(fleet: &mut Fleet, keys: impl Iterator<Item = u64>, time_ns: i64) {
    for key in keys {
        let mut pour = pour_at(key, time_ns);
        pour.pour.key = Key([0, key]);
        pour.pour.order.eff_ns = time_ns;
        fleet.pour(&pour);
    }
    fleet.advance(time_ns);
}

#[test]
fn where_few_keys_of_many_change_little_is_written() {
    let specs: Arc<[Spec]> = [leaky(5, 1_000)].into();
    let mut fleet = Fleet::new(&specs, TableConfig::live(0), 1);
    let mut written = Written::new();
    let mut n_bytes = Vec::new();
    for n in 0..40 {
        let keys = if n == 0 {
            0..1_000
        } else {
            n * 20..n * 20 + 20
        };
        pour_keys(&mut fleet, keys, i64::try_from(n + 1).unwrap() * SECOND);
        written.write(&mut fleet.tables[0]);
        n_bytes.push(written.groups[0].last().unwrap().len());
    }
    let [n_whole, n_changes] = written.n_pieces;
    assert_eq!((n_whole, n_changes), (3, 37), "every 16th is all of it");
    assert!(n_bytes[1] < n_bytes[0] / 40, "{n_bytes:?}");
    let mut next = Table::new(&specs, TableConfig::live(0));
    written.restore(&mut next, 0, 1, 40 * SECOND);
    assert_eq!(next.snapshot(0), fleet.tables[0].snapshot(0));
    // It goes on where the first one was.
    let mut next = Fleet {
        tables: vec![next],
        changes: Vec::new(),
    };
    pour_keys(&mut next, 0..20, 41 * SECOND);
    assert!(
        !next.tables[0]
            .write_group(0, &mut Vec::new())
            .unwrap()
            .is_whole
    );
}

#[test]
fn pieces_are_at_most_four_times_what_there_is_and_one_when_nothing_is_left() {
    let specs: Arc<[Spec]> = [leaky(5, 1_000)].into();
    let mut fleet = Fleet::new(&specs, TableConfig::live(0), 1);
    let mut written = Written::new();
    for n in 0..60_u64 {
        let (from, to) = (n * 300 % 1_000, n * 300 % 1_000 + 300);
        pour_keys(&mut fleet, from..to, i64::try_from(n + 1).unwrap() * SECOND);
        written.write(&mut fleet.tables[0]);
        let n_bytes: usize = written.groups[0].iter().map(Vec::len).sum();
        let whole = fleet.tables[0].snapshot(0).unwrap().len();
        assert!(n_bytes <= whole * 4, "{n}: {n_bytes} for {whole}");
    }
    assert!(written.n_pieces[1] > 20, "{:?}", written.n_pieces);
    fleet.advance(i64::MAX / 2);
    written.write(&mut fleet.tables[0]);
    assert_eq!(written.groups[0], [fleet.tables[0].snapshot(0).unwrap()]);
}

#[test]
fn keys_that_were_evicted_do_not_come_back() {
    let specs: Arc<[Spec]> = [leaky(5, 1_000)].into();
    let config = TableConfig {
        keys_per_group_max: 400,
        ..TableConfig::live(0)
    };
    let mut fleet = Fleet::new(&specs, config, 1);
    let mut written = Written::new();
    let mut go = |fleet: &mut Fleet, keys: std::ops::Range<u64>, n: i64| {
        pour_keys(fleet, keys, n * SECOND);
        written.write(&mut fleet.tables[0]);
        let mut next = Table::new(&specs, config);
        written.restore(&mut next, 0, 1, n * SECOND);
        assert_eq!(next.snapshot(0), fleet.tables[0].snapshot(0));
        written.n_pieces
    };
    go(&mut fleet, 0..400, 1);
    // One too many, and an eighth of all leaves; some of these come again.
    go(&mut fleet, 400..401, 2);
    assert_eq!(fleet.tables[0].counters().evicted, 51);
    go(&mut fleet, 0..30, 3);
    assert_eq!(go(&mut fleet, 500..540, 4), [1, 3]);
}

#[test]
fn pieces_that_do_not_follow_one_another_are_refused() {
    let specs: Arc<[Spec]> = [leaky(5, 1_000)].into();
    let mut fleet = Fleet::new(&specs, TableConfig::live(0), 1);
    let mut pieces = Vec::new();
    for n in 1..4 {
        let keys = if n == 1 { 0..100 } else { 0..10 };
        pour_keys(&mut fleet, keys, n * SECOND);
        pieces.push(
            fleet.tables[0]
                .write_group(0, &mut Vec::new())
                .unwrap()
                .bytes,
        );
    }
    let restored = |which: &[usize]| {
        let pieces: Vec<&Vec<u8>> = which.iter().map(|&at| &pieces[at]).collect();
        Table::new(&specs, TableConfig::live(0)).restore(&pieces)
    };
    assert_eq!(restored(&[0, 1, 2]), Ok(0));
    for (which, at) in [(&[1][..], 0), (&[0, 0], 1), (&[0, 2, 1], 2), (&[1, 0], 0)] {
        assert_eq!(
            restored(which),
            Err(SnapshotError::Piece { at }),
            "{which:?}"
        );
    }
    let mut other_group = pieces[1].clone();
    other_group[4] = 1;
    let pieces = [&pieces[0], &other_group];
    assert!(
        Table::new(&specs, TableConfig::live(0))
            .restore(&pieces)
            .is_err()
    );
}
