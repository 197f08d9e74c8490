//! Records in which there is more than one line.

use super::super::kpl;
use super::*;

/// Each line of a stream, whatever it was packed in, comes once over a restart at any line.
fn restart_everywhere(config: &KinesisConfig, expected: &[String]) -> Checked {
    let mut source = open(config, Resume::First);
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, expected.len());
    assert_eq!(outlet.texts(), expected);
    drop(source);
    for n in 0..expected.len() {
        let line = &outlet.lines[n];
        let positions = BTreeMap::from([(line.partition.clone(), line.position.clone())]);
        let mut again = open(config, Resume::From(positions));
        let mut second = Checked::default();
        second.until_lines(&mut again, expected.len() - n);
        assert_eq!(second.texts(), &expected[n..]);
        assert_eq!(second.lines[0].offset, line.offset);
        assert_eq!(again.counters().get(Count::PositionsLost), 0);
    }
    outlet
}

#[test]
fn packed_records_are_lines_and_a_restart_may_be_in_the_midst_of_them() {
    let Some(at) = moto() else {
        return;
    };
    let api = Api::create(at, "packed", 1);
    let pack = |lines: &[&[u8]]| {
        let records: Vec<_> = lines.iter().map(|line| (0, None, *line)).collect();
        kpl::pack(&["k"], &[], &records)
    };
    let long = "x".repeat(40_000);
    let broken = {
        let mut bytes = kpl::pack(&["k"], &[], &[]);
        bytes[10] ^= 1;
        bytes
    };
    api.put([
        (0, pack(&[b"one\n", b"", b"two"])),
        (0, b"three".to_vec()),
        (0, Vec::from("\u{0}")),
        (0, pack(&[])),
        (
            0,
            pack(&[long.as_bytes(), long.as_bytes(), b"four", long.as_bytes()]),
        ),
        (0, kpl::pack(&["k"], &[], &[(7, None, b"no key")])),
        (0, broken.clone()),
        (0, pack(&[b"five"])),
    ]);
    let broken = String::from_utf8_lossy(&broken).into_owned();
    let expected = [
        "one", "two", "three", "\u{0}", &long, &long, "four", &long, &broken, "five",
    ];
    let config = api.config();
    let outlet = restart_everywhere(&config, &expected.map(str::to_owned));
    let offsets: Vec<u64> = outlet.lines.iter().map(|line| line.offset).collect();
    assert_eq!(offsets, [0, 2, 3, 4, 6, 7, 8, 9, 11, 12]);
    let mut source = open(&config, Resume::First);
    Checked::default().until_lines(&mut source, 10);
    assert_eq!(source.counters().get(Count::Refused), 1);
    assert_eq!(source.counters().get(Count::RecordsEmpty), 2);
    let samples = source.counters().take_samples();
    assert!(samples[0].text.contains("no such key"), "{samples:?}");
}

#[test]
fn logs_that_a_subscription_sends_are_lines_with_what_they_come_from() {
    let Some(at) = moto() else {
        return;
    };
    let api = Api::create(at, "subscribed", 1);
    let logs = aws_sdk_cloudwatchlogs::Client::new(&at.settings());
    let group = "/aws/subscribed";
    at.wait(logs.create_log_group().log_group_name(group).send())
        .unwrap();
    at.wait(
        logs.put_subscription_filter()
            .log_group_name(group)
            .filter_name("f")
            .filter_pattern("")
            .destination_arn(api.arn())
            .role_arn("arn:aws:iam::123456789012:role/any")
            .send(),
    )
    .unwrap();
    let mut expected = Vec::new();
    for stream in ["web1", "web2"] {
        let create = logs.create_log_stream().log_group_name(group);
        at.wait(create.log_stream_name(stream).send()).unwrap();
        for part in 0..2 {
            let texts: Vec<String> = (0..4)
                .map(|n| format!("{stream} {part} line {n}"))
                .collect();
            at.put_logs(&logs, (group, stream), &texts);
            expected.extend(texts);
        }
    }
    let mut config = api.config();
    config.from_subscription = true;
    config.record_labels = RecordLabels {
        group: true,
        stream: true,
        ..RecordLabels::default()
    };
    let outlet = restart_everywhere(&config, &expected);
    assert_eq!(outlet.begun.len(), 1);
    // What is no such record is counted, and the rest goes on.
    api.put([(0, "not packed")]);
    at.put_logs(&logs, (group, "web1"), &["last".to_owned()]);
    let mut source = open(&config, Resume::From(outlet.positions));
    let mut after = Checked::default();
    after.until_lines(&mut source, 1);
    assert_eq!(after.texts(), ["last"]);
    assert_eq!(source.counters().get(Count::Refused), 1);
}
