//! A replay's result for programs: one JSON document, or CSV.

use overspill_dataflow::Stats;
use overspill_decision::wire;
use overspill_event::{Alert, Decision};

/// Everything as one JSON document: an alert a line, a decision a line.
///
/// It is written piece by piece: a replay may have a hundred thousand alerts.
#[must_use]
pub fn json(
    alerts: &[Alert],
    decisions: &[Decision],
    stats: &Stats,
    is_interrupted: bool,
) -> String {
    let mut out = b"{\n  \"alerts\": [".to_vec();
    append_lines(alerts, &mut out, wire::append_alert);
    // Our own counters always serialise; null would show a defect.
    let counters = serde_json::to_string(stats).unwrap_or_else(|_| "null".to_owned());
    out.extend_from_slice(format!("],\n  \"counters\": {counters},\n").as_bytes());
    out.extend_from_slice(b"  \"decisions\": [");
    append_lines(decisions, &mut out, wire::append_decision);
    out.extend_from_slice(format!("],\n  \"interrupted\": {is_interrupted}\n}}\n").as_bytes());
    String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn append_lines<T>(items: &[T], out: &mut Vec<u8>, append: impl Fn(&T, &mut Vec<u8>)) {
    for (number, item) in items.iter().enumerate() {
        out.extend_from_slice(if number == 0 { b"\n    " } else { b",\n    " });
        append(item, out);
    }
    if !items.is_empty() {
        out.extend_from_slice(b"\n  ");
    }
}

/// Alerts as CSV with a header.
#[must_use]
pub fn csv(alerts: &[Alert]) -> String {
    let mut out = String::from("start_at,stop_at,scope,value,country,as,scenario,events_count\n");
    for alert in alerts {
        let source = &alert.source;
        let fields = [
            &alert.start_at,
            &alert.stop_at,
            &source.scope,
            &source.value,
            &source.cn,
            &source.as_number,
            &alert.scenario,
        ];
        for field in fields {
            out.push_str(&quoted(field));
            out.push(',');
        }
        out.push_str(&format!("{}\n", alert.events_count));
    }
    out
}

/// A field of CSV, in quotes where it must be.
pub(crate) fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("plain"), "plain");
    }
}
