//! What of ours is measured, and the figures that it should reach.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::command::target_dir;
use crate::crowdsec;

/// Nanoseconds: what must be reached, and what would be fine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Target {
    pub(crate) budget: f64,
    pub(crate) stretch: f64,
}

const fn target(budget: f64, stretch: f64) -> Option<Target> {
    Some(Target { budget, stretch })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// The library that is built in.
    Library,
    /// Items of the current hub.
    Hub(&'static [&'static str]),
    /// All of it.
    WholeHub,
    /// These collections of the hub that comes with Debian's crowdsec.
    Package(&'static [&'static str]),
}

/// A log and what reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What the generator makes.
    pub(crate) kind: &'static str,
    pub(crate) log_type: &'static str,
    label: &'static str,
    content: Content,
    pub(crate) target: Option<Target>,
}

const LINUX: &str = "--collection=crowdsecurity/linux";
const NGINX: &str = "--collection=crowdsecurity/nginx";
const CRI: &str = "--item=crowdsecurity/cri-logs";

const fn case(
    names: (&'static str, &'static str),
    log: (&'static str, &'static str),
    content: Content,
    target: Option<Target>,
) -> Case {
    Case {
        id: names.0,
        title: names.1,
        kind: log.0,
        log_type: log.1,
        label: "",
        content,
        target,
    }
}

/// All of them. The ones with the package's content stand beside CrowdSec.
pub(crate) const CASES: [Case; 9] = [
    case(
        ("nginx-1.4.6", "nginx, collections of 1.4.6"),
        ("nginx", "nginx"),
        Content::Package(&["crowdsecurity/linux", "crowdsecurity/nginx"]),
        None,
    ),
    case(
        ("sshd-1.4.6", "sshd, collections of 1.4.6"),
        ("sshd", "syslog"),
        Content::Package(&["crowdsecurity/linux"]),
        None,
    ),
    case(
        ("nginx-collections", "nginx, collections"),
        ("nginx", "nginx"),
        Content::Hub(&[LINUX, NGINX]),
        target(1_000.0, 600.0),
    ),
    case(
        ("nginx-hub", "nginx, whole hub"),
        ("nginx", "nginx"),
        Content::WholeHub,
        target(1_300.0, 800.0),
    ),
    Case {
        label: "program=nginx",
        ..case(
            ("k8s-collections", "Kubernetes ingress (CRI), collections"),
            ("k8s", "containerd"),
            Content::Hub(&[LINUX, NGINX, CRI]),
            target(1_550.0, 1_000.0),
        )
    },
    case(
        ("sshd-collections", "sshd, collections"),
        ("sshd", "syslog"),
        Content::Hub(&[LINUX]),
        target(500.0, 300.0),
    ),
    case(
        ("sshd-hub", "sshd, whole hub"),
        ("sshd", "syslog"),
        Content::WholeHub,
        target(550.0, 350.0),
    ),
    case(
        ("mixed-hub", "mixed syslog, whole hub"),
        ("mixed", "syslog"),
        Content::WholeHub,
        target(1_300.0, 800.0),
    ),
    case(
        ("nginx-library", "nginx, own library"),
        ("nginx", "nginx"),
        Content::Library,
        target(600.0, 400.0),
    ),
];

/// Ratios that should be reached: peer, case, times.
pub(crate) const RATIOS: [(&str, &str, Option<Target>); 6] = [
    ("crowdsec", "nginx-1.4.6", target(2_000.0, 4_000.0)),
    ("crowdsec", "sshd-1.4.6", target(500.0, 900.0)),
    ("fail2ban", "sshd-1.4.6", None),
    ("goaccess", "nginx-1.4.6", None),
    ("sshg-parser", "sshd-1.4.6", target(4.0, 8.0)),
    ("floor", "nginx-1.4.6", None),
];

/// Start-up with the whole hub, in nanoseconds of CPU.
pub(crate) const START_UP: Target = Target {
    budget: 300e6,
    stretch: 100e6,
};

/// Exchange and buckets with a million keys, in nanoseconds of CPU an event: 4.5 and 6 million
/// events a second of one core.
pub(crate) const EXCHANGE: Target = Target {
    budget: 1e9 / 4.5e6,
    stretch: 1e9 / 6e6,
};

/// Everything dates without a year refer to, so that alerts are the same on every day.
const NOW: &str = "2024-03-12T00:00:00Z";

impl Case {
    pub(crate) fn needs_hub(&self) -> bool {
        matches!(self.content, Content::Hub(_) | Content::WholeHub)
    }

    pub(crate) fn is_whole_hub(&self) -> bool {
        self.content == Content::WholeHub
    }

    /// The collections that CrowdSec is to run, where it can be asked.
    pub(crate) fn package(&self) -> Option<&'static [&'static str]> {
        match self.content {
            Content::Package(collections) => Some(collections),
            Content::Library | Content::Hub(_) | Content::WholeHub => None,
        }
    }

    /// The words after `overspill`. `package` is CrowdSec's home, for those that need it.
    pub(crate) fn args(
        &self,
        log: &Path,
        hub: Option<&Path>,
        package: Option<&crowdsec::Peer>,
    ) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["replay".into(), log.into()];
        args.extend(["--type", self.log_type, "-o", "json"].map(OsString::from));
        // CrowdSec takes the present for dates without a year, so what stands beside it does, too.
        if self.package().is_none() {
            args.extend(["--now", NOW].map(OsString::from));
        }
        if !self.label.is_empty() {
            args.extend(["--label", self.label].map(OsString::from));
        }
        let dir = match package {
            Some(package) if self.package().is_some() => {
                args.extend(["--data".into(), package.data().into_os_string()]);
                Some(package.hub())
            }
            _ => hub.map(PathBuf::from),
        };
        if let (Some(dir), false) = (dir, self.content == Content::Library) {
            args.extend(["--hub".into(), dir.into_os_string()]);
        }
        match self.content {
            Content::Library => {}
            Content::WholeHub => args.push("--all".into()),
            Content::Hub(items) => args.extend(items.iter().map(OsString::from)),
            Content::Package(collections) => {
                for collection in collections {
                    args.extend(["--collection", collection].map(OsString::from));
                }
            }
        }
        args
    }
}

/// A program of ours, built for release.
pub(crate) fn release(binary: &str) -> PathBuf {
    target_dir().join("release").join(binary)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_ratios_name_cases() {
        let ids: BTreeSet<&str> = CASES.iter().map(|case| case.id).collect();
        assert_eq!(ids.len(), CASES.len());
        for (_, id, _) in RATIOS {
            assert!(ids.contains(id), "{id}");
        }
    }

    #[test]
    fn content_is_named_once() {
        let hub = Path::new("/hub");
        for case in &CASES {
            let args = case.args(Path::new("x.log"), Some(hub), None);
            let n_hub = args.iter().filter(|arg| *arg == "--hub").count();
            let is_library = case.content == Content::Library;
            assert_eq!(n_hub, usize::from(!is_library), "{}", case.id);
        }
    }
}
