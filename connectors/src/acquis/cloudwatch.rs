//! `source: cloudwatch`.

use std::path::Path;
use std::time::Duration;

use overspill_event::Origin;

use super::aws;
use super::table::Table;
use super::{AcquisitionKind, Surroundings};
use crate::cloudwatch::{CloudWatchConfig, Start, Streams};

/// Largest line that can be asked for.
const LINE_BYTES_MOST: u64 = 1 << 30;
/// Most events of a page.
const PAGE_MOST: u64 = 10_000;
/// Most streams of a page.
const STREAMS_PAGE_MOST: u64 = 50;
/// Looks come no faster than this.
const POLL_LEAST: Duration = Duration::from_secs(1);
/// Longest time that can be asked to be looked back.
const OVERLAP_MOST: Duration = Duration::from_secs(24 * 3_600);
/// Longest name of a group or stream.
const NAME_BYTES_MAX: usize = 512;

/// Reads what is left of a document; answers what identifies the source, and the source.
pub(super) fn read(
    table: &mut Table<'_>,
    surroundings: &Surroundings<'_>,
    origin: Origin,
    mode: &str,
) -> Option<(Vec<String>, AcquisitionKind)> {
    if !matches!(mode, "tail" | "server") {
        let message = format!("{mode} is not in this build: a log group is followed");
        table.refuse_key("mode", &message);
    }
    let group = group(table);
    let (streams, streams_text) = streams(table, surroundings);
    no_effect(table);
    let page = table.number("getlogeventspages_limit", PAGE_MOST);
    let poll_every = table.duration("poll_stream_interval");
    let prepends_time = table.flag("prepend_cloudwatch_timestamp").unwrap_or(false);
    let access = aws::access(table);
    if let Some(dir) = &access.config_dir
        && !Path::new(dir).is_dir()
    {
        let message = format!("{} is no directory", dir.display());
        table.refuse_key("aws_config_dir", &message);
    }
    let starts_with_oldest = aws::starts_with_oldest(table);
    let overlap = table.duration("overlap");
    let line_bytes_max = table.number("max_buffer_size", LINE_BYTES_MOST);

    let group = group?;
    let identity = ["cloudwatch".to_owned(), group.clone(), streams_text]
        .into_iter()
        .chain(access.region.clone())
        .collect();
    let mut config = CloudWatchConfig::new("", &group, origin);
    config.streams = streams?;
    config.access = access;
    config.prepends_time = prepends_time;
    config.page_events = page
        .and_then(|page| i32::try_from(page).ok())
        .unwrap_or(config.page_events);
    config.poll_every = poll_every.unwrap_or(config.poll_every).max(POLL_LEAST);
    config.overlap = overlap.unwrap_or(config.overlap).min(OVERLAP_MOST);
    if starts_with_oldest {
        config.start = Start::Oldest;
    }
    config.line_bytes_max = line_bytes_max
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(config.line_bytes_max);
    Some((identity, AcquisitionKind::CloudWatch(Box::new(config))))
}

fn group(table: &mut Table<'_>) -> Option<String> {
    let Some((group, at)) = table.text_at("group_name") else {
        table.refuse_key("group_name", "missing");
        return None;
    };
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "._-/#".contains(letter);
    if group.len() > NAME_BYTES_MAX || !group.chars().all(is_of_name) {
        let message = format!("{group:?} is no name of a log group");
        table.refuse_at(at, "group_name", &message);
    }
    Some(group)
}

/// All streams, the one that is named, or those in whose names something is found.
fn streams(table: &mut Table<'_>, surroundings: &Surroundings<'_>) -> (Option<Streams>, String) {
    let (name, pattern) = (table.text_at("stream_name"), table.text_at("stream_regexp"));
    match (name, pattern) {
        (Some(_), Some((_, at))) => {
            table.refuse_at(at, "stream_regexp", "excludes stream_name");
            (None, String::new())
        }
        (None, None) => (Some(Streams::All), String::new()),
        (Some((name, at)), None) => {
            if name.len() > NAME_BYTES_MAX || name.contains([':', '*']) {
                let message = format!("{name:?} is no name of a log stream");
                table.refuse_at(at, "stream_name", &message);
            }
            (Some(Streams::One(name.clone())), name)
        }
        (None, Some((pattern, at))) => {
            let streams = (surroundings.exclude)(&pattern).map(Streams::Matching);
            if let Err(why) = &streams {
                let message = format!("{pattern:?} is no expression: {why}");
                table.refuse_at(at, "stream_regexp", &message);
            }
            (streams.ok(), format!("~{pattern}"))
        }
    }
}

/// Keys about how CrowdSec looks for streams and reads each of them. The group is read as one here, so there is
/// nothing to choose.
fn no_effect(table: &mut Table<'_>) {
    table.number("describelogstreams_limit", STREAMS_PAGE_MOST);
    for key in [
        "poll_new_stream_interval",
        "max_stream_age",
        "stream_read_timeout",
        "aws_api_timeout",
    ] {
        table.duration(key);
    }
}
