//! What an overflow carries: sources, alerts and the decisions made of them.
//!
//! Shapes follow CrowdSec's `pkg/models` and `pkg/pipeline/event.go`; the wire form is not here
//! (it belongs to the Local API crate and to `decision`). Texts are UTF-8: bytes of a log line
//! that are not are replaced with U+FFFD, one for each byte, as Go does when it encodes JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_golike::time::Time;
use serde::{Deserialize, Serialize};

use crate::meta::MetaList;

/// Whom an alert is about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Source {
    /// `Ip`, `Range`, `AS`, `Country`, or any other text.
    pub scope: String,
    /// The value within the scope.
    pub value: String,
    /// Address as it stood in the log, empty when the scope is not an address.
    pub ip: String,
    /// Network in CIDR form, or empty.
    pub range: String,
    /// Name of the autonomous system, or empty.
    pub as_name: String,
    /// Number of the autonomous system, or empty.
    pub as_number: String,
    /// ISO country code, or empty.
    pub cn: String,
    /// Degrees north, 0 when unknown.
    pub latitude: f32,
    /// Degrees east, 0 when unknown.
    pub longitude: f32,
}

/// One key and value of an alert's meta data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MetaItem {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// One line that led to an alert: its meta data, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AlertEvent {
    /// RFC 3339 text, verbatim from the event, or `None` when the event had no time at all.
    pub timestamp: Option<String>,
    /// All of the event's `Meta`, by key.
    pub meta: MetaList,
}

/// An alert about one source (`models.Alert`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Alert {
    /// Name of the scenario.
    pub scenario: String,
    /// SHA-256 of the hub item, empty for local items.
    pub scenario_hash: String,
    /// Version of the hub item, empty for local items, `?` when it was changed by hand.
    pub scenario_version: String,
    /// One sentence for people (`alerts.md` 3.1).
    pub message: String,
    /// Accepted pours in all; at least the number of `events`.
    pub events_count: i32,
    /// First pour, RFC 3339.
    pub start_at: String,
    /// Overflow, RFC 3339.
    pub stop_at: String,
    /// Capacity as written in the scenario.
    pub capacity: i32,
    /// Leak speed as Go prints the duration.
    pub leakspeed: String,
    /// Whether the scenario is in simulation.
    pub simulated: bool,
    /// Whether the scenario asks for remediation.
    pub remediation: bool,
    /// `crowdsec` for a log processor's alert.
    pub kind: String,
    /// Lines retained by the bucket, oldest first. Alerts of one overflow mostly share them.
    pub events: Arc<Vec<AlertEvent>>,
    /// Alert context: key and JSON list of values.
    pub meta: Vec<MetaItem>,
    /// The one source of this alert.
    pub source: Source,
    /// Key of `source` in [`Overflow::sources`], as it was when the alert was built.
    pub source_key: String,
    /// Decisions, once a profile has made some.
    pub decisions: Vec<Decision>,
    /// Stable identity: the same alert derived again has the same identity (hex digest).
    pub uuid: String,
}

/// What to do about a source, and for how long (`models.Decision`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Decision {
    /// Number within the decision log; 0 before the log gave one.
    pub id: u64,
    /// Stable identity, derived from the alert's.
    pub uuid: String,
    /// Who decided: `crowdsec`, `cscli`, a list's name.
    pub origin: String,
    /// `ban`, `captcha`, or any other text that a bouncer understands.
    pub kind: String,
    /// Scope of the value.
    pub scope: String,
    /// What is decided upon.
    pub value: String,
    /// Duration as written, a Go duration text that may begin with days.
    pub duration: String,
    /// End of the decision in nanoseconds since the Unix epoch.
    pub until_ns: i64,
    /// Scenario that led to it.
    pub scenario: String,
    /// Whether it is only pretended.
    pub simulated: bool,
}

/// A bucket's overflow as post-overflow nodes and the reprocess stage see it (`RuntimeAlert`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Overflow {
    /// Key of the bucket: hex SHA-1, as in CrowdSec.
    pub mapkey: String,
    /// Set by a post-overflow whitelist: no alert is sent.
    pub whitelisted: bool,
    /// Whether the overflow is poured again.
    pub reprocess: bool,
    /// Every source, by its key.
    pub sources: BTreeMap<String, Source>,
    /// One alert a source, in the order of `sources`. The first is `evt.Overflow.Alert`.
    pub alerts: Vec<Alert>,
    /// Time of the overflow, in the zone of the event that caused it.
    #[serde(with = "time_fields")]
    pub time: Option<Time>,
}

impl Overflow {
    /// `evt.Overflow.Alert`, or `None` (Go's nil) when the overflow only cleans up.
    #[must_use]
    pub fn alert(&self) -> Option<&Alert> {
        self.alerts.first()
    }

    /// Writes `evt.Overflow.Alert.Source.Scope`; the entry in `sources` shows it too.
    ///
    /// CrowdSec shares the string behind both (`pkg/leakybucket/overflows.go`), so a post-overflow
    /// static changes both while the map key and the address stay. Answers whether there was an
    /// alert to write to.
    pub fn set_source_scope(&mut self, scope: &str) -> bool {
        self.write_source(|source| scope.clone_into(&mut source.scope))
    }

    /// Writes `evt.Overflow.Alert.Source.Value`; the entry in `sources` shows it too.
    pub fn set_source_value(&mut self, value: &str) -> bool {
        self.write_source(|source| value.clone_into(&mut source.value))
    }

    fn write_source(&mut self, write: impl Fn(&mut Source)) -> bool {
        let Some(alert) = self.alerts.first_mut() else {
            return false;
        };
        write(&mut alert.source);
        if let Some(source) = self.sources.get_mut(&alert.source_key) {
            write(source);
        }
        true
    }
}

/// An optional [`Time`] as its three fields: the exchange between processes carries overflows.
mod time_fields {
    use overspill_golike::time::Time;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Option<Time>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| (time.secs, time.nanos, time.offset_secs))
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Time>, D::Error> {
        let fields = Option::<(i64, u32, i32)>::deserialize(deserializer)?;
        Ok(fields.map(|(secs, nanos, offset_secs)| Time {
            secs,
            nanos,
            offset_secs,
        }))
    }
}
