//! Profiles: which alerts lead to which decisions, and who is told.
//!
//! The rules are CrowdSec's (`pkg/csprofiles`, `pkg/apiserver/controllers/v1/alerts.go`), with what
//! looks odd in them: filters are alternatives, yet each true one adds the profile's decisions
//! again; `on_failure` changes nothing; the first profile that yields decisions is the only one to
//! give any, while later ones still notify.
//!
//! This module says what is decided. Whether a decision may stand is said in [`crate::receive`].

use std::sync::Arc;

use overspill_event::{Alert, Decision};
use overspill_expr::{AlertObject, Context, EvalError, NoStash, Program, Services, Value};
use overspill_golike::time::Time;
use overspill_golike::{duration, strings};

use crate::identity::decision_uuid;

/// What happens after a profile whose filters hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSuccess {
    /// The next profile is asked.
    #[default]
    Continue,
    /// No further profile is asked.
    Break,
}

/// What CrowdSec reads and does not act upon: its `break` leaves an inner switch only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// As written.
    #[default]
    Continue,
    /// As written.
    Break,
    /// As written.
    Apply,
}

/// What happens when a filter fails or gives no boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The alert is refused ([`ProfileError`]).
    #[default]
    Refuse,
    /// The next profile is asked.
    Continue,
    /// As `Continue`.
    Ignore,
    /// No further profile is asked, if a filter before the failing one held.
    Break,
    /// The profile counts as one whose filters hold, without decisions.
    Apply,
}

/// One entry of a profile's `decisions`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remedy {
    /// `ban`, `captcha`, or any other text that a bouncer understands.
    pub kind: String,
    /// Duration as written; empty is [`Remedy::DURATION_DEFAULT`].
    pub duration: String,
    /// Scope; empty is that of the alert's source.
    pub scope: String,
    /// Added to the origin: `crowdsec/<origin>`. May be empty.
    pub origin: String,
    /// Whether the decision is only pretended.
    pub simulated: bool,
}

impl Remedy {
    /// What a decision without a duration gets. CrowdSec announces this and then fails to store
    /// the empty duration that it kept.
    pub const DURATION_DEFAULT: &'static str = "4h";
}

/// One profile.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: Arc<str>,
    /// Alternatives, on `Alert`.
    pub filters: Vec<Program>,
    /// What is decided when one holds.
    pub decisions: Vec<Remedy>,
    /// Gives the duration of all decisions, on `Alert`.
    pub duration_expr: Option<Program>,
    /// After the filters held.
    pub on_success: OnSuccess,
    /// After they did not; has no effect.
    pub on_failure: OnFailure,
    /// After one failed.
    pub on_error: OnError,
    /// Names of the notification plugins.
    pub notifications: Vec<Arc<str>>,
}

/// A filter failed and its profile does not say what to do then. CrowdSec answers the whole push
/// with an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("evaluate filter {filter} of profile `{profile}`")]
pub struct ProfileError {
    /// The profile.
    pub profile: Arc<str>,
    /// Which of its filters, from 0.
    pub filter: usize,
    /// How it failed.
    #[source]
    pub source: EvalError,
}

/// Somebody is to be told of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The profile that says so.
    pub profile: Arc<str>,
    /// Names of the plugins.
    pub plugins: Vec<Arc<str>>,
    /// The alert with the decisions it had then.
    pub alert: Arc<Alert>,
}

/// All profiles, in the order in which they are asked.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    profiles: Vec<Profile>,
}

/// What a profile's filters said.
struct Evaluated {
    matched: bool,
    decisions: Vec<Decision>,
    error: Option<(usize, EvalError)>,
}

impl Profiles {
    /// Profiles in file order.
    #[must_use]
    pub fn new(profiles: Vec<Profile>) -> Self {
        Self { profiles }
    }

    /// The profiles.
    #[must_use]
    pub fn as_slice(&self) -> &[Profile] {
        &self.profiles
    }

    /// Asks the profiles about an alert. Decisions go into the alert, unless it has some already:
    /// then the profiles only say who is told.
    ///
    /// # Errors
    /// [`ProfileError`] when a filter fails in a profile without `on_error`.
    pub fn decide(
        &self,
        alert: &mut Alert,
        services: &Services,
        now: Time,
    ) -> Result<Vec<Notice>, ProfileError> {
        let mut shared = Arc::new(std::mem::take(alert));
        let notices = self.notices(&mut shared, services, now);
        *alert = Arc::unwrap_or_clone(shared);
        notices
    }

    fn notices(
        &self,
        alert: &mut Arc<Alert>,
        services: &Services,
        now: Time,
    ) -> Result<Vec<Notice>, ProfileError> {
        let mut notices = Vec::new();
        for profile in &self.profiles {
            let said = profile.evaluate(alert, services, now);
            let mut matched = said.matched;
            let mut is_last = profile.on_success == OnSuccess::Break;
            if let Some((filter, source)) = said.error {
                services.log.warn(&format!(
                    "profile {}, filter {filter}: {source}",
                    profile.name
                ));
                match profile.on_error {
                    OnError::Continue | OnError::Ignore => {}
                    OnError::Break => is_last = true,
                    OnError::Apply => matched = true,
                    OnError::Refuse => {
                        let profile = Arc::clone(&profile.name);
                        return Err(ProfileError {
                            profile,
                            filter,
                            source,
                        });
                    }
                }
            }
            if !matched {
                continue;
            }
            if alert.decisions.is_empty() && !said.decisions.is_empty() {
                Arc::make_mut(alert).decisions = said.decisions;
            }
            if !profile.notifications.is_empty() {
                notices.push(Notice {
                    profile: Arc::clone(&profile.name),
                    plugins: profile.notifications.clone(),
                    alert: Arc::clone(alert),
                });
            }
            if is_last {
                break;
            }
        }
        Ok(notices)
    }
}

impl Profile {
    /// Runs every filter; each true one adds the decisions. The first that fails ends it, and then
    /// there are none.
    fn evaluate(&self, alert: &Arc<Alert>, services: &Services, now: Time) -> Evaluated {
        let vars = [Value::object(AlertObject::new(Arc::clone(alert)))];
        let mut said = Evaluated {
            matched: false,
            decisions: Vec::new(),
            error: None,
        };
        for (number, filter) in self.filters.iter().enumerate() {
            let stash = &mut NoStash;
            let mut context = Context {
                evt: None,
                vars: &vars,
                stash,
                services,
                now,
            };
            match filter.eval_bool(&mut context) {
                Ok(false) => {}
                Ok(true) => {
                    said.matched = true;
                    for remedy in &self.decisions {
                        let number = said.decisions.len();
                        let mut decision = decision_of(remedy, alert, number);
                        self.adjust_duration(&mut decision, &vars, services, now);
                        said.decisions.push(decision);
                    }
                }
                Err(error) => {
                    said.decisions.clear();
                    said.error = Some((number, error));
                    break;
                }
            }
        }
        said
    }

    /// Replaces the duration by the expression's, if that gives one.
    fn adjust_duration(
        &self,
        decision: &mut Decision,
        vars: &[Value],
        services: &Services,
        now: Time,
    ) {
        let Some(expression) = &self.duration_expr else {
            return;
        };
        let mut context = Context {
            evt: None,
            vars,
            stash: &mut NoStash,
            services,
            now,
        };
        let text = match expression.eval(&mut context) {
            Ok(value) => strings::to_valid_string(&value.text()).into_owned(),
            Err(error) => {
                services
                    .log
                    .warn(&format!("profile {}, duration_expr: {error}", self.name));
                return;
            }
        };
        match duration::parse_with_days(&text) {
            Ok(_) => decision.duration = text,
            Err(_) => services.log.warn(&format!(
                "profile {}, duration_expr: `{text}` is not a duration",
                self.name
            )),
        }
    }
}

fn decision_of(remedy: &Remedy, alert: &Alert, number: usize) -> Decision {
    let or = |text: &str, other: &str| (if text.is_empty() { other } else { text }).to_owned();
    Decision {
        id: 0,
        uuid: decision_uuid(&alert.uuid, number),
        origin: if remedy.origin.is_empty() {
            "crowdsec".to_owned()
        } else {
            format!("crowdsec/{}", remedy.origin)
        },
        kind: remedy.kind.clone(),
        scope: or(&remedy.scope, &alert.source.scope),
        value: alert.source.value.clone(),
        duration: or(&remedy.duration, Remedy::DURATION_DEFAULT),
        until_ns: 0,
        scenario: alert.scenario.clone(),
        simulated: remedy.simulated || alert.simulated,
    }
}
