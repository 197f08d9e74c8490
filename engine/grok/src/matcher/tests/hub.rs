//! Both engines on the patterns and logs of CrowdSec's hub, which is not part of this repository.
//!
//! `OVERSPILL_HUB` names a checkout. Every grok of every parser runs over every line of the test
//! logs, then over damaged lines it matched.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Parser};

use super::differential::{Pair, Random};
use super::*;

/// What a parser file says about grok.
#[derive(Default)]
struct File {
    definitions: Vec<(String, String)>,
    /// `pattern` or `name`, and its text.
    groks: Vec<(String, String)>,
}

/// The definitions and groks of a file, by the keys that lead to a scalar.
fn read(text: &str) -> File {
    let mut file = File::default();
    // For each open collection: in a mapping, the key whose value comes next.
    let mut open: Vec<Option<String>> = Vec::new();
    let mut is_mapping: Vec<bool> = Vec::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, _)) = event else {
            return file;
        };
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                open.push(None);
                is_mapping.push(matches!(event, Event::MappingStart(..)));
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                is_mapping.pop();
                if is_mapping.last() == Some(&true) {
                    *open.last_mut().unwrap() = None;
                }
            }
            Event::Scalar(text, ..) if is_mapping.last() == Some(&true) => {
                let parent = open.len().checked_sub(2).and_then(|at| open[at].clone());
                match open.last_mut().unwrap().take() {
                    None => *open.last_mut().unwrap() = Some(text.into_owned()),
                    Some(key) => match parent.as_deref() {
                        Some("pattern_syntax") => file.definitions.push((key, text.into_owned())),
                        Some("grok") if key == "pattern" || key == "name" => {
                            file.groks.push((key, text.into_owned()));
                        }
                        _ => {}
                    },
                }
            }
            _ => {}
        }
    }
    file
}

fn files(root: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn pairs(hub: &Path) -> Vec<Pair> {
    let mut paths = Vec::new();
    files(&hub.join("parsers"), "yaml", &mut paths);
    files(&hub.join("postoverflows"), "yaml", &mut paths);
    let mut pairs: Vec<Pair> = Vec::new();
    let mut seen = HashSet::new();
    for path in paths {
        let file = read(&std::fs::read_to_string(&path).unwrap());
        let mut library = Library::builtin();
        let mut left = file.definitions;
        // Children may define what stands further down; two passes are plenty.
        for _ in 0..3 {
            left.retain(|(name, pattern)| library.add(name, pattern).is_err());
        }
        assert!(left.is_empty(), "{}: {left:?}", path.display());
        for (key, text) in &file.groks {
            let pattern = if key == "name" {
                Pattern::Name(text)
            } else {
                Pattern::Text(text)
            };
            let expansion = match pattern {
                Pattern::Name(name) => library.expand_named(name),
                Pattern::Text(text) => library.expand(text),
            };
            if seen.insert(expansion.unwrap().regex.clone()) {
                pairs.push(Pair::new(
                    &library,
                    &format!("{} {text}", path.display()),
                    pattern,
                ));
            }
        }
    }
    pairs
}

#[test]
fn both_engines_agree_on_the_hub() {
    let Some(hub) = std::env::var("OVERSPILL_HUB")
        .ok()
        .filter(|path| !path.is_empty())
    else {
        eprintln!("SKIPPED: OVERSPILL_HUB is not set, the hub's patterns were not compared");
        return;
    };
    let hub = Path::new(&hub);
    let mut logs = Vec::new();
    files(&hub.join(".tests"), "log", &mut logs);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for log in logs {
        for line in std::fs::read(log).unwrap().split(|byte| *byte == b'\n') {
            lines.push(line.to_vec());
            // What a syslog parser would leave of the line.
            for mark in [&b"]: "[..], b": "] {
                if let Some(at) = memchr::memmem::find(line, mark) {
                    lines.push(line[at + mark.len()..].to_vec());
                    break;
                }
            }
        }
    }
    lines.sort();
    lines.dedup();
    let mut pairs = pairs(hub);
    let unfit: Vec<&str> = pairs
        .iter()
        .filter(|pair| !pair.is_specialised())
        .map(|pair| pair.name.as_str())
        .collect();
    assert!(pairs.len() > 250, "{} patterns", pairs.len());
    assert!(unfit.len() <= 2, "not specialised: {unfit:#?}");
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    let mut total = 0;
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for pair in &mut pairs {
        let mut scratch = Scratch::new();
        let mut hits: Vec<Vec<u8>> = Vec::new();
        for line in &lines {
            if pair.compare(&mut scratch, line) {
                let verdict = pair.specialised.program.verdict(&mut scratch, line);
                *verdicts.entry(format!("{verdict:?}")).or_default() += 1;
                hits.push(line.clone());
            }
        }
        total += lines.len();
        for _ in 0..500 {
            let mut line = match hits.as_slice() {
                [] => pair.line(&mut random, &lines),
                hits => random.pick(hits).clone(),
            };
            random.damage(&mut line, &lines);
            pair.compare(&mut scratch, &line);
        }
        total += 500;
    }
    let matches: usize = pairs.iter().map(|pair| pair.matches).sum();
    eprintln!(
        "{} patterns, {total} comparisons, {matches} matches",
        pairs.len()
    );
    eprintln!("verdicts on matching lines of the logs: {verdicts:?}");
    assert!(matches > 20_000, "only {matches} matches");
}
