//! What a process that is supervised does at its start.

use std::io;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Tells a process the id of its supervisor.
pub const SUPERVISOR_ENV: &str = "OVERSPILL_SUPERVISOR";
/// What a process ends with when one of its threads panicked.
pub const EXIT_PANICKED: i32 = 70;
/// What a process ends with when a peer was lost.
pub const EXIT_PEER_LOST: i32 = 75;

/// What the dataflow's threads say when the connection to a peer has ended.
const PEER_LOST: &str = "timely communication error:";

/// Why a process does not die with its supervisor.
#[derive(Debug, thiserror::Error)]
pub enum SupervisedError {
    /// The supervisor was gone before this process could bind itself to it.
    #[error("the supervisor is gone")]
    Orphaned,
    /// The kernel refused.
    #[error("die with the supervisor")]
    Kernel(#[source] io::Error),
}

/// From now on the kernel kills this process when its supervisor ends, however that ends. Does
/// nothing in a process that has none. To be called first, before threads and children.
///
/// # Errors
/// [`SupervisedError::Orphaned`] when the supervisor has ended already: then end as well.
pub fn die_with_supervisor() -> Result<bool, SupervisedError> {
    let Ok(supervisor) = std::env::var(SUPERVISOR_ENV) else {
        return Ok(false);
    };
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| SupervisedError::Kernel(error.into()))?;
    // It may have ended before the kernel knew.
    let parent = supervisor.parse().ok().and_then(Pid::from_raw);
    if parent.is_none() || parent != getppid() {
        return Err(SupervisedError::Orphaned);
    }
    Ok(true)
}

/// From now on a panic in any thread ends the process, after it was reported as before: with
/// [`EXIT_PEER_LOST`] when a peer is gone, otherwise with [`EXIT_PANICKED`].
///
/// The workers of a dataflow wait for each other. Without this, one that panicked would leave the
/// others waiting, or panicking over its remains for some while.
pub fn exit_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        let is_peer = info
            .payload_as_str()
            .is_some_and(|text| text.starts_with(PEER_LOST));
        #[expect(clippy::exit, reason = "nothing of the process is worth saving")]
        std::process::exit(if is_peer {
            EXIT_PEER_LOST
        } else {
            EXIT_PANICKED
        });
    }));
}
