//! Servers for tests: programs that are started by the test that needs them, and end with it.
//!
//! Not a test by itself: whoever needs a server takes this file in with `#[path]`.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each user of the file needs some of it"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest that a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs a program, and kills it when it is told to or its own input ends. In the latter case nobody is there any
/// more who would clear up, so it does that too.
const SHELL: &str = r#"log=$1; shift
"$@" >>"$log" 2>&1 </dev/null & pid=$!
echo $pid
read -r word
kill -9 $pid
wait $pid
[ -n "$word" ] || rm -rf "$(dirname "$log")""#;

/// What there is, or `None` when there can be none. That is said; where tests have to be complete
/// (`CI`, `OVERSPILL_REQUIRE_BACKENDS`) it is a failure.
pub fn told<T>(what: &str, server: Result<T, impl AsRef<str>>) -> Option<T> {
    match server {
        Ok(server) => Some(server),
        Err(why) => {
            let why = why.as_ref();
            let is_required = ["CI", "OVERSPILL_REQUIRE_BACKENDS"]
                .into_iter()
                .any(|name| std::env::var_os(name).is_some());
            assert!(!is_required, "no {what}: {why}");
            eprintln!("\n*** NOT TESTED: no {what}: {why} ***\n");
            None
        }
    }
}

/// A port that nobody listens on.
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok(address.port())
}

/// A directory beside what is built, in which this is fetched once: `fetch` is given another one, and what it makes there
/// under the name `is_there` shows that it is whole.
pub fn fetched(
    name: &str,
    is_there: &str,
    fetch: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    // Tests lie in `deps` of what was built, other programs beside that.
    let is_test = program.parent().is_some_and(|dir| dir.ends_with("deps"));
    let depth = if is_test { 3 } else { 2 };
    let target = program
        .ancestors()
        .nth(depth)
        .ok_or("no target directory")?;
    let backends = target.join("test-backends");
    let dir = backends.join(name);
    if dir.join(is_there).exists() {
        return Ok(dir);
    }
    fs::create_dir_all(&backends).map_err(|error| error.to_string())?;
    let made = tempfile::tempdir_in(&backends).map_err(|error| error.to_string())?;
    fetch(made.path())?;
    // Whoever is second finds it there, which is as good.
    let _there = fs::rename(made.path(), &dir);
    if dir.join(is_there).exists() {
        Ok(dir)
    } else {
        Err(format!("{name}: nothing was fetched"))
    }
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let tail = said.len().saturating_sub(2_000);
    Err(format!("{program}: {}", said.get(tail..).unwrap_or(&said)))
}

/// A server on a port of this machine.
pub struct Server {
    pub port: u16,
    dir: tempfile::TempDir,
    running: Option<(Child, ChildStdin)>,
}

impl Server {
    /// Starts a program that is given its port, and waits until a request for this path is answered.
    ///
    /// # Errors
    /// What it wrote, if it is not.
    pub fn start(path: &str, program: impl FnOnce(u16) -> Command) -> Result<Self, String> {
        let port = free_port()?;
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let log = dir.path().join("server.log");
        let program = program(port);
        let mut command = Command::new("sh");
        command.args(["-c", SHELL, "sh"]).arg(&log);
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = command
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let stdin = child.stdin.take().ok_or("no input")?;
        let mut pid = String::new();
        let stdout = child.stdout.take().ok_or("no output")?;
        BufReader::new(stdout)
            .read_line(&mut pid)
            .map_err(|error| error.to_string())?;
        let server = Self {
            port,
            dir,
            running: Some((child, stdin)),
        };
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if answers(port, path) {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let text = fs::read_to_string(&log).unwrap_or_default();
        let tail = text.len().saturating_sub(2_000);
        let text = text.get(tail..).unwrap_or(&text);
        Err(format!("no answer in {PATIENCE:?}: {text}"))
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((mut child, mut stdin)) = self.running.take() {
            let _told = writeln!(stdin, "now");
            let _ended = child.wait();
        }
    }
}

fn answers(port: u16, path: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut answer = String::new();
        stream.take(15).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains(" 200"))
}
