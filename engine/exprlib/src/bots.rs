//! `MatchKnownBot`: whether a request comes from a crawler that can prove who it is.
//!
//! A definition names a crawler by user agent and path, which anyone can claim, and by address,
//! range or host name, which not anyone can. Both must fit. The host name is the caller's to find
//! out: it takes a name server.

use std::collections::BTreeSet;
use std::net::IpAddr;

use overspill_golike::json::{Json, JsonError, decode};
use overspill_golike::net::{self, Prefix};
use overspill_grok::{GoRegex, GoRegexError, compile_go};

/// Why a line makes the file unusable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BotLineError {
    /// Not JSON.
    #[error("not a JSON object")]
    Json(#[from] JsonError),
    /// JSON, but a field has another type than it must have, or it is no object.
    #[error("field {0:?} has the wrong type")]
    FieldType(String),
    /// A field that definitions do not have.
    #[error("unknown field {0:?}")]
    Unknown(String),
    /// No name.
    #[error("missing mandatory field \"name\"")]
    NoName,
    /// Nothing that proves who it is.
    #[error("bot {0:?} has none of ips, ranges and rdns")]
    NoIdentity(String),
    /// An address that is none.
    #[error("invalid address {0:?}")]
    Address(String),
    /// A range that is none.
    #[error("invalid range {0:?}")]
    Range(String),
    /// A host name pattern that every host fits.
    #[error("empty rdns pattern")]
    EmptyRdns,
    /// A regex that is none.
    #[error("invalid regex in field {field:?}")]
    Regex {
        /// The field.
        field: &'static str,
        /// What is wrong with the regex.
        #[source]
        source: Box<GoRegexError>,
    },
}

/// One crawler.
#[derive(Debug)]
struct Bot {
    user_agent: Option<GoRegex>,
    paths: Vec<GoRegex>,
    ips: BTreeSet<IpAddr>,
    ranges: Vec<Prefix>,
    host_names: Vec<GoRegex>,
}

/// The definitions of a file.
#[derive(Debug)]
pub struct BotFile {
    bots: Vec<Bot>,
}

/// What a request's address, user agent and path say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A known crawler, proved by its address.
    Known,
    /// No known crawler.
    Unknown,
    /// It depends on the host names of this address: see [`BotFile::is_host_known`].
    AskNames(IpAddr),
}

impl BotFile {
    /// The definitions of these lines.
    ///
    /// # Errors
    ///
    /// The first bad line, by its number in the list from 0, and what is wrong with it.
    pub fn new<L: AsRef<[u8]>>(lines: &[L]) -> Result<Self, (usize, BotLineError)> {
        let bots = lines
            .iter()
            .enumerate()
            .map(|(index, line)| Bot::read(line.as_ref()).map_err(|err| (index, err)));
        Ok(Self {
            bots: bots.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a request comes from a known crawler, as far as can be told without a name server.
    /// The address may have a port and a zone; what is no address is nobody.
    #[must_use]
    pub fn check(&self, address: &[u8], user_agent: &[u8], path: &[u8]) -> Verdict {
        let Some(ip) = parse_address(address) else {
            return Verdict::Unknown;
        };
        let mut names_matter = false;
        for bot in self.bots.iter().filter(|bot| bot.claims(user_agent, path)) {
            if bot.ips.contains(&ip) || bot.ranges.iter().any(|range| range.contains_ip(ip)) {
                return Verdict::Known;
            }
            names_matter |= !bot.host_names.is_empty();
        }
        if names_matter {
            Verdict::AskNames(ip)
        } else {
            Verdict::Unknown
        }
    }

    /// Whether a host name, which must have been confirmed by looking it up in turn, is that of a
    /// crawler with this user agent and path. Case and a final dot do not count.
    #[must_use]
    pub fn is_host_known(&self, name: &[u8], user_agent: &[u8], path: &[u8]) -> bool {
        let name = name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase();
        self.bots
            .iter()
            .filter(|bot| bot.claims(user_agent, path))
            .any(|bot| bot.host_names.iter().any(|regex| regex.is_match(&name)))
    }
}

/// The address of a text that may have a port, without zone, IPv4-mapped ones as IPv4.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let addr = net::parse_addr(text).or_else(|| {
        let at = memchr::memrchr(b':', text)?;
        let host = match &text[..at] {
            [b'[', inner @ .., b']'] => inner,
            host if host.contains(&b':') || host.contains(&b'[') => return None,
            host => host,
        };
        net::parse_addr(host)
    })?;
    Some(net::unmapped(addr.ip))
}

impl Bot {
    fn claims(&self, user_agent: &[u8], path: &[u8]) -> bool {
        self.user_agent
            .as_ref()
            .is_none_or(|regex| regex.is_match(user_agent))
            && (self.paths.is_empty() || self.paths.iter().any(|regex| regex.is_match(path)))
    }

    fn read(line: &[u8]) -> Result<Self, BotLineError> {
        let Json::Object(object) = decode(line)? else {
            return Err(BotLineError::FieldType(String::new()));
        };
        let mut name = String::new();
        let mut user_agent = String::new();
        let (mut paths, mut ips) = (Vec::new(), Vec::new());
        let (mut ranges, mut host_names) = (Vec::new(), Vec::new());
        for (key, value) in object.into_members() {
            match key.to_ascii_lowercase().as_str() {
                "name" => name = string(&key, value)?,
                "user_agent" => user_agent = string(&key, value)?,
                "paths" => paths = strings(&key, value)?,
                "ips" => ips = strings(&key, value)?,
                "ranges" => ranges = strings(&key, value)?,
                "rdns" => host_names = strings(&key, value)?,
                _ => return Err(BotLineError::Unknown(key)),
            }
        }
        if name.is_empty() {
            return Err(BotLineError::NoName);
        }
        if ips.is_empty() && ranges.is_empty() && host_names.is_empty() {
            return Err(BotLineError::NoIdentity(name));
        }
        if host_names.iter().any(String::is_empty) {
            return Err(BotLineError::EmptyRdns);
        }
        let user_agent = match user_agent.as_str() {
            "" => None,
            pattern => Some(regex("user_agent", pattern)?),
        };
        Ok(Self {
            user_agent,
            paths: regexes("paths", &paths)?,
            ips: ips.into_iter().map(address).collect::<Result<_, _>>()?,
            ranges: ranges.into_iter().map(range).collect::<Result<_, _>>()?,
            host_names: regexes("rdns", &host_names)?,
        })
    }
}

fn string(key: &str, value: Json) -> Result<String, BotLineError> {
    match value {
        Json::Str(text) => Ok(text),
        Json::Null => Ok(String::new()),
        _ => Err(BotLineError::FieldType(key.to_owned())),
    }
}

fn strings(key: &str, value: Json) -> Result<Vec<String>, BotLineError> {
    match value {
        Json::Array(items) => items.into_iter().map(|item| string(key, item)).collect(),
        Json::Null => Ok(Vec::new()),
        _ => Err(BotLineError::FieldType(key.to_owned())),
    }
}

fn address(text: String) -> Result<IpAddr, BotLineError> {
    match net::parse_addr(text.as_bytes()) {
        Some(addr) => Ok(net::unmapped(addr.ip)),
        None => Err(BotLineError::Address(text)),
    }
}

fn range(text: String) -> Result<Prefix, BotLineError> {
    net::parse_prefix(text.as_bytes()).ok_or(BotLineError::Range(text))
}

fn regexes(field: &'static str, patterns: &[String]) -> Result<Vec<GoRegex>, BotLineError> {
    patterns
        .iter()
        .map(|pattern| regex(field, pattern))
        .collect()
}

fn regex(field: &'static str, pattern: &str) -> Result<GoRegex, BotLineError> {
    compile_go(&format!("(?i){pattern}")).map_err(|source| BotLineError::Regex {
        field,
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests;
