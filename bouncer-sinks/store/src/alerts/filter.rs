//! Which alerts are meant.
//!
//! The meaning is that of CrowdSec's `GET /v1/alerts` (`pkg/database/alertfilter.go`), so it has its oddity: an alert has
//! no active decision only if it has no decision at all.

use overspill_decision::Block;

use crate::schema::SEARCH_BYTES_MAX;
use crate::statements::{Conditions, cut};

/// Which alerts are meant: those that fulfil everything that is asked. The default asks for nothing, and shows the newest
/// first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertFilter {
    /// Those whose source has this scope. `ip` and `range` may be written in any case.
    pub scope: Option<String>,
    /// Those whose source has this value.
    pub value: Option<String>,
    /// Those of this scenario, and those with a decision of this scenario.
    pub scenario: Option<String>,
    /// Those with a decision on a block that contains this one or lies within it, as [`Self::contains`] says.
    pub block: Option<Block>,
    /// Whether the decision's block has to contain [`Self::block`]; otherwise it has to lie within it.
    pub contains: bool,
    /// Those that began at this time or after it, in nanoseconds since the Unix epoch.
    pub started_since_ns: Option<i64>,
    /// Those that began at this time or before it.
    pub started_until_ns: Option<i64>,
    /// Those that were stored at this time or before it.
    pub created_before_ns: Option<i64>,
    /// Those with a decision of this type.
    pub decision_type: Option<String>,
    /// Those with a decision of this origin. Then [`Self::include_capi`] counts as set.
    pub origin: Option<String>,
    /// Whether those of the community's and of other lists are among them.
    pub include_capi: bool,
    /// `true`: those with a decision in force. `false`: those that have no decision at all.
    pub has_active_decision: Option<bool>,
    /// Those that are, or are not, simulated.
    pub simulated: Option<bool>,
    /// Those of this kind.
    pub kind: Option<String>,
    /// Those sent by the machine of this name.
    pub machine: Option<String>,
    /// The first so many; `None` for all.
    pub limit: Option<u64>,
    /// Whether the oldest come first.
    pub is_ascending: bool,
    /// Whether their decisions are read, too.
    pub with_decisions: bool,
}

impl Default for AlertFilter {
    fn default() -> Self {
        Self {
            scope: None,
            value: None,
            scenario: None,
            block: None,
            contains: true,
            started_since_ns: None,
            started_until_ns: None,
            created_before_ns: None,
            decision_type: None,
            origin: None,
            include_capi: true,
            has_active_decision: None,
            simulated: None,
            kind: None,
            machine: None,
            limit: None,
            is_ascending: false,
            with_decisions: true,
        }
    }
}

impl AlertFilter {
    /// The conditions on alerts, which are called `a`.
    pub(super) fn conditions(&self, now_ns: i64) -> Conditions<'_> {
        let mut conditions = Conditions::default();
        self.add_texts(&mut conditions);
        for (clause, number) in [
            ("a.started_ns >= {}", self.started_since_ns),
            ("a.started_ns <= {}", self.started_until_ns),
            ("a.created_ns <= {}", self.created_before_ns),
            ("a.simulated = {}", self.simulated.map(i64::from)),
        ] {
            if let Some(number) = number {
                conditions.and_value(clause, number);
            }
        }
        if !self.include_capi && self.origin.is_none() {
            conditions.and("a.is_community = 0".to_owned());
        }
        self.add_decisions(&mut conditions, now_ns);
        conditions
    }

    fn add_texts<'a>(&'a self, conditions: &mut Conditions<'a>) {
        if let Some(scope) = &self.scope {
            let known = ["Ip", "Range"]
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(scope));
            conditions.and_value(
                "a.scope = {}",
                cut(known.unwrap_or(scope), SEARCH_BYTES_MAX),
            );
        }
        for (clause, text) in [("a.value = {}", &self.value), ("a.kind = {}", &self.kind)] {
            if let Some(text) = text {
                conditions.and_value(clause, cut(text, SEARCH_BYTES_MAX));
            }
        }
        if let Some(machine) = &self.machine {
            conditions.and_value(
                "a.machine_id IN (SELECT id FROM machines WHERE name = {})",
                machine.as_str(),
            );
        }
        if let Some(scenario) = &self.scenario {
            let searched = conditions.bind(cut(scenario, SEARCH_BYTES_MAX));
            let whole = conditions.bind(scenario.as_str());
            conditions.and(format!(
                "(a.scenario = {searched} OR {})",
                with_decision(&format!("d.scenario = {whole}"))
            ));
        }
    }

    fn add_decisions<'a>(&'a self, conditions: &mut Conditions<'a>, now_ns: i64) {
        for (column, text) in [("kind", &self.decision_type), ("origin", &self.origin)] {
            if let Some(text) = text {
                let placeholder = conditions.bind(text.as_str());
                conditions.and(with_decision(&format!("d.{column} = {placeholder}")));
            }
        }
        // This begins with the decisions: few of them fulfil the condition, however many alerts there are.
        if let Some(block) = self.block {
            let clause = if self.contains {
                conditions.around(block)
            } else {
                conditions.within(block)
            };
            conditions.and(format!(
                "a.id IN (SELECT alert_id FROM decisions WHERE {clause})"
            ));
        }
        match self.has_active_decision {
            None => {}
            Some(true) => {
                let now = conditions.bind(now_ns);
                conditions.and(with_decision(&format!(
                    "d.until_ns > {now} AND d.is_ended = 0"
                )));
            }
            Some(false) => conditions.and(format!("NOT {}", with_decision("1 = 1"))),
        }
    }

    /// What follows the conditions.
    pub(super) fn order(&self, conditions: &mut Conditions<'_>, limit: Option<u64>) -> String {
        let order = if self.is_ascending {
            "ORDER BY a.created_ns, a.id"
        } else {
            "ORDER BY a.created_ns DESC, a.id DESC"
        };
        match limit {
            None => order.to_owned(),
            Some(limit) => {
                let limit = conditions.bind(i64::try_from(limit).unwrap_or(i64::MAX));
                format!("{order} LIMIT {limit}")
            }
        }
    }
}

fn with_decision(clause: &str) -> String {
    format!("EXISTS (SELECT 1 FROM decisions d WHERE d.alert_id = a.id AND {clause})")
}
