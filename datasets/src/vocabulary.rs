//! Words that traffic is made of: paths, agents, sites, names, hosts.

use crate::rng::{Rng, hash};

pub(crate) const WORDS: [&str; 48] = [
    "account", "album", "archive", "article", "basket", "billing", "blog", "calendar", "category",
    "checkout", "contact", "customer", "delivery", "docs", "download", "event", "faq", "feed",
    "forum", "gallery", "guide", "help", "invoice", "item", "jobs", "media", "news", "offer",
    "order", "page", "partner", "payment", "press", "product", "profile", "rating", "report",
    "review", "search", "service", "shop", "status", "store", "support", "tag", "team", "topic",
    "video",
];

pub(crate) const SITES: [&str; 4] = [
    "www.example.org",
    "shop.example.org",
    "blog.example.org",
    "api.example.org",
];

pub(crate) const HOSTS: [&str; 4] = ["web-1", "web-2", "db-1", "bastion"];

pub(crate) const STAFF: [&str; 8] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "deploy",
];

/// Accounts that credential lists contain; none of them is staff.
pub(crate) const VICTIMS: [&str; 12] = [
    "j.smith",
    "m.garcia",
    "k.tanaka",
    "l.dupont",
    "a.kowalska",
    "p.rossi",
    "s.novak",
    "t.hansen",
    "r.silva",
    "n.haddad",
    "o.bakker",
    "h.weber",
];

pub(crate) const SSH_USERS: [&str; 32] = [
    "root",
    "admin",
    "test",
    "user",
    "ubuntu",
    "oracle",
    "postgres",
    "git",
    "pi",
    "ftpuser",
    "www",
    "mysql",
    "guest",
    "support",
    "hadoop",
    "jenkins",
    "tomcat",
    "backup",
    "nagios",
    "zabbix",
    "dev",
    "vagrant",
    "ec2-user",
    "minecraft",
    "steam",
    "odoo",
    "ansible",
    "elastic",
    "centos",
    "debian",
    "sysadmin",
    "operator",
];

pub(crate) const BAD_AGENTS: [&str; 10] = [
    "sqlmap/1.7.2#stable (https://sqlmap.org)",
    "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)",
    "masscan/1.3 (https://github.com/robertdavidgraham/masscan)",
    "Mozilla/5.0 zgrab/0.x",
    "ZmEu",
    "WPScan v3.8.22 (https://wpscan.com/wordpress-security-scanner)",
    "DirBuster-1.0-RC1 (http://www.owasp.org/index.php/Category:OWASP_DirBuster_Project)",
    "Fuzz Faster U Fool v2.1.0 ffuf/2.1.0",
    "gobuster/3.6",
    "Mozilla/5.0 (compatible; nuclei scan)",
];

pub(crate) const CRAWLERS: [&str; 2] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
];

pub(crate) const REFERERS: [&str; 4] = [
    "https://www.google.com/",
    "https://duckduckgo.com/",
    "https://news.example.net/item?id=48213",
    "https://forum.example.com/t/991",
];

const EXTENSIONS: [&str; 9] = [
    "css", "js", "png", "jpg", "svg", "woff2", "ico", "webp", "map",
];

/// What one data set's sites consist of.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub(crate) pages: Vec<String>,
    pub(crate) assets: Vec<String>,
    agents: Vec<String>,
}

impl Vocabulary {
    pub(crate) fn new(rng: &mut Rng) -> Vocabulary {
        let mut pages = vec!["/".to_owned()];
        pages.extend((0..400).map(|_| format!("/{}/{}", rng.pick(&WORDS), rng.pick(&WORDS))));
        let assets = (0..300)
            .map(|_| {
                let (folder, name) = (rng.pick(&WORDS), rng.pick(&WORDS));
                let version = rng.below(1 << 24);
                format!(
                    "/assets/{folder}/{name}-{version:06x}.{}",
                    rng.pick(&EXTENSIONS)
                )
            })
            .collect();
        let agents = (0..200).map(|_| browser(rng)).collect();
        Vocabulary {
            pages,
            assets,
            agents,
        }
    }

    /// A client keeps its browser, so the agent follows from the address.
    pub(crate) fn agent(&self, address: &str) -> String {
        self.agents[(hash(address) % self.agents.len() as u64) as usize].clone()
    }
}

fn browser(rng: &mut Rng) -> String {
    let version = rng.range(96, 131);
    let minor = rng.range(1, 7);
    match rng.below(7) {
        0 => format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/{version}.0.0.0 Safari/537.36"
        ),
        1 => format!(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like \
             Gecko) Chrome/{version}.0.0.0 Safari/537.36"
        ),
        2 => format!(
            "Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
        ),
        3 => format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{version}.0) Gecko/20100101 \
             Firefox/{version}.0"
        ),
        4 => format!(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{minor} like Mac OS X) AppleWebKit/605.1.15 \
             (KHTML, like Gecko) Version/17.{minor} Mobile/15E148 Safari/604.1"
        ),
        5 => format!(
            "Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/{version}.0.0.0 Mobile Safari/537.36"
        ),
        _ => format!(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_{minor}) AppleWebKit/605.1.15 (KHTML, like \
             Gecko) Version/17.{minor} Safari/605.1.15"
        ),
    }
}
