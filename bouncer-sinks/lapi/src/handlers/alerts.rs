//! Alerts: `/v1/alerts` (`lapi.md` 7, 8).

use hyper::StatusCode;
use overspill_decision::wire::{WireError, read_alerts};
use overspill_decision::{Policy, Received, normalise_scope};
use overspill_event::{Alert, AlertEvent, Decision, Source};
use overspill_golike::duration;
use overspill_golike::json::Json;
use overspill_golike::time::{Time, parse_rfc3339};
use overspill_store::{AlertFilter, AlertRow, NewAlert, StoreError};
use sha2::{Digest, Sha256};

use super::{Request, answer, block, n_deleted, object, text, time, truth};
use crate::caller::failed;
use crate::core::Core;
use crate::reply::{self, Outcome, Refusal};
use crate::wire::whole_seconds;

/// Alerts that are stored at once.
const AT_ONCE: usize = 50;
/// A log processor sends an alert again that was not acknowledged; the same alert within this time is a repetition.
const REPEATED_WITHIN_NS: i64 = 300_000_000_000;

/// An alert as it came, and what makes it the same as one that came before.
struct Arrived {
    alert: Alert,
    digest: [u8; 16],
}

/// An alert that is to be stored.
struct Judged {
    /// Which of those that arrived it is.
    at: usize,
    alert: Alert,
}

/// Takes alerts. All of them are judged before the first is stored: a profile that fails refuses the whole request.
pub(super) fn push(request: &Request<'_>) -> Outcome {
    let core = request.core;
    let machine = request.machine()?;
    // Alerts of our own log processors have an identity that is the same each time they are derived.
    let is_ours = request.asking.user_agent().starts_with("overspill/");
    let arrived = arrived(request, &machine.name, is_ours)?;
    let now_ns = core.now_ns();
    let mut left = arrived.as_slice();
    let mut ids = Vec::with_capacity(left.len());
    'judge: loop {
        let (policy, version) = core.policy().map_err(failed)?;
        let judged = judge(core, &policy, left, now_ns)?;
        for some in judged.chunks(AT_ONCE) {
            let new: Vec<NewAlert<'_>> = some
                .iter()
                .filter_map(|judged| {
                    let digest = left.get(judged.at)?.digest;
                    Some(NewAlert {
                        alert: &judged.alert,
                        machine_id: Some(machine.id),
                        digest: (!is_ours).then_some(digest),
                        repeat_since_ns: now_ns.saturating_sub(REPEATED_WITHIN_NS),
                        is_stable: is_ours,
                    })
                })
                .collect();
            match core.store.add_alerts_as_of(&new, version, now_ns) {
                Ok(stored) => ids.extend(stored.iter().map(|alert| text(alert.id.to_string()))),
                // Somebody was put on a list meanwhile: what is not stored yet is judged again.
                Err(StoreError::AllowlistsChanged { .. }) => {
                    let first = some.first().map_or(0, |judged| judged.at);
                    left = left.get(first..).unwrap_or_default();
                    continue 'judge;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        break;
    }
    core.store
        .set_machine_push(&machine.name, now_ns)
        .map_err(failed)?;
    answer(StatusCode::CREATED, &Json::Array(ids))
}

/// Reads what came. Identities are ours to give, unless the sender is one of us.
fn arrived(request: &Request<'_>, machine: &str, is_ours: bool) -> Result<Vec<Arrived>, Refusal> {
    let alerts = read_alerts(&request.body).map_err(unreadable)?;
    let mut arrived = Vec::with_capacity(alerts.len());
    for mut alert in alerts {
        let digest = digest(machine, &alert);
        if !is_ours || alert.uuid.is_empty() {
            alert.uuid = random_uuid()?;
            for decision in &mut alert.decisions {
                decision.uuid.clear();
            }
        }
        arrived.push(Arrived { alert, digest });
    }
    Ok(arrived)
}

/// What is to be stored of what arrived, with what was decided.
fn judge(
    core: &Core,
    policy: &Policy,
    arrived: &[Arrived],
    now_ns: i64,
) -> Result<Vec<Judged>, Refusal> {
    let now = Time::from_unix_ns(now_ns);
    let mut judged = Vec::with_capacity(arrived.len());
    for (at, Arrived { alert, .. }) in arrived.iter().enumerate() {
        let mut alert = alert.clone();
        match policy.receive(&mut alert, &core.services, now) {
            Ok(Received::Kept { .. }) => judged.push(Judged { at, alert }),
            Ok(Received::Allowlisted(_)) => core.meters.alert_allowlisted(),
            Ok(Received::Worthless(_)) => core.meters.alert_worthless(),
            Err(error) => return Err(Refusal::failure(&error)),
        }
    }
    Ok(judged)
}

/// CrowdSec answers 500 to what is JSON and no alert.
fn unreadable(error: WireError) -> Refusal {
    match error {
        WireError::Syntax(error) => Refusal::bad_request(error.to_string()),
        WireError::Missing { path } => Refusal::internal(format!(
            "validation failure list:\n{path} in body is required"
        )),
        error @ WireError::Shape { .. } => Refusal::bad_request(error.to_string()),
    }
}

/// What makes an alert the same as one that came before.
fn digest(machine: &str, alert: &Alert) -> [u8; 16] {
    let mut hash = Sha256::new();
    let parts = [
        machine,
        &alert.scenario,
        &alert.source.scope,
        &alert.source.value,
        &alert.start_at,
        &alert.stop_at,
    ];
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(alert.events_count.to_le_bytes());
    // Decisions that somebody made by hand are not the same because they are on the same address.
    for decision in &alert.decisions {
        for part in [
            &decision.kind,
            &decision.value,
            &decision.duration,
            &decision.origin,
        ] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    let mut digest = [0; 16];
    for (to, from) in digest.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    digest
}

/// A UUID of version 4 (RFC 9562).
fn random_uuid() -> Result<String, Refusal> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits)
        .map_err(|_| Refusal::internal("the system gives no random bytes"))?;
    let bits = u128::from_be_bytes(bits);
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let (mut uuid, mut rest) = (String::with_capacity(36), hex.as_str());
    for len in [8, 4, 4, 4] {
        let (part, after) = rest.split_at(len);
        uuid.push_str(part);
        uuid.push('-');
        rest = after;
    }
    uuid.push_str(rest);
    Ok(uuid)
}

/// Alerts that a filter finds.
pub(super) fn list(request: &Request<'_>) -> Outcome {
    let core = request.core;
    let now_ns = core.now_ns();
    let filter = filter(request, Purpose::List, now_ns)?;
    if request.asking.is_head {
        return Ok(reply::empty(StatusCode::OK));
    }
    let found = core.store.alerts(&filter, now_ns).map_err(failed)?;
    if found.is_empty() {
        return answer(StatusCode::OK, &Json::Null);
    }
    let found = found.iter().map(|row| alert(row, now_ns)).collect();
    answer(StatusCode::OK, &Json::Array(found))
}

/// One alert.
pub(super) fn one(request: &Request<'_>, id: &str) -> Outcome {
    let core = request.core;
    let found = core.store.alert(number(id)?).map_err(failed)?;
    let Some(row) = found else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "object not found"));
    };
    if request.asking.is_head {
        return Ok(reply::empty(StatusCode::OK));
    }
    answer(StatusCode::OK, &alert(&row, core.now_ns()))
}

/// Deletes what a filter finds.
pub(super) fn delete(request: &Request<'_>) -> Outcome {
    let core = request.core;
    let now_ns = core.now_ns();
    let filter = filter(request, Purpose::Delete, now_ns)?;
    n_deleted(core.store.delete_alerts(&filter, now_ns).map_err(failed)?)
}

/// Deletes one alert.
pub(super) fn delete_one(request: &Request<'_>, id: &str) -> Outcome {
    let core = request.core;
    match core.store.delete_alert(number(id)?, core.now_ns()) {
        Ok(n) if n > 0 => n_deleted(n),
        Ok(_) => Err(Refusal::new(StatusCode::NOT_FOUND, "object not found")),
        Err(error) if error.is_not_found() => {
            Err(Refusal::new(StatusCode::NOT_FOUND, "object not found"))
        }
        Err(error) => Err(failed(error)),
    }
}

fn number(id: &str) -> Result<i64, Refusal> {
    id.parse()
        .map_err(|_| Refusal::bad_request("alert_id must be valid integer"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    List,
    Delete,
}

/// Reads what is asked for.
fn filter(request: &Request<'_>, purpose: Purpose, now_ns: i64) -> Result<AlertFilter, Refusal> {
    let mut filter = AlertFilter {
        contains: true,
        include_capi: true,
        limit: (purpose == Purpose::List).then_some(100),
        with_decisions: true,
        ..AlertFilter::default()
    };
    for (key, value) in request.pairs() {
        take(&mut filter, &key, value, now_ns)?;
    }
    Ok(filter)
}

fn take(filter: &mut AlertFilter, key: &str, value: String, now_ns: i64) -> Result<(), Refusal> {
    let before = |value: &str| {
        let ago_ns = duration::parse_with_days(value).map_err(|error| {
            Refusal::internal(format!("while parsing duration: {error}: invalid filter"))
        })?;
        Ok::<_, Refusal>(Some(now_ns.saturating_sub(ago_ns)))
    };
    match key {
        "scope" => {
            let mut scope = value;
            normalise_scope(&mut scope);
            filter.scope = Some(scope);
        }
        "value" => filter.value = Some(value),
        "scenario" => filter.scenario = Some(value),
        "ip" | "range" => {
            filter.block = Some(block(&value)?);
        }
        "contains" => filter.contains = truth(key, &value)?,
        "since" => filter.started_since_ns = before(&value)?,
        "until" => filter.started_until_ns = before(&value)?,
        "created_before" => filter.created_before_ns = before(&value)?,
        "decision_type" => filter.decision_type = Some(value),
        "origin" => filter.origin = Some(value),
        "include_capi" => filter.include_capi = truth(key, &value)?,
        "has_active_decision" => filter.has_active_decision = Some(truth(key, &value)?),
        "simulated" => {
            filter.simulated = (value == "false").then_some(false);
        }
        "kind" => filter.kind = Some(value),
        "limit" => {
            let limit: u64 = value.parse().map_err(|_| {
                Refusal::internal(format!(
                    "invalid limit value : strconv.Atoi: parsing \"{value}\": invalid syntax"
                ))
            })?;
            filter.limit = (limit > 0).then_some(limit);
        }
        "sort" => filter.is_ascending = value.eq_ignore_ascii_case("asc"),
        "with_decisions" => filter.with_decisions = truth(key, &value)?,
        other => {
            return Err(Refusal::internal(format!(
                "filter parameter '{other}' is unknown (={value}): invalid filter"
            )));
        }
    }
    Ok(())
}

/// An alert as the API gives it.
fn alert(row: &AlertRow, now_ns: i64) -> Json {
    let alert = &row.alert;
    let decisions = if alert.decisions.is_empty() {
        Json::Null
    } else {
        let all = alert.decisions.iter().map(|made| decision(made, now_ns));
        Json::Array(all.collect())
    };
    let mut members = vec![
        ("capacity", Json::Number(f64::from(alert.capacity))),
        ("created_at", text(time(row.created_ns))),
        ("decisions", decisions),
        (
            "events",
            Json::Array(alert.events.iter().map(event).collect()),
        ),
        ("events_count", Json::Number(f64::from(alert.events_count))),
        ("id", integer(row.id)),
        ("labels", Json::Null),
        ("leakspeed", text(&*alert.leakspeed)),
        ("machine_id", text(row.machine.as_deref().unwrap_or("N/A"))),
        ("message", text(&*alert.message)),
        ("scenario", text(&*alert.scenario)),
        ("scenario_hash", text(&*alert.scenario_hash)),
        ("scenario_version", text(&*alert.scenario_version)),
        ("simulated", Json::Bool(alert.simulated)),
        ("source", source(&alert.source)),
        ("start_at", text(moment(&alert.start_at))),
        ("stop_at", text(moment(&alert.stop_at))),
        ("uuid", text(&*alert.uuid)),
    ];
    if !alert.kind.is_empty() {
        members.push(("kind", text(&*alert.kind)));
    }
    if alert.remediation {
        members.push(("remediation", Json::Bool(true)));
    }
    if !alert.meta.is_empty() {
        let meta = alert.meta.iter().map(|item| meta(&item.key, &item.value));
        members.push(("meta", Json::Array(meta.collect())));
    }
    optional(members)
}

fn decision(made: &Decision, now_ns: i64) -> Json {
    let left_ns = whole_seconds(made.until_ns.saturating_sub(now_ns));
    object([
        ("duration", text(duration::format(left_ns))),
        ("id", integer(i64::try_from(made.id).unwrap_or(i64::MAX))),
        ("origin", text(&*made.origin)),
        ("scenario", text(&*made.scenario)),
        ("scope", text(&*made.scope)),
        ("simulated", Json::Bool(made.simulated)),
        ("type", text(&*made.kind)),
        ("uuid", text(&*made.uuid)),
        ("value", text(&*made.value)),
    ])
}

/// An event; its time is printed as Go prints times.
fn event(event: &AlertEvent) -> Json {
    let items = event.meta.iter().map(|item| meta(item.key, item.value));
    let at = event.timestamp.as_deref().unwrap_or_default();
    let at = match parse_rfc3339(at.as_bytes()) {
        Some(time) => time.default_text(),
        None => at.to_owned(),
    };
    object([
        ("meta", Json::Array(items.collect())),
        ("timestamp", text(at)),
    ])
}

fn meta(key: &str, value: &str) -> Json {
    optional(
        [("key", key), ("value", value)]
            .into_iter()
            .filter(|(_, held)| !held.is_empty())
            .map(|(name, held)| (name, text(held)))
            .collect(),
    )
}

fn source(source: &Source) -> Json {
    let mut members = vec![
        ("scope", text(&*source.scope)),
        ("value", text(&*source.value)),
    ];
    let optionals = [
        ("as_name", &source.as_name),
        ("as_number", &source.as_number),
        ("cn", &source.cn),
        ("ip", &source.ip),
        ("range", &source.range),
    ];
    for (name, held) in optionals {
        if !held.is_empty() {
            members.push((name, text(held.as_str())));
        }
    }
    for (name, degrees) in [
        ("latitude", source.latitude),
        ("longitude", source.longitude),
    ] {
        if degrees != 0.0 && degrees.is_finite() {
            // The shortest text that is this number in single precision.
            let shortest = degrees.to_string().parse().unwrap_or(f64::from(degrees));
            members.push((name, Json::Number(shortest)));
        }
    }
    optional(members)
}

fn optional(members: Vec<(&str, Json)>) -> Json {
    let members = members.into_iter();
    Json::Object(overspill_golike::json::Object::new(
        members
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    ))
}

/// Numbers of rows stay far below where a double would round them.
#[expect(
    clippy::cast_precision_loss,
    reason = "a row's number never comes near 2^53"
)]
fn integer(number: i64) -> Json {
    Json::Number(number as f64)
}

/// A time of an alert, in seconds.
fn moment(text: &str) -> String {
    match parse_rfc3339(text.as_bytes()) {
        Some(at) => time(at.unix_ns()),
        None => text.to_owned(),
    }
}
