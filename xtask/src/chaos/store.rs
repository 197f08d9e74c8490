//! The job's checkpoints, looked at and damaged from outside.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::fault::Harm;
use super::rng::Rng;

/// A directory of checkpoints.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    /// Manifests that are not whole, or whose segments are not.
    damaged: BTreeSet<PathBuf>,
}

/// A manifest as far as it matters here.
#[derive(Debug)]
struct Manifest {
    path: PathBuf,
    as_of_ns: i64,
    segments: BTreeSet<String>,
    /// What stands of partitions, as JSON.
    partitions: String,
}

impl Store {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            damaged: BTreeSet::new(),
        }
    }

    /// Checkpoints that nobody has damaged, oldest first. The log has other entries too.
    fn manifests(&self) -> Vec<Manifest> {
        let Ok(entries) = fs::read_dir(self.dir.join("log")) else {
            return Vec::new();
        };
        let paths: BTreeSet<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        let is_whole = |path: &PathBuf| !self.damaged.contains(path);
        paths
            .into_iter()
            .filter(is_whole)
            .filter_map(|path| read(&path))
            .collect()
    }

    /// Event time of the newest checkpoint.
    pub(crate) fn as_of_ns(&self) -> Option<i64> {
        Some(self.manifests().last()?.as_of_ns)
    }

    /// Whether the newest checkpoint has a place in a file.
    pub(crate) fn knows(&self, file: &Path) -> bool {
        let name = file.display().to_string();
        let newest = self.manifests().pop();
        newest.is_some_and(|newest| newest.partitions.contains(&name))
    }

    /// Names of what was written; changes when a checkpoint begins to be.
    pub(crate) fn traces(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.dir.join("tmp"), self.dir.join("segments")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path.clone());
                }
                found.insert(path);
            }
        }
        found
    }

    /// Damages the newest checkpoint, if an older one is left. Answers what was done.
    pub(crate) fn damage(&mut self, harm: Harm, rng: &mut Rng) -> Result<Option<String>> {
        let manifests = self.manifests();
        let [.., older, newest] = manifests.as_slice() else {
            return Ok(None);
        };
        let mut path = newest.path.clone();
        if harm == Harm::CutSegment {
            let older: Vec<&Manifest> = manifests.iter().rev().skip(1).collect();
            let is_needed =
                |name: &&String| older.iter().any(|other| other.segments.contains(*name));
            let Some(own) = newest.segments.iter().find(|name| !is_needed(name)) else {
                return Ok(None);
            };
            path = self.dir.join(own);
        }
        let mut bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let at = rng.below(bytes.len() as u64) as usize;
        match harm {
            Harm::Flip => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
            Harm::Cut | Harm::CutSegment => bytes.truncate(at),
            Harm::Empty => bytes.clear(),
        }
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        let lost_ms = (newest.as_of_ns - older.as_of_ns) / 1_000_000;
        let name = path.file_name().unwrap_or_default().display().to_string();
        self.damaged.insert(newest.path.clone());
        Ok(Some(format!("{name}, {lost_ms} ms back")))
    }
}

fn read(path: &Path) -> Option<Manifest> {
    let bytes = fs::read(path).ok()?;
    let body = bytes.iter().position(|byte| *byte == b'\n')? + 1;
    let entry: Value = serde_json::from_slice(bytes.get(body..)?).ok()?;
    let checkpoint = entry.get("checkpoint")?;
    let segments = checkpoint["segments"].as_array()?.iter();
    Some(Manifest {
        path: path.to_owned(),
        partitions: checkpoint["job"]["partitions"].to_string(),
        as_of_ns: checkpoint["job"]["as_of_ns"].as_i64()?,
        segments: segments
            .filter_map(|segment| Some(segment["name"].as_str()?.to_owned()))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(dir: &Path, number: u32, segments: &[&str]) {
        let segments: Vec<Value> = segments
            .iter()
            .map(|name| serde_json::json!({ "name": name }))
            .collect();
        let job = serde_json::json!({ "as_of_ns": number });
        let entry = serde_json::json!({ "checkpoint": { "job": job, "segments": segments } });
        fs::write(
            dir.join(format!("log/{number}.manifest")),
            format!("head\n{entry}"),
        )
        .unwrap();
    }

    #[test]
    fn the_last_whole_checkpoint_is_never_damaged() {
        let dir = std::env::temp_dir().join(format!("chaos-store-{}", std::process::id()));
        fs::create_dir_all(dir.join("log")).unwrap();
        fs::write(dir.join("log/1.manifest"), "head\n{\"generation\":{}}").unwrap();
        for name in ["a", "b", "c"] {
            fs::write(dir.join(name), "0123456789").unwrap();
        }
        manifest(&dir, 2, &["a"]);
        manifest(&dir, 3, &["a", "b"]);
        manifest(&dir, 4, &["b", "c"]);
        let mut store = Store::new(dir.clone());
        let mut rng = Rng::new(1, 1);
        assert_eq!(store.as_of_ns(), Some(4));
        assert!(store.damage(Harm::CutSegment, &mut rng).unwrap().is_some());
        assert!(fs::metadata(dir.join("c")).unwrap().len() < 10);
        assert_eq!(fs::metadata(dir.join("b")).unwrap().len(), 10);
        assert_eq!(store.as_of_ns(), Some(3));
        assert!(store.damage(Harm::Empty, &mut rng).unwrap().is_some());
        assert_eq!(store.as_of_ns(), Some(2));
        for harm in [Harm::Flip, Harm::Cut, Harm::Empty, Harm::CutSegment] {
            assert_eq!(store.damage(harm, &mut rng).unwrap(), None);
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
