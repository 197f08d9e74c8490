//! Integers of Go types other than `int`.

/// Which Go type an integer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntKind {
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// `uint8`, a byte of a string.
    Uint8,
    /// `uint16`.
    Uint16,
    /// `uint32`.
    Uint32,
    /// `uint64`.
    Uint64,
    /// `uint`.
    Uint,
    /// `time.Weekday`: Sunday is 0.
    Weekday,
    /// `time.Month`: January is 1.
    Month,
}

impl IntKind {
    /// Go's name of the type.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Uint => "uint",
            Self::Weekday => "time.Weekday",
            Self::Month => "time.Month",
        }
    }
}
