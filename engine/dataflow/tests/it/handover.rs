//! A partition that goes on where another one ends.

use overspill_dataflow::feed::{Feed, Feeder, partition};

use crate::jobs::{Running, batch, origin, start};
use crate::lines::line;

/// Lines of a partition, a second apart.
fn lines(from_s: i64, n: i64) -> Vec<String> {
    (from_s..from_s + n)
        .map(|second| line(second * 1_000, "a 192.0.2.1 y"))
        .collect()
}

#[test]
fn it_is_counted_where_that_one_was_and_finds_event_time_not_past_its_lines() {
    for workers in [1, 2, 3] {
        let Running {
            job,
            intake,
            progress,
            ..
        } = start(workers);
        let begin = |id, home_of| {
            let (feeder, mut partition) = partition(id, origin());
            partition.home_of = home_of;
            intake.add(partition);
            feeder
        };
        // One is far ahead, and at home where the last one would be by its own number.
        let ahead = begin(6, 6);
        let first = begin(1, 1);
        intake.open_gate();
        let give = |feeder: &Feeder, lines: &[String], from| {
            assert!(feeder.send(Feed::Lines(batch(lines, from).into())));
        };
        give(&ahead, &lines(500, 100), 0);
        give(&first, &lines(0, 50), 0);
        while progress.lines() < 150 {
            std::thread::yield_now();
        }
        let after = begin(12, 1);
        first.send(Feed::End);
        give(&after, &lines(50, 50), 0);
        let again = begin(18, 1);
        after.send(Feed::End);
        give(&again, &lines(100, 50), 0);
        for feeder in [&ahead, &again] {
            feeder.send(Feed::End);
        }
        intake.close();
        let stats = job.join().unwrap().unwrap();
        assert_eq!((stats.parsed, stats.clamped), (250, 0), "{workers} workers");
        assert_eq!(stats.buckets["late"], 0);
    }
}
