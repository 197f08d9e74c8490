//! What the jobs run: a parser of one line format, and scenarios with everything they can have.

use std::sync::Arc;

use overspill_dataflow::Plan;
use overspill_decision::{AlertBuilder, AlertContext, Allowlist, Policy, SafeList};
use overspill_expr::Services;
use overspill_matcher::{Keyer, Rules};
use overspill_scenarios::{Content, Diagnostic, ItemKind, Options, compile};

/// Takes `TIME KIND ADDRESS VALUE` apart. A `KIND` in capitals is not understood, the value `ok`
/// is whitelisted, and `list` is no value that a field can hold.
const PARSER: &str = r#"
name: t/line
description: d
filter: 'true'
onsuccess: next_stage
pattern_syntax:
  T_TIME: '[0-9T:.Z-]+'
  T_KIND: '[a-z]+'
  T_VALUE: '\S+'
grok:
  pattern: '^%{T_TIME:time} %{T_KIND:kind} %{IP:ip} %{T_VALUE:value}$'
  apply_on: Line.Raw
statics:
  - meta: log_type
    expression: evt.Parsed.kind
  - meta: source_ip
    expression: evt.Parsed.ip
  - meta: value
    expression: "evt.Parsed.value == 'list' ? Split(evt.Parsed.value, 'i') : evt.Parsed.value"
  - target: evt.StrTime
    expression: evt.Parsed.time
"#;

/// Remembers the first kind of an address, and what that was is the kind of its later lines.
const REMEMBERS: &str = r#"
name: t/remembers
description: d
filter: "evt.Meta.value == 'x'"
stash:
  - name: values
    key: evt.Parsed.ip
    value: evt.Parsed.kind
    ttl: 1h
    size: 2
statics:
  - meta: remembered
    value: "yes"
"#;

const RECALLS: &str = r#"
name: t/recalls
description: d
filter: "evt.Meta.value != 'x'"
statics:
  - meta: log_type
    expression: "GetFromStash('values', evt.Parsed.ip) == '' ? evt.Parsed.kind : GetFromStash('values', evt.Parsed.ip)"
"#;

const DATE: &str = r"
name: t/date
description: d
filter: evt.StrTime != ''
statics:
  - method: ParseDate
    expression: evt.StrTime
  - target: MarshaledTime
    expression: evt.Enriched.MarshaledTime
";

const WHITELIST: &str = r"
name: t/whitelist
description: d
whitelist:
  reason: r
  expression:
    - evt.Meta.value == 'ok'
";

/// Overflows about one address are forgiven.
const FORGIVEN: &str = r#"
name: t/forgiven
description: d
whitelist:
  reason: r
  expression:
    - evt.Overflow.Alert.Source.IP == '192.0.2.9'
"#;

const PROFILE: &str = r#"
name: p
filters:
  - Alert.Remediation == true && Alert.GetScope() == "Ip"
decisions:
  - type: ban
    duration: 1h
on_success: break
"#;

/// Every kind of bucket.
pub(crate) const SCENARIOS: &str = include_str!("content.yaml");

/// A plan of these scenario documents.
pub(crate) fn plan(scenarios: &str) -> Arc<Plan> {
    plan_of(&[("date", DATE), ("whitelist", WHITELIST)], scenarios)
}

/// As [`plan`], but lines have no time.
pub(crate) fn timeless_plan(scenarios: &str) -> Arc<Plan> {
    plan_of(&[("whitelist", WHITELIST)], scenarios)
}

/// As [`plan`], and what a line is depends on those before it.
pub(crate) fn remembering_plan(scenarios: &str) -> Arc<Plan> {
    let enrich = [
        ("a-date", DATE),
        ("b-remembers", REMEMBERS),
        ("c-recalls", RECALLS),
    ];
    plan_of(&enrich, scenarios)
}

fn plan_of(enrich: &[(&str, &str)], scenarios: &str) -> Arc<Plan> {
    let mut content = Content::default();
    content.add_text(ItemKind::Parsers, Some("s01-parse"), "line", PARSER);
    for (name, text) in enrich {
        content.add_text(ItemKind::Parsers, Some("s02-enrich"), name, text);
    }
    let stage = Some("s00-enrich");
    content.add_text(ItemKind::Postoverflows, stage, "forgiven", FORGIVEN);
    content.add_text(ItemKind::Scenarios, None, "scenarios", scenarios);
    content.set_profiles("profiles", PROFILE);
    let compiled = compile(&content, &Options::default()).unwrap();
    let findings: Vec<String> = compiled
        .report
        .findings
        .iter()
        .map(Diagnostic::render)
        .collect();
    assert!(compiled.report.is_clean(), "{}", findings.join("\n"));
    let services = Services {
        files: compiled.data_files,
        geo: compiled.geo,
        hostname: "host".to_owned(),
        ..Services::none()
    };
    Arc::new(Plan {
        rules: Rules::new(
            compiled.scenarios,
            Keyer::new(*b"a key for  tests"),
            &compiled.schema,
        ),
        schema: compiled.schema,
        parsers: compiled.parsers,
        postoverflows: compiled.postoverflows,
        alerts: AlertBuilder::new(AlertContext::new(compiled.contexts, 0)),
        policy: Policy {
            profiles: compiled.profiles,
            allowlist: Allowlist::new(),
            safe: SafeList::new(&[]),
        },
        services,
    })
}
