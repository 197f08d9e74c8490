//! Values of a configuration put in their places: what is written replaces what another file said before, what is not
//! written leaves it.

use std::path::PathBuf;

use crate::yaml::table::{Findings, Table};

/// A text that is not empty.
pub(crate) fn put_text(
    place: &mut Option<String>,
    table: &mut Table<'_>,
    key: &'static str,
    findings: &mut Findings<'_>,
) {
    if let Some(text) = table.filled(key, findings) {
        *place = Some(text.value.to_string());
    }
}

/// A path that is not empty.
pub(crate) fn put_path(
    place: &mut Option<PathBuf>,
    table: &mut Table<'_>,
    key: &'static str,
    findings: &mut Findings<'_>,
) {
    if let Some(text) = table.filled(key, findings) {
        *place = Some(PathBuf::from(&*text.value));
    }
}
