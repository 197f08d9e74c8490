use std::path::Path;

use super::*;
use crate::once::{OnceInput, OnceSource};
use crate::source::check::Checked;
use crate::source::system_clock;

/// `a,b,c` becomes `a`, `b` and `c`; `none` nothing; `bad` is an error; an empty part is left out.
fn commas() -> Transform {
    Transform::new(|line, origin, _arrival_ns| {
        assert_eq!(origin.module, "file");
        match line {
            b"none" => Made::default(),
            b"bad" => Made::unchanged("it is bad".to_owned()),
            _ => Made {
                lines: line
                    .split(|letter| *letter == b',')
                    .map(|part| (part != b"same").then(|| Arc::from(part)))
                    .collect(),
                trouble: None,
            },
        }
    })
}

/// Files that are read once: a partition each.
fn files(paths: &[&Path], resume: Resume) -> Box<dyn LiveSource> {
    let input = |path: &&Path| {
        let origin = Origin {
            src: path.display().to_string(),
            module: "file".to_owned(),
            labels: Vec::new(),
        };
        let to_open = origin.clone();
        OnceInput {
            origin,
            open: Box::new(move || Ok(Box::new(crate::file::FileSource::open(to_open, 1 << 20)?))),
        }
    };
    let inputs = paths.iter().map(input).collect();
    let source = OnceSource::new("f".to_owned(), inputs, resume, system_clock());
    Box::new(source)
}

fn transformed(paths: &[&Path], resume: &Resume) -> Transformed {
    let source = files(paths, plain(resume.clone()));
    Transformed::new(source, commas(), resume)
}

fn read(paths: &[&Path], resume: &Resume) -> (Checked, Transformed) {
    let mut source = transformed(paths, resume);
    let mut outlet = Checked::default();
    while outlet.poll(&mut source).unwrap() != Turn::Ended {}
    (outlet, source)
}

const TEXT: &str = "one\na,b,c\nnone\nbad\n,x,,y\nsame,z\nlast\n";
const MADE: [&str; 10] = ["one", "a", "b", "c", "bad", "x", "y", "same,z", "z", "last"];

#[test]
fn a_line_becomes_none_one_or_many_and_stays_what_it_is_where_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    std::fs::write(&path, TEXT).unwrap();
    let (outlet, source) = read(&[&path], &Resume::First);
    assert_eq!(outlet.texts(), MADE);
    let counters = source.counters();
    assert_eq!(counters.get(Count::Lines), 7);
    assert_eq!(counters.get(Count::LinesMade), 10);
    assert_eq!(counters.get(Count::TransformErrors), 1);
    assert_eq!(counters.take_samples()[0].text, "it is bad");
}

#[test]
fn a_restart_goes_on_with_any_line_that_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    std::fs::write(&path, TEXT).unwrap();
    let (outlet, _) = read(&[&path], &Resume::First);
    for (at, line) in outlet.lines.iter().enumerate() {
        let positions = Positions::from([(line.partition.clone(), line.position.clone())]);
        let resume = Resume::From(positions);
        let (again, _) = read(&[&path], &resume);
        assert_eq!(again.texts(), MADE[at..], "from line {at}");
        assert_eq!(again.lines[0].offset, line.offset);
        // What is told to the job is what it gave, so that it knows it again.
        let begun = again.begun.values().next().unwrap();
        assert_eq!(begun.position, line.position);
    }
}

#[test]
fn positions_of_before_there_was_a_transform_and_of_after_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    std::fs::write(&path, TEXT).unwrap();
    let mut source = files(&[&path], Resume::First);
    let mut before = Checked::default();
    while before.poll(source.as_mut()).unwrap() != Turn::Ended {}
    let line = &before.lines[4];
    let positions = Positions::from([(line.partition.clone(), line.position.clone())]);
    let (with, _) = read(&[&path], &Resume::From(positions));
    assert_eq!(with.texts(), MADE[5..]);
    // And without it again: the line in the midst of which it was is read as a whole.
    let line = &with.lines[1];
    let positions = Positions::from([(line.partition.clone(), line.position.clone())]);
    let mut source = files(&[&path], plain(Resume::From(positions)));
    let mut after = Checked::default();
    while after.poll(source.as_mut()).unwrap() != Turn::Ended {}
    assert_eq!(after.texts(), [",x,,y", "same,z", "last"]);
}

#[test]
fn what_has_no_room_waits_and_keeps_no_other_waiting_and_the_end_comes_last() {
    let dir = tempfile::tempdir().unwrap();
    let (long, short) = (dir.path().join("long"), dir.path().join("short"));
    // Each line is made into more than a batch.
    let part = "x".repeat(999);
    let line = vec![part.as_str(); 200].join(",");
    std::fs::write(&long, format!("{line}\n{line}\n")).unwrap();
    std::fs::write(&short, "a,b\n").unwrap();
    let mut source = transformed(&[&long, &short], &Resume::First);
    let mut outlet = Checked::default();
    outlet.until(&mut source, |outlet| outlet.begun.len() == 2);
    let names: Vec<PartitionName> = outlet
        .begun
        .values()
        .map(|begun| begun.name.clone())
        .collect();
    let name = names.iter().find(|name| name.0.contains("long")).unwrap();
    outlet.full.insert(name.clone());
    outlet.until(&mut source, |outlet| outlet.ended.len() == 1);
    let n_held = outlet.texts_of("long").len();
    assert!(n_held < 400, "{n_held}");
    assert!(!outlet.ended.contains_key(name));
    outlet.full.clear();
    while outlet.poll(&mut source).unwrap() != Turn::Ended {}
    assert_eq!(outlet.texts_of("long").len(), 400);
    assert_eq!(outlet.ended.len(), 2);
}

#[test]
fn more_than_a_line_may_become_is_an_error() {
    let many = Made {
        lines: vec![None; MADE_LINES_MAX + 1],
        trouble: None,
    };
    let big: Arc<[u8]> = Arc::from(vec![b'x'; MADE_BYTES_MAX / 2 + 1]);
    let large = Made {
        lines: vec![Some(Arc::clone(&big)), Some(big)],
        trouble: None,
    };
    for made in [many, large] {
        let bounded = made.bounded();
        assert_eq!(bounded.lines, [None]);
        assert!(bounded.trouble.unwrap().starts_with("made "));
    }
}

/// A source whose partition ends and begins again at once, as one does that is created anew.
struct Again(Arc<Counters>, u32);

impl LiveSource for Again {
    fn id(&self) -> &str {
        "again"
    }

    fn poll(&mut self, outlet: &mut dyn Outlet, _wait: Duration) -> Result<Turn, SourceError> {
        let id = PartitionId(self.1);
        let begun = |id| Begun {
            id,
            name: PartitionName::new("p"),
            origin: Arc::new(Origin {
                module: "file".to_owned(),
                ..Origin::default()
            }),
            position: Position::beginning(),
        };
        if self.1 == 0 {
            outlet.begin(begun(id));
            let mut lines = LineBatch::default();
            let text = vec!["0123456789"; 20_000].join(",");
            lines.push(text.as_bytes(), 0, false);
            assert!(outlet.has_room(id));
            outlet.give(Batch {
                partition: id,
                lines,
                context: Arc::from([]),
                next_offset: 1,
                arrival_ns: 0,
                times_ns: Vec::new(),
                runs: Vec::new(),
            });
            outlet.end(id, Left::Nothing);
            self.1 = 1;
            outlet.begin(begun(PartitionId(1)));
        } else {
            outlet.caught_up(id, 5, Position::beginning());
        }
        Ok(Turn::Gave)
    }

    fn committed(&mut self, _positions: &Positions) {}

    fn counters(&self) -> &Arc<Counters> {
        &self.0
    }

    fn lags(&self, _each: &mut dyn FnMut(PartitionId, Lag)) {}

    fn close(&mut self) {}
}

#[test]
fn a_partition_that_begins_again_waits_until_the_one_before_has_ended() {
    let source = Box::new(Again(Arc::default(), 0));
    let mut source = Transformed::new(source, commas(), &Resume::First);
    let mut outlet = Checked::default();
    outlet.until(&mut source, |outlet| !outlet.caught_up.is_empty());
    assert_eq!(outlet.lines.len(), 20_000);
    assert_eq!(outlet.begun.len(), 2);
    assert_eq!(outlet.ended.len(), 1);
}
