//! The command line of the `datasets` program, from words to [`Options`].

use std::path::PathBuf;

use crate::flood::Flood;
use crate::options::{Kind, Options};
use crate::time;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Explain the program.
    Help,
    /// Make a data set.
    Make {
        /// What it is made from.
        options: Options,
        /// Where it goes; standard output without a manifest when absent.
        out: Option<PathBuf>,
        /// Write a compressed copy as well.
        gzip: bool,
        /// Write all lines to one Parquet file as well.
        parquet: bool,
    },
    /// Write a log in which one thing never repeats, to standard output.
    Flood {
        /// What never repeats.
        flood: Flood,
        /// How many lines.
        lines: u64,
    },
    /// Write the two small GeoIP databases.
    Geo {
        /// The folder they go to.
        out: PathBuf,
    },
}

impl Command {
    /// The text that `--help` prints.
    pub const HELP: &'static str = "\
Makes logs with known attacks in them. The same options always give the same bytes.

  datasets nginx --lines 1000000 --out access.log
  datasets sshd --lines 200000 --partitions 3 --disorder 5 --late 0.01 --out auth.log
  datasets geoip --out FOLDER
  datasets flood WHAT --lines N > FILE

KIND is nginx, sshd, k8s, k8s-audit or mixed.
  --lines N           lines in all (100000)
  --seed N            what chance starts from (1)
  --start TIME        time of the first line, as 2024-03-10T06:00:00Z
  --rate N            lines for each second of log time (100)
  --clients N         ordinary web clients (5000)
  --attackers N       attacking addresses (400)
  --attack-share S    share of the lines that are attacks (0.05)
  --partitions N      files to spread the stream over; each attacker is in all of them (1)
  --disorder SECONDS  by how much a line may come after later ones (0)
  --late S            share of the lines that come later still (0)
  --out FILE          the file, with FILE.manifest.json beside it (standard output, no manifest)
  --gzip              write FILE.gz as well
  --parquet           write all lines to one Parquet file as well, its name FILE with the extension
                      .parquet (needs the feature `parquet`)

flood writes lines in which WHAT is new each time: agents, addresses, urls, programs or users.
geoip writes GeoLite2-City.mmdb and GeoLite2-ASN.mmdb that know only the networks kept for
documentation (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32).
";
}

/// Reads the words after the program's name.
///
/// # Errors
/// A sentence for the user that says which word is wrong.
pub fn parse_arguments(words: &[String]) -> Result<Command, String> {
    let mut words = words.iter().map(String::as_str);
    let kind = match words.next() {
        None | Some("-h" | "--help" | "help") => return Ok(Command::Help),
        Some("geoip") => return geoip(&mut words),
        Some("flood") => return flood(&mut words),
        Some(name) => Kind::from_name(name).ok_or_else(|| {
            let kinds: Vec<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
            format!("`{name}` is no kind of log; there are {}", kinds.join(", "))
        })?,
    };
    let mut options = Options::new(kind);
    let (mut out, mut gzip, mut parquet) = (None, false, false);
    while let Some(flag) = words.next() {
        match flag {
            "-h" | "--help" => return Ok(Command::Help),
            "--gzip" => {
                gzip = true;
                continue;
            }
            "--parquet" => {
                parquet = true;
                continue;
            }
            _ => (),
        }
        let value = words
            .next()
            .ok_or_else(|| format!("{flag} needs a value"))?;
        let wrong = || format!("{flag}: `{value}` is not understood");
        let number = || value.parse::<u64>().map_err(|_| wrong());
        let scaled = |places| decimal(value, places).ok_or_else(wrong);
        options = match flag {
            "--lines" | "-n" => options.lines(number()?),
            "--seed" => options.seed(number()?),
            "--start" => options.start_us(time::parse(value).ok_or_else(wrong)?),
            "--rate" => options.rate_milli(scaled(3)?),
            "--clients" => options.clients(number()?),
            "--attackers" => options.attackers(number()?),
            "--attack-share" => options.attack_ppm(scaled(6)?),
            "--partitions" => options.partitions(number()?),
            "--disorder" => options.disorder_ms(scaled(3)?),
            "--late" => options.late_ppm(scaled(6)?),
            "--out" | "-o" => {
                out = Some(PathBuf::from(value));
                options
            }
            _ => return Err(format!("`{flag}` is no option; see --help")),
        };
    }
    options.check().map_err(|error| error.to_string())?;
    for (flag, given) in [("--gzip", gzip), ("--parquet", parquet)] {
        if given && out.is_none() {
            return Err(format!("{flag} needs --out"));
        }
    }
    let is_parquet = |path: &PathBuf| path.extension().is_some_and(|e| e == "parquet");
    if parquet && out.as_ref().is_some_and(is_parquet) {
        return Err("--parquet: FILE itself needs another extension".to_owned());
    }
    if parquet && cfg!(not(feature = "parquet")) {
        return Err("--parquet needs a program built with `--features parquet`".to_owned());
    }
    Ok(Command::Make {
        options,
        out,
        gzip,
        parquet,
    })
}

fn flood<'w>(words: &mut impl Iterator<Item = &'w str>) -> Result<Command, String> {
    let flood = words.next().and_then(Flood::from_name);
    let lines = match (words.next(), words.next(), words.next()) {
        (Some("--lines" | "-n"), Some(lines), None) => lines.parse().ok(),
        _ => None,
    };
    match (flood, lines) {
        (Some(flood), Some(lines)) => Ok(Command::Flood { flood, lines }),
        _ => {
            let floods: Vec<&str> = Flood::ALL.into_iter().map(Flood::name).collect();
            Err(format!(
                "flood takes one of {} and --lines N, and nothing else",
                floods.join(", ")
            ))
        }
    }
}

fn geoip<'w>(words: &mut impl Iterator<Item = &'w str>) -> Result<Command, String> {
    match (words.next(), words.next(), words.next()) {
        (Some("--out" | "-o"), Some(out), None) => Ok(Command::Geo {
            out: PathBuf::from(out),
        }),
        _ => Err("geoip takes --out FOLDER and nothing else".to_owned()),
    }
}

/// `12.5` with three places is 12500; more digits than places are refused.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > places || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse_arguments(&words)
    }

    #[test]
    fn decimals_are_read_exactly() {
        for (text, expected) in [
            ("0.05", Some(50_000)),
            ("1", Some(1_000_000)),
            ("0.000001", Some(1)),
            ("0.0000001", None),
            (".5", None),
            ("-1", None),
            ("1e3", None),
            ("", None),
        ] {
            assert_eq!(decimal(text, 6), expected, "{text}");
        }
    }

    #[test]
    fn all_options_are_understood() {
        let command = parse(
            "sshd --lines 10 --seed 2 --start 2024-01-02 --rate 2.5 --clients 3 --attackers 4 \
             --attack-share 0.5 --partitions 6 --disorder 1.5 --late 0.25 --out a.log --gzip",
        );
        let options = Options::new(Kind::Sshd)
            .lines(10)
            .seed(2)
            .start_us(1_704_153_600_000_000)
            .rate_milli(2500)
            .clients(3)
            .attackers(4)
            .attack_ppm(500_000)
            .partitions(6)
            .disorder_ms(1500)
            .late_ppm(250_000);
        let out = Some(PathBuf::from("a.log"));
        assert_eq!(
            command,
            Ok(Command::Make {
                options,
                out,
                gzip: true,
                parquet: false
            })
        );
    }

    #[test]
    fn a_flood_has_a_name_and_a_size() {
        let expected = Command::Flood {
            flood: Flood::Urls,
            lines: 7,
        };
        assert_eq!(parse("flood urls --lines 7"), Ok(expected));
        for line in [
            "flood",
            "flood water --lines 7",
            "flood urls",
            "flood urls --lines 7 --gzip",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, message) in [
            (
                "apache",
                "`apache` is no kind of log; there are nginx, sshd, k8s, k8s-audit, mixed",
            ),
            ("nginx --lines", "--lines needs a value"),
            ("nginx --lines x", "--lines: `x` is not understood"),
            ("nginx --speed 3", "`--speed` is no option; see --help"),
            (
                "nginx --partitions 0",
                "partitions is 0, which is not in 1..=1024",
            ),
            ("nginx --gzip", "--gzip needs --out"),
            (
                "nginx --parquet --out a.parquet",
                "--parquet: FILE itself needs another extension",
            ),
            ("geoip", "geoip takes --out FOLDER and nothing else"),
            (
                "geoip --out a --seed 2",
                "geoip takes --out FOLDER and nothing else",
            ),
        ] {
            assert_eq!(parse(line), Err(message.to_owned()));
        }
        assert_eq!(parse(""), Ok(Command::Help));
        let out = PathBuf::from("data");
        assert_eq!(parse("geoip --out data"), Ok(Command::Geo { out }));
    }
}
