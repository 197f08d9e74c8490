//! Helpers on URLs and query strings.

use std::sync::Arc;

use overspill_exprlib::query;
use overspill_golike::url;

use super::Helper;
use super::args::text;
use crate::boolean::TextStep;
use crate::types::{STR, Ty};
use crate::value::{Map, Value};

const ONE: &[Ty] = &[Ty::Str];
static LIST: Ty = Ty::List(&STR);
const LISTS: Ty = Ty::Map(&LIST);

pub(super) const HELPERS: &[Helper] = &[
    Helper::new("PathUnescape", ONE, Ty::Str, |_, args| {
        Ok(Value::str(TextStep::PathUnescape.apply(text(args, 0)?)))
    }),
    Helper::new("QueryUnescape", ONE, Ty::Str, |_, args| {
        Ok(Value::str(TextStep::QueryUnescape.apply(text(args, 0)?)))
    }),
    Helper::new("PathEscape", ONE, Ty::Str, |_, args| {
        Ok(Value::str(url::path_escape(text(args, 0)?)))
    }),
    Helper::new("QueryEscape", ONE, Ty::Str, |_, args| {
        Ok(Value::str(url::query_escape(text(args, 0)?)))
    }),
    Helper::new("ParseUri", ONE, LISTS, |_, args| {
        Ok(values(query::parse_uri(text(args, 0)?)))
    }),
    Helper::new("ParseQuery", ONE, LISTS, |_, args| {
        Ok(values(query::parse_query(text(args, 0)?)))
    }),
    Helper::new(
        "ExtractQueryParam",
        &[Ty::Str, Ty::Str],
        Ty::List(&STR),
        |m, args| {
            let values = query::extract_query_param(text(args, 0)?, text(args, 1)?);
            m.charge_elements(values.len())?;
            Ok(Value::strings(values.into_iter().map(Arc::from).collect()))
        },
    ),
];

/// `map[string][]string`.
fn values(values: url::Values) -> Value {
    Value::Map(Map::typed(
        values.into_iter().map(|(key, values)| {
            let values = values.into_iter().map(Arc::from).collect();
            (Arc::from(key), Value::strings(values))
        }),
        "[]string",
    ))
}
