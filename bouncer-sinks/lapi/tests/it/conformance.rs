//! The steps of `tests/steps`, put to our server.

use crate::debian::CrowdSec;
use crate::ours::{Ours, Subjected};
use crate::server::told;
use crate::steps::run;

fn check(name: &str, text: &str) {
    let mut subject = Subjected::new(Ours::start());
    let wrong = run(&mut subject, name, text);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn machines() {
    check("machines", include_str!("../steps/machines.yaml"));
}

#[test]
fn bouncers() {
    check("bouncers", include_str!("../steps/bouncers.yaml"));
}

#[test]
fn decisions() {
    check("decisions", include_str!("../steps/decisions.yaml"));
}

#[test]
fn alerts() {
    check("alerts", include_str!("../steps/alerts.yaml"));
}

/// What is expected of us is what CrowdSec does: the same steps, but for those that say why it does not.
#[test]
fn crowdsec_passes_the_same_steps() {
    let files = [
        ("machines", include_str!("../steps/machines.yaml")),
        ("bouncers", include_str!("../steps/bouncers.yaml")),
        ("decisions", include_str!("../steps/decisions.yaml")),
        ("alerts", include_str!("../steps/alerts.yaml")),
    ];
    let mut wrong = Vec::new();
    for (name, text) in files {
        let Some(mut subject) = told("CrowdSec of Debian", CrowdSec::start()) else {
            return;
        };
        wrong.extend(run(&mut subject, name, text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
