//! What every part of a compilation shares: field names and compiled expressions.

use std::collections::HashMap;
use std::sync::Arc;

use overspill_event::{FieldMap, SchemaBuilder, SchemaFull, Slot};
use overspill_expr::{CompileError, Compiler, DataFiles, Env, Program};
use overspill_grok::Engine;

use crate::diagnostic::SourceFile;
use crate::yaml::Mark;
use crate::yaml::table::{Findings, Text};

/// Where an expression stands, which decides what it may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Event,
    Condition,
    OverflowFilter,
    Context,
    Profile,
}

impl Place {
    fn env(self) -> Env {
        match self {
            Self::Event => Env::event(),
            Self::Condition => Env::condition(),
            Self::OverflowFilter => Env::overflow_filter(),
            Self::Context => Env::context(),
            Self::Profile => Env::profile(),
        }
    }
}

/// The shared part. Every distinct text is compiled once for each place.
pub(super) struct Shop {
    pub(super) engine: Engine,
    pub(super) schema: SchemaBuilder,
    /// What expressions are prepared with; none where the slow way is wanted.
    files: Option<Arc<DataFiles>>,
    programs: HashMap<(Place, Arc<str>), Result<Program, CompileError>>,
}

impl Shop {
    pub(super) fn new(schema: SchemaBuilder, files: &Arc<DataFiles>, reference: bool) -> Self {
        let engine = if reference {
            Engine::Reference
        } else {
            Engine::Specialised
        };
        Self {
            engine,
            schema,
            files: (!reference).then(|| Arc::clone(files)),
            programs: HashMap::new(),
        }
    }

    /// How many different expressions there are.
    pub(super) fn n_programs(&self) -> usize {
        self.programs.len()
    }

    /// The program of a text; reports what does not compile.
    pub(super) fn program(
        &mut self,
        text: &Text,
        place: Place,
        findings: &mut Findings<'_>,
    ) -> Option<Program> {
        let key = (place, Arc::clone(&text.value));
        let Self {
            schema,
            programs,
            files,
            ..
        } = self;
        let compiled = programs.entry(key).or_insert_with(|| {
            let mut compiler = Compiler::new(schema);
            if let Some(files) = files {
                compiler = compiler.with_files(files);
            }
            compiler.compile(&text.value, &place.env())
        });
        match compiled {
            Ok(program) => Some(program.clone()),
            Err(error) => {
                refuse(text, error, findings);
                None
            }
        }
    }

    /// As [`Shop::program`], for a key that may be absent.
    pub(super) fn optional(
        &mut self,
        text: Option<&Text>,
        place: Place,
        findings: &mut Findings<'_>,
    ) -> Option<Program> {
        text.and_then(|text| self.program(text, place, findings))
    }

    /// All programs of a list that compile.
    pub(super) fn all(
        &mut self,
        texts: &[Text],
        place: Place,
        findings: &mut Findings<'_>,
    ) -> Vec<Program> {
        texts
            .iter()
            .filter_map(|text| self.program(text, place, findings))
            .collect()
    }

    /// The slot of a field that a text names.
    pub(super) fn slot(
        &mut self,
        map: FieldMap,
        text: &Text,
        findings: &mut Findings<'_>,
    ) -> Option<Slot> {
        full(self.schema.intern(map, &text.value), text, findings)
    }
}

/// Reports that there are too many fields.
pub(super) fn full<T>(
    result: Result<T, SchemaFull>,
    text: &Text,
    findings: &mut Findings<'_>,
) -> Option<T> {
    result
        .map_err(|error| findings.refuse(text, error.to_string()))
        .ok()
}

/// Reports an expression that does not compile, pointing into the expression.
fn refuse(text: &Text, error: &CompileError, findings: &mut Findings<'_>) {
    let place = place_in_file(findings.file, text, error);
    let (start, end) = place.unwrap_or((text.start, text.end));
    let message = format!("expression: {}", error.message);
    let finding = findings.at(start, end, message).with_key(&*text.key);
    findings.push(finding);
}

/// Where a place of an expression is in its file: the source line that holds the expression's line
/// verbatim. There is none when the line has escapes or is folded.
fn place_in_file(file: &SourceFile, text: &Text, error: &CompileError) -> Option<(Mark, Mark)> {
    let line = text.value.split('\n').nth(error.line.checked_sub(1)?)?;
    let wanted = line.trim();
    if wanted.is_empty() {
        return None;
    }
    let first = usize::try_from(text.start.line).ok()?;
    let last = usize::try_from(text.end.line).ok()?.max(first);
    for number in first..=last {
        let source = file.line(number)?;
        let Some(at) = source.find(wanted) else {
            continue;
        };
        let before = source.get(..at)?.chars().count();
        let trimmed = line.chars().count() - line.trim_start().chars().count();
        let column = (before + error.column).checked_sub(trimmed)?;
        let mark = |column: usize| {
            let to_u32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            Mark {
                line: to_u32(number),
                column: to_u32(column),
            }
        };
        return Some((mark(column), mark(column + 1)));
    }
    None
}
