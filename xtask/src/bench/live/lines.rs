//! Lines of the live measures: those of the generator under dates of our choice, and lines that tell who they are by
//! their addresses.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::chaos::traffic::clf_date;

/// Addresses of a family have this first number; the other three are the number of the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Family(pub(super) u8);

/// Who completes a scenario, and when that was, is known.
pub(super) const ATTACKERS: Family = Family(45);
/// Each line of theirs is an alert.
pub(super) const PROBES: Family = Family(46);
/// As these, of content that comes later.
pub(super) const NEW_PROBES: Family = Family(52);
/// Whoever has a bucket that lives long.
pub(super) const KEYS: Family = Family(57);
/// The last lines of a log.
pub(super) const LAST: Family = Family(58);

impl Family {
    /// The address of one of 2^24.
    pub(super) fn address(self, number: u32) -> String {
        let [_, high, middle, low] = number.to_be_bytes();
        format!("{}.{high}.{middle}.{low}", self.0)
    }

    /// Whose address this is.
    pub(super) fn number(self, address: &str) -> Option<u32> {
        let mut numbers = address.split('.').map(str::parse::<u8>);
        let mut next = || numbers.next()?.ok();
        let (first, high, middle, low) = (next()?, next()?, next()?, next()?);
        (first == self.0 && numbers.next().is_none())
            .then(|| u32::from_be_bytes([0, high, middle, low]))
    }
}

/// Lines that complete `overspill/http-login-bf`.
pub(super) const TO_COMPLETE: u32 = 6;
/// That scenario.
pub(super) const LOGIN_BF: &str = "overspill/http-login-bf";

/// A refused log-in.
pub(super) fn refused(address: &str, date: &str) -> String {
    line(address, date, "POST /login", 401)
}

/// A request, under a path that tells scenarios what to do with it.
pub(super) fn request(address: &str, date: &str, path: &str) -> String {
    line(address, date, &format!("GET {path}"), 200)
}

fn line(address: &str, date: &str, request: &str, status: u16) -> String {
    format!(
        "{address} - - [{date}] \"{request} HTTP/1.1\" {status} 512 \"-\" \
         \"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\""
    )
}

/// Dates as nginx writes them; one is made for each second.
#[derive(Debug, Default)]
pub(super) struct Dates {
    second: i64,
    text: String,
}

impl Dates {
    pub(super) fn of(&mut self, unix_ms: i64) -> &str {
        let second = unix_ms.div_euclid(1_000);
        if self.text.is_empty() || self.second != second {
            self.second = second;
            self.text = clf_date(unix_ms);
        }
        &self.text
    }
}

/// A log without its dates.
#[derive(Debug)]
pub(super) struct Templates {
    /// Before and after the date.
    lines: Vec<(String, String)>,
}

impl Templates {
    pub(super) fn read(log: &Path) -> Result<Self> {
        let text = fs::read_to_string(log).with_context(|| format!("read {}", log.display()))?;
        Self::parse(&text)
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let lines: Vec<(String, String)> = text.lines().filter_map(split).collect();
        if lines.is_empty() {
            bail!("no line with a date");
        }
        Ok(Self { lines })
    }

    /// The `n`-th line, under this date; after the last come the first ones again, of others.
    pub(super) fn line(&self, n: u64, date: &str) -> String {
        let n_lines = self.lines.len() as u64;
        let (head, tail) = &self.lines[(n % n_lines) as usize];
        let head = match n / n_lines {
            0 => head.clone(),
            round => shifted(head, round),
        };
        format!("{head}{date}{tail}")
    }
}

/// What stands before the date, and after it.
fn split(line: &str) -> Option<(String, String)> {
    let (head, rest) = line.split_once('[')?;
    let (_, tail) = rest.split_once(']')?;
    Some((format!("{head}["), format!("]{tail}")))
}

/// Somebody else's address: its third number is another one.
fn shifted(head: &str, round: u64) -> String {
    let Some((address, rest)) = head.split_once(' ') else {
        return head.to_owned();
    };
    let parts: Vec<&str> = address.split('.').collect();
    match parts[..] {
        [first, second, third, fourth] => {
            let third = (third.parse::<u64>().unwrap_or(0) + round) % 256;
            format!("{first}.{second}.{third}.{fourth} {rest}")
        }
        _ => head.to_owned(),
    }
}

/// The date of a line, as it stands there.
pub(super) fn date_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once('[')?;
    Some(rest.split_once(']')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_whose_it_is() {
        for number in [0, 1, 65_536, 16_777_215] {
            let address = ATTACKERS.address(number);
            assert_eq!(ATTACKERS.number(&address), Some(number), "{address}");
            assert_eq!(PROBES.number(&address), None, "{address}");
        }
        for wrong in ["45.1.2", "45.1.2.3.4", "45.1.2.300", "2001:db8::1", ""] {
            assert_eq!(ATTACKERS.number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lines_get_other_dates_and_later_other_addresses() {
        let log =
            "198.51.100.7 - - [12/Mar/2024:06:00:00 +0000] \"GET / HTTP/1.1\" 200 1\nno date\n";
        let templates = Templates::parse(log).unwrap();
        let line = |n| templates.line(n, "D");
        assert_eq!(line(0), "198.51.100.7 - - [D] \"GET / HTTP/1.1\" 200 1");
        assert_eq!(line(1), "198.51.101.7 - - [D] \"GET / HTTP/1.1\" 200 1");
        assert_eq!(line(157), "198.51.1.7 - - [D] \"GET / HTTP/1.1\" 200 1");
        assert!(Templates::parse("no date\n").is_err());
    }

    #[test]
    fn a_date_is_found_again() {
        let mut dates = Dates::default();
        let line = refused("45.0.0.1", dates.of(1_710_050_400_123));
        assert_eq!(date_of(&line), Some("10/Mar/2024:06:00:00 +0000"));
        assert_eq!(dates.of(1_710_050_401_000), "10/Mar/2024:06:00:01 +0000");
    }
}
