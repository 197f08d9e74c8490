//! Logs in which one thing never repeats: what fills caches and tables.

use std::io::{self, Write};

use crate::time::{SECOND, push_clf, push_syslog};

/// What is new in every line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// The user agent of web requests.
    Agents,
    /// The address of web requests.
    Addresses,
    /// The path of web requests that are not found.
    Urls,
    /// The program of syslog lines.
    Programs,
    /// The user of failed log-ins of one address.
    Users,
}

/// Lines for each second of log time.
const RATE: u64 = 1_000;
/// 2024-03-10T06:00:00Z, as the other data sets.
const START_US: i64 = 1_710_050_400 * SECOND;

impl Flood {
    /// All of them, in the order in which they are listed to users.
    pub const ALL: [Flood; 5] = [
        Flood::Agents,
        Flood::Addresses,
        Flood::Urls,
        Flood::Programs,
        Flood::Users,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Flood::Agents => "agents",
            Flood::Addresses => "addresses",
            Flood::Urls => "urls",
            Flood::Programs => "programs",
            Flood::Users => "users",
        }
    }

    /// The flood of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Flood> {
        Flood::ALL.into_iter().find(|flood| flood.name() == name)
    }

    /// The acquisition label `type` under which the lines are read.
    #[must_use]
    pub fn log_type(self) -> &'static str {
        match self {
            Flood::Agents | Flood::Addresses | Flood::Urls => "nginx",
            Flood::Programs | Flood::Users => "syslog",
        }
    }

    /// Line `number`, without its newline. Equal numbers give equal lines.
    #[must_use]
    pub fn line(self, number: u64) -> String {
        let time = START_US + i64::try_from(number / RATE).unwrap_or(0) * SECOND;
        let mut date = String::new();
        match self {
            Flood::Programs | Flood::Users => push_syslog(&mut date, time),
            _ => push_clf(&mut date, time),
        }
        let new = mixed(number);
        match self {
            Flood::Agents => format!(
                "203.0.113.{} - - [{date}] \"GET / HTTP/1.1\" 200 153 \"-\" \"agent/{new:016x}\"",
                number % 250
            ),
            Flood::Addresses => format!(
                "{} - - [{date}] \"GET /{} HTTP/1.1\" 404 153 \"-\" \"Mozilla/5.0 (X11)\"",
                address(number),
                number % 50
            ),
            Flood::Urls => format!(
                "203.0.113.{} - - [{date}] \"GET /{new:016x}.html HTTP/1.1\" 404 153 \"-\" \"curl/8\"",
                number % 250
            ),
            Flood::Programs => format!("{date} host p{new:016x}[{}]: nothing", number % 30_000),
            Flood::Users => format!(
                "{date} host sshd[{}]: Failed password for invalid user u{new:016x} from \
                 203.0.113.{} port {} ssh2",
                number % 30_000,
                number % 250,
                1_024 + number % 60_000
            ),
        }
    }
}

/// Writes the first lines of a flood.
///
/// # Errors
/// What the place says.
pub fn write_flood(flood: Flood, lines: u64, out: &mut dyn Write) -> io::Result<()> {
    for number in 0..lines {
        writeln!(out, "{}", flood.line(number))?;
    }
    out.flush()
}

/// A number that no other number becomes, without a pattern (the finaliser of splitmix64).
fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Every second one of IPv4; a number that no other below 2^24 becomes.
fn address(number: u64) -> String {
    let half = number / 2;
    // Odd, so that it is a permutation of 24 bits.
    let spread = half.wrapping_mul(0x9e_3779) & 0xff_ffff;
    let [_, a, b, c] = u32::try_from(spread).unwrap_or(0).to_be_bytes();
    if number.is_multiple_of(2) {
        format!("45.{a}.{b}.{c}")
    } else {
        format!("2a0d:3344:{a:x}:{b:x}{c:02x}::1")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_line_repeats() {
        for flood in Flood::ALL {
            let lines: BTreeSet<String> = (0..20_000).map(|number| flood.line(number)).collect();
            assert_eq!(lines.len(), 20_000, "{}", flood.name());
        }
    }

    #[test]
    fn addresses_are_addresses_and_new() {
        let addresses: BTreeSet<std::net::IpAddr> = (0..100_000)
            .map(|number| address(number).parse().unwrap())
            .collect();
        assert_eq!(addresses.len(), 100_000);
    }

    #[test]
    fn every_flood_is_found_by_its_name() {
        for flood in Flood::ALL {
            assert_eq!(Flood::from_name(flood.name()), Some(flood));
        }
    }

    #[test]
    fn lines_are_written_with_their_ends() {
        let mut out = Vec::new();
        write_flood(Flood::Users, 3, &mut out).unwrap();
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 3);
    }
}
