//! `overspill explain`: what became of each line, and why not more.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use overspill_connectors::Source;
use overspill_connectors::file::FileSource;
use overspill_connectors::input;
use overspill_connectors::lines::LINE_BYTES_MAX;
use overspill_connectors::memory::MemorySource;
use overspill_dataflow::{Layout, Progress};
use overspill_event::Origin;

use super::args::{Color, ExplainArgs, Format};
use super::replay::{labels, moment};
use super::{Exit, print, tell};
use crate::content;
use crate::explain::{Detail, Explainer, LINES_MAX, LineTrace, csv, json, render};
use crate::report::progress::InputBytes;
use crate::report::term::{Style, safe};
use crate::wire::{self, Input, Run, chain};

pub(super) fn run(args: &ExplainArgs, format: Format, color: Color) -> Result<Exit> {
    if args.input.log_type.is_none() {
        bail!("--type is missing: which log is it? For example --type nginx, --type syslog");
    }
    let inputs = inputs(args)?;
    let engine = content::load(&args.content)?;
    for text in &engine.refused {
        tell(&format!("{text}\n"));
    }
    let is_refused = args.content.strict && !engine.refused.is_empty();
    let plan = Arc::new(engine.plan);
    let explainer = Arc::new(Explainer::new(Arc::clone(&plan), args.verbose));
    let run = Run {
        plan,
        settings: wire::settings(moment(args.now.as_deref())?),
        layout: Layout::Threads(1),
        inputs,
        recorder: Some(Arc::<Explainer>::clone(&explainer)),
        warnings: engine.runtime,
        progress: Arc::new(Progress::default()),
        bytes: Arc::new(InputBytes::default()),
    };
    let stats = run.run(|_output| Ok(()))?;
    for error in &stats.read_errors {
        tell(&format!("error: {error}\n"));
    }
    let lines: Vec<(usize, LineTrace)> = (1..)
        .zip(explainer.traces())
        .filter(|(_, trace)| !(args.failures && trace.is_parsed))
        .collect();
    print(&match format {
        Format::Json => json(&lines),
        Format::Raw => csv(&lines),
        Format::Human => tree(args, &lines, color),
    })?;
    for text in stats.warnings.keys() {
        tell(&format!("warning: {}\n", safe(text)));
    }
    if stats.lines > LINES_MAX as u64 {
        tell(&format!(
            "only the first {LINES_MAX} of {} lines are shown\n",
            stats.lines
        ));
    }
    Ok(match (stats.read_errors.is_empty(), is_refused) {
        (false, _) => Exit::Failed,
        (true, true) => Exit::Refused,
        (true, false) => Exit::Done,
    })
}

/// The lines as trees.
fn tree(args: &ExplainArgs, lines: &[(usize, LineTrace)], color: Color) -> String {
    let style = Style::of(&std::io::stdout(), color);
    let detail = Detail {
        verbose: args.verbose,
        only_successful: args.only_successful_parsers,
    };
    let tree = |(number, trace): &(usize, LineTrace)| render(*number, trace, detail, &style) + "\n";
    lines.iter().map(tree).collect()
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
