//! Regex trees: parsing translated text, and dropping the groups nobody reads.

use regex_syntax::hir::{Capture, Hir, HirKind, Repetition};

use crate::translate::NEST_LIMIT;

/// Parses the output of the translator.
pub(crate) fn parse(rust: &str) -> Result<Hir, Box<regex_syntax::Error>> {
    regex_syntax::ParserBuilder::new()
        .utf8(false)
        .unicode(true)
        // Alternations and classes nest as well; the translator has limited the groups.
        .nest_limit(u32::try_from(NEST_LIMIT * 4).unwrap_or(u32::MAX))
        .build()
        .parse(rust)
        .map_err(Box::new)
}

/// The tree with only the groups in `keep`, renumbered from 1 by their position in it.
///
/// Group 0 is the whole match; if kept it becomes an ordinary group around everything.
pub(crate) fn keep_groups(hir: &Hir, keep: &[u32]) -> Hir {
    let stripped = strip(hir, keep);
    match keep.iter().position(|group| *group == 0) {
        Some(at) => capture(at, stripped),
        None => stripped,
    }
}

fn strip(hir: &Hir, keep: &[u32]) -> Hir {
    match hir.kind() {
        HirKind::Capture(group) => {
            let sub = strip(&group.sub, keep);
            match keep.iter().position(|index| *index == group.index) {
                Some(at) => capture(at, sub),
                None => sub,
            }
        }
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            min: repetition.min,
            max: repetition.max,
            greedy: repetition.greedy,
            sub: Box::new(strip(&repetition.sub, keep)),
        }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(|part| strip(part, keep)).collect()),
        HirKind::Alternation(branches) => {
            Hir::alternation(branches.iter().map(|branch| strip(branch, keep)).collect())
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
    }
}

fn capture(position: usize, sub: Hir) -> Hir {
    let index = u32::try_from(position + 1).unwrap_or(u32::MAX);
    Hir::capture(Capture {
        index,
        name: None,
        sub: Box::new(sub),
    })
}
