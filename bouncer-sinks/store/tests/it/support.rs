//! Databases for tests, and alerts to put into them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use overspill_event::{Alert, Decision};
use overspill_store::{Backend, NewAlert, PostgresConfig, Store, StoreConfig, StoredAlert};

/// Makes a test of each function, for both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $name() { super::$name(&crate::support::sqlite()); })*
        }
        mod on_postgres {
            $(#[test] fn $name() {
                if let Some(database) = crate::support::postgres() {
                    super::$name(&database);
                }
            })*
        }
    };
}

/// One second.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// The present, in most tests.
pub(crate) const NOW: i64 = 1_700_000_000 * SECOND;

/// An empty database.
pub(crate) struct Database {
    pub(crate) config: StoreConfig,
    _dir: Option<tempfile::TempDir>,
}

impl Database {
    pub(crate) fn open(&self) -> Store {
        Store::open(&self.config).unwrap()
    }

    /// Does something to it behind the store's back.
    pub(crate) fn meddle(&self, sql: &str) {
        match &self.config.backend {
            Backend::Sqlite { path, .. } => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch(sql).unwrap();
            }
            Backend::Postgres(config) => client(config).batch_execute(sql).unwrap(),
        }
    }

    /// How often two transactions waited for each other, once all handles are dropped: only then a server has told all.
    pub(crate) fn deadlocks(&self) -> i64 {
        let Backend::Postgres(config) = &self.config.backend else {
            return 0;
        };
        let mut client = client(config);
        let mut count = |sql: &str| -> i64 { client.query_one(sql, &[]).unwrap().get(0) };
        let since = Instant::now();
        let others = "SELECT COUNT(*) FROM pg_stat_activity \
                      WHERE datname = CURRENT_DATABASE() AND pid <> pg_backend_pid()";
        while count(others) > 0 {
            assert!(
                since.elapsed() < Duration::from_secs(60),
                "a handle is left"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        count("SELECT deadlocks FROM pg_stat_database WHERE datname = CURRENT_DATABASE()")
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.config.backend, Backend::Postgres(_))
    }
}

/// A file that is not there yet.
pub(crate) fn sqlite() -> Database {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    Database {
        config: StoreConfig::new(Backend::Sqlite { path, wal: true }),
        _dir: Some(dir),
    }
}

/// An empty database of a server that all tests share; `None` where there can be none, which is said.
pub(crate) fn postgres() -> Option<Database> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    match SERVER.get_or_init(Server::start) {
        Ok(server) => {
            let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            client(&server.config("postgres"))
                .batch_execute(&format!("CREATE DATABASE {name}"))
                .unwrap();
            Some(Database {
                config: StoreConfig::new(Backend::Postgres(server.config(&name))),
                _dir: None,
            })
        }
        Err(why) => {
            let is_required = ["CI", "OVERSPILL_REQUIRE_BACKENDS"]
                .into_iter()
                .any(|name| std::env::var_os(name).is_some());
            assert!(!is_required, "no PostgreSQL: {why}");
            let loud = format!("\n*** NOT TESTED: no PostgreSQL: {why} ***\n\n");
            std::io::stderr().write_all(loud.as_bytes()).unwrap();
            None
        }
    }
}

fn client(config: &PostgresConfig) -> postgres::Client {
    try_client(config).unwrap()
}

fn try_client(config: &PostgresConfig) -> Result<postgres::Client, postgres::Error> {
    postgres::Config::new()
        .host(&config.host)
        .port(config.port)
        .user(&config.user)
        .password(&config.password)
        .dbname(&config.db_name)
        .connect(postgres::NoTls)
}

/// Runs a program until the input ends, which it does with the process of the tests, and clears up then.
const SHELL: &str = r#"dir=$1; shift
"$@" >>"$dir/log" 2>&1 </dev/null & pid=$!
echo started
read -r word
kill -QUIT $pid
wait $pid
rm -rf "$dir""#;

/// Of the server's user.
pub(crate) const PASSWORD: &str = "of the tests";

/// A server of our own.
struct Server {
    port: u16,
    _running: (Child, ChildStdin),
}

impl Server {
    fn start() -> Result<Self, String> {
        let bin = programs()?;
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let is_root = own_user()? == "0";
        if is_root {
            run(Command::new("chown").arg("postgres").arg(dir.path()))?;
        }
        let data = dir.path().join("data");
        let password = dir.path().join("password");
        std::fs::write(&password, PASSWORD).map_err(|error| error.to_string())?;
        run(program(is_root, &bin.join("initdb"))
            .arg("-D")
            .arg(&data)
            .arg("--pwfile")
            .arg(&password)
            .args([
                "-A",
                "scram-sha-256",
                "-U",
                "overspill",
                "-E",
                "UTF8",
                "--no-sync",
            ]))?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let port = listener
            .local_addr()
            .map_err(|error| error.to_string())?
            .port();
        drop(listener);
        let mut postgres = program(is_root, &bin.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(dir.path());
        postgres.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        postgres.args(["-c", "fsync=off", "-c", "max_connections=300"]);
        // From here on the shell removes the folder.
        let dir = dir.keep();
        let mut shell = Command::new("sh");
        shell.args(["-c", SHELL, "sh"]).arg(&dir);
        shell.arg(postgres.get_program()).args(postgres.get_args());
        let mut child = shell
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let stdin = child.stdin.take().ok_or("no input")?;
        let mut word = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?)
            .read_line(&mut word)
            .map_err(|error| error.to_string())?;
        let server = Self {
            port,
            _running: (child, stdin),
        };
        let since = Instant::now();
        loop {
            match try_client(&server.config("postgres")) {
                Ok(_client) => return Ok(server),
                Err(error) if since.elapsed() > Duration::from_secs(60) => {
                    return Err(format!("no answer: {error}"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn config(&self, db_name: &str) -> PostgresConfig {
        PostgresConfig {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: "overspill".to_owned(),
            password: PASSWORD.to_owned(),
            db_name: db_name.to_owned(),
            sslmode: "prefer".to_owned(),
        }
    }
}

/// Where the server's programs are.
fn programs() -> Result<PathBuf, String> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    found.extend(
        std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths),
    );
    found
        .into_iter()
        .find(|bin| bin.join("initdb").exists())
        .ok_or_else(|| "no initdb".to_owned())
}

/// A program, run by a user who is not the administrator: the server refuses to run as that.
fn program(is_root: bool, path: &Path) -> Command {
    if !is_root {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command.arg(path);
    command
}

fn own_user() -> Result<String, String> {
    let output = Command::new("id")
        .arg("-u")
        .output()
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// A decision that stands for so many seconds from [`NOW`].
pub(crate) fn ban(value: &str, seconds: i64) -> Decision {
    Decision {
        origin: "crowdsec".to_owned(),
        kind: "ban".to_owned(),
        scope: if value.contains('/') { "Range" } else { "Ip" }.to_owned(),
        value: value.to_owned(),
        duration: format!("{seconds}s"),
        until_ns: NOW + seconds * SECOND,
        scenario: "test/scenario".to_owned(),
        ..Decision::default()
    }
}

/// An alert about an address.
pub(crate) fn alert(value: &str, decisions: Vec<Decision>) -> Alert {
    let mut alert = Alert {
        scenario: "test/scenario".to_owned(),
        message: format!("{value} did it"),
        events_count: 3,
        start_at: "2023-11-14T22:13:00Z".to_owned(),
        stop_at: "2023-11-14T22:13:10Z".to_owned(),
        kind: "crowdsec".to_owned(),
        decisions,
        ..Alert::default()
    };
    alert.source.scope = "Ip".to_owned();
    alert.source.value = value.to_owned();
    alert
}

/// An alert that is nobody's repeat.
pub(crate) fn plain(alert: &Alert) -> NewAlert<'_> {
    NewAlert {
        alert,
        machine_id: None,
        digest: None,
        repeat_since_ns: 0,
        is_stable: false,
    }
}

/// Stores one alert.
pub(crate) fn add(store: &Store, alert: &Alert, now_ns: i64) -> StoredAlert {
    store.add_alerts(&[plain(alert)], now_ns).unwrap().remove(0)
}

/// Values of the decisions in force, in their order.
pub(crate) fn active(store: &Store, now_ns: i64) -> Vec<String> {
    let mut values = Vec::new();
    store
        .active_decisions(now_ns, &mut |row| values.push(row.value))
        .unwrap();
    values
}
