//! What a data set is: its options, its files with their checksums, and the attacks in it.

use serde::Serialize;

use crate::actor::Campaign;
use crate::options::Options;
use crate::time::rfc3339;

/// Changed whenever the same options give other bytes than before.
const GENERATOR_VERSION: u32 = 1;

/// The description that lies beside a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Version of the generator that made it.
    pub generator: u32,
    /// Kind of log.
    pub kind: String,
    /// The acquisition label `type` to read it with.
    pub log_type: String,
    /// The command that makes it again.
    pub command: String,
    /// Lines of all files.
    pub lines: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Time of the first line, RFC 3339.
    pub first: String,
    /// Time of the last line, RFC 3339.
    pub last: String,
    /// The files, in order of partition.
    pub files: Vec<FileEntry>,
    /// The attacks, in the order in which they were opened.
    pub campaigns: Vec<Campaign>,
}

/// One file of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// Its name, without a folder.
    pub name: String,
    /// Its number of lines.
    pub lines: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Puts a manifest together; `span` is the smallest and the largest time of a line.
    pub(crate) fn new(
        options: &Options,
        span: (i64, i64),
        files: Vec<FileEntry>,
        campaigns: Vec<Campaign>,
    ) -> Manifest {
        Manifest {
            generator: GENERATOR_VERSION,
            kind: options.kind.name().to_owned(),
            log_type: options.kind.log_type().to_owned(),
            command: command(options),
            lines: files.iter().map(|file| file.lines).sum(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            first: rfc3339(span.0),
            last: rfc3339(span.1),
            files,
            campaigns,
        }
    }

    /// The manifest as indented JSON with a final newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        match serde_json::to_string_pretty(self) {
            Ok(text) => text + "\n",
            Err(_) => unreachable!("a manifest holds only strings, numbers and lists"),
        }
    }
}

/// All options spelled out, so that a changed default changes no data set.
fn command(options: &Options) -> String {
    format!(
        "datasets {} --lines {} --seed {} --start {} --rate {} --clients {} --attackers {} \
         --attack-share {} --partitions {} --disorder {} --late {}",
        options.kind.name(),
        options.lines,
        options.seed,
        rfc3339(options.start).replace(".000000", ""),
        decimal(options.rate_milli, 3),
        options.clients,
        options.attackers,
        decimal(options.attack_ppm, 6),
        options.partitions,
        decimal(options.disorder_ms, 3),
        decimal(options.late_ppm, 6),
    )
}

/// A whole number of thousandths or millionths as a decimal without trailing zeros.
fn decimal(value: u64, places: usize) -> String {
    let one = 10u64.pow(places as u32);
    let text = format!("{}.{:0places$}", value / one, value % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_short_and_exact() {
        for (value, places, text) in [
            (0, 6, "0"),
            (50_000, 6, "0.05"),
            (2500, 3, "2.5"),
            (100_000, 3, "100"),
            (1, 6, "0.000001"),
        ] {
            assert_eq!(decimal(value, places), text);
        }
    }
}
