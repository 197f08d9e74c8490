//! One regex with the groups that are read, compiled for either engine.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memchr::memmem::Finder;
use overspill_memo::Asked;
use regex_syntax::hir::{Hir, HirKind};

use super::reference::Reference;
use super::scratch::UNSET;
use super::special::{Special, Verdict};
use super::{Engine, GrokError, Scratch};
use crate::hir;
use crate::literal::{self, Sequence};

/// Patterns whose automaton may have more states than this are compiled by the regex engine at
/// once, to learn whether they are too large; that of others is built when first needed.
const CHECK_SIZE: u64 = 100_000;

/// Subjects with the required literal, in a row, until it is no longer looked for first.
const CHECKS_MAX: u32 = 16;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(super) struct Program {
    /// Names the program in scratches; unique in the process.
    id: u64,
    tree: Hir,
    groups: usize,
    required: Option<Finder<'static>>,
    /// While not 0 the required literal is looked for first.
    checks: AtomicU32,
    literals: Sequence,
    special: Option<Special>,
    reference: OnceLock<Option<Reference>>,
}

impl Program {
    /// Compiles a regex in Rust's syntax.
    pub(super) fn compile(rust: &str, keep: &[u32], engine: Engine) -> Result<Self, GrokError> {
        let whole = hir::parse(rust).map_err(|error| GrokError::Unsupported {
            reason: error.to_string(),
        })?;
        let tree = hir::keep_groups(&whole, keep);
        let literal = literal::required(&tree);
        let special = match engine {
            Engine::Specialised => Special::new(&tree),
            Engine::Reference => None,
        };
        let reference = OnceLock::new();
        if size(&tree) > CHECK_SIZE || special.is_none() {
            let built = Reference::new(&tree, keep.len())?;
            reference.get_or_init(|| Some(built));
        }
        Ok(Program {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            literals: Sequence::new(&tree),
            tree,
            groups: keep.len(),
            checks: AtomicU32::new(CHECKS_MAX),
            required: (!literal.is_empty()).then(|| Finder::new(&literal).into_owned()),
            special,
            reference,
        })
    }

    /// A literal that every match contains; may be empty.
    pub(super) fn required(&self) -> &[u8] {
        self.required.as_ref().map_or(&[], Finder::needle)
    }

    /// What the specialised matcher says by itself.
    #[cfg(test)]
    pub(super) fn verdict(&self, scratch: &mut Scratch, subject: &[u8]) -> Option<Verdict> {
        let (memory, slots) = scratch.memory(self.id);
        slots.clear();
        slots.resize(self.groups, [UNSET; 2]);
        self.special
            .as_ref()
            .map(|special| special.run(memory, slots, subject))
    }

    /// Searches the subject; on success the scratch has the spans of the kept groups.
    #[inline]
    pub(super) fn run(&self, scratch: &mut Scratch, subject: &[u8]) -> bool {
        let is_checked = self.checks.load(Ordering::Relaxed) > 0;
        if is_checked && self.lacks_literal(subject) {
            return false;
        }
        let Some(special) = &self.special else {
            return self.fall_back(scratch, subject);
        };
        let (memory, slots) = scratch.memory(self.id);
        slots.clear();
        slots.resize(self.groups, [UNSET; 2]);
        let is_new = match memory.answers.ask(subject) {
            Asked::Known(answer) => {
                slots.copy_from_slice(&answer.slots);
                return answer.matched;
            }
            Asked::New(_) => true,
            Asked::PassedBy => false,
        };
        let matched = match special.run(memory, slots, subject) {
            Verdict::Match => true,
            Verdict::NoMatch => false,
            _ if !is_checked && self.lacks_literal(subject) => false,
            verdict => self.decide(verdict, special, scratch, subject),
        };
        if is_new {
            self.remember(scratch, subject, matched);
        }
        matched
    }

    /// Whether the subject lacks the literal that every match contains.
    ///
    /// It is looked for first as long as it is what most subjects fail by, and else only in
    /// subjects that the walk did not decide.
    #[inline]
    fn lacks_literal(&self, subject: &[u8]) -> bool {
        let Some(literal) = &self.required else {
            return false;
        };
        let lacks = literal.find(subject).is_none();
        let checks = self.checks.load(Ordering::Relaxed);
        let then = if lacks {
            CHECKS_MAX
        } else {
            checks.saturating_sub(1)
        };
        if then != checks {
            self.checks.store(then, Ordering::Relaxed);
        }
        lacks
    }

    #[cold]
    fn remember(&self, scratch: &mut Scratch, subject: &[u8], matched: bool) {
        let (memory, slots) = scratch.memory(self.id);
        if slots.len() == self.groups
            && let Some(mut room) = memory.answers.room(subject)
        {
            let answer = room.answer();
            answer.matched = matched;
            answer.slots.clear();
            answer.slots.extend_from_slice(slots);
            room.keep(subject);
        }
    }

    /// What the walk left open.
    #[cold]
    fn decide(
        &self,
        verdict: Verdict,
        special: &Special,
        scratch: &mut Scratch,
        subject: &[u8],
    ) -> bool {
        if verdict != Verdict::NotAtStart {
            return self.fall_back(scratch, subject);
        }
        if !self.literals.is_in(subject) {
            return false;
        }
        let Some(reference) = self.reference() else {
            return false;
        };
        let Some(start) = reference.start(self.id, scratch, subject) else {
            return false;
        };
        let (memory, slots) = scratch.memory(self.id);
        special.run_at(memory, slots, subject, start) == Verdict::Match
            || self.fall_back(scratch, subject)
    }

    fn fall_back(&self, scratch: &mut Scratch, subject: &[u8]) -> bool {
        self.reference()
            .is_some_and(|reference| reference.run(self.id, scratch, subject))
    }

    /// The regex engine's form. Patterns for which building it could fail were tried when they
    /// were compiled, so there always is one.
    fn reference(&self) -> Option<&Reference> {
        self.reference
            .get_or_init(|| Reference::new(&self.tree, self.groups).ok())
            .as_ref()
    }
}

/// Roughly how many automaton states a tree needs.
fn size(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        // A class of many ranges past ASCII needs several states for each.
        HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => {
            2 + 4 * class.ranges().len() as u64
        }
        HirKind::Class(_) => 2,
        HirKind::Repetition(repetition) => {
            let times = u64::from(repetition.max.unwrap_or(repetition.min).max(1));
            size(&repetition.sub)
                .saturating_mul(times)
                .saturating_add(1)
        }
        HirKind::Capture(group) => size(&group.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .fold(1, |sum: u64, part| sum.saturating_add(size(part))),
    }
}
