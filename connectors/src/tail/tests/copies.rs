//! Logs that are copied and cut, followed by a pattern that the copies match too.

use super::*;

pub(super) fn copy_and_cut(logs: &Logs, name: &str, n_rotated: usize) {
    for n in (1..=n_rotated).rev() {
        logs.rename(&format!("{name}.{n}"), &format!("{name}.{}", n + 1));
    }
    fs::copy(logs.path(name), logs.path(&format!("{name}.1"))).unwrap();
    let file = OpenOptions::new().write(true).open(logs.path(name));
    file.unwrap().set_len(0).unwrap();
}

/// Reads until everything is at its end, and some time more for what would come twice.
fn rest(source: &mut TailSource, n: usize) -> Checked {
    let mut outlet = Checked::default();
    outlet.until_lines(source, n);
    outlet.during(source, Duration::from_millis(300));
    outlet
}

fn sorted(outlet: &Checked) -> Vec<usize> {
    let mut seen = numbers(&outlet.texts());
    seen.sort_unstable();
    seen
}

#[test]
fn a_copy_that_was_made_while_nobody_looked_is_read_on_where_little_had_been_read() {
    for n_rotations in 1..4 {
        let logs = Logs::new();
        logs.write("a.log", &lines(0, 5));
        let mut source = logs.tail("a.log*", Resume::First);
        let first = rest(&mut source, 5);
        drop(source);
        logs.write("a.log", &lines(5, 8));
        for n in 0..n_rotations {
            copy_and_cut(&logs, "a.log", n);
            logs.write("a.log", &lines(8 + 2 * n, 10 + 2 * n));
        }
        let last = 8 + 2 * n_rotations;
        let mut source = logs.tail("a.log*", Resume::From(first.positions));
        let outlet = rest(&mut source, last - 5);
        assert_eq!(sorted(&outlet), (5..last).collect::<Vec<_>>());
        assert_eq!(source.counters().get(Count::PositionsLost), 0);
    }
}

#[test]
fn a_copy_that_is_made_between_two_looks_is_read_once() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 3));
    let mut source = logs.tail("a.log*", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 3);
    let mut last = 3;
    for n in 0..4 {
        logs.write("a.log", &lines(last, last + 2));
        copy_and_cut(&logs, "a.log", n);
        // Never as many as before: a file of the same length is not looked into until it grows.
        let n_new = 1 + n % 2;
        logs.write("a.log", &lines(last + 2, last + 2 + n_new));
        last += 2 + n_new;
        outlet.until_lines(&mut source, last);
    }
    outlet.during(&mut source, Duration::from_millis(300));
    assert_eq!(sorted(&outlet), (0..last).collect::<Vec<_>>());
}

#[test]
fn what_was_read_to_its_end_is_known_under_its_new_name_after_a_restart() {
    for is_renamed in [true, false] {
        let logs = Logs::new();
        logs.write("a.log", &lines(0, 5));
        // As if the process died before the new names had positions of their own.
        let mut source = logs.tail("a.log", Resume::First);
        let mut outlet = Checked::default();
        outlet.until_lines(&mut source, 5);
        for n in 0..2 {
            if is_renamed {
                for old in (1..=n).rev() {
                    logs.rename(&format!("a.log.{old}"), &format!("a.log.{}", old + 1));
                }
                logs.rename("a.log", "a.log.1");
            } else {
                copy_and_cut(&logs, "a.log", n);
            }
            // Never as many as before.
            let (from, to) = [(5, 7), (7, 10)][n];
            logs.write("a.log", &lines(from, to));
            outlet.until_lines(&mut source, to);
        }
        drop(source);
        logs.write("a.log", &lines(10, 11));
        let mut source = logs.tail("a.log*", Resume::From(outlet.positions));
        let second = rest(&mut source, 1);
        assert_eq!(sorted(&second), [10], "renamed: {is_renamed}");
        assert_eq!(source.counters().get(Count::PositionsLost), 0);
    }
}

#[test]
fn a_copy_of_what_nobody_has_read_is_read() {
    let logs = Logs::new();
    logs.write("a.log", "");
    let mut source = logs.tail("a.log*", Resume::First);
    let mut outlet = Checked::default();
    outlet.until(&mut source, |outlet| !outlet.caught_up.is_empty());
    drop(source);
    logs.write("a.log", &lines(0, 5));
    copy_and_cut(&logs, "a.log", 0);
    logs.write("a.log", &lines(5, 8));
    let mut source = logs.tail("a.log*", Resume::From(outlet.positions));
    let second = rest(&mut source, 8);
    assert_eq!(sorted(&second), (0..8).collect::<Vec<_>>());
}

#[test]
fn a_copy_waits_for_its_original_to_be_cut_and_another_file_does_not() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 5));
    let mut source = logs.tail("a.log*", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 5);
    // It grows while it is made.
    logs.write("a.log.1", &lines(0, 2));
    outlet.during(&mut source, Duration::from_millis(200));
    logs.write("a.log.1", &lines(2, 5));
    outlet.during(&mut source, Duration::from_millis(200));
    assert_eq!(sorted(&outlet), (0..5).collect::<Vec<_>>());
    logs.write("a.log.2", &lines(20, 22));
    outlet.until_lines(&mut source, 7);
    fs::write(logs.path("a.log"), lines(5, 6)).unwrap();
    outlet.until_lines(&mut source, 8);
    outlet.during(&mut source, Duration::from_millis(300));
    assert_eq!(sorted(&outlet), [0, 1, 2, 3, 4, 5, 20, 21]);
}

#[test]
fn a_path_reads_a_copy_again_from_its_own_position_though_the_copy_has_one_too() {
    for is_renamed in [false, true] {
        // A checkpoint is as of a time: the position of the path may be older than the one of the rotated name.
        let logs = Logs::new();
        let (name, rotated) = ("a.log", "a-1.log");
        logs.write(name, &lines(0, 8));
        let mut source = logs.tail("a*.log", Resume::First);
        let mut outlet = Checked::default();
        outlet.until_lines(&mut source, 8);
        let old = outlet.lines[3].clone();
        if is_renamed {
            logs.rename(name, rotated);
        } else {
            fs::copy(logs.path(name), logs.path(rotated)).unwrap();
        }
        fs::write(logs.path(name), lines(8, 10)).unwrap();
        outlet.until_lines(&mut source, 10);
        outlet.until(&mut source, |outlet| outlet.positions.len() == 2);
        drop(source);
        let mut positions = outlet.positions.clone();
        positions.insert(old.partition, old.position);
        let mut source = logs.tail("a*.log", Resume::From(positions));
        let second = rest(&mut source, 7);
        assert_eq!(sorted(&second), (3..10).collect::<Vec<_>>());
        assert_eq!(source.counters().get(Count::PositionsLost), 0);
    }
}
