//! The section `overspill` of `config.yaml`: what CrowdSec has no key for.
//!
//! Unlike the rest of that file, which other programs read, too, a key that is not known here is an error.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use crate::item::duration;
use crate::places::{put_path, put_text};
use crate::yaml::Node;
use crate::yaml::table::{Findings, Table, Unknown};

/// What a live job is told by its configuration. Each is a flag of `overspill run`, too, and the flag comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobConfig {
    /// `state`: the directory that state is kept in.
    pub state: Option<PathBuf>,
    /// `node`: name of this machine.
    pub node: Option<String>,
    /// `lateness`, a Go duration.
    pub lateness: Option<String>,
    /// `idle`, a Go duration.
    pub idle: Option<String>,
    /// `skew`, a Go duration.
    pub skew: Option<String>,
    /// `alerts`: where they go.
    pub alerts: Vec<String>,
    /// `checkpoint.path`: a directory, or the address of an object store.
    pub checkpoints: Option<String>,
    /// `checkpoint.every`, a Go duration.
    pub checkpoint_every: Option<String>,
    /// `limits.buckets`: most live buckets.
    pub buckets_max: Option<usize>,
    /// `tenants`, by name.
    pub tenants: BTreeMap<String, TenantRates>,
    /// `cluster.workers`: of each process.
    pub workers: Option<usize>,
    /// `cluster.processes`.
    pub processes: Option<usize>,
    /// `cluster.peers`: a file, or `dns:NAME`.
    pub peers: Option<String>,
    /// `cluster.secret_file`.
    pub secret_file: Option<PathBuf>,
    /// `cluster.cert`, `cluster.key` and `cluster.ca`, all of them or none.
    pub tls: Option<[PathBuf; 3]>,
}

/// How much the sources of one tenant may read together, in each process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantRates {
    /// `max_lines_per_second`.
    pub lines: Option<NonZeroU64>,
    /// `max_bytes_per_second`.
    pub bytes: Option<NonZeroU64>,
}

impl JobConfig {
    /// Reads the section. What another file said before is overridden key by key.
    pub(crate) fn read(&mut self, node: &Node, findings: &mut Findings<'_>) {
        findings.within("overspill", |findings| {
            let mut table = Table::open(node, Unknown::Refuse, findings);
            put_path(&mut self.state, &mut table, "state", findings);
            put_text(&mut self.node, &mut table, "node", findings);
            for (place, key) in [
                (&mut self.lateness, "lateness"),
                (&mut self.idle, "idle"),
                (&mut self.skew, "skew"),
            ] {
                time(place, &mut table, key, findings);
            }
            let alerts = table.texts("alerts", findings);
            if !alerts.is_empty() {
                self.alerts = alerts.iter().map(|text| text.value.to_string()).collect();
            }
            table.child("checkpoint", findings, |mut table, findings| {
                put_text(&mut self.checkpoints, &mut table, "path", findings);
                time(&mut self.checkpoint_every, &mut table, "every", findings);
                table.close(&[], findings);
            });
            table.child("limits", findings, |mut table, findings| {
                count(&mut self.buckets_max, &mut table, "buckets", findings);
                table.close(&[], findings);
            });
            if let Some(node) = table.value("tenants") {
                findings.within("tenants", |findings| self.tenants(node, findings));
            }
            table.child("cluster", findings, |table, findings| {
                self.cluster(table, findings)
            });
            table.close(&[], findings);
        });
    }

    /// Names and what each of them may read. What another file said of one before is replaced.
    fn tenants(&mut self, node: &Node, findings: &mut Findings<'_>) {
        for entry in Table::open(node, Unknown::Ignore, findings).entries() {
            let rates = findings.within(&entry.key, |findings| {
                let mut table = Table::open(&entry.value, Unknown::Refuse, findings);
                let (mut lines, mut bytes) = (None, None);
                count(&mut lines, &mut table, "max_lines_per_second", findings);
                count(&mut bytes, &mut table, "max_bytes_per_second", findings);
                table.close(&[], findings);
                let rate = |n: Option<usize>| NonZeroU64::new(u64::try_from(n?).ok()?);
                TenantRates {
                    lines: rate(lines),
                    bytes: rate(bytes),
                }
            });
            self.tenants.insert(entry.key.to_string(), rates);
        }
    }

    fn cluster(&mut self, mut table: Table<'_>, findings: &mut Findings<'_>) {
        count(&mut self.workers, &mut table, "workers", findings);
        count(&mut self.processes, &mut table, "processes", findings);
        put_text(&mut self.peers, &mut table, "peers", findings);
        put_path(&mut self.secret_file, &mut table, "secret_file", findings);
        let at = table.start;
        let [mut cert, mut key, mut ca] = [None, None, None];
        for (place, name) in [(&mut cert, "cert"), (&mut key, "key"), (&mut ca, "ca")] {
            put_path(place, &mut table, name, findings);
        }
        match (cert, key, ca) {
            (Some(cert), Some(key), Some(ca)) => self.tls = Some([cert, key, ca]),
            (None, None, None) => {}
            _ => findings.refuse_at(at, at, "`cert`, `key` and `ca` belong together"),
        }
        table.close(&[], findings);
    }

    /// Its relative paths are taken from a directory.
    pub(crate) fn below(mut self, directory: &Path) -> Self {
        let places = [&mut self.state, &mut self.secret_file];
        let tls = self.tls.iter_mut().flatten();
        for path in places.into_iter().flatten().chain(tls) {
            *path = directory.join(&*path);
        }
        // Addresses and names of hosts stay as they are.
        let peers = self
            .peers
            .iter_mut()
            .filter(|peers| !peers.starts_with("dns:") && !peers.starts_with("list:"));
        let places = self
            .alerts
            .iter_mut()
            .chain(&mut self.checkpoints)
            .chain(peers);
        for place in places.filter(|place| !place.contains("://")) {
            *place = directory.join(&*place).display().to_string();
        }
        self
    }
}

fn time(
    place: &mut Option<String>,
    table: &mut Table<'_>,
    key: &'static str,
    findings: &mut Findings<'_>,
) {
    let Some(text) = table.filled(key, findings) else {
        return;
    };
    match duration::read(&text, findings) {
        Some(ns) if ns < 0 => findings.refuse(&text, "a time is not negative"),
        Some(_) => *place = Some(text.value.to_string()),
        None => {}
    }
}

/// A number that is at least 1.
fn count(
    place: &mut Option<usize>,
    table: &mut Table<'_>,
    key: &'static str,
    findings: &mut Findings<'_>,
) {
    let Some(number) = table.int(key, findings) else {
        return;
    };
    match usize::try_from(number) {
        Ok(number) if number > 0 => *place = Some(number),
        _ => {
            let (start, end) = table
                .value(key)
                .map_or((table.start, table.start), |node| (node.start, node.end));
            findings.within(key, |findings| {
                findings.refuse_at(start, end, format!("{number} is not a number from 1 on"));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_paths;

    #[test]
    fn the_section_is_read_with_its_paths_and_the_local_file_overrides_single_keys() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        let text = "overspill:\n  state: s\n  node: web1\n  lateness: 3s\n  alerts: [a.jsonl, \
                    'kafka://k:9092/alerts']\n  checkpoint: { path: 's3://bucket/x', every: 5s }\n  \
                    limits: { buckets: 1000 }\n  cluster: { processes: 3, workers: 2, peers: \
                    'dns:peers:7400', secret_file: /run/secret }\n  tenants: { acme: { \
                    max_lines_per_second: 500 }, other: {} }\n";
        std::fs::write(&file, text).unwrap();
        std::fs::write(
            dir.path().join("config.yaml.local"),
            "overspill: { node: web2, checkpoint: { every: 7s }, tenants: { third: { \
             max_bytes_per_second: 1000 } } }\n",
        )
        .unwrap();
        let job = config_paths(&file).unwrap().job;
        let at = |name: &str| dir.path().join(name);
        assert_eq!(job.state, Some(at("s")));
        assert_eq!(job.node.as_deref(), Some("web2"));
        assert_eq!(job.lateness.as_deref(), Some("3s"));
        assert_eq!(job.idle, None);
        let alerts = [
            at("a.jsonl").display().to_string(),
            "kafka://k:9092/alerts".to_owned(),
        ];
        assert_eq!(job.alerts, alerts);
        assert_eq!(job.checkpoints.as_deref(), Some("s3://bucket/x"));
        assert_eq!(job.checkpoint_every.as_deref(), Some("7s"));
        assert_eq!(
            (job.buckets_max, job.workers, job.processes),
            (Some(1000), Some(2), Some(3))
        );
        assert_eq!(job.peers.as_deref(), Some("dns:peers:7400"));
        assert_eq!(job.secret_file, Some("/run/secret".into()));
        let rates = |lines, bytes| TenantRates {
            lines: NonZeroU64::new(lines),
            bytes: NonZeroU64::new(bytes),
        };
        let tenants = [
            ("acme".to_owned(), rates(500, 0)),
            ("other".to_owned(), TenantRates::default()),
            ("third".to_owned(), rates(0, 1_000)),
        ];
        assert_eq!(job.tenants, BTreeMap::from(tenants));
    }

    #[test]
    fn what_is_wrong_in_the_section_is_an_error_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        for (text, error) in [
            ("overspill: { latness: 2s }", "did you mean `lateness`?"),
            ("overspill: { idle: soon }", "\"soon\" is not a duration"),
            ("overspill: { skew: -1s }", "a time is not negative"),
            (
                "overspill: { limits: { buckets: 0 } }",
                "not a number from 1 on",
            ),
            ("overspill: { cluster: { cert: a } }", "belong together"),
            ("overspill: { checkpoint: { pth: a } }", "unknown key `pth`"),
            ("overspill: { tenants: [acme] }", "map"),
            (
                "overspill: { tenants: { acme: { lines: 5 } } }",
                "unknown key `lines`",
            ),
            (
                "overspill: { tenants: { acme: { max_lines_per_second: 0 } } }",
                "not a number from 1 on",
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            let findings = config_paths(&file).unwrap_err();
            let texts: String = findings.iter().map(|finding| finding.render()).collect();
            assert!(texts.contains(error), "{text}: {texts}");
        }
    }
}
