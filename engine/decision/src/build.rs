//! From a bucket's overflow to alerts: whom it is about, what happened, and in what words.
//!
//! [`AlertBuilder`] is given what the scenario says ([`AlertSpec`]), what the bucket counted
//! ([`Spill`]) and the events it kept. It answers with an [`Overflow`] that carries one alert for
//! each source, as CrowdSec's `NewAlert` does (`pkg/leakybucket/overflows.go`). What goes wrong is
//! a typed error that drops the alert; the caller counts it.
//!
//! Where Go's result depends on the order of a map, ours is by key. Texts come out as UTF-8: each
//! byte that is not becomes U+FFFD. Nothing here reads a clock: expressions see the time of the
//! overflow.

mod context;
mod sources;

use std::borrow::Cow;
use std::sync::Arc;

use overspill_event::{
    Alert, AlertEvent, Event, EventKind, FieldMap, MetaList, Overflow, Position, TextField,
};
use overspill_expr::{EvalError, Program, Services};
use overspill_golike::time::{Time, append_rfc3339_nano};
use overspill_golike::{duration, strings};

use crate::identity::{AlertIdentity, mapkey};
pub use context::AlertContext;
use sources::Sources;

/// What a scenario contributes to its alerts.
#[derive(Debug, Clone)]
pub struct AlertSpec {
    /// Name of the scenario.
    pub name: Arc<str>,
    /// SHA-256 of the hub item, empty for local items.
    pub hash: Arc<str>,
    /// Version of the hub item, empty for local items.
    pub version: Arc<str>,
    /// Text of the filter as written; part of the bucket's key.
    pub filter: Arc<str>,
    /// Capacity as written.
    pub capacity: i32,
    /// Leak speed in nanoseconds, 0 when absent.
    pub leakspeed_ns: i64,
    /// `Ip`, `Range` or any other text.
    pub scope: Arc<str>,
    /// Gives the value, for scopes other than `Ip`.
    pub scope_expression: Option<Program>,
    /// Whether the scenario asks for remediation.
    pub remediation: bool,
    /// Whether the overflow is poured again.
    pub reprocess: bool,
    /// Whether the scenario is in simulation.
    pub simulated: bool,
}

/// What a bucket counted until it overflowed.
#[derive(Debug, Clone, Copy)]
pub struct Spill<'a> {
    /// Result of the scenario's `groupby`, empty without one.
    pub partition: &'a [u8],
    /// Time of the first pour.
    pub first: Time,
    /// Time of the last accepted pour.
    pub last: Time,
    /// Time of the overflow.
    pub overflow: Time,
    /// Accepted pours in all.
    pub total: u64,
    /// Where the first event stands in its input.
    pub first_position: Position,
    /// Where the event that made the bucket overflow stands in its input.
    pub position: Position,
}

/// Why an overflow gives no alert. CrowdSec logs these and drops the alert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Scope `Ip` or `Range`, but the event has no address.
    #[error("event has no source_ip in its meta data")]
    NoSourceIp,
    /// `source_ip` is no address.
    #[error("source_ip `{value}` is not an address")]
    BadSourceIp {
        /// The text.
        value: String,
    },
    /// `SourceRange` is no range.
    #[error("source range `{value}` is not a range")]
    BadSourceRange {
        /// The text.
        value: String,
    },
    /// The scenario has another scope than `Ip` or `Range` and no expression for its value.
    #[error("scope `{scope}` has no expression")]
    NoScopeExpression {
        /// The scope.
        scope: String,
    },
    /// The scope's expression failed.
    #[error("evaluate the expression of scope `{scope}`")]
    ScopeExpression {
        /// The scope.
        scope: String,
        /// How.
        #[source]
        source: EvalError,
    },
    /// Two of the events have sources of different scopes.
    #[error("events have sources of scope `{first}` and of scope `{other}`")]
    MixedScopes {
        /// The scope that came first.
        first: String,
        /// The other one.
        other: String,
    },
    /// An event has no time at all; the Local API would refuse the alert.
    #[error("an event has no timestamp")]
    NoTimestamp,
}

/// From this number of sources on, an alert carries only the events of its own source: the copies
/// would grow with the square of what an attacker sends.
const SHARED_EVENTS_SOURCES_MAX: usize = 64;

/// Makes alerts. One for all scenarios.
#[derive(Debug, Clone, Default)]
pub struct AlertBuilder {
    context: AlertContext,
}

impl AlertBuilder {
    /// A builder that adds this context to every alert.
    #[must_use]
    pub fn new(context: AlertContext) -> Self {
        Self { context }
    }

    /// The overflow of a bucket: its sources, by key, and one alert for each.
    ///
    /// `events` are those the bucket kept, oldest first. They are not changed, but expressions
    /// take them by mutable reference. Without any source the overflow has no alert, which means
    /// that it only cleans up.
    ///
    /// # Errors
    /// [`BuildError`] when the events do not say whom the alert is about, or when.
    pub fn build(
        &self,
        spec: &AlertSpec,
        spill: &Spill<'_>,
        events: &mut [Event],
        services: &Services,
    ) -> Result<Overflow, BuildError> {
        let sources = Sources::of(spec, spill, events, services)?;
        let meta = self.context.evaluate(events, spill.overflow, services);
        let retained: Vec<AlertEvent> = events.iter().map(alert_event).collect::<Result<_, _>>()?;
        let retained = Arc::new(retained);
        let mapkey = mapkey(
            spec.filter.as_bytes(),
            spill.partition,
            spec.name.as_bytes(),
        );
        let shared = Alert {
            scenario: spec.name.to_string(),
            scenario_hash: spec.hash.to_string(),
            scenario_version: spec.version.to_string(),
            message: message(spec, spill, &sources),
            events_count: i32::try_from(spill.total).unwrap_or(i32::MAX),
            start_at: rfc3339(&spill.first),
            stop_at: rfc3339(&spill.overflow),
            capacity: spec.capacity,
            leakspeed: duration::format(spec.leakspeed_ns),
            simulated: spec.simulated,
            remediation: spec.remediation,
            kind: "crowdsec".to_owned(),
            meta,
            ..Alert::default()
        };
        let mut alerts = Vec::with_capacity(sources.by_key.len());
        for (key, source) in &sources.by_key {
            let identity = AlertIdentity {
                scenario: &spec.name,
                scenario_hash: &spec.hash,
                mapkey: &mapkey,
                first: spill.first_position,
                last: spill.position,
                total: spill.total,
                source_key: key,
            };
            alerts.push(Alert {
                events: sources.events_of(key, &retained),
                source: source.clone(),
                source_key: key.clone(),
                uuid: identity.uuid(),
                ..shared.clone()
            });
        }
        Ok(Overflow {
            mapkey,
            whitelisted: false,
            reprocess: spec.reprocess,
            sources: sources.by_key,
            alerts,
            time: Some(spill.overflow),
        })
    }
}

/// Turns `event` into the one that post-overflow stages and a reprocessing bucket see: no line, no
/// fields, the time of the overflow.
pub fn fill_overflow_event(event: &mut Event, overflow: Overflow, position: Position) {
    event.reset();
    event.kind = EventKind::Overflow;
    event.position = position;
    if let Some(time) = overflow.time {
        event.time = time;
        event.set_text(TextField::MarshaledTime, rfc3339(&time).as_bytes());
    }
    event.overflow = Some(Arc::new(overflow));
}

/// `<scope> <who> performed '<name>' (<total> events over <duration>) at <last time>`
fn message(spec: &AlertSpec, spill: &Spill<'_>, sources: &Sources) -> String {
    let mut keys = sources.by_key.keys();
    let who = match (keys.next(), keys.len()) {
        (None, _) => Cow::Borrowed("UNKNOWN"),
        (Some(key), 0) => Cow::Borrowed(key.as_str()),
        (Some(_), others) => Cow::Owned(format!("{} sources", others + 1)),
    };
    format!(
        "{} {who} performed '{}' ({} events over {}) at {}",
        sources.scope,
        spec.name,
        spill.total,
        duration::format(spill.overflow.sub(&spill.first)),
        spill.last.default_text(),
    )
}

/// All of an event's meta data, by key, and its time as it was written.
fn alert_event(event: &Event) -> Result<AlertEvent, BuildError> {
    let marshaled = event.text(TextField::MarshaledTime);
    let timestamp = if !marshaled.is_empty() {
        text(marshaled)
    } else if !event.time.is_zero() {
        rfc3339(&event.time)
    } else {
        return Err(BuildError::NoTimestamp);
    };
    let fields = event.fields(FieldMap::Meta);
    let n_bytes = fields.iter().map(|(key, value)| key.len() + value.len());
    let mut meta = MetaList::with_room(fields.len(), n_bytes.sum());
    for (key, value) in fields {
        meta.push_bytes(key, value);
    }
    Ok(AlertEvent {
        timestamp: Some(timestamp),
        meta,
    })
}

fn rfc3339(time: &Time) -> String {
    let mut out = Vec::with_capacity(35);
    append_rfc3339_nano(time, &mut out);
    text(&out)
}

/// Bytes of a log line as text.
fn text(bytes: &[u8]) -> String {
    strings::to_valid_string(bytes).into_owned()
}
