//! Documents as users write them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::*;
use crate::source::check::Checked;
use crate::source::{Count, Turn, system_clock};
use crate::tail::Start;
use crate::transform::Made;
use crate::wal::Fsync;

#[cfg(feature = "aws")]
mod cloudwatch;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "aws")]
mod kinesis;

/// The documents of a text, without anchors: what the program's reader of YAML hands over.
fn parse(text: &str) -> Vec<Value> {
    let mut documents = Vec::new();
    let mut open: Vec<Value> = Vec::new();
    let mut keys: Vec<Option<(String, Place)>> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span): (Event<'_>, Span) = event.unwrap();
        let at = Place {
            line: u32::try_from(span.start.line()).unwrap(),
            column: u32::try_from(span.start.col() + 1).unwrap(),
        };
        let done = match event {
            Event::Scalar(text, style, ..) => Value {
                at,
                kind: Kind::Scalar(text.into_owned(), style == ScalarStyle::Plain),
            },
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let is_list = matches!(event, Event::SequenceStart(..));
                let kind = if is_list {
                    Kind::List(Vec::new())
                } else {
                    Kind::Map(Vec::new())
                };
                open.push(Value { at, kind });
                keys.push(None);
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                keys.pop();
                open.pop().unwrap()
            }
            _ => continue,
        };
        match open.last_mut().map(|value| &mut value.kind) {
            None => documents.push(done),
            Some(Kind::List(items)) => items.push(done),
            Some(Kind::Map(entries)) => match keys.last_mut().unwrap().take() {
                Some((key, at)) => entries.push((key, at, done)),
                None => {
                    let Kind::Scalar(key, _) = done.kind else {
                        panic!("a key that is no text");
                    };
                    *keys.last_mut().unwrap() = Some((key, done.at));
                }
            },
            Some(Kind::Scalar(..)) => unreachable!(),
        }
    }
    documents
}

fn read_all(text: &str) -> (Vec<Acquisition>, Vec<String>) {
    let exclude = |expression: &str| {
        let expression = regex::Regex::new(expression).map_err(|_| "odd".to_owned())?;
        Ok(Exclude::new(move |path| expression.is_match(path)))
    };
    let surroundings = Surroundings {
        file: "acquis.yaml",
        exclude: &exclude,
        transform: &|text| match text {
            "wrong" => Err("it is wrong".to_owned()),
            _ => Ok(Transform::new(|_, _, _| Made::default())),
        },
        state_dir: Path::new("/state"),
        tenants: &BTreeMap::from([("acme".to_owned(), Shared::new(Limits::default()))]),
    };
    let (mut acquisitions, mut findings) = (Vec::new(), Vec::new());
    for document in parse(text) {
        let (acquisition, found) = read(&document, &surroundings);
        acquisitions.extend(acquisition);
        findings.extend(found.iter().map(ToString::to_string));
    }
    tell_apart(&mut acquisitions, Path::new("/state"));
    (acquisitions, findings)
}

fn one(text: &str) -> Acquisition {
    let (mut acquisitions, findings) = read_all(text);
    assert_eq!(findings, Vec::<String>::new());
    assert_eq!(acquisitions.len(), 1);
    acquisitions.remove(0)
}

fn refused(text: &str) -> Vec<String> {
    let (acquisitions, findings) = read_all(text);
    assert!(acquisitions.is_empty(), "{acquisitions:?}");
    findings
}

#[test]
fn what_crowdsec_ships_and_documents_is_accepted_unchanged() {
    let text = "
filenames:
  - /var/log/nginx/*.log
  - ./tests/nginx/nginx.log
#this is not a syslog log, indicate which kind of logs it is
labels:
  type: nginx
---
filenames:
 - /var/log/auth.log
 - /var/log/syslog
labels:
  type: syslog
---
filename: /var/log/apache2/*.log
exclude_regexps: ['\\.gz$']
force_inotify: true
poll_without_inotify: false
discovery_poll_enable: true
discovery_poll_interval: 45s
max_buffer_size: 1048576
log_level: info
use_time_machine: true
unique_id: x
mode: tail
source: file
transform: |
  map(JsonExtractSlice(evt.Line.Raw, 'Records'), ToJsonString(#))
labels:
  type: apache2
  env: prod
---
source: syslog
listen_addr: 127.0.0.1
listen_port: 4242
max_message_len: 4096
disable_rfc_parser: true
protocol: udp
labels:
 type: syslog
---
# only a comment
";
    let (acquisitions, findings) = read_all(text);
    assert_eq!(findings, Vec::<String>::new());
    assert_eq!(acquisitions.len(), 4);
    let AcquisitionKind::Tail(config) = &acquisitions[2].kind else {
        panic!("{:?}", acquisitions[2]);
    };
    assert_eq!(config.patterns, ["/var/log/apache2/*.log"]);
    assert_eq!(config.line_bytes_max, 1_048_576);
    assert_eq!(config.find_every.as_secs(), 45);
    assert_eq!(config.start, Start::End);
    assert_eq!(config.excludes.len(), 1);
    assert_eq!(config.origin.module, "file");
    let labels = [("env", "prod"), ("type", "apache2")];
    assert_eq!(
        config.origin.labels,
        labels.map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
    assert!(acquisitions[2].transform.is_some() && acquisitions[1].transform.is_none());
    let wrong = "filename: /a.log\nlabels: {type: x}\ntransform: wrong";
    assert_eq!(
        refused(wrong),
        ["acquis.yaml:3:12: key `transform`: it is wrong"]
    );
    let AcquisitionKind::Datagrams(config) = &acquisitions[3].kind else {
        panic!("{:?}", acquisitions[3]);
    };
    assert_eq!(config.address.to_string(), "127.0.0.1:4242");
    assert!(!config.is_parsed && config.message_bytes_max == 4096);
}

#[test]
fn names_of_sources_outlive_a_change_of_what_is_tunable() {
    let a = "filename: /a.log\nlabels: {type: x}\n";
    let plain = one(a).id;
    assert!(plain.starts_with("file-"), "{plain}");
    assert_eq!(
        one(&format!("{a}max_buffer_size: 100\nlog_level: debug")).id,
        plain
    );
    assert_ne!(one("filename: /b.log\nlabels: {type: x}").id, plain);
    assert_eq!(one(&format!("{a}name: web")).id, "web");
    let (twice, _) = read_all(&format!("{a}---\n{a}"));
    assert_eq!(twice[1].id, format!("{plain}-2"));
    let AcquisitionKind::Tail(config) = &twice[1].kind else {
        panic!();
    };
    assert_eq!(config.id, twice[1].id);
}

#[test]
fn limits_are_rates_and_do_not_change_what_a_source_is_called() {
    let a = "filename: /a.log\nlabels: {type: x}\n";
    let acquisition = one(&format!(
        "{a}max_lines_per_second: 500\nmax_bytes_per_second: 1048576"
    ));
    assert_eq!(acquisition.limits.lines, NonZeroU64::new(500));
    assert_eq!(acquisition.limits.bytes, NonZeroU64::new(1_048_576));
    assert_eq!(acquisition.id, one(a).id);
    let none = one(&format!("{a}max_lines_per_second: 0"));
    assert!(!none.limits.is_any());
    assert_eq!(
        refused(&format!("{a}max_lines_per_second: fast")),
        [
            "acquis.yaml:3:23: key `max_lines_per_second`: \"fast\" is no number from 1 to 1099511627776"
        ]
    );
}

#[test]
fn a_tenant_is_one_of_those_with_limits() {
    let a = "filename: /a.log\nlabels: {type: x}\n";
    let acquisition = one(&format!("{a}tenant: acme"));
    assert!(acquisition.tenant.is_some());
    assert_eq!(acquisition.id, one(a).id);
    assert!(one(a).tenant.is_none());
    assert_eq!(
        refused(&format!("{a}tenant: acne")),
        [
            "acquis.yaml:3:9: key `tenant`: \"acne\" is none of `overspill.tenants` of the configuration"
        ]
    );
}

#[test]
fn a_limited_source_is_held_up_and_gives_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let text: String = (0..3_000)
        .map(|n| format!("line {n} {}\n", "x".repeat(90)))
        .collect();
    std::fs::write(&path, text).unwrap();
    let acquisition = one(&format!(
        "filename: {}\nmode: cat\nmax_lines_per_second: 1\nlabels: {{type: x}}",
        path.display()
    ));
    let now = Arc::new(AtomicI64::new(0));
    let read = Arc::clone(&now);
    let clock: Clock = Arc::new(move || read.load(Ordering::SeqCst));
    let mut source = acquisition.build(Resume::First, clock).unwrap();
    let mut outlet = Checked::default();
    outlet.until(source.as_mut(), |outlet| !outlet.lines.is_empty());
    let n_given = outlet.lines.len();
    for _ in 0..10 {
        outlet.poll(source.as_mut()).unwrap();
    }
    assert_eq!(
        outlet.lines.len(),
        n_given,
        "a second's worth, and one batch"
    );
    assert!(n_given < 1_000);
    // An hour a look: each brings a batch.
    while outlet.ended.is_empty() {
        now.fetch_add(3_600_000_000_000, Ordering::SeqCst);
        outlet.poll(source.as_mut()).unwrap();
    }
    assert_eq!(outlet.lines.len(), 3_000);
    assert!(source.counters().get(Count::HeldMs) >= 3_600_000);
}

#[test]
fn our_keys_stand_beside_those_of_crowdsec() {
    let text = "source: syslog\nprotocol: tls\nlisten_addr: '::1'\nlisten_port: 6514\n\
                tls: {server_cert: /c, server_key: /k, ca_cert: /ca}\n\
                wal: {max_bytes: 8388608, fsync: 1s}\nconnections_max: 10\nidle_timeout: 5m\n\
                labels: {type: syslog}";
    let acquisition = one(text);
    let AcquisitionKind::Streams(config, stream) = &acquisition.kind else {
        panic!();
    };
    assert_eq!(config.address.to_string(), "[::1]:6514");
    assert_eq!(
        stream.wal.dir,
        Path::new("/state/wal").join(&acquisition.id)
    );
    assert_eq!(stream.wal.segment_bytes, 1 << 20);
    assert_eq!(
        stream.wal.fsync,
        Fsync::Every(std::time::Duration::from_secs(1))
    );
    assert_eq!(stream.connections_max, 10);
    assert!(stream.tls.as_ref().unwrap().ca_cert.is_some());
    let AcquisitionKind::Command(config) =
        one("source: command\ncommand: [journalctl, -f]\nlabels: {type: syslog}").kind
    else {
        panic!();
    };
    assert_eq!(config.origin.src, "journalctl -f");
    assert!(matches!(
        one("source: stdin\nlabels: {type: x}").kind,
        AcquisitionKind::Stdin { .. }
    ));
    let (acquisitions, findings) =
        read_all("source: syslog\nprotocol: tcp\nwal: {path: /w}\nlabels: {type: syslog}");
    assert_eq!(acquisitions.len(), 1);
    assert_eq!(
        findings,
        ["acquis.yaml:2:1: key `protocol`: crowdsec ignores this and listens on udp"]
    );
    let AcquisitionKind::Streams(_, stream) = &acquisitions[0].kind else {
        panic!();
    };
    assert_eq!(stream.wal.dir, Path::new("/w"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of documents and findings")]
fn all_findings_are_told_with_file_line_and_key() {
    for (text, expected) in [
        (
            "filename: /a\nlabels: {type: x}\nfilname: /b\nmax_buffer_size: many\nforce_inotify: 1",
            vec![
                "acquis.yaml:3:1: key `filname`: unknown key",
                "acquis.yaml:4:18: key `max_buffer_size`: \"many\" is no number from 1 to 1073741824",
                "acquis.yaml:5:16: key `force_inotify`: \"1\" is neither true nor false",
            ],
        ),
        (
            "filename: /a\nlabels: {}",
            vec![
                "acquis.yaml:2:1: key `labels`: missing: every source needs labels, `type` among them",
            ],
        ),
        (
            "filenames: /a\nlabels: {type: [x]}",
            vec![
                "acquis.yaml:1:1: key `filenames`: missing: name at least one file",
                "acquis.yaml:1:12: key `filenames`: a single value, not a list",
                "acquis.yaml:2:1: key `labels`: missing: every source needs labels, `type` among them",
                "acquis.yaml:2:10: key `labels.type`: a list, not a text",
            ],
        ),
        (
            "filenames: ['/a[']\nexclude_regexps: ['(']\nmode: dog\ndiscovery_poll_interval: 10 s\nlabels: {type: x}",
            vec![
                "acquis.yaml:1:13: key `filenames`: \"/a[\" is no pattern: invalid range pattern",
                "acquis.yaml:2:19: key `exclude_regexps`: \"(\" is no expression: odd",
                "acquis.yaml:3:1: key `mode`: \"dog\" is neither tail nor cat",
                "acquis.yaml:4:26: key `discovery_poll_interval`: \"10 s\" is not a duration: write it like \"30s\"",
            ],
        ),
        (
            "source: s3\nbucket_name: a\nlabels: {type: x}",
            vec!["acquis.yaml:1:1: key `source`: source s3 is not in this build"],
        ),
        #[cfg(not(feature = "aws"))]
        (
            "source: kinesis\nstream_name: a\nlabels: {type: x}",
            vec![
                "acquis.yaml:1:1: key `source`: source kinesis is not in this build: it is in builds with \
                 `--features aws`",
            ],
        ),
        #[cfg(not(feature = "aws"))]
        (
            "source: cloudwatch\ngroup_name: a\nlabels: {type: x}",
            vec![
                "acquis.yaml:1:1: key `source`: source cloudwatch is not in this build: it is in builds with \
                 `--features aws`",
            ],
        ),
        #[cfg(not(feature = "kafka"))]
        (
            "source: kafka\nbrokers: [a]\nlabels: {type: x}",
            vec![
                "acquis.yaml:1:1: key `source`: source kafka is not in this build: it is in builds with \
                 `--features kafka`",
            ],
        ),
        (
            "source: files\nlabels: {type: x}",
            vec!["acquis.yaml:1:1: key `source`: no source is called \"files\""],
        ),
        (
            "labels: {type: x}",
            vec!["acquis.yaml:1:1: key `source`: missing"],
        ),
        (
            "- a",
            vec![
                "acquis.yaml:1:1: key ``: a list, not a map",
                "acquis.yaml:1:1: key `source`: missing",
            ],
        ),
        (
            "source: syslog\nlisten_addr: localhost\nlisten_port: 70000\nmode: cat\nlabels: {type: x}",
            vec![
                "acquis.yaml:2:1: key `listen_addr`: \"localhost\" is no address",
                "acquis.yaml:3:14: key `listen_port`: \"70000\" is no number from 1 to 65535",
                "acquis.yaml:4:1: key `mode`: a listener cannot cat",
            ],
        ),
        (
            "source: syslog\nprotocol: tls\ntls: {server_cert: /c, key: /k}\nlabels: {type: x}",
            vec![
                "acquis.yaml:3:1: key `tls`: needs server_cert and server_key",
                "acquis.yaml:3:24: key `tls.key`: unknown key",
            ],
        ),
        (
            "source: syslog\nwal: {max_bytes: 10}\nlabels: {type: x}",
            vec![
                "acquis.yaml:2:1: key `wal`: only for protocol tcp and tls",
                "acquis.yaml:2:7: key `wal.max_bytes`: less than 1048576",
            ],
        ),
        (
            "source: command\ncommand: ls\nlog_level: loud\nrestart: maybe\nlabels: {type: x}",
            vec![
                "acquis.yaml:2:1: key `command`: missing: a list, the program first",
                "acquis.yaml:2:10: key `command`: a single value, not a list",
                "acquis.yaml:3:1: key `log_level`: \"loud\" is no level",
                "acquis.yaml:4:1: key `restart`: \"maybe\" is none of always, on-failure and never",
            ],
        ),
    ] {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn a_document_becomes_a_source_that_reads() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.log"), "one\ntwo\n").unwrap();
    std::fs::create_dir(dir.path().join("b.log")).unwrap();
    let path = dir.path().display();
    for (text, n_lines) in [
        (
            format!("filename: {path}/*.log\nstart: beginning\nlabels: {{type: x}}"),
            2,
        ),
        (
            format!("filename: {path}/*.log\nmode: cat\nlabels: {{type: x}}"),
            2,
        ),
        (
            "source: command\ncommand: [echo, hello]\nmode: cat\nlabels: {type: x}".to_owned(),
            1,
        ),
    ] {
        let acquisition = one(&text);
        let mut source = acquisition.build(Resume::First, system_clock()).unwrap();
        assert_eq!(source.id(), acquisition.id);
        let mut outlet = Checked::default();
        outlet.until_lines(&mut *source, n_lines);
        let origin = &outlet.begun.values().next().unwrap().origin;
        assert_eq!(origin.labels, [("type".to_owned(), "x".to_owned())]);
        if text.contains("cat") {
            outlet.until(&mut *source, |outlet| !outlet.ended.is_empty());
            assert_eq!(outlet.poll(&mut *source).unwrap(), Turn::Ended);
        }
    }
}

#[test]
fn files_of_a_directory_come_in_order_and_a_missing_one_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b.yaml", "a.yml", "a.yaml", "c.txt", "main"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let main = dir.path().join("main");
    let names = |path: &Path| {
        let files = files(Some(path), Some(dir.path())).unwrap();
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        files.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&main), ["main", "a.yaml", "b.yaml", "a.yml"]);
    assert_eq!(names(Path::new("/no/such")), ["a.yaml", "b.yaml", "a.yml"]);
    assert!(files(None, Some(Path::new("/no/such"))).is_err());
}
