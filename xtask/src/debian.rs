//! Debian packages: fetched and unpacked into the build directory, never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::target_dir;

/// Unpacks packages into one folder, unless `proof` is there already, and gives the folder.
pub(crate) fn unpacked(folder: &str, packages: &[&str], proof: &str) -> Result<PathBuf> {
    let dir = target_dir().join(folder);
    let root = dir.join("package");
    if root.join(proof).exists() {
        return Ok(root);
    }
    fs::create_dir_all(&root)?;
    let download = |packages: &[&str]| -> Result<bool> {
        let status = Command::new("apt-get")
            // Root would be told that it cannot change to a user that cannot write here.
            .args(["download", "-q", "-o", "APT::Sandbox::User=root"])
            .args(packages)
            .stdout(std::process::Stdio::null())
            .current_dir(&dir)
            .status()
            .context("run apt-get")?;
        Ok(status.success())
    };
    if !download(packages)? {
        // The list of packages may be old, or not there at all.
        let updated = Command::new("apt-get").args(["update", "-q"]).output()?;
        if !updated.status.success() || !download(packages)? {
            bail!("cannot fetch Debian's {}", packages.join(", "));
        }
    }
    for package in packages {
        unpack(&dir, package, &root)?;
    }
    if !root.join(proof).exists() {
        bail!("Debian's {} came without {proof}", packages.join(", "));
    }
    Ok(root)
}

fn unpack(dir: &Path, package: &str, root: &Path) -> Result<()> {
    let prefix = format!("{package}_");
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(".deb")
    };
    let mut files = fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    let file = files
        .find(is_it)
        .with_context(|| format!("no file of {package}"))?;
    let status = Command::new("dpkg")
        .arg("-x")
        .args([&file, root])
        .status()
        .context("run dpkg")?;
    if !status.success() {
        bail!("cannot unpack {}", file.display());
    }
    Ok(())
}
