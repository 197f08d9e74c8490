//! Kubernetes audit events: a small cluster at work, and four kinds of attacks on it.
//!
//! Events have the shape and key order of an API server's audit file at level Metadata.

use crate::actor::{Actor, Message, Plan, Spread, Step, World, birth_gap};
use crate::time::{Micros, push, push_rfc3339};
use crate::vocabulary::{STAFF, WORDS};

const NAMESPACES: [&str; 5] = ["default", "shop", "blog", "monitoring", "kube-system"];
const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];

/// One API call as the audit log tells it.
#[derive(Debug)]
struct Event<'a> {
    user: &'a str,
    group: &'a str,
    address: &'a str,
    agent: &'a str,
    verb: &'a str,
    namespace: &'a str,
    resource: &'a str,
    name: &'a str,
    subresource: &'a str,
    code: u64,
}

impl Event<'_> {
    /// All texts come from lists of this crate, so nothing in them needs to be escaped.
    fn json(&self, world: &mut World, now: Micros) -> String {
        let mut out = String::with_capacity(900);
        let id = world.rng.next();
        let mut uri = format!("/api/v1/namespaces/{}/{}", self.namespace, self.resource);
        for part in [self.name, self.subresource] {
            if !part.is_empty() {
                uri.push('/');
                uri.push_str(part);
            }
        }
        push(
            &mut out,
            format_args!(
                r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{:08x}-{:04x}-4{:03x}-8000-{:012x}","stage":"ResponseComplete","requestURI":"{uri}","verb":"{}","user":{{"username":"{}","groups":["{}"]}},"sourceIPs":["{}"],"userAgent":"{}","objectRef":{{"resource":"{}","namespace":"{}""#,
                id >> 32,
                (id >> 16) & 0xffff,
                id & 0xfff,
                id & 0xffff_ffff_ffff,
                self.verb,
                self.user,
                self.group,
                self.address,
                self.agent,
                self.resource,
                self.namespace
            ),
        );
        if !self.name.is_empty() {
            push(&mut out, format_args!(r#","name":"{}""#, self.name));
        }
        out.push_str(r#","apiVersion":"v1""#);
        if !self.subresource.is_empty() {
            push(
                &mut out,
                format_args!(r#","subresource":"{}""#, self.subresource),
            );
        }
        let decision = if self.code == 403 { "forbid" } else { "allow" };
        push(
            &mut out,
            format_args!(
                r#"}},"responseStatus":{{"metadata":{{}},"code":{}}},"requestReceivedTimestamp":""#,
                self.code
            ),
        );
        push_rfc3339(&mut out, now);
        out.push_str(r#"","stageTimestamp":""#);
        push_rfc3339(&mut out, now + world.gap((1, 40)));
        push(
            &mut out,
            format_args!(
                r#"","annotations":{{"authorization.k8s.io/decision":"{decision}","authorization.k8s.io/reason":""}}}}"#
            ),
        );
        out
    }
}

/// The cluster at work: one call a turn, at the wanted pace.
#[derive(Debug)]
pub(crate) struct Cluster {
    gap: Micros,
}

impl Cluster {
    pub(crate) fn new(rate_milli: u64) -> Cluster {
        Cluster {
            gap: birth_gap(rate_milli, 1),
        }
    }
}

impl Actor for Cluster {
    fn step(&mut self, world: &mut World, now: Micros) -> Step {
        let node = world.rng.below(3);
        let namespace = *world.rng.pick(&NAMESPACES);
        let name = format!("{}-{}", world.rng.pick(&WORDS), world.rng.below(40));
        let inside = format!("10.0.0.{}", 10 + node);
        let kubelet = format!("system:node:{}", NODES[node as usize]);
        let service = format!("system:serviceaccount:{namespace}:default");
        let (user, group, agent) = match world.rng.below(10) {
            0..5 => (
                kubelet.as_str(),
                "system:nodes",
                "kubelet/v1.29.2 (linux/amd64)",
            ),
            5..8 => (service.as_str(), "system:serviceaccounts", "operator/v0.9"),
            8 => (
                "system:kube-scheduler",
                "system:authenticated",
                "kube-scheduler/v1.29.2",
            ),
            _ => (
                *world.rng.pick(&STAFF),
                "platform",
                "kubectl/v1.29.2 (linux/amd64)",
            ),
        };
        let (verb, resource, code) = *world.rng.pick(&[
            ("get", "pods", 200),
            ("watch", "pods", 200),
            ("list", "services", 200),
            ("update", "leases", 200),
            ("patch", "nodes", 200),
            ("create", "events", 201),
            ("get", "configmaps", 200),
            ("get", "configmaps", 404),
        ]);
        let event = Event {
            user,
            group,
            address: &inside,
            agent,
            verb,
            namespace,
            resource,
            name: if verb == "list" { "" } else { &name },
            subresource: "",
            code,
        };
        let message = Message::Json(event.json(world, now));
        Step::say(message, node, Some(world.around(self.gap)))
    }
}

/// All kinds of attacks on the API server.
pub(crate) const PLANS: [Plan; 4] = [
    Plan {
        kind: "k8s-anonymous",
        scenarios: &["overspill/k8s-anonymous-access"],
        lines: (2, 6),
        gap_ms: (300, 4000),
        spread: Spread::Single,
    },
    Plan {
        kind: "k8s-secrets",
        scenarios: &["overspill/k8s-secrets-read"],
        lines: (10, 20),
        gap_ms: (100, 2000),
        spread: Spread::Single,
    },
    Plan {
        kind: "k8s-exec",
        scenarios: &["overspill/k8s-pod-exec"],
        lines: (1, 3),
        gap_ms: (5000, 40_000),
        spread: Spread::Single,
    },
    Plan {
        kind: "k8s-forbidden",
        scenarios: &["overspill/k8s-forbidden-burst"],
        lines: (16, 40),
        gap_ms: (60, 900),
        spread: Spread::Single,
    },
];

/// One campaign against the API server.
#[derive(Debug)]
pub(crate) struct AuditAttack {
    plan: &'static Plan,
    campaign: usize,
    address: String,
    user: String,
    sent: u64,
    planned: u64,
}

impl AuditAttack {
    pub(crate) fn new(world: &mut World, plan: &'static Plan) -> AuditAttack {
        let user = match plan.kind {
            "k8s-anonymous" => "system:anonymous".to_owned(),
            "k8s-exec" => (*world.rng.pick(&STAFF)).to_owned(),
            // A stolen token; the number keeps two thefts apart.
            _ => format!("system:serviceaccount:shop:web-{}", world.campaigns.len()),
        };
        let (campaign, addresses) = world.open(plan, Some(&user));
        let planned = world.campaigns[campaign].planned;
        let address = addresses.into_iter().next().unwrap_or_default();
        AuditAttack {
            plan,
            campaign,
            address,
            user,
            sent: 0,
            planned,
        }
    }
}

impl Actor for AuditAttack {
    fn step(&mut self, world: &mut World, now: Micros) -> Step {
        let n = self.sent;
        let name = format!("{}-{n}", world.rng.pick(&WORDS));
        let (verb, resource, subresource, code) = match self.plan.kind {
            "k8s-anonymous" => ("list", *world.rng.pick(&["pods", "configmaps"]), "", 200),
            "k8s-secrets" => ("get", "secrets", "", 200),
            "k8s-exec" => ("create", "pods", "exec", 101),
            _ => (*world.rng.pick(&["list", "get"]), "secrets", "", 403),
        };
        let anonymous = self.plan.kind == "k8s-anonymous";
        let event = Event {
            user: &self.user,
            group: if anonymous {
                "system:unauthenticated"
            } else {
                "system:authenticated"
            },
            address: &self.address,
            agent: if self.plan.kind == "k8s-exec" {
                "kubectl/v1.29.2"
            } else {
                "curl/8.5.0"
            },
            verb,
            namespace: NAMESPACES[(n % 4) as usize],
            resource,
            name: if verb == "list" { "" } else { &name },
            subresource,
            code,
        };
        let message = Message::Json(event.json(world, now));
        self.sent += 1;
        let next_in = (self.sent < self.planned).then(|| world.gap(self.plan.gap_ms));
        Step {
            campaign: Some(self.campaign),
            ..Step::say(message, n, next_in)
        }
    }
}
