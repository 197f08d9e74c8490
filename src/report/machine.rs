//! A replay's result for programs: one JSON document, or CSV.

use overspill_connectors::Account;
use overspill_dataflow::Stats;
use overspill_decision::wire;
use overspill_event::{Alert, Decision};
use serde_json::{Value, json};

/// Everything as one JSON document.
#[must_use]
pub fn json(
    alerts: &[Alert],
    decisions: &[Decision],
    stats: &Stats,
    input: &Account,
    is_interrupted: bool,
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
}

fn parsed(bytes: &[u8]) -> Value {
    // Our own writer's bytes: a failure would be a defect, and null shows it.
    serde_json::from_slice(bytes).unwrap_or(Value::Null)
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
