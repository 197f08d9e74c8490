use proptest::prelude::*;

use super::*;

const STEP: i64 = GRID_NS / 4;

/// What happens to a partition.
#[derive(Debug, Clone, Copy)]
enum Happening {
    /// A line with this time, in steps.
    Line(Option<i64>),
    /// The source has nothing, and the clock is here.
    Idle(i64),
    /// Others would not wait for it any more.
    Exclude(i64),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let happening = prop_oneof![
        8 => (0..60_i64).prop_map(|time| Happening::Line(Some(time))),
        1 => Just(Happening::Line(None)),
        1 => (0..60_i64).prop_map(Happening::Idle),
        1 => (0..60_i64).prop_map(Happening::Exclude),
    ];
    proptest::collection::vec(happening, 1..60)
}

fn context() -> Arc<[u8]> {
    Arc::from(*b"context")
}

fn mark(offset: u64) -> Mark {
    Mark {
        offset,
        context: context(),
    }
}

/// Lines have the offsets 10, 20, ...: nobody may count on their being in a row.
fn offset_of(line: usize) -> u64 {
    line as u64 * 10
}

/// What parsers would remember before the line with this offset: here, which it is.
fn stash(offset: u64) -> StashBytes {
    Arc::from(offset.to_le_bytes())
}

/// Runs a partition; answers the effective times of its lines. `at` is called after each happening. A batch has so many
/// lines, or ends before.
fn run(
    course: &mut Course,
    restarts: &mut Restarts,
    happenings: &[Happening],
    from: u64,
    batch: usize,
    mut at: impl FnMut(&Course, &mut Restarts),
) -> Vec<(u64, Option<i64>)> {
    let mut effs = Vec::new();
    let mut n_lines = 0;
    let mut n_out = 0;
    for happening in happenings {
        let is_line = matches!(happening, Happening::Line(_));
        if n_out > 0 && (!is_line || n_out == batch) {
            let offset = offset_of(n_lines);
            course.came_home(mark(offset), Some(stash(offset)));
            n_out = 0;
        }
        match happening {
            Happening::Line(time) => {
                let offset = offset_of(n_lines);
                n_lines += 1;
                if offset < from {
                    continue;
                }
                let time_ns = time.map(|time| time * STEP);
                let eff = course.times(&[time_ns], &[offset], &context(), restarts)[0];
                effs.push((offset, eff));
                n_out += 1;
            }
            Happening::Idle(_) | Happening::Exclude(_) if offset_of(n_lines) < from => continue,
            Happening::Idle(time) => {
                course.raise(time * STEP, Some(mark(offset_of(n_lines))), restarts);
            }
            Happening::Exclude(time) => course.raise(time * STEP, None, restarts),
        }
        at(course, restarts);
    }
    effs
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever moved the watermark, and wherever the checkpoint is made: what is read again counts what
    /// the checkpoint does not hold, and nothing else; without clocks also at the same times.
    #[test]
    fn a_restart_counts_what_a_checkpoint_does_not_hold(
        happenings in happenings(),
        lateness in 0..8_i64,
        wait in 0..30_usize,
        is_idle_again: bool,
        batch in 1..6_usize,
        has_stash: bool,
        promised in prop_oneof![Just(None), (0..20_i64).prop_map(Some)],
    ) {
        let mut restarts = Restarts::kept(has_stash);
        let promised_ns = promised.map(|time| time * STEP);
        let start = Start { mark: mark(0), stash: Some(stash(0)), resumed: None };
        let mut course = Course::new(7, &start, lateness * STEP, promised_ns, &mut restarts);
        let mut taken: Option<(i64, RestartPoint)> = None;
        let mut n_passed = 0;
        let mut before_ns = course.watermark_ns();
        let effs = run(&mut course, &mut restarts, &happenings, 0, batch, |course, restarts| {
            // The last multiple of the grid that the watermark has passed.
            let upto_ns = grid(course.watermark_ns().saturating_add(1)).saturating_mul(GRID_NS).saturating_sub(1);
            if course.watermark_ns() > i64::MIN / 2 && upto_ns > before_ns && taken.is_none() {
                n_passed += 1;
                if n_passed > wait {
                    taken = Some((upto_ns, restarts.as_of(upto_ns)[0].clone()));
                } else {
                    restarts.release(upto_ns);
                }
                before_ns = upto_ns;
            }
        });
        let Some((upto_ns, point)) = taken else { return Ok(()); };
        let expected: Vec<(u64, i64)> = effs
            .iter()
            .filter_map(|(offset, eff)| Some((*offset, (*eff)?)))
            .filter(|(_, eff)| *eff > upto_ns)
            .collect();
        let resumed = Resumed { upto_ns, counted_below: point.counted_below, clock: point.clock };
        if has_stash {
            prop_assert_eq!(&point.stash, &Some(stash(point.mark.offset)), "what is remembered is of that place");
        }
        let start = Start { mark: point.mark.clone(), stash: point.stash.clone(), resumed: Some(resumed) };
        let mut restarts = Restarts::kept(has_stash);
        let mut course = Course::new(7, &start, lateness * STEP, Some(upto_ns), &mut restarts);
        let lines_only: Vec<Happening> = happenings
            .iter()
            .copied()
            .filter(|happening| is_idle_again || matches!(happening, Happening::Line(_)))
            .collect();
        let again = run(&mut course, &mut restarts, &lines_only, point.mark.offset, batch, |_, _| ());
        let given: Vec<(u64, i64)> = again
            .iter()
            .filter_map(|(offset, eff)| Some((*offset, (*eff)?)))
            .collect();
        prop_assert!(given.iter().all(|(_, eff)| *eff > upto_ns), "{given:?} as of {upto_ns}");
        let offsets = |effs: &[(u64, i64)]| effs.iter().map(|(offset, _)| *offset).collect::<Vec<_>>();
        prop_assert_eq!(offsets(&given), offsets(&expected), "as of {}, from {:?}", upto_ns, point);
        let is_by_lines = happenings.iter().all(|happening| matches!(happening, Happening::Line(_)));
        if is_by_lines {
            prop_assert_eq!(given, expected);
        }
    }
}

#[test]
fn what_ended_is_told_once_and_what_is_passed_is_forgotten() {
    let mut restarts = Restarts::kept(false);
    let start = Start::default();
    let mut course = Course::new(1, &start, 0, None, &mut restarts);
    let times: Vec<Option<i64>> = (0..100).map(|n| Some(n * GRID_NS + 1)).collect();
    let offsets: Vec<u64> = (0..100).collect();
    course.times(&times, &offsets, &context(), &mut restarts);
    restarts.release(50 * GRID_NS - 1);
    let log = &restarts.logs[&1];
    assert!(log.later.len() <= 51 && log.passed.len() <= 51, "{log:?}");
    let point = restarts.as_of(60 * GRID_NS - 1).remove(0);
    assert_eq!(
        (point.mark.offset, point.counted_below, point.is_ended),
        (60, 61, false)
    );
    course.end(&mut restarts);
    assert!(
        !restarts.as_of(98 * GRID_NS - 1)[0].is_ended,
        "two lines are left to count"
    );
    course.raise(200 * GRID_NS, Some(mark(100)), &mut restarts);
    assert!(restarts.as_of(150 * GRID_NS - 1)[0].is_ended);
    assert_eq!(restarts.as_of(151 * GRID_NS - 1), []);
}

#[test]
fn of_a_partition_that_ended_all_is_counted_that_is_not_above_a_checkpoint() {
    // The last one is late, and moves nothing.
    let times = [10, 30, 20].map(|time| Some(time * STEP));
    let offsets = [0, 1, 2].map(offset_of);
    let mut restarts = Restarts::kept(false);
    let start = Start {
        mark: mark(0),
        stash: None,
        resumed: None,
    };
    let mut course = Course::new(7, &start, 100 * STEP, None, &mut restarts);
    course.times(&times, &offsets, &context(), &mut restarts);
    course.came_home(mark(offset_of(3)), None);
    course.end(&mut restarts);
    // Others have brought event time here, far past what this one had promised.
    let upto_ns = 25 * STEP;
    let point = restarts.as_of(upto_ns).remove(0);
    assert!(!point.is_ended);
    let mut restarts = Restarts::kept(false);
    let start = Start {
        mark: point.mark.clone(),
        stash: None,
        resumed: Some(Resumed {
            upto_ns,
            counted_below: point.counted_below,
            clock: point.clock,
        }),
    };
    let mut again = Course::new(7, &start, 100 * STEP, None, &mut restarts);
    let is_left = |offset: &u64| *offset >= point.mark.offset;
    let first = offsets.iter().position(is_left).unwrap();
    let counted: Vec<bool> = again
        .times(
            &times[first..],
            &offsets[first..],
            &context(),
            &mut restarts,
        )
        .iter()
        .map(Option::is_none)
        .collect();
    assert_eq!(counted, [true, false, true][first..]);
    // And when that is past all of it, there is nothing to go on with.
    again.came_home(mark(offset_of(3)), None);
    again.end(&mut restarts);
    assert!(restarts.as_of(40 * STEP).remove(0).is_ended);
}
