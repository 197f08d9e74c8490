//! Following real files: growth, rotation of each kind, restarts.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::source::PartitionName;
use crate::source::check::Checked;
use crate::source::system_clock;

mod copies;
mod many;
mod rotation;

/// A directory with logs.
pub(super) struct Logs(tempfile::TempDir);

impl Logs {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let mut file = self.open(name);
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn open(&self, name: &str) -> File {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut options = OpenOptions::new();
        options.create(true).append(true).open(path).unwrap()
    }

    pub(super) fn pack(&self, name: &str) {
        let path = self.path(name);
        let packed = File::create(self.path(&format!("{name}.gz"))).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        encoder.write_all(&fs::read(&path).unwrap()).unwrap();
        encoder.finish().unwrap();
        fs::remove_file(path).unwrap();
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(super) fn config(&self, pattern: &str) -> TailConfig {
        let pattern = self.path(pattern).display().to_string();
        let origin = Origin {
            module: "file".into(),
            ..Origin::default()
        };
        TailConfig {
            start: Start::Beginning,
            rotate_wait: Duration::from_millis(50),
            gone_wait: Duration::from_millis(300),
            find_every: Duration::from_millis(20),
            ..TailConfig::new("test", vec![pattern], origin)
        }
    }

    pub(super) fn tail(&self, pattern: &str, resume: Resume) -> TailSource {
        TailSource::new(self.config(pattern), resume, system_clock())
    }
}

/// Lines `from..to`, each long enough that a few of them tell a file.
pub(super) fn lines(from: usize, to: usize) -> String {
    (from..to)
        .map(|n| format!("line {n} of the log, with some text behind it\n"))
        .collect()
}

pub(super) fn numbers(texts: &[&str]) -> Vec<usize> {
    let number = |text: &&str| text.split(' ').nth(1).unwrap().parse().unwrap();
    texts.iter().map(number).collect()
}

fn relative(outlet: &Checked, dir: &Path) -> Vec<String> {
    let prefix = format!("{}/", dir.display());
    let line = |line: &crate::source::check::Given| {
        format!("{} {}", line.src.replace(&prefix, ""), line.text)
    };
    outlet.lines.iter().map(line).collect()
}

#[test]
fn lines_are_given_when_they_are_whole_and_nothing_twice() {
    let logs = Logs::new();
    logs.write("a.log", "one\ntw");
    let mut source = logs.tail("*.log", Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 1);
    outlet.during(&mut source, Duration::from_millis(100));
    assert_eq!(outlet.texts(), ["one"]);
    logs.write("a.log", "o\n\nthree\r\n");
    outlet.until_lines(&mut source, 3);
    assert_eq!(outlet.texts(), ["one", "two", "three"]);
    let offsets: Vec<u64> = outlet.lines.iter().map(|line| line.offset).collect();
    assert_eq!(offsets, [0, 4, 9]);
    logs.write("b.log", "new\n");
    outlet.until_lines(&mut source, 4);
    assert_eq!(relative(&outlet, logs.0.path())[3], "b.log new");
    assert_eq!(source.counters().get(Count::Lines), 4);
    outlet.until(&mut source, |outlet| outlet.caught_up.len() == 2);
    let mut lags = Vec::new();
    source.lags(&mut |id, lag| lags.push((id, lag.offset, lag.bytes)));
    assert_eq!(
        lags,
        [(PartitionId(0), 16, Some(0)), (PartitionId(1), 4, Some(0))]
    );
}

#[test]
fn the_first_start_is_at_the_end_and_what_comes_later_is_read_whole() {
    let logs = Logs::new();
    logs.write("a.log", "old\n");
    let config = TailConfig {
        start: Start::End,
        ..logs.config("*.log")
    };
    let mut source = TailSource::new(config, Resume::First, system_clock());
    let mut outlet = Checked::default();
    outlet.until(&mut source, |outlet| !outlet.caught_up.is_empty());
    logs.write("a.log", "new\n");
    logs.write("b.log", "whole\n");
    outlet.until_lines(&mut source, 2);
    let mut texts = outlet.texts();
    texts.sort_unstable();
    assert_eq!(texts, ["new", "whole"]);
}

#[test]
fn a_restart_at_any_line_goes_on_with_that_line() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 30));
    let mut source = logs.tail("a.log", Resume::First);
    let mut first = Checked::default();
    first.until_lines(&mut source, 30);
    drop(source);
    logs.write("a.log", &lines(30, 40));
    for line in &first.lines {
        let positions = Positions::from([(line.partition.clone(), line.position.clone())]);
        let mut source = logs.tail("a.log", Resume::From(positions));
        let mut outlet = Checked::default();
        outlet.until(&mut source, |outlet| !outlet.caught_up.is_empty());
        assert_eq!(outlet.lines[0].text, line.text);
        assert_eq!(outlet.lines[0].offset, line.offset);
        assert_eq!(outlet.lines.last().unwrap().text, lines(39, 40).trim());
        assert_eq!(source.counters().get(Count::PositionsLost), 0);
    }
}

#[test]
fn long_lines_are_cut_once_also_when_they_grow_and_over_a_restart() {
    let logs = Logs::new();
    let config = TailConfig {
        line_bytes_max: 8,
        ..logs.config("a.log")
    };
    let mut source = TailSource::new(config.clone(), Resume::First, system_clock());
    let mut outlet = Checked::default();
    logs.write("a.log", &format!("short\n{}", "x".repeat(200_000)));
    outlet.until_lines(&mut source, 2);
    outlet.during(&mut source, Duration::from_millis(50));
    assert_eq!(outlet.texts(), ["short", "xxxxxxxx"]);
    assert!(outlet.lines[1].is_cut);
    outlet.until(&mut source, |outlet| {
        outlet
            .positions
            .values()
            .all(|position| position.offset == 200_006)
    });
    logs.write("a.log", "still\nnext\n");
    let resume = Resume::From(outlet.positions.clone());
    outlet.until_lines(&mut source, 3);
    assert_eq!(outlet.lines[2].text, "next");
    let mut again = TailSource::new(config.clone(), resume, system_clock());
    let mut second = Checked::default();
    second.until_lines(&mut again, 1);
    assert_eq!(second.texts(), ["next"]);
    let short = &outlet.lines[0];
    let positions = Positions::from([(short.partition.clone(), short.position.clone())]);
    let mut third = Checked::default();
    third.until_lines(
        &mut TailSource::new(config, Resume::From(positions), system_clock()),
        3,
    );
    assert_eq!(third.texts(), ["short", "xxxxxxxx", "next"]);
    assert_eq!(source.counters().get(Count::LinesCut), 1);
}

#[test]
fn a_partition_without_room_waits_and_keeps_nobody_waiting() {
    let logs = Logs::new();
    logs.write("a.log", &lines(0, 5));
    logs.write("b.log", &lines(0, 5));
    let mut source = logs.tail("*.log", Resume::First);
    let mut outlet = Checked::default();
    let held = logs.path("a.log").display().to_string();
    outlet.full.insert(PartitionName::new(&held));
    outlet.until_lines(&mut source, 5);
    outlet.during(&mut source, Duration::from_millis(100));
    assert_eq!(outlet.texts_of("b.log").len(), 5);
    assert!(!outlet.caught_up.keys().any(|name| *name.0 == *held));
    outlet.full.clear();
    outlet.until_lines(&mut source, 10);
}

#[test]
fn a_line_without_an_end_holds_the_watermark_for_a_while_only() {
    let logs = Logs::new();
    logs.write("a.log", "half");
    let mut source = logs.tail("a.log", Resume::First);
    let mut outlet = Checked::default();
    outlet.during(&mut source, Duration::from_millis(500));
    assert!(outlet.caught_up.is_empty());
    outlet.until(&mut source, |outlet| !outlet.caught_up.is_empty());
    assert_eq!(outlet.texts(), Vec::<&str>::new());
}

#[test]
fn excluded_packed_and_unreadable_files_and_directories_are_passed_over() {
    let logs = Logs::new();
    logs.write("a.log", "yes\n");
    logs.write("no.log", "no\n");
    logs.write("old.log", "packed\n");
    logs.pack("old.log");
    logs.rename("old.log.gz", "old.log");
    logs.write("dir.log/x", "no\n");
    std::os::unix::fs::symlink("loop.log", logs.path("loop.log")).unwrap();
    let config = TailConfig {
        excludes: vec![Exclude::new(|path| path.contains("no."))],
        ..logs.config("*.log")
    };
    let mut source = TailSource::new(config, Resume::First, system_clock());
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 1);
    outlet.during(&mut source, Duration::from_millis(500));
    assert_eq!(outlet.texts(), ["yes"]);
    assert_eq!(outlet.begun.len(), 1);
    let counters = source.counters();
    assert_eq!(counters.get(Count::FilesSkipped), 1);
    // A link to itself is no file for the library that reads patterns.
    assert_eq!(counters.get(Count::PositionsLost), 0);
}

#[test]
fn a_position_that_cannot_be_read_is_counted_and_the_file_read_from_its_beginning() {
    let logs = Logs::new();
    logs.write("a.log", "one\n");
    let name = logs.path("a.log").display().to_string();
    let strange = crate::source::Position {
        offset: 3,
        context: Arc::from(*b"\x09other"),
    };
    let positions = Positions::from([(PartitionName::new(&name), strange)]);
    let mut source = logs.tail("a.log", Resume::From(positions));
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 1);
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
}
