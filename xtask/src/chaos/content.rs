//! The job's content: our library, beside it scenarios that come and go, and files that cannot be understood.
//!
//! What is compared are the alerts of the library. Scenarios that are added have [`FOREIGN`] before their names, so
//! their alerts are known, and they do count lines: their buckets are in checkpoints like any other's.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::fault::Change;
use crate::command::root;

/// What names of scenarios begin with that nothing is said of.
pub(crate) const FOREIGN: &str = "chaos/";
/// Most scenarios that are there beside the library.
const EXTRAS_MAX: usize = 6;

/// A hub that changes.
#[derive(Debug)]
pub(crate) struct Content {
    dir: PathBuf,
    /// Numbers of what was added and is there.
    extras: Vec<u64>,
    n_changes: u64,
}

/// The hub of which this is a copy.
pub(crate) fn library() -> PathBuf {
    root().join("scenarios/library")
}

impl Content {
    /// Copies a hub.
    pub(crate) fn new(dir: PathBuf, from: &Path) -> Result<Self> {
        copy(from, &dir)?;
        fs::create_dir_all(dir.join("scenarios").join(FOREIGN))?;
        Ok(Self {
            dir,
            extras: Vec::new(),
            n_changes: 0,
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Changes files. A removal where there is nothing to remove adds.
    pub(crate) fn change(&mut self, change: Change) -> Result<()> {
        self.n_changes += 1;
        match change {
            Change::Remove if !self.extras.is_empty() => self.remove_oldest(),
            Change::Add | Change::Remove => {
                if self.extras.len() == EXTRAS_MAX {
                    self.remove_oldest()?;
                }
                self.extras.push(self.n_changes);
                let text = extra(self.n_changes);
                put(&self.extra_path(self.n_changes), &text)
            }
            Change::Describe(which) => self.describe(which),
            Change::Break { .. } => put(&self.broken_path(), "type: leaky\nname: [chaos\n  filter"),
        }
    }

    /// Takes away what was broken.
    pub(crate) fn mend(&self) -> Result<()> {
        let path = self.broken_path();
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
        Ok(())
    }

    fn remove_oldest(&mut self) -> Result<()> {
        let oldest = self.extras.remove(0);
        let path = self.extra_path(oldest);
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
    }

    fn extra_path(&self, n: u64) -> PathBuf {
        self.dir.join(format!("scenarios/{FOREIGN}extra-{n}.yaml"))
    }

    fn broken_path(&self) -> PathBuf {
        self.dir.join(format!("scenarios/{FOREIGN}broken.yaml"))
    }

    /// Other words for a scenario of the library, which go into no count.
    fn describe(&self, which: u64) -> Result<()> {
        let folder = self.dir.join("scenarios/overspill");
        let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
            .with_context(|| format!("read {}", folder.display()))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension() == Some(OsStr::new("yaml")))
            .collect();
        paths.sort();
        let path = paths
            .get(which as usize % paths.len().max(1))
            .context("a library without scenarios")?;
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        put(path, &described(&text, self.n_changes))
    }
}

/// Counts what belongs to no attack.
fn extra(n: u64) -> String {
    format!(
        "type: leaky\nname: {FOREIGN}extra-{n}\ndescription: number {n}\n\
         filter: evt.Meta.service == 'http' && evt.Meta.http_status == '200'\n\
         groupby: evt.Meta.source_ip\ncapacity: 2\nleakspeed: 20s\n\
         labels: {{ remediation: false }}\n"
    )
}

/// A file of items in which the description is another.
fn described(text: &str, n: u64) -> String {
    text.lines()
        .map(|line| match line.starts_with("description:") {
            true => format!("description: \"in other words, {n}\"\n"),
            false => format!("{line}\n"),
        })
        .collect()
}

/// Nobody sees half of it.
fn put(path: &Path, text: &str) -> Result<()> {
    let whole = path.with_extension("new");
    fs::write(&whole, text).with_context(|| format!("write {}", whole.display()))?;
    fs::rename(&whole, path).with_context(|| format!("write {}", path.display()))
}

/// Copies a directory without what is hidden.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_can_be_removed_and_nothing_of_the_library_is() {
        let dir = std::env::temp_dir().join(format!("chaos-content-{}", std::process::id()));
        let mut content = Content::new(dir.clone(), &library()).unwrap();
        let names = |folder: &str| {
            let entries = fs::read_dir(dir.join("scenarios").join(folder)).unwrap();
            entries.count()
        };
        let n_library = names("overspill");
        assert!(n_library > 10 && !dir.join(".tests").exists());
        content.change(Change::Remove).unwrap();
        assert_eq!(names("chaos"), 1);
        content.change(Change::Break { for_ms: 0 }).unwrap();
        assert_eq!(names("chaos"), 2);
        content.mend().unwrap();
        content.mend().unwrap();
        content.change(Change::Remove).unwrap();
        assert_eq!(names("chaos"), 0);
        for _ in 0..20 {
            content.change(Change::Add).unwrap();
        }
        assert_eq!(names("chaos"), EXTRAS_MAX);
        content.change(Change::Describe(7)).unwrap();
        assert_eq!(names("overspill"), n_library);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_description_is_all_that_changes() {
        let text = "name: a\ndescription: \"x\"\nfilter: description\n";
        assert_eq!(
            described(text, 3),
            "name: a\ndescription: \"in other words, 3\"\nfilter: description\n"
        );
    }
}
