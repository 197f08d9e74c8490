//! CrowdSec's own programs from Debian: fetched, unpacked, never installed.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::server::{Server, fetched, run};
use crate::steps::Subject;

/// Fetches and unpacks packages.
pub(crate) fn packages(folder: &str, names: &[&str], proof: &str) -> Result<PathBuf, String> {
    fetched(folder, proof, |dir| {
        let download = || {
            let mut command = Command::new("apt-get");
            // Root would be told that it cannot change to a user that cannot write here.
            command
                .args(["download", "-q", "-o", "APT::Sandbox::User=root"])
                .args(names)
                .current_dir(dir);
            run(&mut command)
        };
        if download().is_err() {
            // The list of packages may be old, or not there at all.
            run(Command::new("apt-get").args(["update", "-q"]))?;
            download()?;
        }
        let entries = fs::read_dir(dir).map_err(|error| error.to_string())?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg").arg("-x").arg(&path).arg(dir))?;
            }
        }
        Ok(())
    })
}

/// Debian's `crowdsec` and `cscli`.
pub(crate) fn crowdsec_package() -> Result<PathBuf, String> {
    packages("crowdsec-1.4.6", &["crowdsec"], "usr/bin/crowdsec")
}

/// A home for `crowdsec` and `cscli`: a configuration, a hub, a database.
pub(crate) struct Home {
    pub(crate) package: PathBuf,
    pub(crate) dir: PathBuf,
}

impl Home {
    /// Makes one in which the API is at a port.
    pub(crate) fn make(dir: &Path, port: u16) -> Result<Self, String> {
        let package = crowdsec_package()?;
        let text = |error: std::io::Error| error.to_string();
        let home = Self {
            package,
            dir: dir.to_owned(),
        };
        let copy = |from: &str, to: &str| {
            let from = home.package.join(from);
            run(Command::new("cp").arg("-r").arg(from).arg(dir.join(to)))
        };
        copy("etc/crowdsec", "etc")?;
        copy("usr/share/crowdsec/hub", "hub")?;
        copy("usr/share/crowdsec/data", "data")?;
        let shown = dir.display();
        let config = format!(
            "common: {{daemonize: false, log_media: stdout, log_level: info}}\n\
             config_paths: {{config_dir: {shown}/etc/, data_dir: {shown}/data/, \
             simulation_path: {shown}/etc/simulation.yaml, hub_dir: {shown}/hub/, \
             index_path: {shown}/hub/.index.json}}\n\
             crowdsec_service: {{acquisition_path: {shown}/etc/acquis.yaml, parser_routines: 1}}\n\
             db_config: {{type: sqlite, db_path: {shown}/data/crowdsec.db}}\n\
             api:\n  client: {{credentials_path: {shown}/etc/credentials.yaml}}\n  \
             server: {{listen_uri: 127.0.0.1:{port}, profiles_path: {shown}/etc/profiles.yaml}}\n\
             prometheus: {{enabled: false}}\n"
        );
        fs::write(home.config(), config).map_err(text)?;
        fs::write(dir.join("etc/acquis.yaml"), "").map_err(text)?;
        home.credentials(port, "nobody", "nothing")?;
        Ok(home)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("etc/config.yaml")
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.package.join("usr/bin").join(name)
    }

    /// Who `cscli` and the log processor are to the API.
    pub(crate) fn credentials(&self, port: u16, login: &str, password: &str) -> Result<(), String> {
        let text = format!("url: http://127.0.0.1:{port}/\nlogin: {login}\npassword: {password}\n");
        fs::write(self.dir.join("etc/credentials.yaml"), text).map_err(|error| error.to_string())
    }

    pub(crate) fn cscli(&self) -> Command {
        let mut command = Command::new(self.program("cscli"));
        command.arg("-c").arg(self.config());
        command
    }
}

/// Standard output of a program that ended well.
pub(crate) fn said(command: &mut Command) -> Result<String, String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().map_err(|error| error.to_string())?;
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    if status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    Err(format!("{command:?}: {status}: {stdout}{stderr}"))
}

/// CrowdSec's own API.
pub(crate) struct CrowdSec {
    server: Server,
    home: Home,
    keys: std::collections::BTreeMap<String, String>,
    _dir: tempfile::TempDir,
}

impl CrowdSec {
    pub(crate) fn start() -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut made = Err(String::new());
        let server = Server::start("/health", |port| {
            made = Home::make(dir.path(), port);
            match &made {
                Ok(home) => {
                    let mut command = Command::new(home.program("crowdsec"));
                    command.arg("-c").arg(home.config()).arg("-no-cs");
                    command
                }
                Err(_) => Command::new("false"),
            }
        });
        Ok(Self {
            home: made?,
            server: server?,
            keys: std::collections::BTreeMap::new(),
            _dir: dir,
        })
    }
}

impl Subject for CrowdSec {
    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.server.port))
    }

    fn key(&mut self, bouncer: &str) -> String {
        if let Some(key) = self.keys.get(bouncer) {
            return key.clone();
        }
        let mut command = self.home.cscli();
        command.args(["bouncers", "add", bouncer, "-o", "raw"]);
        let key = said(&mut command).unwrap().trim().to_owned();
        self.keys.insert(bouncer.to_owned(), key.clone());
        key
    }

    fn machine(&mut self, name: &str, password: &str) {
        let file = self.home.dir.join("unused.yaml");
        let mut command = self.home.cscli();
        command
            .args([
                "machines",
                "add",
                name,
                "--force",
                "--password",
                password,
                "-f",
            ])
            .arg(file);
        said(&mut command).unwrap();
    }

    fn is_crowdsec(&self) -> bool {
        true
    }
}
