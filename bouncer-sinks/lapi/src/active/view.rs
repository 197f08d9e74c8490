//! What one client is shown.

use std::sync::Arc;

use overspill_decision::{Block, normalise_scope};
use overspill_golike::url::parse_query_lenient;

use super::Held;

/// Which decisions a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Scopes in their canonical form; all of them if `None`.
    pub scopes: Option<Vec<String>>,
    /// Origins; all of them if `None`.
    pub origins: Option<Vec<String>>,
    /// `ban`, `captcha`, ...; all of them if `None`.
    pub kind: Option<String>,
    /// The value itself.
    pub value: Option<String>,
    /// Addresses that a decision contains, or lies within: see `contains`.
    pub block: Option<Block>,
    /// Whether `block` is to be within the decision and not around it.
    pub contains: bool,
    /// A scenario has one of these in it, in lower case; any if empty.
    pub scenarios_containing: Vec<String>,
    /// And none of these.
    pub scenarios_not_containing: Vec<String>,
    /// Whether simulated decisions are shown as well.
    pub with_simulated: bool,
    /// Whether of several decisions on one target only the one that lasts longest is shown.
    pub is_deduplicated: bool,
}

impl Default for View {
    /// Everything that is not simulated.
    fn default() -> Self {
        Self {
            scopes: None,
            origins: None,
            kind: None,
            value: None,
            block: None,
            contains: true,
            scenarios_containing: Vec::new(),
            scenarios_not_containing: Vec::new(),
            with_simulated: false,
            is_deduplicated: true,
        }
    }
}

/// A query that asks for nothing sensible. Its texts are those of CrowdSec, which tools print as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// `ip` or `range` is no address.
    #[error("unable to convert '{0}' to int interval: invalid address")]
    Address(String),
    /// `contains` is neither true nor false.
    #[error("invalid contains value : strconv.ParseBool: parsing \"{0}\": invalid syntax")]
    Contains(String),
}

impl View {
    /// Reads a query string as `GET /v1/decisions` and `/v1/decisions/stream` take it (`lapi.md` 9.1, 10.1). What is
    /// not known is passed over: clients send options of other versions.
    ///
    /// # Errors
    /// [`ViewError`] for an address that is none.
    pub fn parse(query: &str) -> Result<Self, ViewError> {
        let mut view = Self::default();
        for (key, value) in parse_query_lenient(query.as_bytes()) {
            let key = String::from_utf8_lossy(&key).into_owned();
            let value = String::from_utf8_lossy(&value).into_owned();
            view.take(&key, value)?;
        }
        Ok(view)
    }

    fn take(&mut self, key: &str, value: String) -> Result<(), ViewError> {
        match key {
            "scope" | "scopes" if !value.is_empty() => {
                self.scopes = Some(listed(&value).map(canonical_scope).collect());
            }
            "origins" if !value.is_empty() => {
                self.origins = Some(listed(&value).map(str::to_owned).collect());
            }
            "type" => self.kind = Some(value),
            "value" => self.value = Some(value),
            "ip" | "range" => {
                let block = Block::parse(&value).ok_or(ViewError::Address(value))?;
                self.block = Some(block);
            }
            "contains" => {
                self.contains = go_bool(&value).ok_or(ViewError::Contains(value))?;
            }
            "scenarios_containing" => self.scenarios_containing = lower(&value),
            "scenarios_not_containing" => self.scenarios_not_containing = lower(&value),
            "simulated" => self.with_simulated = value != "false",
            "dedup" => self.is_deduplicated = value != "false",
            _ => {}
        }
        Ok(())
    }

    /// Whether a decision is shown.
    #[must_use]
    pub fn shows(&self, held: &Held) -> bool {
        (self.with_simulated || !held.simulated)
            && self
                .scopes
                .as_ref()
                .is_none_or(|scopes| scopes.iter().any(|scope| **scope == *held.scope))
            && self
                .origins
                .as_ref()
                .is_none_or(|origins| origins.iter().any(|origin| **origin == *held.origin))
            && self.kind.as_ref().is_none_or(|kind| **kind == *held.kind)
            && self
                .value
                .as_ref()
                .is_none_or(|value| **value == *held.value)
            && self.shows_block(held)
            && self.shows_scenario(&held.scenario)
    }

    fn shows_block(&self, held: &Held) -> bool {
        let Some(asked) = self.block else {
            return true;
        };
        held.block().is_some_and(|block| {
            if self.contains {
                block.contains(asked)
            } else {
                asked.contains(block)
            }
        })
    }

    fn shows_scenario(&self, scenario: &Arc<str>) -> bool {
        if self.scenarios_containing.is_empty() && self.scenarios_not_containing.is_empty() {
            return true;
        }
        let scenario = scenario.to_lowercase();
        let has = |part: &String| scenario.contains(part.as_str());
        (self.scenarios_containing.is_empty() || self.scenarios_containing.iter().any(has))
            && !self.scenarios_not_containing.iter().any(has)
    }
}

/// How much a kind of decision restricts. Clients that keep one entry a value keep the last one of a stream, and take
/// the first one of a list, so that has to be the strictest.
#[must_use]
pub fn severity(kind: &str) -> u8 {
    match kind {
        "ban" => 3,
        "captcha" => 2,
        "throttle" => 1,
        _ => 0,
    }
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
}

fn lower(text: &str) -> Vec<String> {
    listed(text)
        .filter(|part| !part.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn canonical_scope(scope: &str) -> String {
    let mut scope = scope.to_owned();
    normalise_scope(&mut scope);
    scope
}

/// What Go's `strconv.ParseBool` takes.
pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
