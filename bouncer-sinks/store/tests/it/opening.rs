//! Opening databases, good and bad.

use overspill_store::{Backend, PostgresConfig, Store, StoreConfig, StoreError};

use crate::support::{Database, NOW, active, add, alert, ban, sqlite};

on_both!(
    a_database_is_opened_again,
    a_newer_database_is_refused,
    a_foreign_database_is_refused,
    many_open_at_once,
    one_connection_is_enough,
);

fn a_database_is_opened_again(database: &Database) {
    let some = alert("192.0.2.1", vec![ban("192.0.2.1", 60)]);
    for number in 1..4 {
        let store = database.open();
        assert_eq!(add(&store, &some, NOW).id, number);
        assert_eq!(store.head().unwrap().0, u64::try_from(number).unwrap());
    }
}

fn a_newer_database_is_refused(database: &Database) {
    drop(database.open());
    database.meddle("INSERT INTO overspill_versions (version) VALUES (99)");
    let refused = Store::open(&database.config).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, .. }));
    assert_eq!(
        refused.to_string(),
        "the database is of version 99, and this build knows versions up to 1"
    );
}

fn a_foreign_database_is_refused(database: &Database) {
    database.meddle("CREATE TABLE alerts (id INTEGER PRIMARY KEY, started_at TEXT)");
    let refused = Store::open(&database.config).unwrap_err();
    assert!(matches!(refused, StoreError::Foreign));
    // Nothing was left behind.
    let again = Store::open(&database.config).unwrap_err();
    assert!(matches!(again, StoreError::Foreign));
}

fn many_open_at_once(database: &Database) {
    let some = alert("192.0.2.1", vec![ban("192.0.2.1", 60)]);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| add(&database.open(), &some, NOW));
        }
    });
    assert_eq!(active(&database.open(), NOW).len(), 6);
}

fn one_connection_is_enough(database: &Database) {
    let mut config = database.config.clone();
    config.connections_max = 1;
    let store = Store::open(&config).unwrap();
    let some = alert("192.0.2.1", vec![ban("192.0.2.1", 60)]);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..10 {
                    add(&store, &some, NOW);
                    active(&store, NOW);
                    store.head().unwrap();
                }
            });
        }
    });
    assert_eq!(active(&store, NOW).len(), 60);
}

#[test]
fn a_file_without_a_write_ahead_log_works() {
    let database = sqlite();
    let Backend::Sqlite { path, .. } = database.config.backend.clone() else {
        return;
    };
    let config = StoreConfig::new(Backend::Sqlite {
        path: path.clone(),
        wal: false,
    });
    let store = Store::open(&config).unwrap();
    let some = alert("192.0.2.1", vec![ban("192.0.2.1", 60)]);
    add(&store, &some, NOW);
    assert_eq!(active(&store, NOW).len(), 1);
    assert!(!path.with_extension("db-wal").exists());
}

#[cfg(unix)]
#[test]
fn a_file_is_for_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let database = sqlite();
    let store = database.open();
    store.set_item("secret", "value").unwrap();
    if let Backend::Sqlite { path, .. } = &database.config.backend {
        for name in ["store.db", "store.db-wal"] {
            let metadata = std::fs::metadata(path.with_file_name(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
        }
    }
}

#[test]
fn a_folder_that_is_not_there_is_said() {
    let path = std::path::PathBuf::from("/nonexistent/folder/store.db");
    let refused = Store::open(&StoreConfig::new(Backend::Sqlite { path, wal: true }));
    let error = refused.unwrap_err();
    assert_eq!(error.to_string(), "open the database's file");
    assert!(std::error::Error::source(&error).is_some());
}

fn nowhere(sslmode: &str) -> PostgresConfig {
    PostgresConfig {
        host: "127.0.0.1".to_owned(),
        port: 1,
        user: "nobody".to_owned(),
        password: "hunter2".to_owned(),
        db_name: "none".to_owned(),
        sslmode: sslmode.to_owned(),
    }
}

#[test]
fn tls_is_refused_before_anything_is_sent() {
    let config = nowhere("verify-full");
    assert!(!format!("{config:?}").contains("hunter2"));
    let refused = Store::open(&StoreConfig::new(Backend::Postgres(config))).unwrap_err();
    assert!(matches!(refused, StoreError::Tls { .. }));
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let config = StoreConfig::new(Backend::Postgres(nowhere("disable")));
    let error = Store::open(&config).unwrap_err();
    assert_eq!(error.to_string(), "connect to the database");
    assert!(error.may_pass());
}

#[test]
fn a_lost_connection_is_made_again() {
    let Some(database) = crate::support::postgres() else {
        return;
    };
    assert!(database.is_postgres());
    let store = database.open();
    let some = alert("192.0.2.1", vec![ban("192.0.2.1", 60)]);
    let lose = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = CURRENT_DATABASE() AND pid <> pg_backend_pid()";
    for number in 1..4 {
        add(&store, &some, NOW);
        database.meddle(lose);
        assert_eq!(active(&store, NOW).len(), number);
        database.meddle(lose);
        assert_eq!(store.head().unwrap().0, u64::try_from(number).unwrap());
        database.meddle(lose);
    }
}

#[test]
fn a_wrong_password_is_said_once() {
    let Some(database) = crate::support::postgres() else {
        return;
    };
    let mut config = database.config.clone();
    if let Backend::Postgres(postgres) = &mut config.backend {
        postgres.password = "wrong".to_owned();
    }
    let error = Store::open(&config).unwrap_err();
    assert!(!error.may_pass());
    assert!(!format!("{error:?}").contains("of the tests"));
}
