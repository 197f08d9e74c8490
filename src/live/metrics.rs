//! Seeing a live job: metrics, health, and what `overspill top` shows, over HTTP.
//!
//! ```text
//!  source threads --lags when asked--> Meters <-- keeper: checkpoints     workers --> Board
//!                                        |                                              |
//!                                        +--------------> Gatherer <--------------------+
//!                                                            | at most five times a second
//!                                     /metrics /healthz /readyz /top.json
//! ```
//!
//! Nothing is gathered until somebody asks. Each process of a job has an endpoint of its own.

mod api;
pub mod catalog;
mod gather;
mod meters;
mod page;
mod proc;
mod site;
mod steps;
mod summary;
mod tracer;

use std::sync::Arc;

use anyhow::{Result, anyhow};
use overspill_connectors::source::Clock;
use overspill_telemetry::{Counts, Server, ServerLimits};

use super::Word;
use crate::wire::chain;
pub use meters::Meters;
pub(crate) use meters::{JobMeters, SourceMeter};
use site::LiveSite;
pub use tracer::Tracer;

/// Where metrics are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Address and port.
    pub address: String,
    /// Whether it was asked for, so that the job does not start without; else it only warns.
    pub is_required: bool,
    /// Whether CrowdSec's metrics of the level `full` are answered too.
    pub is_full: bool,
}

/// Begins to answer, and tells where.
///
/// # Errors
/// When the address was asked for and cannot be listened on.
pub(crate) fn serve(
    listen: Option<&Listen>,
    meters: &Arc<Meters>,
    clock: &Clock,
    tell: &mut impl FnMut(Word),
) -> Result<Option<Server>> {
    let Some(listen) = listen else {
        return Ok(None);
    };
    let counts = Arc::new(Counts::default());
    let site = LiveSite::new(
        Arc::clone(meters),
        Arc::clone(clock),
        Arc::clone(&counts),
        listen.is_full,
    );
    let limits = ServerLimits::default();
    match Server::start(&listen.address, limits, &counts, Arc::new(site)) {
        Ok(server) => {
            tell(Word::Listening(server.address().to_string()));
            Ok(Some(server))
        }
        Err(error) if listen.is_required => {
            Err(anyhow!(chain(&error)).context(format!("--listen {}", listen.address)))
        }
        Err(error) => {
            let text = format!("metrics are not answered: {}", chain(&error));
            tell(Word::Trouble(text));
            Ok(None)
        }
    }
}
