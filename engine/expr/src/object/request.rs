//! `req`: the HTTP request of a WAF match. Log alerts have an empty one.

use std::sync::Arc;

use super::Object;
use crate::error::EvalError;
use crate::value::{IntKind, Map, Value};

/// A request without anything in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestObject;

impl Object for RequestObject {
    fn type_name(&self) -> &str {
        "http.Request"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Method" | "Proto" | "Host" | "RemoteAddr" | "RequestURI" | "Pattern" => {
                Value::str(b"")
            }
            "ProtoMajor" | "ProtoMinor" => Value::Int(0),
            "ContentLength" => Value::Sized(0, IntKind::Int64),
            "Close" => Value::Bool(false),
            "URL" | "TLS" | "Body" | "Response" => Value::Nil,
            "Header" | "Form" | "PostForm" | "Trailer" => {
                Value::Map(Map::Typed(Arc::default(), "[]string"))
            }
            _ => return None,
        })
    }

    fn call(&self, method: &str, _args: &[Value]) -> Option<Result<Value, EvalError>> {
        match method {
            "UserAgent" | "Referer" | "FormValue" | "PostFormValue" => Some(Ok(Value::str(b""))),
            _ => None,
        }
    }
}
