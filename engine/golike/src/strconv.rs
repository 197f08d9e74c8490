//! Numbers and quoted strings as Go's `strconv` writes and reads them.
//!
//! Appenders write to a byte vector, for texts are byte strings everywhere else; what they write
//! is ASCII, but for [`append_quoted`], which writes UTF-8.

mod float;
mod int;
mod parse_float;
mod quote;

pub use float::{
    FloatForm, NotFinite, append_fixed6, append_float, append_float32, append_json_float,
    append_json_float32, append_shortest, format_fixed6, format_json_float, format_shortest,
};
pub(crate) use int::append_int;
pub use int::{IntError, append_decimal, atoi, parse_int, parse_uint};
pub use parse_float::{FloatError, parse_float};
pub(crate) use quote::{Charset, append_quoted_as, append_rune, can_backquote};
pub use quote::{append_quoted, is_print, quote};

#[cfg(test)]
mod tests;
