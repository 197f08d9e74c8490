//! Profiles, the allowlist, and which decisions may stand.

use std::sync::Arc;

use overspill_decision::{
    AllowEntry, Allowlist, Block, Discard, OnError, OnFailure, OnSuccess, Policy, Profile,
    Profiles, ReceiveError, Received, Remedy, SafeList,
};
use overspill_event::{Alert, Decision, SchemaBuilder, Source};
use overspill_expr::{Compiler, Env, Program, Services};
use overspill_golike::time::{Time, parse_rfc3339};

fn compile(text: &str) -> Program {
    let mut schema = SchemaBuilder::new();
    Compiler::new(&mut schema)
        .compile(text, &Env::profile())
        .unwrap()
}

fn alert(scope: &str, value: &str) -> Alert {
    Alert {
        scenario: "test/leaky".to_owned(),
        remediation: true,
        start_at: "2022-01-01T10:00:00Z".to_owned(),
        stop_at: "2022-01-01T10:00:05Z".to_owned(),
        events_count: 6,
        source: Source {
            scope: scope.to_owned(),
            value: value.to_owned(),
            ..Source::default()
        },
        uuid: "alert".to_owned(),
        ..Alert::default()
    }
}

/// A profile that bans for as long as its number says, so that answers tell who decided.
#[derive(Clone, Copy)]
struct Rule {
    filters: &'static [&'static str],
    decisions: &'static [&'static str],
    duration_expr: Option<&'static str>,
    success: OnSuccess,
    failure: OnFailure,
    error: OnError,
}

const RULE: Rule = Rule {
    filters: &["Alert.Remediation == true && Alert.GetScope() == 'Ip'"],
    decisions: &["ban 4h"],
    duration_expr: None,
    success: OnSuccess::Continue,
    failure: OnFailure::Continue,
    error: OnError::Refuse,
};

const FAILS: &str = "int(Alert.GetScenario()) > 1";
const NO_BOOL: &str = "Alert.GetScenario()";

fn profile(number: usize, rule: Rule) -> Profile {
    Profile {
        name: format!("p{number}").into(),
        filters: rule.filters.iter().map(|text| compile(text)).collect(),
        decisions: rule
            .decisions
            .iter()
            .map(|text| {
                let (kind, duration) = text.split_once(' ').unwrap_or((text, ""));
                let (kind, duration) = (kind.to_owned(), duration.to_owned());
                Remedy {
                    kind,
                    duration,
                    ..Remedy::default()
                }
            })
            .collect(),
        duration_expr: rule.duration_expr.map(compile),
        on_success: rule.success,
        on_failure: rule.failure,
        on_error: rule.error,
        notifications: vec!["slack".into()],
    }
}

fn policy(rules: &[Rule]) -> Policy {
    let profiles = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| profile(at, *rule))
        .collect();
    Policy {
        profiles: Profiles::new(profiles),
        ..Policy::default()
    }
}

fn now() -> Time {
    parse_rfc3339(b"2030-01-01T00:00:00Z").unwrap()
}

/// `ban 4h, captcha 1h | p0 p2`: the decisions, then the profiles that notify with the number of
/// decisions the notified alert has.
fn check(what: &str, rules: &[Rule], expected: &str) {
    let mut alert = alert("Ip", "1.2.3.4");
    let text = match policy(rules).receive(&mut alert, &Services::none(), now()) {
        Err(error) => format!("{error}"),
        Ok(Received::Kept { notices, discarded }) => {
            assert!(discarded.is_empty());
            let decisions: Vec<String> = alert
                .decisions
                .iter()
                .map(|decision| format!("{} {}", decision.kind, decision.duration))
                .collect();
            let told: Vec<String> = notices
                .iter()
                .map(|notice| format!("{}:{}", notice.profile, notice.alert.decisions.len()))
                .collect();
            format!("{} | {}", decisions.join(", "), told.join(" "))
        }
        Ok(other) => format!("{other:?}"),
    };
    assert_eq!(text, expected, "{what}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn profiles_are_asked_in_order_with_the_rules_of_crowdsec() {
    let no = Rule {
        filters: &["false"],
        ..RULE
    };
    let stop = Rule {
        success: OnSuccess::Break,
        ..RULE
    };
    let captcha = Rule {
        decisions: &["captcha 1h"],
        ..RULE
    };
    let fails = |error| Rule {
        filters: &[FAILS],
        error,
        ..RULE
    };
    let late = |error| Rule {
        filters: &["true", NO_BOOL, "true"],
        error,
        ..RULE
    };
    for (what, rules, expected) in [
        ("no profile", &[][..], " | "),
        ("one that holds", &[RULE], "ban 4h | p0:1"),
        ("one that does not", &[no], " | "),
        (
            "the first gives, both tell",
            &[RULE, captcha],
            "ban 4h | p0:1 p1:1",
        ),
        ("the first ends it", &[stop, captcha], "ban 4h | p0:1"),
        (
            "break without a match ends nothing",
            &[
                Rule {
                    filters: &["false"],
                    ..stop
                },
                captcha,
            ],
            "captcha 1h | p1:1",
        ),
        (
            "break on failure has no effect",
            &[
                Rule {
                    failure: OnFailure::Break,
                    filters: &["false", "true"],
                    ..RULE
                },
                captcha,
            ],
            "ban 4h | p0:1 p1:1",
        ),
        (
            "each true filter gives all decisions",
            &[Rule {
                filters: &["true", "false", "true"],
                decisions: &["ban 4h", "captcha 1h"],
                ..RULE
            }],
            "ban 4h, captcha 1h, ban 4h, captcha 1h | p0:4",
        ),
        (
            "a profile without decisions leaves them to the next",
            &[
                Rule {
                    decisions: &[],
                    ..RULE
                },
                captcha,
            ],
            "captcha 1h | p0:0 p1:1",
        ),
        (
            "an error refuses the alert",
            &[fails(OnError::Refuse), captcha],
            "ask the profiles",
        ),
        (
            "no boolean refuses the alert",
            &[late(OnError::Refuse)],
            "ask the profiles",
        ),
        (
            "error, continue",
            &[fails(OnError::Continue), captcha],
            "captcha 1h | p1:1",
        ),
        (
            "error, ignore",
            &[fails(OnError::Ignore), captcha],
            "captcha 1h | p1:1",
        ),
        (
            "error, apply",
            &[fails(OnError::Apply), captcha],
            "captcha 1h | p0:0 p1:1",
        ),
        (
            "error, apply, break on success",
            &[
                Rule {
                    success: OnSuccess::Break,
                    ..fails(OnError::Apply)
                },
                captcha,
            ],
            " | p0:0",
        ),
        (
            "error, break, nothing held",
            &[fails(OnError::Break), captcha],
            "captcha 1h | p1:1",
        ),
        (
            "error, break, one held",
            &[late(OnError::Break), captcha],
            " | p0:0",
        ),
        (
            "error after a match drops the decisions",
            &[late(OnError::Continue), captcha],
            "captcha 1h | p0:0 p1:1",
        ),
        (
            "no duration",
            &[Rule {
                decisions: &["ban"],
                ..RULE
            }],
            "ban 4h | p0:1",
        ),
        (
            "days",
            &[Rule {
                decisions: &["ban 7d"],
                ..RULE
            }],
            "ban 7d | p0:1",
        ),
        (
            "not a duration",
            &[Rule {
                decisions: &["ban 7 days"],
                ..RULE
            }],
            "`7 days` of a decision on `1.2.3.4` is not a duration",
        ),
        (
            "duration from a string",
            &[Rule {
                duration_expr: Some("Sprintf('%dh', Alert.GetEventsCount() * 2)"),
                ..RULE
            }],
            "ban 12h | p0:1",
        ),
        (
            "duration from a duration",
            &[Rule {
                duration_expr: Some("duration('90m')"),
                ..RULE
            }],
            "ban 1h30m0s | p0:1",
        ),
        (
            "duration that is none",
            &[Rule {
                duration_expr: Some("'soon'"),
                ..RULE
            }],
            "ban 4h | p0:1",
        ),
        (
            "duration that fails",
            &[Rule {
                duration_expr: Some("string(int(Alert.GetScenario()))"),
                ..RULE
            }],
            "ban 4h | p0:1",
        ),
    ] {
        check(what, rules, expected);
    }
}

#[test]
fn a_decision_says_who_what_and_until_when() {
    let mut rule = profile(0, RULE);
    rule.filters = vec![compile("true")];
    rule.decisions[0].origin = "mine".to_owned();
    rule.decisions[0].scope = "session".to_owned();
    rule.decisions.push(Remedy {
        kind: "captcha".to_owned(),
        ..Remedy::default()
    });
    let policy = Policy {
        profiles: Profiles::new(vec![rule]),
        ..Policy::default()
    };
    let mut alert = Alert {
        simulated: true,
        ..alert("range", "1.2.3.0/24")
    };
    policy
        .receive(&mut alert, &Services::none(), now())
        .unwrap();
    let until_ns = parse_rfc3339(b"2022-01-01T14:00:05Z").unwrap().unix_ns();
    let [first, second] = &alert.decisions[..] else {
        panic!("{:?}", alert.decisions)
    };
    assert_eq!(
        *first,
        Decision {
            origin: "crowdsec/mine".to_owned(),
            kind: "ban".to_owned(),
            scope: "session".to_owned(),
            value: "1.2.3.0/24".to_owned(),
            duration: "4h".to_owned(),
            until_ns,
            scenario: "test/leaky".to_owned(),
            simulated: true,
            uuid: first.uuid.clone(),
            id: 0,
        }
    );
    assert_eq!((&*second.scope, &*second.origin), ("Range", "crowdsec"));
    assert_ne!(first.uuid, second.uuid);
    let mut again = Alert {
        decisions: vec![],
        ..alert.clone()
    };
    policy
        .receive(&mut again, &Services::none(), now())
        .unwrap();
    assert_eq!(
        again.decisions, alert.decisions,
        "the same alert, the same decisions"
    );
}

#[test]
fn an_end_that_cannot_be_read_counts_from_now() {
    let mut alert = Alert {
        stop_at: "yesterday".to_owned(),
        ..alert("Ip", "1.2.3.4")
    };
    policy(&[RULE])
        .receive(&mut alert, &Services::none(), now())
        .unwrap();
    assert_eq!(
        alert.decisions[0].until_ns,
        now().add(4 * 3_600_000_000_000).unix_ns()
    );
}

/// What becomes of an alert about a value: `kept 1`, `allowlisted ...`, `worthless`, `safe`.
fn fate(policy: &Policy, scope: &str, value: &str) -> String {
    let mut alert = alert(scope, value);
    match policy
        .receive(&mut alert, &Services::none(), now())
        .unwrap()
    {
        Received::Allowlisted(allowed) => format!("allowlisted {allowed}"),
        Received::Worthless(discarded) => format!("worthless {}", discarded.len()),
        Received::Kept { discarded, .. } => match &discarded[..] {
            [] => format!("kept {} as {}", alert.decisions.len(), alert.source.scope),
            [(_, Discard::Safe(block)), ..] => format!("safe {block}"),
            other => format!("{other:?}"),
        },
    }
}

#[test]
fn allowlisted_safe_and_impossible_values_are_not_decided_upon() {
    let any = Rule {
        filters: &["true"],
        ..RULE
    };
    let mut policy = policy(&[any]);
    let entry = |expires_ns| AllowEntry {
        list: "l".into(),
        comment: "".into(),
        expires_ns,
    };
    let mut list = Allowlist::new();
    list.insert("192.0.2.0/24", entry(None)).unwrap();
    list.insert("198.51.100.1", entry(Some(now().unix_ns())))
        .unwrap();
    policy.allowlist = list;
    policy.safe = SafeList::new(&[Block::parse("203.0.113.9").unwrap()]);
    for (scope, value, expected) in [
        ("Ip", "1.2.3.4", "kept 1 as Ip"),
        ("IP", "1.2.3.4", "kept 1 as Ip"),
        ("rAnGe", "1.2.3.0/24", "kept 1 as Range"),
        ("as", "64496", "kept 1 as AS"),
        ("COUNTRY", "FR", "kept 1 as Country"),
        ("User", "root", "kept 1 as User"),
        ("Ip", "192.0.2.9", "allowlisted 192.0.2.0/24 from l"),
        ("Range", "192.0.0.0/16", "allowlisted 192.0.2.0/24 from l"),
        ("User", "192.0.2.9", "kept 1 as User"),
        ("Ip", "198.51.100.1", "kept 1 as Ip"),
        ("Range", "", "worthless 1"),
        ("Ip", "nobody", "worthless 1"),
        ("Ip", "127.0.0.1", "safe 127.0.0.0/8"),
        ("Ip", "203.0.113.9", "safe 203.0.113.9/32"),
        ("Range", "203.0.113.0/24", "safe 203.0.113.9/32"),
        ("Range", "::/0", "safe ::/128"),
    ] {
        assert_eq!(fate(&policy, scope, value), expected, "{scope} {value}");
    }
}

#[test]
fn decisions_that_come_with_an_alert_stand_as_they_are() {
    let by_hand = |value: &str, duration: &str| Decision {
        origin: "cscli".to_owned(),
        kind: "ban".to_owned(),
        scope: "ip".to_owned(),
        value: value.to_owned(),
        duration: duration.to_owned(),
        ..Decision::default()
    };
    let mut policy = policy(&[RULE]);
    let entry = AllowEntry {
        list: "l".into(),
        comment: "".into(),
        expires_ns: None,
    };
    policy.allowlist.insert("1.2.3.4", entry).unwrap();
    let mut alert = alert("Ip", "1.2.3.4");
    alert.decisions = vec![
        by_hand("1.2.3.4", "1d"),
        by_hand("127.0.0.1", "1h"),
        by_hand("x", "1h"),
    ];
    let received = policy
        .receive(&mut alert, &Services::none(), now())
        .unwrap();
    let Received::Kept { notices, discarded } = received else {
        panic!("{received:?}")
    };
    assert_eq!(notices.len(), 1, "profiles still say who is told");
    assert_eq!(discarded.len(), 2);
    let [kept] = &alert.decisions[..] else {
        panic!("{:?}", alert.decisions)
    };
    assert_eq!(
        (&*kept.value, &*kept.scope, &*kept.origin),
        ("1.2.3.4", "Ip", "cscli")
    );
    assert!(!kept.uuid.is_empty());
    let day_ns = 24 * 3_600_000_000_000;
    assert_eq!(
        kept.until_ns,
        parse_rfc3339(b"2022-01-02T10:00:05Z").unwrap().unix_ns()
    );
    assert_eq!(
        kept.until_ns - day_ns,
        parse_rfc3339(b"2022-01-01T10:00:05Z").unwrap().unix_ns()
    );
    let mut alert = Alert {
        decisions: vec![by_hand("1.2.3.5", "")],
        ..alert
    };
    let error = policy
        .receive(&mut alert, &Services::none(), now())
        .unwrap_err();
    assert!(matches!(error, ReceiveError::Duration { .. }), "{error}");
}

#[test]
fn a_notice_shares_the_alert() {
    let mut alert = alert("Ip", "1.2.3.4");
    let received = policy(&[RULE, RULE])
        .receive(&mut alert, &Services::none(), now())
        .unwrap();
    let Received::Kept { notices, .. } = received else {
        panic!("{received:?}")
    };
    assert!(Arc::ptr_eq(&notices[0].alert, &notices[1].alert));
    assert_eq!(notices[0].plugins, ["slack".into()]);
}
