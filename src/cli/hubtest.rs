//! `overspill hubtest`: the tests that come with hub content.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use overspill_scenarios::{Hub, ItemKind};
use serde_json::json;

use super::args::{Color, Format, HubtestArgs, HubtestCommand};
use super::{Exit, print, tell};
use crate::explain::{Detail, Explainer, render};
use crate::hubtest::case::{Case, TESTS_DIR};
use crate::hubtest::coverage::{self, Coverage};
use crate::hubtest::run::{run_all, run_case, run_recorded};
use crate::hubtest::{Report, Verdict, asserts, results};
use crate::report::table::Table;
use crate::report::term::{Paint, Style};
use crate::wire::chain;

pub(super) fn run(args: &HubtestArgs, format: Format, color: Color) -> Result<Exit> {
    if let HubtestCommand::Create { .. } = &args.command {
        return create(args);
    }
    let hub = Hub::open(&args.hub)
        .map_err(|error| anyhow::anyhow!(chain(&error)))
        .with_context(|| format!("open the hub {}", args.hub.display()))?;
    let style = Style::of(&std::io::stdout(), color);
    match &args.command {
        HubtestCommand::Run {
            names,
            all,
            workers,
            max_jobs,
            report_success,
        } => {
            let names = select(&hub, names, *all)?;
            let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
            let reports = run_all(&hub, &names, *workers, max_jobs.unwrap_or(cores));
            report(&reports, *report_success, format, &style)
        }
        HubtestCommand::List => {
            let names = Case::names(hub.root())?;
            match format {
                Format::Json => print(&format!("{:#}\n", json!(names)))?,
                _ => print(
                    &names
                        .iter()
                        .map(|name| format!("{name}\n"))
                        .collect::<String>(),
                )?,
            }
            Ok(Exit::Done)
        }
        HubtestCommand::Info { names } => info(&hub, names),
        HubtestCommand::Coverage {
            parsers,
            scenarios,
            percent,
        } => {
            let both = parsers == scenarios;
            show_coverage(
                &hub,
                *parsers || both,
                *scenarios || both,
                *percent,
                format,
                &style,
            )
        }
        HubtestCommand::Eval { expr, names } => eval(&hub, expr, names),
        HubtestCommand::Explain {
            names,
            verbose,
            failures,
        } => explain(&hub, names, *verbose, *failures, &style),
        HubtestCommand::Create { .. } => unreachable!("answered above"),
    }
}

fn select(hub: &Hub, names: &[String], all: bool) -> Result<Vec<String>> {
    let known = Case::names(hub.root())?;
    if all {
        return Ok(known);
    }
    if names.is_empty() {
        bail!("name tests to run, or give --all");
    }
    for name in names {
        if !known.contains(name) {
            bail!("there is no test {name:?}; `overspill hubtest list` shows all");
        }
    }
    Ok(names.to_vec())
}

fn report(reports: &[Report], report_success: bool, format: Format, style: &Style) -> Result<Exit> {
    let is_passed = |report: &&Report| matches!(report.verdict, Verdict::Passed { .. });
    let n_passed = reports.iter().filter(is_passed).count();
    let n_failed = reports.len() - n_passed;
    if format == Format::Json {
        let names = |passed: bool| {
            reports
                .iter()
                .filter(|report| is_passed(report) == passed)
                .map(|report| report.name.as_str())
                .collect::<Vec<_>>()
        };
        print(&format!(
            "{:#}\n",
            json!({ "fail": names(false), "success": names(true) })
        ))?;
    } else {
        let mut out = String::new();
        for report in reports {
            push_report(&mut out, report, report_success, style);
        }
        out.push_str(&format!("{n_passed} passed, {n_failed} failed\n"));
        print(&out)?;
    }
    Ok(if n_failed == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn push_report(out: &mut String, report: &Report, report_success: bool, style: &Style) {
    /// Lines shown of one test.
    const LINES: usize = 20;
    match &report.verdict {
        Verdict::Passed { not_counted } => {
            if report_success {
                let mark = style.paint(Paint::Green, "passed");
                out.push_str(&format!("{mark}  {}\n", report.name));
                for line in not_counted {
                    out.push_str(&format!("  false, not counted: {line}\n"));
                }
            }
        }
        Verdict::Failed { why } => {
            let mark = style.paint(Paint::Red, "failed");
            out.push_str(&format!(
                "{mark}  {}: {} assertions\n",
                report.name,
                why.len()
            ));
            for line in why.iter().take(LINES) {
                out.push_str(&format!("  {line}\n"));
            }
            if why.len() > LINES {
                out.push_str(&format!("  … and {} more\n", why.len() - LINES));
            }
        }
        Verdict::Error { why } => {
            let mark = style.paint(Paint::Red, "error");
            out.push_str(&format!("{mark}   {}: {why}\n", report.name));
        }
    }
}

fn info(hub: &Hub, names: &[String]) -> Result<Exit> {
    let mut out = String::new();
    for name in names {
        let case = Case::load(hub.root(), name)?;
        out.push_str(&format!(
            "{name}\n  directory      {}\n  log            {}\n  type           {}\n",
            case.dir.display(),
            case.log().display(),
            case.config.log_type
        ));
        for (kind, item) in &case.config.items {
            out.push_str(&format!("  {:<14} {item}\n", kind.directory()));
        }
    }
    print(&out)?;
    Ok(Exit::Done)
}

fn show_coverage(
    hub: &Hub,
    with_parsers: bool,
    with_scenarios: bool,
    only_percent: bool,
    format: Format,
    style: &Style,
) -> Result<Exit> {
    let mut parts: Vec<(&str, Vec<Coverage>)> = Vec::new();
    if with_parsers {
        parts.push(("parsers", coverage::parsers(hub)?));
    }
    if with_scenarios {
        parts.push(("scenarios", coverage::scenarios(hub)?));
    }
    let mut out = String::new();
    let mut document = serde_json::Map::new();
    for (title, items) in &parts {
        let percent = coverage::percent(items);
        if only_percent {
            out.push_str(&format!("{title}={percent}%\n"));
        } else if format == Format::Json {
            let items: Vec<_> = items
                .iter()
                .map(|item| json!({ "name": item.name, "tests": item.n_assertions }))
                .collect();
            let part = json!({ "items": items, "percent": percent });
            document.insert((*title).to_owned(), part);
        } else {
            let mut table = Table::new(&["assertions", "item"]);
            for item in items {
                table.row(vec![item.n_assertions.to_string(), item.name.clone()]);
            }
            out.push_str(&table.render(style));
            out.push_str(&format!("  {title}: {percent} %\n"));
        }
    }
    if !document.is_empty() {
        out = format!("{:#}\n", serde_json::Value::Object(document));
    }
    print(&out)?;
    Ok(Exit::Done)
}

fn eval(hub: &Hub, expr: &str, names: &[String]) -> Result<Exit> {
    for name in names {
        let case = Case::load(hub.root(), name)?;
        let ran = run_case(hub, &case, 1)?;
        let results = results::parser_results(&ran.nodes);
        let value = asserts::evaluate(expr, &results).map_err(|error| anyhow::anyhow!(error))?;
        print(&format!("{value:?}\n"))?;
    }
    Ok(Exit::Done)
}

fn explain(
    hub: &Hub,
    names: &[String],
    verbose: bool,
    failures: bool,
    style: &Style,
) -> Result<Exit> {
    for name in names {
        let case = Case::load(hub.root(), name)?;
        let explained = run_recorded(hub, &case, 1, |plan| {
            Arc::new(Explainer::new(Arc::clone(plan), verbose))
        })?;
        for (number, trace) in (1..).zip(explained.traces()) {
            if !failures || !trace.is_parsed {
                let detail = Detail {
                    verbose,
                    only_successful: false,
                };
                print(&render(number, &trace, detail, style))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// The parsers that nearly every test needs: those of CrowdSec's hub or, where the hub has others,
/// what it calls by such a name.
fn usual_parsers(hub: &Path) -> Vec<String> {
    const CROWDSEC: [&str; 2] = [
        "crowdsecurity/syslog-logs",
        "crowdsecurity/dateparse-enrich",
    ];
    const OTHERS: [&str; 3] = ["syslog", "plain", "dateparse"];
    let Ok(hub) = Hub::open(hub) else {
        return CROWDSEC.map(str::to_owned).to_vec();
    };
    let known = hub.names(ItemKind::Parsers);
    let is_crowdsec = CROWDSEC.iter().any(|name| known.contains(name));
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let usual = |wanted: &&str| match is_crowdsec {
        true => known.iter().find(|name| *name == wanted),
        false => known.iter().find(|name| last(name) == **wanted),
    };
    let wanted: &[&str] = if is_crowdsec { &CROWDSEC } else { &OTHERS };
    let found = wanted.iter().filter_map(usual);
    found.map(|name| (*name).to_owned()).collect()
}

/// The skeleton of a test: configuration, empty log, empty assertions.
fn create(args: &HubtestArgs) -> Result<Exit> {
    let HubtestCommand::Create {
        name,
        log_type,
        parsers,
        scenarios,
        postoverflows,
        ignore_parsers,
    } = &args.command
    else {
        unreachable!("called for `create` only")
    };
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        bail!("{name:?} is no name for a test");
    }
    let dir = args.hub.join(TESTS_DIR).join(name);
    if dir.exists() {
        bail!("{} exists already", dir.display());
    }
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let list = |items: &[String]| {
        items
            .iter()
            .map(|item| format!("- {item}\n"))
            .collect::<String>()
    };
    let parsers: Vec<String> = [usual_parsers(&args.hub), parsers.clone()].concat();
    let config = format!(
        "parsers:\n{}scenarios:\n{}postoverflows:\n{}log_file: {name}.log\nlog_type: {log_type}\n\
         labels: {{}}\nignore_parsers: {ignore_parsers}\noverride_statics: []\n",
        list(&parsers),
        list(scenarios),
        list(postoverflows)
    );
    for (file, text) in [
        ("config.yaml".to_owned(), config),
        (format!("{name}.log"), String::new()),
        ("parser.assert".to_owned(), String::new()),
        ("scenario.assert".to_owned(), String::new()),
    ] {
        let path = dir.join(file);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    tell(&format!(
        "  made {}\n  put lines into {name}.log, then `overspill hubtest run {name}` prints what \
         assertions could say\n",
        dir.display()
    ));
    Ok(Exit::Done)
}
