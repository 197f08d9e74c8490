//! Versions of the item format: which of them this engine reads.

use crate::yaml::table::{Findings, Text};

/// Whether an item of this format is read; absent and empty mean `1.0`.
///
/// CrowdSec ends at a text that is no version and skips the document when the version is outside
/// `>= 1.0, <= 3.0` (`pkg/cwversion/constraint`). Both are refusals here.
pub(crate) fn check(format: Option<&Text>, findings: &mut Findings<'_>) {
    let Some(format) = format.filter(|format| !format.is_empty()) else {
        return;
    };
    match segments(&format.value) {
        None => findings.refuse_with_hint(
            format,
            format!(
                "\"{}\" is not a version",
                crate::diagnostic::shown(&format.value)
            ),
            "write for example 2.0",
        ),
        Some(version) => {
            let supported = version.release >= [1, 0, 0]
                && (version.release <= [3, 0, 0] && !version.goes_on)
                && !version.is_prerelease;
            if !supported {
                findings.refuse(
                    format,
                    format!(
                        "format {} is not supported, only 1.0 to 3.0 are",
                        crate::diagnostic::shown(&format.value)
                    ),
                );
            }
        }
    }
}

struct Version {
    release: [u64; 3],
    /// More than three numbers, one of the further ones above zero.
    goes_on: bool,
    is_prerelease: bool,
}

/// A version as hashicorp's `go-version` reads it: `v`, numbers with dots, `-prerelease`, `+build`.
fn segments(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text
        .split_once('+')
        .map_or(text, |(version, _build)| version);
    let (numbers, prerelease) = match text.split_once('-') {
        Some((numbers, prerelease)) => (numbers, Some(prerelease)),
        None => (text, None),
    };
    if prerelease.is_some_and(|text| text.is_empty() || !text.is_ascii()) {
        return None;
    }
    let mut release = [0; 3];
    let mut goes_on = false;
    for (n, number) in numbers.split('.').enumerate() {
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: u64 = number.parse().ok()?;
        match release.get_mut(n) {
            Some(place) => *place = number,
            None => goes_on |= number > 0,
        }
    }
    // Above 3.0.0 by its fourth number only; 1.2.3.4 is inside all the same.
    let goes_on = goes_on && release == [3, 0, 0];
    Some(Version {
        release,
        goes_on,
        is_prerelease: prerelease.is_some(),
    })
}
