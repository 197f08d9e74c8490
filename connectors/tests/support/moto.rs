//! A server that speaks for many of Amazon's services, in one process and without a disk: moto, a Python package.
//!
//! Not a test by itself: whoever needs it takes this file in with `#[path]`. If there is no `moto_server` to be run, it is
//! fetched once, through whatever mirror pip is set up with, into the target directory.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each user of the file needs some of it"
)]

use std::process::Command;
use std::sync::OnceLock;

#[path = "server.rs"]
pub mod server;

use server::{Server, fetched, run, told};

/// Version that is fetched.
const VERSION: &str = "5.2.5";

/// The server that tests share.
pub fn shared() -> Option<&'static Server> {
    static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
    told("moto", SHARED.get_or_init(start).as_ref())
}

/// A server with nothing in it.
///
/// # Errors
/// Why there is none.
pub fn start() -> Result<Server, String> {
    let program = program()?;
    Server::start("/moto-api/data.json", |port| {
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    })
}

fn program() -> Result<String, String> {
    if run(Command::new("moto_server").arg("--help")).is_ok() {
        return Ok("moto_server".to_owned());
    }
    let name = format!("moto-{VERSION}");
    // A virtual environment knows its own path, so it is made where it stays.
    let dir = fetched(&name, "made", |dir| {
        std::fs::write(dir.join("made"), "").map_err(|error| error.to_string())
    })?;
    let server = dir.join("venv/bin/moto_server");
    if !server.exists() {
        let venv = dir.join("venv");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run(Command::new(venv.join("bin/pip"))
            .args(["install", "--quiet"])
            .arg(format!("moto[server]=={VERSION}")))?;
    }
    Ok(server.display().to_string())
}
