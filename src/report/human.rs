//! A replay's result for people: alerts, decisions, and counters that add up.

use std::collections::BTreeMap;

use overspill_dataflow::Stats;
use overspill_event::{Alert, AlertEvent, Decision};
use overspill_golike::duration;
use overspill_golike::time::{Time, append_rfc3339, parse_rfc3339};

use super::table::Table;
use super::term::{Paint, Style};

/// Rows of a table before the rest is only counted.
const ROWS_MAX: usize = 200;

/// The alerts.
#[must_use]
pub fn alerts(alerts: &[Alert], style: &Style) -> String {
    let mut table = Table::new(&[
        "first seen",
        "source",
        "from",
        "scenario",
        "events",
        "in",
        "why it fired",
    ]);
    for alert in alerts.iter().take(ROWS_MAX) {
        table.row(vec![
            text_moment(&alert.start_at),
            source(alert),
            origin(alert),
            alert.scenario.clone(),
            alert.events_count.to_string(),
            took(alert),
            why(alert),
        ]);
    }
    let mut out = style.paint(Paint::Bold, "Alerts");
    out.push('\n');
    out.push_str(&table.render(style));
    rest(&mut out, alerts.len());
    out
}

fn rest(out: &mut String, n: usize) {
    if n > ROWS_MAX {
        out.push_str(&format!(
            "  … and {} more\n",
            grouped((n - ROWS_MAX) as u64)
        ));
    }
}

/// The decisions: one row for each target, with the one that lasts longest.
#[must_use]
pub fn decisions(decisions: &[Decision], style: &Style) -> String {
    let mut by_target: BTreeMap<(&str, &str, &str), (usize, &Decision, usize)> = BTreeMap::new();
    for (place, decision) in decisions.iter().enumerate() {
        let target = (&*decision.scope, &*decision.value, &*decision.kind);
        by_target
            .entry(target)
            .and_modify(|(_, longest, n)| {
                *n += 1;
                if decision.until_ns > longest.until_ns {
                    *longest = decision;
                }
            })
            .or_insert((place, decision, 1));
    }
    let mut rows: Vec<(usize, &Decision, usize)> = by_target.into_values().collect();
    rows.sort_by_key(|(place, _, _)| *place);
    let mut table = Table::new(&["action", "for", "scope", "value", "until", "reason"]);
    for (_, decision, n) in rows.iter().take(ROWS_MAX) {
        let more = if *n > 1 {
            format!(" (+{} more)", n - 1)
        } else {
            String::new()
        };
        table.row(vec![
            if decision.simulated {
                format!("(simul){}", decision.kind)
            } else {
                decision.kind.clone()
            },
            decision.duration.clone(),
            decision.scope.clone(),
            decision.value.clone(),
            moment(decision.until_ns),
            format!("{}{more}", decision.scenario),
        ]);
    }
    let mut out = style.paint(Paint::Bold, "Decisions");
    out.push('\n');
    out.push_str(&table.render(style));
    rest(&mut out, rows.len());
    out
}

/// The counters at the end.
#[must_use]
pub fn summary(stats: &Stats, n_alerts: usize, n_decisions: usize, seconds: f64) -> String {
    let n = |count: u64| grouped(count);
    let bucket = |name: &str| stats.buckets.get(name).copied().unwrap_or(0);
    let overflows: u64 = stats
        .scenarios
        .values()
        .map(|(_, overflows)| overflows)
        .sum();
    let mut out = format!(
        "  {} lines in {seconds:.1} s: {} parsed · {} whitelisted · {} not understood{} · {} refused\n",
        n(stats.lines),
        n(stats.parsed),
        n(stats.whitelisted),
        n(stats.unparsed),
        if stats.unparsed > 0 {
            " (see --unparsed)"
        } else {
            ""
        },
        n(stats.refused),
    );
    out.push_str(&format!(
        "  {} pours in {} buckets · {} overflows → {} alerts → {} decisions\n",
        n(stats.pours),
        n(bucket("created")),
        n(overflows),
        n(n_alerts as u64),
        n(n_decisions as u64),
    ));
    out
}

/// What went wrong on the way, one line each.
#[must_use]
pub fn troubles(stats: &Stats, style: &Style) -> String {
    let mut out = String::new();
    let mut say = |count: u64, text: &str| {
        if count > 0 {
            let line = format!("  {} {text}", grouped(count));
            out.push_str(&style.paint(Paint::Yellow, &line));
            out.push('\n');
        }
    };
    say(
        stats.lines_cut,
        "lines were longer than the limit and lost their end",
    );
    say(
        stats.without_time,
        "parsed lines had no usable time and were not counted by buckets",
    );
    say(stats.clamped, "lines were older than those before them");
    say(
        stats.moved_on,
        "times the time of a log was moved on, because too many lines had one time",
    );
    say(stats.truncated, "events grew past their limit and were cut");
    say(
        stats.filter_errors,
        "events met a filter that raised an error",
    );
    say(stats.alerts_failed, "overflows gave no alert");
    for (name, count) in stats.losses() {
        say(count, name);
    }
    let unread = match stats.read_errors.len() {
        1 => "input was not read to its end (standard error says why)",
        _ => "inputs were not read to their ends (standard error says why)",
    };
    say(stats.read_errors.len() as u64, unread);
    let warned: u64 = stats.warnings.values().sum();
    let warned = warned + stats.warnings_unkept;
    if let Some((text, _)) = stats.warnings.iter().max_by_key(|(_, n)| **n) {
        let text = format!("run-time warnings, such as: {}", super::term::safe(text));
        say(warned, &super::term::clip(&text, style.width));
    }
    for error in &stats.error_samples {
        out.push_str(&style.paint(Paint::Dim, &format!("  e.g. {}", super::term::safe(error))));
        out.push('\n');
    }
    out
}

/// Zero alerts is an answer too: how much was understood, and if little was, the likely reason.
#[must_use]
pub fn nothing(stats: &Stats, log_type: Option<&str>, style: &Style) -> String {
    let mut out = style.paint(Paint::Bold, "No alerts");
    out.push('\n');
    let understood = stats.parsed + stats.whitelisted;
    if stats.lines == 0 {
        out.push_str("  No line was read.\n");
    } else if understood * 10 < stats.lines {
        let log_type = log_type.unwrap_or_default();
        out.push_str(&format!(
            "  Only {} of {} lines were understood: is `--type {log_type}` right, and is there a \
             parser for it?\n",
            grouped(understood),
            grouped(stats.lines)
        ));
        out.push_str(&unparsed(stats, style));
    } else {
        out.push_str(&format!(
            "  {} of {} lines were understood; none of the scenarios was met.\n",
            grouped(understood),
            grouped(stats.lines)
        ));
    }
    out
}

/// Some lines that were not understood.
#[must_use]
pub fn unparsed(stats: &Stats, style: &Style) -> String {
    let mut out = String::new();
    for sample in &stats.unparsed_samples {
        let line = super::term::safe(&sample.line);
        let text = format!("  not understood in {}: {line}", sample.stage);
        out.push_str(&super::term::clip(&text, style.width));
        out.push('\n');
    }
    out
}

/// Counters of parsers, scenarios and tables.
#[must_use]
pub fn metrics(stats: &Stats, style: &Style) -> String {
    let mut out = String::new();
    let mut parsers = Table::new(&["hits", "parsed", "unparsed", "parser"]);
    for (name, (hits, parsed)) in &stats.nodes {
        let unparsed = hits.saturating_sub(*parsed);
        parsers.row(vec![
            grouped(*hits),
            grouped(*parsed),
            grouped(unparsed),
            name.clone(),
        ]);
    }
    let mut scenarios = Table::new(&["pours", "overflows", "scenario"]);
    for (name, (pours, overflows)) in &stats.scenarios {
        scenarios.row(vec![grouped(*pours), grouped(*overflows), name.clone()]);
    }
    let counted = |title, counts: &BTreeMap<String, u64>| {
        let mut table = Table::new(&["count", title]);
        for (name, n) in counts.iter().filter(|(_, n)| **n > 0) {
            table.row(vec![grouped(*n), name.clone()]);
        }
        table
    };
    let buckets = counted("buckets", &stats.buckets);
    let parsing = counted("parsing", &stats.parsing);
    let expressions = counted("expressions", &stats.expressions);
    let others = counted("alerts and decisions", &stats.others);
    let warnings = counted("run-time warnings", &stats.warnings);
    for table in [
        parsers,
        scenarios,
        buckets,
        parsing,
        expressions,
        others,
        warnings,
    ] {
        if !table.is_empty() {
            out.push('\n');
            out.push_str(&table.render(style));
        }
    }
    out
}

/// Digits in groups of three.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The moment of an RFC 3339 text, as it is written, to the second.
fn text_moment(text: &str) -> String {
    text.get(..19).unwrap_or(text).replace('T', " ")
}

/// The text of a moment, to the second, in UTC.
pub(crate) fn moment(ns: i64) -> String {
    let mut text = Vec::with_capacity(32);
    append_rfc3339(&Time::from_unix_ns(ns), &mut text);
    text_moment(&String::from_utf8_lossy(&text))
}

fn source(alert: &Alert) -> String {
    match alert.source.scope.as_str() {
        "Ip" | "Range" => alert.source.value.clone(),
        scope => format!("{scope}:{}", alert.source.value),
    }
}

fn origin(alert: &Alert) -> String {
    let source = &alert.source;
    let number = match source.as_number.as_str() {
        "" | "0" => String::new(),
        number => format!("AS{number}"),
    };
    [source.cn.as_str(), &number, &source.as_name]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn took(alert: &Alert) -> String {
    let times =
        parse_rfc3339(alert.start_at.as_bytes()).zip(parse_rfc3339(alert.stop_at.as_bytes()));
    times.map_or(String::new(), |(start, stop)| {
        duration::format(stop.sub(&start))
    })
}

/// What the lines were about, from the meta data that parsers commonly set.
fn why(alert: &Alert) -> String {
    let Some(last) = alert.events.last() else {
        return String::new();
    };
    let of = |event: &AlertEvent, key: &str| {
        event
            .meta
            .iter()
            .find(|item| item.key == key)
            .map(|item| item.value.to_owned())
    };
    for (key, noun) in [
        ("http_path", "path"),
        ("target_user", "user"),
        ("user", "user"),
    ] {
        let mut values: Vec<String> = alert
            .events
            .iter()
            .filter_map(|event| of(event, key))
            .collect();
        let Some(example) = values.last().cloned().filter(|example| !example.is_empty()) else {
            continue;
        };
        values.sort();
        values.dedup();
        return match values.len() {
            1 => example,
            n => format!("{n} {noun}s, e.g. {example}"),
        };
    }
    of(last, "log_type").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn a_target_has_one_row_with_its_longest_decision() {
        let decision = |until_ns, scenario: &str| Decision {
            kind: "ban".into(),
            scope: "Ip".into(),
            value: "1.2.3.4".into(),
            duration: "4h".into(),
            until_ns,
            scenario: scenario.into(),
            ..Decision::default()
        };
        let text = decisions(&[decision(1, "a"), decision(9, "b")], &Style::plain(100));
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("b (+1 more)"), "{text}");
    }
}
