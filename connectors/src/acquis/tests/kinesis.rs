//! Documents of `source: kinesis`.

use std::time::Duration;

use super::{one, refused};
use crate::acquis::AcquisitionKind;
use crate::kinesis::{KinesisConfig, OnLoss, RecordLabels, Start, StreamRef};

fn config(text: &str) -> KinesisConfig {
    match one(text).kind {
        AcquisitionKind::Kinesis(config) => *config,
        other => panic!("{other:?}"),
    }
}

const ARN: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/web";

#[test]
fn keys_of_crowdsec_are_read_unchanged() {
    let text = "source: kinesis\nstream_name: web\nfrom_subscription: true\naws_profile: p\n\
                aws_region: eu-west-1\naws_endpoint: http://localhost:4568\nmax_retries: -1\nlabels: {type: x}";
    let of = config(text);
    assert_eq!(of.stream, StreamRef::Name("web".to_owned()));
    assert!(of.from_subscription && of.fan_out.is_none());
    assert_eq!(of.access.profile.as_deref(), Some("p"));
    assert_eq!(of.access.region.as_deref(), Some("eu-west-1"));
    assert_eq!(of.access.endpoint.as_deref(), Some("http://localhost:4568"));
    assert_eq!(of.start, Start::Newest);
    assert_eq!(of.origin.module, "kinesis");
    let text = format!(
        "source: kinesis\nuse_enhanced_fanout: true\nstream_arn: {ARN}\nconsumer_name: c\nmax_retries: 3\n\
         labels: {{type: x}}"
    );
    let of = config(&text);
    assert_eq!(of.stream, StreamRef::Arn(ARN.to_owned()));
    assert_eq!(of.stream.name(), "web");
    assert_eq!(of.access.region.as_deref(), Some("us-east-1"));
    let fan_out = of.fan_out.unwrap();
    assert_eq!((&*fan_out.consumer, fan_out.looks_max), ("c", 3));
    assert!(one(&text).id.starts_with("kinesis-"));
}

#[test]
fn our_keys_of_a_stream_stand_beside_them_and_do_not_change_what_it_is() {
    let plain = "source: kinesis\nstream_name: web\nlabels: {type: x}";
    let text = format!(
        "{plain}\nstart: oldest\non_loss: stop\nrecord_labels: [shard, group]\nmax_buffer_size: 1000\n\
         queue_bytes: 65536\npoll_interval: 2s\nrefresh_interval: 1ms"
    );
    let of = config(&text);
    assert_eq!((of.start, of.on_loss), (Start::Oldest, OnLoss::Stop));
    let labels = RecordLabels {
        shard: true,
        group: true,
        ..RecordLabels::default()
    };
    assert_eq!(of.record_labels, labels);
    assert_eq!((of.line_bytes_max, of.queue_bytes), (1_000, 65_536));
    assert_eq!(of.poll_every, Duration::from_secs(2));
    assert_eq!(of.refresh_every, Duration::from_secs(1));
    assert_eq!(one(plain).id, one(&text).id);
    assert_ne!(one(plain).id, one(&format!("{plain}\naws_region: x")).id);
}

#[test]
fn what_is_wrong_with_a_stream_is_told_at_once() {
    for (text, expected) in [
        (
            "source: kinesis\nmode: cat\non_loss: x\nlabels: {type: x}",
            vec![
                "acquis.yaml:1:1: key `stream_name`: missing",
                "acquis.yaml:2:1: key `mode`: a stream has no end, so it cannot be cat",
                "acquis.yaml:3:1: key `on_loss`: \"x\" is none of oldest, newest and stop",
            ],
        ),
        (
            "source: kinesis\nuse_enhanced_fanout: true\nlabels: {type: x}",
            vec![
                "acquis.yaml:1:1: key `stream_arn`: missing: use_enhanced_fanout needs it",
                "acquis.yaml:1:1: key `consumer_name`: missing: use_enhanced_fanout needs it",
            ],
        ),
        (
            "source: kinesis\nstream_name: a/b\naws_endpoint: localhost\nlabels: {type: x}\naws_config: x",
            vec![
                "acquis.yaml:2:14: key `stream_name`: \"a/b\" is no name of a stream",
                "acquis.yaml:3:15: key `aws_endpoint`: \"localhost\" is no address: write https://host:port",
                "acquis.yaml:5:1: key `aws_config`: unknown key",
            ],
        ),
        (
            "source: kinesis\nstream_arn: arn:aws:kinesis:r:1:table/x\nlabels: {type: x}",
            vec![
                "acquis.yaml:2:13: key `stream_arn`: \"arn:aws:kinesis:r:1:table/x\" is no ARN of a stream: it \
                 is like arn:aws:kinesis:REGION:ACCOUNT:stream/NAME",
            ],
        ),
        (
            "source: kinesis\nstream_arn: x\nstream_name: y\nmax_retries: many\nrecord_labels: [key]\nlabels: {type: x}",
            vec![
                "acquis.yaml:2:1: key `stream_arn`: excludes stream_name",
                "acquis.yaml:4:14: key `max_retries`: \"many\" is no number up to 1000",
                "acquis.yaml:5:17: key `record_labels`: \"key\" is none of shard, partition_key, owner, group and \
                 stream",
            ],
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}
