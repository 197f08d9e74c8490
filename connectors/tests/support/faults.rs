//! Something between a client and a server of Amazon's that answers chosen calls itself, with an error.
//!
//! Not a test by itself: whoever needs it takes this file in with `#[path]`.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each user of the file needs some of it"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// What is to be answered.
#[derive(Debug, Clone)]
struct Fault {
    /// End of the call's name.
    call: String,
    /// A text that is in what is asked, head or body.
    holds: String,
    /// Name of the error; the connection is cut without one.
    error: Option<String>,
    n_left: u32,
}

/// Listens until the process ends.
pub struct Faults {
    pub port: u16,
    faults: Arc<Mutex<Vec<Fault>>>,
    calls: Arc<Mutex<Vec<String>>>,
    gate: Arc<Gate>,
}

/// Where calls of one name are held up.
#[derive(Debug, Default)]
struct Gate {
    /// The end of their name, and how many wait.
    held: Mutex<(Option<String>, usize)>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self, call: &str) {
        let mut held = self.held.lock().unwrap();
        let is_it = |name: &Option<String>| name.as_ref().is_some_and(|name| call.ends_with(name));
        if !is_it(&held.0) {
            return;
        }
        held.1 += 1;
        self.changed.notify_all();
        while is_it(&held.0) {
            held = self.changed.wait(held).unwrap();
        }
    }
}

impl Faults {
    /// Stands before the server on this port.
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let faults = Self {
            port: listener.local_addr().unwrap().port(),
            faults: Arc::default(),
            calls: Arc::default(),
            gate: Arc::default(),
        };
        let (shared, calls) = (Arc::clone(&faults.faults), Arc::clone(&faults.calls));
        let gate = Arc::clone(&faults.gate);
        std::thread::Builder::new()
            .spawn(move || {
                for client in listener.incoming().flatten() {
                    let (shared, calls) = (Arc::clone(&shared), Arc::clone(&calls));
                    let gate = Arc::clone(&gate);
                    std::thread::Builder::new()
                        .spawn(move || {
                            let _ended = serve(&client, server, &shared, &calls, &gate);
                            let _closed = client.shutdown(Shutdown::Both);
                        })
                        .unwrap();
                }
            })
            .unwrap();
        faults
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next `n` calls of this name in which there is this text end with this error.
    pub fn fail(&self, call: &str, holds: &str, error: &str, n: u32) {
        self.add(call, holds, Some(error), n);
    }

    /// The next `n` calls of this name are cut off.
    pub fn cut(&self, call: &str, n: u32) {
        self.add(call, "", None, n);
    }

    fn add(&self, call: &str, holds: &str, error: Option<&str>, n_left: u32) {
        self.faults.lock().unwrap().push(Fault {
            call: call.to_owned(),
            holds: holds.to_owned(),
            error: error.map(str::to_owned),
            n_left,
        });
    }

    /// Holds up calls of this name from now on, and waits until there is one.
    pub fn hold(&self, call: &str) {
        let mut held = self.gate.held.lock().unwrap();
        *held = (Some(call.to_owned()), 0);
        while held.1 == 0 {
            held = self.gate.changed.wait(held).unwrap();
        }
    }

    /// Lets them go on.
    pub fn release(&self) {
        self.gate.held.lock().unwrap().0 = None;
        self.gate.changed.notify_all();
    }

    /// How many errors are left to be answered.
    pub fn n_left(&self) -> u32 {
        let faults = self.faults.lock().unwrap();
        faults.iter().map(|fault| fault.n_left).sum()
    }

    /// How many calls of this name came.
    pub fn n_calls(&self, name: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.ends_with(name)).count()
    }
}

fn serve(
    mut client: &TcpStream,
    server: u16,
    faults: &Mutex<Vec<Fault>>,
    calls: &Mutex<Vec<String>>,
    gate: &Gate,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut head, mut call, mut n_body) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(name) = lower.strip_prefix("x-amz-target:") {
            let at = line.len() - name.len();
            line[at..].trim().clone_into(&mut call);
        }
        if let Some(n) = lower.strip_prefix("content-length:") {
            n_body = n.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; n_body];
    reader.read_exact(&mut body)?;
    calls.lock().unwrap().push(call.clone());
    gate.pass(&call);
    let text = format!("{head}\r\n{}", String::from_utf8_lossy(&body));
    let chosen = faults.lock().unwrap().iter_mut().find_map(|fault| {
        let is_it = fault.n_left > 0 && call.ends_with(&fault.call) && text.contains(&fault.holds);
        is_it.then(|| {
            fault.n_left -= 1;
            fault.error.clone()
        })
    });
    if let Some(error) = chosen {
        let Some(error) = error else {
            return Ok(());
        };
        let body = format!(r#"{{"__type":"{error}","message":"as the test wants it"}}"#);
        return write!(
            client,
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.1\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", server))?;
    upstream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    upstream.write_all(&body)?;
    std::io::copy(&mut upstream, &mut client)?;
    Ok(())
}
