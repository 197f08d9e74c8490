//! What is known of a run when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::alerts::Difference;

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) n_lines: u64,
    pub(crate) n_late: u64,
    pub(crate) n_alerts: i64,
    pub(crate) n_withdrawn: usize,
    pub(crate) n_starts: u64,
    /// Times that an older checkpoint was taken.
    pub(crate) n_fallbacks: usize,
    /// Times that the job had compiled other content, and that it had refused to.
    pub(crate) n_reloads: usize,
    /// Reloads that were ordered by a record.
    pub(crate) n_orders: usize,
    pub(crate) n_refusals: usize,
    /// Times that the job ended by itself and was started again.
    pub(crate) n_ended: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// Faults that this machine, or this build, cannot have.
    pub(crate) impossible: BTreeMap<&'static str, u64>,
    pub(crate) first_alerts_ms: Vec<u64>,
    pub(crate) difference: Difference,
    /// Until lines and faults were over, from then until all was final, and altogether.
    pub(crate) drive: Duration,
    pub(crate) settle: Duration,
    pub(crate) took: Duration,
    /// Why it could not be carried out.
    pub(crate) failure: Option<String>,
}

impl Record {
    /// Neither lost nor doubled, and carried out.
    pub(crate) fn is_good(&self) -> bool {
        self.failure.is_none() && self.difference.is_none()
    }

    /// This machine was too slow for the dates that the lines had.
    pub(crate) fn is_void(&self) -> bool {
        self.n_late > 0 && self.failure.is_none()
    }
}
