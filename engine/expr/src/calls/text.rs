//! Helpers on strings (`pkg/exprhelpers/strings.go`).

use std::borrow::Cow;
use std::sync::Arc;

use overspill_exprlib::{glob, number};
use overspill_golike::{base64, fmt, strings};

use super::args::{any, float, int, strings as texts, text};
use super::{Effect, Helper};
use crate::error::EvalError;
use crate::eval::Machine;
use crate::types::{STR, Ty};
use crate::value::{Bytes, Value};

const ONE: &[Ty] = &[Ty::Str];
const TWO: &[Ty] = &[Ty::Str, Ty::Str];
const LIST: Ty = Ty::List(&STR);
const NO_INJECTION: &str = "detection of injections by their grammar is not supported";

pub(super) const HELPERS: &[Helper] = &[
    Helper::new("Upper", ONE, Ty::Str, |_, args| {
        changed(text(args, 0)?, strings::upper)
    }),
    Helper::new("Lower", ONE, Ty::Str, |_, args| {
        changed(text(args, 0)?, strings::lower)
    }),
    Helper::new("Split", TWO, LIST, |m, args| {
        pieces(m, Some(strings::split(text(args, 0)?, text(args, 1)?)))
    }),
    Helper::new("SplitAfter", TWO, LIST, |m, args| {
        pieces(
            m,
            Some(strings::split_after(text(args, 0)?, text(args, 1)?)),
        )
    }),
    Helper::new("SplitN", &[Ty::Str, Ty::Str, Ty::Int], LIST, |m, args| {
        pieces(
            m,
            strings::split_n(text(args, 0)?, text(args, 1)?, int(args, 2)?),
        )
    }),
    Helper::new(
        "SplitAfterN",
        &[Ty::Str, Ty::Str, Ty::Int],
        LIST,
        |m, args| {
            pieces(
                m,
                strings::split_after_n(text(args, 0)?, text(args, 1)?, int(args, 2)?),
            )
        },
    ),
    Helper::new("Fields", ONE, LIST, |m, args| {
        pieces(m, Some(strings::fields(text(args, 0)?)))
    }),
    Helper::new("Join", &[LIST, Ty::Str], Ty::Str, |_, args| {
        Ok(Value::str(strings::join(texts(args, 0)?, text(args, 1)?)))
    }),
    Helper::new("Get", &[LIST, Ty::Int], Ty::Str, get).fails(),
    Helper::new("Index", TWO, Ty::Int, |_, args| {
        Ok(offset(strings::index(text(args, 0)?, text(args, 1)?)))
    }),
    Helper::new("IndexAny", TWO, Ty::Int, |_, args| {
        Ok(offset(strings::index_any(text(args, 0)?, text(args, 1)?)))
    }),
    Helper::new(
        "Replace",
        &[Ty::Str, Ty::Str, Ty::Str, Ty::Int],
        Ty::Str,
        |_, args| replaced(args, int(args, 3)?),
    )
    .fails(),
    Helper::new(
        "ReplaceAll",
        &[Ty::Str, Ty::Str, Ty::Str],
        Ty::Str,
        |_, args| replaced(args, -1),
    )
    .fails(),
    Helper::new("Trim", TWO, Ty::Str, |_, args| trimmed(args, strings::trim)),
    Helper::new("TrimLeft", TWO, Ty::Str, |_, args| {
        trimmed(args, strings::trim_left)
    }),
    Helper::new("TrimRight", TWO, Ty::Str, |_, args| {
        trimmed(args, strings::trim_right)
    }),
    Helper::new("TrimPrefix", TWO, Ty::Str, |_, args| {
        trimmed(args, strings::trim_prefix)
    }),
    Helper::new("TrimSuffix", TWO, Ty::Str, |_, args| {
        trimmed(args, strings::trim_suffix)
    }),
    Helper::new("TrimSpace", ONE, Ty::Str, |_, args| {
        Ok(Value::str(strings::trim_space(text(args, 0)?)))
    }),
    Helper::new("Sprintf", ONE, Ty::Str, |m, args| {
        let format = text(args, 0)?;
        Ok(Value::str(fmt::sprintf(format, &format_args_of(m, args)?)))
    })
    .variadic(),
    Helper::new("ToString", &[Ty::Any], Ty::Str, |_, args| {
        Ok(match any(args, 0)? {
            Value::Str(bytes) => Value::Str(Bytes::clone(bytes)),
            _ => Value::str(b""),
        })
    }),
    Helper::new("Match", TWO, Ty::Bool, |_, args| {
        Ok(Value::Bool(glob::matches(text(args, 0)?, text(args, 1)?)))
    }),
    Helper::new("Atof", ONE, Ty::Float, |_, args| {
        Ok(Value::Float(number::atof(text(args, 0)?)))
    }),
    Helper::new(
        "FloatApproxEqual",
        &[Ty::Float, Ty::Float],
        Ty::Bool,
        |_, args| {
            Ok(Value::Bool(number::float_approx_equal(
                float(args, 0)?,
                float(args, 1)?,
            )))
        },
    ),
    Helper::refused("LibInjectionIsSQLI", NO_INJECTION),
    Helper::refused("LibInjectionIsXSS", NO_INJECTION),
    Helper::new("B64Decode", ONE, Ty::Str, |_, args| {
        match base64::decode(text(args, 0)?) {
            Ok(bytes) => Ok(Value::str(bytes)),
            Err(error) => Err(EvalError::of(error.to_string())),
        }
    })
    .fails(),
    Helper::new("LogInfo", ONE, Ty::Bool, |m, args| {
        let line = fmt::sprintf(text(args, 0)?, &format_args_of(m, args)?);
        m.cx.services.log.info(&String::from_utf8_lossy(&line));
        Ok(Value::Bool(true))
    })
    .variadic()
    .effect(Effect::Writes),
];

/// `basename(path)`, which assertions of hub tests have: the text after the last `/`, as Go's
/// `filepath.Base` gives it.
pub(super) static BASENAME: Helper = Helper::new("basename", ONE, Ty::Str, |_, args| {
    let path = text(args, 0)?;
    let trimmed = &path[..path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1)];
    let base = trimmed.rsplit(|b| *b == b'/').next().unwrap_or_default();
    Ok(Value::str(match (path.is_empty(), trimmed.is_empty()) {
        (true, _) => b".",
        (false, true) => b"/",
        _ => base,
    }))
});

fn changed(text: &[u8], change: for<'t> fn(&'t [u8]) -> Cow<'t, [u8]>) -> Result<Value, EvalError> {
    Ok(Value::str(change(text)))
}

fn pieces(machine: &mut Machine<'_, '_>, pieces: Option<Vec<&[u8]>>) -> Result<Value, EvalError> {
    // Asked for no piece at all, Go gives a nil slice.
    let Some(pieces) = pieces else {
        return Ok(Value::strings(Vec::new()));
    };
    machine.charge_elements(pieces.len())?;
    Ok(Value::strings(pieces.into_iter().map(Arc::from).collect()))
}

fn get(_: &mut Machine<'_, '_>, args: &[Value]) -> Result<Value, EvalError> {
    let items = texts(args, 0)?;
    let at = usize::try_from(int(args, 1)?).map_err(|_| EvalError::fixed("index out of range"))?;
    Ok(items
        .get(at)
        .map_or_else(|| Value::str(b""), |item| Value::Str(Arc::clone(item))))
}

fn offset(at: Option<usize>) -> Value {
    Value::Int(at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))
}

fn replaced(args: &[Value], n: i64) -> Result<Value, EvalError> {
    let replaced = strings::replace(text(args, 0)?, text(args, 1)?, text(args, 2)?, n);
    replaced.map(Value::str).map_err(|_| EvalError::Budget)
}

fn trimmed(
    args: &[Value],
    trim: for<'t> fn(&'t [u8], &[u8]) -> &'t [u8],
) -> Result<Value, EvalError> {
    Ok(Value::str(trim(text(args, 0)?, text(args, 1)?)))
}

fn format_args_of(machine: &Machine<'_, '_>, args: &[Value]) -> Result<Vec<fmt::Arg>, EvalError> {
    let rest = args.get(1..).unwrap_or_default();
    Ok(rest
        .iter()
        .map(|value| machine.plain(value.clone()).to_arg())
        .collect())
}
