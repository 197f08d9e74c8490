//! `overspill explain`: what became of each line, and why not more.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use overspill_connectors::Source;
use overspill_connectors::file::{FileSource, STDIN};
use overspill_connectors::input;
use overspill_connectors::lines::LINE_BYTES_MAX;
use overspill_connectors::memory::MemorySource;
use overspill_dataflow::{Layout, Progress};
use overspill_event::Origin;

use super::args::{Color, ExplainArgs};
use super::replay::{labels, moment};
use super::{Exit, print, tell};
use crate::content;
use crate::explain::{Detail, Explainer, LINES_MAX, render};
use crate::report::progress::InputBytes;
use crate::report::term::Style;
use crate::wire::{self, Input, Run, chain};

pub(super) fn run(args: &ExplainArgs, color: Color) -> Result<Exit> {
    if args.input.log_type.is_none() {
        bail!("--type is missing: which log is it? For example --type nginx, --type syslog");
    }
    let inputs = inputs(args)?;
    let engine = content::load(&args.content)?;
    for text in &engine.refused {
        tell(&format!("{text}\n"));
    }
    let plan = Arc::new(engine.plan);
    let explainer = Arc::new(Explainer::new(Arc::clone(&plan), args.verbose));
    let run = Run {
        plan,
        settings: wire::settings(moment(args.now.as_deref())?),
        layout: Layout::Threads(1),
        inputs,
        recorder: Some(explainer.clone()),
        progress: Arc::new(Progress::default()),
        bytes: Arc::new(InputBytes::default()),
    };
    let stats = run.run(|_output| Ok(()))?;
    for error in &stats.read_errors {
        tell(&format!("error: {error}\n"));
    }
    let style = Style::of(&std::io::stdout(), color);
    let detail = Detail {
        verbose: args.verbose,
        only_successful: args.only_successful_parsers,
    };
    let mut out = String::new();
    for (number, trace) in (1..).zip(explainer.traces()) {
        if args.failures && trace.is_parsed {
            continue;
        }
        out.push_str(&render(number, &trace, detail, &style));
        out.push('\n');
    }
    print(&out)?;
    if stats.lines > LINES_MAX as u64 {
        tell(&format!(
            "only the first {LINES_MAX} of {} lines are shown\n",
            stats.lines
        ));
    }
    Ok(if stats.read_errors.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn inputs(args: &ExplainArgs) -> Result<Vec<Input>> {
    let origin = |src: &str| Origin {
        src: src.to_owned(),
        module: "file".to_owned(),
        labels: labels(&args.input),
    };
    if let Some(line) = &args.log {
        let origin = origin("command line");
        let source = MemorySource::new(origin.clone(), vec![line.clone().into_bytes()], 1);
        let open = Box::new(move || Ok(Box::new(source) as Box<dyn Source>));
        return Ok(vec![Input {
            id: 0,
            origin,
            open,
        }]);
    }
    let name = args
        .file
        .clone()
        .or_else(|| args.input.dsn.clone())
        .context("nothing to explain: give --log LINE, --file FILE or --dsn file://PATH")?;
    let name = if name == STDIN {
        STDIN.to_owned()
    } else {
        name
    };
    let files = input::Input::expand(&name).map_err(|error| anyhow::anyhow!(chain(&error)))?;
    let line_max = args.input.line_max.unwrap_or(LINE_BYTES_MAX);
    Ok((0u32..)
        .zip(files)
        .map(|(id, file)| {
            let origin = origin(&file.path);
            let opened = origin.clone();
            let open = Box::new(move || {
                FileSource::open(opened, line_max).map(|source| Box::new(source) as Box<dyn Source>)
            });
            Input {
                id,
                origin,
                open: open as wire::Open,
            }
        })
        .collect())
}
