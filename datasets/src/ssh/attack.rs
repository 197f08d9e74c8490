//! Attacks on SSH: guessing fast and slowly, looking for accounts, scanning, from one or many.
//!
//! As in the web's attacks, a complete campaign must set off the scenarios that its plan names.

use crate::actor::{Actor, Message, Plan, Spread, Step, World};
use crate::time::Micros;
use crate::vocabulary::{SSH_USERS, STAFF};

use Spread::{Network, Scattered, Single};

/// All kinds of attacks on SSH.
pub(crate) const PLANS: [Plan; 7] = [
    Plan {
        kind: "ssh-bruteforce",
        scenarios: &["overspill/ssh-bf"],
        lines: (10, 60),
        gap_ms: (300, 2500),
        spread: Single,
    },
    Plan {
        kind: "ssh-slow-bruteforce",
        scenarios: &["overspill/ssh-slow-bf"],
        lines: (20, 30),
        gap_ms: (11_000, 19_000),
        spread: Single,
    },
    Plan {
        kind: "ssh-user-enumeration",
        scenarios: &["overspill/ssh-user-enum", "overspill/ssh-bf"],
        lines: (10, 30),
        gap_ms: (500, 3000),
        spread: Single,
    },
    Plan {
        kind: "ssh-scan",
        scenarios: &["overspill/ssh-scan"],
        lines: (8, 14),
        gap_ms: (800, 6000),
        spread: Single,
    },
    Plan {
        kind: "ssh-guessed",
        scenarios: &["overspill/ssh-bf", "overspill/ssh-login-after-bf"],
        lines: (13, 25),
        gap_ms: (400, 2500),
        spread: Single,
    },
    Plan {
        kind: "ssh-credential-stuffing",
        scenarios: &["overspill/credential-stuffing"],
        lines: (16, 24),
        gap_ms: (500, 3500),
        spread: Scattered,
    },
    Plan {
        kind: "ssh-distributed",
        scenarios: &["overspill/distributed-range-bf"],
        lines: (18, 36),
        gap_ms: (800, 4000),
        spread: Network,
    },
];

/// One campaign against SSH.
#[derive(Debug)]
pub(crate) struct SshAttack {
    plan: &'static Plan,
    campaign: usize,
    addresses: Vec<String>,
    user: Option<&'static str>,
    offset: u64,
    sent: u64,
    planned: u64,
}

impl SshAttack {
    pub(crate) fn new(world: &mut World, plan: &'static Plan) -> SshAttack {
        let count = world.campaigns.len();
        let user = match plan.kind {
            "ssh-credential-stuffing" => Some(world.next_victim()),
            "ssh-guessed" => Some(STAFF[count % STAFF.len()]),
            "ssh-user-enumeration" | "ssh-scan" => None,
            // Half of them want one account, the others go through a list.
            _ => world.rng.permille(500).then(|| *world.rng.pick(&SSH_USERS)),
        };
        let (campaign, addresses) = world.open(plan, user);
        let planned = world.campaigns[campaign].planned;
        let offset = world.rng.below(1000);
        SshAttack {
            plan,
            campaign,
            addresses,
            user,
            offset,
            sent: 0,
            planned,
        }
    }

    fn text(&self, world: &mut World, address: &str) -> String {
        let port = world.rng.range(1024, 65_535);
        let n = self.offset + self.sent;
        if self.plan.kind == "ssh-scan" {
            return scan(n, address, port);
        }
        let listed = SSH_USERS[(n % SSH_USERS.len() as u64) as usize];
        let user = self.user.unwrap_or(listed);
        let last = self.sent + 1 == self.planned;
        if last && self.plan.kind == "ssh-guessed" {
            return format!("Accepted password for {user} from {address} port {port} ssh2");
        }
        // Only root and staff exist on these hosts.
        let known = user == "root" || STAFF.contains(&user);
        match (known, world.rng.below(10)) {
            (true, 0..8) => format!("Failed password for {user} from {address} port {port} ssh2"),
            (true, 8) => format!(
                "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh \
                 ruser= rhost={address}  user={user}"
            ),
            (true, _) => format!(
                "Connection closed by authenticating user {user} {address} port {port} [preauth]"
            ),
            (false, 0..5) => {
                format!("Failed password for invalid user {user} from {address} port {port} ssh2")
            }
            (false, 5..8) => format!("Invalid user {user} from {address} port {port}"),
            (false, 8) => {
                format!("Disconnected from invalid user {user} {address} port {port} [preauth]")
            }
            (false, _) => format!(
                "Failed keyboard-interactive/pam for invalid user {user} from {address} port \
                 {port} ssh2"
            ),
        }
    }
}

/// What is left of those that only look whether somebody answers.
fn scan(n: u64, address: &str, port: u64) -> String {
    match n % 4 {
        0 => format!("banner exchange: Connection from {address} port {port}: invalid format"),
        1 => format!("Connection closed by {address} port {port} [preauth]"),
        2 => format!("Did not receive identification string from {address} port {port}"),
        _ => format!(
            "Unable to negotiate with {address} port {port}: no matching key exchange method \
             found. Their offer: diffie-hellman-group1-sha1 [preauth]"
        ),
    }
}

impl Actor for SshAttack {
    fn step(&mut self, world: &mut World, _now: Micros) -> Step {
        let address = self.addresses[(self.sent % self.addresses.len() as u64) as usize].clone();
        let text = self.text(world, &address);
        let tag = format!("sshd[{}]", world.next_pid());
        // Each attempt goes to another node, so no single one sees the whole attack.
        let route = self.offset + self.sent;
        self.sent += 1;
        let next_in = (self.sent < self.planned).then(|| world.gap(self.plan.gap_ms));
        let message = Message::Syslog { tag, text };
        Step {
            campaign: Some(self.campaign),
            ..Step::say(message, route, next_in)
        }
    }
}
