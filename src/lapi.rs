//! The Local API of this program: from `config.yaml` to a server, and what a live job detects into its store.

mod sink;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use overspill_connectors::source::system_clock;
use overspill_decision::{Block, Policy};
use overspill_expr::Services;
use overspill_lapi::{
    AutoRegistration, ClientVerification, Clock, Counts, Forwarded, Lapi, LapiParts, Settings,
    TlsSettings,
};
use overspill_scenarios::{ApiTlsConfig, ConfigPaths, DbConfig, ServerConfig};
use overspill_store::{
    ActiveCount, AlertCount, Backend, FlushPolicy, PostgresConfig, Store, StoreConfig, StoreError,
};

use crate::wire::chain;
pub(crate) use sink::StoreSink;

/// Where the database is if nobody says: below the directory that state is kept in.
pub const DATABASE: &str = "lapi.db";
/// Where the secret of tokens is in the store.
const SECRET: &str = "lapi_secret";
/// Shortest secret that is given, in bytes (`pkg/apiserver/middlewares/v1/jwt.go`).
const SECRET_BYTES_MIN: usize = 64;
/// Shortest token of registration (`pkg/csconfig/api.go`).
const TOKEN_CHARS_MIN: usize = 32;
const HOUR: Duration = Duration::from_secs(3600);
const DAY_NS: i64 = 86_400_000_000_000;

/// How old what was observed of a database may be: whoever scrapes more often sees the same.
const OBSERVED_FOR: Duration = Duration::from_secs(5);

/// An API that is served.
#[derive(Debug)]
pub struct Api {
    store: Store,
    server: Lapi,
    observed: Mutex<Option<(Instant, Arc<Observed>)>>,
}

/// What the database of an API holds, for metrics.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Number of the newest entry of the log.
    pub(crate) head: u64,
    /// Decisions that bouncers are told of.
    pub(crate) n_active: u64,
    /// Decisions that were too many for that.
    pub(crate) n_left_out: u64,
    /// Decisions in force.
    pub(crate) decisions: Vec<ActiveCount>,
    /// Alerts.
    pub(crate) alerts: Vec<AlertCount>,
    /// When machines last said that they live, in seconds since 1970.
    pub(crate) heartbeats: Vec<(String, u64)>,
}

impl Api {
    /// Serves the API of a configuration.
    ///
    /// # Errors
    /// When a key says what cannot be done, the database cannot be opened, or the address cannot be listened on.
    pub(crate) fn start(
        paths: &ConfigPaths,
        state: &Path,
        policy: Policy,
        services: Services,
    ) -> Result<Self> {
        let store = open(&paths.db, state)?;
        let secret = secret(&store)?;
        let parts = LapiParts {
            settings: settings(paths.api.server.as_ref())?,
            store: store.clone(),
            secret,
            policy,
            services,
            flush: flush_policy(&paths.db),
            clock: Arc::new(SystemClock),
        };
        let server = Lapi::start(parts).context("api.server")?;
        Ok(Self {
            store,
            server,
            observed: Mutex::new(None),
        })
    }

    /// What was asked for so far.
    pub(crate) fn counts(&self) -> Counts {
        self.server.counts()
    }

    /// What the database holds, as it was a moment ago; none if it cannot be read.
    pub(crate) fn observed(&self) -> Option<Arc<Observed>> {
        let mut last = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, observed)) = &*last
            && at.elapsed() < OBSERVED_FOR
        {
            return Some(Arc::clone(observed));
        }
        let observed = Arc::new(self.observe().ok()?);
        *last = Some((Instant::now(), Arc::clone(&observed)));
        Some(observed)
    }

    fn observe(&self) -> Result<Observed, StoreError> {
        let state = self.server.state()?;
        let seconds = |ns: i64| u64::try_from(ns / 1_000_000_000).unwrap_or(0);
        let heartbeats = self.store.machines()?.into_iter();
        let heartbeats = heartbeats
            .filter_map(|machine| Some((machine.name, seconds(machine.last_heartbeat_ns?))));
        Ok(Observed {
            head: state.head,
            n_active: u64::try_from(state.n_active).unwrap_or(u64::MAX),
            n_left_out: state.n_left_out,
            decisions: self.store.active_counts(now_ns())?,
            alerts: self.store.alert_counts()?,
            heartbeats: heartbeats.collect(),
        })
    }

    /// What it serves.
    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    /// Decides by other profiles from here on.
    pub(crate) fn set_policy(&self, policy: Policy) {
        self.server.set_policy(policy);
    }

    /// Where it is, and what is in force, in a line.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn banner(&self) -> Result<String> {
        let at = match (self.server.address(), self.server.socket()) {
            (Some(address), _) => address.to_string(),
            (None, Some(socket)) => socket.display().to_string(),
            (None, None) => String::new(),
        };
        let n_active = self.server.state()?.n_active;
        Ok(format!("api        {at}   {n_active} decisions in force\n"))
    }
}

/// The clock of the system.
struct SystemClock;

impl Clock for SystemClock {
    fn now_ns(&self) -> i64 {
        system_clock()()
    }
}

/// What time it is, in nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> i64 {
    SystemClock.now_ns()
}

/// Opens the database of a configuration, or the file of a directory where there is none.
///
/// # Errors
/// When it is not of a kind that is known, or cannot be opened.
pub(crate) fn open(config: &DbConfig, state: &Path) -> Result<Store> {
    let config = store_config(config, state)?;
    if let Backend::Sqlite { path, .. } = &config.backend
        && let Some(folder) = path.parent()
    {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    Store::open(&config).map_err(|error| {
        let place = match &config.backend {
            Backend::Sqlite { path, .. } => path.display().to_string(),
            Backend::Postgres(server) => format!("{}:{}", server.host, server.port),
        };
        anyhow!("the database {place}: {}", chain(&error))
    })
}

fn store_config(config: &DbConfig, state: &Path) -> Result<StoreConfig> {
    let backend = match config.kind.as_deref() {
        None | Some("sqlite") => Backend::Sqlite {
            path: sqlite_path(config.db_path.as_deref(), state),
            wal: config.use_wal.unwrap_or(true),
        },
        Some("postgresql" | "postgres" | "pgx") => Backend::Postgres(PostgresConfig {
            host: match (&config.host, &config.db_path) {
                (Some(host), _) => host.clone(),
                (None, Some(folder)) => folder.display().to_string(),
                (None, None) => "127.0.0.1".to_owned(),
            },
            port: u16::try_from(config.port.unwrap_or(5432)).context("db_config.port")?,
            user: config.user.clone().unwrap_or_default(),
            password: config.password.clone().unwrap_or_default(),
            db_name: config.db_name.clone().unwrap_or_default(),
            sslmode: config.sslmode.clone().unwrap_or_default(),
        }),
        Some(kind) => bail!(
            "db_config.type: `{kind}` is not a database of ours: write `sqlite` or `postgresql`"
        ),
    };
    let mut store = StoreConfig::new(backend);
    let positive = |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok());
    if let Some(connections) = positive(config.max_open_conns).filter(|n| *n > 0) {
        store.connections_max = connections;
    }
    if let Some(decisions) = positive(config.decision_bulk_size).filter(|n| *n > 0) {
        store.decision_bulk = decisions;
    }
    Ok(store)
}

/// CrowdSec's own database stays as it is: ours lies beside it.
fn sqlite_path(path: Option<&Path>, state: &Path) -> PathBuf {
    match path {
        None => state.join(DATABASE),
        Some(path) if path.file_name().is_some_and(|name| name == "crowdsec.db") => {
            path.with_file_name("overspill.db")
        }
        Some(path) => path.to_owned(),
    }
}

/// What is removed, and when (`pkg/csconfig/database.go`, and the packaged `config.yaml`).
fn flush_policy(config: &DbConfig) -> FlushPolicy {
    let flush = &config.flush;
    FlushPolicy {
        max_age_ns: Some(flush.max_age_ns.unwrap_or(7 * DAY_NS)),
        max_items: flush.max_items.and_then(|items| u64::try_from(items).ok()),
        bouncers_cert_max_idle_ns: flush.bouncers_cert_ns,
        bouncers_api_key_max_idle_ns: flush.bouncers_api_key_ns,
        agents_cert_max_idle_ns: flush.agents_cert_ns,
        agents_login_max_idle_ns: flush.agents_login_ns,
        metrics_max_age_ns: Some(flush.metrics_max_age_ns.unwrap_or(7 * DAY_NS)),
        digests_max_age_ns: Some(DAY_NS),
        identities_max_age_ns: Some(30 * DAY_NS),
        engine_max_age_ns: Some(DAY_NS),
    }
}

/// What signs tokens: given by the environment, or drawn once and kept, so that tokens outlive a restart and are good
/// for all servers of a database.
fn secret(store: &Store) -> Result<Vec<u8>> {
    if let Some(secret) = std::env::var_os("CS_LAPI_SECRET").filter(|secret| !secret.is_empty()) {
        let secret = secret.into_encoded_bytes();
        if secret.len() < SECRET_BYTES_MIN {
            bail!("CS_LAPI_SECRET not strong enough: it has fewer than {SECRET_BYTES_MIN} bytes");
        }
        return Ok(secret);
    }
    let drawn = [
        overspill_lapi::generate_key()?,
        overspill_lapi::generate_key()?,
    ]
    .concat();
    let kept = store
        .item_or(SECRET, &drawn)
        .map_err(|error| anyhow!("keep the secret of tokens: {}", chain(&error)))?;
    Ok(kept.into_bytes())
}

fn settings(config: Option<&ServerConfig>) -> Result<Settings> {
    let Some(config) = config else {
        return Ok(Settings::default());
    };
    let listen = match (&config.listen_uri, &config.listen_socket) {
        (Some(uri), _) => Some(address(uri)?),
        (None, Some(_)) => None,
        (None, None) => Settings::default().listen,
    };
    Ok(Settings {
        listen,
        listen_socket: config.listen_socket.clone(),
        tls: config.tls.as_ref().map(tls).transpose()?.flatten(),
        trusted_ips: blocks("api.server.trusted_ips", &config.trusted_ips)?,
        forwarded: match config.use_forwarded_for_headers {
            false => Forwarded::Nobody,
            true if config.trusted_proxies.is_empty() => Forwarded::Everybody,
            true => Forwarded::Proxies(blocks(
                "api.server.trusted_proxies",
                &config.trusted_proxies,
            )?),
        },
        refuses_remote_registration: config.disable_remote_lapi_registration,
        auto_registration: auto_registration(config)?,
        ..Settings::default()
    })
}

fn address(uri: &str) -> Result<SocketAddr> {
    let whole = match uri.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => uri.to_owned(),
    };
    whole
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .with_context(|| {
            format!("api.server.listen_uri: `{uri}` is not an address and a port, such as 127.0.0.1:8080")
        })
}

fn blocks(key: &str, texts: &[String]) -> Result<Vec<Block>> {
    texts
        .iter()
        .map(|text| {
            Block::parse(text)
                .with_context(|| format!("{key}: `{text}` is neither an address nor a range"))
        })
        .collect()
}

fn auto_registration(config: &ServerConfig) -> Result<Option<AutoRegistration>> {
    let Some(auto) = config
        .auto_registration
        .as_ref()
        .filter(|auto| auto.enabled)
    else {
        return Ok(None);
    };
    let key = "api.server.auto_registration";
    if auto.token.chars().count() < TOKEN_CHARS_MIN {
        bail!("{key}.token: it has fewer than {TOKEN_CHARS_MIN} characters");
    }
    if auto.allowed_ranges.is_empty() {
        bail!("{key}.allowed_ranges: there is none, so that no machine could register");
    }
    Ok(Some(AutoRegistration {
        token: auto.token.clone(),
        ranges: blocks(&format!("{key}.allowed_ranges"), &auto.allowed_ranges)?,
    }))
}

/// None where neither certificate nor key is named, as in the packaged `config.yaml`.
fn tls(config: &ApiTlsConfig) -> Result<Option<TlsSettings>> {
    let key = "api.server.tls";
    let (cert_file, key_file) = match (&config.cert_file, &config.key_file) {
        (Some(cert), Some(key)) => (cert.clone(), key.clone()),
        (None, None) => return Ok(None),
        _ => bail!("{key}: `cert_file` and `key_file` belong together"),
    };
    let client_verification = match config.client_verification.as_deref() {
        None | Some("" | "VerifyClientCertIfGiven" | "RequestClientCert") => {
            ClientVerification::IfGiven
        }
        Some("NoClientCert") => ClientVerification::None,
        Some("RequireAndVerifyClientCert" | "RequireAnyClientCert") => ClientVerification::Required,
        Some(other) => bail!("{key}.client_verification: `{other}` is not known"),
    };
    let expiration = config
        .cache_expiration_ns
        .map(|ns| ns.max(0).unsigned_abs());
    Ok(Some(TlsSettings {
        cert_file,
        key_file,
        ca_cert_path: config.ca_cert_path.clone(),
        client_verification,
        agents_allowed_ou: config.agents_allowed_ou.clone(),
        bouncers_allowed_ou: config.bouncers_allowed_ou.clone(),
        crl_path: config.crl_path.clone(),
        cache_expiration: expiration.map_or(HOUR, Duration::from_nanos),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Settings, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        std::fs::write(&file, text).unwrap();
        let paths = overspill_scenarios::config_paths(&file).unwrap();
        settings(paths.api.server.as_ref()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_crowdsec_packages_is_understood() {
        let settings = check(
            "api:\n  server:\n    log_level: info\n    listen_uri: 127.0.0.1:8080\n    \
             profiles_path: /etc/crowdsec/profiles.yaml\n    trusted_ips: [127.0.0.1, '::1']\n    \
             online_client: {credentials_path: /etc/crowdsec/online_api_credentials.yaml}\n",
        )
        .unwrap();
        assert_eq!(
            settings.listen,
            Some(SocketAddr::from(([127, 0, 0, 1], 8080)))
        );
        assert_eq!(settings.trusted_ips.len(), 2);
        assert_eq!(settings.forwarded, Forwarded::Nobody);
        assert!(settings.tls.is_none() && settings.auto_registration.is_none());
    }

    #[test]
    fn what_cannot_be_done_is_said_with_its_key() {
        for (text, said) in [
            ("listen_uri: nonsense", "api.server.listen_uri"),
            (
                "trusted_ips: [nonsense]",
                "api.server.trusted_ips: `nonsense`",
            ),
            (
                "auto_registration: {enabled: true, token: short}",
                "fewer than 32",
            ),
            ("tls: {cert_file: a}", "belong together"),
            (
                "tls: {cert_file: a, key_file: b, client_verification: maybe}",
                "`maybe` is not known",
            ),
        ] {
            let error = check(&format!("api: {{server: {{{text}}}}}")).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_database_of_crowdsec_is_left_alone() {
        let state = Path::new("/var/lib/overspill");
        let path = |path: &str| sqlite_path(Some(Path::new(path)), state);
        assert_eq!(
            path("/var/lib/crowdsec/data/crowdsec.db"),
            Path::new("/var/lib/crowdsec/data/overspill.db")
        );
        assert_eq!(path("/srv/api.db"), Path::new("/srv/api.db"));
        assert_eq!(sqlite_path(None, state), state.join("lapi.db"));
    }
}
