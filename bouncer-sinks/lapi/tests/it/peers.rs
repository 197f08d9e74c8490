//! Clients that exist: Debian's bouncers, `cscli` and log processor against our server, unmodified, in a network of their
//! own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use overspill_store::Store;

use crate::apart::{PATIENCE, Running, start, wait};
use crate::debian::{Home, packages, said};
use crate::ours::{add_bouncer, add_machine, now_ns, open};
use crate::server::told;

/// Where the API is in a network of its own.
const PORT: u16 = 8080;
/// Two networks joined by a cable: a machine with our server, and somebody outside.
struct Net {
    name: String,
    dir: tempfile::TempDir,
    store: Store,
    _server: Running,
}

const INSIDE: &str = "10.99.0.1";
const OUTSIDE: &str = "10.99.0.2";

impl Net {
    fn start() -> Result<Self, String> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static N_MADE: AtomicU32 = AtomicU32::new(0);
        let nth = N_MADE.fetch_add(1, Ordering::SeqCst);
        let name = format!("lapi-{}-{nth}", std::process::id());
        let (inside, outside) = (format!("{name}-in"), format!("{name}-out"));
        for words in [
            format!("netns add {inside}"),
            format!("netns add {outside}"),
            format!("-n {inside} link set lo up"),
            format!("-n {inside} link add eth0 type veth peer name eth0 netns {outside}"),
            format!("-n {inside} addr add {INSIDE}/24 dev eth0"),
            format!("-n {inside} link set eth0 up"),
            format!("-n {outside} addr add {OUTSIDE}/24 dev eth0"),
            format!("-n {outside} link set eth0 up"),
        ] {
            if let Err(why) = said(Command::new("ip").args(words.split_whitespace())) {
                remove(&name);
                return Err(why);
            }
        }
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let store = open(dir.path());
        let server = start(dir.path(), PORT, |program| enter(&inside, program))?;
        let net = Self {
            name,
            dir,
            store,
            _server: server,
        };
        wait("the server", || {
            net.connects(&inside, "127.0.0.1", PORT).then_some(())
        });
        Ok(net)
    }

    fn inside(&self) -> String {
        format!("{}-in", self.name)
    }

    fn outside(&self) -> String {
        format!("{}-out", self.name)
    }

    /// Whether somebody in a network gets an answer from an address.
    fn connects(&self, from: &str, address: &str, port: u16) -> bool {
        let script = format!("exec 3<>/dev/tcp/{address}/{port}");
        let mut command = enter(from, Path::new("timeout"));
        command
            .args(["1", "bash", "-c", &script])
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// A machine, and what it needs to use the API.
    fn machine(&self, name: &str) -> Result<Home, String> {
        add_machine(&self.store, name, "secret", now_ns());
        let dir = self.dir.path().join(name);
        fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        let home = Home::make(&dir, PORT)?;
        home.credentials(PORT, name, "secret")?;
        Ok(home)
    }

    fn cscli(&self, home: &Home, args: &[&str]) -> Result<String, String> {
        let mut command = enter(&self.inside(), &home.program("cscli"));
        command.arg("-c").arg(home.config()).args(args);
        said(&mut command)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

fn remove(name: &str) {
    for side in ["in", "out"] {
        let _gone = said(Command::new("ip").args(["netns", "del", &format!("{name}-{side}")]));
    }
}

/// A program in a network.
fn enter(network: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", network]).arg(program);
    command
}

/// Somebody who listens inside, for those outside to reach.
fn listener(net: &Net, port: u16) -> Running {
    let script = format!(
        "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => '{INSIDE}', LocalPort => {port}, \
         Listen => 64, ReuseAddr => 1) or die; while (my $c = $s->accept) {{ close $c }}"
    );
    let child = enter(&net.inside(), Path::new("perl"))
        .args(["-e", &script])
        .spawn()
        .unwrap();
    let running = Running(child);
    wait("the listener", || {
        net.connects(&net.outside(), INSIDE, port).then_some(())
    });
    running
}

/// Starts a bouncer and notes what it says.
fn bouncer(net: &Net, program: &Path, config: &Path, path: &str) -> Running {
    let log = fs::File::create(config.with_extension("log")).unwrap();
    let child = enter(&net.inside(), program)
        .arg("-c")
        .arg(config)
        .env("PATH", path)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Running(child)
}

fn firewall_config(net: &Net, mode: &str, key: &str) -> PathBuf {
    let dir = net.dir.path();
    let text = format!(
        "mode: {mode}\npid_dir: {dir}/\nupdate_frequency: 1s\ndaemonize: false\nlog_mode: stdout\n\
         log_dir: {dir}/\nlog_level: debug\napi_url: http://127.0.0.1:{PORT}/\napi_key: {key}\n\
         disable_ipv6: false\ndeny_action: DROP\ndeny_log: false\nsupported_decisions_types: [ban]\n\
         blacklists_ipv4: crowdsec-blacklists\nblacklists_ipv6: crowdsec6-blacklists\n\
         ipset_type: nethash\niptables_chains: [INPUT]\n\
         nftables:\n  ipv4: {{enabled: true, set-only: false, table: crowdsec, chain: crowdsec-chain}}\n  \
         ipv6: {{enabled: true, set-only: false, table: crowdsec6, chain: crowdsec6-chain}}\n\
         pf: {{anchor_name: \"\"}}\nprometheus: {{enabled: false}}\n",
        dir = dir.display()
    );
    let path = dir.join(format!("{mode}.yaml"));
    fs::write(&path, text).unwrap();
    path
}

/// Debian's bouncers, a network, and what `cscli` needs in it.
fn with_bouncers() -> Result<(PathBuf, Net, Home), String> {
    let bouncers = packages(
        "crowdsec-bouncers",
        &["crowdsec-firewall-bouncer", "crowdsec-custom-bouncer"],
        "usr/bin/crowdsec-firewall-bouncer",
    )?;
    let net = Net::start()?;
    let home = net.machine("admin")?;
    Ok((bouncers, net, home))
}

/// Bans, and sees that packets are dropped, until the ban is deleted, and until it ends.
fn drops_packets(mode: &str, programs: &str) {
    let Some((bouncers, net, home)) = told("Debian's firewall bouncer", with_bouncers()) else {
        return;
    };
    let key = add_bouncer(&net.store, "firewall", now_ns());
    let config = firewall_config(&net, mode, &key);
    let _listener = listener(&net, 7000);
    let program = bouncers.join("usr/bin/crowdsec-firewall-bouncer");
    let _bouncer = bouncer(&net, &program, &config, programs);
    wait("first pull", || {
        let row = net.store.bouncer("firewall").unwrap().unwrap();
        row.last_pull_ns
    });
    let reaches = || net.connects(&net.outside(), INSIDE, 7000);
    let waits_until = |expected: bool| {
        let log = || fs::read_to_string(config.with_extension("log")).unwrap_or_default();
        let since = Instant::now();
        while reaches() != expected {
            assert!(since.elapsed() < PATIENCE, "still {}: {}", !expected, log());
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    assert!(reaches());
    net.cscli(&home, &["decisions", "add", "-i", OUTSIDE, "-d", "4h"])
        .unwrap();
    waits_until(false);
    net.cscli(&home, &["decisions", "delete", "-i", OUTSIDE])
        .unwrap();
    waits_until(true);
    net.cscli(&home, &["decisions", "add", "-i", OUTSIDE, "-d", "6s"])
        .unwrap();
    waits_until(false);
    waits_until(true);
    // A longer ban beside a shorter one: when the shorter one ends the address stays banned.
    net.cscli(&home, &["decisions", "add", "-i", OUTSIDE, "-d", "8s"])
        .unwrap();
    waits_until(false);
    net.cscli(&home, &["decisions", "add", "-i", OUTSIDE, "-d", "4h"])
        .unwrap();
    std::thread::sleep(Duration::from_secs(13));
    waits_until(false);
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(3) {
        assert!(!reaches(), "the longer ban is gone");
    }
}

#[test]
fn a_firewall_bouncer_with_nftables_drops_packets_until_a_ban_ends() {
    drops_packets("nftables", "/usr/sbin:/usr/bin:/sbin:/bin");
}

#[test]
fn a_custom_bouncer_runs_its_program_for_what_begins_and_what_ends() {
    let Some((bouncers, net, home)) = told("Debian's custom bouncer", with_bouncers()) else {
        return;
    };
    let dir = net.dir.path();
    let (script, heard) = (dir.join("script.sh"), dir.join("heard"));
    fs::write(
        &script,
        format!("#!/bin/sh\necho \"$1 $2 $3 $4\" >> {}\n", heard.display()),
    )
    .unwrap();
    said(Command::new("chmod").arg("+x").arg(&script)).unwrap();
    let key = add_bouncer(&net.store, "custom", now_ns());
    let config = dir.join("custom.yaml");
    let text = format!(
        "bin_path: {}\nfeed_via_stdin: false\ntotal_retries: 0\nscenarios_containing: []\n\
         scenarios_not_containing: []\norigins: []\npiddir: {dir}/\nupdate_frequency: 1s\n\
         cache_retention_duration: 1s\ndaemonize: false\nlog_mode: stdout\nlog_dir: {dir}/\n\
         log_level: debug\napi_url: http://127.0.0.1:{PORT}/\napi_key: {key}\n\
         prometheus: {{enabled: false}}\n",
        script.display(),
        dir = dir.display()
    );
    fs::write(&config, text).unwrap();
    net.cscli(
        &home,
        &[
            "decisions",
            "add",
            "-i",
            "192.0.2.1",
            "-d",
            "4h",
            "-t",
            "captcha",
        ],
    )
    .unwrap();
    let program = bouncers.join("usr/bin/crowdsec-custom-bouncer");
    let _bouncer = bouncer(&net, &program, &config, "/usr/bin:/bin");
    let lines = || fs::read_to_string(&heard).unwrap_or_default();
    let hears = |words: &str| {
        wait(words, || {
            lines()
                .lines()
                .any(|line| line.starts_with(words))
                .then_some(())
        });
    };
    hears("add 192.0.2.1 14");
    net.cscli(&home, &["decisions", "add", "-i", "192.0.2.2", "-d", "1h"])
        .unwrap();
    hears("add 192.0.2.2 3");
    net.cscli(&home, &["decisions", "delete", "-i", "192.0.2.1"])
        .unwrap();
    hears("del 192.0.2.1");
    assert!(!lines().contains("del 192.0.2.2"), "{}", lines());
}

#[test]
fn cscli_of_debian_manages_decisions_and_alerts() {
    let prepared = || {
        let net = Net::start()?;
        let home = net.machine("admin")?;
        Ok::<_, String>((net, home))
    };
    let Some((net, home)) = told("Debian's cscli", prepared()) else {
        return;
    };
    let cscli = |args: &[&str]| net.cscli(&home, args);
    cscli(&["lapi", "status"]).unwrap();
    assert_eq!(
        cscli(&["decisions", "list", "-o", "json"]).unwrap().trim(),
        "null"
    );
    cscli(&["decisions", "add", "-i", "192.0.2.1", "-R", "too loud"]).unwrap();
    cscli(&["decisions", "add", "-r", "198.51.100.0/24", "-t", "captcha"]).unwrap();
    let listed = cscli(&["decisions", "list", "-o", "raw"]).unwrap();
    assert!(
        listed.contains("cscli,Ip:192.0.2.1,too loud,ban"),
        "{listed}"
    );
    assert!(listed.contains("Range:198.51.100.0/24"), "{listed}");
    let listed = cscli(&["decisions", "list", "-i", "198.51.100.7", "-o", "json"]).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["decisions"][0]["type"], "captcha", "{listed}");
    let alerts = cscli(&["alerts", "list", "-o", "json"]).unwrap();
    let alerts: serde_json::Value = serde_json::from_str(&alerts).unwrap();
    assert_eq!(alerts.as_array().unwrap().len(), 2, "{alerts}");
    let id = alerts[0]["id"].to_string();
    let inspected = cscli(&["alerts", "inspect", &id, "-o", "json"]).unwrap();
    assert!(inspected.contains("198.51.100.0/24"), "{inspected}");
    cscli(&["decisions", "delete", "-r", "198.51.100.0/24"]).unwrap();
    let listed = cscli(&["decisions", "list", "-o", "raw"]).unwrap();
    assert!(!listed.contains("198.51.100"), "{listed}");
    cscli(&["alerts", "delete", "--all"]).unwrap();
    assert_eq!(
        cscli(&["alerts", "list", "-o", "json"]).unwrap().trim(),
        "null"
    );
}

/// A parser and a scenario for one kind of line; answers where they are.
fn content(home: &Home) -> PathBuf {
    let scenario = "type: leaky\nname: test/attack\ndescription: attack\nfilter: \"evt.Line.Labels.type == 'test'\"\n\
        capacity: 2\nleakspeed: 1h\nblackhole: 1m\nlabels: {remediation: true}\n\
        groupby: evt.Parsed.source_ip\n";
    let parser = "name: test/parser\nfilter: \"evt.Line.Labels.type == 'test'\"\nonsuccess: next_stage\n\
        grok:\n  pattern: \"attack by %{IP:source_ip}\"\n  apply_on: Line.Raw\n\
        statics: [{meta: source_ip, expression: evt.Parsed.source_ip}, {meta: log_type, value: test}]\n";
    let etc = home.dir.join("etc");
    for (place, text) in [("scenarios", scenario), ("parsers/s01-parse", parser)] {
        fs::create_dir_all(etc.join(place)).unwrap();
        fs::write(etc.join(place).join("test.yaml"), text).unwrap();
    }
    let raw = "name: test/raw\nfilter: \"true\"\nonsuccess: next_stage\n\
        statics: [{parsed: message, expression: evt.Line.Raw}]\n";
    fs::create_dir_all(etc.join("parsers/s00-raw")).unwrap();
    fs::write(etc.join("parsers/s00-raw/raw.yaml"), raw).unwrap();
    etc
}

#[test]
fn a_log_processor_of_debian_pushes_its_alerts() {
    let prepared = || {
        let net = Net::start()?;
        let home = net.machine("web-1")?;
        Ok::<_, String>((net, home))
    };
    let Some((net, home)) = told("Debian's crowdsec", prepared()) else {
        return;
    };
    let etc = content(&home);
    let log = net.dir.path().join("test.log");
    fs::write(&log, "attack by 192.0.2.7\n".repeat(3)).unwrap();
    let acquis = format!("filename: {}\nlabels: {{type: test}}\n", log.display());
    fs::write(etc.join("acquis.yaml"), acquis).unwrap();
    let mut agent = enter(&net.inside(), &home.program("crowdsec"));
    agent.arg("-c").arg(home.config()).arg("-no-api");
    let told_by = fs::File::create(net.dir.path().join("agent.log")).unwrap();
    let child = agent
        .stdout(told_by.try_clone().unwrap())
        .stderr(told_by)
        .spawn()
        .unwrap();
    let _agent = Running(child);
    let banned = |what: &str| {
        let since = Instant::now();
        loop {
            // It follows the file from its end.
            let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
            writeln!(file, "attack by 192.0.2.7").unwrap();
            let mut found = Vec::new();
            let found_by = &mut |row: overspill_store::DecisionRow| found.push(row);
            net.store.active_decisions(now_ns(), found_by).unwrap();
            if let Some(row) = found.pop() {
                return row;
            }
            let agent = || {
                let file = fs::File::open(net.dir.path().join("agent.log")).unwrap();
                let lines = BufReader::new(file).lines().map_while(Result::ok);
                lines.collect::<Vec<_>>().join("\n")
            };
            assert!(since.elapsed() < PATIENCE, "no {what}: {}", agent());
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let ban = banned("ban");
    assert_eq!((&*ban.value, &*ban.scenario), ("192.0.2.7", "test/attack"));
    assert_eq!((&*ban.origin, &*ban.kind), ("crowdsec", "ban"));
    let machine = net.store.machine("web-1").unwrap().unwrap();
    assert!(machine.last_push_ns.is_some());
    assert!(
        machine.scenarios.contains("test.yaml"),
        "{}",
        machine.scenarios
    );
    assert!(
        machine.version.starts_with("v1.4.6") || machine.version.contains("1.4.6"),
        "{}",
        machine.version
    );
}
