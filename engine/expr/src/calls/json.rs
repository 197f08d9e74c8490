//! Helpers on JSON, key-value texts and XML.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_event::{Tree, TreeMap};
use overspill_exprlib::{json_extract, key_value, xml};

use super::args::{any, text};
use super::{Effect, Helper};
use crate::error::EvalError;
use crate::eval::Machine;
use crate::types::{ANY, Ty};
use crate::value::{Bytes, EventPart, Part, Value};

const MAP: Ty = Ty::Map(&ANY);
const TWO: &[Ty] = &[Ty::Str, Ty::Str];
const THREE: &[Ty] = &[Ty::Str, Ty::Str, Ty::Str];
const WRITE: &[Ty] = &[Ty::Str, MAP, Ty::Str];
/// A `map[string]string` within `evt.Unmarshaled`.
type Strings = BTreeMap<Box<[u8]>, Bytes>;

pub(super) const HELPERS: &[Helper] = &[
    Helper::new("UnmarshalJSON", WRITE, Ty::Nil, |m, args| {
        let tree = decode_tree(text(args, 0)?).map_err(EvalError::of)?;
        let key = text(args, 2)?;
        target(m, args)?.insert(key.into(), tree);
        Ok(Value::Nil)
    })
    .fails()
    .effect(Effect::Writes),
    Helper::new("ParseKV", WRITE, Ty::Nil, |m, args| {
        let pairs =
            key_value::parse(text(args, 0)?).map_err(|error| EvalError::of(error.to_string()))?;
        let pairs = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()));
        strings_at(m, args)?.extend(pairs);
        Ok(Value::Nil)
    })
    .fails()
    .effect(Effect::Writes),
    Helper::new("ParseKVLax", WRITE, Ty::Nil, |m, args| {
        // The target is there even when the text has no pair.
        let strings = strings_at(m, args)?;
        let pairs = key_value::parse_lax(text(args, 0)?)
            .map_err(|error| EvalError::of(error.to_string()))?;
        let pairs = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), Arc::from(&*value)));
        strings.extend(pairs);
        Ok(Value::Nil)
    })
    .fails()
    .effect(Effect::Writes),
    Helper::new("JsonExtract", TWO, Ty::Str, |_, args| {
        let found = json_extract::extract(text(args, 0)?, text(args, 1)?);
        Ok(Value::str(found.unwrap_or_default()))
    }),
    Helper::new("JsonExtractUnescape", TWO, Ty::Str, |_, args| {
        let found = json_extract::extract_unescaped(text(args, 0)?, text(args, 1)?);
        Ok(Value::str(found.unwrap_or_default()))
    })
    .variadic(),
    Helper::new("JsonExtractLib", TWO, Ty::Str, |_, _| {
        Err(EvalError::fixed("JsonExtractLib does not take strings"))
    })
    .variadic()
    .fails(),
    Helper::new("JsonExtractSlice", TWO, Ty::List(&ANY), |m, args| {
        let found = json_extract::extract_array(text(args, 0)?, text(args, 1)?);
        decoded(m, found)
    })
    .fails(),
    Helper::new("JsonExtractObject", TWO, MAP, |m, args| {
        let found = json_extract::extract_object(text(args, 0)?, text(args, 1)?);
        decoded(m, found)
    })
    .fails(),
    Helper::new("XMLGetNodeValue", TWO, Ty::Str, |_, args| {
        let found = xml::node_value(text(args, 0)?, text(args, 1)?);
        Ok(Value::str(found.unwrap_or_default()))
    }),
    Helper::new("XMLGetAttributeValue", THREE, Ty::Str, |_, args| {
        let found = xml::attribute_value(text(args, 0)?, text(args, 1)?, text(args, 2)?);
        Ok(Value::str(found.unwrap_or_default()))
    }),
    Helper::new("ToJsonString", &[Ty::Any], Ty::Str, |m, args| {
        let mut out = Vec::new();
        let value = m.plain(any(args, 0)?.clone());
        Ok(if value.append_json(&mut out).is_ok() {
            Value::str(out)
        } else {
            Value::str(b"")
        })
    }),
    Helper::new("KeyExists", &[Ty::Str, MAP], Ty::Bool, |m, args| {
        let key = text(args, 0)?;
        match m.plain(any(args, 1)?.clone()) {
            Value::Map(map) => Ok(Value::Bool(map.contains_key(key))),
            Value::Nil => Ok(Value::Bool(false)),
            other => Err(EvalError::of(format!(
                "cannot use {} as a map",
                other.type_name()
            ))),
        }
    }),
];

/// The map that a helper writes to: `evt.Unmarshaled`, the only one that outlives the expression.
fn target<'m>(
    machine: &'m mut Machine<'_, '_>,
    args: &[Value],
) -> Result<&'m mut TreeMap, EvalError> {
    match any(args, 1)? {
        Value::Event(EventPart {
            event: None,
            part: Part::Tree,
        }) => Ok(machine.event_mut()?.tree_mut()),
        other => Err(EvalError::of(format!(
            "cannot write to {}, only to evt.Unmarshaled",
            other.type_name()
        ))),
    }
}

/// The map of strings at the key that the third argument names, made if it is not there.
fn strings_at<'m>(
    machine: &'m mut Machine<'_, '_>,
    args: &[Value],
) -> Result<&'m mut Strings, EvalError> {
    let key = text(args, 2)?;
    let entry = target(machine, args)?.entry(key.into());
    match entry.or_insert_with(|| Tree::Strings(Arc::default())) {
        Tree::Strings(strings) => Ok(Arc::make_mut(strings)),
        _ => Err(EvalError::fixed(
            "the target key holds something that is no map of strings",
        )),
    }
}

/// What a piece of JSON text decodes to; nil when there is none.
fn decoded(machine: &mut Machine<'_, '_>, found: Option<&[u8]>) -> Result<Value, EvalError> {
    let Some(text) = found else {
        return Ok(Value::Nil);
    };
    machine.charge(text.len() / 8)?;
    Ok(decode_tree(text).map_or(Value::Nil, |tree| Value::from_tree(&tree)))
}

/// A JSON document as an untyped tree.
pub(crate) fn decode_tree(text: &[u8]) -> Result<Tree, String> {
    Tree::from_json(text).map_err(|error| error.to_string())
}
