//! Helpers on data files, and on lists.

use overspill_exprlib::bots::Verdict;

use super::args::{any, name, text};
use super::{Effect, Helper};
use crate::error::EvalError;
use crate::eval::Machine;
use crate::services::Lookup;
use crate::types::{ANY, STR, STRING_MAP, Ty};
use crate::value::{List, Value, equal};

const ONE: &[Ty] = &[Ty::Str];
const TWO: &[Ty] = &[Ty::Str, Ty::Str];
const FILE_MAP: Ty = Ty::List(&STRING_MAP);
/// How many names of an address are looked at, as in CrowdSec.
const NAMES_MAX: usize = 3;

pub(super) const HELPERS: &[Helper] = &[
    Helper::new("File", ONE, Ty::List(&STR), |m, args| {
        let lines = m.cx.services.lines(name(args, 0)?);
        Ok(Value::List(List::Strings(lines)))
    })
    .files(),
    Helper::new("RegexpInFile", TWO, Ty::Bool, |m, args| {
        let found = m.cx.services.regexp_in_file(name(args, 1)?, text(args, 0)?);
        Ok(Value::Bool(found))
    })
    .files(),
    Helper::new("FileMap", ONE, FILE_MAP, |m, args| {
        Ok(m.cx.services.rows(name(args, 0)?))
    })
    .files(),
    Helper::new("LookupFile", TWO, Ty::Str, |m, args| {
        let tag = m.cx.services.lookup(name(args, 1)?, text(args, 0)?);
        Ok(Value::str(tag.unwrap_or_default()))
    })
    .files(),
    Helper::new(
        "MatchKnownBot",
        &[Ty::Str, Ty::Str, Ty::Str],
        Ty::Bool,
        known_bot,
    )
    .variadic()
    .files()
    .fails()
    .effect(Effect::Outside),
    Helper::new("Distinct", &[Ty::Any], Ty::List(&ANY), |m, args| {
        let value = m.plain(any(args, 0)?.clone());
        let Value::List(list) = &value else {
            return Ok(Value::Nil);
        };
        let items = list.iter().collect();
        distinct(m, items)
    }),
    Helper::new("Flatten", &[], Ty::List(&ANY), |m, args| {
        let items = flattened(m, args)?;
        m.list(items)
    })
    .variadic(),
    Helper::new("FlattenDistinct", &[], Ty::List(&ANY), |m, args| {
        let items = flattened(m, args)?;
        distinct(m, items)
    })
    .variadic(),
];

/// Elements without those that came before, in order.
fn distinct(machine: &mut Machine<'_, '_>, items: Vec<Value>) -> Result<Value, EvalError> {
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        machine.charge(1 + kept.len() / 4)?;
        if !kept.iter().any(|other| equal(other, &item)) {
            kept.push(item);
        }
    }
    machine.list(kept)
}

/// All elements of all lists within lists, in order.
fn flattened(machine: &mut Machine<'_, '_>, args: &[Value]) -> Result<Vec<Value>, EvalError> {
    let mut open: Vec<Value> = args.iter().rev().cloned().collect();
    let mut flat = Vec::new();
    while let Some(value) = open.pop() {
        machine.charge(1)?;
        match machine.plain(value) {
            Value::List(list) => {
                machine.charge(list.len())?;
                open.extend((0..list.len()).rev().filter_map(|at| list.get(at)));
            }
            other => flat.push(other),
        }
    }
    Ok(flat)
}

/// Whether a request comes from a known crawler: proved by its address, or by a name of that
/// address which resolves to the address again.
fn known_bot(m: &mut Machine<'_, '_>, args: &[Value]) -> Result<Value, EvalError> {
    let (address, agent, path) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
    let services = m.cx.services;
    for at in 3..args.len() {
        let Some(file) = services.bots(name(args, at)?) else {
            continue;
        };
        match file.check(address, agent, path) {
            Verdict::Known => return Ok(Value::Bool(true)),
            Verdict::Unknown => {}
            Verdict::AskNames(ip) => {
                let names = match services.resolver.reverse(ip) {
                    Lookup::Ready(names) => names,
                    Lookup::Failed => continue,
                    Lookup::Pending => return Err(EvalError::Pending),
                };
                for name in names.iter().take(NAMES_MAX) {
                    if !file.is_host_known(name.as_bytes(), agent, path) {
                        continue;
                    }
                    match services.resolver.forward(name) {
                        Lookup::Ready(ips) if ips.contains(&ip) => return Ok(Value::Bool(true)),
                        Lookup::Ready(_) | Lookup::Failed => {}
                        Lookup::Pending => return Err(EvalError::Pending),
                    }
                }
            }
        }
    }
    Ok(Value::Bool(false))
}
