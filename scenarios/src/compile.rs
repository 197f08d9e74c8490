//! From chosen content to plans the engine runs.
//!
//! ```text
//!  Content ─▶ decode all documents ─▶ load their data files ─▶ compile:
//!             (yaml, item)            (data)                   parsers, post-overflows,
//!                                                              contexts, scenarios, profiles
//! ```
//!
//! Where CrowdSec does not start when anything is wrong, here a document that is wrong is refused
//! and the rest runs; [`Options::strict`] makes it an error. All findings of a load are reported at
//! once. The same content gives the same plans, slot numbers included.

mod buckets;
mod draft;
mod files;
mod nodes;
mod patterns;
mod settings;
mod shop;

use std::sync::Arc;
use std::time::Instant;

use overspill_decision::Profiles;
use overspill_event::{Schema, SchemaBuilder};
use overspill_expr::{DataFiles, Geo};
use overspill_matcher::ScenarioPlan;
use overspill_parser::{NODE_DEPTH_MAX, ParserPlan, StagePlan, intern_engine_fields};

use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::item::{ItemKind, context, node, scenario};
use crate::report::Report;
use crate::yaml;
use draft::Draft;
pub use settings::ContextKey;
use shop::Shop;

/// How to compile.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Fail when anything is refused.
    pub strict: bool,
    /// Field names of an earlier load: they keep their numbers (hot reload, snapshots).
    pub schema: Option<Arc<Schema>>,
    /// Grok by the regex engine alone, and nothing prepared from data files: slow, and the measure
    /// for the other way.
    pub reference: bool,
}

/// Content, compiled.
pub struct Compiled {
    /// Field names of all of it. [`SchemaBuilder::continuing`] gives back a builder of them.
    pub schema: Arc<Schema>,
    /// Stages a line goes through.
    pub parsers: ParserPlan,
    /// Stages an overflow goes through.
    pub postoverflows: ParserPlan,
    /// Scenarios in the order of evaluation.
    pub scenarios: Vec<ScenarioPlan>,
    /// Alert context: keys in the order of first mention.
    pub contexts: Vec<ContextKey>,
    /// Profiles in the order in which they are asked.
    pub profiles: Profiles,
    /// Data files of expressions.
    pub data_files: Arc<DataFiles>,
    /// GeoIP databases, as far as they were found.
    pub geo: Arc<dyn Geo>,
    /// What runs, what does not, and why.
    pub report: Report,
    /// Fingerprint of the data files and databases.
    pub data_digest: [u8; 32],
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Compiled")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// A load that gave nothing to run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileFailed {
    /// Something was refused, and the load was strict.
    #[error("content was refused")]
    Refused(Box<Report>),
    /// The parsers or post-overflows make no plan.
    #[error("put {kind} together")]
    Plan {
        /// Which of them.
        kind: ItemKind,
        /// Why.
        #[source]
        source: overspill_parser::PlanError,
    },
}

/// Compiles content.
///
/// # Errors
/// [`CompileFailed`]; a document that is wrong is no error unless the load is strict.
pub fn compile(content: &Content, options: &Options) -> Result<Compiled, CompileFailed> {
    let started = Instant::now();
    let mut report = Report {
        findings: content.findings.clone(),
        refused: content.refused.clone(),
        n_unsupported: content.n_unsupported,
        ..Report::default()
    };
    let simulation = settings::simulation(&content.simulation, &mut report);
    let mut parsers = Draft::all(&content.items, ItemKind::Parsers, node::read);
    let mut postoverflows = Draft::all(&content.items, ItemKind::Postoverflows, node::read);
    let mut scenarios = Draft::all(&content.items, ItemKind::Scenarios, scenario::read);
    let mut contexts = Draft::all(&content.items, ItemKind::Contexts, |root, findings| {
        Some(context::read(root, findings))
    });

    let mut files = files::Loading::new(&content.data);
    for draft in parsers.iter_mut().chain(&mut postoverflows) {
        files.load(draft, |node| &node.data);
    }
    for draft in &mut scenarios {
        files.load(draft, |scenario| &scenario.data);
    }
    let loaded = files.finish(&mut report);

    let mut shop = Shop::new(schema(options)?, &loaded.files, options.reference);
    let library = patterns::library(&content.patterns, &mut report.findings);
    let parser_stages = nodes::stages(&mut parsers, library.clone(), &mut shop);
    let postoverflow_stages = nodes::stages(&mut postoverflows, library, &mut shop);
    let context_keys = settings::contexts(
        &mut contexts,
        content.console_context.as_ref(),
        &mut shop,
        &mut report,
    );
    let mut kept = settings::kept_for(&context_keys);
    kept.merge(&buckets::source_fields(&mut shop));
    let plans = buckets::plans(&mut scenarios, &simulation, &kept, &mut shop);
    let profiles = settings::profiles(&content.profiles, &mut shop, &mut report);

    for draft in parsers.into_iter().chain(postoverflows) {
        draft.finish(&mut report);
    }
    scenarios
        .into_iter()
        .for_each(|draft| draft.finish(&mut report));
    contexts
        .into_iter()
        .for_each(|draft| draft.finish(&mut report));
    report.n_expressions = shop.n_programs();
    report.elapsed = started.elapsed();
    if options.strict && !report.is_clean() {
        return Err(CompileFailed::Refused(Box::new(report)));
    }
    let mut schema = shop.schema;
    let parsers = plan(ItemKind::Parsers, parser_stages, &mut schema)?;
    let postoverflows = plan(ItemKind::Postoverflows, postoverflow_stages, &mut schema)?;
    report.elapsed = started.elapsed();
    Ok(Compiled {
        schema: schema.freeze(),
        parsers,
        postoverflows,
        scenarios: plans,
        contexts: context_keys,
        profiles: Profiles::new(profiles),
        data_files: loaded.files,
        geo: loaded.geo,
        data_digest: loaded.digest,
        report,
    })
}

/// The field names to go on from, those of the engine among them.
fn schema(options: &Options) -> Result<SchemaBuilder, CompileFailed> {
    let mut schema = match &options.schema {
        Some(schema) => SchemaBuilder::continuing(schema),
        None => SchemaBuilder::new(),
    };
    intern_engine_fields(&mut schema).map_err(|full| CompileFailed::Plan {
        kind: ItemKind::Parsers,
        source: full.into(),
    })?;
    Ok(schema)
}

/// Nodes that YAML can hold are never too deep for a plan, which would stop the whole load: each is
/// a map in a list.
const _: () = assert!(yaml::DEPTH_MAX / 2 < NODE_DEPTH_MAX);

fn plan(
    kind: ItemKind,
    stages: Vec<StagePlan>,
    schema: &mut SchemaBuilder,
) -> Result<ParserPlan, CompileFailed> {
    ParserPlan::new(stages, schema).map_err(|source| CompileFailed::Plan { kind, source })
}

/// All findings as one text for a terminal, followed by a sentence on what was refused.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text: Vec<String> = report.findings.iter().map(Diagnostic::render).collect();
    text.extend(report.summary().map(|summary| format!("  {summary}")));
    text.join("\n")
}
