//! Every expression of the CrowdSec Hub compiles, and the fast form agrees with the general one.
//!
//! Reads a checkout of the hub from the directory that `OVERSPILL_HUB` names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use overspill_event::{Event, SchemaBuilder};
use overspill_expr::{Bool, Compiler, Context, Env, Program, QueueObject, RequestObject, Value};
use saphyr_parser::{Event as Yaml, Parser};

use crate::fixture::{OneStash, event, files, services, time};

/// An expression and where it comes from.
struct Found {
    text: String,
    env: Env,
    place: String,
}

#[test]
fn every_expression_of_the_hub_compiles() {
    let Some(found) = hub() else { return };
    let mut schema = SchemaBuilder::new();
    let mut failures = Vec::new();
    for one in &found {
        if let Err(error) = Compiler::new(&mut schema).compile(&one.text, &one.env) {
            failures.push(format!("{}: {error}\n    {:.200}", one.place, one.text));
        }
    }
    eprintln!(
        "{} expressions of the hub, {} refused",
        found.len(),
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(found.len() > 3_000);
}

#[test]
fn hub_filters_give_the_same_in_both_forms() {
    let Some(found) = hub() else { return };
    let mut schema = SchemaBuilder::new();
    let programs: Vec<(Program, &Found)> = found
        .iter()
        .filter_map(|one| {
            Some((
                Compiler::new(&mut schema)
                    .compile(&one.text, &one.env)
                    .ok()?,
                one,
            ))
        })
        .collect();
    let schema = schema.freeze();
    let services = services();
    let queue = Value::object(QueueObject::new(Arc::from([Arc::new(event(&schema))]), 1));
    let mut n_fast = 0;
    let mut dynamic: Vec<String> = Vec::new();
    for (program, one) in &programs {
        let vars: Vec<Value> = one
            .env
            .names()
            .map(|name| match name {
                "queue" => queue.clone(),
                "req" => Value::object(RequestObject),
                "match" => Value::Map(overspill_expr::Map::of([])),
                _ => Value::Nil,
            })
            .collect();
        let run = |is_fast: bool| {
            let mut event: Event = event(&schema);
            let mut cx = Context {
                evt: Some(&mut event),
                vars: &vars,
                stash: &mut OneStash,
                services: &services,
                now: time("2026-01-01T00:00:00Z"),
            };
            if is_fast {
                program.eval_bool(&mut cx)
            } else {
                program.eval_bool_reference(&mut cx)
            }
        };
        assert_eq!(run(true), run(false), "{}: {}", one.place, one.text);
        if let Some(tree) = program.as_bool_tree() {
            n_fast += 1;
            collect_dynamic(tree, &mut dynamic);
        }
    }
    dynamic.sort();
    dynamic.dedup();
    eprintln!(
        "{n_fast} boolean expressions; {} parts left to the general evaluator",
        dynamic.len()
    );
    if std::env::var_os("OVERSPILL_SHOW_DYNAMIC").is_some() {
        eprintln!("{}", dynamic.join("\n"));
    }
}

fn collect_dynamic(tree: &Bool, out: &mut Vec<String>) {
    match tree {
        Bool::And(items) | Bool::Or(items) => {
            items.iter().for_each(|item| collect_dynamic(item, out));
        }
        Bool::Not(inner) => collect_dynamic(inner, out),
        Bool::Dyn(expr) => out.push(expr.text().to_owned()),
        Bool::Const(_) | Bool::Str(_) => {}
    }
}

fn hub() -> Option<Vec<Found>> {
    let Some(root) = std::env::var_os("OVERSPILL_HUB") else {
        eprintln!("OVERSPILL_HUB is not set: the hub's expressions were NOT checked");
        return None;
    };
    let _ = files();
    let mut found = Vec::new();
    for part in ["parsers", "postoverflows", "scenarios", "contexts"] {
        let mut paths = Vec::new();
        yaml_files(&PathBuf::from(&root).join(part), &mut paths);
        paths.sort();
        for path in paths {
            let text = std::fs::read_to_string(&path).unwrap();
            for document in documents(&text) {
                collect(&document, &path.display().to_string(), &mut found);
            }
        }
    }
    Some(found)
}

fn yaml_files(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, out);
        } else if path
            .extension()
            .is_some_and(|ext| ext == "yaml" || ext == "yml")
        {
            out.push(path);
        }
    }
}

/// As much of YAML as hub items use.
enum Node {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

fn documents(text: &str) -> Vec<Node> {
    let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0);
    let mut found = Vec::new();
    while let Some(event) = events.next() {
        if matches!(event, Yaml::DocumentStart(_)) {
            let first = events.next().unwrap();
            found.push(node(first, &mut events));
        }
    }
    found
}

fn node<'e>(event: Yaml<'e>, events: &mut impl Iterator<Item = Yaml<'e>>) -> Node {
    match event {
        Yaml::Scalar(text, ..) => Node::Scalar(text.into_owned()),
        Yaml::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().unwrap() {
                    Yaml::SequenceEnd => return Node::List(items),
                    event => items.push(node(event, events)),
                }
            }
        }
        Yaml::MappingStart(..) => {
            let mut entries = Vec::new();
            loop {
                match events.next().unwrap() {
                    Yaml::MappingEnd => return Node::Map(entries),
                    event => {
                        let Node::Scalar(key) = node(event, events) else {
                            panic!("a key that is no scalar")
                        };
                        let value = events.next().unwrap();
                        entries.push((key, node(value, events)));
                    }
                }
            }
        }
        other => panic!("unexpected {other:?}"),
    }
}

fn collect(node: &Node, place: &str, found: &mut Vec<Found>) {
    match node {
        Node::Scalar(_) => {}
        Node::List(items) => items.iter().for_each(|item| collect(item, place, found)),
        Node::Map(entries) => {
            for (key, value) in entries {
                let is_stash = entries.iter().any(|(key, _)| key == "ttl");
                let env = match key.as_str() {
                    "filter" | "groupby" | "distinct" | "cancel_on" | "expression" => Env::event(),
                    "key" | "value" if is_stash => Env::event(),
                    "condition" => Env::condition(),
                    "context" => Env::context(),
                    _ => {
                        collect(value, place, found);
                        continue;
                    }
                };
                texts(value, &env, &format!("{place} {key}"), found);
            }
        }
    }
}

fn texts(node: &Node, env: &Env, place: &str, found: &mut Vec<Found>) {
    match node {
        Node::Scalar(text) => {
            found.push(Found {
                text: text.clone(),
                env: env.clone(),
                place: place.to_owned(),
            });
        }
        Node::List(items) => items.iter().for_each(|item| texts(item, env, place, found)),
        Node::Map(entries) => {
            entries
                .iter()
                .for_each(|(_, value)| texts(value, env, place, found));
        }
    }
}
