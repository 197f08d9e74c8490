//! Rotation of every kind, while it is watched and while nobody looks.

use super::*;

/// Numbers of all lines, in the order in which they came.
fn seen(outlet: &Checked) -> Vec<usize> {
    numbers(&outlet.texts())
}

fn all(to: usize) -> Vec<usize> {
    (0..to).collect()
}

#[test]
fn a_renamed_file_is_finished_before_the_new_one_begins() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 10));
    let mut source = logs.tail("a.log", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 10);
    let mut old = logs.open("a.log");
    logs.rename("a.log", "a.log.1");
    logs.write("a.log", &lines(12, 14));
    // The program has the old file open and still writes to it, a last line without an end included.
    old.write_all(lines(10, 12).trim_end().as_bytes()).unwrap();
    outlet.until_lines(&mut source, 14);
    assert_eq!(seen(&outlet), all(14));
    assert_eq!(source.counters().get(Count::Rotations), 1);
    assert_eq!(outlet.begun.len(), 1);
    let after_old = (lines(0, 12).len() - 1) as u64;
    assert_eq!(outlet.lines[12].offset, after_old);
}

#[test]
fn files_that_come_and_go_while_nobody_looks_are_read_in_their_order() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 10));
    let mut source = logs.tail("a.log", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 10);
    // As when the process was frozen, or was behind for longer than a file lasts.
    for n in 1..4 {
        for old in (1..n).rev() {
            logs.rename(&format!("a.log.{old}"), &format!("a.log.{}", old + 1));
        }
        logs.rename("a.log", "a.log.1");
        logs.write("a.log", &lines(n * 10, n * 10 + 10));
    }
    // The program still has the youngest of them open.
    logs.write("a.log.1", &lines(40, 41));
    outlet.until_lines(&mut source, 41);
    outlet.during(&mut source, Duration::from_millis(100));
    let expected: Vec<usize> = (0..30).chain([40]).chain(30..40).collect();
    assert_eq!(seen(&outlet), expected);
    assert_eq!(source.counters().get(Count::PositionsLost), 0);
    assert_eq!(outlet.begun.len(), 1);
}

#[test]
fn copies_that_come_while_nobody_looks_are_read_in_their_order() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 10));
    let mut source = logs.tail("a.log", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 10);
    logs.write("a.log", &lines(10, 12));
    for n in 1..3 {
        if n == 2 {
            logs.rename("a.log.1", "a.log.2");
        }
        fs::copy(logs.path("a.log"), logs.path("a.log.1")).unwrap();
        fs::write(logs.path("a.log"), lines(n * 12, n * 12 + 12)).unwrap();
    }
    outlet.until_lines(&mut source, 36);
    outlet.during(&mut source, Duration::from_millis(100));
    assert_eq!(seen(&outlet), all(36));
    assert_eq!(source.counters().get(Count::PositionsLost), 0);
}

/// A log of ten lines that were read, of two more, and of what comes after it was cut, while nobody looks; then it is
/// renamed. So many lines are given of it.
fn cut_and_renamed(n_left: usize, rotate: impl Fn(&Logs)) -> (Vec<usize>, u64) {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 10));
    let mut source = logs.tail("a.log", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 10);
    logs.write("a.log", &lines(10, 12));
    rotate(&logs);
    fs::write(logs.path("a.log"), lines(12, 14)).unwrap();
    logs.rename("a.log", "a.log.1");
    logs.write("a.log", &lines(14, 20));
    outlet.until_lines(&mut source, n_left);
    outlet.during(&mut source, Duration::from_millis(100));
    (seen(&outlet), source.counters().get(Count::Truncations))
}

#[test]
fn a_file_that_is_copied_cut_and_renamed_while_nobody_looks_is_read_whole() {
    let copied = |logs: &Logs| {
        fs::copy(logs.path("a.log"), logs.path("a.log.2")).unwrap();
    };
    assert_eq!(cut_and_renamed(20, copied), (all(20), 1));
}

#[test]
fn of_a_file_that_is_cut_and_renamed_while_nobody_looks_only_what_was_cut_is_lost() {
    let expected = (0..10).chain(12..20).collect();
    assert_eq!(cut_and_renamed(18, |_| ()), (expected, 1));
}

#[test]
fn a_pattern_that_shows_the_rotated_files_too_gives_nothing_twice() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 30));
    let mut source = logs.tail("a.log*", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 30);
    for n in 0..3 {
        for old in (1..=n).rev() {
            logs.rename(&format!("a.log.{old}"), &format!("a.log.{}", old + 1));
        }
        logs.rename("a.log", "a.log.1");
        logs.write("a.log", &lines(30 + n * 30, 60 + n * 30));
        outlet.until_lines(&mut source, 60 + n * 30);
        outlet.during(&mut source, Duration::from_millis(300));
    }
    assert_eq!(seen(&outlet), all(120));
    assert_eq!(source.counters().get(Count::PositionsLost), 0);
    // A late line in a rotated file comes too, under its new name.
    logs.write("a.log.1", &lines(120, 121));
    outlet.until_lines(&mut source, 121);
    let resume = Resume::From(outlet.positions.clone());
    drop(source);
    let mut again = logs.tail("a.log*", resume);
    let mut second = Checked::default();
    second.during(&mut again, Duration::from_millis(400));
    assert_eq!(second.texts(), Vec::<&str>::new());
}

#[test]
fn copy_and_truncate_reads_the_rest_of_the_copy_first() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 30));
    let mut source = logs.tail("a.log", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 30);
    logs.write("a.log", &lines(30, 35));
    fs::copy(logs.path("a.log"), logs.path("a.log.1")).unwrap();
    let file = OpenOptions::new().write(true).open(logs.path("a.log"));
    file.unwrap().set_len(0).unwrap();
    logs.write("a.log", &lines(35, 38));
    outlet.until_lines(&mut source, 38);
    assert_eq!(seen(&outlet), all(38));
    assert_eq!(source.counters().get(Count::Truncations), 1);
    assert_eq!(source.counters().get(Count::PositionsLost), 0);
}

#[test]
fn a_truncated_file_that_has_grown_past_the_offset_is_told_by_its_beginning() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 30));
    let mut source = logs.tail("a.log*", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 30);
    fs::copy(logs.path("a.log"), logs.path("a.log.1")).unwrap();
    fs::write(logs.path("a.log"), lines(30, 90)).unwrap();
    outlet.until_lines(&mut source, 90);
    outlet.during(&mut source, Duration::from_millis(200));
    // The copy is seen by the pattern, and is known for one.
    assert_eq!(seen(&outlet), all(90));
    assert_eq!(source.counters().get(Count::Truncations), 1);
}

#[test]
fn a_file_that_is_deleted_and_made_anew_is_read_from_its_beginning() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 5));
    let mut source = logs.tail("a.log", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 5);
    logs.write("a.log", &lines(5, 7));
    fs::remove_file(logs.path("a.log")).unwrap();
    // What was written before it went is read through the open handle.
    outlet.until_lines(&mut source, 7);
    logs.write("a.log", &lines(7, 9));
    outlet.until_lines(&mut source, 9);
    assert_eq!(seen(&outlet), all(9));
    assert_eq!(outlet.begun.len(), 1);
    fs::remove_file(logs.path("a.log")).unwrap();
    outlet.until(&mut source, |outlet| !outlet.ended.is_empty());
    assert!(outlet.positions.is_empty());
    logs.write("a.log", &lines(9, 10));
    outlet.until_lines(&mut source, 10);
    assert_eq!(outlet.begun.len(), 2);
}

/// Reads `n` lines, stops, lets `change` happen, and goes on at every line from `n_back` before the
/// end; what comes must be what was not read, in order.
fn over_a_restart(n_back: usize, change: impl Fn(&Logs), expected: usize) -> Vec<TailSource> {
    let n = 40;
    let logs = Logs::new();
    logs.write("a.log", &lines(0, n));
    let mut source = logs.tail("a.log", Resume::First);
    let mut first = Checked::default();
    first.until_lines(&mut source, n);
    drop(source);
    change(&logs);
    let mut sources = Vec::new();
    for from in (n - n_back)..=n {
        let position = first.lines.get(from).map(|line| line.position.clone());
        let positions = match position {
            Some(position) => Positions::from([(first.lines[0].partition.clone(), position)]),
            None => first.positions.clone(),
        };
        let mut source = logs.tail("a.log", Resume::From(positions));
        let mut outlet = Checked::default();
        outlet.until_lines(&mut source, expected - from);
        outlet.during(&mut source, Duration::from_millis(100));
        assert_eq!(seen(&outlet), (from..expected).collect::<Vec<_>>());
        assert_eq!(source.counters().get(Count::PositionsLost), 0);
        sources.push(source);
    }
    sources
}

#[test]
fn after_a_restart_a_renamed_file_is_finished_first() {
    let change = |logs: &Logs| {
        logs.write("a.log", &lines(40, 45));
        logs.rename("a.log", "a.log.1");
        logs.write("a.log", &lines(45, 50));
    };
    over_a_restart(5, change, 50);
}

#[test]
fn after_a_restart_a_packed_file_is_finished_first() {
    let change = |logs: &Logs| {
        logs.write("a.log", &lines(40, 45));
        logs.rename("a.log", "a.log-20260310");
        logs.pack("a.log-20260310");
        logs.write("a.log", &lines(45, 50));
    };
    over_a_restart(5, change, 50);
}

#[test]
fn after_a_restart_all_files_in_between_are_read_in_order() {
    let change = |logs: &Logs| {
        logs.write("a.log", &lines(40, 45));
        logs.rename("a.log", "a.log.3");
        logs.pack("a.log.3");
        logs.write("a.log.4", &lines(900, 950));
        logs.write("a.log.2", &lines(45, 70));
        logs.pack("a.log.2");
        logs.write("a.log.1", &lines(70, 72));
        logs.write("a.log", &lines(72, 73));
    };
    over_a_restart(3, change, 73);
}

#[test]
fn after_a_restart_a_truncated_file_is_told_from_its_copy() {
    let change = |logs: &Logs| {
        logs.write("a.log", &lines(40, 45));
        fs::copy(logs.path("a.log"), logs.path("a.log.1")).unwrap();
        fs::write(logs.path("a.log"), lines(45, 150)).unwrap();
    };
    over_a_restart(3, change, 150);
}

#[test]
fn after_a_restart_a_file_that_was_cut_and_not_written_since_is_read_from_its_copy() {
    let change = |logs: &Logs| {
        logs.write("a.log", &lines(40, 45));
        fs::copy(logs.path("a.log"), logs.path("a.log.1")).unwrap();
        fs::write(logs.path("a.log"), "").unwrap();
    };
    // Also from its first line, where as much of it was read as there is now.
    over_a_restart(40, change, 45);
}

#[test]
fn after_a_restart_what_came_into_an_empty_file_and_was_copied_away_is_read_first() {
    for n_older in 0..3 {
        for n_rotations in 1..4 {
            let logs = Logs::new();
            for n in 0..n_older {
                let name = format!("a.log.{}", n + 1);
                logs.write(&name, &lines(900 + 10 * n, 910 + 10 * n));
            }
            logs.write("a.log", "");
            let mut source = logs.tail("a.log", Resume::First);
            let mut first = Checked::default();
            first.until(&mut source, |outlet| !outlet.caught_up.is_empty());
            assert_eq!(first.texts(), Vec::<&str>::new());
            drop(source);
            for n in 0..n_rotations {
                logs.write("a.log", &lines(5 * n, 5 * n + 5));
                copies::copy_and_cut(&logs, "a.log", n_older + n);
            }
            // What is there now may be nothing, too.
            let last = 5 * n_rotations + n_older;
            logs.write("a.log", &lines(5 * n_rotations, last));
            let mut again = logs.tail("a.log", Resume::From(first.positions));
            let mut outlet = Checked::default();
            outlet.until_lines(&mut again, last);
            outlet.during(&mut again, Duration::from_millis(200));
            assert_eq!(seen(&outlet), all(last), "{n_older} {n_rotations}");
            assert!(!outlet.caught_up.is_empty());
            assert_eq!(again.counters().get(Count::PositionsLost), 0);
        }
    }
}

#[test]
fn after_a_restart_a_copy_that_the_pattern_shows_is_read_once() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 400));
    let mut source = logs.tail("a.log*", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 400);
    let resume = Resume::From(outlet.positions.clone());
    drop(source);
    logs.write("a.log", &lines(400, 450));
    fs::copy(logs.path("a.log"), logs.path("a.log.1")).unwrap();
    fs::write(logs.path("a.log"), lines(450, 460)).unwrap();
    let mut again = logs.tail("a.log*", resume);
    let mut second = Checked::default();
    second.until_lines(&mut again, 60);
    second.during(&mut again, Duration::from_millis(300));
    assert_eq!(seen(&second), (400..460).collect::<Vec<_>>());
    assert_eq!(again.counters().get(Count::PositionsLost), 0);
}

#[test]
fn after_a_restart_a_path_that_shows_nothing_is_finished_and_ends() {
    let change = |logs: &Logs| {
        logs.write("a.log", &lines(40, 45));
        logs.rename("a.log", "a.log.1");
    };
    for mut source in over_a_restart(1, change, 45) {
        source.close();
        assert_eq!(source.streams.len(), 0);
    }
}

#[test]
fn a_file_that_is_gone_after_a_restart_is_a_counted_loss() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 5));
    let mut source = logs.tail("a.log", Resume::First);
    let mut first = Checked::default();
    first.until_lines(&mut source, 5);
    fs::remove_file(logs.path("a.log")).unwrap();
    logs.write("a.log", &lines(5, 8));
    let mut again = logs.tail("a.log", Resume::From(first.positions.clone()));
    let mut outlet = Checked::default();
    outlet.until_lines(&mut again, 3);
    assert_eq!(seen(&outlet), [5, 6, 7]);
    let counters = again.counters();
    assert_eq!(counters.get(Count::PositionsLost), 1);
    let samples = counters.take_samples();
    assert!(
        samples
            .iter()
            .any(|sample| sample.text.ends_with("is no more")),
        "{samples:?}"
    );
}

#[test]
fn a_file_of_two_names_is_read_once() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 5));
    fs::hard_link(logs.path("a.log"), logs.path("b.log")).unwrap();
    std::os::unix::fs::symlink(logs.path("a.log"), logs.path("c.log")).unwrap();
    let mut source = logs.tail("*.log", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 5);
    outlet.during(&mut source, Duration::from_millis(200));
    assert_eq!(outlet.lines.len(), 5);
    assert_eq!(outlet.begun.len(), 1);
}

#[test]
fn a_link_that_is_turned_to_another_file_is_followed_there() {
    let logs = Logs::new();
    logs.write("pods/0.log", &lines(0, 5));
    std::os::unix::fs::symlink(logs.path("pods/0.log"), logs.path("a.log")).unwrap();
    let mut source = logs.tail("*.log", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 5);
    logs.write("pods/1.log", &lines(5, 9));
    fs::remove_file(logs.path("a.log")).unwrap();
    std::os::unix::fs::symlink(logs.path("pods/1.log"), logs.path("a.log")).unwrap();
    outlet.until_lines(&mut source, 9);
    assert_eq!(seen(&outlet), all(9));
}
