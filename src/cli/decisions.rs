//! `overspill decisions log`: what a live job has decided. Changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use overspill_decision::{Change, Cursor, Entry, Reason, Seq};
use overspill_event::Decision;
use serde_json::{Value, json};

use super::args::{Color, DecisionLogArgs, DecisionsArgs, DecisionsCommand, Format};
use super::run::state_dir;
use super::{Exit, csv, print, table};
use crate::decisions::{self, DecisionReader, Saved};
use crate::report::human::moment;
use crate::report::term::{Paint, Style, safe};
use crate::signals;

/// Entries that are read at a time.
const PAGE: usize = 1_000;
/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn run(args: &DecisionsArgs, format: Format, color: Color) -> Result<Exit> {
    let style = Style::of(&std::io::stdout(), color);
    match &args.command {
        DecisionsCommand::Log(args) => log(args, format, &style),
    }
}

fn log(args: &DecisionLogArgs, format: Format, style: &Style) -> Result<Exit> {
    let dir = decisions::directory(&state_dir(args.state.as_deref())?);
    if !dir.exists() {
        bail!(
            "there is no decision log in {}: a job that keeps its state there makes it (--state DIR)",
            dir.display()
        );
    }
    let mut reader = DecisionReader::open(&dir)?;
    let mut cursor = match &args.since {
        Some(place) => parse(place)?,
        None => {
            let decisions = reader.log().active().map(AsRef::as_ref);
            print(&active(decisions, format, style))?;
            reader.log().head()
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    if args.follow {
        signals::stop_then_end(&stop)?;
    }
    loop {
        cursor = changes(&reader, cursor, format, style)?;
        if !args.follow || stop.load(Ordering::SeqCst) {
            break;
        }
        std::thread::sleep(LOOK);
        if reader.catch_up().is_err() {
            // It has moved on by more than is kept in lines.
            reader = DecisionReader::open(&dir)?;
        }
    }
    print(&match format {
        Format::Json => format!("{}\n", json!({ "next": place(cursor) })),
        Format::Human => format!("  next: --since {}\n", place(cursor)),
        Format::Raw => String::new(),
    })?;
    Ok(Exit::Done)
}

fn place(cursor: Cursor) -> String {
    format!("{}:{}", cursor.generation, cursor.seq.0)
}

fn parse(text: &str) -> Result<Cursor> {
    let parts = text.split_once(':');
    let cursor = parts.and_then(|(generation, seq)| {
        Some(Cursor {
            generation: generation.parse().ok()?,
            seq: Seq(seq.parse().ok()?),
        })
    });
    cursor.with_context(|| format!("--since {text:?}: it is GENERATION:NUMBER, such as 3:120"))
}

/// Prints what came after a place; answers the next one.
fn changes(
    reader: &DecisionReader,
    mut cursor: Cursor,
    format: Format,
    style: &Style,
) -> Result<Cursor> {
    loop {
        let page = reader.log().since(cursor, PAGE).map_err(|error| {
            anyhow!("{error}; take what is active (without --since), and go on from the place it ends with")
        })?;
        let generation = page.next.generation;
        let text: String = page
            .entries
            .map(|entry| line(entry, generation, format, style))
            .collect();
        print(&text)?;
        cursor = page.next;
        if !page.more {
            return Ok(cursor);
        }
    }
}

fn active<'a>(
    decisions: impl Iterator<Item = &'a Decision>,
    format: Format,
    style: &Style,
) -> String {
    if format == Format::Json {
        return decisions
            .map(|decision| format!("{}\n", json!({ "active": value(decision) })))
            .collect();
    }
    let head = ["id", "action", "scope", "value", "scenario", "until"];
    let mut rows = decisions.map(row).peekable();
    if format == Format::Human && rows.peek().is_none() {
        return "  nothing is decided\n".to_owned();
    }
    table(&head, rows, format, style)
}

fn row(decision: &Decision) -> Vec<String> {
    let kind = match decision.simulated {
        true => format!("(simul){}", decision.kind),
        false => decision.kind.clone(),
    };
    let Decision {
        id,
        scope,
        value,
        scenario,
        until_ns,
        ..
    } = decision;
    let [scope, value, scenario] = [scope, value, scenario].map(|text| safe(text));
    vec![
        id.to_string(),
        kind,
        scope,
        value,
        scenario,
        moment(*until_ns),
    ]
}

fn value(decision: &Decision) -> Value {
    let mut value = json!(Saved::of(decision));
    if let Value::Object(members) = &mut value {
        members.insert("id".to_owned(), json!(decision.id));
    }
    value
}

fn line(entry: &Entry, generation: u64, format: Format, style: &Style) -> String {
    let seq = entry.seq;
    let at = place(Cursor { generation, seq });
    let (what, why) = match entry.change {
        Change::New => ("new", ""),
        Change::Deleted(reason) => ("deleted", reason_name(reason)),
    };
    let winner = entry.winner.as_ref().map(|winner| winner.id);
    match format {
        Format::Json => {
            let mut object = json!({
                "at": at,
                "change": what,
                "decision": value(&entry.decision),
                "winner": winner,
                "winner_changed": entry.winner_changed,
            });
            if let (Value::Object(members), false) = (&mut object, why.is_empty()) {
                members.insert("reason".to_owned(), json!(why));
            }
            format!("{object}\n")
        }
        Format::Raw => {
            let change = [at, what.to_owned(), why.to_owned()];
            csv(&[&change[..], &row(&entry.decision)].concat())
        }
        Format::Human => {
            let decision = &entry.decision;
            let paint = if why.is_empty() {
                Paint::Red
            } else {
                Paint::Dim
            };
            let what = style.paint(paint, what);
            let (kind, value) = (safe(&decision.kind), safe(&decision.value));
            let rest = match why {
                "" => format!(
                    "until {}  {}",
                    moment(decision.until_ns),
                    safe(&decision.scenario)
                ),
                why => why.to_owned(),
            };
            format!("{at}  {what}  {kind}  {value}  {rest}\n")
        }
    }
}

fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Expired => "expired",
        Reason::Deleted => "deleted",
        Reason::Retracted => "retracted",
        Reason::Allowlisted => "allowlisted",
        Reason::Evicted => "evicted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let cursor = parse("3:120").unwrap();
        assert_eq!((cursor.generation, cursor.seq), (3, Seq(120)));
        assert_eq!(place(cursor), "3:120");
        for wrong in ["", "3", "3:", ":4", "a:b", "1:2:3", "-1:2"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
