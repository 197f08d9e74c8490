//! Interrupts (Ctrl-C, SIGTERM): the first asks a job to finish what it has read, the second ends
//! the process at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What a shell reports of a process that an interrupt has ended.
pub const INTERRUPTED: u8 = 130;

/// From now on the first signal sets `stop`; while it is set, a signal ends the process.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn stop_then_end(stop: &Arc<AtomicBool>) -> Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // In this order: the signal that sets the flag must not be the one that sees it set.
        flag::register_conditional_shutdown(signal, INTERRUPTED.into(), Arc::clone(stop))
            .context("handle signals")?;
        flag::register(signal, Arc::clone(stop)).context("handle signals")?;
    }
    Ok(())
}

/// From now on a hangup sets `reload`, and does not end the process.
///
/// # Errors
/// When the handler cannot be installed.
pub fn reload(reload: &Arc<AtomicBool>) -> Result<()> {
    flag::register(SIGHUP, Arc::clone(reload)).context("handle signals")?;
    Ok(())
}

/// From now on a signal sets `stop` and never ends the process: a parent decides that.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn only_stop(stop: &Arc<AtomicBool>) -> Result<()> {
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(stop)).context("handle signals")?;
    }
    Ok(())
}
