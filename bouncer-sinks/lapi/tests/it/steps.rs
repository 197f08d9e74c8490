//! Steps that a server has to pass: ours, and CrowdSec's own, where that has the route.
//!
//! ```yaml
//! - what: a machine that nobody knows        # said where it fails
//!   as: machine web-1 | bouncer fw-1         # logs in, or brings its key; nobody if it is not there
//!   request: {method: POST, path: /v1/watchers/login, json: {...}, body: text, headers: {...}}
//!   expect: {status: 401, json: {...}, body: text, headers: {...}}
//!   save: {alert: /0/id}                     # a place of the answer, for `${alert}` in later steps
//!   pause: 2                                 # seconds, before the request
//!   unlike: {json: ...}                      # what it must not be
//!   differs: why CrowdSec 1.4.6 answers something else
//! ```
//!
//! Expected JSON is matched member by member: an object may have more members than expected, a list has as many items, in
//! the same order but for `{any order: [...]}`. A text that begins with `re:` is a regular expression on the whole value.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::client::{Answer, ask};
use crate::yaml;

/// A server to which steps are put.
pub(crate) trait Subject {
    fn address(&self) -> SocketAddr;
    /// The key of a bouncer, which is made if it is not there.
    fn key(&mut self, bouncer: &str) -> String;
    /// Makes a machine that may log in with this password.
    fn machine(&mut self, name: &str, password: &str);
    /// Whether it is CrowdSec's: steps that say that it differs are left out.
    fn is_crowdsec(&self) -> bool;
}

const AGENT: &str = "crowdsec/v1.7.8-linux";

/// What was learned on the way.
#[derive(Default)]
struct Known {
    saved: BTreeMap<String, String>,
    tokens: BTreeMap<String, String>,
}

/// Puts a file of steps to a server; answers what went wrong.
pub(crate) fn run(subject: &mut dyn Subject, name: &str, text: &str) -> Vec<String> {
    let steps = yaml::read(text);
    let mut known = Known::default();
    let mut wrong = Vec::new();
    for (number, step) in steps
        .as_array()
        .expect("a list of steps")
        .iter()
        .enumerate()
    {
        let what = step["what"].as_str().unwrap_or("?");
        if subject.is_crowdsec() && step["differs"].is_string() {
            continue;
        }
        if let Err(why) = one(subject, step, &mut known) {
            wrong.push(format!("{name}, step {}, {what}: {why}", number + 1));
        }
    }
    wrong
}

fn one(subject: &mut dyn Subject, step: &Value, known: &mut Known) -> Result<(), String> {
    if let Some(secs) = step["pause"].as_u64() {
        std::thread::sleep(std::time::Duration::from_secs(secs));
    }
    let request = &step["request"];
    let mut headers = vec![];
    if let Some(who) = step["as"].as_str() {
        headers.push(identity(subject, who, known)?);
    }
    let mut has_agent = false;
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        has_agent |= name.eq_ignore_ascii_case("user-agent");
        headers.push((name.clone(), filled(value.as_str().unwrap_or(""), known)));
    }
    if !has_agent {
        headers.push(("User-Agent".to_owned(), AGENT.to_owned()));
    }
    let body = match (&request["json"], request["body"].as_str()) {
        (Value::Null, None) => String::new(),
        (Value::Null, Some(text)) => filled(text, known),
        (json, _) => filled(&json.to_string(), known),
    };
    let method = request["method"].as_str().unwrap_or("GET");
    let path = filled(request["path"].as_str().ok_or("no path")?, known);
    let answer = ask(subject.address(), method, &path, &headers, body.as_bytes())
        .map_err(|error| error.to_string())?;
    compare(&step["expect"], &answer, known)?;
    if !step["unlike"].is_null() && compare(&step["unlike"], &answer, known).is_ok() {
        return Err(format!("answered {}", answer.body));
    }
    for (name, place) in step["save"].as_object().into_iter().flatten() {
        let json = answer.json();
        let place = place.as_str().unwrap_or("");
        let saved = json.pointer(place).ok_or(format!("no {place} in {json}"))?;
        let saved = saved.as_str().map_or(saved.to_string(), str::to_owned);
        known.saved.insert(name.clone(), saved);
    }
    Ok(())
}

/// The header that says who asks.
fn identity(
    subject: &mut dyn Subject,
    who: &str,
    known: &mut Known,
) -> Result<(String, String), String> {
    const PASSWORD: &str = "a password of a machine";
    match who.split_once(' ') {
        Some(("bouncer", name)) => Ok(("X-Api-Key".to_owned(), subject.key(name))),
        Some(("machine", name)) => {
            if !known.tokens.contains_key(name) {
                subject.machine(name, PASSWORD);
                let body = serde_json::json!({
                    "machine_id": name, "password": PASSWORD, "scenarios": []
                });
                let agent = [("User-Agent".to_owned(), AGENT.to_owned())];
                let path = "/v1/watchers/login";
                let body = body.to_string();
                let answer = ask(subject.address(), "POST", path, &agent, body.as_bytes())
                    .map_err(|error| error.to_string())?;
                let token = answer.json()["token"].as_str().map(str::to_owned);
                let token = token.ok_or(format!("no token for {name}: {}", answer.body))?;
                known.tokens.insert(name.to_owned(), token);
            }
            let token = &known.tokens[name];
            Ok(("Authorization".to_owned(), format!("Bearer {token}")))
        }
        _ => Err(format!("nobody is `{who}`")),
    }
}

/// A text with what was saved, and with times relative to now: `${now-2h}`.
fn filled(text: &str, known: &Known) -> String {
    let mut filled = text.to_owned();
    for (name, value) in &known.saved {
        filled = filled.replace(&format!("${{{name}}}"), value);
    }
    while let Some(begin) = filled.find("${now") {
        let len = filled[begin..].find('}').expect("the end of a time") + 1;
        let offset = &filled[begin + 5..begin + len - 1];
        let offset_ns = overspill_golike::duration::parse_with_days(offset.trim_start_matches('+'));
        let at_ns = crate::ours::now_ns() + offset_ns.unwrap_or(0);
        let mut time = Vec::new();
        let at = overspill_golike::time::Time::from_unix_ns(at_ns);
        overspill_golike::time::append_rfc3339(&at, &mut time);
        filled.replace_range(begin..begin + len, &String::from_utf8(time).unwrap());
    }
    filled
}

fn compare(expected: &Value, answer: &Answer, known: &Known) -> Result<(), String> {
    let shown = || format!("{} {}", answer.status, answer.body);
    if let Some(status) = expected["status"].as_u64()
        && status != u64::from(answer.status)
    {
        return Err(format!("expected {status}, and got {}", shown()));
    }
    if let Some(body) = expected["body"].as_str() {
        matches(
            &Value::from(filled(body, known)),
            &Value::from(answer.body.as_str()),
            "body",
        )
        .map_err(|why| format!("{why}: {}", shown()))?;
    }
    for (name, value) in expected["headers"].as_object().into_iter().flatten() {
        let got = answer.header(name).unwrap_or("");
        matches(value, &Value::from(got), name)?;
    }
    if let Some(json) = expected.get("json") {
        let got: Value = serde_json::from_str(&answer.body)
            .map_err(|error| format!("no JSON ({error}): {}", shown()))?;
        let json: Value = serde_json::from_str(&filled(&json.to_string(), known))
            .map_err(|error| error.to_string())?;
        matches(&json, &got, "").map_err(|why| format!("{why}: {}", shown()))?;
    }
    Ok(())
}

/// Whether a value is what is expected, or where not.
fn matches(expected: &Value, got: &Value, at: &str) -> Result<(), String> {
    match (expected, got) {
        (Value::String(text), got) if text.starts_with("re:") => {
            let got = got.as_str().map_or(got.to_string(), str::to_owned);
            let whole = format!("(?s)^(?:{})$", &text[3..]);
            let regex = regex::Regex::new(&whole).map_err(|error| error.to_string())?;
            if regex.is_match(&got) {
                Ok(())
            } else {
                Err(format!("{at} is `{got}`, which is not {}", &text[3..]))
            }
        }
        (Value::Object(expected), Value::Array(got)) if expected.contains_key("any order") => {
            let expected = expected["any order"].as_array().expect("a list");
            let mut left: Vec<&Value> = got.iter().collect();
            for item in expected {
                let found = left
                    .iter()
                    .position(|other| matches(item, other, at).is_ok());
                left.remove(found.ok_or(format!("{at} has no {item}"))?);
            }
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{at} has {} items more", left.len()))
            }
        }
        (Value::Object(expected), Value::Object(got)) => {
            for (key, value) in expected {
                let member = got.get(key).ok_or(format!("{at}/{key} is not there"))?;
                matches(value, member, &format!("{at}/{key}"))?;
            }
            Ok(())
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            for (number, (expected, got)) in expected.iter().zip(got).enumerate() {
                matches(expected, got, &format!("{at}/{number}"))?;
            }
            Ok(())
        }
        (Value::Array(expected), Value::Array(got)) => Err(format!(
            "{at} has {} items, and not {}",
            got.len(),
            expected.len()
        )),
        (expected, got) if expected == got => Ok(()),
        (expected, got) => Err(format!("{at} is {got}, and not {expected}")),
    }
}
