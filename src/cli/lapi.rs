//! `overspill lapi`: the Local API by itself.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use overspill_decision::SafeList;
use overspill_scenarios::ConfigPaths;
use overspill_store::Store;

use super::args::{ContentArgs, LapiArgs, LapiCommand, LapiServeArgs, RunArgs, StoreArgs};
use super::run::{paths, state_dir};
use super::{Exit, print, tell};
use crate::lapi::{self, Api};
use crate::live::Config;
use crate::{addresses, content, signals};

/// How often it is looked whether the server is to end.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(args: &LapiArgs) -> Result<Exit> {
    match &args.command {
        LapiCommand::Serve(args) => serve(args),
    }
}

/// The configuration that was named, or none.
fn config(args: &StoreArgs) -> Result<ConfigPaths> {
    match &args.config {
        Some(file) => paths(file),
        None => Ok(ConfigPaths::below(PathBuf::new())),
    }
}

/// The database that was named.
pub(super) fn store(args: &StoreArgs) -> Result<Store> {
    let config = config(args)?;
    let state = args.state.as_deref().or(config.job.state.as_deref());
    lapi::open(&config.db, &state_dir(state)?)
}

/// Where the API is found that uses a database.
pub(super) fn listen_url(args: &StoreArgs) -> Result<String> {
    let server = config(args)?.api.server.unwrap_or_default();
    let scheme = match server.tls.is_some_and(|tls| tls.cert_file.is_some()) {
        true => "https",
        false => "http",
    };
    let at = server.listen_uri.as_deref().unwrap_or("127.0.0.1:8080");
    Ok(format!("{scheme}://{at}/"))
}

/// Whether somebody at a terminal says yes.
pub(super) fn is_confirmed(question: &str) -> Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("there is nobody to ask: --force goes on without asking");
    }
    print(&format!("{question} [y/N] "))?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn serve(args: &LapiServeArgs) -> Result<Exit> {
    let mut config = config(&args.store)?;
    let server = config.api.server.get_or_insert_default();
    if server.enable == Some(false) {
        bail!("api.server.enable is false: the configuration says that the API is not served");
    }
    if let Some(listen) = &args.listen {
        server.listen_uri = Some(listen.clone());
    }
    let state = args.store.state.as_deref().or(config.job.state.as_deref());
    let state = state_dir(state)?;
    let content = ContentArgs {
        config: args.store.config.clone(),
        profiles: args.profiles.clone(),
        ..ContentArgs::default()
    };
    let mut engine = content::compile(&content::find(&content)?, content::Options::default())?;
    engine.plan.policy.safe = SafeList::new(&addresses::own());
    for text in &engine.refused {
        tell(&format!("{text}\n"));
    }
    if let Some(warning) = content::no_profiles(&engine) {
        tell(&format!("{warning}\n"));
    }
    let stop = Arc::new(AtomicBool::new(false));
    signals::stop_then_end(&stop)?;
    let api = Api::start(&config, &state, engine.plan.policy, engine.plan.services)?;
    tell(&api.banner()?);
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(LOOK);
    }
    drop(api);
    Ok(Exit::Done)
}

/// The API that is served beside the job, if the configuration has one or a flag asks for it. The first process has it, as
/// it has the alerts.
pub(super) fn api_beside(args: &RunArgs, config: &Config) -> Result<Option<Arc<Api>>> {
    let mut paths = match &args.content.config {
        Some(file) => paths(file)?,
        None => ConfigPaths::below(PathBuf::new()),
    };
    let is_configured = paths
        .api
        .server
        .as_ref()
        .is_some_and(|server| server.enable != Some(false));
    let is_follower = config
        .cluster
        .as_ref()
        .is_some_and(|cluster| cluster.index > 0);
    if args.no_api || is_follower || !(is_configured || args.api.is_some()) {
        return Ok(None);
    }
    if let Some(address) = &args.api {
        let server = paths.api.server.get_or_insert_default();
        server.listen_uri = Some(address.clone());
    }
    let state = state_dir(args.state.as_deref())?;
    let (policy, services) = (config.plan.policy.clone(), config.plan.services.clone());
    match Api::start(&paths, &state, policy, services) {
        Ok(api) => Ok(Some(Arc::new(api))),
        // A job may run beside CrowdSec.
        Err(error) if args.api.is_none() && is_taken(&error) => {
            tell(&format!("warning: no Local API is served: {error:#}\n"));
            Ok(None)
        }
        Err(error) => {
            Err(error.context("the Local API cannot be served (--no-api runs without it)"))
        }
    }
}

/// Whether somebody else listens there.
fn is_taken(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    })
}
