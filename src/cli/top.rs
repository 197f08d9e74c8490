//! `overspill top`: a live job, watched.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::args::{Format, TopArgs};
use super::{Exit, print};
use crate::report::term::Style;
use crate::top::{Address, FetchError, History, draw, fetch, plain};
use crate::wire::chain;

/// Least time between two looks: what a job gathers for all who ask is as old.
const INTERVAL_MIN: Duration = Duration::from_millis(200);

pub(super) fn run(args: &TopArgs, format: Format) -> Result<Exit> {
    let address = Address::parse(&args.url).map_err(|error| anyhow!("--url: {error}"))?;
    let interval = overspill_golike::duration::parse(&args.interval)
        .ok()
        .and_then(|ns| u64::try_from(ns).ok())
        .map(Duration::from_nanos)
        .with_context(|| format!("--interval: {:?} is no duration; try 1s", args.interval))?
        .max(INTERVAL_MIN);
    let first = fetch(&address).map_err(|error| explain(&error))?;
    if format == Format::Json {
        print(&format!("{}\n", serde_json::to_string(&first)?))?;
        return Ok(Exit::Done);
    }
    let mut history = History::default();
    history.push(first);
    let stdout = std::io::stdout();
    if args.once || !stdout.is_terminal() {
        if !args.once {
            bail!("standard output is no terminal; --once prints one frame");
        }
        std::thread::sleep(interval);
        history.push(fetch(&address).map_err(|error| explain(&error))?);
        let width = Style::of(&stdout, super::args::Color::No).width;
        print(&plain(&history, u16::try_from(width).unwrap_or(u16::MAX)))?;
        return Ok(Exit::Done);
    }
    let mut terminal = ratatui::try_init().context("use the terminal")?;
    let ended = watch(&mut terminal, &address, interval, &mut history);
    ratatui::restore();
    ended?;
    Ok(Exit::Done)
}

/// Draws and looks until somebody has seen enough.
fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    address: &Address,
    interval: Duration,
    history: &mut History,
) -> Result<()> {
    let mut note = String::new();
    loop {
        terminal.draw(|frame| draw(frame, history, &note))?;
        let until = Instant::now() + interval;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if !event::poll(left)? {
                break;
            }
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    let is_interrupt = key.code == KeyCode::Char('c')
                        && key.modifiers.contains(KeyModifiers::CONTROL);
                    let is_end = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
                    if is_interrupt || is_end {
                        return Ok(());
                    }
                }
                Event::Resize(..) => break,
                _ => {}
            }
        }
        // A job that is being started again is waited for.
        note = match fetch(address) {
            Ok(top) => {
                history.push(top);
                String::new()
            }
            Err(error) => chain(&error),
        };
    }
}

fn explain(error: &FetchError) -> anyhow::Error {
    match error {
        FetchError::Io { authority, .. } => anyhow!(
            "nobody answers at {authority}: {}; a job does with `overspill run --listen {authority}`",
            chain(error)
        ),
        _ => anyhow!(chain(error)),
    }
}
