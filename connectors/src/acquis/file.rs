//! `source: file`.

use std::time::Duration;

use overspill_event::Origin;

use super::table::Table;
use super::{AcquisitionKind, Surroundings};
use crate::tail::{Start, TailConfig, check_pattern};

/// Largest line that can be asked for.
const LINE_BYTES_MAX: u64 = 1 << 30;
/// Most files that can be asked to be open.
const OPEN_FILES_MAX: u64 = 1 << 20;

/// Reads what is left of a document; answers what identifies the source, and the source.
pub(super) fn read(
    table: &mut Table<'_>,
    surroundings: &Surroundings<'_>,
    origin: Origin,
    mode: &str,
) -> Option<(Vec<String>, AcquisitionKind)> {
    let mut patterns = table.texts("filenames");
    patterns.extend(table.text_at("filename"));
    if patterns.is_empty() {
        let key = if table.has("filenames") {
            "filenames"
        } else {
            "filename"
        };
        table.refuse_key(key, "missing: name at least one file");
    }
    for (pattern, at) in &patterns {
        if let Err(why) = check_pattern(pattern) {
            table.refuse_at(
                *at,
                "filenames",
                &format!("{pattern:?} is no pattern: {why}"),
            );
        }
    }
    let mut excludes = Vec::new();
    for (expression, at) in table.texts("exclude_regexps") {
        match (surroundings.exclude)(&expression) {
            Ok(exclude) => excludes.push(exclude),
            Err(why) => {
                let message = format!("{expression:?} is no expression: {why}");
                table.refuse_at(at, "exclude_regexps", &message);
            }
        }
    }
    // Files are looked at on a timer, so these two have nothing to choose.
    table.flag("force_inotify");
    table.flag("poll_without_inotify");
    let is_found_anew = table.flag("discovery_poll_enable").unwrap_or(false);
    let find_every = table.duration("discovery_poll_interval");
    table.duration("crowdtailstat_read_interval");
    let line_bytes_max = table.number("max_buffer_size", LINE_BYTES_MAX);
    let start = start(table);
    let open_files_max = table.number("open_files_max", OPEN_FILES_MAX);
    let rotate_wait = table.duration("rotate_wait");
    let gone_wait = table.duration("gone_wait");

    let patterns: Vec<String> = patterns.into_iter().map(|(pattern, _)| pattern).collect();
    let identity = std::iter::once("file".to_owned())
        .chain(patterns.iter().cloned())
        .collect();
    let mut config = TailConfig::new("", patterns, origin);
    let size = |number: u64| usize::try_from(number).ok();
    config.excludes = excludes;
    config.start = start;
    config.line_bytes_max = line_bytes_max
        .and_then(size)
        .unwrap_or(config.line_bytes_max);
    config.open_files_max = open_files_max
        .and_then(size)
        .unwrap_or(config.open_files_max);
    config.rotate_wait = rotate_wait.unwrap_or(config.rotate_wait);
    config.gone_wait = gone_wait.unwrap_or(config.gone_wait);
    if is_found_anew {
        let every = find_every.unwrap_or(Duration::from_secs(30));
        config.find_every = every.max(config.find_every);
    }
    let kind = match mode {
        // The last two are names of CrowdSec's own readers, `server` one of `tail`.
        "tail" | "server" | "crowdtail" | "crowdtailstat" => AcquisitionKind::Tail(config),
        "cat" => AcquisitionKind::Once(config),
        _ => {
            table.refuse_key("mode", &format!("{mode:?} is neither tail nor cat"));
            return None;
        }
    };
    Some((identity, kind))
}

fn start(table: &mut Table<'_>) -> Start {
    match table.text("start").as_deref() {
        None | Some("end") => Start::End,
        Some("beginning") => Start::Beginning,
        Some(other) => {
            table.refuse_key("start", &format!("{other:?} is neither end nor beginning"));
            Start::End
        }
    }
}
