//! What machines and bouncers say of themselves: `/v1/usage-metrics` (`lapi.md` 12).

use hyper::StatusCode;
use overspill_golike::json::{Escape, Json, Object, append_value};
use overspill_store::{BouncerUsage, MachineUsage, UsageKind};

use super::{Request, body_object, member, missing, object};
use crate::caller::{Caller, failed};
use crate::reply::{self, Outcome, Refusal};

/// Takes what one of them says.
pub(super) fn take(request: &Request<'_>) -> Outcome {
    let body = body_object(&request.body).map_err(Refusal::bad_request)?;
    match &request.caller {
        Caller::Machine(machine) => {
            let report = only(&body, "log_processors", "log processor")?;
            let usage = MachineUsage {
                version: version(report)?,
                os_name: os(report, "name"),
                os_family: os(report, "family"),
                os_version: os(report, "version"),
                feature_flags: flags(report),
                hub_state: json(report.get("hub_items")),
                datasources: json(report.get("datasources")),
            };
            let store = &request.core.store;
            let now_ns = request.core.now_ns();
            store
                .set_machine_usage(&machine.name, &usage, now_ns)
                .map_err(failed)?;
            store
                .add_usage(
                    UsageKind::LogProcessor,
                    &machine.name,
                    &metrics(report),
                    now_ns,
                )
                .map_err(failed)?;
        }
        Caller::Bouncer(bouncer) => {
            let report = only(&body, "remediation_components", "remediation component")?;
            // The row keeps the version of the `User-Agent`; a report has to have one all the same.
            version(report)?;
            let usage = BouncerUsage {
                os_name: os(report, "name"),
                os_family: os(report, "family"),
                os_version: os(report, "version"),
                feature_flags: flags(report),
            };
            let store = &request.core.store;
            let now_ns = request.core.now_ns();
            store
                .set_bouncer_usage(bouncer.id, &usage, now_ns)
                .map_err(failed)?;
            let kind = UsageKind::RemediationComponent;
            store
                .add_usage(kind, &bouncer.name, &metrics(report), now_ns)
                .map_err(failed)?;
        }
        Caller::Stranger | Caller::KeyHolder => return Err(Refusal::forbidden()),
    }
    Ok(reply::empty(StatusCode::CREATED))
}

/// The one report of a list.
fn only<'a>(body: &'a Object, list: &str, what: &str) -> Result<&'a Object, Refusal> {
    let reports: &[Json] = match body.get(list) {
        Some(Json::Array(reports)) => reports,
        _ => &[],
    };
    match reports {
        [Json::Object(report)] => Ok(report),
        [] | [_] => Err(Refusal::bad_request(format!("Missing {what} data"))),
        _ => Err(Refusal::bad_request(format!(
            "Payload has more than one {what}"
        ))),
    }
}

fn version(report: &Object) -> Result<String, Refusal> {
    match member(report, "version") {
        Some(version) => Ok(version.to_owned()),
        None => Err(Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            missing(&["version"]),
        )),
    }
}

fn os(report: &Object, part: &str) -> String {
    match report.get("os") {
        Some(Json::Object(os)) => member(os, part).unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

fn flags(report: &Object) -> String {
    let Some(Json::Array(flags)) = report.get("feature_flags") else {
        return String::new();
    };
    let names: Vec<&str> = flags
        .iter()
        .filter_map(|flag| match flag {
            Json::Str(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    names.join(",")
}

/// What is kept of a report: its metrics, and for bouncers what they say they are.
fn metrics(report: &Object) -> String {
    let part = |key: &str| report.get(key).cloned().unwrap_or(Json::Null);
    json(Some(&object([
        ("metrics", part("metrics")),
        ("type", part("type")),
    ])))
}

fn json(value: Option<&Json>) -> String {
    let mut out = Vec::new();
    match append_value(value.unwrap_or(&Json::Null), Escape::Plain, &mut out) {
        Ok(()) => String::from_utf8(out).unwrap_or_default(),
        Err(_) => "null".to_owned(),
    }
}
