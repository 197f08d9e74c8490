//! What is done for each route. Everything here blocks: the server calls it where that is allowed.

mod alerts;
mod allowlists;
mod decisions;
mod usage;
mod watchers;

use std::sync::Arc;

use hyper::StatusCode;
use overspill_decision::Block;
use overspill_golike::json::{Escape, Json, Object, append_value};

use crate::active::{ViewError, go_bool};
use crate::caller::{Asking, Caller};
use crate::core::Core;
use crate::reply::{self, Outcome, Refusal};
use crate::routes::Route;

/// A request whose sender is known and whose body is read.
pub(crate) struct Request<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) asking: &'a Asking,
    pub(crate) caller: Caller,
    /// What stands after the question mark.
    pub(crate) query: &'a str,
    pub(crate) body: Vec<u8>,
}

/// Serves a request.
pub(crate) fn handle(route: &Route, request: Request<'_>) -> Outcome {
    match route {
        Route::Health => Ok(reply::json(StatusCode::OK, br#"{"status":"up"}"#.to_vec())),
        Route::Register => watchers::register(&request),
        Route::Login => watchers::login(&request),
        Route::Refresh => watchers::refresh(&request),
        Route::Unregister => watchers::unregister(&request),
        Route::Heartbeat => watchers::heartbeat(&request),
        Route::PushAlerts => alerts::push(&request),
        Route::ListAlerts => alerts::list(&request),
        Route::DeleteAlerts => alerts::delete(&request),
        Route::Alert(id) => alerts::one(&request, id),
        Route::DeleteAlert(id) => alerts::delete_one(&request, id),
        Route::ListDecisions => decisions::list(&request),
        Route::Stream => decisions::stream(&request),
        Route::DeleteDecisions => decisions::delete(&request),
        Route::DeleteDecision(id) => decisions::delete_one(&request, id),
        Route::Allowlists => allowlists::list(&request),
        Route::Allowlist(name) => allowlists::one(&request, name),
        Route::CheckAllowlist(value) => allowlists::check(&request, value),
        Route::CheckAllowlists => allowlists::check_all(&request),
        Route::UsageMetrics => usage::take(&request),
    }
}

impl Request<'_> {
    /// The machine that asks. A route of machines has no other callers.
    fn machine(&self) -> Result<&overspill_store::Machine, Refusal> {
        match &self.caller {
            Caller::Machine(machine) => Ok(machine),
            _ => Err(Refusal::unauthorized("cookie token is empty")),
        }
    }

    /// The query, pair by pair.
    fn pairs(&self) -> impl Iterator<Item = (String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        overspill_golike::url::parse_query_lenient(self.query.as_bytes())
            .into_iter()
            .map(move |(key, value)| (text(key), text(value)))
    }
}

/// A word of a query that is true or false.
fn truth(key: &str, value: &str) -> Result<bool, Refusal> {
    go_bool(value).ok_or_else(|| {
        Refusal::internal(format!(
            "invalid {key} value : strconv.ParseBool: parsing \"{value}\": invalid syntax"
        ))
    })
}

/// An address or a range of a query.
fn block(value: &str) -> Result<Block, Refusal> {
    Block::parse(value)
        .ok_or_else(|| Refusal::internal(ViewError::Address(value.to_owned()).to_string()))
}

/// A value as a body.
fn answer(status: StatusCode, value: &Json) -> Outcome {
    let mut out = Vec::new();
    append_value(value, Escape::Html, &mut out)
        .map_err(|_| Refusal::internal("a number has no form"))?;
    Ok(reply::json(status, out))
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(Object::new(
        members
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    ))
}

fn text(text: impl Into<String>) -> Json {
    Json::Str(text.into())
}

fn n_deleted(n: u64) -> Outcome {
    answer(
        StatusCode::OK,
        &object([("nbDeleted", text(n.to_string()))]),
    )
}

/// A time as the API gives it: RFC 3339, in seconds.
fn time(ns: i64) -> String {
    use overspill_golike::time::{Time, append_rfc3339};
    let mut out = Vec::with_capacity(20);
    append_rfc3339(&Time::from_unix_ns(ns), &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Reads a body as one JSON object.
fn body_object(body: &[u8]) -> Result<Object, String> {
    match overspill_golike::json::decode(body) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err("the body is no JSON object".to_owned()),
        Err(_) if body.is_empty() => Err("EOF".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A text of an object; none if it is not there, `null`, or something else.
fn member<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    match object.get(key) {
        Some(Json::Str(text)) => Some(text),
        _ => None,
    }
}

/// What CrowdSec says of members that are not there.
fn missing(members: &[&str]) -> String {
    let mut text = "validation failure list:".to_owned();
    for member in members {
        text.push('\n');
        text.push_str(member);
        text.push_str(" in body is required");
    }
    text
}
