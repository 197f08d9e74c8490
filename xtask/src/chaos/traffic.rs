//! Who attacks when: lines with times from the beginning of the run, spread over partitions.
//!
//! Dates are given to lines when they are written, because a live job compares them with the clock. No result depends
//! on the order of lines of one second: addresses attack in one way each, and a log-in that follows failures comes
//! two seconds after them.

use super::rng::Rng;

/// Lines come in pieces of this length.
pub(crate) const CHUNK_MS: u64 = 200;
/// A line comes at most so much after a later one of its partition. With whole seconds that is below two.
pub(crate) const DISORDER_MS: u64 = 900;
/// Attacks that begin in a second.
const ATTACKS_A_SECOND: u64 = 7;
/// Lines of nobody's in a second.
const NOISE_A_SECOND: u64 = 150;
/// A networks's third number stays below.
const NETWORKS: u64 = 250;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Request {
        address: String,
        path: String,
        status: u16,
    },
    Failed {
        address: String,
        user: String,
    },
    Accepted {
        address: String,
        user: String,
    },
}

impl Body {
    fn is_web(&self) -> bool {
        matches!(self, Self::Request { .. })
    }
}

/// A line without its date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Milliseconds from the beginning of its chunk; below zero if it comes late.
    pub(crate) offset_ms: i64,
    pub(crate) body: Body,
}

/// What is written together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) at_ms: u64,
    /// For each partition.
    pub(crate) lines: Vec<Vec<Line>>,
}

/// Makes the lines of a run. The first partitions are those of web servers.
pub(crate) fn traffic(
    seed: u64,
    lasts_ms: u64,
    (n_web, n_ssh): (u64, u64),
    disorder_ms: u64,
) -> Vec<Chunk> {
    let mut maker = Maker {
        rng: Rng::new(seed, 2),
        lasts_ms,
        n_attackers: 0,
        said: Vec::new(),
    };
    for _ in 0..lasts_ms * ATTACKS_A_SECOND / 1_000 {
        maker.attack();
    }
    for n in 0..lasts_ms * NOISE_A_SECOND / 1_000 {
        maker.noise(n);
    }
    let Maker { mut rng, said, .. } = maker;
    let n_chunks = lasts_ms.div_ceil(CHUNK_MS);
    let mut chunks: Vec<Chunk> = (0..n_chunks)
        .map(|n| Chunk {
            at_ms: n * CHUNK_MS,
            lines: vec![Vec::new(); (n_web + n_ssh) as usize],
        })
        .collect();
    let mut due: Vec<(u64, u64, Body, usize)> = Vec::new();
    for (at_ms, body) in said {
        let due_ms = (at_ms + rng.below(disorder_ms)).min(lasts_ms - 1);
        let partition = match body.is_web() {
            true => rng.below(n_web),
            false => n_web + rng.below(n_ssh),
        };
        due.push((due_ms, at_ms, body, partition as usize));
    }
    due.sort_by_key(|(due_ms, at_ms, ..)| (*due_ms, *at_ms));
    for (due_ms, at_ms, body, partition) in due {
        let chunk = &mut chunks[(due_ms / CHUNK_MS) as usize];
        let offset_ms = at_ms as i64 - chunk.at_ms as i64;
        chunk.lines[partition].push(Line { offset_ms, body });
    }
    chunks
}

struct Maker {
    rng: Rng,
    lasts_ms: u64,
    n_attackers: u64,
    said: Vec<(u64, Body)>,
}

impl Maker {
    /// An address in a network that nobody else has.
    fn stranger(&mut self, first: u64) -> String {
        let n = self.n_attackers;
        self.n_attackers += 1;
        let (high, low) = (n / NETWORKS, n % NETWORKS);
        format!("{first}.{high}.{low}.{}", self.rng.range(1, 250))
    }

    fn say(&mut self, at_ms: u64, body: Body) {
        if at_ms < self.lasts_ms {
            self.said.push((at_ms, body));
        }
    }

    fn attack(&mut self) {
        let from_ms = self.rng.below(self.lasts_ms);
        match self.rng.below(10) {
            0..4 => self.probing(from_ms),
            4..7 => self.brute_force(from_ms),
            7 => self.network(from_ms),
            8 => self.on_one_account(from_ms),
            _ => self.hit(from_ms),
        }
    }

    /// One address asks for what is not there.
    fn probing(&mut self, mut at_ms: u64) {
        let address = self.stranger(45);
        let folder = self.rng.pick(&["shop", "app", "wp-content", "old", "api"]);
        for n in 0..self.rng.range(11, 20) {
            let path = format!("/{folder}/a{n}.php");
            let body = Body::Request {
                address: address.clone(),
                path,
                status: 404,
            };
            self.say(at_ms, body);
            at_ms += self.rng.range(50, 500);
        }
    }

    /// One address tries passwords; answers when it ended.
    fn failures(&mut self, address: &str, mut at_ms: u64, n: u64) -> u64 {
        let is_many_users = self.rng.percent(50);
        for n in 0..n {
            let user = if is_many_users {
                format!("u{}-{n}", address.replace('.', "-"))
            } else {
                format!("u{}", address.replace('.', "-"))
            };
            let address = address.to_owned();
            self.say(at_ms, Body::Failed { address, user });
            at_ms += self.rng.range(100, 700);
        }
        at_ms
    }

    fn brute_force(&mut self, at_ms: u64) {
        let address = self.stranger(91);
        let n = self.rng.range(6, 14);
        self.failures(&address, at_ms, n);
    }

    /// Failures, and then the right password.
    fn hit(&mut self, at_ms: u64) {
        let address = self.stranger(92);
        let n = self.rng.range(8, 12);
        let end_ms = self.failures(&address, at_ms, n) + 2_000;
        let user = "root".to_owned();
        self.say(end_ms, Body::Accepted { address, user });
    }

    /// Addresses of one network try one password each.
    fn network(&mut self, mut at_ms: u64) {
        let first = self.stranger(185);
        let network = first.rsplit_once('.').map_or("185.0.0", |(net, _)| net);
        for n in 1..=self.rng.range(5, 8) {
            let address = format!("{network}.{n}");
            let user = format!("n{}", address.replace('.', "-"));
            self.say(at_ms, Body::Failed { address, user });
            at_ms += self.rng.range(100, 900);
        }
    }

    /// Addresses from everywhere try one account.
    fn on_one_account(&mut self, mut at_ms: u64) {
        let user = format!("account{}", self.n_attackers);
        for _ in 0..self.rng.range(11, 14) {
            let address = self.stranger(103);
            let user = user.clone();
            self.say(at_ms, Body::Failed { address, user });
            at_ms += self.rng.range(50, 400);
        }
    }

    fn noise(&mut self, n: u64) {
        let at_ms = self.rng.below(self.lasts_ms);
        let client = self.rng.below(2_000);
        let address = format!("80.{}.{}.3", client / NETWORKS, client % NETWORKS);
        let body = if self.rng.percent(80) {
            Body::Request {
                address,
                path: format!("/page{}", n % 300),
                status: 200,
            }
        } else {
            let user = "deploy".to_owned();
            Body::Accepted { address, user }
        };
        self.say(at_ms, body);
    }
}

impl Line {
    /// As the log has it. Web servers write whole seconds, sshd milliseconds.
    pub(crate) fn text(&self, origin_ms: i64) -> String {
        body_text(&self.body, origin_ms + self.offset_ms)
    }

    /// The time that its text says, in milliseconds since 1970.
    pub(crate) fn event_ms(&self, origin_ms: i64) -> i64 {
        let exact_ms = origin_ms + self.offset_ms;
        match self.body.is_web() {
            true => exact_ms - exact_ms.rem_euclid(1_000),
            false => exact_ms,
        }
    }
}

/// A line that belongs to no attack.
pub(crate) fn nobodys(is_web: bool) -> Line {
    let address = "80.200.1.1".to_owned();
    let body = if is_web {
        Body::Request {
            address,
            path: "/end".to_owned(),
            status: 200,
        }
    } else {
        Body::Accepted {
            address,
            user: "end".to_owned(),
        }
    };
    Line { offset_ms: 0, body }
}

/// A date as access logs have it; whole seconds.
pub(crate) fn clf_date(at_ms: i64) -> String {
    let date = Date::of(at_ms);
    let name = MONTHS[date.month as usize - 1];
    format!(
        "{:02}/{name}/{}:{:02}:{:02}:{:02} +0000",
        date.day, date.year, date.hour, date.minute, date.second
    )
}

fn body_text(body: &Body, at_ms: i64) -> String {
    let Date {
        year,
        month,
        day,
        hour,
        minute,
        second,
        milli,
    } = Date::of(at_ms);
    let iso =
        format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}+00:00");
    match body {
        Body::Request {
            address,
            path,
            status,
        } => {
            let date = clf_date(at_ms);
            format!(
                "{iso} web nginx: {address} - - [{date}] \"GET {path} HTTP/1.1\" {status} 12 \"-\" \"Mozilla/5.0\""
            )
        }
        Body::Failed { address, user } => {
            format!(
                "{iso} gate sshd[812]: Failed password for {user} from {address} port 40022 ssh2"
            )
        }
        Body::Accepted { address, user } => {
            format!(
                "{iso} gate sshd[812]: Accepted password for {user} from {address} port 40022 ssh2"
            )
        }
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    milli: i64,
}

impl Date {
    fn of(unix_ms: i64) -> Self {
        let secs = unix_ms.div_euclid(1_000);
        let (days, of_day) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
        // Years that begin in March end with the leap day, and so do eras of 400 of them.
        let from_era = days + 719_468;
        let (era, of_era) = (from_era.div_euclid(146_097), from_era.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: of_year - (153 * march_month + 2) / 5 + 1,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            milli: unix_ms.rem_euclid(1_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let line = nobodys(true);
        for (unix_ms, date) in [
            (0, "[01/Jan/1970:00:00:00 +0000]"),
            (951_782_400_000, "[29/Feb/2000:00:00:00 +0000]"),
            (1_709_251_199_999, "[29/Feb/2024:23:59:59 +0000]"),
            (1_798_761_599_000, "[31/Dec/2026:23:59:59 +0000]"),
            (4_107_542_400_000, "[01/Mar/2100:00:00:00 +0000]"),
        ] {
            assert!(line.text(unix_ms).contains(date), "{}", line.text(unix_ms));
        }
        assert!(
            nobodys(false)
                .text(1_709_251_199_042)
                .starts_with("2024-02-29T23:59:59.042+00:00 gate sshd[812]: Accepted")
        );
    }

    #[test]
    fn lines_are_out_of_order_and_never_by_two_seconds() {
        let chunks = traffic(3, 12_000, (2, 2), DISORDER_MS);
        let mut n_late = 0;
        for partition in 0..4 {
            let mut newest_ms = 0;
            for chunk in &chunks {
                // Dates move on from chunk to chunk, by its length at least.
                let origin_ms = 1_000_000 + chunk.at_ms as i64;
                for line in &chunk.lines[partition] {
                    let event_ms = line.event_ms(origin_ms);
                    assert!(newest_ms - event_ms < 2_000, "{line:?}");
                    n_late += usize::from(event_ms < newest_ms);
                    newest_ms = newest_ms.max(event_ms);
                }
            }
        }
        assert!(n_late > 100, "{n_late}");
    }

    #[test]
    fn attackers_are_in_several_partitions() {
        let chunks = traffic(4, 12_000, (3, 1), DISORDER_MS);
        let address_of = |line: &Line| match &line.body {
            Body::Request {
                address,
                status: 404,
                ..
            } => Some(address.clone()),
            _ => None,
        };
        let mut places = std::collections::BTreeSet::new();
        for chunk in &chunks {
            for (partition, lines) in chunk.lines.iter().enumerate() {
                places.extend(lines.iter().filter_map(address_of).map(|a| (a, partition)));
            }
        }
        let mut attackers: Vec<&String> = places.iter().map(|(address, _)| address).collect();
        attackers.dedup();
        assert!(
            attackers.len() > 20 && places.len() > 2 * attackers.len(),
            "{places:?}"
        );
        let n_lines: usize = chunks
            .iter()
            .flat_map(|chunk| chunk.lines.iter().map(Vec::len))
            .sum();
        assert!(n_lines > 2_000, "{n_lines}");
    }
}
