//! Helpers that ask stashes, decisions, reputation, and what only the WAF has.

use overspill_golike::duration;

use super::args::{name, text};
use super::{Effect, Helper};
use crate::error::EvalError;
use crate::services::Lookup;
use crate::types::Ty;
use crate::value::Value;

const ONE: &[Ty] = &[Ty::Str];
const TWO: &[Ty] = &[Ty::Str, Ty::Str];
const NO_REQUESTS: &str = "expressions make no requests to other hosts";

pub(super) const HELPERS: &[Helper] = &[
    Helper::new("GetFromStash", TWO, Ty::Str, |m, args| {
        let found = m.cx.stash.get(text(args, 0)?, text(args, 1)?, m.cx.now);
        Ok(found.map_or_else(|| Value::str(b""), Value::Str))
    })
    .effect(Effect::Outside),
    Helper::new(
        "SetInStash",
        &[Ty::Str, Ty::Str, Ty::Str, Ty::Any],
        Ty::Any,
        |_, _| Err(EvalError::fixed("SetInStash needs a pointer to a duration")),
    )
    .fails()
    .effect(Effect::Outside),
    Helper::new("GetDecisionsCount", ONE, Ty::Int, |m, args| {
        Ok(count(m.cx.services.decisions.count(name(args, 0)?)))
    })
    .fails()
    .effect(Effect::Outside),
    Helper::new("GetDecisionsSinceCount", TWO, Ty::Int, |m, args| {
        let value = name(args, 0)?;
        let Ok(ns) = duration::parse_with_days(name(args, 1)?) else {
            return Ok(Value::Int(0));
        };
        let since = m.cx.now.add(ns.saturating_neg());
        Ok(count(m.cx.services.decisions.count_since(value, since)))
    })
    .fails()
    .effect(Effect::Outside),
    Helper::new("GetActiveDecisionsCount", ONE, Ty::Int, |m, args| {
        Ok(count(
            m.cx.services.decisions.active(name(args, 0)?, m.cx.now),
        ))
    })
    .fails()
    .effect(Effect::Outside),
    Helper::new(
        "GetActiveDecisionsTimeLeft",
        ONE,
        Ty::Duration,
        |m, args| {
            let left =
                m.cx.services
                    .decisions
                    .active_left_ns(name(args, 0)?, m.cx.now);
            Ok(Value::Duration(left.unwrap_or(0)))
        },
    )
    .fails()
    .effect(Effect::Outside),
    Helper::new("CrowdsecCTI", ONE, Ty::Any, |m, args| {
        match m.cx.services.cti.lookup(name(args, 0)?) {
            Lookup::Ready(record) => Ok(record),
            Lookup::Failed => Err(EvalError::fixed("CTI is disabled or failed")),
            Lookup::Pending => Err(EvalError::Pending),
        }
    })
    .fails()
    .effect(Effect::Outside),
    Helper::new("Hostname", &[], Ty::Str, |m, _| {
        let hostname = &m.cx.services.hostname;
        if hostname.is_empty() {
            return Err(EvalError::fixed("the host has no name"));
        }
        Ok(Value::str(hostname))
    })
    .fails()
    .effect(Effect::Outside),
    Helper::new("JA4H", &[Ty::Any], Ty::Str, |_, _| Ok(Value::str(b""))).effect(Effect::Outside),
    Helper::refused("HTTPGet", NO_REQUESTS),
    Helper::refused("HTTPHead", NO_REQUESTS),
    Helper::refused("HTTPPost", NO_REQUESTS),
    Helper::refused("HTTPRequest", NO_REQUESTS),
];

/// Without a database, and on an error, a count is 0.
fn count(n: Option<u64>) -> Value {
    Value::Int(n.and_then(|n| i64::try_from(n).ok()).unwrap_or(0))
}
