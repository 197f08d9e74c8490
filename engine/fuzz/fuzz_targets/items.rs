//! Content: any text as a hub item, compiled, and one line run through what came of it.
//!
//! ```text
//! kind, one letter | text of the file
//! ```
//!
//! `p`arser, p`o`stoverflow, `s`cenario, `c`ontext, p`r`ofiles, `g`rok patterns, co`l`lection, hub
//! `t`est; anything else goes to all readers of YAML.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use overspill_expr::{NoStash, Services};
use overspill_fuzz::{NOW, event, text};
use overspill_grok::Library;
use overspill_matcher::{Keyer, MatchState, Outside, Rules};
use overspill_parser::{ParserState, parse};
use overspill_scenarios::{
    Compiled, Content, Hub, ItemKind, Options, Selection, TestConfig, compile, render, yaml,
};

fuzz_target!(|data: &[u8]| {
    let Some((kind, file)) = data.split_first() else {
        return;
    };
    let file = text(file);
    let mut content = Content::default();
    let mut add = |kind, stage| content.add_text(kind, stage, "item.yaml", file);
    match kind {
        b'p' => add(ItemKind::Parsers, Some("s00-raw")),
        b'o' => add(ItemKind::Postoverflows, Some("s00-enrich")),
        b's' => add(ItemKind::Scenarios, None),
        b'c' => add(ItemKind::Contexts, None),
        b'r' => content.set_profiles("profiles.yaml", file),
        b'g' => {
            _ = Library::base().add_file("patterns", file);
            return;
        }
        b'l' => return collection(file),
        b't' => {
            _ = TestConfig::read("config.yaml", file);
            return;
        }
        _ => {
            _ = yaml::parse(file);
            for kind in [ItemKind::Parsers, ItemKind::Scenarios, ItemKind::Contexts] {
                let stage = kind.has_stages().then_some("s01-parse");
                content.add_text(kind, stage, "item.yaml", file);
            }
            content.set_profiles("profiles.yaml", file);
        }
    }
    match compile(&content, &Options::default()) {
        Ok(compiled) => {
            let report = render(&compiled.report);
            let is_steering = |ch: char| ch.is_control() && ch != '\n';
            assert!(!report.contains(is_steering), "{report:?}");
            run(compiled);
        }
        Err(error) => _ = error.to_string(),
    }
});

/// One event through what was compiled.
fn run(compiled: Compiled) {
    let services = Services {
        files: compiled.data_files,
        geo: compiled.geo,
        ..Services::none()
    };
    let mut event = event(
        &compiled.schema,
        b"Failed password for root from 192.0.2.7 port 22",
    );
    let mut state = ParserState::new(&compiled.parsers, NOW);
    let _ = parse(
        &compiled.parsers,
        &mut event,
        &mut state,
        &services,
        &mut (),
    );
    let rules = Rules::new(compiled.scenarios, Keyer::new([7; 16]), &compiled.schema);
    let mut outside = Outside {
        stash: &mut NoStash,
        services: &services,
        now: NOW,
    };
    let mut hits = Vec::new();
    // An abandoned event is an answer like any other.
    _ = rules.matches(
        &mut event,
        &mut MatchState::default(),
        &mut outside,
        &mut hits,
    );
    assert!(hits.len() <= rules.scenarios().len());
}

/// A hub of one collection, with a file beside the hub that no collection may reach.
static HUB: LazyLock<PathBuf> = LazyLock::new(|| {
    let place = std::env::temp_dir().join(format!("overspill-fuzz-{}", std::process::id()));
    let made = fs::create_dir_all(place.join("hub/collections/a"))
        .and_then(|()| fs::create_dir_all(place.join("hub/parsers/s00-raw/a")))
        .and_then(|()| fs::write(place.join("hub/parsers/s00-raw/a/p.yaml"), "name: a/p\n"))
        .and_then(|()| fs::write(place.join("outside.yaml"), "name: outside\n"));
    if let Err(error) = made {
        panic!("make a hub below {}: {error}", place.display());
    }
    place.join("hub")
});

/// What a collection names is inside the hub, or not taken.
fn collection(file: &str) {
    let path = HUB.join("collections/a/c.yaml");
    if let Err(error) = fs::write(&path, file) {
        panic!("write {}: {error}", path.display());
    }
    let Ok(hub) = Hub::open(&*HUB) else {
        return;
    };
    let content = hub.select(&Selection {
        items: vec![(ItemKind::Collections, "a/c".to_owned())],
        ..Selection::default()
    });
    let is_outside = |text: &str| text.contains("name: outside");
    assert!(
        !content
            .items()
            .iter()
            .any(|item| is_outside(&item.file.text)),
        "a collection reaches beyond the hub"
    );
}
