//! A reader that falls behind while it runs.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::aws::testing::faults::Faults;
use crate::source::Retry;

/// Nanoseconds of a day and an hour: longer than a stream has to keep anything.
const LONG_NS: i64 = 25 * 3_600_000_000_000;

/// A stream, somebody before it, and a clock that a test sets forward.
struct Behind {
    api: Api,
    faults: Faults,
    config: KinesisConfig,
    ahead_ns: Arc<AtomicI64>,
}

impl Behind {
    fn new(at: &'static At, stream: &str) -> Self {
        let api = Api::create(at, stream, 1);
        let faults = Faults::before(at.port);
        let mut config = api.config();
        config.access.endpoint = Some(faults.address());
        Self {
            api,
            faults,
            config,
            ahead_ns: Arc::default(),
        }
    }

    /// Reads ten records, is held up for longer than a day while there come ten more, and is let go on.
    fn fall_behind(&self, outlet: &mut Checked) -> KinesisSource {
        let ahead_ns = Arc::clone(&self.ahead_ns);
        let clock: Clock = Arc::new(move || system_clock()() + ahead_ns.load(Ordering::SeqCst));
        self.api.put(numbered(0, 0..10));
        let mut source = KinesisSource::new(self.config.clone(), Resume::First, clock).unwrap();
        outlet.until_lines(&mut source, 10);
        // One call has begun, and knows nothing of what comes.
        self.faults.hold("GetRecords");
        self.ahead_ns.fetch_add(LONG_NS, Ordering::SeqCst);
        self.api.put(numbered(0, 10..20));
        source
    }

    /// The last record that was read is not there any more.
    fn trim(&self) {
        let error = "InvalidArgumentException";
        self.faults
            .fail("GetShardIterator", "\"AT_SEQUENCE", error, 1);
    }
}

#[test]
fn a_reader_that_fell_behind_by_more_than_the_stream_keeps_says_so_and_goes_on() {
    let Some(at) = moto() else {
        return;
    };
    let behind = Behind::new(at, "behind");
    let mut outlet = Checked::default();
    let mut source = behind.fall_behind(&mut outlet);
    behind.trim();
    behind.faults.release();
    outlet.until_lines(&mut source, 20);
    assert_eq!(behind.faults.n_left(), 0, "it was looked for");
    assert_eq!(outlet.lines[10].text, "line 10");
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
    let text = source.counters().take_samples().remove(0).text;
    assert!(
        text.starts_with("behind/shardId-000000000000: fell behind by more than the stream keeps"),
        "{text}"
    );
    // It is said once, and not of what comes afterwards.
    behind.api.put(numbered(0, 20..30));
    outlet.until_lines(&mut source, 30);
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
}

#[test]
fn a_reader_that_fell_behind_and_lost_nothing_says_nothing() {
    let Some(at) = moto() else {
        return;
    };
    let behind = Behind::new(at, "kept");
    let mut outlet = Checked::default();
    let mut source = behind.fall_behind(&mut outlet);
    let n_looks = behind.faults.n_calls("GetShardIterator");
    behind.faults.release();
    outlet.until_lines(&mut source, 20);
    assert_eq!(behind.faults.n_calls("GetShardIterator"), n_looks + 1);
    assert_eq!(source.counters().get(Count::PositionsLost), 0);
    assert_eq!(source.counters().get(Count::Errors), 0);
}

#[test]
fn a_reader_that_fell_behind_goes_on_with_what_is_new_or_stops_if_that_is_wanted() {
    let Some(at) = moto() else {
        return;
    };
    let mut behind = Behind::new(at, "stops");
    behind.config.on_loss = OnLoss::Stop;
    let mut outlet = Checked::default();
    let mut source = behind.fall_behind(&mut outlet);
    behind.trim();
    behind.faults.release();
    let error = loop {
        if let Err(error) = outlet.poll(&mut source) {
            break error;
        }
    };
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(
        (
            outlet.lines.len(),
            source.counters().get(Count::PositionsLost)
        ),
        (10, 1)
    );
    drop(source);

    let mut behind = Behind::new(at, "newest");
    behind.config.on_loss = OnLoss::Newest;
    let mut outlet = Checked::default();
    let mut source = behind.fall_behind(&mut outlet);
    behind.trim();
    let n_asked = behind.faults.n_calls("GetRecords");
    behind.faults.release();
    // The clock is ahead of the server's, so nothing is new to it: what was there is passed over.
    outlet.until(&mut source, |_| {
        behind.faults.n_calls("GetRecords") > n_asked + 1
    });
    assert_eq!(outlet.lines.len(), 10);
    assert_eq!(source.counters().get(Count::PositionsLost), 1);
}

#[test]
fn credentials_that_run_out_are_read_anew_and_cost_no_line() {
    let Some(at) = moto() else {
        return;
    };
    let mut behind = Behind::new(at, "expired");
    let dir = tempfile::tempdir().unwrap();
    let credentials = |key: &str| {
        let text = format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = any\n");
        std::fs::write(dir.path().join("credentials"), text).unwrap();
    };
    credentials("OLDKEY123456");
    behind.config.access.config_dir = Some(dir.path().to_owned());
    behind.api.put(numbered(0, 0..10));
    let mut source = open(&behind.config, Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 10);
    // Whoever shows the old ones is not let in any more, by any call.
    behind.faults.fail(
        "",
        "Credential=OLDKEY123456",
        "ExpiredTokenException",
        1_000_000,
    );
    behind.api.put(numbered(0, 10..20));
    let counters = Arc::clone(source.counters());
    outlet.until(&mut source, |_| counters.get(Count::Errors) > 1);
    assert_eq!(outlet.lines.len(), 10);
    credentials("NEWKEY123456");
    outlet.until_lines(&mut source, 20);
    assert_eq!(source.counters().get(Count::PositionsLost), 0);
    let samples = source.counters().take_samples();
    let text = "ExpiredTokenException: as the test wants it: look at the credentials";
    assert!(
        samples.iter().any(|sample| sample.text.contains(text)),
        "{samples:?}"
    );
}
