//! What a data set is made from: kind, size, seed and pace.
//!
//! Two equal [`Options`] give the same bytes. Every limit is checked by [`Options::check`], which
//! all entry points call, so a generator never starts with numbers it cannot honour.

use crate::time::{self, Micros};

/// What kind of log is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// nginx access log in the combined format.
    Nginx,
    /// `auth.log` in RFC 3164 form: sshd, cron, sudo, systemd, kernel.
    Sshd,
    /// ingress-nginx access lines in CRI framing, as under `/var/log/containers`.
    K8s,
    /// Kubernetes audit events, one JSON object a line.
    K8sAudit,
    /// A syslog file that carries nginx, sshd and other programs.
    Mixed,
}

impl Kind {
    /// All kinds, in the order in which they are listed to users.
    pub const ALL: [Kind; 5] = [
        Kind::Nginx,
        Kind::Sshd,
        Kind::K8s,
        Kind::K8sAudit,
        Kind::Mixed,
    ];

    /// The name on the command line and in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx",
            Kind::Sshd => "sshd",
            Kind::K8s => "k8s",
            Kind::K8sAudit => "k8s-audit",
            Kind::Mixed => "mixed",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The acquisition label `type` under which the lines are read.
    #[must_use]
    pub fn log_type(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx",
            Kind::Sshd | Kind::Mixed => "syslog",
            Kind::K8s => "containerd",
            Kind::K8sAudit => "k8s-audit",
        }
    }

    pub(crate) fn has_web(self) -> bool {
        matches!(self, Kind::Nginx | Kind::K8s | Kind::Mixed)
    }

    pub(crate) fn has_ssh(self) -> bool {
        matches!(self, Kind::Sshd | Kind::Mixed)
    }
}

/// Why options were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A number outside of its range.
    #[error("{option} is {value}, which is not in {low}..={high}")]
    Range {
        /// The option's name.
        option: &'static str,
        /// What was asked for.
        value: u64,
        /// The smallest value.
        low: u64,
        /// The largest value.
        high: u64,
    },
}

/// A complete description of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub(crate) kind: Kind,
    pub(crate) lines: u64,
    pub(crate) seed: u64,
    pub(crate) start: Micros,
    pub(crate) rate_milli: u64,
    pub(crate) clients: u64,
    pub(crate) attackers: u64,
    pub(crate) attack_ppm: u64,
    pub(crate) partitions: u64,
    pub(crate) disorder_ms: u64,
    pub(crate) late_ppm: u64,
}

/// 2024-03-10T06:00:00Z: a Sunday morning with nothing special about it.
const START_DEFAULT: Micros = 1_710_050_400 * time::SECOND;

impl Options {
    /// The defaults: 100,000 lines at 100 lines a second, five in a hundred of them attacks.
    #[must_use]
    pub fn new(kind: Kind) -> Options {
        Options {
            kind,
            lines: 100_000,
            seed: 1,
            start: START_DEFAULT,
            rate_milli: 100_000,
            clients: 5_000,
            attackers: 400,
            attack_ppm: 50_000,
            partitions: 1,
            disorder_ms: 0,
            late_ppm: 0,
        }
    }

    /// How many lines in all.
    #[must_use]
    pub fn lines(self, lines: u64) -> Options {
        Options { lines, ..self }
    }

    /// What chance starts from.
    #[must_use]
    pub fn seed(self, seed: u64) -> Options {
        Options { seed, ..self }
    }

    /// Time of the first line, in microseconds since 1970.
    #[must_use]
    pub fn start_us(self, start: i64) -> Options {
        Options { start, ..self }
    }

    /// Thousandths of a line for each second of log time.
    #[must_use]
    pub fn rate_milli(self, rate_milli: u64) -> Options {
        Options { rate_milli, ..self }
    }

    /// How many ordinary web clients there are.
    #[must_use]
    pub fn clients(self, clients: u64) -> Options {
        Options { clients, ..self }
    }

    /// How many attacking addresses there are, those of distributed campaigns not counted.
    #[must_use]
    pub fn attackers(self, attackers: u64) -> Options {
        Options { attackers, ..self }
    }

    /// Share of the lines that belong to attacks, in millionths.
    #[must_use]
    pub fn attack_ppm(self, attack_ppm: u64) -> Options {
        Options { attack_ppm, ..self }
    }

    /// Over how many files the stream is spread; every attacker appears in all of them.
    #[must_use]
    pub fn partitions(self, partitions: u64) -> Options {
        Options { partitions, ..self }
    }

    /// By how much a line may come after later ones, in milliseconds.
    #[must_use]
    pub fn disorder_ms(self, disorder_ms: u64) -> Options {
        Options {
            disorder_ms,
            ..self
        }
    }

    /// Share of the lines that come two to ten times later than that, in millionths.
    #[must_use]
    pub fn late_ppm(self, late_ppm: u64) -> Options {
        Options { late_ppm, ..self }
    }

    /// The kind of log.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Tells whether the numbers can be honoured.
    ///
    /// # Errors
    /// The first option that is out of its range.
    pub fn check(&self) -> Result<(), OptionsError> {
        let limits = [
            ("lines", self.lines, 1, 10_000_000_000),
            ("rate (thousandths)", self.rate_milli, 1, 1_000_000_000),
            ("clients", self.clients, 1, 1_000_000),
            ("attackers", self.attackers, 1, 1_000_000),
            ("attack share (millionths)", self.attack_ppm, 0, 900_000),
            ("partitions", self.partitions, 1, 1024),
            ("disorder (ms)", self.disorder_ms, 0, 3_600_000),
            ("late share (millionths)", self.late_ppm, 0, 1_000_000),
        ];
        match limits
            .into_iter()
            .find(|(_, value, low, high)| !(low..=high).contains(&value))
        {
            None => Ok(()),
            Some((option, value, low, high)) => Err(OptionsError::Range {
                option,
                value,
                low,
                high,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_start_is_the_documented_one() {
        assert_eq!(time::parse("2024-03-10T06:00:00Z"), Some(START_DEFAULT));
    }

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_name("apache"), None);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let error = Options::new(Kind::Nginx).partitions(0).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "partitions is 0, which is not in 1..=1024"
        );
        assert!(
            Options::new(Kind::Sshd)
                .attack_ppm(950_000)
                .check()
                .is_err()
        );
        assert_eq!(Options::new(Kind::Mixed).check(), Ok(()));
    }
}
