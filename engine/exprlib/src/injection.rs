//! `LibInjectionIsSQLI` and `LibInjectionIsXSS`: not supported.
//!
//! CrowdSec asks libinjection, whose verdicts come from large tables of fingerprints. No maintained
//! library offers them here, and an imitation would silently decide otherwise than the original.
//! An item that uses these helpers is to be refused at load with this error.

/// A helper that is not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{helper} is not supported: there is no libinjection")]
pub struct Unsupported {
    helper: &'static str,
}

/// Why `LibInjectionIsSQLI` cannot be used.
pub const IS_SQLI: Unsupported = Unsupported {
    helper: "LibInjectionIsSQLI",
};

/// Why `LibInjectionIsXSS` cannot be used.
pub const IS_XSS: Unsupported = Unsupported {
    helper: "LibInjectionIsXSS",
};
