//! Debian's `crowdsec` 1.4.6 as a peer: fetched, unpacked (never installed) and run on a log.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::target_dir;
use crate::debian;

/// The peer's home: an unpacked package and a configuration of its own.
pub(crate) struct Peer {
    package: PathBuf,
    home: PathBuf,
}

/// What one run gave.
pub(crate) struct PeerRun {
    /// Alert messages, one for each overflow.
    pub(crate) alerts: Vec<String>,
    /// User and system CPU of the process, in seconds.
    pub(crate) cpu_secs: f64,
}

impl Peer {
    /// Fetches and unpacks the package, unless it is there, and installs collections from the
    /// hub snapshot that it carries.
    pub(crate) fn set_up(name: &str, collections: &[&str], port: u16) -> Result<Self> {
        let dir = target_dir().join("crowdsec");
        fs::create_dir_all(&dir)?;
        let package = debian::unpacked("crowdsec", &["crowdsec"], "usr/bin/crowdsec")?;
        let home = dir.join(name);
        if home.exists() {
            fs::remove_dir_all(&home)?;
        }
        let peer = Self { package, home };
        peer.configure(port)?;
        let mut seen = BTreeSet::new();
        for collection in collections {
            peer.install("collections", collection, &mut seen)?;
        }
        Ok(peer)
    }

    /// The hub snapshot of the package.
    pub(crate) fn hub(&self) -> PathBuf {
        self.home.join("hub")
    }

    /// The data files of the package.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn configure(&self, port: u16) -> Result<()> {
        let share = self.package.join("usr/share/crowdsec");
        copy_dir(&self.package.join("etc/crowdsec"), &self.home.join("etc"))?;
        copy_dir(&share.join("hub"), &self.hub())?;
        copy_dir(&share.join("data"), &self.data())?;
        // The package ships the file under a name that its own scenario does not ask for.
        let data = self.data();
        fs::copy(
            data.join("path_traversal.txt"),
            data.join("http_path_traversal.txt"),
        )?;
        let home = self.home.display();
        let config = format!(
            "common: {{daemonize: false, log_media: stdout, log_level: info}}\n\
             config_paths: {{config_dir: {home}/etc/, data_dir: {home}/data/, \
             simulation_path: {home}/etc/simulation.yaml, hub_dir: {home}/hub/, \
             index_path: {home}/hub/.index.json}}\n\
             crowdsec_service: {{acquisition_path: {home}/etc/acquis.yaml, parser_routines: 1}}\n\
             db_config: {{type: sqlite, db_path: {home}/data/crowdsec.db}}\n\
             api:\n  client: {{credentials_path: {home}/etc/credentials.yaml}}\n  \
             server: {{listen_uri: 127.0.0.1:{port}, profiles_path: {home}/etc/profiles.yaml}}\n\
             prometheus: {{enabled: false}}\n"
        );
        fs::write(self.config(), config)?;
        fs::write(self.home.join("etc/acquis.yaml"), "")?;
        let credentials = self.home.join("etc/credentials.yaml");
        fs::write(&credentials, format!("url: http://127.0.0.1:{port}\n"))?;
        let output = Command::new(self.package.join("usr/bin/cscli"))
            .arg("-c")
            .arg(self.config())
            .args(["machines", "add", "-a", "-f"])
            .arg(&credentials)
            .output()
            .context("run the peer's cscli")?;
        if !output.status.success() {
            bail!(
                "cscli machines add: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    fn config(&self) -> PathBuf {
        self.home.join("etc/config.yaml")
    }

    /// Links an item, and the members of a collection, as the package's set-up would.
    fn install(&self, kind: &str, name: &str, seen: &mut BTreeSet<String>) -> Result<()> {
        if !seen.insert(format!("{kind}/{name}")) {
            return Ok(());
        }
        let staged = matches!(kind, "parsers" | "postoverflows");
        let folders: Vec<PathBuf> = if staged {
            fs::read_dir(self.hub().join(kind))?
                .flatten()
                .map(|entry| entry.path())
                .collect()
        } else {
            vec![self.hub().join(kind)]
        };
        let file = folders
            .iter()
            .map(|folder| folder.join(format!("{name}.yaml")))
            .find(|file| file.exists())
            .with_context(|| format!("{kind} {name} is not in the package's hub"))?;
        let base = file.file_name().context("a file name")?;
        let mut place = self.home.join("etc").join(kind);
        if staged {
            let stage = file
                .ancestors()
                .nth(2)
                .and_then(Path::file_name)
                .context("a stage")?;
            place.push(stage);
        }
        fs::create_dir_all(&place)?;
        symlink(&file, place.join(base))?;
        if kind == "collections" {
            for (kind, member) in members(&fs::read_to_string(&file)?) {
                self.install(&kind, &member, seen)?;
            }
        }
        Ok(())
    }

    /// Replays a log and reads the alerts from the peer's own log.
    pub(crate) fn replay(&self, log: &Path, log_type: &str) -> Result<PeerRun> {
        let output = Command::new("bash")
            .arg("-c")
            // The shell's own `times` gives the CPU of its children.
            .arg("TIMEFORMAT='cpu %U %S'; time timeout 900 \"$@\"")
            .arg("bash")
            .arg(self.package.join("usr/bin/crowdsec"))
            .arg("-c")
            .arg(self.config())
            .args(["-type", log_type, "-dsn"])
            .arg(format!("file://{}", log.display()))
            .stdin(Stdio::null())
            .output()
            .context("run the peer")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let alerts = text.lines().filter_map(alert_message).collect();
        let cpu_secs = text
            .lines()
            .rev()
            .find_map(|line| {
                let mut parts = line.strip_prefix("cpu ")?.split(' ').map(str::parse::<f64>);
                Some(parts.next()?.ok()? + parts.next()?.ok()?)
            })
            .context("no CPU time of the peer")?;
        Ok(PeerRun { alerts, cpu_secs })
    }
}

/// `Ip 1.2.3.4 performed 'name' (6 events over 5s) at 2022-01-01 ...` of a log line.
fn alert_message(line: &str) -> Option<String> {
    let text = line.split_once("msg=\"")?.1;
    let text = text.strip_suffix('"').unwrap_or(text).replace("\\\"", "\"");
    (text.contains(" performed '") && text.contains(" events over ")).then_some(text)
}

/// The members of a collection file: enough of YAML for the package's own files.
fn members(text: &str) -> Vec<(String, String)> {
    let mut kind = String::new();
    let mut members = Vec::new();
    for line in text.lines() {
        if let Some((key, _)) = line
            .split_once(':')
            .filter(|_| line.starts_with(char::is_alphabetic))
        {
            key.clone_into(&mut kind);
        } else if let Some(name) = line.trim().strip_prefix("- ")
            && ["parsers", "scenarios", "postoverflows", "collections"].contains(&kind.as_str())
        {
            members.push((kind.clone(), name.trim().trim_matches('"').to_owned()));
        }
    }
    members
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
