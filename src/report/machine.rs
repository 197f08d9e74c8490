//! A replay's result for programs: one JSON document, or CSV.

<<<<<<< HEAD
use std::io::{self, Write};

=======
use overspill_connectors::Account;
>>>>>>> w/archive
use overspill_dataflow::Stats;
use overspill_decision::wire;
use overspill_event::{Alert, Decision};
use serde_json::Value;

/// Writes everything as one JSON document, alert by alert: the whole of it as values would take
/// several times the memory of the alerts.
///
/// # Errors
/// The writer's.
pub fn json(
    alerts: &[Alert],
    decisions: &[Decision],
    stats: &Stats,
    input: &Account,
    is_interrupted: bool,
<<<<<<< HEAD
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(b"{\n  \"alerts\": ")?;
    list(alerts, wire::append_alert, out)?;
    out.write_all(b",\n  \"counters\": ")?;
    let counters = serde_json::to_value(stats)?;
    indented(&format!("{counters:#}"), "  ", out)?;
    out.write_all(b",\n  \"decisions\": ")?;
    list(decisions, wire::append_decision, out)?;
    writeln!(out, ",\n  \"interrupted\": {is_interrupted}\n}}")
=======
) -> String {
    let alert = |alert: &Alert| {
        let mut out = Vec::new();
        wire::append_alert(alert, &mut out);
        parsed(&out)
    };
    let decision = |decision: &Decision| {
        let mut out = Vec::new();
        wire::append_decision(decision, &mut out);
        parsed(&out)
    };
    let document = json!({
        "alerts": alerts.iter().map(alert).collect::<Vec<_>>(),
        "decisions": decisions.iter().map(decision).collect::<Vec<_>>(),
        "counters": stats,
        "input": input,
        "interrupted": is_interrupted,
    });
    format!("{document:#}\n")
>>>>>>> w/archive
}

/// A list of what `append` writes in one line, one value after the other.
fn list<T>(items: &[T], append: impl Fn(&T, &mut Vec<u8>), out: &mut dyn Write) -> io::Result<()> {
    if items.is_empty() {
        return out.write_all(b"[]");
    }
    let mut bytes = Vec::new();
    for (n, item) in items.iter().enumerate() {
        out.write_all(if n == 0 { b"[\n    " } else { b",\n    " })?;
        bytes.clear();
        append(item, &mut bytes);
        // Our own writer's bytes: a failure would be a defect, and null shows it.
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        indented(&format!("{value:#}"), "    ", out)?;
    }
    out.write_all(b"\n  ]")
}

/// Writes a text of several lines whose first stands where it is to stand.
fn indented(text: &str, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    for (n, line) in text.lines().enumerate() {
        if n > 0 {
            out.write_all(b"\n")?;
            out.write_all(indent.as_bytes())?;
        }
        out.write_all(line.as_bytes())?;
    }
    Ok(())
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
    fn a_document_is_written_as_its_value_is_printed() {
        let alert = Alert {
            message: "a\nb \u{2028} \"c\"".to_owned(),
            ..Alert::default()
        };
        for n in [0, 1, 3] {
            let alerts = vec![alert.clone(); n];
            let decisions = vec![Decision::default(); n];
            let mut out = Vec::new();
            json(&alerts, &decisions, &Stats::default(), n == 1, &mut out).unwrap();
            let value: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(value["alerts"].as_array().unwrap().len(), n);
            assert_eq!(value["interrupted"], n == 1);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{value:#}\n"));
        }
    }

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("plain"), "plain");
    }
}
