//! Where content comes from, and in which order it counts.

use std::os::unix::fs::symlink;
use std::path::Path;

use overspill_event::{FieldMap, SchemaBuilder};
use overspill_expr::DataKind;
use overspill_scenarios::{
    CompileFailed, ConfigPaths, Hub, ItemKind, Options, Selection, TestConfig, compile, embedded,
    installed,
};
use tempfile::tempdir;

use crate::{compiled, rendered, scenario_names, trigger, write};

const NODE: &str = "description: d\nstatics: [{meta: a, value: b}]\n";

/// SHA-256 of the empty text, and of `trigger("a/known")`.
fn index() -> String {
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    format!(
        r#"{{
            "scenarios": {{
                "a/one": {{"path": "scenarios/a/one.yaml", "versions": {{"0.1": {{"digest": "{digest}"}}}}}},
                "b/gone": {{"path": "scenarios/b/gone.yaml", "versions": {{}}}}
            }},
            "parsers": {{
                "a/p": {{"path": "parsers/s01-parse/a/p.yaml", "stage": "s01-parse", "versions": {{}}}}
            }},
            "collections": {{
                "a/all": {{"path": "collections/a/all.yaml", "versions": {{}}}}
            }}
        }}"#
    )
}

#[test]
fn a_hub_without_an_index_is_walked() {
    let root = tempdir().unwrap();
    write(
        root.path(),
        &[
            ("scenarios/z/aa.yaml", &trigger("z/aa")),
            ("scenarios/a/bb.yml", &trigger("a/bb")),
            ("scenarios/a/bb-x.yaml", &trigger("a/bb-x")),
            ("scenarios/.hidden/cc.yaml", "never read: ["),
            ("scenarios/a/readme.md", "never read: ["),
            ("parsers/s01-parse/a/p.yaml", NODE),
            ("parsers/s00-raw/a/q.yaml", NODE),
            (
                "contexts/a/c.yaml",
                "context: {k: [evt.Meta.x, evt.Meta.x]}\n",
            ),
        ],
    );
    let hub = Hub::open(root.path()).unwrap();
    assert_eq!(hub.names(ItemKind::Scenarios), ["a/bb", "a/bb-x", "z/aa"]);
    let content = hub.select(&Selection {
        everything: true,
        ..Selection::default()
    });
    let compiled = compiled(&content);
    assert_eq!(rendered(&compiled), "");
    // By base name, with its extension, whoever the author is: `-` sorts before `.`.
    assert_eq!(scenario_names(&compiled), ["z/aa", "a/bb-x", "a/bb"]);
    assert_eq!(&*compiled.scenarios[0].version, "");
    assert_eq!(&*compiled.scenarios[0].hash, "");
    assert_eq!(compiled.contexts.len(), 1);
    assert_eq!(compiled.contexts[0].1.len(), 1);
}

#[test]
fn hub_items_have_versions_and_local_ones_have_none() {
    let root = tempdir().unwrap();
    write(
        root.path(),
        &[
            (".index.json", &index()),
            ("scenarios/a/one.yaml", &trigger("a/one")),
            ("mine/one.yaml", &trigger("mine/one")),
            (
                "collections/a/all.yaml",
                "collections: [a/all]\nscenarios: [a/one, a/won, '']\nparsers: [a/p]\n",
            ),
            ("parsers/s01-parse/a/p.yaml", NODE),
            ("mine/s02-enrich/me/p.yaml", NODE),
        ],
    );
    let hub = Hub::open(root.path()).unwrap();
    let select = |items: &[(ItemKind, &str)]| {
        let items = items
            .iter()
            .map(|(kind, name)| (*kind, (*name).to_owned()))
            .collect();
        hub.select(&Selection {
            items,
            ..Selection::default()
        })
    };
    let content = select(&[
        (ItemKind::Scenarios, "./mine/one.yaml"),
        (ItemKind::Collections, "a/all"),
        (ItemKind::Parsers, "mine/s02-enrich/me/p.yaml"),
        (ItemKind::Scenarios, "b/gone"),
        (ItemKind::Scenarios, ""),
    ]);
    let facts: Vec<String> = content
        .items()
        .iter()
        .map(|item| {
            let stage = item.stage.as_deref().unwrap_or("-");
            format!(
                "{} {stage} {} {:?} {}",
                item.kind,
                item.name,
                item.version(),
                item.hash().len()
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            "parsers s01-parse a/p \"?\" 64",
            "parsers s02-enrich mine/s02-enrich/me/p \"\" 0",
            "scenarios - mine/one \"\" 0",
            "scenarios - a/one \"?\" 64",
        ]
    );
    let findings: Vec<String> = content
        .findings()
        .iter()
        .map(|finding| finding.message.clone())
        .collect();
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!(findings[0], "there is no `a/won` in scenarios");
    assert_eq!(
        content.findings()[0].hint.as_deref(),
        Some("did you mean `a/one`?")
    );
    assert!(findings[1].starts_with("cannot be read"), "{findings:?}");
}

#[test]
fn a_collection_cannot_reach_outside_the_hub() {
    let root = tempdir().unwrap();
    write(
        root.path(),
        &[
            (
                "hub/collections/a/all.yaml",
                "scenarios: [../secret.yaml]\n",
            ),
            ("secret.yaml", &trigger("secret")),
        ],
    );
    let hub = Hub::open(root.path().join("hub")).unwrap();
    let items = vec![(ItemKind::Collections, "a/all".to_owned())];
    let content = hub.select(&Selection {
        items,
        ..Selection::default()
    });
    assert!(content.items().is_empty());
    assert_eq!(content.findings().len(), 1);
}

/// A configuration directory: local items beside links into the hub, one of them leading nowhere,
/// and every settings file with its `.local` twin.
fn configuration(etc: &Path) -> ConfigPaths {
    write(
        etc,
        &[
            ("hub/.index.json", &index()),
            ("hub/scenarios/a/one.yaml", &trigger("a/one")),
            ("scenarios/local.yaml", &trigger("local")),
            ("scenarios/deep/er.yaml", &trigger("deep/er")),
            ("scenarios/.off/no.yaml", "["),
            (
                "parsers/s01-parse/sub/p.yaml",
                "name: x\ngrok: {pattern: '%{MINE:m}', apply_on: message}\n",
            ),
            ("parsers/stray.yaml", NODE),
            ("patterns/mine", "# comment\nMINE %{DATA}!\n"),
            ("patterns/other.bak", "MINE x\n"),
            (
                "simulation.yaml",
                "simulation: false\nexclusions: [local]\n",
            ),
            ("simulation.yaml.local", "simulation: true\n"),
            (
                "profiles.yaml",
                "name: second\nfilters: [Alert.Remediation]\ndecisions: [{type: ban, duration: 4h}]\n",
            ),
            (
                "profiles.yaml.local",
                "name: first\nfilters: ['true']\n---\nname: other\n",
            ),
            ("console/context.yaml", "k: [evt.Meta.x]\n"),
            ("data/words.txt", "one\n"),
        ],
    );
    symlink(
        etc.join("hub/scenarios/a/one.yaml"),
        etc.join("scenarios/one.yaml"),
    )
    .unwrap();
    symlink("/dev/null", etc.join("scenarios/off.yaml")).unwrap();
    symlink(etc.join("nowhere"), etc.join("scenarios/dangling.yaml")).unwrap();
    let mut paths = ConfigPaths::below(etc);
    paths.data_dir = Some(etc.join("data"));
    paths
}

#[test]
fn a_configuration_directory_runs_what_is_linked_into_it() {
    let root = tempdir().unwrap();
    let paths = configuration(&root.path().join("etc"));
    let compiled = compiled(&installed(&paths));
    let messages: Vec<&str> = compiled
        .report
        .findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(
        messages[0].contains("lies beside the stages"),
        "{messages:?}"
    );
    assert!(messages[1].contains("cannot be read"), "{messages:?}");
    assert_eq!(scenario_names(&compiled), ["deep/er", "local", "a/one"]);
    let simulated: Vec<bool> = compiled
        .scenarios
        .iter()
        .map(|scenario| scenario.simulated)
        .collect();
    assert_eq!(simulated, [true, false, true]);
    assert_eq!(&*compiled.scenarios[2].version, "?");
    let profiles: Vec<&str> = compiled
        .profiles
        .as_slice()
        .iter()
        .map(|profile| &*profile.name)
        .collect();
    assert_eq!(profiles, ["first", "other", "second"]);
    assert_eq!(compiled.contexts.len(), 1);
    assert_eq!(compiled.report.n_parsers, 1);
}

#[test]
fn a_console_context_that_is_named_must_exist() {
    let root = tempdir().unwrap();
    let mut paths = ConfigPaths::below(root.path());
    assert!(compiled(&installed(&paths)).report.is_clean());
    paths.console_context_path = Some(root.path().join("context.yaml"));
    assert!(!compiled(&installed(&paths)).report.is_clean());
}

#[test]
fn data_files_are_found_in_their_order() {
    let root = tempdir().unwrap();
    let scenario = "type: trigger\nname: s\ndescription: d\nfilter: evt.Meta.x in File('words.txt')\n\
         data:\n- {source_url: 'https://host.example/lists/words.txt', dest_file: words.txt, type: string}\n";
    write(root.path(), &[("hub/scenarios/a/s.yaml", scenario)]);
    let words = || {
        let hub = Hub::open(root.path().join("hub")).unwrap();
        let mut content = hub.select(&Selection {
            everything: true,
            ..Selection::default()
        });
        content.add_data_dir(root.path().join("data"));
        let compiled = compiled(&content);
        let lines = compiled.data_files.strings("words.txt");
        let lines: Vec<String> = lines
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        (
            lines.concat(),
            compiled.report.n_data_missing,
            compiled.report.warnings().count(),
        )
    };
    assert_eq!(words(), (String::new(), 1, 1));
    let places = [
        ("hub/data/words.txt", "fallback"),
        ("hub/scenarios/a/words.txt", "beside"),
        ("hub/mirror/host.example/lists/words.txt", "mirror"),
        ("data/words.txt", "directory"),
    ];
    for (path, text) in places {
        write(root.path(), &[(path, text)]);
        assert_eq!(words(), (text.to_owned(), 0, 0));
    }
}

#[test]
fn data_that_is_damaged_or_leads_astray_is_a_warning() {
    let root = tempdir().unwrap();
    let scenario = |file: &str, kind: &str| {
        format!(
            "type: trigger\nname: s\ndescription: d\nfilter: 'true'\ndata: [{{dest_file: {file}, type: {kind}}}]\n"
        )
    };
    write(
        root.path(),
        &[
            ("scenarios/a/1.yaml", &scenario("../secret.txt", "string")),
            ("scenarios/a/2.yaml", &scenario("bad.txt", "regexp")),
            ("scenarios/a/3.yaml", &scenario("bad.txt", "fancy")),
            ("scenarios/a/4.yaml", &scenario("bad.txt", "map")),
            ("scenarios/a/5.yaml", &scenario("GeoLite2-City.mmdb", "''")),
            ("data/bad.txt", "(\n"),
            ("data/GeoLite2-City.mmdb", "no database"),
            ("secret.txt", "x\n"),
        ],
    );
    let hub = Hub::open(root.path()).unwrap();
    let compiled = compiled(&hub.select(&Selection {
        everything: true,
        ..Selection::default()
    }));
    assert!(compiled.report.is_clean());
    assert_eq!(compiled.report.n_scenarios, 5);
    assert_eq!(
        compiled.report.warnings().count(),
        5,
        "{}",
        rendered(&compiled)
    );
    assert!(!compiled.data_files.has("bad.txt", DataKind::Regexps));
    assert!(!compiled.geo.has_city());
}

#[test]
fn a_strict_load_fails_when_anything_is_refused() {
    let root = tempdir().unwrap();
    write(
        root.path(),
        &[
            ("scenarios/a/s.yaml", "name: x\n"),
            ("scenarios/a/t.yaml", &trigger("t")),
        ],
    );
    let hub = Hub::open(root.path()).unwrap();
    let content = hub.select(&Selection {
        everything: true,
        ..Selection::default()
    });
    let lenient = compiled(&content);
    assert_eq!(scenario_names(&lenient), ["t"]);
    assert_eq!(
        lenient.report.summary().unwrap(),
        "1 of 2 items was refused; 1 run."
    );
    assert_eq!(&*lenient.report.refused[0].name, "a/s");
    let strict = compile(
        &content,
        &Options {
            strict: true,
            ..Options::default()
        },
    );
    match strict {
        Err(CompileFailed::Refused(report)) => assert_eq!(report.refused.len(), 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reload_keeps_the_numbers_of_fields() {
    let mut earlier = SchemaBuilder::new();
    let slot = earlier
        .intern(FieldMap::Meta, "of_an_earlier_load")
        .unwrap();
    let options = Options {
        schema: Some(earlier.freeze()),
        ..Options::default()
    };
    let compiled = compile(&embedded(), &options).unwrap();
    assert_eq!(
        compiled.schema.slot(FieldMap::Meta, b"of_an_earlier_load"),
        Some(slot)
    );
}

#[test]
fn overriding_statics_of_a_test_become_the_first_node() {
    let text = "parsers: [a/p, '']\nlog_file: x.log\nlog_type: syslog\nlabels: {a: 'b'}\nignore_parsers: yes\n\
        unknown: 1\noverride_statics:\n- {target: evt.Line.Module, value: \"x'y\\\"z\\n\"}\n- meta: k\n  expression: '\"a\" + \"b\"'\n";
    let config = TestConfig::read("config.yaml", text).unwrap();
    assert_eq!(config.items, [(ItemKind::Parsers, "a/p".to_owned())]);
    assert_eq!(
        (config.log_file.as_str(), config.log_type.as_str()),
        ("x.log", "syslog")
    );
    assert_eq!(config.labels["a"], "b");
    assert!(config.ignore_parsers && !config.own_data_dir);
    let mut content = overspill_scenarios::Content::default();
    content.add_parser_text(
        "s00-raw",
        "00_overrides.yaml",
        config.overrides.as_deref().unwrap(),
    );
    let compiled = compiled(&content);
    assert_eq!(rendered(&compiled), "");
    let node = &compiled.parsers.stages()[0].nodes[0];
    assert_eq!(&*node.name, "overrides");
    assert_eq!(node.statics.len(), 2);

    let broken = TestConfig::read("config.yaml", "parsers: a/p\n").unwrap_err();
    assert_eq!(broken.len(), 1);
}
