//! The stream of lines.
//!
//! ```text
//! actors, by time ──▶ message ──▶ line ──▶ partition ──▶ disorder ──▶ out
//!        ▲                │
//!        └── campaigns, opened so that the wanted share of lines is theirs
//! ```
//!
//! Kinds of attacks are dealt like cards: all of them have their turn before one comes again.

use std::collections::BTreeMap;

use crate::actor::{Actor, Campaign, Message, Plan, Route, Script, Step, World};
use crate::address::Addresses;
use crate::disorder::Disorder;
use crate::frame::{Framer, controller_note};
use crate::options::{Kind, Options, OptionsError};
use crate::rng::Rng;
use crate::time::{Micros, SECOND};
use crate::vocabulary::Vocabulary;
use crate::{audit, ssh, web};

/// One line of a data set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The time that the line bears, in microseconds since 1970.
    pub time_us: i64,
    /// The file it belongs to.
    pub partition: usize,
    /// The line without its newline.
    pub text: String,
}

/// Iterator over the lines of a data set, in order of arrival.
#[derive(Debug)]
pub struct Generator {
    kind: Kind,
    partitions: u64,
    wanted: u64,
    made: u64,
    attack_ppm: u64,
    attack_made: u64,
    /// Lines that open campaigns still have to send.
    backlog: u64,
    world: World,
    actors: BTreeMap<Turn, Box<dyn Actor>>,
    births: u64,
    deck: Vec<Card>,
    framer: Framer,
    disorder: Disorder,
    now: Micros,
}

/// When an actor acts; the second part keeps those of one moment in order.
type Turn = (Micros, u64);

#[derive(Debug, Clone, Copy)]
enum Card {
    Web(&'static Plan),
    Ssh(&'static Plan),
    Audit(&'static Plan),
}

impl Generator {
    /// A generator at its first line.
    ///
    /// # Errors
    /// Options that are out of range.
    pub fn new(options: &Options) -> Result<Generator, OptionsError> {
        options.check()?;
        let mut rng = Rng::new(options.seed);
        let addresses = Addresses::new(&mut rng, options.clients, options.attackers);
        let vocabulary = Vocabulary::new(&mut rng);
        let mut generator = Generator {
            kind: options.kind,
            partitions: options.partitions,
            wanted: options.lines,
            made: 0,
            attack_ppm: options.attack_ppm,
            attack_made: 0,
            backlog: 0,
            world: World::new(rng, addresses, vocabulary),
            actors: BTreeMap::new(),
            births: 0,
            deck: Vec::new(),
            framer: Framer::new(options.kind, options.partitions, options.seed),
            disorder: Disorder::new(options.disorder_ms, options.late_ppm, options.seed),
            now: options.start,
        };
        generator.populate(options);
        Ok(generator)
    }

    /// The campaigns so far: who attacked, how and when.
    #[must_use]
    pub fn campaigns(&self) -> Vec<Campaign> {
        self.world
            .campaigns
            .iter()
            .filter(|campaign| campaign.lines > 0)
            .cloned()
            .collect()
    }

    fn populate(&mut self, options: &Options) {
        let start = options.start;
        let ordinary = (options.rate_milli * (1_000_000 - options.attack_ppm) / 1_000_000).max(1);
        let of = |percent: u64| (ordinary * percent / 100).max(1);
        let (web_rate, ssh_rate) = if options.kind == Kind::Mixed {
            (of(60), of(40))
        } else {
            (ordinary, ordinary)
        };
        if self.kind.has_web() {
            self.enter(start, Box::new(web::Births::new(web_rate)));
        }
        if self.kind.has_ssh() {
            self.enter(start, Box::new(ssh::Births::new(ssh_rate)));
        }
        if self.kind == Kind::K8s {
            for node in 0..2 {
                self.enter(
                    start + node * 3 * SECOND,
                    Box::new(web::HealthProbe { node: node as u64 }),
                );
            }
            self.enter(start + 5 * SECOND, Box::new(Controller));
        }
        if self.kind == Kind::K8sAudit {
            self.enter(start, Box::new(audit::Cluster::new(ordinary)));
        }
    }

    fn enter(&mut self, time: Micros, actor: Box<dyn Actor>) {
        self.births += 1;
        self.actors.insert((time, self.births), actor);
    }

    /// Lets the next actor act; gives its line if it said something.
    fn turn(&mut self) -> Option<Line> {
        let Some(((time, _), mut actor)) = self.actors.pop_first() else {
            unreachable!("births never end, so somebody always has a turn");
        };
        self.now = time;
        let Step {
            message,
            next_in,
            campaign,
            born,
        } = actor.step(&mut self.world, time);
        if let Some(gap) = next_in {
            self.enter(time + gap.max(1), actor);
        }
        if let Some(newborn) = born {
            self.enter(time, newborn);
        }
        let (message, Route(route)) = message?;
        self.made += 1;
        match campaign {
            Some(campaign) => {
                self.world.record(campaign, time);
                self.attack_made += 1;
                self.backlog -= 1;
            }
            None => self.maybe_attack(),
        }
        let text = self.framer.line(&message, time, route);
        let partition = (route % self.partitions) as usize;
        Some(Line {
            time_us: time,
            partition,
            text,
        })
    }

    /// Opens a campaign when attacks, those under way included, are behind their share.
    fn maybe_attack(&mut self) {
        let attacks = u128::from(self.attack_made + self.backlog);
        let total = u128::from(self.made + self.backlog);
        if attacks * 1_000_000 >= total * u128::from(self.attack_ppm) {
            return;
        }
        if self.deck.is_empty() {
            self.deck = cards(self.kind);
            self.world.rng.shuffle(&mut self.deck);
        }
        let world = &mut self.world;
        let attacker: Box<dyn Actor> = match self.deck.pop() {
            None => return,
            Some(Card::Web(plan)) => Box::new(web::attack::WebAttack::new(world, plan)),
            Some(Card::Ssh(plan)) => Box::new(ssh::attack::SshAttack::new(world, plan)),
            Some(Card::Audit(plan)) => Box::new(audit::AuditAttack::new(world, plan)),
        };
        self.backlog += self
            .world
            .campaigns
            .last()
            .map_or(0, |campaign| campaign.planned);
        let pause = self.world.gap((50, 1500));
        self.enter(self.now + pause, attacker);
    }
}

impl Iterator for Generator {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        loop {
            let now = (self.made < self.wanted).then_some(self.now);
            if let Some(line) = self.disorder.release(now) {
                return Some(line);
            }
            if self.made >= self.wanted {
                return None;
            }
            if let Some(line) = self.turn() {
                self.disorder.hold(line);
            }
        }
    }
}

fn cards(kind: Kind) -> Vec<Card> {
    let mut cards = Vec::new();
    if kind.has_web() {
        cards.extend(web::attack::PLANS.iter().map(Card::Web));
    }
    if kind.has_ssh() {
        cards.extend(ssh::attack::PLANS.iter().map(Card::Ssh));
    }
    if kind == Kind::K8sAudit {
        cards.extend(audit::PLANS.iter().map(Card::Audit));
    }
    cards
}

/// The ingress controller reloads every few minutes and says so.
#[derive(Debug)]
struct Controller;

impl Actor for Controller {
    fn step(&mut self, world: &mut World, now: Micros) -> Step {
        let text = controller_note(&mut world.rng, now);
        let next_in = world.gap((20_000, 200_000));
        let script = Script::new(0, vec![(Message::Controller(text), SECOND)]);
        Step::bear(Box::new(script), next_in)
    }
}
