//! Machines: `/v1/watchers`, `/v1/refresh_token`, `/v1/heartbeat` (`lapi.md` 3, 12).

use hyper::StatusCode;
use overspill_golike::json::{Json, Object};
use overspill_store::{AuthKind, NewMachine};
use subtle::ConstantTimeEq as _;

use super::{Request, answer, body_object, member, missing, object, text, time};
use crate::auth::password::{hash_password, is_password};
use crate::caller::{failed, wrong_kind};
use crate::peer::is_in;
use crate::reply::{self, Outcome, Refusal};

const SECOND_NS: i64 = 1_000_000_000;
/// Longest list of scenarios that is kept of a machine, in characters (`pkg/database/ent/schema/machine.go`).
const SCENARIOS_MAX: usize = 100_000;

/// A machine asks to be let in.
pub(super) fn register(request: &Request<'_>) -> Outcome {
    let core = request.core;
    let body = body_object(&request.body).map_err(Refusal::bad_request)?;
    let (Some(name), Some(password)) = (member(&body, "machine_id"), member(&body, "password"))
    else {
        let text = unnamed(&body);
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    };
    if core.settings.refuses_remote_registration && !request.asking.is_local() {
        return Err(Refusal::forbidden());
    }
    let is_validated = is_expected(request, member(&body, "registration_token"))?;
    let password_hash =
        hash_password(password).map_err(|error| Refusal::bad_request(error.to_string()))?;
    let new = NewMachine {
        name,
        password_hash: &password_hash,
        ip_address: &request.asking.address.to_string(),
        is_validated,
        auth: AuthKind::Password,
    };
    match core.store.add_machine(&new, core.now_ns()) {
        Ok(_) if is_validated => Ok(reply::empty(StatusCode::ACCEPTED)),
        Ok(_) => Ok(reply::empty(StatusCode::CREATED)),
        Err(error) if error.is_exists() => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            format!("user '{name}': user already exist"),
        )),
        Err(error) => Err(failed(error)),
    }
}

/// What is said of a body that does not name a machine and a password.
fn unnamed(body: &Object) -> String {
    let absent: Vec<&str> = ["machine_id", "password"]
        .into_iter()
        .filter(|name| member(body, name).is_none())
        .collect();
    missing(&absent)
}

/// Whether a machine is let in at once, because it knows the token and is where it should be.
fn is_expected(request: &Request<'_>, token: Option<&str>) -> Result<bool, Refusal> {
    let refused = |text: &str| Err(Refusal::new(StatusCode::UNAUTHORIZED, text));
    let (Some(token), Some(expected)) = (token, &request.core.settings.auto_registration) else {
        return Ok(false);
    };
    let is_known: bool = token.as_bytes().ct_eq(expected.token.as_bytes()).into();
    if !is_known {
        return refused("invalid token for auto registration");
    }
    if !is_in(&expected.ranges, request.asking.address) {
        return refused("IP not in allowed range for auto registration");
    }
    Ok(true)
}

/// A machine says who it is and what it runs, and gets a token.
pub(super) fn login(request: &Request<'_>) -> Outcome {
    let core = request.core;
    let now_ns = core.now_ns();
    let body = body_object(&request.body)
        .map_err(|error| Refusal::unauthorized(format!("missing: {error}")))?;
    let machine = match &request.asking.peer.certificate {
        Some(certificate) => core.machine_of_certificate(certificate, request.asking)?,
        None => machine_of_password(request, &body)?,
    };
    let scenarios = scenarios(&body);
    let version = version(request.asking.user_agent())?;
    core.store
        .set_machine_login(
            &machine.name,
            &request.asking.address.to_string(),
            version,
            scenarios.as_deref(),
            now_ns,
        )
        .map_err(failed)?;
    token(core.signer.issue(&machine.name, now_ns / SECOND_NS))
}

/// The machine of a name and a password.
fn machine_of_password(
    request: &Request<'_>,
    body: &Object,
) -> Result<overspill_store::Machine, Refusal> {
    let core = request.core;
    let wrong = || Refusal::unauthorized("incorrect Username or Password");
    let (Some(name), Some(password)) = (member(body, "machine_id"), member(body, "password"))
    else {
        return Err(Refusal::unauthorized(unnamed(body)));
    };
    let machine = core
        .store
        .machine(name)
        .map_err(failed)?
        .ok_or_else(|| Refusal::unauthorized("ent: machine not found"))?;
    if !machine.is_validated {
        let text = format!("machine {name} not validated");
        return Err(Refusal::unauthorized(text));
    }
    if machine.auth != AuthKind::Password {
        return Err(wrong_kind(&machine));
    }
    if !is_password(password, &machine.password_hash) {
        return Err(wrong());
    }
    Ok(machine)
}

/// The version that a client says it has: its `User-Agent` has exactly one slash.
fn version(agent: &str) -> Result<&str, Refusal> {
    match agent.split_once('/') {
        Some((_, version)) if !version.contains('/') => Ok(version),
        _ => Err(Refusal::unauthorized("incorrect Username or Password")),
    }
}

/// The scenarios that a machine runs, joined by commas; none if it does not say.
fn scenarios(body: &Object) -> Option<String> {
    let Some(Json::Array(items)) = body.get("scenarios") else {
        return None;
    };
    let mut joined = String::new();
    for item in items {
        let Json::Str(name) = item else {
            continue;
        };
        if joined.len() + name.len() + 1 > SCENARIOS_MAX {
            break;
        }
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(name);
    }
    (!joined.is_empty()).then_some(joined)
}

/// A token instead of one that ends.
pub(super) fn refresh(request: &Request<'_>) -> Outcome {
    let now_s = request.core.now_ns() / SECOND_NS;
    let refreshed = request
        .core
        .signer
        .refresh(request.asking.token()?, now_s)
        .map_err(|error| Refusal::unauthorized(error.to_string()))?;
    token(refreshed)
}

fn token((token, expires_s): (String, i64)) -> Outcome {
    answer(
        StatusCode::OK,
        &object([
            ("code", Json::Number(200.0)),
            ("expire", text(time(expires_s.saturating_mul(SECOND_NS)))),
            ("token", text(token)),
        ]),
    )
}

/// A machine goes.
pub(super) fn unregister(request: &Request<'_>) -> Outcome {
    let name = &request.machine()?.name;
    request.core.store.delete_machine(name).map_err(failed)?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// A machine is there.
pub(super) fn heartbeat(request: &Request<'_>) -> Outcome {
    let core = request.core;
    let name = &request.machine()?.name;
    core.store
        .set_machine_heartbeat(name, core.now_ns())
        .map_err(failed)?;
    Ok(reply::empty(StatusCode::OK))
}
