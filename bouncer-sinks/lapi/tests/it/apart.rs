//! A server in a process of its own: one that can be killed, or be in another network.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ours::{open, serve};

/// Says in which directory the database of the server is: the test below is one then.
const DIR: &str = "OVERSPILL_LAPI_TEST_DIR";
/// And on which port it is to listen.
const PORT: &str = "OVERSPILL_LAPI_TEST_PORT";
/// Longest that something may take to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Not a test by itself.
#[test]
fn a_server() {
    let (Some(dir), Some(port)) = (std::env::var_os(DIR), std::env::var_os(PORT)) else {
        return;
    };
    let port = port.to_str().unwrap().parse().unwrap();
    let _lapi = serve(open(Path::new(&dir)), |settings| {
        settings.listen = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    });
    // It ends with whoever started it.
    let _end = std::io::stdin().read(&mut [0]);
}

/// A process that is ended with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Starts a server over the database of a directory. `enter` runs a program where it is to be.
pub(crate) fn start(
    dir: &Path,
    port: u16,
    enter: impl FnOnce(&Path) -> Command,
) -> Result<Running, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let child = enter(&program)
        .args(["--exact", "apart::a_server", "--nocapture"])
        .env(DIR, dir)
        .env(PORT, port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    Ok(Running(child))
}

/// Waits until there is something.
pub(crate) fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
