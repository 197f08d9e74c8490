//! What is told while processes look for each other: notices for a log, counters for a report.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::greeting::Verdict;

/// Why a connection came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// It did not greet like a peer.
    Stranger,
    /// It ended in the middle of the greeting.
    Closed,
    /// It took too long.
    Slow,
    /// Too many were greeting, and it was the oldest.
    Crowded,
    /// It does not share the secret.
    Secret,
    /// It hung up on our proof: as whoever has another secret does, and whoever ends just then.
    HungUp,
    /// TLS failed: a certificate is missing, of another authority, out of date, or of another name.
    Tls,
    /// It knows the secret, and yet is not welcome.
    Verdict(Verdict),
}

impl Refusal {
    pub(crate) const ALL: [Self; 17] = [
        Self::Stranger,
        Self::Closed,
        Self::Slow,
        Self::Crowded,
        Self::Secret,
        Self::HungUp,
        Self::Tls,
        Self::Verdict(Verdict::WrongTarget),
        Self::Verdict(Verdict::WrongIndex),
        Self::Verdict(Verdict::Processes),
        Self::Verdict(Verdict::Build),
        Self::Verdict(Verdict::Content),
        Self::Verdict(Verdict::Encryption),
        Self::Verdict(Verdict::Older),
        Self::Verdict(Verdict::Newer),
        Self::Verdict(Verdict::Duplicate),
        Self::Verdict(Verdict::Early),
    ];

    /// The name of its counter.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stranger => "strangers",
            Self::Closed => "closed",
            Self::Slow => "slow",
            Self::Crowded => "crowded",
            Self::Secret => "wrong_secret",
            Self::HungUp => "hung_up",
            Self::Tls => "tls",
            Self::Verdict(verdict) => match verdict {
                Verdict::Welcome => "welcome",
                Verdict::WrongTarget => "wrong_target",
                Verdict::WrongIndex => "wrong_index",
                Verdict::Processes => "other_processes",
                Verdict::Build => "other_build",
                Verdict::Content => "other_content",
                Verdict::Encryption => "other_encryption",
                Verdict::Older => "older_generation",
                Verdict::Newer => "newer_generation",
                Verdict::Duplicate => "duplicates",
                Verdict::Early => "early",
            },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stranger => "does not greet like a peer",
            Self::Closed => "ended in the middle of the greeting",
            Self::Slow => "took too long to greet",
            Self::Crowded => "made way for newer connections",
            Self::Secret => "does not share our secret",
            Self::HungUp => "hung up on our proof: it has another secret, or it ended just then",
            Self::Tls => "has no TLS session that could be trusted",
            Self::Verdict(verdict) => verdict.reason(),
        })
    }
}

/// How many connections came to what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted from the port.
    pub accepted: u64,
    /// Greetings that ended well, on either side.
    pub met: u64,
    /// Peers that were lost again before all had come.
    pub lost: u64,
    /// Times the port could not be accepted from.
    pub accept_errors: u64,
    refused: [u64; Refusal::ALL.len()],
}

impl Counts {
    /// Connections of others that came to this end.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> u64 {
        place(refusal).map_or(0, |place| self.refused[place])
    }

    /// All counters with their names.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let refused = Refusal::ALL.iter().map(|refusal| refusal.name());
        [
            ("accepted", self.accepted),
            ("met", self.met),
            ("lost", self.lost),
            ("accept_errors", self.accept_errors),
        ]
        .into_iter()
        .chain(refused.zip(self.refused))
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        if let Some(place) = place(refusal) {
            self.refused[place] += 1;
        }
    }
}

fn place(refusal: Refusal) -> Option<usize> {
    Refusal::ALL.iter().position(|known| *known == refusal)
}

/// A peer that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub index: usize,
    /// What became of the last attempt, if there was one.
    pub reason: Option<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.index)?;
        match &self.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

/// Something to tell while processes look for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Peers are missing. Given every few seconds.
    Waiting {
        /// Which.
        missing: Vec<Missing>,
        /// For how long.
        waited: Duration,
    },
    /// Process 0 told the generation.
    Generation(u64),
    /// A peer has come.
    Met(usize),
    /// A peer that had come was lost again. Without process 0 the generation is learnt anew.
    Lost(usize),
    /// A connection came to nothing. A sample: at most one of a kind in some seconds.
    Refused {
        /// Whence.
        from: SocketAddr,
        /// Why.
        refusal: Refusal,
        /// Connections of that kind so far.
        n: u64,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { missing, waited } => {
                write!(f, "waiting {} s for processes ", waited.as_secs())?;
                for (at, missing) in missing.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{missing}")?;
                }
                Ok(())
            }
            Self::Generation(generation) => write!(f, "generation {generation}"),
            Self::Met(index) => write!(f, "process {index} has come"),
            Self::Lost(index) => write!(f, "process {index} is gone again"),
            Self::Refused { from, refusal, n } => {
                write!(
                    f,
                    "connection with {from}: the other side {refusal} ({n} so far)"
                )
            }
        }
    }
}

/// Lets through one refusal of a kind in some time.
#[derive(Debug)]
pub(crate) struct Sampler {
    every: Duration,
    last: [Option<Instant>; Refusal::ALL.len()],
}

impl Sampler {
    pub(crate) fn new(every: Duration) -> Self {
        Self {
            every,
            last: [None; Refusal::ALL.len()],
        }
    }

    pub(crate) fn lets_through(&mut self, refusal: Refusal, now: Instant) -> bool {
        let Some(last) = place(refusal).and_then(|place| self.last.get_mut(place)) else {
            return false;
        };
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= self.every);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_read_as_sentences() {
        let missing = |index, reason: Option<&str>| Missing {
            index,
            reason: reason.map(str::to_owned),
        };
        let waiting = Notice::Waiting {
            missing: vec![missing(1, None), missing(3, Some("connection refused"))],
            waited: Duration::from_millis(5_200),
        };
        assert_eq!(
            waiting.to_string(),
            "waiting 5 s for processes 1, 3 (connection refused)"
        );
        let mut counts = Counts::default();
        counts.refuse(Refusal::Secret);
        assert_eq!(counts.refused(Refusal::Secret), 1);
        let rows: Vec<_> = counts.rows().filter(|(_, n)| *n > 0).collect();
        assert_eq!(rows, [("wrong_secret", 1)]);
    }

    #[test]
    fn a_flood_of_one_kind_is_told_once() {
        let mut sampler = Sampler::new(Duration::from_secs(5));
        let start = Instant::now();
        let told = (0..1_000)
            .filter(|_| sampler.lets_through(Refusal::Stranger, start))
            .count();
        assert_eq!(told, 1);
        assert!(sampler.lets_through(Refusal::Slow, start));
        assert!(sampler.lets_through(Refusal::Stranger, start + Duration::from_secs(5)));
    }
}
