//! The command line: one file a subcommand.

mod archive;
pub mod args;
mod bouncers;
mod checkpoint;
mod cluster;
mod completion;
mod config;
mod decisions;
mod defaults;
mod explain;
mod hubtest;
mod lapi;
mod machines;
mod reload;
pub mod replay;
mod run;
mod top;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use clap::Parser;
use clap::error::ErrorKind;

use args::{Cli, Command, Format, LogFormat};
use overspill_connectors::source::system_clock;
use overspill_golike::time::{Time, append_rfc3339_nano};

use crate::report::table::Table;
use crate::report::term::Style;
use crate::signals::INTERRUPTED;

/// How a command ended (`cli.md`, `product.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed, or an input gave only a part of itself.
    Failed,
    /// Done, but something was refused and `--strict` was given.
    Refused,
    /// Interrupted; what was read so far was finished.
    Interrupted,
    /// A supervised process cannot run with its configuration: starting it again would not help.
    Configuration,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 3,
            Self::Interrupted => INTERRUPTED,
            Self::Configuration => 2,
        }
    }
}

/// Runs the command that `args` spell.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Whoever types only the name asks what there is.
            let _closed = print(&error.render().to_string());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            // Help and version are no errors; clap knows which stream and which code.
            let _closed = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(cli) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(Exit::Failed.code())
        }
    }
}

/// `overspill ... | head` is not an error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn run(cli: Cli) -> Result<Exit> {
    match cli.command {
        Command::Replay(args) => replay::run(&args, cli.output, cli.color),
        Command::Run(args) => run::run(&args, cli.output, cli.color),
        Command::Top(args) => top::run(&args, cli.output),
        Command::Archive(args) => archive::run(&args),
        Command::Explain(args) => explain::run(&args, cli.output, cli.color),
        Command::Hubtest(args) => hubtest::run(&args, cli.output, cli.color),
        Command::Config(args) => config::run(&args, cli.output, cli.color),
        Command::Checkpoint(args) => checkpoint::run(&args, cli.output, cli.color),
        Command::Decisions(args) => decisions::run(&args, cli.output, cli.color),
        Command::Lapi(args) => lapi::run(&args),
        Command::Bouncers(args) => bouncers::run(&args, cli.output, cli.color),
        Command::Machines(args) => machines::run(&args, cli.output, cli.color),
        Command::Version => {
            print(&format!("overspill {}\n", env!("CARGO_PKG_VERSION")))?;
            Ok(Exit::Done)
        }
        Command::Completion { shell } => completion::completion(shell),
        Command::Man { command } => completion::man(command.as_deref()),
    }
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// A table for people, or CSV.
fn table(
    head: &[&'static str],
    rows: impl Iterator<Item = Vec<String>>,
    format: Format,
    style: &Style,
) -> String {
    if format == Format::Raw {
        let head = head.iter().map(|cell| (*cell).to_owned()).collect();
        let lines = std::iter::once(head).chain(rows);
        return lines.map(|cells: Vec<String>| csv(&cells)).collect();
    }
    let mut table = Table::new(head);
    rows.for_each(|row| table.row(row));
    table.render(style)
}

/// A line of CSV.
fn csv(cells: &[String]) -> String {
    let quoted = |cell: &String| match cell.contains([',', '"', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    let cells: Vec<String> = cells.iter().map(quoted).collect();
    cells.join(",") + "\n"
}

/// Whether what is said on standard error is JSON.
static LOG_IS_JSON: AtomicBool = AtomicBool::new(false);

/// Decides upon the form of what is said on standard error from here on.
fn log_as(format: LogFormat) {
    LOG_IS_JSON.store(format == LogFormat::Json, Ordering::SeqCst);
}

/// Writes to standard error; a closed one is no reason to stop.
pub(crate) fn tell(text: &str) {
    let mut err = std::io::stderr().lock();
    let _closed = match LOG_IS_JSON.load(Ordering::SeqCst) {
        true => err.write_all(json_lines(text, system_clock()()).as_bytes()),
        false => err.write_all(text.as_bytes()),
    };
}

/// Lines as structured ones. Those that are an error or a warning begin with that word.
fn json_lines(text: &str, now_ns: i64) -> String {
    let mut time = Vec::new();
    append_rfc3339_nano(&Time::from_unix_ns(now_ns), &mut time);
    let time = String::from_utf8_lossy(&time);
    let line = |line: &str| {
        let (level, message) = match line.split_once(": ") {
            Some((level @ ("error" | "warning"), message)) => (level, message),
            _ => ("info", line),
        };
        let object = serde_json::json!({ "time": time, "level": level, "message": message.trim() });
        format!("{object}\n")
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_has_a_level() {
        let text = "warning: a: b\nresumed    checkpoint 3\nerror: \"x\"\n";
        let given = json_lines(text, 0);
        let lines: Vec<&str> = given.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("\"level\":\"warning\"") && lines[0].contains("\"a: b\""));
        assert!(lines[1].contains("\"info\"") && lines[1].contains("1970-01-01T00:00:00Z"));
        assert!(lines[2].contains("\"level\":\"error\"") && lines[2].contains("\\\"x\\\""));
    }
}
