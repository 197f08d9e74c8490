//! Documents of `source: cloudwatch`.

use std::time::Duration;

use super::{one, refused};
use crate::acquis::AcquisitionKind;
use crate::cloudwatch::{CloudWatchConfig, Start, Streams};

fn config(text: &str) -> CloudWatchConfig {
    match one(text).kind {
        AcquisitionKind::CloudWatch(config) => *config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_of_crowdsec_are_read_unchanged() {
    let of = config(
        "source: cloudwatch\ngroup_name: /aws/web\nstream_regexp: ^web\ndescribelogstreams_limit: 50\n\
         getlogeventspages_limit: 500\npoll_new_stream_interval: 10s\nmax_stream_age: 5m\n\
         poll_stream_interval: 20s\nstream_read_timeout: 10m\naws_api_timeout: 10s\n\
         prepend_cloudwatch_timestamp: true\naws_profile: p\naws_region: eu-west-1\nlabels: {type: x}",
    );
    assert_eq!((&*of.group, of.page_events), ("/aws/web", 500));
    let Streams::Matching(pattern) = &of.streams else {
        panic!("{:?}", of.streams);
    };
    assert!(pattern.is_excluded("web1") && !pattern.is_excluded("db"));
    assert_eq!(of.poll_every, Duration::from_secs(20));
    assert!(of.prepends_time);
    assert_eq!(of.access.profile.as_deref(), Some("p"));
    assert_eq!(of.access.region.as_deref(), Some("eu-west-1"));
    assert_eq!(of.start, Start::Newest);
    assert_eq!(of.origin.module, "cloudwatch");
}

#[test]
fn our_keys_of_a_group_stand_beside_them_and_do_not_change_what_it_is() {
    let plain = "source: cloudwatch\ngroup_name: g\nstream_name: s\nlabels: {type: x}";
    let text = format!(
        "{plain}\nstart: oldest\noverlap: 15m\nmax_buffer_size: 1000\naws_endpoint: http://localhost:5555"
    );
    let of = config(&text);
    assert!(matches!(&of.streams, Streams::One(name) if name == "s"));
    assert_eq!((of.start, of.line_bytes_max), (Start::Oldest, 1_000));
    assert_eq!(of.overlap, Duration::from_secs(900));
    assert_eq!(of.access.endpoint.as_deref(), Some("http://localhost:5555"));
    assert_eq!(one(plain).id, one(&text).id);
    let other = plain.replace("stream_name", "stream_regexp");
    assert_ne!(one(plain).id, one(&other).id);
}

#[test]
fn what_is_wrong_with_a_group_is_told_at_once() {
    for (text, expected) in [
        (
            "source: cloudwatch\nmode: cat\npoll_stream_interval: 10\nlabels: {type: x}",
            vec![
                "acquis.yaml:1:1: key `group_name`: missing",
                "acquis.yaml:2:1: key `mode`: cat is not in this build: a log group is followed",
                "acquis.yaml:3:23: key `poll_stream_interval`: \"10\" is not a duration: write it like \"30s\"",
            ],
        ),
        (
            "source: cloudwatch\ngroup_name: g:h\nstream_name: s\nstream_regexp: s\nlabels: {type: x}\ngroup: x",
            vec![
                "acquis.yaml:2:13: key `group_name`: \"g:h\" is no name of a log group",
                "acquis.yaml:4:16: key `stream_regexp`: excludes stream_name",
                "acquis.yaml:6:1: key `group`: unknown key",
            ],
        ),
        (
            "source: cloudwatch\ngroup_name: g\nstream_regexp: '('\naws_config_dir: /nowhere/at/all\n\
             getlogeventspages_limit: 20000\nlabels: {type: x}",
            vec![
                "acquis.yaml:3:16: key `stream_regexp`: \"(\" is no expression: odd",
                "acquis.yaml:4:1: key `aws_config_dir`: /nowhere/at/all is no directory",
                "acquis.yaml:5:26: key `getlogeventspages_limit`: \"20000\" is no number from 1 to 10000",
            ],
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}
