//! `overspill config`: what would run, and what is wrong with it.

use anyhow::Result;
use serde_json::json;

use super::args::{Color, ConfigArgs, ConfigCommand, ContentArgs, Format};
use super::replay::content_name;
use super::{Exit, print};
use crate::content;
use crate::report::term::{Paint, Style};
use crate::wire;

pub(super) fn run(args: &ConfigArgs, format: Format, color: Color) -> Result<Exit> {
    match &args.command {
        ConfigCommand::Check { content } => check(content, format, color),
        ConfigCommand::Show {
            content,
            effective,
            key,
        } => show(content, *effective, key.as_deref(), format),
    }
}

fn check(args: &ContentArgs, format: Format, color: Color) -> Result<Exit> {
    let mut engine = content::compile(&content::find(args)?, content::Options::default())?;
    engine.warnings.extend(content::no_profiles(&engine));
    let report = &engine.report;
    if format == Format::Json {
        print(&format!(
            "{:#}\n",
            json!({
                "parsers": report.n_parsers,
                "postoverflows": report.n_postoverflows,
                "scenarios": report.n_scenarios,
                "contexts": report.n_contexts,
                "profiles": report.n_profiles,
                "refused": engine.refused,
                "warnings": engine.warnings,
            })
        ))?;
    } else {
        let style = Style::of(&std::io::stdout(), color);
        let mut out = String::new();
        for text in &engine.refused {
            out.push_str(&format!("{text}\n"));
        }
        for text in &engine.warnings {
            out.push_str(&format!("{}\n", style.paint(Paint::Yellow, text)));
        }
        out.push_str(&format!(
            "{} parsers, {} scenarios, {} postoverflows, {} contexts, {} profiles from {}\n",
            report.n_parsers,
            report.n_scenarios,
            report.n_postoverflows,
            report.n_contexts,
            report.n_profiles,
            content_name(args)
        ));
        out.push_str(&match engine.refused.len() {
            0 => format!("{}\n", style.paint(Paint::Green, "nothing was refused")),
            n => format!(
                "{}\n",
                style.paint(Paint::Red, &format!("{n} findings refuse something"))
            ),
        });
        print(&out)?;
    }
    Ok(match (engine.refused.is_empty(), args.strict) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Refused,
        (false, false) => Exit::Failed,
    })
}

/// What the flags name, by key; what they do not is empty.
fn given(args: &ContentArgs) -> [(&'static str, String); 7] {
    let path = |path: &Option<std::path::PathBuf>| {
        path.as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    };
    let all = if args.all { "true" } else { "" };
    [
        ("content", content_name(args)),
        ("content.collections", args.collections.join(",")),
        ("content.items", args.items.join(",")),
        ("content.all", all.to_owned()),
        ("content.data", path(&args.data)),
        ("content.patterns", path(&args.patterns)),
        ("content.profiles", path(&args.profiles)),
    ]
}

/// What a replay takes unless told otherwise, by key.
fn defaults() -> [(&'static str, String); 9] {
    use overspill_bucket::{DISTINCT_MAX, QUEUE_LEN_MAX};
    use overspill_connectors::lines::LINE_BYTES_MAX;
    use overspill_event::Event;
    [
        ("limits.line", LINE_BYTES_MAX.to_string()),
        ("limits.event", Event::BYTES_MAX.to_string()),
        ("limits.buckets", wire::BUCKETS_MAX.to_string()),
        (
            "limits.evidence_bytes",
            wire::EVIDENCE_BYTES_MAX.to_string(),
        ),
        (
            "limits.retained_events_per_bucket",
            QUEUE_LEN_MAX.to_string(),
        ),
        (
            "limits.distinct_values_per_bucket",
            DISTINCT_MAX.to_string(),
        ),
        ("lateness", "0s".to_owned()),
        ("workers", "1".to_owned()),
        ("processes", "1".to_owned()),
    ]
}

/// The settings of a replay, by key. Only what differs from the defaults unless `effective`.
fn show(args: &ContentArgs, effective: bool, key: Option<&str>, format: Format) -> Result<Exit> {
    let shown: Vec<(&str, String)> = given(args)
        .into_iter()
        .filter(|(_, value)| effective || !value.is_empty())
        .chain(
            defaults()
                .into_iter()
                .filter(|_| effective || key.is_some()),
        )
        .filter(|(name, _)| key.is_none_or(|key| key == *name))
        .collect();
    if let (Some(key), true) = (key, shown.is_empty()) {
        anyhow::bail!("there is no key {key:?}; `overspill config show --effective` lists all");
    }
    match (format, key) {
        (Format::Json, _) => {
            let map: serde_json::Map<String, serde_json::Value> = shown
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            print(&format!("{:#}\n", serde_json::Value::Object(map)))?;
        }
        (_, Some(_)) => print(
            &shown
                .iter()
                .map(|(_, value)| format!("{value}\n"))
                .collect::<String>(),
        )?,
        _ => {
            let lines = shown
                .iter()
                .map(|(name, value)| format!("{name}: {value}\n"));
            print(&lines.collect::<String>())?;
        }
    }
    Ok(Exit::Done)
}
