//! Content into a plan: what the flags name is found, compiled, and made ready to run.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use overspill_dataflow::Plan;
use overspill_decision::{AlertBuilder, AlertContext, AllowEntry, Allowlist, Policy, SafeList};
use overspill_expr::Services;
use overspill_matcher::{Keyer, Rules};
use overspill_scenarios::{
    CompileFailed, Compiled, Content, Hub, ItemKind, Report, Selection, compile as compile_content,
    embedded,
};

use crate::cli::args::ContentArgs;
use crate::warnings::Warnings;
use crate::wire::chain;

/// Key of the bucket hash in replays, where results must be the same on every run. A live cluster
/// draws its own.
const REPLAY_SECRET: [u8; 16] = *b"overspill replay";

/// A plan and what was said while it was made.
#[derive(Debug)]
pub struct Engine {
    /// What runs.
    pub plan: Plan,
    /// Findings that refused something, rendered.
    pub refused: Vec<String>,
    /// Findings that refused nothing, rendered.
    pub warnings: Vec<String>,
    /// Items that were looked at.
    pub n_items: usize,
    /// What the load found.
    pub report: Report,
    /// Where the plan's services warn while it runs.
    pub runtime: Arc<Warnings>,
    /// Fingerprint of the content, its data files and the allowlist.
    pub digest: [u8; 32],
    data_digest: [u8; 32],
}

/// How to compile, beside the content itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Plain regexes and no filter index: slow and obvious.
    pub reference: bool,
}

/// Finds and compiles what the flags name.
///
/// # Errors
/// When nothing can run: the hub or configuration cannot be read, or nothing was loaded.
pub fn load(args: &ContentArgs) -> Result<Engine> {
    let content = find(args)?;
    let mut engine = compile(
        &content,
        Options {
            reference: args.reference_matcher,
        },
    )?;
    let n_nothing = engine.report.n_parsers + engine.report.n_scenarios;
    if n_nothing == 0 {
        for text in &engine.refused {
            crate::cli::tell(&format!("{text}\n"));
        }
        bail!("no parser and no scenario was loaded");
    }
    engine.warnings.extend(no_profiles(&engine));
    if let Some(path) = &args.allowlist {
        let text = allowlist_text(path)?;
        engine.plan.policy.allowlist = allowlist(path, &text)?;
        engine.digest = content.digest(&[text.as_bytes(), &engine.data_digest]);
    }
    Ok(engine)
}

/// A fingerprint of what the flags name as it is now, without data files, for comparison with an earlier one.
///
/// # Errors
/// When the hub or configuration cannot be read.
pub fn digest(args: &ContentArgs) -> Result<[u8; 32]> {
    let content = find(args)?;
    let allowlist = args.allowlist.as_deref().map(allowlist_text).transpose()?;
    Ok(content.digest(&[allowlist.unwrap_or_default().as_bytes()]))
}

/// Longest file of an allowlist.
const ALLOWLIST_BYTES_MAX: u64 = 64 << 20;

fn allowlist_text(path: &Path) -> Result<String> {
    let shown = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("--allowlist {shown}"))?;
    let mut text = String::new();
    file.take(ALLOWLIST_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("--allowlist {shown}"))?;
    if text.len() as u64 > ALLOWLIST_BYTES_MAX {
        bail!("--allowlist {shown}: longer than {ALLOWLIST_BYTES_MAX} bytes");
    }
    Ok(text)
}

/// The addresses and ranges of a file: one a line, `#` begins a comment.
///
/// # Errors
/// When something is neither; all such lines are named.
fn allowlist(path: &Path, text: &str) -> Result<Allowlist> {
    let shown = path.display();
    let list: Arc<str> = Arc::from(&*shown.to_string());
    let mut allowlist = Allowlist::new();
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (value, comment) = line.split_once('#').unwrap_or((line, ""));
        if value.trim().is_empty() {
            continue;
        }
        let entry = AllowEntry {
            list: Arc::clone(&list),
            comment: Arc::from(comment.trim()),
            expires_ns: None,
        };
        if let Err(error) = allowlist.insert(value.trim(), entry) {
            wrong.push(format!("{shown}:{}: {error}", number + 1));
        }
    }
    if !wrong.is_empty() {
        let n_more = wrong.len().saturating_sub(ERRORS_MAX);
        wrong.truncate(ERRORS_MAX);
        if n_more > 0 {
            wrong.push(format!("... and {n_more} more lines"));
        }
        bail!("{}", wrong.join("\n"));
    }
    Ok(allowlist)
}

/// Lines of an allowlist that are named before the rest is only counted.
const ERRORS_MAX: usize = 20;

/// Without profiles no alert leads to a decision, which is easily taken for a quiet log.
pub(crate) fn no_profiles(engine: &Engine) -> Option<String> {
    (engine.report.n_profiles == 0).then(|| {
        "warning: there are no profiles: alerts lead to no decision. `--profiles FILE` names some"
            .to_owned()
    })
}

/// The files that the flags name.
///
/// # Errors
/// When the hub or the configuration cannot be read.
pub fn find(args: &ContentArgs) -> Result<Content> {
    let mut content = match (&args.hub, &args.config) {
        (Some(_), Some(_)) => bail!("--hub and --config exclude each other"),
        (Some(hub), None) => from_hub(hub, args)?,
        (None, Some(config)) => from_config(config)?,
        (None, None) => {
            if args.all || !args.collections.is_empty() || !args.items.is_empty() {
                bail!("--all, --collection and --item need --hub DIR");
            }
            embedded()
        }
    };
    if let Some(data) = &args.data {
        content.add_data_dir(data.clone());
    }
    if let Some(patterns) = &args.patterns {
        content.add_patterns(patterns);
    }
    match &args.profiles {
        Some(profiles) => content.use_profiles(profiles),
        // A hub brings no profiles; without any there would be alerts and no decision.
        None if args.hub.is_some() => content.set_profiles("built-in profiles.yaml", PROFILES),
        None => {}
    }
    Ok(content)
}

/// What CrowdSec ships: ban addresses and ranges of remediating alerts for four hours.
const PROFILES: &str = include_str!("../scenarios/library/profiles.yaml");

fn from_hub(root: &Path, args: &ContentArgs) -> Result<Content> {
    let hub = Hub::open(root).map_err(|error| anyhow!(chain(&error)))?;
    let mut items: Vec<(ItemKind, String)> = args
        .collections
        .iter()
        .map(|name| (ItemKind::Collections, name.clone()))
        .collect();
    for name in &args.items {
        let kinds = [
            ItemKind::Parsers,
            ItemKind::Scenarios,
            ItemKind::Postoverflows,
        ];
        let kind = kinds
            .into_iter()
            .find(|kind| hub.names(*kind).contains(&name.as_str()) || is_path_of(*kind, name))
            .with_context(|| format!("--item {name}: no parser, scenario or postoverflow"))?;
        items.push((kind, name.clone()));
    }
    if items.is_empty() && !args.all {
        bail!("--hub needs --collection NAME, --item NAME or --all");
    }
    Ok(hub.select(&Selection {
        everything: args.all,
        items,
        beside: None,
    }))
}

fn is_path_of(kind: ItemKind, name: &str) -> bool {
    name.trim_start_matches("./")
        .starts_with(&format!("{}/", kind.directory()))
}

fn from_config(path: &Path) -> Result<Content> {
    let paths = overspill_scenarios::config_paths(path).map_err(|findings| {
        let findings: Vec<String> = findings
            .iter()
            .map(overspill_scenarios::Diagnostic::render)
            .collect();
        anyhow!("{}", findings.join("\n"))
    })?;
    Ok(overspill_scenarios::installed(&paths))
}

/// Compiles content into a plan.
///
/// # Errors
/// When the parts make no plan.
pub fn compile(content: &Content, options: Options) -> Result<Engine> {
    let compile_options = overspill_scenarios::Options {
        reference: options.reference,
        ..overspill_scenarios::Options::default()
    };
    let compiled = compile_content(content, &compile_options).map_err(|error| match error {
        CompileFailed::Refused(report) => anyhow!(overspill_scenarios::render(&report)),
        other => anyhow!(chain(&other)),
    })?;
    let digest = content.digest(&[b"", &compiled.data_digest]);
    Ok(plan(compiled, options, digest))
}

fn plan(compiled: Compiled, options: Options, digest: [u8; 32]) -> Engine {
    let data_digest = compiled.data_digest;
    let runtime = Arc::new(Warnings::default());
    let services = Services {
        files: compiled.data_files,
        geo: compiled.geo,
        hostname: hostname(),
        log: Arc::<Warnings>::clone(&runtime),
        ..Services::none()
    };
    let keyer = Keyer::new(REPLAY_SECRET);
    let rules = Rules::new(compiled.scenarios, keyer, &compiled.schema);
    let rules = if options.reference {
        rules.without_index()
    } else {
        rules
    };
    let context = AlertContext::new(compiled.contexts, 0);
    let report = compiled.report;
    Engine {
        plan: Plan {
            schema: compiled.schema,
            parsers: compiled.parsers,
            postoverflows: compiled.postoverflows,
            rules,
            alerts: AlertBuilder::new(context),
            policy: Policy {
                profiles: compiled.profiles,
                allowlist: Allowlist::new(),
                safe: SafeList::new(&[]),
            },
            services,
        },
        refused: report
            .errors()
            .map(overspill_scenarios::Diagnostic::render)
            .collect(),
        warnings: report
            .warnings()
            .map(overspill_scenarios::Diagnostic::render)
            .collect(),
        n_items: report.n_loaded() + report.refused.len(),
        report,
        runtime,
        digest,
        data_digest,
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
