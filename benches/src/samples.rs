//! Generated lines.

use overspill_datasets::{Generator, Kind, Options};

/// Lines of a sample: more than the caches of one pattern or one address hold.
const LINES: usize = 2_000;
/// Lines that a sample is chosen from.
const GENERATED: u64 = 20_000;

fn lines(options: Options, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let options = options.lines(GENERATED).seed(7);
    let lines = Generator::new(&options).map(|lines| {
        lines
            .map(|line| line.text)
            .filter(|line| is_wanted(line))
            .take(LINES)
            .collect()
    });
    // The options are within their limits.
    lines.unwrap_or_default()
}

/// An nginx access log.
#[must_use]
pub fn nginx_lines() -> Vec<String> {
    lines(Options::new(Kind::Nginx), |_| true)
}

/// What sshd writes to an `auth.log` while it is attacked.
#[must_use]
pub fn sshd_lines() -> Vec<String> {
    let options = Options::new(Kind::Sshd).attack_ppm(300_000);
    lines(options, |line| line.contains(" sshd["))
}

/// The same without the syslog header.
#[must_use]
pub fn sshd_messages() -> Vec<String> {
    let message = |line: &String| Some(line.split_once("]: ")?.1.to_owned());
    sshd_lines().iter().filter_map(message).collect()
}

/// Kubernetes audit events.
#[must_use]
pub fn audit_lines() -> Vec<String> {
    lines(Options::new(Kind::K8sAudit), |_| true)
}

/// Ingress lines as a container runtime writes them.
#[must_use]
pub fn ingress_lines() -> Vec<String> {
    lines(Options::new(Kind::K8s), |line| line.contains(" stdout "))
}
