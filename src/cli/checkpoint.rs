//! `overspill checkpoint`: what is in a store of checkpoints, and whether it is whole. Changes nothing.

use anyhow::{Context, Result, bail};
use overspill_checkpoint::{
    CheckpointError, Depth, Kind, Listing, Manifest, Settings, Vault, Verification, find_store,
};
use serde_json::{Value, json};

use super::args::{CheckpointArgs, CheckpointCommand, Color, Format};
use super::{Exit, print, table};
use crate::report::human::{grouped, moment};
use crate::report::term::{Paint, Style, safe};
use crate::wire::chain;

pub(super) fn run(args: &CheckpointArgs, format: Format, color: Color) -> Result<Exit> {
    let style = Style::of(&std::io::stdout(), color);
    match &args.command {
        CheckpointCommand::List { store } => list(&open(store)?, format, &style),
        CheckpointCommand::Inspect { store, number } => {
            inspect(&open(store)?, *number, format, &style)
        }
        CheckpointCommand::Verify { store, number } => {
            verify(&open(store)?, *number, format, &style)
        }
    }
}

fn open(address: &str) -> Result<Vault> {
    let store = find_store(address).context("no checkpoints can be read there")?;
    Ok(Vault::open(store, Settings::default()))
}

/// Entries of the log; a store without any is the wrong directory, most likely.
fn listings(vault: &Vault) -> Result<Vec<Listing>> {
    let listings = vault.list()?;
    if listings.is_empty() {
        let address = vault.store().address();
        bail!("there are no checkpoints in {address}; it should have folders log/ and segments/");
    }
    Ok(listings)
}

fn list(vault: &Vault, format: Format, style: &Style) -> Result<Exit> {
    let listings = listings(vault)?;
    match format {
        Format::Json => print(&format!("{:#}\n", json!(listings)))?,
        Format::Human | Format::Raw => {
            let head = [
                "number",
                "what",
                "event time",
                "made",
                "bytes",
                "segments",
                "",
            ];
            let rows = listings.iter().map(row);
            print(&table(&head, rows, format, style))?;
        }
    }
    Ok(Exit::Done)
}

fn row(listing: &Listing) -> Vec<String> {
    let nothing = String::new;
    let (what, as_of, made, bytes, segments, remark) = match &listing.kind {
        Kind::Checkpoint {
            generation,
            as_of_ns,
            created_wall_ns,
            n_segments,
            live_bytes,
            is_listed,
        } => (
            format!("checkpoint of {generation}"),
            moment(*as_of_ns),
            moment(*created_wall_ns),
            grouped(*live_bytes),
            n_segments.to_string(),
            match is_listed {
                true => nothing(),
                false => "segments are missing".to_owned(),
            },
        ),
        Kind::Generation { began_wall_ns } => (
            "generation".to_owned(),
            nothing(),
            moment(*began_wall_ns),
            nothing(),
            nothing(),
            nothing(),
        ),
        Kind::Damaged { reason } => (
            "damaged".to_owned(),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            reason.clone(),
        ),
    };
    let number = listing.number.to_string();
    vec![number, what, as_of, made, bytes, segments, remark]
}

fn inspect(vault: &Vault, number: Option<u64>, format: Format, style: &Style) -> Result<Exit> {
    let number = match number {
        Some(number) => number,
        None => {
            let found = vault.newest(Depth::Listed)?;
            let Some(restored) = found.restored else {
                let address = vault.store().address();
                bail!("no checkpoint in {address} is whole; see overspill checkpoint list");
            };
            restored.manifest().number
        }
    };
    let inspection = vault.inspect(number).map_err(known)?;
    let manifest = &inspection.manifest;
    if format == Format::Json {
        // Where each group lies is thousands of lines, and of no use here.
        let document = json!({
            "generation": manifest.generation,
            "number": manifest.number,
            "job": shown(manifest)?,
            "segments": inspection.segments,
            "other_segments": inspection.other_segments,
        });
        print(&format!("{document:#}\n"))?;
        return Ok(Exit::Done);
    }
    let mut out = String::new();
    if format == Format::Human {
        out.push_str(&facts(manifest));
        let head = ["source", "partition", "begins at", "event time"];
        let sources = manifest.parts.partitions.iter();
        let rows = sources.flat_map(|(source, partitions)| {
            partitions.iter().map(move |(name, point)| {
                let at = grouped(point.resume_from);
                vec![source.clone(), name.clone(), at, moment(point.clock_max_ns)]
            })
        });
        out.push_str(&table(&head, rows, format, style));
        out.push('\n');
    }
    let rows = inspection.segments.iter().map(|segment| {
        let n_pieces = segment.n_pieces.to_string();
        let (bytes, live) = (grouped(segment.bytes), grouped(segment.live_bytes));
        vec![segment.name.clone(), bytes, live, n_pieces]
    });
    let head = ["segment", "bytes", "needed", "states"];
    out.push_str(&table(&head, rows, format, style));
    print(&out)?;
    Ok(Exit::Done)
}

/// What the job said, without the key.
fn shown(manifest: &Manifest) -> Result<Value> {
    let mut job = serde_json::to_value(&manifest.parts)?;
    if let Some(job) = job.as_object_mut() {
        job.remove("hash_key");
    }
    Ok(job)
}

fn facts(manifest: &Manifest) -> String {
    let parts = &manifest.parts;
    let mut out = format!(
        "checkpoint {} of generation {}, as of {}, made {}\n{} workers of {} processes, {} bytes of states\n",
        manifest.number,
        manifest.generation,
        moment(parts.as_of_ns),
        moment(parts.created_wall_ns),
        parts.layout.workers,
        parts.layout.processes,
        grouped(manifest.live_bytes()),
    );
    for name in &parts.content {
        out.push_str(&format!("content: {}\n", safe(name)));
    }
    for (name, cursor) in &parts.cursors {
        out.push_str(&format!("cursor: {} {cursor}\n", safe(name)));
    }
    out.push('\n');
    out
}

fn verify(vault: &Vault, number: Option<u64>, format: Format, style: &Style) -> Result<Exit> {
    let numbers: Vec<u64> = match number {
        Some(number) => vec![number],
        None => listings(vault)?
            .into_iter()
            .filter(|listing| !matches!(listing.kind, Kind::Generation { .. }))
            .map(|listing| listing.number)
            .collect(),
    };
    let mut results: Vec<(u64, u64, Vec<String>)> = Vec::new();
    for number in numbers {
        results.push(match vault.verify(number) {
            Ok(verification) => {
                let reasons = damages(&verification);
                (number, verification.n_bytes, reasons)
            }
            Err(CheckpointError::Damaged(damage)) => (number, 0, vec![chain(&damage)]),
            Err(error) => return Err(known(error)),
        });
    }
    if format == Format::Json {
        let rows: Vec<Value> = results
            .iter()
            .map(|(number, bytes, damages)| {
                json!({"number": number, "bytes": bytes, "damages": damages})
            })
            .collect();
        print(&format!("{:#}\n", json!(rows)))?;
    } else {
        let mut out = String::new();
        for (number, bytes, damages) in &results {
            let text = match damages.is_empty() {
                true => style.paint(Paint::Green, "whole"),
                false => style.paint(Paint::Red, &format!("{} damaged", damages.len())),
            };
            let bytes = grouped(*bytes);
            out.push_str(&format!(
                "checkpoint {number}: {text}, {bytes} bytes read\n"
            ));
            for reason in damages {
                out.push_str(&format!("  {}\n", safe(reason)));
            }
        }
        print(&out)?;
    }
    let is_whole = results.iter().all(|(_, _, damages)| damages.is_empty());
    Ok(if is_whole { Exit::Done } else { Exit::Failed })
}

fn damages(verification: &Verification) -> Vec<String> {
    let damages = verification.damages.iter();
    damages.map(|damage| chain(damage)).collect()
}

/// An error with what to do about it.
fn known(error: CheckpointError) -> anyhow::Error {
    let hint = match &error {
        CheckpointError::NoSuchCheckpoint { .. } => "overspill checkpoint list shows which are",
        CheckpointError::Version { .. } => "use the version of overspill that wrote it",
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}; {hint}")
}
