//! `overspill bouncers`: who may ask what is decided. Works on the database itself, on the machine that has it.

use anyhow::{Context, Result, anyhow, bail};
use overspill_golike::duration;
use overspill_golike::time::{Time, append_rfc3339};
use overspill_lapi::{generate_key, hash_key};
use overspill_store::{AuthKind, Bouncer, NewBouncer, Store};
use serde_json::{Value, json};

use super::args::{BouncersArgs, BouncersCommand, Color, Format};
use super::lapi::store;
use super::{Exit, csv, print, table, tell};
use crate::lapi::now_ns;
use crate::report::term::{Style, safe};
use crate::wire::chain;

pub(super) fn run(args: &BouncersArgs, format: Format, color: Color) -> Result<Exit> {
    let store = store(&args.store)?;
    match &args.command {
        BouncersCommand::List => list(&store, format, color),
        BouncersCommand::Add { name, key } => add(&store, name, key.as_deref(), format),
        BouncersCommand::Delete {
            names,
            ignore_missing,
        } => delete(&store, names, *ignore_missing),
        BouncersCommand::Prune { duration, force } => prune(&store, duration, *force),
    }
}

fn list(store: &Store, format: Format, color: Color) -> Result<Exit> {
    let bouncers = store.bouncers().map_err(|error| anyhow!(chain(&error)))?;
    if format == Format::Json {
        let all: Vec<Value> = bouncers.iter().map(value).collect();
        print(&format!("{:#}\n", Value::Array(all)))?;
        return Ok(Exit::Done);
    }
    let text = match format {
        Format::Raw => {
            let head = "name,ip,revoked,last_pull,type,version,auth_type\n".to_owned();
            bouncers.iter().fold(head, |out, bouncer| {
                let state = if bouncer.revoked {
                    "pending"
                } else {
                    "validated"
                };
                let pulled = bouncer.last_pull_ns.map_or_else(String::new, moment);
                out + &csv(&[
                    bouncer.name.clone(),
                    bouncer.ip_address.clone(),
                    state.to_owned(),
                    pulled,
                    bouncer.kind.clone(),
                    bouncer.version.clone(),
                    bouncer.auth.text().to_owned(),
                ])
            })
        }
        Format::Human | Format::Json => {
            let rows = bouncers.iter().map(|bouncer| {
                let mark = if bouncer.revoked { "no" } else { "yes" };
                let pulled = bouncer.last_pull_ns.map_or_else(|| "-".to_owned(), moment);
                vec![
                    safe(&bouncer.name),
                    safe(&bouncer.ip_address),
                    mark.to_owned(),
                    pulled,
                    safe(&bouncer.kind),
                    safe(&bouncer.version),
                    bouncer.auth.text().to_owned(),
                ]
            });
            let head = [
                "Name",
                "IP Address",
                "Valid",
                "Last API pull",
                "Type",
                "Version",
                "Auth Type",
            ];
            table(&head, rows, format, &Style::of(&std::io::stdout(), color))
        }
    };
    print(&text)?;
    Ok(Exit::Done)
}

/// A bouncer under the names of `cscli`.
fn value(bouncer: &Bouncer) -> Value {
    json!({
        "auth_type": bouncer.auth.text(),
        "auto_created": bouncer.auto_created,
        "created_at": moment(bouncer.created_ns),
        "featureflags": list_of(&bouncer.feature_flags),
        "ip_address": bouncer.ip_address,
        "last_pull": bouncer.last_pull_ns.map(moment),
        "name": bouncer.name,
        "os": os(&bouncer.os_name, &bouncer.os_version),
        "revoked": bouncer.revoked,
        "type": bouncer.kind,
        "updated_at": moment(bouncer.updated_ns),
        "version": bouncer.version,
    })
}

/// Texts that are kept with commas between them.
pub(super) fn list_of(joined: &str) -> Vec<&str> {
    joined.split(',').filter(|text| !text.is_empty()).collect()
}

/// Name and version of an operating system, as `cscli` writes them.
pub(super) fn os(name: &str, version: &str) -> String {
    match (name.is_empty(), version.is_empty()) {
        (true, _) => "?".to_owned(),
        (false, true) => name.to_owned(),
        (false, false) => format!("{name}/{version}"),
    }
}

/// A time, RFC 3339.
pub(super) fn moment(ns: i64) -> String {
    let mut out = Vec::with_capacity(20);
    append_rfc3339(&Time::from_unix_ns(ns), &mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn add(store: &Store, name: &str, key: Option<&str>, format: Format) -> Result<Exit> {
    let key = match key {
        Some("") => bail!("--key: it is empty"),
        Some(key) => key.to_owned(),
        None => generate_key()?,
    };
    let new = NewBouncer {
        name,
        key_hash: &hash_key(&key),
        ip_address: "",
        kind: "",
        auth: AuthKind::ApiKey,
        auto_created: false,
    };
    store.add_bouncer(&new, now_ns()).map_err(|error| {
        if error.is_exists() {
            anyhow!("bouncer {name} already exists")
        } else {
            anyhow!("add bouncer {name}: {}", chain(&error))
        }
    })?;
    print(&match format {
        Format::Human => format!(
            "API key for '{}':\n\n   {key}\n\nPlease keep this key since you will not be able to retrieve it!\n",
            safe(name)
        ),
        // Scripts take it as it is, so there is no newline.
        Format::Raw => key,
        Format::Json => format!("{}\n", json!(key)),
    })?;
    Ok(Exit::Done)
}

fn delete(store: &Store, names: &[String], ignores_missing: bool) -> Result<Exit> {
    for name in names {
        let bouncers = store.bouncers().map_err(|error| anyhow!(chain(&error)))?;
        let Some(found) = bouncers.iter().find(|bouncer| bouncer.name == *name) else {
            if ignores_missing {
                continue;
            }
            bail!("bouncer {name} does not exist");
        };
        if found.auto_created && found.auth == AuthKind::ApiKey {
            tell(&format!(
                "warning: bouncer {} came with the key of another one: delete that one\n",
                safe(name)
            ));
            continue;
        }
        let with_its_key = bouncers.iter().filter(|bouncer| {
            bouncer.auto_created && !found.key_hash.is_empty() && bouncer.key_hash == found.key_hash
        });
        for bouncer in with_its_key.chain([found]) {
            store
                .delete_bouncer(&bouncer.name)
                .map_err(|error| anyhow!("delete bouncer {}: {}", bouncer.name, chain(&error)))?;
            tell(&format!(
                "bouncer '{}' deleted successfully\n",
                safe(&bouncer.name)
            ));
        }
    }
    Ok(Exit::Done)
}

fn prune(store: &Store, ago: &str, is_forced: bool) -> Result<Exit> {
    let ago_ns = duration::parse_with_days(ago)
        .ok()
        .filter(|ns| *ns >= 0)
        .with_context(|| format!("--duration {ago:?}: it is no duration, such as 60m"))?;
    let before_ns = now_ns().saturating_sub(ago_ns);
    let bouncers = store.bouncers().map_err(|error| anyhow!(chain(&error)))?;
    let is_idle =
        |bouncer: &&Bouncer| bouncer.last_pull_ns.unwrap_or(bouncer.created_ns) < before_ns;
    let idle: Vec<&Bouncer> = bouncers.iter().filter(is_idle).collect();
    if idle.is_empty() {
        print("No bouncers to prune.\n")?;
        return Ok(Exit::Done);
    }
    let names: Vec<String> = idle.iter().map(|bouncer| safe(&bouncer.name)).collect();
    print(&format!("{}\n", names.join("\n")))?;
    if !is_forced && !super::lapi::is_confirmed("These bouncers will be deleted. Are you sure?")? {
        print("User aborted prune. No changes were made.\n")?;
        return Ok(Exit::Done);
    }
    for bouncer in &idle {
        store
            .delete_bouncer(&bouncer.name)
            .map_err(|error| anyhow!("delete bouncer {}: {}", bouncer.name, chain(&error)))?;
    }
    print(&format!("Successfully deleted {} bouncers\n", idle.len()))?;
    Ok(Exit::Done)
}
