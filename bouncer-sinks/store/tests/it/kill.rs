//! A process that is killed while it stores alerts, again and again: what it acknowledged is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use overspill_store::{AlertFilter, Backend, NewAlert, PostgresConfig, Seq, Store, StoreConfig};

use crate::support::{Database, NOW, PASSWORD, active, alert, ban, plain};

on_both!(what_was_acknowledged_is_there);

/// Tells the child where the database is.
const WHERE: &str = "OVERSPILL_STORE_TEST_DATABASE";
/// Tells the child the first number that it shall store.
const FIRST: &str = "OVERSPILL_STORE_TEST_FIRST";
const KILLS: usize = 10;
const BATCH: u64 = 5;

fn config_text(config: &StoreConfig) -> String {
    match &config.backend {
        Backend::Sqlite { path, .. } => path.to_str().unwrap().to_owned(),
        Backend::Postgres(config) => format!("{}:{}", config.port, config.db_name),
    }
}

fn config_of(text: &str) -> StoreConfig {
    StoreConfig::new(if text.starts_with('/') {
        Backend::Sqlite {
            path: text.into(),
            wal: true,
        }
    } else {
        let (port, db_name) = text.split_once(':').unwrap();
        Backend::Postgres(PostgresConfig {
            host: "127.0.0.1".to_owned(),
            port: port.parse().unwrap(),
            user: "overspill".to_owned(),
            password: PASSWORD.to_owned(),
            db_name: db_name.to_owned(),
            sslmode: String::new(),
        })
    })
}

/// The child: stores batches for ever, saying each that was acknowledged.
#[test]
fn child() {
    let Ok(place) = std::env::var(WHERE) else {
        return;
    };
    let store = Store::open(&config_of(&place)).unwrap();
    let mut number: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    loop {
        let alerts: Vec<_> = (number..number + BATCH)
            .map(|number| {
                let value = format!("10.{}.{}.1", number / 250, number % 250);
                let mut one = alert(&value, vec![ban(&value, 60), ban(&value, 90)]);
                one.uuid = number.to_string();
                one
            })
            .collect();
        let batch: Vec<NewAlert<'_>> = alerts
            .iter()
            .map(|one| NewAlert {
                is_stable: true,
                ..plain(one)
            })
            .collect();
        store.add_alerts(&batch, NOW).unwrap();
        number += BATCH;
        writeln!(std::io::stdout(), "acknowledged {number}").unwrap();
    }
}

/// Lets a child work for some batches, kills it, and answers up to which number it acknowledged.
fn run_and_kill(place: &str, first: u64, n_batches: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(WHERE, place)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = first;
    let mut n_seen = 0;
    for line in lines {
        let Ok(line) = line else { break };
        if let Some((_, number)) = line.split_once("acknowledged ") {
            acknowledged = number.trim().parse().unwrap();
            n_seen += 1;
            // It goes on meanwhile: what it says before it is gone counts, too.
            if n_seen == n_batches {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    assert!(n_seen >= n_batches, "the child ended by itself");
    acknowledged
}

fn what_was_acknowledged_is_there(database: &Database) {
    let place = config_text(&database.config);
    let mut next = 1;
    for round in 0..KILLS {
        let acknowledged = run_and_kill(&place, next, 3 + round);
        let store = database.open();
        let filter = AlertFilter {
            is_ascending: true,
            ..AlertFilter::default()
        };
        let rows = store.alerts(&filter, NOW).unwrap();
        let n_stored = u64::try_from(rows.len()).unwrap();
        // All that was acknowledged, and no part of a batch.
        assert!(n_stored + 1 >= acknowledged, "{n_stored} of {acknowledged}");
        assert_eq!(n_stored % BATCH, 0);
        for (number, row) in (1..).zip(&rows) {
            assert_eq!(row.id, number);
            assert_eq!(row.alert.uuid, number.to_string());
            assert_eq!(row.alert.decisions.len(), 2);
        }
        let log = store.log_since(Seq(0), usize::MAX).unwrap();
        assert_eq!(store.head().unwrap().0, 2 * n_stored);
        assert!(
            (1..)
                .zip(&log)
                .all(|(number, entry)| entry.seq == Seq(number))
        );
        assert_eq!(log.len(), rows.len() * 2);
        assert_eq!(active(&store, NOW).len(), rows.len() * 2);
        // Half of the time the last batch is sent again, as whoever got no answer does.
        next = if round % 2 == 0 {
            n_stored + 1
        } else {
            (n_stored + 1).saturating_sub(BATCH).max(1)
        };
    }
}
