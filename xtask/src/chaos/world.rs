//! What a machine must have for some faults: small disks that can be filled, a clock that can be wrong.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::debian;

/// Says that we run where mounts are ours alone.
const INSIDE: &str = "OVERSPILL_CHAOS_MOUNTS";
/// Size of a disk that can be filled.
const DISK: &str = "size=48m";

/// Runs this program again where mounts are seen by nobody else and go with us. `None`: we are there already, or
/// cannot get there.
pub(crate) fn again_with_own_mounts() -> Result<Option<bool>> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(None);
    }
    for flags in [&["--mount"][..], &["--mount", "--user", "--map-root-user"]] {
        let unshare = |program: &Path| {
            let mut command = Command::new("unshare");
            command
                .args(flags)
                .args(["--propagation", "private", "--"])
                .arg(program);
            command
        };
        let tried = unshare(Path::new("true"))
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .status();
        if tried.is_ok_and(|status| status.success()) {
            let status = unshare(&std::env::current_exe()?)
                .args(std::env::args_os().skip(1))
                .env(INSIDE, "1")
                .status()
                .context("run unshare")?;
            return Ok(Some(status.success()));
        }
    }
    Ok(None)
}

/// A directory that is a disk of its own, if it can be.
#[derive(Debug)]
pub(crate) struct Disk {
    dir: PathBuf,
    is_mounted: bool,
}

impl Disk {
    pub(crate) fn new(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir)?;
        let is_mounted = std::env::var_os(INSIDE).is_some() && {
            let status = Command::new("mount")
                .args(["-t", "tmpfs", "-o", DISK, "chaos"])
                .arg(&dir)
                .stderr(Stdio::null())
                .status();
            status.is_ok_and(|status| status.success())
        };
        Ok(Self { dir, is_mounted })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn can_be_filled(&self) -> bool {
        self.is_mounted
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }

    /// Writes until there is no room.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut file = File::create(self.filler())?;
        let zeros = vec![0; 4 << 10];
        loop {
            match file.write_all(&zeros) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("fill the disk"),
            }
        }
    }

    pub(crate) fn free(&self) -> Result<()> {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Leaves what is on the disk in its directory, for it goes with us.
    pub(crate) fn keep(mut self) -> Result<()> {
        if !self.is_mounted {
            return Ok(());
        }
        self.free()?;
        let copy = self.dir.with_extension("kept");
        let status = Command::new("cp")
            .arg("-a")
            .args([&self.dir, &copy])
            .status()?;
        if !status.success() {
            bail!("cannot copy {}", self.dir.display());
        }
        self.unmount();
        fs::remove_dir(&self.dir)?;
        fs::rename(&copy, &self.dir)?;
        Ok(())
    }

    fn unmount(&mut self) {
        if std::mem::take(&mut self.is_mounted) {
            // Lazily: a job that has just been killed may still hold it.
            let _gone = Command::new("umount").arg("-l").arg(&self.dir).status();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// A clock that can be wrong: libfaketime, which reads the error from a file.
#[derive(Debug)]
pub(crate) struct FalseClock {
    file: PathBuf,
    library: PathBuf,
}

/// The library, from Debian if need be.
pub(crate) fn clock_library() -> Result<PathBuf> {
    let name = format!(
        "usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1",
        std::env::consts::ARCH
    );
    let installed = Path::new("/").join(&name);
    if installed.exists() {
        return Ok(installed);
    }
    Ok(debian::unpacked("faketime", &["libfaketime"], &name)?.join(&name))
}

impl FalseClock {
    /// A clock that is right, so far.
    pub(crate) fn new(library: &Path, file: PathBuf) -> Result<Self> {
        let clock = Self {
            file,
            library: library.to_owned(),
        };
        clock.set(0)?;
        Ok(clock)
    }

    /// Makes it wrong by so many seconds.
    pub(crate) fn set(&self, by_s: i64) -> Result<()> {
        // Never half a number.
        let whole = self.file.with_extension("new");
        fs::write(&whole, format!("{by_s:+}\n"))?;
        fs::rename(&whole, &self.file)?;
        Ok(())
    }

    /// Removes what the library leaves of processes that were killed.
    pub(crate) fn sweep(&self, pids: &BTreeSet<u32>) {
        for pid in pids {
            for name in [
                format!("faketime_shm_{pid}"),
                format!("sem.faketime_sem_{pid}"),
            ] {
                let _none = fs::remove_file(Path::new("/dev/shm").join(name));
            }
        }
    }

    /// What a program is told to have it.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let path = |path: &Path| path.display().to_string();
        [
            ("LD_PRELOAD", path(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", path(&self.file)),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DONT_RESET", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}
