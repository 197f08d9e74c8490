//! The sections `api` and `db_config` of `config.yaml` (`pkg/csconfig/api.go`, `database.go`, `tls.go`): how the Local
//! API is served and where it keeps what it knows.
//!
//! This is what is written. What it means, and what is missing, is said where the API is started.

use std::path::{Path, PathBuf};

use crate::item::duration;
use crate::places::{put_path, put_text};
use crate::yaml::table::{Findings, Table};

/// Section `api`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiConfig {
    /// `client.credentials_path`: who log processors and `cscli` are to the API.
    pub credentials_path: Option<PathBuf>,
    /// `server`; none if the section is not there.
    pub server: Option<ServerConfig>,
}

/// Section `api.server`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerConfig {
    /// `enable`; the API is served if it is not there.
    pub enable: Option<bool>,
    /// `listen_uri`: an address and a port.
    pub listen_uri: Option<String>,
    /// `listen_socket`.
    pub listen_socket: Option<PathBuf>,
    /// `use_forwarded_for_headers`.
    pub use_forwarded_for_headers: bool,
    /// `trusted_proxies`; empty lists believe anybody.
    pub trusted_proxies: Vec<String>,
    /// `trusted_ips`.
    pub trusted_ips: Vec<String>,
    /// `disable_remote_lapi_registration`.
    pub disable_remote_lapi_registration: bool,
    /// `auto_registration`.
    pub auto_registration: Option<AutoRegistrationConfig>,
    /// `tls`.
    pub tls: Option<ApiTlsConfig>,
}

/// Section `api.server.auto_registration`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AutoRegistrationConfig {
    /// `enabled`.
    pub enabled: bool,
    /// `token`.
    pub token: String,
    /// `allowed_ranges`.
    pub allowed_ranges: Vec<String>,
}

/// The token is not shown.
impl std::fmt::Debug for AutoRegistrationConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AutoRegistrationConfig")
            .field("enabled", &self.enabled)
            .field("token", &"…")
            .field("allowed_ranges", &self.allowed_ranges)
            .finish()
    }
}

/// Section `api.server.tls`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiTlsConfig {
    /// `cert_file`.
    pub cert_file: Option<PathBuf>,
    /// `key_file`.
    pub key_file: Option<PathBuf>,
    /// `ca_cert_path`.
    pub ca_cert_path: Option<PathBuf>,
    /// `client_verification`.
    pub client_verification: Option<String>,
    /// `agents_allowed_ou`.
    pub agents_allowed_ou: Vec<String>,
    /// `bouncers_allowed_ou`.
    pub bouncers_allowed_ou: Vec<String>,
    /// `crl_path`.
    pub crl_path: Option<PathBuf>,
    /// `cache_expiration`, in nanoseconds.
    pub cache_expiration_ns: Option<i64>,
}

/// Section `db_config`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DbConfig {
    /// `type`: `sqlite`, `postgresql`, `pgx` or `mysql`.
    pub kind: Option<String>,
    /// `db_path`: the file, or the folder of the server's socket.
    pub db_path: Option<PathBuf>,
    /// `user`.
    pub user: Option<String>,
    /// `password`.
    pub password: Option<String>,
    /// `db_name`.
    pub db_name: Option<String>,
    /// `host`.
    pub host: Option<String>,
    /// `port`.
    pub port: Option<i64>,
    /// `sslmode`.
    pub sslmode: Option<String>,
    /// `use_wal`.
    pub use_wal: Option<bool>,
    /// `max_open_conns`.
    pub max_open_conns: Option<i64>,
    /// `decision_bulk_size`.
    pub decision_bulk_size: Option<i64>,
    /// `flush`.
    pub flush: FlushConfig,
}

/// The password is not shown.
impl std::fmt::Debug for DbConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DbConfig")
            .field("kind", &self.kind)
            .field("db_path", &self.db_path)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("db_name", &self.db_name)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("sslmode", &self.sslmode)
            .field("use_wal", &self.use_wal)
            .field("max_open_conns", &self.max_open_conns)
            .field("decision_bulk_size", &self.decision_bulk_size)
            .field("flush", &self.flush)
            .finish()
    }
}

/// Section `db_config.flush`; times in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlushConfig {
    /// `max_items`: alerts that are kept.
    pub max_items: Option<i64>,
    /// `max_age` of alerts.
    pub max_age_ns: Option<i64>,
    /// `metrics_max_age`.
    pub metrics_max_age_ns: Option<i64>,
    /// `bouncers_autodelete.cert`.
    pub bouncers_cert_ns: Option<i64>,
    /// `bouncers_autodelete.api_key`.
    pub bouncers_api_key_ns: Option<i64>,
    /// `agents_autodelete.cert`.
    pub agents_cert_ns: Option<i64>,
    /// `agents_autodelete.login_password`.
    pub agents_login_ns: Option<i64>,
}

impl ApiConfig {
    /// Reads the section. What another file said before is overridden key by key.
    pub(crate) fn read(&mut self, table: &mut Table<'_>, findings: &mut Findings<'_>) {
        table.child("client", findings, |mut table, findings| {
            put_path(
                &mut self.credentials_path,
                &mut table,
                "credentials_path",
                findings,
            );
        });
        table.child("server", findings, |mut table, findings| {
            let server = self.server.get_or_insert_default();
            server.read(&mut table, findings);
        });
    }

    /// Its relative paths are taken from a directory.
    pub(crate) fn below(mut self, directory: &Path) -> Self {
        let server = self.server.as_mut();
        let (socket, tls) = match server {
            Some(server) => (Some(&mut server.listen_socket), server.tls.as_mut()),
            None => (None, None),
        };
        let of_tls = tls.map(|tls| {
            [
                &mut tls.cert_file,
                &mut tls.key_file,
                &mut tls.ca_cert_path,
                &mut tls.crl_path,
            ]
        });
        let places = [&mut self.credentials_path].into_iter().chain(socket);
        for path in places.chain(of_tls.into_iter().flatten()).flatten() {
            *path = directory.join(&*path);
        }
        self
    }
}

impl ServerConfig {
    fn read(&mut self, table: &mut Table<'_>, findings: &mut Findings<'_>) {
        truth(&mut self.enable, table, "enable", findings);
        put_text(&mut self.listen_uri, table, "listen_uri", findings);
        put_path(&mut self.listen_socket, table, "listen_socket", findings);
        for (place, key) in [
            (
                &mut self.use_forwarded_for_headers,
                "use_forwarded_for_headers",
            ),
            (
                &mut self.disable_remote_lapi_registration,
                "disable_remote_lapi_registration",
            ),
        ] {
            if table.has(key) {
                *place = table.flag(key, findings);
            }
        }
        texts(
            &mut self.trusted_proxies,
            table,
            "trusted_proxies",
            findings,
        );
        texts(&mut self.trusted_ips, table, "trusted_ips", findings);
        table.child("auto_registration", findings, |mut table, findings| {
            let auto = self.auto_registration.get_or_insert_default();
            if table.has("enabled") {
                auto.enabled = table.flag("enabled", findings);
            }
            if let Some(token) = table.filled("token", findings) {
                auto.token = token.value.to_string();
            }
            texts(
                &mut auto.allowed_ranges,
                &mut table,
                "allowed_ranges",
                findings,
            );
        });
        table.child("tls", findings, |mut table, findings| {
            self.tls.get_or_insert_default().read(&mut table, findings);
        });
    }
}

impl ApiTlsConfig {
    fn read(&mut self, table: &mut Table<'_>, findings: &mut Findings<'_>) {
        for (place, key) in [
            (&mut self.cert_file, "cert_file"),
            (&mut self.key_file, "key_file"),
            (&mut self.ca_cert_path, "ca_cert_path"),
            (&mut self.crl_path, "crl_path"),
        ] {
            put_path(place, table, key, findings);
        }
        put_text(
            &mut self.client_verification,
            table,
            "client_verification",
            findings,
        );
        texts(
            &mut self.agents_allowed_ou,
            table,
            "agents_allowed_ou",
            findings,
        );
        texts(
            &mut self.bouncers_allowed_ou,
            table,
            "bouncers_allowed_ou",
            findings,
        );
        time(
            &mut self.cache_expiration_ns,
            table,
            "cache_expiration",
            findings,
        );
    }
}

impl DbConfig {
    /// Reads the section. What another file said before is overridden key by key.
    pub(crate) fn read(&mut self, table: &mut Table<'_>, findings: &mut Findings<'_>) {
        put_path(&mut self.db_path, table, "db_path", findings);
        for (place, key) in [
            (&mut self.kind, "type"),
            (&mut self.user, "user"),
            (&mut self.password, "password"),
            (&mut self.db_name, "db_name"),
            (&mut self.host, "host"),
            (&mut self.sslmode, "sslmode"),
        ] {
            put_text(place, table, key, findings);
        }
        truth(&mut self.use_wal, table, "use_wal", findings);
        for (place, key) in [
            (&mut self.port, "port"),
            (&mut self.max_open_conns, "max_open_conns"),
            (&mut self.decision_bulk_size, "decision_bulk_size"),
        ] {
            *place = table.int(key, findings).or(*place);
        }
        table.child("flush", findings, |mut table, findings| {
            self.flush.read(&mut table, findings);
        });
    }

    /// Its relative path is taken from a directory.
    pub(crate) fn below(mut self, directory: &Path) -> Self {
        self.db_path = self.db_path.map(|path| directory.join(path));
        self
    }
}

impl FlushConfig {
    fn read(&mut self, table: &mut Table<'_>, findings: &mut Findings<'_>) {
        self.max_items = table.int("max_items", findings).or(self.max_items);
        time(&mut self.max_age_ns, table, "max_age", findings);
        time(
            &mut self.metrics_max_age_ns,
            table,
            "metrics_max_age",
            findings,
        );
        table.child("bouncers_autodelete", findings, |mut table, findings| {
            time(&mut self.bouncers_cert_ns, &mut table, "cert", findings);
            time(
                &mut self.bouncers_api_key_ns,
                &mut table,
                "api_key",
                findings,
            );
        });
        table.child("agents_autodelete", findings, |mut table, findings| {
            time(&mut self.agents_cert_ns, &mut table, "cert", findings);
            time(
                &mut self.agents_login_ns,
                &mut table,
                "login_password",
                findings,
            );
        });
    }
}

fn texts(
    place: &mut Vec<String>,
    table: &mut Table<'_>,
    key: &'static str,
    findings: &mut Findings<'_>,
) {
    if table.has(key) {
        let texts = table.texts(key, findings);
        *place = texts.iter().map(|text| text.value.to_string()).collect();
    }
}

fn truth(
    place: &mut Option<bool>,
    table: &mut Table<'_>,
    key: &'static str,
    findings: &mut Findings<'_>,
) {
    if table.has(key) {
        *place = Some(table.flag(key, findings));
    }
}

/// A duration, which may begin with days.
fn time(
    place: &mut Option<i64>,
    table: &mut Table<'_>,
    key: &'static str,
    findings: &mut Findings<'_>,
) {
    if let Some(text) = table.filled(key, findings) {
        *place = duration::read_with_days(&text, findings).or(*place);
    }
}

#[cfg(test)]
mod tests {
    use crate::config_paths;

    #[test]
    fn the_sections_are_read_as_crowdsec_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        std::fs::write(
            &file,
            "db_config: {type: sqlite, db_path: data/crowdsec.db, use_wal: true, \
             flush: {max_items: 5000, max_age: 7d, bouncers_autodelete: {api_key: 30d}}}\n\
             api:\n  client: {credentials_path: local_api_credentials.yaml}\n  server:\n    \
             listen_uri: 127.0.0.1:8080\n    trusted_ips: [127.0.0.1, ::1]\n    \
             auto_registration: {enabled: true, token: secret, allowed_ranges: [10.0.0.0/8]}\n    \
             tls: {cert_file: server.pem, agents_allowed_ou: [agents]}\n",
        )
        .unwrap();
        let paths = config_paths(&file).unwrap();
        let db = &paths.db;
        assert_eq!(db.kind.as_deref(), Some("sqlite"));
        assert_eq!(db.db_path, Some(dir.path().join("data/crowdsec.db")));
        assert_eq!(db.flush.max_age_ns, Some(7 * 86_400_000_000_000));
        assert_eq!(db.flush.bouncers_api_key_ns, Some(30 * 86_400_000_000_000));
        let server = paths.api.server.as_ref().unwrap();
        assert_eq!(server.listen_uri.as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(server.enable, None);
        assert_eq!(server.trusted_ips, ["127.0.0.1", "::1"]);
        let tls = server.tls.as_ref().unwrap();
        assert_eq!(tls.cert_file, Some(dir.path().join("server.pem")));
        let shown = format!("{:?}", paths.api);
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_is_local_overrides_single_keys() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        std::fs::write(
            &file,
            "api: {server: {listen_uri: 127.0.0.1:8080, listen_socket: s}}\ndb_config: {type: sqlite}\n",
        )
        .unwrap();
        let local = dir.path().join("config.yaml.local");
        std::fs::write(
            &local,
            "api: {server: {listen_uri: 0.0.0.0:9090, enable: false}}\n",
        )
        .unwrap();
        let paths = config_paths(&file).unwrap();
        let server = paths.api.server.unwrap();
        assert_eq!(server.listen_uri.as_deref(), Some("0.0.0.0:9090"));
        assert_eq!(server.enable, Some(false));
        assert_eq!(server.listen_socket, Some(dir.path().join("s")));
        assert_eq!(paths.db.kind.as_deref(), Some("sqlite"));
    }
}
