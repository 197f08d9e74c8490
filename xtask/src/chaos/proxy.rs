//! A network that can be bad: a TCP proxy that holds, delays and cuts what passes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

/// How often a connection looks whether it may go on.
const LOOK: Duration = Duration::from_millis(5);
/// Longest wait of a read before it looks around.
const TURN: Duration = Duration::from_millis(50);

/// What the network does now.
#[derive(Debug, Default)]
struct State {
    is_stalled: AtomicBool,
    delay_ms: AtomicU64,
    /// Connections of an earlier one are cut.
    generation: AtomicU64,
}

/// A way to one address.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// Listens, and passes on to `to` until the program ends.
    pub(crate) fn start(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
        let port = listener.local_addr()?.port();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        spawn("proxy", move || {
            for from in listener.incoming().flatten() {
                // Whoever cannot be served is cut off, which is what a network does.
                let _cut = pass(from, to, &shared);
            }
        })?;
        Ok(Self { port, state })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Nothing passes, in either direction; connections stay.
    pub(crate) fn stall(&self, is_stalled: bool) {
        self.state.is_stalled.store(is_stalled, Ordering::SeqCst);
    }

    /// Everything that passes comes so much later.
    pub(crate) fn delay(&self, by_ms: u64) {
        self.state.delay_ms.store(by_ms, Ordering::SeqCst);
    }

    /// Cuts all connections.
    pub(crate) fn reset(&self) {
        self.state.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// A good network again.
    pub(crate) fn clear(&self) {
        self.stall(false);
        self.delay(0);
    }
}

fn pass(from: TcpStream, to: SocketAddr, state: &Arc<State>) -> Result<()> {
    let to = TcpStream::connect_timeout(&to, Duration::from_secs(2))?;
    from.set_nodelay(true)?;
    to.set_nodelay(true)?;
    let generation = state.generation.load(Ordering::SeqCst);
    for (reader, writer) in [
        (from.try_clone()?, to.try_clone()?),
        (to.try_clone()?, from.try_clone()?),
    ] {
        reader.set_read_timeout(Some(TURN))?;
        let state = Arc::clone(state);
        spawn("proxied", move || {
            let _ended = pump(&reader, &writer, &state, generation);
            for stream in [&reader, &writer] {
                let _ended = stream.shutdown(Shutdown::Both);
            }
        })?;
    }
    Ok(())
}

fn pump(
    mut reader: &TcpStream,
    mut writer: &TcpStream,
    state: &State,
    generation: u64,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let n = match reader.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if is_quiet(&error) => 0,
            Err(error) => return Err(error),
        };
        let mut left = Duration::from_millis(match n {
            0 => 0,
            _ => state.delay_ms.load(Ordering::SeqCst),
        });
        loop {
            if state.generation.load(Ordering::SeqCst) != generation {
                return Ok(());
            }
            if left.is_zero() && !state.is_stalled.load(Ordering::SeqCst) {
                break;
            }
            std::thread::sleep(LOOK);
            left = left.saturating_sub(LOOK);
        }
        writer.write_all(bytes.get(..n).unwrap_or_default())?;
    }
}

fn is_quiet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .context("start a thread")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_later_and_what_is_cut_ends() {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(target.local_addr().unwrap()).unwrap();
        let mut near = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let (mut far, _) = target.accept().unwrap();
        let mut byte = [0];
        near.write_all(b"a").unwrap();
        far.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"a");
        proxy.stall(true);
        near.write_all(b"b").unwrap();
        far.set_nonblocking(true).unwrap();
        assert!(is_quiet(&far.read(&mut byte).unwrap_err()));
        proxy.clear();
        far.set_nonblocking(false).unwrap();
        far.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"b");
        proxy.reset();
        assert!(matches!(near.read(&mut byte), Ok(0) | Err(_)));
    }
}
