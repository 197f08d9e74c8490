//! Against a server that speaks as CloudWatch Logs does.

use aws_sdk_cloudwatchlogs::Client;

use super::*;
use crate::aws::testing::faults::Faults;
use crate::aws::testing::{Place, moto};
use crate::policy::Belongs;
use crate::source::check::Checked;
use crate::source::system_clock;
use crate::tail::Exclude;

/// A log group on a server.
struct Api {
    at: &'static Place,
    client: Client,
    group: String,
    /// Times of events count from there.
    since_ms: i64,
}

impl Api {
    fn new(at: &'static Place, group: &str) -> Self {
        Self {
            at,
            client: Client::new(&at.settings()),
            group: group.to_owned(),
            since_ms: system_clock()() / MILLISECOND_NS - 100_000,
        }
    }

    fn create(at: &'static Place, group: &str, streams: &[&str]) -> Self {
        let api = Self::new(at, group);
        api.create_group();
        for stream in streams {
            api.create_stream(stream);
        }
        api
    }

    fn create_group(&self) {
        let create = self.client.create_log_group().log_group_name(&self.group);
        self.at.wait(create.send()).unwrap();
    }

    fn create_stream(&self, stream: &str) {
        let create = self.client.create_log_stream().log_group_name(&self.group);
        let create = create.log_stream_name(stream).send();
        self.at.wait(create).unwrap();
    }

    /// Puts lines that say when they are, in milliseconds from the beginning.
    fn put(&self, stream: &str, times_ms: impl IntoIterator<Item = i64>) {
        let lines: Vec<(i64, String)> = times_ms
            .into_iter()
            .map(|ms| (self.since_ms + ms, format!("{stream} {ms}")))
            .collect();
        for chunk in lines.chunks(5_000) {
            let lines: Vec<(i64, &str)> = chunk.iter().map(|(ms, text)| (*ms, &**text)).collect();
            let to = (self.group.as_str(), stream);
            self.at.put_logs_at(&self.client, to, &lines);
        }
    }

    fn config(&self) -> CloudWatchConfig {
        let origin = Origin {
            module: "cloudwatch".to_owned(),
            labels: vec![("type".to_owned(), "x".to_owned())],
            ..Origin::default()
        };
        let mut config = CloudWatchConfig::new("c", &self.group, origin);
        config.access = self.at.access.clone();
        config.start = Start::Oldest;
        config.poll_every = Duration::from_millis(50);
        config.page_every = Duration::from_millis(1);
        config.gone_wait = Duration::from_secs(1);
        config
    }
}

fn open(config: &CloudWatchConfig, resume: Resume) -> CloudWatchSource {
    CloudWatchSource::new(config.clone(), resume, system_clock()).unwrap()
}

fn caught_up(outlet: &mut Checked, source: &mut CloudWatchSource) {
    let before = system_clock()();
    outlet.until(source, |outlet| {
        outlet.caught_up.values().any(|as_of| *as_of >= before)
    });
}

#[test]
fn lines_of_all_streams_come_once_also_those_that_are_late_and_over_a_restart_at_any_line() {
    let Some(at) = moto() else {
        return;
    };
    let api = Api::create(at, "/aws/all", &["a", "b"]);
    let config = api.config();
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    api.put("a", [0, 10, 20]);
    outlet.until_lines(&mut source, 3);
    api.put("b", [5, 30]);
    outlet.until_lines(&mut source, 5);
    api.create_stream("new");
    api.put("new", [1, 40]);
    outlet.until_lines(&mut source, 7);
    caught_up(&mut outlet, &mut source);
    caught_up(&mut outlet, &mut source);
    let texts = ["a 0", "a 10", "a 20", "b 5", "b 30", "new 1", "new 40"];
    assert_eq!(outlet.texts(), texts);
    let of_b = &outlet.lines[3];
    assert_eq!((of_b.src.as_str(), of_b.offset), ("/aws/all/b", 3));
    assert!(of_b.time_ns.unwrap() > 1_600_000_000_000_000_000);
    assert_eq!(source.counters().get(Count::Lines), 7);
    drop(source);
    let mut sorted = texts.to_vec();
    for n in 0..texts.len() {
        let line = &outlet.lines[n];
        let positions = Positions::from([(line.partition.clone(), line.position.clone())]);
        let mut again = open(&config, Resume::From(positions));
        let mut second = Checked::default();
        second.until_lines(&mut again, texts.len() - n);
        caught_up(&mut second, &mut again);
        // What is of the same batch has its order, and the rest is there.
        assert_eq!(
            (second.lines[0].offset, &*second.lines[0].text),
            (n as u64, texts[n])
        );
        let mut all = [&texts[..n], &second.texts()].concat();
        all.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(all, sorted);
        assert_eq!(again.counters().get(Count::PositionsLost), 0);
    }
    api.put("a", [50]);
    let mut again = open(&config, Resume::From(outlet.positions));
    let mut last = Checked::default();
    last.until_lines(&mut again, 1);
    assert_eq!(last.texts(), ["a 50"]);
}

#[test]
fn many_pages_are_read_and_read_on_after_a_restart_between_any_two() {
    let Some(at) = moto() else {
        return;
    };
    let api = Api::create(at, "/aws/many", &["a"]);
    let n_all = 12_000;
    api.put("a", 0..n_all);
    let mut config = api.config();
    config.queue_bytes = 1;
    config.page_events = 700;
    config.overlap = Duration::from_secs(2);
    let n_all = usize::try_from(n_all).unwrap();
    for stop_at in [1, 5_000, 9_999, n_all] {
        let (mut next, mut resume) = (0, Resume::First);
        for stop in [stop_at, n_all] {
            let mut source = open(&config, resume);
            let mut outlet = Checked::default();
            let first = next;
            outlet.until(&mut source, |outlet| first + outlet.lines.len() >= stop);
            if stop == n_all {
                caught_up(&mut outlet, &mut source);
            }
            for line in &outlet.lines {
                assert_eq!(
                    (line.offset, line.text.clone()),
                    (next as u64, format!("a {next}"))
                );
                next += 1;
            }
            // In the midst of the last batch, as a checkpoint may be.
            let middle = outlet.lines.len() / 2;
            resume = match outlet.lines.get(middle) {
                Some(line) if stop != n_all => {
                    next = usize::try_from(line.offset).unwrap();
                    let position = (line.partition.clone(), line.position.clone());
                    Resume::From(Positions::from([position]))
                }
                _ => Resume::From(outlet.positions),
            };
        }
        assert_eq!(next, n_all);
    }
}

#[test]
fn a_source_begins_with_what_comes_and_reads_the_streams_that_are_wanted() {
    let Some(at) = moto() else {
        return;
    };
    let api = Api::create(at, "/aws/some", &["web1", "web2", "db"]);
    api.put("web1", [0]);
    let mut config = api.config();
    config.start = Start::Newest;
    config.prepends_time = true;
    config.streams = Streams::Matching(Exclude::new(|name| name.starts_with("web")));
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    caught_up(&mut outlet, &mut source);
    drop(source);
    for stream in ["db", "web1", "web2"] {
        // After the beginning.
        api.put(stream, [100_000 + 30_000]);
    }
    let mut source = open(&config, Resume::From(outlet.positions));
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 2);
    assert!(
        outlet.texts()[0].ends_with(" +0000 UTC web1 130000"),
        "{:?}",
        outlet.texts()
    );
    config.streams = Streams::One("db".to_owned());
    config.start = Start::Oldest;
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, 1);
    assert_eq!(outlet.lines[0].src, "/aws/some/db");
    config.belongs = Belongs::new(|_| false);
    let mut source = open(&config, Resume::First);
    assert_eq!(Checked::default().poll(&mut source).unwrap(), Turn::Ended);
}

#[test]
fn errors_that_pass_cost_no_line_and_a_group_that_is_not_there_is_waited_for() {
    let Some(at) = moto() else {
        return;
    };
    let api = Api::new(at, "/aws/later");
    let faults = Faults::before(at.port);
    let mut config = api.config();
    config.access.endpoint = Some(faults.address());
    config.page_events = 10;
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    while source.counters().get(Count::Errors) == 0 {
        outlet.poll(&mut source).unwrap();
    }
    let text = source.counters().take_samples().remove(0).text;
    assert!(
        text.starts_with("FilterLogEvents: ResourceNotFoundException: "),
        "{text}"
    );
    assert!(outlet.begun.is_empty());
    api.create_group();
    api.create_stream("a");
    for error in [
        "ThrottlingException",
        "InvalidParameterException",
        "ExpiredTokenException",
    ] {
        faults.fail("FilterLogEvents", "nextToken", error, 1);
    }
    api.put("a", 0..100);
    outlet.until_lines(&mut source, 100);
    let texts: Vec<String> = (0..100).map(|n| format!("a {n}")).collect();
    assert_eq!(outlet.texts(), texts);
    outlet.until(&mut source, |_| faults.n_left() == 0);
    caught_up(&mut outlet, &mut source);
    assert_eq!(outlet.lines.len(), 100);
    let delete = api.client.delete_log_group().log_group_name(&api.group);
    at.wait(delete.send()).unwrap();
    outlet.until(&mut source, |outlet| !outlet.ended.is_empty());
    let left = outlet.ended.values().next().unwrap();
    assert!(
        matches!(left, Left::At(position) if position.offset == 100),
        "{left:?}"
    );
}
