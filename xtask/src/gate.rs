//! `cargo xtask gate`: no line may become dearer unnoticed.
//!
//! Counted are instructions, by callgrind, of whole replays with the built-in library: those of a
//! longer log less those of a shorter one, so that start-up drops out. They hardly change from run to
//! run and not with the load of the machine; time does, and is not looked at. The limits are in
//! `benches/gate.toml`.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};

use crate::bench::{build, count, count_in, has_valgrind, release};
use crate::command::{has_flag, root, target_dir};

const LIMITS: &str = "benches/gate.toml";
/// Lines of the shorter and of the longer log.
const LINES: [usize; 2] = [2_000, 6_000];
/// Bytes of the shorter and of the longer hostile lines.
const HOSTILE_BYTES: [usize; 2] = [8 << 10, 16 << 10];
/// The moment that dates without a year refer to.
const NOW: &str = "2024-03-12T00:00:00Z";
/// Measured, kind of log, label `type`.
const CASES: [(&str, &str, &str); 4] = [
    ("nginx", "nginx", "nginx"),
    ("sshd", "sshd", "syslog"),
    ("mixed", "mixed", "syslog"),
    ("k8s-audit", "k8s-audit", "k8s-audit"),
];

/// A figure and the most it may be.
#[derive(Debug, Clone, PartialEq)]
struct Limit {
    name: String,
    most: f64,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    if !has_valgrind() {
        install_valgrind()?;
    }
    build()?;
    let figures = figures()?;
    if has_flag(args, "--print") {
        for (name, figure) in &figures {
            println!("\"{name}\" = {figure:.2}");
        }
        return Ok(());
    }
    let path = root().join(LIMITS);
    let text = fs::read_to_string(&path).with_context(|| format!("read {LIMITS}"))?;
    judge(&figures, &limits(&text)?)
}

/// A machine of continuous integration need not have it.
fn install_valgrind() -> Result<()> {
    println!("== no valgrind: installing it");
    for words in [&["update", "-q"][..], &["install", "-q", "-y", "valgrind"]] {
        let output = Command::new("apt-get").args(words).output();
        if !output.is_ok_and(|output| output.status.success()) {
            break;
        }
    }
    if has_valgrind() {
        return Ok(());
    }
    bail!(
        "the gate counts instructions with valgrind, which is not installed and cannot be: install \
         it (Debian: `apt-get install valgrind`) and run `cargo xtask gate` again"
    )
}

/// Everything there is a limit for. Two counts run at a time.
fn figures() -> Result<Vec<(String, f64)>> {
    let dir = target_dir().join("gate");
    fs::create_dir_all(&dir)?;
    let floor = per_line(&dir, "nginx", |log| {
        (release("bench-floor"), vec![log.into()])
    })?;
    let mut figures = vec![("floor, nginx: instructions a line".to_owned(), floor)];
    let results: Vec<Result<[f64; 2]>> = thread::scope(|scope| {
        let started: Vec<_> = CASES
            .iter()
            .map(|case| scope.spawn(|| both(&dir, case)))
            .collect();
        let join = |one: thread::ScopedJoinHandle<'_, Result<[f64; 2]>>| {
            one.join()
                .unwrap_or_else(|_| Err(anyhow!("a count panicked")))
        };
        started.into_iter().map(join).collect()
    });
    for ((name, kind, _), result) in CASES.iter().zip(results) {
        let [fast, reference] = result?;
        figures.push((format!("{name}: instructions a line"), fast));
        figures.push((
            format!("{name}: of the reference matcher's, in percent"),
            100.0 * fast / reference,
        ));
        if *kind == "nginx" {
            figures.push((format!("{name}: times the floor"), fast / floor));
        }
    }
    figures.extend(hostile()?);
    Ok(figures)
}

/// Lines made to hurt, all fills in all places: what a byte takes, and what lines of twice the size
/// do. One pair that grows with the square of the size moves the sum of all.
fn hostile() -> Result<[(String, f64); 2]> {
    let count = |size: usize| -> Result<f64> {
        let args = ["--fills", "1", "--lines", "1", "--size", &size.to_string()];
        let program = release("bench-hostile");
        Ok(count_in(
            "bench_hostile::measured",
            &program,
            &args.map(OsString::from),
        )? as f64)
    };
    let [short, long] = HOSTILE_BYTES.map(count);
    let (short, long) = (short?, long?);
    Ok([
        ("hostile lines: twice the size".to_owned(), long / short),
        (
            "hostile lines: instructions a KiB, all pairs".to_owned(),
            long * 1_024.0 / HOSTILE_BYTES[1] as f64,
        ),
    ])
}

/// As it runs, and on plain regexes without an index.
fn both(dir: &Path, (_, kind, log_type): &(&str, &str, &str)) -> Result<[f64; 2]> {
    let replay = |more: &'static [&'static str]| {
        per_line(dir, kind, move |log| {
            let mut args: Vec<OsString> = vec!["replay".into(), log.into()];
            args.extend(["--type", log_type, "--now", NOW, "-o", "json"].map(OsString::from));
            args.extend(more.iter().map(OsString::from));
            (release("overspill"), args)
        })
    };
    Ok([replay(&[])?, replay(&["--reference-matcher"])?])
}

fn per_line(
    dir: &Path,
    kind: &str,
    command: impl Fn(&Path) -> (std::path::PathBuf, Vec<OsString>),
) -> Result<f64> {
    let mut counts = [0.0; 2];
    for (count_of, lines) in counts.iter_mut().zip(LINES) {
        let log = dir.join(format!("{kind}-{lines}.log"));
        if !log.exists() {
            let output = Command::new(release("datasets"))
                .args([kind, "--lines", &lines.to_string()])
                .output()
                .context("run the generator")?;
            if !output.status.success() {
                bail!("the generator failed");
            }
            fs::write(&log, output.stdout)?;
        }
        let (program, args) = command(&log);
        *count_of = count(&program, &args)? as f64;
    }
    let [few, many] = LINES;
    let [low, high] = counts;
    Ok((high - low) / (many - few) as f64)
}

/// Prints each figure beside its limit; fails if one is above.
fn judge(figures: &[(String, f64)], limits: &[Limit]) -> Result<()> {
    let mut bad = Vec::new();
    for (name, figure) in figures {
        let Some(limit) = limits.iter().find(|limit| limit.name == *name) else {
            bail!(
                "{LIMITS} has no limit for {name:?}; `cargo xtask gate --print` gives the figure"
            );
        };
        let is_above = *figure > limit.most;
        println!(
            "{} {name}: {figure:.2}, at most {:.2}",
            if is_above { "ABOVE" } else { "  ok " },
            limit.most
        );
        if is_above {
            bad.push(format!(
                "{name} ({:+.0} %)",
                100.0 * (figure / limit.most - 1.0)
            ));
        }
    }
    if let Some(limit) = limits
        .iter()
        .find(|limit| figures.iter().all(|(name, _)| *name != limit.name))
    {
        bail!(
            "{LIMITS} has a limit for {:?}, which is not measured",
            limit.name
        );
    }
    if bad.is_empty() {
        return Ok(());
    }
    bail!(
        "a line has become dearer: {}.\n\
         Instructions are counted, so a busy machine is not the reason. Compare with the commit \
         before: `valgrind --tool=callgrind target/release/overspill replay LOG --type nginx`, then \
         `callgrind_annotate`. If the new cost is meant, say why in the commit and move the limit: \
         `cargo xtask gate --print` gives the figures, and {LIMITS} says what slack to leave.",
        bad.join(", ")
    )
}

/// `"name" = number` a line; `slack = N` is a percentage that is added to those below it.
fn limits(text: &str) -> Result<Vec<Limit>> {
    let mut slack = 0.0;
    let mut limits = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '[']) {
            continue;
        }
        let wrong = || {
            anyhow!(
                "{LIMITS}:{}: {line:?} is no `\"name\" = number`",
                number + 1
            )
        };
        let (name, value) = line.rsplit_once('=').ok_or_else(wrong)?;
        let value: f64 = value.trim().parse().map_err(|_| wrong())?;
        let name = name.trim();
        if name == "slack" {
            slack = value;
            continue;
        }
        let name = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'));
        limits.push(Limit {
            name: name.ok_or_else(wrong)?.to_owned(),
            most: value * (1.0 + slack / 100.0),
        });
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_is_added_to_what_stands_below_it() {
        let limits =
            limits("# why\n[limits]\nslack = 10\n\"a = b\" = 200\nslack = 0\n\"c\" = 3.5\n");
        let expected = [("a = b", 220.0), ("c", 3.5)];
        let limits: Vec<(String, f64)> = limits
            .unwrap()
            .into_iter()
            .map(|limit| (limit.name, (limit.most * 1e6).round() / 1e6))
            .collect();
        assert_eq!(limits, expected.map(|(name, most)| (name.to_owned(), most)));
    }

    #[test]
    fn a_line_that_is_no_limit_is_named() {
        for text in ["a = 1", "\"a\" = much", "\"a\""] {
            let error = limits(text).unwrap_err().to_string();
            assert!(error.contains("gate.toml:1"), "{error}");
        }
    }

    #[test]
    fn a_figure_above_its_limit_fails_and_says_what_to_do() {
        let limits = limits("\"a\" = 10\n").unwrap();
        assert!(judge(&[("a".to_owned(), 10.0)], &limits).is_ok());
        let error = judge(&[("a".to_owned(), 12.0)], &limits)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("a (+20 %)") && error.contains("--print"),
            "{error}"
        );
    }

    #[test]
    fn a_figure_without_a_limit_and_a_limit_without_a_figure_fail() {
        let limits = limits("\"a\" = 10\n").unwrap();
        assert!(judge(&[("b".to_owned(), 1.0)], &limits).is_err());
        assert!(judge(&[], &limits).is_err());
    }
}
