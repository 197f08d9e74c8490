//! Decisions: `/v1/decisions`, `/v1/decisions/stream` (`lapi.md` 9, 10).

use std::sync::Arc;

use hyper::StatusCode;
use overspill_store::{Bouncer, DecisionFilter, Reason};

use super::{Request, block, n_deleted, truth};
use crate::active::{Dialect, Held, Mark, View, severity};
use crate::caller::{Caller, failed};
use crate::reply::{self, Outcome, Refusal};
use crate::stream::Telling;
use crate::wire;

/// What is in force of what was asked for.
pub(super) fn list(request: &Request<'_>) -> Outcome {
    let core = request.core;
    let Caller::Bouncer(bouncer) = &request.caller else {
        return Ok(reply::empty(StatusCode::OK));
    };
    let view = view(request.query)?;
    let page = Page::parse(request)?;
    let (active, now_ns) = core.active().map_err(failed)?;
    let mut found = active.find(&view);
    drop(active);
    page.apply(&mut found);
    core.seen(bouncer.id);
    core.meters
        .decisions_asked(&bouncer.name, !found.is_empty());
    // Three clients need this word and no empty list.
    if found.is_empty() {
        return Ok(reply::json(StatusCode::OK, b"null".to_vec()));
    }
    let mut out = vec![b'['];
    for (number, held) in found.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        wire::append_listed(held, now_ns, &mut out);
    }
    out.push(b']');
    Ok(reply::json(StatusCode::OK, out))
}

/// Which part of what was found is given.
#[derive(Debug, Default)]
struct Page {
    limit: Option<usize>,
    offset: usize,
    id_above: Option<i64>,
}

impl Page {
    fn parse(request: &Request<'_>) -> Result<Self, Refusal> {
        let mut page = Self::default();
        for (key, value) in request.pairs() {
            let wrong = || {
                Refusal::internal(format!(
                    "invalid {key} value : strconv.Atoi: parsing \"{value}\": invalid syntax"
                ))
            };
            match key.as_str() {
                "limit" => page.limit = Some(value.parse().map_err(|_| wrong())?),
                "offset" => page.offset = value.parse().map_err(|_| wrong())?,
                "id_gt" => page.id_above = Some(value.parse().map_err(|_| wrong())?),
                _ => {}
            }
        }
        Ok(page)
    }

    /// Pages are cut by number. What is given whole has the strictest first, which is all that some clients look at.
    fn apply(&self, found: &mut Vec<Arc<Held>>) {
        let is_whole = self.limit.is_none() && self.offset == 0 && self.id_above.is_none();
        if is_whole {
            found.sort_by_key(|held| (std::cmp::Reverse(severity(&held.kind)), held.id));
            return;
        }
        if let Some(id) = self.id_above {
            found.retain(|held| held.id > id);
        }
        found.drain(..self.offset.min(found.len()));
        if let Some(limit) = self.limit {
            found.truncate(limit);
        }
    }
}

fn view(query: &str) -> Result<View, Refusal> {
    View::parse(query).map_err(|error| Refusal::internal(error.to_string()))
}

/// What a bouncer does not know yet.
pub(super) fn stream(request: &Request<'_>) -> Outcome {
    let core = request.core;
    let Caller::Bouncer(bouncer) = &request.caller else {
        return Ok(reply::empty(StatusCode::OK));
    };
    let mut view = view(request.query)?;
    if view.scopes.is_none() {
        view.scopes = Some(vec!["Ip".to_owned(), "Range".to_owned()]);
    }
    let is_startup = request
        .pairs()
        .any(|(key, value)| key == "startup" && value == "true");
    let (active, now_ns) = core.active().map_err(failed)?;
    let mark = if is_startup {
        None
    } else {
        mark(request, bouncer)
    };
    let dialect = Dialect::of(request.asking.user_agent());
    let answer = mark
        .and_then(|mark| active.delta(&view, mark, dialect, now_ns))
        .unwrap_or_else(|| active.startup(&view, now_ns));
    drop(active);
    let (told, id) = (Arc::clone(core), bouncer.id);
    Ok(reply::telling(Telling::new(answer, now_ns, move |mark| {
        told.told(id, mark)
    })))
}

/// How far a bouncer has come: what it was told last, here or as the store has it.
fn mark(request: &Request<'_>, bouncer: &Bouncer) -> Option<Mark> {
    let pull = request.core.pull_of(bouncer.id);
    let cursor = pull.and_then(|pull| pull.cursor).or(bouncer.cursor)?;
    Some(Mark {
        seq: cursor.seq,
        at_ns: cursor.at_ns,
    })
}

/// Ends decisions.
pub(super) fn delete(request: &Request<'_>) -> Outcome {
    let core = request.core;
    let mut filter = DecisionFilter {
        contains: true,
        ..DecisionFilter::default()
    };
    for (key, value) in request.pairs() {
        match key.as_str() {
            "contains" => filter.contains = truth(&key, &value)?,
            "scopes" => filter.scope = Some(value),
            "uuid" => filter.uuids.push(value),
            "origin" => filter.origin = Some(value),
            "value" => filter.value = Some(value),
            "type" => filter.kind = Some(value),
            "scenario" => filter.scenario = Some(value),
            "ip" | "range" => filter.block = Some(block(&value)?),
            other => {
                return Err(Refusal::internal(format!(
                    "'{other}' doesn't exist: invalid filter"
                )));
            }
        }
    }
    let n = core
        .store
        .expire_decisions(&filter, Reason::Deleted, core.now_ns())
        .map_err(failed)?;
    n_deleted(n)
}

/// Ends one decision.
pub(super) fn delete_one(request: &Request<'_>, id: &str) -> Outcome {
    let core = request.core;
    let id: i64 = id
        .parse()
        .map_err(|_| Refusal::bad_request("decision_id must be valid integer"))?;
    match core.store.expire_decision(id, core.now_ns()) {
        Ok(n) => n_deleted(n),
        Err(error) if error.is_not_found() => Err(Refusal::internal(format!(
            "decision with id '{id}' doesn't exist: unable to delete"
        ))),
        Err(error) => Err(failed(error)),
    }
}
