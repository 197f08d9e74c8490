//! State as of a watermark, taken elsewhere.

use std::sync::Arc;

use overspill_bucket::{
    Change, KEY_GROUPS, Kind, SnapshotError, Spec, Table, TableConfig, group_owner,
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
        assert_eq!(target.restore(&bytes), Ok(group));
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

/// Goes on, after the last watermark, with what the groups that changed were at each watermark.
fn check_increments(case: &Case, modes: [bool; 2], sizes: [usize; 2]) -> Result<(), TestCaseError> {
    let mut first = Fleet::new(&case.specs, case.config(modes[0]), sizes[0]);
    let mut groups: Vec<Option<Vec<u8>>> = vec![None; usize::from(KEY_GROUPS)];
    let mut last = None;
    let mut n_written = 0;
    case.feed(&mut first, |fleet, watermark| {
        for table in &mut fleet.tables {
            for group in table.take_changed() {
                n_written += 1;
                groups[usize::from(group)] = table.snapshot(group);
            }
        }
        last = Some((watermark, fleet.changes.clone()));
    });
    let Some((watermark, before)) = last else {
        return Ok(());
    };
    let mut second = Fleet::new(&case.specs, case.config(modes[1]), sizes[1]);
    for table in &mut second.tables {
        table.stand_at(watermark);
    }
    for (group, bytes) in (0..KEY_GROUPS).zip(&groups) {
        if let Some(bytes) = bytes {
            let target = &mut second.tables[group_owner(group, sizes[1])];
            prop_assert_eq!(target.restore(bytes), Ok(group));
        }
    }
    prop_assert!(
        n_written <= case.pours.len() * 2,
        "what did not change was written"
    );
    prop_assert!(
        second
            .tables
            .iter_mut()
            .all(|table| table.take_changed().is_empty())
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
                prop_assert!(table.restore(&bytes).is_err());
                continue;
            }
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let mut damaged = Fleet::new(&case.specs, case.config(false), 1);
            if damaged.tables[0].restore(&bytes).is_ok() {
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
        let error = Table::new(&specs, config).restore(bytes).unwrap_err();
        assert_eq!(error.to_string(), message);
    };
    let change = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    check(b"OS", "not a snapshot of buckets");
    check(b"OSC\x01", "not a snapshot of buckets");
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
    assert_eq!(other.restore(&bytes), Err(error));
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
        next.tables[0].restore(&bytes).unwrap();
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
