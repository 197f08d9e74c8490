//! Who asks: machines by token, bouncers by key, both by certificate.

pub(crate) mod certificate;
pub(crate) mod key;
pub(crate) mod password;
pub(crate) mod token;
