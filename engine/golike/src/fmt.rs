//! `Sprintf`: Go's verbs, flags and error markers.
//!
//! A format that does not fit its arguments is not an error: the text then bears a marker such as
//! `%!d(string=x)`, as Go's does. A text longer than [`TEXT_BYTES_MAX`] is cut.
//!
//! Not supported: floats in base 2 and 16 (`%b`, `%x`), which get the marker of a bad verb, and
//! the fields of structs, which an [`Arg`] does not have.

mod number;
mod printf;

use crate::time::Time;

pub use printf::sprintf;

/// Longest text that [`sprintf`] makes.
pub const TEXT_BYTES_MAX: usize = 4 << 20;

/// A value to be formatted.
#[derive(Debug, Clone, PartialEq)]
pub enum Arg {
    /// An untyped nil.
    Nil,
    /// A bool.
    Bool(bool),
    /// A signed integer.
    Int {
        /// The value.
        value: i64,
        /// Go's name of the type: `int`, `int64`, ...
        go_type: &'static str,
    },
    /// An unsigned integer.
    Uint {
        /// The value.
        value: u64,
        /// Go's name of the type: `uint8`, ...
        go_type: &'static str,
    },
    /// A float64.
    Float64(f64),
    /// A float32.
    Float32(f32),
    /// A string.
    Str(Vec<u8>),
    /// A byte slice.
    Bytes(Vec<u8>),
    /// A slice.
    List {
        /// The elements.
        items: Vec<Arg>,
        /// Go's name of the type: `[]interface {}`, `[]string`, ...
        go_type: &'static str,
    },
    /// A map with string keys.
    Map {
        /// The members, in byte order of their keys.
        members: Vec<(Vec<u8>, Arg)>,
        /// Go's name of the type: `map[string]interface {}`, ...
        go_type: &'static str,
    },
    /// A `time.Time`.
    Time(Time),
    /// A `time.Duration`, in nanoseconds.
    Duration(i64),
    /// Any other value, with the text that it has.
    Other {
        /// What `%v` and `%s` print.
        text: Vec<u8>,
        /// Go's name of the type.
        go_type: &'static str,
    },
}

impl Arg {
    /// An `int`.
    #[must_use]
    pub fn int(value: i64) -> Self {
        Self::Int {
            value,
            go_type: "int",
        }
    }

    /// Go's name of the type, as `%T` prints it.
    #[must_use]
    pub fn go_type(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Float64(_) => "float64",
            Self::Float32(_) => "float32",
            Self::Str(_) => "string",
            Self::Bytes(_) => "[]uint8",
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Int { go_type, .. }
            | Self::Uint { go_type, .. }
            | Self::List { go_type, .. }
            | Self::Map { go_type, .. }
            | Self::Other { go_type, .. } => go_type,
        }
    }

    /// The default text: `%v`.
    #[must_use]
    pub fn default_text(&self) -> Vec<u8> {
        sprintf(b"%v", std::slice::from_ref(self))
    }
}

#[cfg(test)]
mod tests;
