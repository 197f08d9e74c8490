//! Ordinary life of a few servers as `auth.log` tells it: log-ins, cron, sudo, systemd, kernel.

pub(crate) mod attack;

use crate::actor::{Actor, Message, Script, Step, World, birth_gap};
use crate::time::{Micros, SECOND};
use crate::vocabulary::{STAFF, WORDS};

/// Lines that a newborn of [`Births`] says on average; measured by a test of this module.
const LINES_EACH: u64 = 2;

/// Characters of a key fingerprint.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Lets things happen, at a pace that gives the wanted number of lines a second.
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
        let host = world.rng.below(4);
        let lines = match world.rng.below(100) {
            0..16 => session(world),
            16..46 => cron(world),
            46..58 => sudo(world),
            58..78 => unit(world),
            78..92 => vec![blocked(world)],
            _ => mail(world),
        };
        Step::bear(Box::new(Script::new(host, lines)), gap)
    }
}

type Lines = Vec<(Message, Micros)>;

fn say(tag: String, text: String) -> Message {
    Message::Syslog { tag, text }
}

/// A person logs in, works for a while and leaves; one in twelve mistypes the password first.
fn session(world: &mut World) -> Lines {
    let user = *world.rng.pick(&STAFF);
    let address = match world.rng.below(3) {
        0 => world.client(),
        _ => format!(
            "10.{}.{}.{}",
            world.rng.below(4),
            world.rng.below(256),
            world.rng.range(1, 255)
        ),
    };
    let port = world.rng.range(32_768, 60_999);
    let pid = world.next_pid();
    let tag = format!("sshd[{pid}]");
    let mut lines = Lines::new();
    let password = world.rng.permille(200);
    if password && world.rng.permille(400) {
        let text = format!("Failed password for {user} from {address} port {port} ssh2");
        lines.push((say(tag.clone(), text), world.gap((2500, 6000))));
    }
    let accepted = if password {
        format!("Accepted password for {user} from {address} port {port} ssh2")
    } else {
        let print: String = (0..43)
            .map(|_| char::from(BASE64[world.rng.below(64) as usize]))
            .collect();
        format!(
            "Accepted publickey for {user} from {address} port {port} ssh2: ED25519 SHA256:{print}"
        )
    };
    let uid = 1000 + user.len();
    let opened =
        format!("pam_unix(sshd:session): session opened for user {user}(uid={uid}) by (uid=0)");
    let closed = format!("pam_unix(sshd:session): session closed for user {user}");
    let left = format!("Received disconnect from {address} port {port}:11: disconnected by user");
    let gone = format!("Disconnected from user {user} {address} port {port}");
    lines.push((say(tag.clone(), accepted), world.gap((5, 60))));
    lines.push((say(tag.clone(), opened), world.gap((5, 60))));
    let number = format!("New session {} of user {user}.", pid % 10_000);
    lines.push((
        say("systemd-logind[612]".to_owned(), number),
        world.gap((20_000, 900_000)),
    ));
    lines.push((say(tag.clone(), left), world.gap((1, 9))));
    lines.push((say(tag.clone(), gone), world.gap((1, 9))));
    lines.push((say(tag, closed), SECOND));
    lines
}

fn cron(world: &mut World) -> Lines {
    let tag = format!("CRON[{}]", world.next_pid());
    let opened =
        "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)".to_owned();
    let closed = "pam_unix(cron:session): session closed for user root".to_owned();
    vec![
        (say(tag.clone(), opened), world.gap((100, 4000))),
        (say(tag, closed), SECOND),
    ]
}

fn sudo(world: &mut World) -> Lines {
    let user = world.rng.pick(&STAFF);
    let (terminal, service) = (world.rng.below(9), world.rng.pick(&WORDS));
    let text = format!(
        "{user:>8} : TTY=pts/{terminal} ; PWD=/home/{user} ; USER=root ; \
         COMMAND=/usr/bin/systemctl status {service}"
    );
    vec![(say("sudo".to_owned(), text), SECOND)]
}

fn unit(world: &mut World) -> Lines {
    let name = world.rng.pick(&WORDS);
    let line = |text: String| say("systemd[1]".to_owned(), text);
    vec![
        (
            line(format!("Starting {name}.service - {name} job...")),
            world.gap((40, 3000)),
        ),
        (
            line(format!("Finished {name}.service - {name} job.")),
            SECOND,
        ),
    ]
}

/// The firewall of a host tells of a packet that it dropped.
fn blocked(world: &mut World) -> (Message, Micros) {
    let rng = &mut world.rng;
    let port = *rng.pick(&[23, 445, 3389, 5432, 6379, 8080, 9200]);
    let text = format!(
        "[{}.{:06}] [UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:12:34:56 SRC=198.18.{}.{} DST=10.0.0.5 \
         LEN=44 TOS=0x00 PREC=0x00 TTL={} ID={} PROTO=TCP SPT={} DPT={port} WINDOW=1024 RES=0x00 \
         SYN URGP=0",
        rng.below(1_000_000),
        rng.below(1_000_000),
        rng.below(256),
        rng.range(1, 255),
        rng.range(40, 250),
        rng.below(65_536),
        rng.range(1024, 65_535)
    );
    (say("kernel".to_owned(), text), SECOND)
}

fn mail(world: &mut World) -> Lines {
    let tag = format!("postfix/smtpd[{}]", world.next_pid());
    let address = world.client();
    let come = format!("connect from unknown[{address}]");
    let go = format!("disconnect from unknown[{address}] ehlo=1 quit=1 commands=2");
    vec![
        (say(tag.clone(), come), world.gap((200, 4000))),
        (say(tag, go), SECOND),
    ]
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
        for _ in 0..4000 {
            let mut actor = births.step(&mut world, 0).born.unwrap();
            loop {
                let step = actor.step(&mut world, 0);
                lines += u64::from(step.message.is_some());
                if step.next_in.is_none() {
                    break;
                }
            }
        }
        let tenths = lines * 10 / 4000;
        assert!(
            (LINES_EACH * 10 - 5..=LINES_EACH * 10 + 5).contains(&tenths),
            "{tenths}/10 each"
        );
    }
}
