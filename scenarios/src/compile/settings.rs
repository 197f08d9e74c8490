//! Everything that is no node and no bucket: contexts, profiles, simulation.

use std::sync::Arc;

use overspill_decision::{OnError, OnFailure, OnSuccess, Profile, Remedy};
use overspill_event::Keep;
use overspill_expr::Program;

use super::draft::{Draft, settings};
use super::shop::{Place, Shop};
use crate::diagnostic::SourceFile;
use crate::item::context::{self, ContextItem};
use crate::item::profile::{self, ProfileItem};
use crate::item::simulation::Simulation;
use crate::report::Report;
use crate::yaml::table::Findings;

/// A key of the alert context and its expressions.
pub type ContextKey = (Arc<str>, Vec<Program>);

/// Compiles contexts: hub items in the order of their names, case left aside, then the console's.
pub(super) fn contexts(
    drafts: &mut [Draft<'_, ContextItem>],
    console: Option<&SourceFile>,
    shop: &mut Shop,
    report: &mut Report,
) -> Vec<ContextKey> {
    let mut keys = Vec::new();
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|at| {
        drafts
            .get(*at)
            .map(|draft| draft.source.name.to_lowercase())
    });
    for at in order {
        let Some(draft) = drafts.get_mut(at) else {
            continue;
        };
        let Some(item) = draft.item.take() else {
            continue;
        };
        let compiled = context_keys(&item, shop, &mut draft.findings);
        if !draft.findings.has_errors() {
            merge(&mut keys, compiled);
            let name = Arc::clone(&draft.source.name);
            draft.accept(&name);
        }
    }
    if let Some(file) = console {
        let broken = settings(file, |root, mut findings| {
            let item = context::read_console(root, &mut findings);
            let compiled = context_keys(&item, shop, &mut findings);
            if !findings.has_errors() {
                merge(&mut keys, compiled);
            }
            report.findings.extend(findings.finish());
        });
        report.findings.extend(broken);
    }
    keys
}

fn context_keys(
    item: &ContextItem,
    shop: &mut Shop,
    findings: &mut Findings<'_>,
) -> Vec<ContextKey> {
    item.iter()
        .map(|(key, texts)| {
            (
                Arc::clone(&key.value),
                shop.all(texts, Place::Context, findings),
            )
        })
        .collect()
}

/// Adds expressions to their keys; one that the key has already counts once.
fn merge(keys: &mut Vec<ContextKey>, more: Vec<ContextKey>) {
    for (key, programs) in more {
        let at = match keys.iter().position(|(known, _)| *known == key) {
            Some(at) => at,
            None => {
                keys.push((key, Vec::new()));
                keys.len() - 1
            }
        };
        let Some((_, known)) = keys.get_mut(at) else {
            continue;
        };
        for program in programs {
            if known.iter().all(|other| other.text() != program.text()) {
                known.push(program);
            }
        }
    }
}

/// What the contexts read of an event.
pub(super) fn kept_for(contexts: &[ContextKey]) -> Keep {
    let mut keep = Keep::default();
    for program in contexts.iter().flat_map(|(_, programs)| programs) {
        keep.merge(&program.reads().keep());
    }
    keep
}

/// Compiles profiles, in file order. One that is wrong is reported and left out.
pub(super) fn profiles(files: &[SourceFile], shop: &mut Shop, report: &mut Report) -> Vec<Profile> {
    let mut profiles = Vec::new();
    for file in files {
        let broken = settings(file, |root, mut findings| {
            let item = profile::read(root, &mut findings);
            let filters = shop.all(&item.filters, Place::Profile, &mut findings);
            let duration_expr =
                shop.optional(item.duration_expr.as_ref(), Place::Profile, &mut findings);
            if !findings.has_errors() {
                profiles.push(of_item(item, filters, duration_expr));
            }
            report.findings.extend(findings.finish());
        });
        report.findings.extend(broken);
    }
    report.n_profiles = profiles.len();
    profiles
}

fn of_item(item: ProfileItem, filters: Vec<Program>, duration_expr: Option<Program>) -> Profile {
    Profile {
        name: item.name,
        filters,
        decisions: item
            .decisions
            .iter()
            .map(|decision| Remedy {
                kind: decision.kind.to_string(),
                duration: decision.duration.to_string(),
                scope: decision.scope.to_string(),
                origin: decision.origin.to_string(),
                simulated: decision.simulated,
            })
            .collect(),
        duration_expr,
        on_success: match item.on_success.as_deref() {
            Some("break") => OnSuccess::Break,
            _ => OnSuccess::Continue,
        },
        on_failure: match item.on_failure.as_deref() {
            Some("break") => OnFailure::Break,
            Some("apply") => OnFailure::Apply,
            _ => OnFailure::Continue,
        },
        on_error: match item.on_error.as_deref() {
            Some("continue") => OnError::Continue,
            Some("ignore") => OnError::Ignore,
            Some("break") => OnError::Break,
            Some("apply") => OnError::Apply,
            _ => OnError::Refuse,
        },
        notifications: item.notifications,
    }
}

/// The simulation settings of a file and its `.local`.
pub(super) fn simulation(files: &[SourceFile], report: &mut Report) -> Simulation {
    let mut simulation = Simulation::default();
    for file in files {
        let broken = settings(file, |root, mut findings| {
            let mut changed = simulation.clone();
            changed.read(root, &mut findings);
            if !findings.has_errors() {
                simulation = changed;
            }
            report.findings.extend(findings.finish());
        });
        report.findings.extend(broken);
    }
    simulation
}
