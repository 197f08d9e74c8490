//! Other content for a job that runs: who asks for it, and compiling it.
//!
//! A hangup, a file that has changed (`--watch`) and an order (`--control`) come to one thread, which compiles what the
//! files say. What the job then does is said in `live/reload.rs`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::args::RunArgs;
use super::run::{Prepared, prepare};
use super::tell;
use crate::content;
use crate::live::Config;
use crate::live::control::{self, Order, shown};
use crate::live::reload::{Digest, Reload};
use crate::report::term::{Style, safe};

/// How often a process looks whether it is to reload its content.
const LOOK: Duration = Duration::from_millis(100);
/// How often files are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(3);
/// How long content that was ordered may take to arrive.
const ARRIVE_WAIT: Duration = Duration::from_secs(300);

/// Content that will run next.
#[derive(Default)]
pub(super) struct Next(Mutex<Option<Config>>);

impl Next {
    /// Compiles what the files say whenever it is asked for; the first configuration goes on if they are wrong.
    /// `hangup` is set by one.
    pub(super) fn watch(
        self: &Arc<Self>,
        args: &RunArgs,
        first: &Config,
        hangup: Arc<AtomicBool>,
    ) -> Result<()> {
        let order = Arc::new(Mutex::new(None));
        if let Some(address) = &args.control {
            let ordered = Arc::clone(&order);
            let put = move |order| {
                *ordered.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
            };
            let say = |text: &str| tell(&format!("{}\n", safe(text)));
            control::follow(address, &first.settings.stop, put, say)
                .with_context(|| format!("--control {address}"))?;
        }
        let reloader = Reloader {
            next: Arc::clone(self),
            args: args.clone(),
            hangup,
            order,
            watched: args.watch.then(|| Watched::new(args)),
            wanted: None,
            refused: first.refused.clone(),
            runs: first.digest,
            reload: Arc::clone(&first.reload),
            stop: Arc::clone(&first.settings.stop),
        };
        // It ends with the process.
        std::thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || reloader.run())
            .context("start a thread")?;
        Ok(())
    }

    fn put(&self, config: Config) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(config);
    }

    pub(super) fn take(&self) -> Option<Config> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Content that was ordered and is not there yet.
struct Wanted {
    digest: Digest,
    until: Instant,
    again: Instant,
    /// That it is not there was said.
    is_said: bool,
}

/// The thread.
struct Reloader {
    next: Arc<Next>,
    args: RunArgs,
    hangup: Arc<AtomicBool>,
    order: Arc<Mutex<Option<Order>>>,
    watched: Option<Watched>,
    wanted: Option<Wanted>,
    /// What was refused of the content that runs.
    refused: Vec<String>,
    /// What runs, or will with the next change.
    runs: Digest,
    reload: Arc<Reload>,
    stop: Arc<AtomicBool>,
}

impl Reloader {
    fn run(mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK);
            if !self.is_due() {
                continue;
            }
            match other(&self.args, &self.refused) {
                Ok(config) if self.is_wanted(&config.digest) => self.change(config),
                Ok(_) => {}
                Err(error) => tell(&format!("error: reload: {error:#}; nothing is changed\n")),
            }
        }
    }

    /// Whether somebody asks for other content.
    fn is_due(&mut self) -> bool {
        let is_changed = self
            .watched
            .as_mut()
            .is_some_and(|watched| watched.look(&self.args));
        let is_hangup = self.hangup.swap(false, Ordering::SeqCst);
        if is_changed || is_hangup {
            // Who sits at the machine does not wait for what was ordered.
            self.wanted = None;
        }
        let order = self
            .order
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let is_ordered = order.is_some_and(|order| self.take(order));
        let now = Instant::now();
        let is_again = match &mut self.wanted {
            Some(wanted) if now >= wanted.again => {
                wanted.again = now + WATCH_EVERY;
                true
            }
            _ => false,
        };
        is_changed || is_hangup || is_ordered || is_again
    }

    /// Takes an order; answers whether there is something to do.
    fn take(&mut self, order: Order) -> bool {
        self.wanted = None;
        let Some(digest) = order.digest else {
            return true;
        };
        if digest == self.runs {
            tell("reload     the content that is ordered runs already\n");
            return false;
        }
        let now = Instant::now();
        self.wanted = Some(Wanted {
            digest,
            until: now + ARRIVE_WAIT,
            again: now + WATCH_EVERY,
            is_said: false,
        });
        true
    }

    /// Whether this content is what was asked for. If not, it is looked for again for a while.
    fn is_wanted(&mut self, digest: &Digest) -> bool {
        let Some(wanted) = &mut self.wanted else {
            return true;
        };
        if wanted.digest == *digest {
            self.wanted = None;
            return true;
        }
        let is_over = Instant::now() >= wanted.until;
        let text = if is_over {
            "it has not come; nothing is changed"
        } else {
            "it is waited for"
        };
        if is_over || !std::mem::replace(&mut wanted.is_said, true) {
            let (is, ordered) = (shown(digest), shown(&wanted.digest));
            tell(&format!(
                "reload     the content is {is}, ordered is {ordered}: {text}\n"
            ));
        }
        if is_over {
            self.wanted = None;
        }
        false
    }

    fn change(&mut self, mut config: Config) {
        self.refused.clone_from(&config.refused);
        config.settings.stop = Arc::clone(&self.stop);
        config.reload = Arc::clone(&self.reload);
        let digest = config.digest;
        self.runs = digest;
        self.next.put(config);
        self.reload.ready(digest);
        tell(&format!(
            "reload     other content is ready: {}\n",
            shown(&digest)
        ));
    }
}

/// What the flags and files come to now. What is refused and was not before is an error: nothing that runs is lost by
/// a file that is wrong.
fn other(args: &RunArgs, refused: &[String]) -> Result<Config> {
    let Prepared::Ready(config) = prepare(args, &Style::plain(80))? else {
        bail!("something was refused");
    };
    let new = config.refused.iter().filter(|text| !refused.contains(text));
    let new: Vec<&str> = new.map(String::as_str).collect();
    if !new.is_empty() {
        bail!("{}", new.join("\n"));
    }
    Ok(*config)
}

/// Files that are looked at now and then.
struct Watched {
    digest: Option<Digest>,
    due: Instant,
}

impl Watched {
    fn new(args: &RunArgs) -> Self {
        Self {
            digest: content::digest(&args.content).ok(),
            due: Instant::now() + WATCH_EVERY,
        }
    }

    /// Whether it is time to look, and they have changed since the last time. What cannot be read is not a change yet: it
    /// may be half written.
    fn look(&mut self, args: &RunArgs) -> bool {
        if Instant::now() < self.due {
            return false;
        }
        self.due = Instant::now() + WATCH_EVERY;
        let Ok(digest) = content::digest(&args.content) else {
            return false;
        };
        self.digest
            .replace(digest)
            .is_some_and(|before| before != digest)
    }
}
