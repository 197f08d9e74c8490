//! The world and those who act in it.
//!
//! An [`Actor`] is a visitor, a cron job, an attacker: whenever its time has come it says one
//! thing, or nothing, and when it wants its next turn. The generator keeps them in order of time.
//! Attackers act for a [`Campaign`], which writes down what they did.

use serde::Serialize;

use crate::address::Addresses;
use crate::rng::Rng;
use crate::time::{Micros, SECOND, rfc3339};
use crate::vocabulary::{VICTIMS, Vocabulary};

/// An HTTP request as an access log tells it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) address: String,
    pub(crate) user: &'static str,
    pub(crate) line: String,
    pub(crate) status: u64,
    pub(crate) bytes: u64,
    pub(crate) referer: String,
    pub(crate) agent: String,
    pub(crate) site: &'static str,
}

/// What an actor says, before it is framed as a line.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Web(Request),
    Syslog {
        tag: String,
        text: String,
    },
    /// The ingress controller's own voice, on standard error.
    Controller(String),
    Json(String),
}

/// Which file a line goes to: always the same one for this number, or all of them in turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route(pub(crate) u64);

/// One turn of an actor.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) message: Option<(Message, Route)>,
    /// Time until the next turn; `None` ends the actor.
    pub(crate) next_in: Option<Micros>,
    /// The campaign that the message belongs to.
    pub(crate) campaign: Option<usize>,
    /// An actor that comes into the world by this turn.
    pub(crate) born: Option<Box<dyn Actor>>,
}

impl Step {
    pub(crate) fn say(message: Message, route: u64, next_in: Option<Micros>) -> Step {
        let message = Some((message, Route(route)));
        Step {
            message,
            next_in,
            campaign: None,
            born: None,
        }
    }

    pub(crate) fn bear(born: Box<dyn Actor>, next_in: Micros) -> Step {
        Step {
            message: None,
            next_in: Some(next_in),
            campaign: None,
            born: Some(born),
        }
    }
}

pub(crate) trait Actor: std::fmt::Debug {
    fn step(&mut self, world: &mut World, now: Micros) -> Step;
}

/// How many addresses take part in a campaign, and how they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    Single,
    /// All in one /24.
    Network,
    /// No two in one network.
    Scattered,
}

/// A recipe for campaigns of one kind.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) kind: &'static str,
    /// The scenarios of our library that a complete campaign must set off.
    pub(crate) scenarios: &'static [&'static str],
    pub(crate) lines: (u64, u64),
    pub(crate) gap_ms: (u64, u64),
    pub(crate) spread: Spread,
}

/// What really happened: one attack, its addresses and its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Campaign {
    /// Kind of attack, such as `sqli` or `ssh-bruteforce`.
    pub kind: String,
    /// Scenarios of the `overspill/` library that it sets off when complete.
    pub scenarios: Vec<String>,
    /// Addresses that took part.
    pub addresses: Vec<String>,
    /// The network they share, for a campaign out of one /24.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The account aimed at, for a campaign against one account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Time of its first line, RFC 3339.
    pub first: String,
    /// Time of its last line, RFC 3339.
    pub last: String,
    /// Its number of lines.
    pub lines: u64,
    /// False when the data set ended before the campaign did.
    pub complete: bool,
    #[serde(skip)]
    pub(crate) planned: u64,
}

/// What all actors share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) addresses: Addresses,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) campaigns: Vec<Campaign>,
    pid: u64,
    victims: usize,
}

impl World {
    pub(crate) fn new(rng: Rng, addresses: Addresses, vocabulary: Vocabulary) -> World {
        World {
            rng,
            addresses,
            vocabulary,
            campaigns: Vec::new(),
            pid: 1000,
            victims: 0,
        }
    }

    pub(crate) fn next_pid(&mut self) -> u64 {
        self.pid = if self.pid < 4_000_000 {
            self.pid + 1 + self.rng.below(3)
        } else {
            1000
        };
        self.pid
    }

    /// The accounts of credential lists take turns.
    pub(crate) fn next_victim(&mut self) -> &'static str {
        self.victims += 1;
        VICTIMS[self.victims % VICTIMS.len()]
    }

    pub(crate) fn client(&mut self) -> String {
        let index = self.rng.skewed(self.addresses.clients.len());
        self.addresses.clients[index].clone()
    }

    /// A gap within these bounds, in milliseconds.
    pub(crate) fn gap(&mut self, bounds_ms: (u64, u64)) -> Micros {
        self.rng.range(bounds_ms.0 * 1000, bounds_ms.1 * 1000 + 1) as Micros
    }

    /// A gap of this mean, evenly between nothing and twice as much.
    pub(crate) fn around(&mut self, mean: Micros) -> Micros {
        self.rng.below(2 * mean.unsigned_abs() + 1) as Micros
    }

    /// Opens a campaign after this recipe and tells who takes part.
    pub(crate) fn open(&mut self, plan: &Plan, user: Option<&str>) -> (usize, Vec<String>) {
        let planned = self.rng.range(plan.lines.0, plan.lines.1 + 1);
        let mut network = None;
        let addresses = match plan.spread {
            Spread::Single => vec![self.addresses.next_attacker()],
            Spread::Network => {
                let prefix = self.addresses.next_network(&mut self.rng);
                network = Some(format!("{prefix}.0/24"));
                let first = self.rng.range(2, 200);
                (0..self.rng.range(6, 13))
                    .map(|n| format!("{prefix}.{}", first + 3 * n))
                    .collect()
            }
            Spread::Scattered => self.addresses.scattered(&mut self.rng, planned),
        };
        self.campaigns.push(Campaign {
            kind: plan.kind.to_owned(),
            scenarios: plan.scenarios.iter().map(|&name| name.to_owned()).collect(),
            addresses: addresses.clone(),
            network,
            user: user.map(str::to_owned),
            first: String::new(),
            last: String::new(),
            lines: 0,
            complete: false,
            planned,
        });
        (self.campaigns.len() - 1, addresses)
    }

    /// Writes down one line of a campaign.
    pub(crate) fn record(&mut self, campaign: usize, now: Micros) {
        let campaign = &mut self.campaigns[campaign];
        campaign.last = rfc3339(now);
        if campaign.lines == 0 {
            campaign.first.clone_from(&campaign.last);
        }
        campaign.lines += 1;
        campaign.complete = campaign.lines == campaign.planned;
    }
}

/// Says fixed things at fixed times.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) route: u64,
    /// What to say, and the pause after it, last things first.
    pub(crate) lines: Vec<(Message, Micros)>,
}

impl Script {
    /// A script that says these things in this order.
    pub(crate) fn new(route: u64, mut lines: Vec<(Message, Micros)>) -> Script {
        lines.reverse();
        Script { route, lines }
    }
}

impl Actor for Script {
    fn step(&mut self, _world: &mut World, _now: Micros) -> Step {
        match self.lines.pop() {
            None => Step {
                message: None,
                next_in: None,
                campaign: None,
                born: None,
            },
            Some((message, pause)) => {
                let next_in = (!self.lines.is_empty()).then_some(pause);
                Step::say(message, self.route, next_in)
            }
        }
    }
}

/// Mean time between two births when each newborn says `lines_each` lines on average.
pub(crate) fn birth_gap(rate_milli: u64, lines_each: u64) -> Micros {
    (SECOND.unsigned_abs() * 1000 * lines_each / rate_milli.max(1)) as Micros
}
