//! The progress of a replay, on standard error.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use overspill_dataflow::Progress;

use super::human::{grouped, moment};
use super::term::{Paint, Style};

/// How often the bar is drawn on a terminal.
const EVERY_TERMINAL: Duration = Duration::from_millis(150);
/// How often a line is written elsewhere.
const EVERY_LINE: Duration = Duration::from_secs(10);
const BAR: usize = 32;

/// Bytes of the inputs as they are stored: what the bar is a share of.
#[derive(Debug, Default)]
pub struct InputBytes {
    /// Read so far.
    pub read: AtomicU64,
    /// In all; 0 when not known.
    pub total: AtomicU64,
}

/// Draws while it lives.
#[derive(Debug)]
pub struct Meter {
    over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Meter {
    /// Starts drawing. `label` names what is read.
    #[must_use]
    pub fn start(
        label: String,
        style: Style,
        progress: Arc<Progress>,
        bytes: Arc<InputBytes>,
        is_stopping: Arc<AtomicBool>,
    ) -> Self {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let shared = Arc::clone(&over);
        let every = if style.is_terminal {
            EVERY_TERMINAL
        } else {
            EVERY_LINE
        };
        let thread = std::thread::Builder::new()
            .name("progress".into())
            .spawn(move || {
                let started = now();
                let (lock, condvar) = &*shared;
                let mut is_over = lock.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    let waited = condvar.wait_timeout(is_over, every);
                    is_over = waited.unwrap_or_else(PoisonError::into_inner).0;
                    if *is_over {
                        break;
                    }
                    let state = if is_stopping.load(Ordering::Relaxed) {
                        "stopping"
                    } else {
                        "replaying"
                    };
                    let line = line(state, &label, &style, &progress, &bytes, started.elapsed());
                    let text = if style.is_terminal {
                        format!("\r\x1b[2K  {line}")
                    } else {
                        format!("{line}\n")
                    };
                    // A closed standard error must not end the replay.
                    let _closed = io::stderr().write_all(text.as_bytes());
                }
                if style.is_terminal {
                    let _closed = io::stderr().write_all(b"\r\x1b[2K");
                }
            });
        Self {
            over,
            thread: thread.ok(),
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        *self.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn now() -> Instant {
    Instant::now()
}

fn line(
    state: &str,
    label: &str,
    style: &Style,
    progress: &Progress,
    bytes: &InputBytes,
    elapsed: Duration,
) -> String {
    let (read, total) = (
        bytes.read.load(Ordering::Relaxed),
        bytes.total.load(Ordering::Relaxed),
    );
    let seconds = elapsed.as_secs_f64().max(1e-3);
    #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
    let rate = progress.lines() as f64 / seconds;
    let mut out = format!("{state}  {label}");
    if total > 0 {
        #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
        let share = (read as f64 / total as f64).clamp(0.0, 1.0);
        if style.is_terminal {
            out.push_str("  ");
            out.push_str(&bar(share, style));
        }
        out.push_str(&format!("  {:.0} %", share * 100.0));
        if share > 0.01 {
            let left = seconds / share - seconds;
            out.push_str(&format!(
                "  {:02}:{:02} left",
                left as u64 / 60,
                left as u64 % 60
            ));
        }
    }
    out.push_str(&format!("  {} lines/s", grouped(rate as u64)));
    if let Some(ns) = progress.event_time_ns() {
        let time = moment(ns);
        out.push_str(&format!("  log time {}", time.get(..16).unwrap_or(&time)));
    }
    out.push_str(&format!("  {} alerts", progress.alerts()));
    out
}

fn bar(share: f64, style: &Style) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to BAR"
    )]
    let full = (share * BAR as f64) as usize;
    let done: String = std::iter::repeat_n('━', full).collect();
    let rest: String = std::iter::repeat_n('━', BAR.saturating_sub(full)).collect();
    format!(
        "{}{}",
        style.paint(Paint::Green, &done),
        style.paint(Paint::Dim, &rest)
    )
}
