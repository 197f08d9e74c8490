//! What becomes of an alert that arrives: allowlisted, decided upon, or refused.
//!
//! ```text
//!  alert ─▶ scopes normalised ─▶ allowlist ─▶ profiles ─▶ ends and values checked ─▶ kept
//!                                    │                          │
//!                                    ▼ dropped                  ▼ single decisions discarded
//! ```
//!
//! The steps and their order are CrowdSec's (`pkg/apiserver/controllers/v1/alerts.go`,
//! `pkg/database/alerts.go`). Ours is the last check: no decision stands against a safe address
//! ([`SafeList`]), wherever it came from.

use overspill_event::{Alert, Decision};
use overspill_expr::Services;
use overspill_golike::duration;
use overspill_golike::time::{Time, parse_rfc3339};

use crate::allowlist::{Allowed, Allowlist, SafeList};
use crate::block::Block;
use crate::encode::is_address_scope;
use crate::identity::decision_uuid;
use crate::profile::{Notice, ProfileError, Profiles};

/// What is asked about every alert.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Who decides what.
    pub profiles: Profiles,
    /// Whom no profile may decide against.
    pub allowlist: Allowlist,
    /// Whom nobody may decide against.
    pub safe: SafeList,
}

/// What became of an alert.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// It stands, with the decisions that are in it now.
    Kept {
        /// Who is to be told.
        notices: Vec<Notice>,
        /// Decisions that may not stand, and why.
        discarded: Vec<(Decision, Discard)>,
    },
    /// Its source is allowlisted: it is dropped in silence.
    Allowlisted(Allowed),
    /// None of its decisions has a value that can be decided upon: it is dropped.
    Worthless(Vec<(Decision, Discard)>),
}

/// Why a decision may not stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// Its scope is `Ip` or `Range` and its value is no address.
    NotAnAddress,
    /// It would hit an address that is never banned.
    Safe(Block),
}

/// Why an alert is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// A profile's filter failed.
    #[error("ask the profiles")]
    Profile(#[from] ProfileError),
    /// A decision's duration is none. CrowdSec refuses the whole batch of alerts then.
    #[error("`{duration}` of a decision on `{value}` is not a duration")]
    Duration {
        /// The text.
        duration: String,
        /// Whom the decision is about.
        value: String,
    },
}

impl Policy {
    /// Decides upon an alert that has arrived at `now`. What is decided stands in the alert
    /// afterwards.
    ///
    /// An alert that comes with decisions keeps them: a person or a list made them, the allowlist
    /// is not asked, and profiles only say who is told.
    ///
    /// # Errors
    /// [`ReceiveError`] when the alert cannot be decided upon or stored.
    pub fn receive(
        &self,
        alert: &mut Alert,
        services: &Services,
        now: Time,
    ) -> Result<Received, ReceiveError> {
        normalise_scope(&mut alert.source.scope);
        for decision in &mut alert.decisions {
            normalise_scope(&mut decision.scope);
        }
        if alert.decisions.is_empty() {
            if is_address_scope(&alert.source.scope)
                && let Some(allowed) = self.allowlist.check(&alert.source.value, now.unix_ns())
            {
                return Ok(Received::Allowlisted(allowed));
            }
        } else {
            for (number, decision) in alert.decisions.iter_mut().enumerate() {
                if decision.uuid.is_empty() {
                    decision.uuid = decision_uuid(&alert.uuid, number);
                }
            }
        }
        let notices = self.profiles.decide(alert, services, now)?;
        settle_ends(alert, now)?;
        let discarded = self.discard(alert);
        let is_worthless = alert.decisions.is_empty()
            && !discarded.is_empty()
            && discarded
                .iter()
                .all(|(_, why)| *why == Discard::NotAnAddress);
        if is_worthless {
            return Ok(Received::Worthless(discarded));
        }
        Ok(Received::Kept { notices, discarded })
    }

    /// Takes out the decisions that may not stand.
    fn discard(&self, alert: &mut Alert) -> Vec<(Decision, Discard)> {
        let mut discarded = Vec::new();
        for decision in std::mem::take(&mut alert.decisions) {
            let why = if !is_address_scope(&decision.scope) {
                None
            } else if Block::parse(&decision.value).is_none() {
                Some(Discard::NotAnAddress)
            } else {
                self.safe.touched_by(&decision.value).map(Discard::Safe)
            };
            match why {
                None => alert.decisions.push(decision),
                Some(why) => discarded.push((decision, why)),
            }
        }
        discarded
    }
}

/// The canonical form of the scopes that have one, whatever their case; others stay as they are.
pub fn normalise_scope(scope: &mut String) {
    const CANONICAL: [&str; 4] = ["Ip", "Range", "AS", "Country"];
    if let Some(canonical) = CANONICAL
        .iter()
        .find(|known| known.eq_ignore_ascii_case(scope))
        && scope != canonical
    {
        (*canonical).clone_into(scope);
    }
}

/// A decision ends its duration after the *alert's* end, so that a log of last year leads to
/// decisions that are over. An alert without a readable end counts from `now`.
fn settle_ends(alert: &mut Alert, now: Time) -> Result<(), ReceiveError> {
    let stop = parse_rfc3339(alert.stop_at.as_bytes())
        .unwrap_or(now)
        .unix_ns();
    for decision in &mut alert.decisions {
        let Ok(length_ns) = duration::parse_with_days(&decision.duration) else {
            return Err(ReceiveError::Duration {
                duration: decision.duration.clone(),
                value: decision.value.clone(),
            });
        };
        decision.until_ns = stop.saturating_add(length_ns);
    }
    Ok(())
}
