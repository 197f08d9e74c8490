//! Assertion files: one expression a line, evaluated on `results`.

use std::sync::LazyLock;

use overspill_event::SchemaBuilder;
use overspill_expr::{Compiler, Context, Env, EvalError, NoStash, Program, Services, Value};
use overspill_golike::time::Time;
use regex::Regex;

/// How a line went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// True.
    Passed,
    /// False, and counted; with what the left side really is.
    Failed {
        /// The line.
        text: String,
        /// Value of the left side.
        actual: String,
    },
    /// False, but CrowdSec does not count it: its left side cannot be told.
    NotCounted {
        /// The line.
        text: String,
    },
    /// It could not be evaluated: the test errs.
    Error {
        /// The line.
        text: String,
        /// Why.
        error: String,
    },
}

/// Which file: they differ in what a false line counts for (`hubtest.md` 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// `parser.assert`.
    Parser,
    /// `scenario.assert`.
    Scenario,
}

static LEFT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("([^ =]+) == .*").ok());

/// Evaluates every line that is not empty.
#[must_use]
pub fn check(text: &str, file: File, results: &Value) -> Vec<Line> {
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| check_line(line, file, results))
        .collect()
}

fn check_line(line: &str, file: File, results: &Value) -> Line {
    let text = with_basename(line);
    let error = |error: String| Line::Error {
        text: line.to_owned(),
        error,
    };
    match evaluate(&text, results) {
        Ok(Value::Bool(true)) => Line::Passed,
        Ok(Value::Bool(false)) => false_line(&text, file, results),
        Ok(other) => error(format!("{other:?} is no boolean")),
        Err(why) => error(why),
    }
}

/// A false line counts only if its left side can be shown.
fn false_line(text: &str, file: File, results: &Value) -> Line {
    let left = LEFT
        .as_ref()
        .and_then(|left| left.captures(text)?.get(1))
        .map(|left| left.as_str());
    let expression = match (left, file) {
        (Some(left), _) => left,
        (None, File::Parser) => text,
        (None, File::Scenario) => {
            return Line::NotCounted {
                text: text.to_owned(),
            };
        }
    };
    match evaluate(expression, results) {
        Ok(value) => Line::Failed {
            text: text.to_owned(),
            actual: format!("{value:?}"),
        },
        Err(_) => Line::NotCounted {
            text: text.to_owned(),
        },
    }
}

/// CrowdSec's shim: paths of logs differ from machine to machine.
fn with_basename(line: &str) -> String {
    if !line.contains("datasource_path") || line.contains("basename(") {
        return line.to_owned();
    }
    let mut parts = line.split("==").map(str::trim);
    match (parts.next(), parts.next()) {
        (Some(left), Some(right)) => format!("basename({left}) == {right}"),
        _ => line.to_owned(),
    }
}

/// Compiles and evaluates one expression on `results`.
///
/// # Errors
/// Why it does not compile, or what it raised.
pub fn evaluate(text: &str, results: &Value) -> Result<Value, String> {
    let mut schema = SchemaBuilder::new();
    let program = Compiler::new(&mut schema)
        .compile(text, &Env::assertions())
        .map_err(|error| error.to_string())?;
    run(&program, results).map_err(|error| error.to_string())
}

fn run(program: &Program, results: &Value) -> Result<Value, EvalError> {
    static SERVICES: LazyLock<Services> = LazyLock::new(Services::none);
    program.eval(&mut Context {
        evt: None,
        vars: std::slice::from_ref(results),
        stash: &mut NoStash,
        services: &SERVICES,
        now: Time::ZERO,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_pass_fail_err_or_are_not_counted() {
        let results = Value::list(vec![Value::Int(1), Value::from("a")]);
        let text = "len(results) == 2\n\nresults[0] == 2\n\"x\" in results\nresults[5] == 1";
        let lines = check(text, File::Scenario, &results);
        assert_eq!(lines[0], Line::Passed);
        assert!(matches!(&lines[1], Line::Failed { actual, .. } if actual.contains('1')));
        assert!(matches!(&lines[2], Line::NotCounted { .. }));
        assert!(matches!(&lines[3], Line::Error { .. }));
    }

    #[test]
    fn paths_are_compared_by_their_last_part() {
        assert_eq!(
            with_basename("results.datasource_path == \"a.log\""),
            "basename(results.datasource_path) == \"a.log\""
        );
        assert_eq!(
            with_basename("basename(datasource_path) == 1"),
            "basename(datasource_path) == 1"
        );
    }
}
