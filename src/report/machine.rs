//! A replay's result for programs: one JSON document, or CSV.

use std::io::{self, Write};

use overspill_connectors::Account;
use overspill_dataflow::Stats;
use overspill_decision::wire;
use overspill_event::{Alert, Decision};

/// Writes everything as one JSON document: an alert a line, a decision a line.
///
/// It is written piece by piece: a replay may have a hundred thousand alerts.
///
/// # Errors
/// Those of `out`.
pub fn json(
    alerts: &[Alert],
    decisions: &[Decision],
    stats: &Stats,
    input: &Account,
    is_interrupted: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(b"{\n  \"alerts\": ")?;
    list(alerts, wire::append_alert, out)?;
    write!(out, ",\n  \"counters\": {}", serde_json::to_value(stats)?)?;
    out.write_all(b",\n  \"decisions\": ")?;
    list(decisions, wire::append_decision, out)?;
    write!(out, ",\n  \"input\": {}", serde_json::to_value(input)?)?;
    writeln!(out, ",\n  \"interrupted\": {is_interrupted}\n}}")
}

/// A list of what `append` writes, a line each.
fn list<T>(items: &[T], append: impl Fn(&T, &mut Vec<u8>), out: &mut dyn Write) -> io::Result<()> {
    if items.is_empty() {
        return out.write_all(b"[]");
    }
    let mut line = Vec::new();
    for (n, item) in items.iter().enumerate() {
        line.clear();
        line.extend_from_slice(if n == 0 { b"[\n    " } else { b",\n    " });
        append(item, &mut line);
        out.write_all(&line)?;
    }
    out.write_all(b"\n  ]")
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
    fn a_document_is_json_with_a_line_for_each_alert() {
        let alert = Alert {
            message: "a\nb \u{2028} \"c\"".to_owned(),
            ..Alert::default()
        };
        for n in [0, 1, 3] {
            let alerts = vec![alert.clone(); n];
            let decisions = vec![Decision::default(); n];
            let mut out = Vec::new();
            let (stats, input) = (Stats::default(), Account::default());
            json(&alerts, &decisions, &stats, &input, n == 1, &mut out).unwrap();
            let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(value["alerts"].as_array().unwrap().len(), n);
            assert_eq!(value["decisions"].as_array().unwrap().len(), n);
            assert_eq!(value["interrupted"], n == 1);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.matches("a\\nb").count(), n);
            let lines = if n == 0 { 7 } else { 7 + 2 * (n + 1) };
            assert_eq!(text.lines().count(), lines);
        }
    }

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("plain"), "plain");
    }
}
