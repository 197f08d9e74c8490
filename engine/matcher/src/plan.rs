//! A scenario, compiled: everything a worker needs to know of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_bucket::{ScenarioId, Spec};
use overspill_event::{Keep, Tree};
use overspill_expr::Program;

/// One scenario document (`pkg/leakybucket/manager_load.go`, `BucketSpec`).
///
/// The number of a scenario ([`ScenarioPlan::id`]) is its place in the order of evaluation: files
/// by path, documents in file order (`scenarios.md` 21, row 1).
#[derive(Debug, Clone)]
pub struct ScenarioPlan {
    /// Place in the order of evaluation, from 0.
    pub id: ScenarioId,
    /// Name of the document; goes into alerts and into the bucket's key.
    pub name: Arc<str>,
    /// Free text.
    pub description: Arc<str>,
    /// SHA-256 of the hub item, empty for local items.
    pub hash: Arc<str>,
    /// Version of the hub item, empty for local items, `?` when tainted.
    pub version: Arc<str>,
    /// Which events pour.
    pub filter: Program,
    /// Which bucket they pour into; none is one bucket for all.
    pub groupby: Option<Program>,
    /// Value that may enter a bucket once.
    pub distinct: Option<Program>,
    /// When true, the bucket dies without an alert.
    pub cancel_on: Option<Program>,
    /// When false at the overflow, there is no alert.
    pub overflow_filter: Option<Program>,
    /// When true after a pour, the bucket overflows.
    pub condition: Option<Program>,
    /// Conditions of a bayesian bucket, in file order. Their probabilities are in [`Spec`].
    pub bayesian: Vec<Program>,
    /// What the alert is about.
    pub scope: Scope,
    /// How the bucket counts.
    pub bucket: Spec,
    /// What the bucket must keep of an event besides its meta data.
    pub keep: Keep,
    /// Labels, for people and tools.
    pub labels: BTreeMap<String, Tree>,
    /// `labels.remediation` is the boolean true.
    pub remediation: bool,
    /// The overflow is poured again.
    pub reprocess: bool,
    /// The scenario is in simulation.
    pub simulated: bool,
    /// Capacity as written.
    pub capacity: i32,
    /// Leak speed in nanoseconds, 0 when absent.
    pub leakspeed_ns: i64,
}

/// What an alert of a scenario is about (`pkg/leakybucket/scopetype.go`).
#[derive(Debug, Clone)]
pub struct Scope {
    /// `Ip`, `Range`, or any other text.
    pub kind: Arc<str>,
    /// Gives the value, for scopes other than `Ip`.
    pub expression: Option<Program>,
}
