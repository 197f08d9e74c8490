//! Documents of `source: kafka`.

use std::time::Duration;

use super::{one, refused};
use crate::acquis::AcquisitionKind;
use crate::kafka::{KafkaConfig, OnLoss, RecordLabels, Start};

fn config(text: &str) -> KafkaConfig {
    match one(text).kind {
        AcquisitionKind::Kafka(config) => *config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_of_crowdsec_are_read_unchanged() {
    let text = "source: kafka\nbrokers:\n - \"localhost:9092\"\n - b:9093\ntopic: my-topic\n\
                group_id: test\ntimeout: \"5\"\nmode: tail\n\
                batch: {min_bytes: 10, max_bytes: 1000000, max_wait: 5s, queue_size: 1000, commit_interval: 1s}\n\
                labels: {type: nginx}";
    let of = config(text);
    assert_eq!(of.brokers, ["localhost:9092", "b:9093"]);
    assert_eq!(
        of.topics.iter().map(|topic| &**topic).collect::<Vec<_>>(),
        ["my-topic"]
    );
    assert_eq!(of.group_id.as_deref(), Some("test"));
    assert_eq!(of.timeout, Duration::from_secs(5));
    assert_eq!((of.fetch.bytes_min, of.fetch.bytes_max), (10, 1_000_000));
    assert_eq!(of.fetch.wait, Duration::from_secs(5));
    assert_eq!(of.fetch.queue_records, Some(1_000));
    assert_eq!(of.start, Start::Committed);
    assert_eq!(of.origin.module, "kafka");
    assert!(one(text).id.starts_with("kafka-"));
    let plain = "source: kafka\nbrokers: [a:1]\ntopic: t\nlabels: {type: x}";
    assert_eq!(config(plain).start, Start::Newest);
    assert_eq!(config(plain).partition, None);
    assert_eq!(config(&format!("{plain}\npartition: 0")).partition, Some(0));
    assert_eq!(
        one(plain).id,
        one(&format!("{plain}\nstart: oldest\ntimeout: 3")).id
    );
}

#[test]
fn our_keys_of_a_topic_stand_beside_them() {
    let of = config(
        "source: kafka\nbrokers: [a:1]\ntopics: [t, u, t]\nstart: oldest\non_loss: stop\n\
         json_field: log.original\nrecord_labels: [key, headers]\nmax_buffer_size: 1000\nqueue_bytes: 65536\n\
         refresh_interval: 5s\nsasl: {username: me, password: hush}\nlabels: {type: x}",
    );
    assert_eq!(of.topics.len(), 2);
    assert_eq!((of.start, of.on_loss), (Start::Oldest, OnLoss::Stop));
    assert_eq!(of.json_field.as_deref(), Some("log.original"));
    let labels = RecordLabels {
        key: true,
        headers: true,
        ..RecordLabels::default()
    };
    assert_eq!(of.record_labels, labels);
    assert_eq!((of.line_bytes_max, of.queue_bytes), (1_000, 65_536));
    assert_eq!(of.refresh_every, Duration::from_secs(5));
    assert_eq!(of.access.sasl.unwrap().mechanism, "PLAIN");
}

#[test]
fn what_is_wrong_with_a_topic_is_told_at_once() {
    for (text, expected) in [
        (
            "source: kafka\nlabels: {type: x}",
            vec![
                "acquis.yaml:1:1: key `brokers`: missing: name at least one, as host:port",
                "acquis.yaml:1:1: key `topic`: missing",
            ],
        ),
        (
            "source: kafka\nbrokers: ['a,b']\ntopic: ^web.*\ngroup_id: g\npartition: 1\nmode: cat\nlabels: {type: x}",
            vec![
                "acquis.yaml:2:11: key `brokers`: \"a,b\" is no broker: write host:port",
                "acquis.yaml:3:8: key `topic`: \"^web.*\" is no topic: patterns are not read",
                "acquis.yaml:5:1: key `partition`: excludes group_id",
                "acquis.yaml:6:1: key `mode`: a topic has no end, so it cannot be cat",
            ],
        ),
        (
            "source: kafka\nbrokers: [a:1]\ntopic: t\ntimeout: soon\nstart: committed\non_loss: maybe\n\
             record_labels: [size]\nbatch: {max_bytes: many, size: 3}\nsasl: {mechanism: gssapi}\nlabels: {type: x}",
            vec![
                "acquis.yaml:4:10: key `timeout`: \"soon\" is not a duration: write it like \"30s\"",
                "acquis.yaml:5:1: key `start`: \"committed\" needs group_id",
                "acquis.yaml:6:1: key `on_loss`: \"maybe\" is none of oldest, newest and stop",
                "acquis.yaml:7:17: key `record_labels`: \"size\" is none of topic, partition, key and headers",
                "acquis.yaml:8:20: key `batch.max_bytes`: \"many\" is no number from 1 to 67108864",
                "acquis.yaml:8:26: key `batch.size`: unknown key",
                "acquis.yaml:9:7: key `sasl.username`: missing",
                "acquis.yaml:9:7: key `sasl.password`: missing",
                "acquis.yaml:9:8: key `sasl.mechanism`: \"GSSAPI\" is none of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512",
            ],
        ),
        #[cfg(not(feature = "kafka-tls"))]
        (
            "source: kafka\nbrokers: [a:1]\ntopic: t\ntls: {ca_cert: /ca}\nlabels: {type: x}",
            vec![
                "acquis.yaml:4:1: key `tls`: not in this build: it is in builds with `--features kafka-tls`",
            ],
        ),
        #[cfg(feature = "kafka-tls")]
        (
            "source: kafka\nbrokers: [a:1]\ntopic: t\ntls: {ca_cert: /ca, client_key: /k}\nlabels: {type: x}",
            vec!["acquis.yaml:4:21: key `tls.client_key`: needs client_cert"],
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}
