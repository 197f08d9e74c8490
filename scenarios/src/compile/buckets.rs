//! Scenario documents to plans.

use std::collections::HashMap;
use std::sync::Arc;

use overspill_bucket::{Bayes, BayesCondition, Kind, ScenarioId, Spec};
use overspill_event::{FieldMap, Keep};
use overspill_expr::Program;
use overspill_matcher::{ScenarioPlan, Scope};
use sha2::{Digest, Sha256};

use super::draft::Draft;
use super::shop::{Place, Shop};
use crate::item::bucket::BucketKind;
use crate::item::scenario::ScenarioItem;
use crate::item::simulation::Simulation;
use crate::yaml::table::{Findings, Text};

/// Fields of `evt.Enriched` that the sources of an alert are made of.
const SOURCE_FIELDS: [&str; 6] = [
    "IsoCode",
    "ASNumber",
    "ASNNumber",
    "ASNOrg",
    "Latitude",
    "Longitude",
];

/// Compiles the documents in their order. `always_kept` is what alert contexts read.
pub(super) fn plans(
    drafts: &mut [Draft<'_, ScenarioItem>],
    simulation: &Simulation,
    always_kept: &Keep,
    shop: &mut Shop,
) -> Vec<ScenarioPlan> {
    let mut plans: Vec<ScenarioPlan> = Vec::with_capacity(drafts.len());
    let mut fingerprints = HashMap::new();
    for draft in drafts {
        let Some(item) = draft.item.take() else {
            continue;
        };
        let programs = Programs::compile(&item, shop, &mut draft.findings);
        let Some(programs) = programs.filter(|_| !draft.findings.has_errors()) else {
            continue;
        };
        let Ok(number) = u32::try_from(plans.len()) else {
            continue;
        };
        draft.accept(&item.name.value);
        let mut keep = programs.keep();
        keep.merge(always_kept);
        let bucket = spec(&item, &mut fingerprints);
        plans.push(ScenarioPlan {
            id: ScenarioId(number),
            name: Arc::clone(&item.name.value),
            description: item.description,
            hash: Arc::clone(&draft.source.hash),
            version: Arc::clone(&draft.source.version),
            filter: programs.filter,
            groupby: programs.groupby,
            distinct: programs.distinct,
            cancel_on: programs.cancel_on,
            overflow_filter: programs.overflow_filter,
            condition: programs.condition,
            bayesian: programs.bayesian,
            scope: Scope {
                kind: item.scope.kind,
                expression: programs.scope,
            },
            bucket,
            keep,
            labels: item.labels,
            remediation: item.remediation,
            reprocess: item.reprocess,
            simulated: simulation.of(&item.name.value),
            // Checked when it was read.
            capacity: i32::try_from(item.capacity.value).unwrap_or(i32::MAX),
            leakspeed_ns: item.leakspeed_ns,
        });
    }
    plans
}

/// What the sources of every alert are made of, besides `Meta`.
pub(super) fn source_fields(shop: &mut Shop) -> Keep {
    let slots = SOURCE_FIELDS
        .iter()
        // Without a slot there is no way to write the field either.
        .filter_map(|name| shop.schema.intern(FieldMap::Enriched, name).ok())
        .collect();
    let mut keep = Keep::default();
    keep.merge(&Keep {
        slots,
        ..Keep::default()
    });
    keep
}

/// The compiled expressions of one document.
struct Programs {
    filter: Program,
    groupby: Option<Program>,
    distinct: Option<Program>,
    cancel_on: Option<Program>,
    overflow_filter: Option<Program>,
    condition: Option<Program>,
    bayesian: Vec<Program>,
    scope: Option<Program>,
}

impl Programs {
    fn compile(item: &ScenarioItem, shop: &mut Shop, findings: &mut Findings<'_>) -> Option<Self> {
        let filter = shop.program(&item.filter, Place::Event, findings);
        let mut event = |text: &Option<_>, place| shop.optional(text.as_ref(), place, findings);
        let groupby = event(&item.groupby, Place::Event);
        let distinct = event(&item.distinct, Place::Event);
        let cancel_on = event(&item.cancel_on, Place::Event);
        let overflow_filter = event(&item.overflow_filter, Place::OverflowFilter);
        let condition = event(&item.condition, Place::Condition);
        let scope = event(&item.scope.expression, Place::Event);
        warn_of_no_text(item.groupby.as_ref(), groupby.as_ref(), findings);
        let bayesian = item
            .bayesian
            .iter()
            .filter_map(|bayes| shop.program(&bayes.condition, Place::Condition, findings))
            .collect();
        Some(Self {
            filter: filter?,
            groupby,
            distinct,
            cancel_on,
            overflow_filter,
            condition,
            bayesian,
            scope,
        })
    }

    /// What a bucket must keep of its events for the expressions that look at them later.
    fn keep(&self) -> Keep {
        let later = [&self.overflow_filter, &self.condition, &self.scope];
        let mut keep = Keep::default();
        for program in later.into_iter().flatten().chain(&self.bayesian) {
            keep.merge(&program.reads().keep());
        }
        keep
    }
}

/// CrowdSec ends its process at the first event whose group is no string; here all such events share
/// one bucket, which is hardly what was meant.
fn warn_of_no_text(text: Option<&Text>, groupby: Option<&Program>, findings: &mut Findings<'_>) {
    if let Some((text, found)) = text.zip(groupby.and_then(Program::type_unless_text)) {
        findings.warn(
            text,
            format!(
                "gives {found}, not a string: all events share one bucket; write `string(...)` around it"
            ),
        );
    }
}

fn spec(item: &ScenarioItem, fingerprints: &mut HashMap<u64, u64>) -> Spec {
    let kind = match item.kind {
        BucketKind::Leaky => Kind::Leaky,
        BucketKind::Trigger => Kind::Trigger,
        BucketKind::Counter => Kind::Counter,
        BucketKind::Conditional => Kind::Conditional,
        BucketKind::Bayesian => Kind::Bayesian,
    };
    // A threshold other than 0 switches this on, whatever the type.
    let bayes = (item.threshold.value != 0.0).then(|| Bayes {
        prior: item.prior.value,
        threshold: item.threshold.value,
        conditions: item
            .bayesian
            .iter()
            .map(|bayes| BayesCondition {
                evil: bayes.evil,
                benign: bayes.benign,
                guillotine: bayes.guillotine,
            })
            .collect(),
    });
    let mut fingerprint = fingerprint(item);
    // Two documents may be the same word for word; the second of them is another scenario.
    let nth = fingerprints.entry(fingerprint).or_insert(0);
    fingerprint = fingerprint.wrapping_add(*nth);
    *nth += 1;
    Spec {
        capacity: item.capacity.value,
        leak_ns: item.leakspeed_ns,
        duration_ns: item.duration_ns,
        blackhole_ns: item.blackhole_ns,
        cache_size: item.cache_size,
        distinct: item.distinct.is_some(),
        cancel_on: item.cancel_on.is_some(),
        overflow_filter: item.overflow_filter.is_some(),
        condition: item.condition.is_some(),
        bayes,
        fingerprint,
        ..Spec::new(kind)
    }
}

/// Hash of what makes buckets what they are: the same after a restart, whatever the order.
fn fingerprint(item: &ScenarioItem) -> u64 {
    let mut hasher = Sha256::new();
    let mut add = |bytes: &[u8]| {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        hasher.update(length.to_le_bytes());
        hasher.update(bytes);
    };
    add(item.name.value.as_bytes());
    add(format!("{:?}", item.kind).as_bytes());
    add(item.filter.value.as_bytes());
    let optional = [
        &item.groupby,
        &item.distinct,
        &item.cancel_on,
        &item.overflow_filter,
        &item.condition,
        &item.scope.expression,
    ];
    for text in optional {
        add(text.as_ref().map_or(&[], |text| text.value.as_bytes()));
    }
    let numbers = [
        item.capacity.value,
        item.cache_size,
        item.leakspeed_ns,
        item.duration_ns,
        item.blackhole_ns.unwrap_or(-1),
    ];
    for number in numbers {
        add(&number.to_le_bytes());
    }
    add(&item.prior.value.to_le_bytes());
    add(&item.threshold.value.to_le_bytes());
    for bayes in &item.bayesian {
        add(bayes.condition.value.as_bytes());
        add(&bayes.evil.to_le_bytes());
        add(&bayes.benign.to_le_bytes());
        add(&[u8::from(bayes.guillotine)]);
    }
    let digest = hasher.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}
