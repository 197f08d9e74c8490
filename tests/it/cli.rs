//! The command as its users meet it: the built binary, what it prints and how it ends.

mod archives;
mod checkpoints;
mod cluster;
mod commands;
mod content;
mod damage;
mod input;
mod interrupt;
mod lapi;
mod output;
mod reload;
mod run;
mod stash;
mod transforms;
mod watch;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run of the command gave.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the exit code, and that the streams hold these texts.
    #[track_caller]
    fn is(&self, code: i32, out: &str, err: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.out.contains(out), "no {out:?} in {self:?}");
        assert!(self.err.contains(err), "no {err:?} in {self:?}");
        self
    }
}

/// The command, without the surroundings that change what it prints.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_overspill"));
    command
        .args(args)
        .env_remove("NO_COLOR")
        .env("COLUMNS", "200");
    command
}

fn run(args: &[&str]) -> Ran {
    run_with(args, b"")
}

fn run_with(args: &[&str], stdin: &[u8]) -> Ran {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input closes the pipe.
    let _closed = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A sample that ships with the project.
fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample");
    path.join(name).display().to_string()
}

/// A directory that goes away with the test.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Writes a file, and the folders above it; answers with its path.
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }
}

/// A line of an access log, from one address.
fn request(second: usize, path: &str) -> String {
    format!(
        "203.0.113.9 - - [10/Mar/2026:06:00:{second:02} +0000] \"GET {path} HTTP/1.1\" 404 153 \
         \"-\" \"curl/8\"\n"
    )
}

/// Enough requests for missing files to alert on.
fn probing() -> String {
    (0..30)
        .map(|n| request(n / 3, &format!("/missing{n}")))
        .collect()
}

/// Lines read = parsed + not understood + whitelisted + refused.
#[track_caller]
fn counted(document: &Value) -> u64 {
    let counters = &document["counters"];
    let n = |name: &str| counters[name].as_u64().unwrap();
    let parts = n("parsed") + n("unparsed") + n("whitelisted") + n("refused");
    assert_eq!(n("lines"), parts, "{counters:#}");
    n("lines")
}
