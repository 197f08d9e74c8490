//! The whole public hub, when `OVERSPILL_HUB` says where a copy of it lies.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use overspill_scenarios::{Hub, ItemKind, OVERRIDES, Selection, TestConfig, embedded};

use crate::{compiled, rendered};

fn hub() -> Option<Hub> {
    match std::env::var_os("OVERSPILL_HUB") {
        Some(root) => Some(Hub::open(PathBuf::from(root)).unwrap()),
        None => {
            eprintln!("NOT RUN: set OVERSPILL_HUB to the directory of a CrowdSec hub");
            None
        }
    }
}

#[test]
fn everything_of_the_hub_loads() {
    let Some(hub) = hub() else { return };
    let started = Instant::now();
    let content = hub.select(&Selection {
        everything: true,
        ..Selection::default()
    });
    let compiled = compiled(&content);
    let report = &compiled.report;
    eprintln!(
        "hub: {:?} in all, {:?} compiling; {} documents, {} expressions, {} warnings",
        started.elapsed(),
        report.elapsed,
        report.n_loaded(),
        report.n_expressions,
        report.warnings().count(),
    );
    assert!(
        report.is_clean() && report.refused.is_empty(),
        "{}",
        rendered(&compiled)
    );
    assert!(
        report.n_parsers >= 164 && report.n_scenarios >= 783,
        "{report:?}"
    );

    let stages: Vec<&str> = compiled
        .parsers
        .stages()
        .iter()
        .map(|stage| &*stage.name)
        .collect();
    assert_eq!(stages, ["s00-raw", "s01-parse", "s02-enrich"]);
    let stages: Vec<&str> = compiled
        .postoverflows
        .stages()
        .iter()
        .map(|stage| &*stage.name)
        .collect();
    assert_eq!(stages, ["s00-enrich", "s01-whitelist"]);
    for (number, scenario) in (0..).zip(&compiled.scenarios) {
        assert_eq!(scenario.id.0, number);
        assert_ne!(&*scenario.version, "");
        assert_eq!(scenario.hash.len(), 64);
    }
    // No two scenarios share a fingerprint, not even the documents that share name and filter.
    let mut by_fingerprint = BTreeMap::new();
    for scenario in &compiled.scenarios {
        let other = by_fingerprint.insert(scenario.bucket.fingerprint, &scenario.name);
        assert_eq!(other, None, "{}", scenario.name);
    }
    let again = crate::compiled(&content);
    assert_eq!(again.schema.len(), compiled.schema.len());
    for (one, other) in again.scenarios.iter().zip(&compiled.scenarios) {
        assert_eq!(one.bucket, other.bucket);
        assert_eq!(one.keep, other.keep);
        assert_eq!(one.filter.reads(), other.filter.reads());
    }
}

#[test]
fn items_of_the_hub_are_in_the_order_of_their_base_names() {
    let Some(hub) = hub() else { return };
    let content = hub.select(&Selection {
        everything: true,
        ..Selection::default()
    });
    let mut last: Option<(ItemKind, String, String)> = None;
    for item in content.items() {
        let base_name = item.file.path.rsplit('/').next().unwrap().to_owned();
        let stage = item.stage.as_deref().unwrap_or_default().to_owned();
        let place = (item.kind, stage, base_name);
        assert!(
            last.as_ref().is_none_or(|last| *last <= place),
            "{last:?} before {place:?}"
        );
        last = Some(place);
    }
}

#[test]
fn every_collection_of_the_hub_resolves() {
    let Some(hub) = hub() else { return };
    for name in hub.names(ItemKind::Collections) {
        let items = vec![(ItemKind::Collections, name.to_owned())];
        let content = hub.select(&Selection {
            items,
            ..Selection::default()
        });
        assert!(
            content.findings().is_empty(),
            "{name}: {:?}",
            content.findings()
        );
    }
}

#[test]
fn what_every_hub_test_asks_for_loads() {
    let Some(hub) = hub() else { return };
    let tests = hub.root().join(".tests");
    let mut n_tests = 0;
    let mut broken = Vec::new();
    let mut names: Vec<_> = fs::read_dir(tests)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let started = Instant::now();
    for directory in names {
        let path = directory.join("config.yaml");
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let config = TestConfig::read(&path.display().to_string(), &text).unwrap();
        let mut content = hub.select(&config.selection(&directory));
        if let Some(overrides) = &config.overrides {
            content.add_parser_text(OVERRIDES.0, OVERRIDES.1, overrides);
            assert_eq!(&*content.items()[0].file.path, OVERRIDES.1);
        }
        let compiled = compiled(&content);
        n_tests += 1;
        if !compiled.report.is_clean() {
            broken.push(format!("{}:\n{}", directory.display(), rendered(&compiled)));
        }
    }
    eprintln!("{n_tests} hub tests loaded in {:?}", started.elapsed());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_embedded_library_loads() {
    let content = embedded();
    let compiled = compiled(&content);
    assert_eq!(rendered(&compiled), "");
    assert!(compiled.report.n_scenarios >= 20, "{:?}", compiled.report);
    assert!(compiled.report.n_profiles >= 2);
    assert!(compiled.parsers.stages().len() == 3);
}
