//! Which request is which (`lapi.md` 2).

use hyper::{Method, StatusCode};
use overspill_golike::url::path_unescape;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Register,
    Login,
    Refresh,
    Unregister,
    PushAlerts,
    ListAlerts,
    DeleteAlerts,
    Alert(String),
    DeleteAlert(String),
    ListDecisions,
    Stream,
    DeleteDecisions,
    DeleteDecision(String),
    Heartbeat,
    Allowlists,
    Allowlist(String),
    CheckAllowlist(String),
    CheckAllowlists,
    UsageMetrics,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody.
    Anybody,
    /// A machine, by token.
    Machine,
    /// A machine from a trusted address.
    TrustedMachine,
    /// A bouncer, by key.
    Bouncer,
    /// Either.
    Either,
}

impl Route {
    /// The route of a path, or the status for it: 404 where there is none, 405 where there is one for another method.
    pub(crate) fn find(method: &Method, path: &str) -> Result<Self, StatusCode> {
        let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let (get, post, delete) = (
            *method == Method::GET,
            *method == Method::POST,
            *method == Method::DELETE,
        );
        let look = get || *method == Method::HEAD;
        let one = |is_allowed: bool, route: Self| is_allowed.then_some(route);
        let found = match *parts.as_slice() {
            ["health"] => one(get, Self::Health),
            ["v1", "watchers"] => one(post, Self::Register),
            ["v1", "watchers", "login"] => one(post, Self::Login),
            ["v1", "watchers", "self"] => one(delete, Self::Unregister),
            ["v1", "refresh_token"] => one(get, Self::Refresh),
            ["v1", "heartbeat"] => one(get, Self::Heartbeat),
            ["v1", "usage-metrics"] => one(post, Self::UsageMetrics),
            ["v1", "alerts"] if post => Some(Self::PushAlerts),
            ["v1", "alerts"] if delete => Some(Self::DeleteAlerts),
            ["v1", "alerts"] => one(look, Self::ListAlerts),
            ["v1", "alerts", id] if delete => Some(Self::DeleteAlert(unescaped(id)?)),
            ["v1", "alerts", id] => one(look, Self::Alert(unescaped(id)?)),
            ["v1", "decisions"] if delete => Some(Self::DeleteDecisions),
            ["v1", "decisions"] => one(look, Self::ListDecisions),
            ["v1", "decisions", "stream"] if look => Some(Self::Stream),
            ["v1", "decisions", id] => one(delete, Self::DeleteDecision(unescaped(id)?)),
            ["v1", "allowlists"] => one(get, Self::Allowlists),
            ["v1", "allowlists", "check"] if post => Some(Self::CheckAllowlists),
            ["v1", "allowlists", "check", value] => {
                one(look, Self::CheckAllowlist(unescaped(value)?))
            }
            ["v1", "allowlists", name] => one(get, Self::Allowlist(unescaped(name)?)),
            _ => return Err(StatusCode::NOT_FOUND),
        };
        found.ok_or(StatusCode::METHOD_NOT_ALLOWED)
    }

    pub(crate) fn access(&self) -> Access {
        match self {
            Self::Health | Self::Register | Self::Login | Self::Refresh => Access::Anybody,
            Self::DeleteAlerts | Self::DeleteAlert(_) => Access::TrustedMachine,
            Self::ListDecisions | Self::Stream => Access::Bouncer,
            Self::UsageMetrics => Access::Either,
            _ => Access::Machine,
        }
    }

    /// Whether a body is read.
    pub(crate) fn takes_body(&self) -> bool {
        matches!(
            self,
            Self::Register
                | Self::Login
                | Self::PushAlerts
                | Self::CheckAllowlists
                | Self::UsageMetrics
        )
    }

    /// Whether a password is looked at, which costs CPU by design.
    pub(crate) fn takes_password(&self) -> bool {
        matches!(self, Self::Register | Self::Login)
    }

    /// The route as metrics name it.
    pub(crate) fn template(&self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Register => "/v1/watchers",
            Self::Login => "/v1/watchers/login",
            Self::Refresh => "/v1/refresh_token",
            Self::Unregister => "/v1/watchers/self",
            Self::PushAlerts | Self::ListAlerts | Self::DeleteAlerts => "/v1/alerts",
            Self::Alert(_) | Self::DeleteAlert(_) => "/v1/alerts/:alert_id",
            Self::ListDecisions | Self::DeleteDecisions => "/v1/decisions",
            Self::Stream => "/v1/decisions/stream",
            Self::DeleteDecision(_) => "/v1/decisions/:decision_id",
            Self::Heartbeat => "/v1/heartbeat",
            Self::Allowlists => "/v1/allowlists",
            Self::Allowlist(_) => "/v1/allowlists/:allowlist_name",
            Self::CheckAllowlist(_) => "/v1/allowlists/check/:ip_or_range",
            Self::CheckAllowlists => "/v1/allowlists/check",
            Self::UsageMetrics => "/v1/usage-metrics",
        }
    }
}

/// A part of a path, which may hold a slash of its own.
fn unescaped(part: &str) -> Result<String, StatusCode> {
    if part.is_empty() {
        return Err(StatusCode::NOT_FOUND);
    }
    let bytes = path_unescape(part.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
    String::from_utf8(bytes).map_err(|_| StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_and_so_are_its_methods() {
        let find = |method, path| Route::find(&method, path);
        assert_eq!(find(Method::GET, "/v1/decisions/stream"), Ok(Route::Stream));
        assert_eq!(find(Method::HEAD, "/v1/alerts"), Ok(Route::ListAlerts));
        assert_eq!(
            find(Method::DELETE, "/v1/decisions/12"),
            Ok(Route::DeleteDecision("12".to_owned()))
        );
        assert_eq!(
            find(Method::GET, "/v1/decisions/12"),
            Err(StatusCode::METHOD_NOT_ALLOWED)
        );
        assert_eq!(
            find(Method::PUT, "/v1/alerts"),
            Err(StatusCode::METHOD_NOT_ALLOWED)
        );
        for unknown in [
            "/",
            "",
            "/v1",
            "/v1/",
            "/v2/alerts",
            "/v1/alerts/",
            "/v1/alerts/1/2",
        ] {
            assert_eq!(
                find(Method::GET, unknown),
                Err(StatusCode::NOT_FOUND),
                "{unknown}"
            );
        }
    }

    #[test]
    fn a_value_in_a_path_may_hold_a_slash() {
        assert_eq!(
            Route::find(&Method::GET, "/v1/allowlists/check/1.2.3.0%2F24"),
            Ok(Route::CheckAllowlist("1.2.3.0/24".to_owned()))
        );
        assert_eq!(
            Route::find(&Method::GET, "/v1/allowlists/check"),
            Ok(Route::Allowlist("check".to_owned()))
        );
    }
}
