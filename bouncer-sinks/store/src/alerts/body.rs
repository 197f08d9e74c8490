//! An alert as the text that is stored, within CrowdSec's limits (`pkg/database/alerts.go`).
//!
//! Whoever writes into a log decides how long the texts of an alert are. So an event is shortened until it fits, and the
//! items of the alert's own meta data are cut; CrowdSec does the same to the same lengths.

use std::borrow::Cow;
use std::sync::Arc;

use overspill_event::{Alert, AlertEvent, MetaItem, MetaList};
use overspill_golike::json::{Escape, append_string};

use crate::statements::cut;

/// Most bytes of one event as JSON.
const EVENT_BYTES_MAX: usize = 8_191;
/// Length to which values of an event are cut first, in bytes; it is halved until the event fits.
const STRIP_BYTES: usize = 2_048;
/// What stands for the rest of a value that was cut.
const STRIPPED: &str = "<stripped>";
/// Most bytes of a key of the alert's meta data.
const KEY_BYTES_MAX: usize = 255;
/// Most bytes of a value of the alert's meta data.
const VALUE_BYTES_MAX: usize = 4_095;

/// The alert as JSON, without its decisions.
pub(super) fn body(alert: &Alert) -> Result<String, serde_json::Error> {
    let mut source = alert.source.clone();
    // JSON has no such numbers, and an alert that cannot be read back would hide all others.
    for degrees in [&mut source.latitude, &mut source.longitude] {
        if !degrees.is_finite() {
            *degrees = 0.0;
        }
    }
    serde_json::to_string(&Alert {
        scenario: alert.scenario.clone(),
        scenario_hash: alert.scenario_hash.clone(),
        scenario_version: alert.scenario_version.clone(),
        message: alert.message.clone(),
        events_count: alert.events_count,
        start_at: alert.start_at.clone(),
        stop_at: alert.stop_at.clone(),
        capacity: alert.capacity,
        leakspeed: alert.leakspeed.clone(),
        simulated: alert.simulated,
        remediation: alert.remediation,
        kind: alert.kind.clone(),
        events: fitting(&alert.events),
        meta: alert.meta.iter().map(fitting_item).collect(),
        source,
        source_key: alert.source_key.clone(),
        decisions: Vec::new(),
        uuid: alert.uuid.clone(),
    })
}

fn fitting_item(item: &MetaItem) -> MetaItem {
    MetaItem {
        key: cut(&item.key, KEY_BYTES_MAX).to_owned(),
        value: cut(&item.value, VALUE_BYTES_MAX).to_owned(),
    }
}

/// The events, shortened where they are too long. Nearly always they are not, and are shared then.
fn fitting(events: &Arc<Vec<AlertEvent>>) -> Arc<Vec<AlertEvent>> {
    if events.iter().all(|event| fits(&event.meta)) {
        return Arc::clone(events);
    }
    Arc::new(
        events
            .iter()
            .map(|event| AlertEvent {
                timestamp: event.timestamp.clone(),
                meta: shortened(&event.meta).into_owned(),
            })
            .collect(),
    )
}

/// The meta data of an event, its long values cut ever shorter until it fits; empty if nothing helps.
fn shortened(meta: &MetaList) -> Cow<'_, MetaList> {
    let mut meta = Cow::Borrowed(meta);
    let mut bytes = STRIP_BYTES;
    while !fits(&meta) {
        if bytes == 0 {
            return Cow::Owned(MetaList::default());
        }
        let mut shorter = MetaList::with_room(meta.len(), EVENT_BYTES_MAX);
        for item in meta.iter() {
            if item.value.len() > 2 * bytes {
                let value = format!("{}{STRIPPED}", cut(item.value, bytes));
                shorter.push(item.key, &value);
            } else {
                shorter.push(item.key, item.value);
            }
        }
        meta = Cow::Owned(shorter);
        bytes /= 2;
    }
    meta
}

fn fits(meta: &MetaList) -> bool {
    // No character grows to more than six, so most need not be written to be measured.
    const ITEM_BYTES: usize = r#"{"key":"","value":""},"#.len();
    let longest: usize = meta
        .iter()
        .map(|item| ITEM_BYTES + 6 * (item.key.len() + item.value.len()))
        .sum();
    if longest < EVENT_BYTES_MAX {
        return true;
    }
    let mut text = Vec::with_capacity(EVENT_BYTES_MAX);
    let mut length = 2;
    for item in meta.iter() {
        text.clear();
        append_string(item.key.as_bytes(), Escape::Html, &mut text);
        append_string(item.value.as_bytes(), Escape::Html, &mut text);
        // The quotes are in the text already, and the last item has no comma.
        length += ITEM_BYTES - 4 + text.len();
    }
    length.saturating_sub(1) <= EVENT_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(items: &[(&str, &str)]) -> MetaList {
        let mut meta = MetaList::default();
        for (key, value) in items {
            meta.push(key, value);
        }
        meta
    }

    #[test]
    fn an_event_of_the_longest_length_stays() {
        let overhead = r#"[{"key":"k","value":""}]"#.len();
        let longest = meta(&[("k", &"x".repeat(EVENT_BYTES_MAX - overhead))]);
        assert!(fits(&longest));
        assert_eq!(*shortened(&longest), longest);
        assert!(!fits(&meta(&[(
            "k",
            &"x".repeat(EVENT_BYTES_MAX - overhead + 1)
        )])));
    }

    #[test]
    fn long_values_are_cut_until_the_event_fits() {
        let one = meta(&[("a", "short"), ("b", &"x".repeat(9_000))]);
        let cut = shortened(&one).into_owned();
        assert_eq!(cut.get(0).unwrap().value, "short");
        assert_eq!(
            cut.get(1).unwrap().value,
            format!("{}<stripped>", "x".repeat(2_048))
        );
        let keys: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        let value = "<".repeat(3_000);
        let many: Vec<(&str, &str)> = keys.iter().map(|key| (&**key, &*value)).collect();
        let cut = shortened(&meta(&many)).into_owned();
        assert_eq!(cut.len(), 10);
        assert!(fits(&cut));
        assert!(cut.iter().all(|item| item.value.ends_with("<stripped>")));
    }

    #[test]
    fn what_never_fits_is_emptied() {
        assert!(shortened(&meta(&[(&"k".repeat(9_000), "v")])).is_empty());
    }
}
