//! `overspill machines`: who may push alerts and change decisions. Works on the database itself, on the machine that has
//! it.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use overspill_lapi::{generate_key, hash_password};
use overspill_store::{AuthKind, Machine, NewMachine, Store};
use serde_json::{Value, json};

use super::args::{Color, Format, MachinesArgs, MachinesCommand};
use super::bouncers::{list_of, moment, os};
use super::lapi::{listen_url, store};
use super::{Exit, csv, print, table, tell};
use crate::lapi::now_ns;
use crate::report::term::{Style, safe};
use crate::wire::chain;

pub(super) fn run(args: &MachinesArgs, format: Format, color: Color) -> Result<Exit> {
    let store = store(&args.store)?;
    match &args.command {
        MachinesCommand::List => list(&store, format, color),
        MachinesCommand::Add {
            name,
            password,
            auto,
            file,
            url,
            force,
        } => {
            let name = match name {
                Some(name) => name.clone(),
                None => drawn_name()?,
            };
            let password = match (password, auto) {
                (Some(password), _) => password.clone(),
                (None, true) => drawn_password()?,
                (None, false) => bail!(
                    "machines add {name}: write --password PASSWORD, or --auto to have one drawn"
                ),
            };
            let url = match url {
                Some(url) => url.clone(),
                None => listen_url(&args.store)?,
            };
            add(&store, &name, &password, file.as_deref(), &url, *force)
        }
        MachinesCommand::Delete {
            names,
            ignore_missing,
        } => delete(&store, names, *ignore_missing),
        MachinesCommand::Validate { name } => validate(&store, name),
    }
}

fn list(store: &Store, format: Format, color: Color) -> Result<Exit> {
    let machines = store.machines().map_err(|error| anyhow!(chain(&error)))?;
    if format == Format::Json {
        let all: Vec<Value> = machines.iter().map(value).collect();
        print(&format!("{:#}\n", Value::Array(all)))?;
        return Ok(Exit::Done);
    }
    let cells = |machine: &Machine| {
        vec![
            machine.name.clone(),
            machine.ip_address.clone(),
            moment(machine.updated_ns),
            machine.is_validated.to_string(),
            machine.version.clone(),
            machine.auth.text().to_owned(),
            machine.last_heartbeat_ns.map_or_else(String::new, moment),
            os(&machine.os_name, &machine.os_version),
        ]
    };
    let text = match format {
        Format::Raw => {
            let head =
                "machine_id,ip_address,updated_at,validated,version,auth_type,last_heartbeat,os\n";
            let rows = machines.iter().map(|machine| csv(&cells(machine)));
            rows.fold(head.to_owned(), |out, row| out + &row)
        }
        Format::Human | Format::Json => {
            let head = [
                "Name",
                "IP Address",
                "Last Update",
                "Status",
                "Version",
                "Auth Type",
                "Last Heartbeat",
                "OS",
            ];
            let rows = machines.iter().map(|machine| {
                let cells = cells(machine).into_iter();
                cells.map(|cell| safe(&cell)).collect()
            });
            table(&head, rows, format, &Style::of(&std::io::stdout(), color))
        }
    };
    print(&text)?;
    Ok(Exit::Done)
}

/// A machine under the names of `cscli`.
fn value(machine: &Machine) -> Value {
    json!({
        "auth_type": machine.auth.text(),
        "created_at": moment(machine.created_ns),
        "datasources": serde_json::from_str::<Value>(&machine.datasources).unwrap_or(Value::Null),
        "featureflags": list_of(&machine.feature_flags),
        "ipAddress": machine.ip_address,
        "isValidated": machine.is_validated,
        "last_heartbeat": machine.last_heartbeat_ns.map(moment),
        "last_push": machine.last_push_ns.map(moment),
        "machineId": machine.name,
        "os": os(&machine.os_name, &machine.os_version),
        "updated_at": moment(machine.updated_ns),
        "version": machine.version,
    })
}

fn add(
    store: &Store,
    name: &str,
    password: &str,
    file: Option<&str>,
    url: &str,
    is_forced: bool,
) -> Result<Exit> {
    let path = file.filter(|file| *file != "-").map(Path::new);
    if let Some(path) = path
        && path.exists()
        && !is_forced
    {
        bail!("{} is there already: --force replaces it", path.display());
    }
    let hash = hash_password(password).context("--password")?;
    let new = NewMachine {
        name,
        password_hash: &hash,
        ip_address: "",
        is_validated: true,
        auth: AuthKind::Password,
    };
    match store.add_machine(&new, now_ns()) {
        Ok(_) => {}
        Err(error) if error.is_exists() && is_forced => {
            store
                .set_machine_password(name, &hash, now_ns())
                .and_then(|()| store.validate_machine(name, now_ns()))
                .map_err(|error| anyhow!("replace machine {name}: {}", chain(&error)))?;
        }
        Err(error) if error.is_exists() => {
            bail!("machine {name} already exists: --force replaces it")
        }
        Err(error) => bail!("add machine {name}: {}", chain(&error)),
    }
    tell(&format!(
        "Machine '{}' successfully added to the local API.\n",
        safe(name)
    ));
    let credentials = credentials(url, name, password);
    match (file, path) {
        (Some("-"), _) => print(&credentials)?,
        (_, Some(path)) => {
            write_private(path, &credentials)
                .with_context(|| format!("write {}", path.display()))?;
            tell(&format!(
                "API credentials written to '{}'.\n",
                path.display()
            ));
        }
        (_, None) => tell("No file was named for the credentials: --file FILE writes them.\n"),
    }
    Ok(Exit::Done)
}

/// What a log processor logs in with: CrowdSec's `local_api_credentials.yaml`.
fn credentials(url: &str, name: &str, password: &str) -> String {
    // JSON texts are YAML texts, whatever is in them.
    format!(
        "url: {}\nlogin: {}\npassword: {}\n",
        json!(url),
        json!(name),
        json!(password)
    )
}

/// Writes a file that nobody else may read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // One that was there before may have been open to others.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())
}

fn drawn_password() -> Result<String> {
    let drawn = [generate_key()?, generate_key()?].concat();
    Ok(drawn
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(64)
        .collect())
}

/// The name of this system, and some letters.
fn drawn_name() -> Result<String> {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let drawn = generate_key()?;
    let drawn = drawn.chars().filter(char::is_ascii_alphanumeric).take(16);
    Ok(id.trim().chars().chain(drawn).collect())
}

fn delete(store: &Store, names: &[String], ignores_missing: bool) -> Result<Exit> {
    for name in names {
        match store.delete_machine(name) {
            Ok(()) => tell(&format!("machine '{}' deleted successfully\n", safe(name))),
            Err(error) if error.is_not_found() && ignores_missing => {}
            Err(error) if error.is_not_found() => bail!("machine {name} does not exist"),
            Err(error) => bail!("delete machine {name}: {}", chain(&error)),
        }
    }
    Ok(Exit::Done)
}

fn validate(store: &Store, name: &str) -> Result<Exit> {
    store.validate_machine(name, now_ns()).map_err(|error| {
        if error.is_not_found() {
            anyhow!("machine {name} does not exist")
        } else {
            anyhow!("validate machine {name}: {}", chain(&error))
        }
    })?;
    tell(&format!(
        "machine '{}' validated successfully\n",
        safe(name)
    ));
    Ok(Exit::Done)
}
