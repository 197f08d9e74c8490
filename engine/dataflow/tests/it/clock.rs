//! Ticks and partition clocks: no event is ever late.

use overspill_dataflow::clock::{
    PartitionClock, TICK_EVENTS_MAX, TICK_NS, complete_ns, tick, untick,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => (0i64..400).prop_map(|step| step * 1_000_000),
        1 => any::<i64>(),
        1 => prop::sample::select(&[i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1][..]),
    ]
}

proptest! {
    #[test]
    fn a_tick_holds_its_time(ns in any::<i64>(), other in any::<i64>()) {
        prop_assert!(untick(tick(ns)) <= ns);
        prop_assert!(ns.saturating_sub(untick(tick(ns))) < TICK_NS);
        prop_assert_eq!(tick(ns) <= tick(other), untick(tick(ns)) <= untick(tick(other)));
        if ns <= other {
            prop_assert!(tick(ns) <= tick(other));
        }
    }

    #[test]
    fn no_event_is_at_or_below_what_was_complete_before_it(
        times in vec(prop::option::weighted(0.9, time()), 1..60),
        lateness_ns in prop_oneof![Just(0), 0i64..50_000_000, Just(i64::MAX), Just(-5)],
    ) {
        let mut clock = PartitionClock::new(lateness_ns);
        let mut watermark_ns = clock.watermark_ns();
        for time_ns in times {
            let complete_ns = complete_ns(Some(tick(watermark_ns)));
            let eff_ns = clock.effective_ns(time_ns);
            // At the very end of time there is no later place left.
            prop_assert!(eff_ns > watermark_ns || watermark_ns == i64::MAX);
            prop_assert!(eff_ns > complete_ns || watermark_ns == i64::MAX);
            if let Some(time_ns) = time_ns {
                prop_assert!(eff_ns >= time_ns);
                prop_assert!(time_ns <= watermark_ns || eff_ns == time_ns);
            }
            prop_assert!(clock.watermark_ns() >= watermark_ns);
            watermark_ns = clock.watermark_ns();
        }
    }

    #[test]
    fn without_lateness_the_order_is_that_of_the_lines(
        times in vec(prop::option::weighted(0.9, time()), 1..60),
    ) {
        let mut clock = PartitionClock::new(0);
        let effs: Vec<i64> = times.into_iter().map(|time| clock.effective_ns(time)).collect();
        prop_assert!(effs.is_sorted(), "{:?}", effs);
    }

    #[test]
    fn what_a_clock_says_depends_on_its_events_alone(
        times in vec(prop::option::weighted(0.9, time()), 1..60),
        lateness_ns in 0i64..50_000_000,
    ) {
        let run = || {
            let mut clock = PartitionClock::new(lateness_ns);
            let effs: Vec<i64> = times.iter().map(|time| clock.effective_ns(*time)).collect();
            (effs, clock)
        };
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn events_below_the_watermark_are_counted() {
    let mut clock = PartitionClock::new(5);
    for time_ns in [100, 95, 94, 10] {
        clock.effective_ns(Some(time_ns));
    }
    // 95 stands at the watermark itself: no earlier than it may be.
    assert_eq!(clock.n_clamped, 2);
}

#[test]
fn a_watermark_that_stands_moves_on_after_so_many_events() {
    for (lateness_ns, time_ns) in [(0, Some(1_000_000_000)), (3_000_000, Some(0)), (0, None)] {
        let mut clock = PartitionClock::new(lateness_ns);
        clock.effective_ns(time_ns);
        let start = tick(clock.watermark_ns());
        let mut last_ns = i64::MIN;
        for _ in 0..3 * TICK_EVENTS_MAX {
            let eff_ns = clock.effective_ns(time_ns);
            assert!(eff_ns >= last_ns);
            last_ns = eff_ns;
        }
        assert_eq!(tick(clock.watermark_ns()), start + 3);
        assert_eq!(clock.n_moved_on, 3);
        // An event of its own later time is where it says.
        let later_ns = 2_000_000_000;
        assert_eq!(clock.effective_ns(Some(later_ns)), later_ns);
    }
}

#[test]
fn a_watermark_at_the_end_of_time_stands() {
    let mut clock = PartitionClock::new(0);
    for _ in 0..=TICK_EVENTS_MAX {
        clock.effective_ns(Some(i64::MAX));
    }
    assert_eq!(clock.watermark_ns(), i64::MAX);
}
