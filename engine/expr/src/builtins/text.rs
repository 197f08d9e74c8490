//! Builtins on strings, and JSON and base64.

use std::sync::Arc;

use overspill_golike::{base64, strings};

use super::{Builtin, anything, arg, each, int_arg, invalid, is_text, text_arg};
use crate::calls::decode_tree;
use crate::error::EvalError;
use crate::eval::Machine;
use crate::types::{STR, Ty};
use crate::value::{List, Value};

/// Longest text that `repeat` makes, as in CrowdSec.
const REPEAT_MAX: i64 = 1_000_000;

pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::new(
        "string",
        (1, 1),
        |_| Some((Ty::Str, true)),
        |_, args| Ok(Value::str(arg(args, 0)?.text())),
    ),
    Builtin::new("upper", (1, 1), gives_text, |_, args| {
        Ok(Value::str(strings::upper(text_arg(args, 0)?)))
    }),
    Builtin::new("lower", (1, 1), gives_text, |_, args| {
        Ok(Value::str(strings::lower(text_arg(args, 0)?)))
    }),
    Builtin::new("trim", (1, 2), gives_text, |_, args| {
        let text = text_arg(args, 0)?;
        Ok(Value::str(match args.len() {
            1 => strings::trim_space(text),
            _ => strings::trim(text, text_arg(args, 1)?),
        }))
    }),
    Builtin::new("trimPrefix", (1, 2), gives_text, |_, args| {
        Ok(Value::str(strings::trim_prefix(
            text_arg(args, 0)?,
            blank_or(args)?,
        )))
    }),
    Builtin::new("trimSuffix", (1, 2), gives_text, |_, args| {
        Ok(Value::str(strings::trim_suffix(
            text_arg(args, 0)?,
            blank_or(args)?,
        )))
    }),
    Builtin::new("hasPrefix", (2, 2), gives_bool, |_, args| {
        Ok(Value::Bool(
            text_arg(args, 0)?.starts_with(text_arg(args, 1)?),
        ))
    }),
    Builtin::new("hasSuffix", (2, 2), gives_bool, |_, args| {
        Ok(Value::Bool(
            text_arg(args, 0)?.ends_with(text_arg(args, 1)?),
        ))
    }),
    Builtin::new("indexOf", (2, 2), gives_int, |_, args| {
        Ok(offset(strings::index(
            text_arg(args, 0)?,
            text_arg(args, 1)?,
        )))
    }),
    Builtin::new("lastIndexOf", (2, 2), gives_int, |_, args| {
        Ok(offset(strings::last_index(
            text_arg(args, 0)?,
            text_arg(args, 1)?,
        )))
    }),
    Builtin::new("split", (2, 3), gives_texts, |m, args| {
        let (text, separator) = (text_arg(args, 0)?, text_arg(args, 1)?);
        let n = if args.len() > 2 {
            int_arg(args, 2)?
        } else {
            -1
        };
        pieces(m, strings::split_n(text, separator, n))
    }),
    Builtin::new("splitAfter", (2, 3), gives_texts, |m, args| {
        let (text, separator) = (text_arg(args, 0)?, text_arg(args, 1)?);
        let n = if args.len() > 2 {
            int_arg(args, 2)?
        } else {
            -1
        };
        pieces(m, strings::split_after_n(text, separator, n))
    }),
    Builtin::new("replace", (3, 4), anything_to_text, |_, args| {
        let n = if args.len() > 3 {
            int_arg(args, 3)?
        } else {
            -1
        };
        strings::replace(
            text_arg(args, 0)?,
            text_arg(args, 1)?,
            text_arg(args, 2)?,
            n,
        )
        .map(Value::str)
        .map_err(|_| EvalError::Budget)
    }),
    Builtin::new("repeat", (2, 2), anything_to_text, |m, args| {
        let (text, n) = (text_arg(args, 0)?, int_arg(args, 1)?);
        if n > REPEAT_MAX {
            return Err(EvalError::Budget);
        }
        let n = usize::try_from(n).map_err(|_| EvalError::fixed("negative repeat count"))?;
        m.charge(text.len().saturating_mul(n) / 32)?;
        strings::repeat(text, n)
            .map(Value::str)
            .map_err(|_| EvalError::Budget)
    }),
    Builtin::new("join", (1, 2), anything_to_text, join),
    Builtin::new("toJSON", (1, 1), anything_to_text, |_, args| {
        let mut compact = Vec::new();
        let value = arg(args, 0)?;
        value
            .append_json(&mut compact)
            .map_err(|()| invalid(value))?;
        Ok(Value::str(indented(&compact)))
    }),
    Builtin::new("fromJSON", (1, 1), anything, |_, args| {
        let tree = decode_tree(text_arg(args, 0)?).map_err(EvalError::of)?;
        Ok(Value::from_tree(&tree))
    }),
    Builtin::new("toBase64", (1, 1), gives_text, |_, args| {
        Ok(Value::str(base64::encode(text_arg(args, 0)?)))
    }),
    Builtin::new("fromBase64", (1, 1), anything_to_text, |_, args| {
        let decoded = base64::decode(text_arg(args, 0)?);
        decoded
            .map(Value::str)
            .map_err(|error| EvalError::of(error.to_string()))
    }),
];

fn gives_text(types: &[Ty]) -> Option<(Ty, bool)> {
    Some((Ty::Str, each(types, is_text)?))
}

fn gives_bool(types: &[Ty]) -> Option<(Ty, bool)> {
    Some((Ty::Bool, each(types, is_text)?))
}

fn gives_int(types: &[Ty]) -> Option<(Ty, bool)> {
    Some((Ty::Int, each(types, is_text)?))
}

fn gives_texts(types: &[Ty]) -> Option<(Ty, bool)> {
    each(types.get(..2)?, is_text)?;
    Some((Ty::List(&STR), false))
}

fn anything_to_text(_: &[Ty]) -> Option<(Ty, bool)> {
    Some((Ty::Str, false))
}

fn blank_or(args: &[Value]) -> Result<&[u8], EvalError> {
    if args.len() > 1 {
        text_arg(args, 1)
    } else {
        Ok(b" ")
    }
}

fn offset(at: Option<usize>) -> Value {
    Value::Int(at.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))
}

fn pieces(m: &mut Machine<'_, '_>, pieces: Option<Vec<&[u8]>>) -> Result<Value, EvalError> {
    let pieces = pieces.unwrap_or_default();
    m.charge_elements(pieces.len())?;
    Ok(Value::strings(pieces.into_iter().map(Arc::from).collect()))
}

fn join(_: &mut Machine<'_, '_>, args: &[Value]) -> Result<Value, EvalError> {
    let list = arg(args, 0)?;
    let separator = if args.len() > 1 {
        text_arg(args, 1)?
    } else {
        b""
    };
    let Value::List(items) = list else {
        return Err(invalid(list));
    };
    if let List::Strings(items) = items {
        return Ok(Value::str(strings::join(items, separator)));
    }
    let values: Vec<Value> = items.iter().collect();
    let texts: Option<Vec<&[u8]>> = values.iter().map(Value::as_bytes).collect();
    let texts = texts.ok_or(EvalError::fixed(
        "invalid argument for join (an element is no string)",
    ))?;
    Ok(Value::str(strings::join(&texts, separator)))
}

/// Compact JSON with line ends and two blanks a level, as Go's `MarshalIndent` writes it.
fn indented(compact: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut is_escaped = false;
    let mut bytes = compact.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_string {
            out.push(byte);
            in_string = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                if let Some(close) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(depth, &mut out);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(depth, &mut out);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(depth, &mut out);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                in_string = byte == b'"';
                out.push(byte);
            }
        }
    }
    out
}

fn new_line(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth, b' ');
}
