//! Ordinary web traffic: visitors with pages and assets, API clients, crawlers, health probes.
//!
//! None of it reaches the thresholds of our scenarios: pages come seconds apart, a failed log-in
//! is followed by a good one, and dead links are rare.

pub(crate) mod attack;

use crate::actor::{Actor, Message, Request, Script, Step, World, birth_gap};
use crate::rng::hash;
use crate::time::{Micros, SECOND};
use crate::vocabulary::{CRAWLERS, REFERERS, SITES, STAFF, WORDS};

/// Lines that a newborn of [`Births`] says on average; measured by a test of this module.
const LINES_EACH: u64 = 18;

/// Lets visitors come, at a pace that gives the wanted number of lines a second.
#[derive(Debug)]
pub(crate) struct Births {
    gap: Micros,
}

impl Births {
    pub(crate) fn new(rate_milli: u64) -> Births {
        Births {
            gap: birth_gap(rate_milli, LINES_EACH),
        }
    }
}

impl Actor for Births {
    fn step(&mut self, world: &mut World, _now: Micros) -> Step {
        let gap = world.around(self.gap);
        let newborn: Box<dyn Actor> = match world.rng.below(100) {
            0..80 => Box::new(Visitor::new(world)),
            80..93 => Box::new(ApiClient::new(world)),
            93..96 => Box::new(Crawler::new(world)),
            _ => Box::new(passer_by(world)),
        };
        Step::bear(newborn, gap)
    }
}

/// A person with a browser.
#[derive(Debug)]
struct Visitor {
    address: String,
    agent: String,
    site: &'static str,
    user: &'static str,
    referer: String,
    pages_left: u64,
    assets_left: u64,
    /// A password was mistyped: the next line is the same form again.
    again: bool,
}

impl Visitor {
    fn new(world: &mut World) -> Visitor {
        let address = world.client();
        let agent = world.vocabulary.agent(&address);
        let site = SITES[world.rng.skewed(3)];
        let user = if world.rng.permille(10) {
            *world.rng.pick(&STAFF)
        } else {
            "-"
        };
        let referer = match world.rng.below(3) {
            0 => (*world.rng.pick(&REFERERS)).to_owned(),
            _ => "-".to_owned(),
        };
        let pages_left = world.rng.range(1, 6);
        let (assets_left, again) = (0, false);
        Visitor {
            address,
            agent,
            site,
            user,
            referer,
            pages_left,
            assets_left,
            again,
        }
    }

    fn request(&self, line: String, status: u64, bytes: u64) -> Request {
        Request {
            address: self.address.clone(),
            user: self.user,
            line,
            status,
            bytes,
            referer: self.referer.clone(),
            agent: self.agent.clone(),
            site: self.site,
        }
    }

    fn asset(&mut self, world: &mut World) -> Request {
        let index = world.rng.skewed(world.vocabulary.assets.len());
        let line = format!("GET {} HTTP/2.0", world.vocabulary.assets[index]);
        match world.rng.below(4) {
            0 => self.request(line, 304, 0),
            _ => {
                let bytes = world.rng.range(300, 90_000);
                self.request(line, 200, bytes)
            }
        }
    }

    fn page(&mut self, world: &mut World) -> Request {
        if self.again || world.rng.permille(15) {
            self.again = !self.again && world.rng.permille(150);
            let status = if self.again { 401 } else { 302 };
            let form = format!("https://{}/login", self.site);
            return Request {
                referer: form,
                user: "-",
                ..self.request("POST /login HTTP/1.1".to_owned(), status, 512)
            };
        }
        let index = world.rng.skewed(world.vocabulary.pages.len());
        let mut path = world.vocabulary.pages[index].clone();
        if world.rng.permille(250) {
            let (key, value) = (world.rng.pick(&WORDS), world.rng.pick(&WORDS));
            path = format!("{path}?{key}={value}&page={}", world.rng.range(1, 40));
        }
        let (status, bytes) = match world.rng.below(1000) {
            0..940 => (200, world.rng.range(900, 60_000)),
            940..960 => (301, 178),
            960..985 => (302, 154),
            985..996 => (404, 153),
            996..998 => (403, 162),
            _ => (500, 177),
        };
        let request = self.request(format!("GET {path} HTTP/2.0"), status, bytes);
        self.referer = format!("https://{}{path}", self.site);
        request
    }
}

impl Actor for Visitor {
    fn step(&mut self, world: &mut World, _now: Micros) -> Step {
        let request = if self.assets_left > 0 {
            self.assets_left -= 1;
            self.asset(world)
        } else {
            let request = self.page(world);
            if !self.again {
                self.pages_left -= 1;
                self.assets_left = if request.status == 200 {
                    world.rng.range(2, 9)
                } else {
                    0
                };
            }
            request
        };
        let next_in = match (self.assets_left, self.pages_left) {
            (0, 0) => None,
            (0, _) => Some(world.gap((2500, 40_000))),
            _ => Some(world.gap((15, 260))),
        };
        Step::say(Message::Web(request), hash(&self.address), next_in)
    }
}

/// A program that talks to the API.
#[derive(Debug)]
struct ApiClient {
    address: String,
    calls_left: u64,
    agent: &'static str,
}

impl ApiClient {
    fn new(world: &mut World) -> ApiClient {
        let agent = *world
            .rng
            .pick(&["okhttp/4.12.0", "python-requests/2.31.0", "curl/8.5.0"]);
        ApiClient {
            address: world.client(),
            calls_left: world.rng.range(8, 35),
            agent,
        }
    }
}

impl Actor for ApiClient {
    fn step(&mut self, world: &mut World, _now: Micros) -> Step {
        let (verb, status) = *world.rng.pick(&[
            ("GET", 200),
            ("GET", 200),
            ("GET", 304),
            ("POST", 201),
            ("PUT", 200),
            ("DELETE", 204),
        ]);
        let (collection, id) = (world.rng.pick(&WORDS), world.rng.below(100_000));
        let request = Request {
            address: self.address.clone(),
            user: "-",
            line: format!("{verb} /api/v1/{collection}/{id} HTTP/1.1"),
            status,
            bytes: if status == 200 {
                world.rng.range(40, 5000)
            } else {
                0
            },
            referer: "-".to_owned(),
            agent: self.agent.to_owned(),
            site: SITES[3],
        };
        self.calls_left -= 1;
        let next_in = (self.calls_left > 0).then(|| world.gap((400, 3500)));
        Step::say(Message::Web(request), hash(&self.address), next_in)
    }
}

/// A search engine: patient, and it keeps to the rules.
#[derive(Debug)]
struct Crawler {
    address: String,
    agent: &'static str,
    pages_left: u64,
}

impl Crawler {
    fn new(world: &mut World) -> Crawler {
        let address = format!("66.249.66.{}", world.rng.range(1, 224));
        let agent = *world.rng.pick(&CRAWLERS);
        Crawler {
            address,
            agent,
            pages_left: world.rng.range(10, 40),
        }
    }
}

impl Actor for Crawler {
    fn step(&mut self, world: &mut World, _now: Micros) -> Step {
        let path = world.rng.pick(&world.vocabulary.pages).clone();
        let found = !world.rng.permille(30);
        let request = Request {
            address: self.address.clone(),
            user: "-",
            line: format!("GET {path} HTTP/1.1"),
            status: if found { 200 } else { 404 },
            bytes: if found {
                world.rng.range(900, 60_000)
            } else {
                153
            },
            referer: "-".to_owned(),
            agent: self.agent.to_owned(),
            site: SITES[0],
        };
        self.pages_left -= 1;
        let next_in = (self.pages_left > 0).then(|| world.gap((2000, 15_000)));
        Step::say(Message::Web(request), hash(&self.address), next_in)
    }
}

/// One or two harmless requests of somebody who looks in: the net's background noise.
fn passer_by(world: &mut World) -> Script {
    let address = world.client();
    let agent = world.vocabulary.agent(&address);
    let lines = (0..world.rng.range(1, 3))
        .map(|_| {
            let path = world
                .rng
                .pick(&["/robots.txt", "/favicon.ico", "/sitemap.xml", "/feed"]);
            let status = *world.rng.pick(&[200, 200, 404]);
            let request = Request {
                address: address.clone(),
                user: "-",
                line: format!("GET {path} HTTP/1.1"),
                status,
                bytes: world.rng.range(60, 900),
                referer: "-".to_owned(),
                agent: agent.clone(),
                site: SITES[0],
            };
            (Message::Web(request), world.gap((300, 4000)))
        })
        .collect();
    Script::new(hash(&address), lines)
}

/// Asks whether the site is well, every ten seconds, from inside.
#[derive(Debug)]
pub(crate) struct HealthProbe {
    pub(crate) node: u64,
}

impl Actor for HealthProbe {
    fn step(&mut self, _world: &mut World, _now: Micros) -> Step {
        let request = Request {
            address: format!("10.42.{}.1", self.node),
            user: "-",
            line: "GET /healthz HTTP/1.1".to_owned(),
            status: 200,
            bytes: 2,
            referer: "-".to_owned(),
            agent: "kube-probe/1.29".to_owned(),
            site: SITES[3],
        };
        Step::say(Message::Web(request), self.node, Some(10 * SECOND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Addresses;
    use crate::rng::Rng;
    use crate::vocabulary::Vocabulary;

    #[test]
    fn a_newborn_says_about_as_many_lines_as_the_pace_is_computed_with() {
        let mut rng = Rng::new(5);
        let addresses = Addresses::new(&mut rng, 300, 5);
        let vocabulary = Vocabulary::new(&mut rng);
        let mut world = World::new(rng, addresses, vocabulary);
        let mut births = Births::new(1000);
        let mut lines = 0;
        for _ in 0..2000 {
            let mut actor = births.step(&mut world, 0).born.unwrap();
            loop {
                let step = actor.step(&mut world, 0);
                lines += u64::from(step.message.is_some());
                if step.next_in.is_none() {
                    break;
                }
            }
        }
        let average = lines / 2000;
        assert!(
            (LINES_EACH - 2..=LINES_EACH + 2).contains(&average),
            "{average} lines each"
        );
    }
}
