//! Allowlists: `/v1/allowlists` (`lapi.md` 11).

use hyper::StatusCode;
use overspill_decision::Block;
use overspill_golike::json::Json;
use overspill_store::AllowlistRow;

use super::{Request, answer, body_object, object, text, time};
use crate::active::go_bool;
use crate::caller::failed;
use crate::reply::{self, Outcome, Refusal};

/// All lists; what is in them only if asked for.
pub(super) fn list(request: &Request<'_>) -> Outcome {
    let with_content = with_content(request);
    let (_, lists) = request.core.store.allowlists().map_err(failed)?;
    let lists = lists.iter().map(|list| shown(list, with_content)).collect();
    answer(StatusCode::OK, &Json::Array(lists))
}

/// One list.
pub(super) fn one(request: &Request<'_>, name: &str) -> Outcome {
    let found = request.core.store.allowlist(name).map_err(failed)?;
    match found {
        Some(list) => answer(StatusCode::OK, &shown(&list, with_content(request))),
        None => Err(Refusal::internal(format!("allowlist '{name}' not found"))),
    }
}

/// Whether an address or a range is on a list.
pub(super) fn check(request: &Request<'_>, value: &str) -> Outcome {
    let core = request.core;
    if Block::parse(value).is_none() {
        return Err(Refusal::internal(format!(
            "unable to check if {value} is allowlisted: invalid address"
        )));
    }
    let (policy, _) = core.policy().map_err(failed)?;
    let allowed = policy.allowlist.check(value, core.now_ns());
    if request.asking.is_head {
        let status = match allowed {
            Some(_) => StatusCode::OK,
            None => StatusCode::NO_CONTENT,
        };
        return Ok(reply::empty(status));
    }
    let is_listed = Json::Bool(allowed.is_some());
    let shown = match allowed {
        Some(allowed) => object([
            ("allowlisted", is_listed),
            ("reason", text(allowed.to_string())),
        ]),
        None => object([("allowlisted", is_listed)]),
    };
    answer(StatusCode::OK, &shown)
}

/// Which of some addresses and ranges are on lists.
pub(super) fn check_all(request: &Request<'_>) -> Outcome {
    let core = request.core;
    let body = body_object(&request.body).map_err(Refusal::bad_request)?;
    let targets = match body.get("targets") {
        Some(Json::Array(targets)) if !targets.is_empty() => targets,
        _ => return Err(Refusal::bad_request("targets list cannot be empty")),
    };
    let (policy, _) = core.policy().map_err(failed)?;
    let mut results = Vec::new();
    for target in targets {
        let Json::Str(target) = target else {
            return Err(Refusal::bad_request("targets are texts"));
        };
        if let Some(allowed) = policy.allowlist.check(target, core.now_ns()) {
            results.push(object([
                ("allowlists", Json::Array(vec![text(allowed.to_string())])),
                ("target", text(target.as_str())),
            ]));
        }
    }
    answer(StatusCode::OK, &object([("results", Json::Array(results))]))
}

fn with_content(request: &Request<'_>) -> bool {
    request
        .pairs()
        .any(|(key, value)| key == "with_content" && go_bool(&value) == Some(true))
}

fn shown(list: &AllowlistRow, with_content: bool) -> Json {
    let items = if with_content {
        let items = list.items.iter().map(|item| {
            let end = item.expires_ns.map_or_else(never, time);
            object([
                ("created_at", text(time(item.created_ns))),
                ("description", text(&*item.comment)),
                ("expiration", text(end)),
                ("value", text(&*item.value)),
            ])
        });
        Json::Array(items.collect())
    } else {
        Json::Null
    };
    object([
        ("allowlist_id", text(&*list.id)),
        ("console_managed", Json::Bool(list.from_console)),
        ("created_at", text(time(list.created_ns))),
        ("description", text(&*list.description)),
        ("items", items),
        ("name", text(&*list.name)),
        ("updated_at", text(time(list.updated_ns))),
    ])
}

/// Go's zero time: an item without an end.
fn never() -> String {
    "0001-01-01T00:00:00Z".to_owned()
}
