//! The `datasets` program: makes logs with known attacks in them.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use overspill_datasets::{
    Command, DatasetError, Options, parse_arguments, write_dataset, write_flood, write_geo,
    write_lines,
};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match parse_arguments(&words) {
        Err(message) => complain(&message, 2),
        Ok(Command::Help) => match io::stdout().write_all(Command::HELP.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error.to_string(), 1),
        },
        Ok(Command::Geo { out }) => match write_geo(&out) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&chain(&error), 1),
        },
        Ok(Command::Flood { flood, lines }) => {
            match write_flood(flood, lines, &mut BufWriter::new(io::stdout().lock())) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    complain(&format!("write standard output: {error}"), 1)
                }
                _ => ExitCode::SUCCESS,
            }
        }
        Ok(Command::Make {
            options,
            out,
            gzip,
            parquet,
        }) => {
            let made = match out {
                Some(path) => write_dataset(&options, &path, gzip).and_then(|_| {
                    if parquet {
                        also_parquet(&options, &path)
                    } else {
                        Ok(())
                    }
                }),
                None => write_lines(&options, &mut BufWriter::new(io::stdout().lock())),
            };
            match made {
                Ok(()) => ExitCode::SUCCESS,
                // Whoever reads only the head of the stream has what it wanted.
                Err(DatasetError::Write { source, .. })
                    if source.kind() == io::ErrorKind::BrokenPipe =>
                {
                    ExitCode::SUCCESS
                }
                Err(error) => complain(&chain(&error), 1),
            }
        }
    }
}

/// Writes the Parquet copy: `access.parquet` beside `access.log`.
#[cfg(feature = "parquet")]
fn also_parquet(options: &Options, path: &Path) -> Result<(), DatasetError> {
    overspill_datasets::write_parquet(options, &path.with_extension("parquet"))
}

/// Without the feature the command line refuses the flag.
#[cfg(not(feature = "parquet"))]
fn also_parquet(_options: &Options, _path: &Path) -> Result<(), DatasetError> {
    Ok(())
}

/// The error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(source) => format!("{error}: {}", chain(source)),
    }
}

fn complain(message: &str, code: u8) -> ExitCode {
    // With standard error gone there is nobody left to tell.
    drop(writeln!(io::stderr(), "error: {message}"));
    ExitCode::from(code)
}
