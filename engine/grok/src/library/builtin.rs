//! The patterns that come with the program, read once per process.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::expand::Definition;
use super::file::definition;

type Table = FxHashMap<Box<str>, Definition>;

/// One built-in pattern file: its name and its text.
pub(super) type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../patterns/", $folder, "/", $name)))),*]
    };
}

/// The grok library's own patterns, by subject.
pub(super) const BASE: &[File] = files!("base": "text" "network" "time" "log");

/// CrowdSec's pattern directory, one file per product, in the order it is loaded.
pub(super) const CORE: &[File] = files!("core":
    "aws" "bacula" "bro" "cowrie_honeypot" "exim" "firewalls" "haproxy" "java" "junos"
    "linux-syslog" "mcollective" "modsecurity" "mongodb" "mysql" "nagios" "nginx" "paths"
    "postgresql" "rails" "redis" "ruby" "smb" "ssh" "tcpdump");

pub(super) fn none() -> &'static Table {
    static NONE: LazyLock<Table> = LazyLock::new(Table::default);
    &NONE
}

pub(super) fn base() -> &'static Table {
    static BASE_TABLE: LazyLock<Table> = LazyLock::new(|| table(&[BASE]));
    &BASE_TABLE
}

pub(super) fn base_and_core() -> &'static Table {
    static ALL: LazyLock<Table> = LazyLock::new(|| table(&[BASE, CORE]));
    &ALL
}

fn table(folders: &[&[File]]) -> Table {
    folders
        .iter()
        .flat_map(|files| files.iter())
        .flat_map(|(_, text)| text.lines().filter_map(definition))
        .map(|(name, pattern)| (name.into(), Definition::new(pattern)))
        .collect()
}
