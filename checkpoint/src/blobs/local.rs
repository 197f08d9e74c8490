//! A directory as a store.
//!
//! ```text
//!  root/tmp/PID-N    written, fsynced        --link-->   root/log/...  --fsync of the folder-->  durable
//!        |  left by a process that died: swept                |
//!        +--unlinked                                          +-- fails if the name is taken: one wins
//! ```
//!
//! A link, not a rename: renaming would replace an object that somebody else has made meanwhile. A reader finds an object
//! whole or not at all, and what `put_if_absent` has answered `Written` for survives the machine.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use super::{BlobError, Blobs, Listed, Op, Put, is_name};

/// Where objects are written before they get their names.
const TEMPORARY: &str = "tmp";
/// Folders deeper than that are not ours.
const DEPTH_MAX: usize = 4;

/// Objects as files of a directory that belongs to checkpoints alone.
#[derive(Debug)]
pub struct LocalBlobs {
    root: PathBuf,
}

impl LocalBlobs {
    /// Opens a directory, or makes it. Only its owner may look into it: states hold what log lines held.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> Result<Self, BlobError> {
        let opened = make_dir(&root.join(TEMPORARY));
        opened.map_err(|error| BlobError::io(Op::Open, root.display().to_string(), error))?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Opens a directory that is there, and makes nothing.
    ///
    /// # Errors
    /// When it is not there.
    pub fn find(root: &Path) -> Result<Self, BlobError> {
        match fs::read_dir(root) {
            Ok(_) => Ok(Self {
                root: root.to_owned(),
            }),
            Err(error) => Err(BlobError::io(Op::Open, root.display().to_string(), error)),
        }
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        if is_name(name) {
            Ok(self.root.join(name))
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not the name of an object",
            ))
        }
    }

    fn failed(&self, op: Op, name: &str) -> impl Fn(io::Error) -> BlobError {
        let name = self.root.join(name).display().to_string();
        move |error| BlobError::io(op, name.clone(), error)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<Put> {
        let path = self.path(name)?;
        let folder = path.parent().unwrap_or(&self.root);
        make_dir(folder)?;
        // Most races are lost long before; that saves the bytes.
        if path.try_exists()? {
            sync_dir(folder)?;
            return Ok(Put::Exists);
        }
        let temporary = Temporary::write(&self.root.join(TEMPORARY), bytes)?;
        let mut linked = fs::hard_link(&temporary.path, &path);
        if matches!(&linked, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            // Deleting its last object has taken the folder away meanwhile.
            make_dir(folder)?;
            linked = fs::hard_link(&temporary.path, &path);
        }
        let put = match linked {
            Ok(()) => Put::Written,
            // A server of files may have made the link and lost the answer.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match fs::metadata(&temporary.path)?.nlink() {
                    2 => Put::Written,
                    _ => Put::Exists,
                }
            }
            Err(error) => return Err(error),
        };
        sync_dir(folder)?;
        Ok(put)
    }
}

/// A file without a name of its own, removed when it goes out of scope.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn write(folder: &Path, bytes: &[u8]) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{}-{n}", std::process::id()));
            let opened = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            let mut file = match opened {
                Ok(file) => file,
                // A process of this number died once, or lives in another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let temporary = Self { path };
            file.write_all(bytes)?;
            // After a failed sync the pages may be gone: nothing of this file is used again.
            file.sync_all()?;
            return Ok(temporary);
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays is swept.
        let _removed = fs::remove_file(&self.path);
    }
}

/// Makes a folder and those above it, and what names them durable.
fn make_dir(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder
        .parent()
        .filter(|above| !above.as_os_str().is_empty())
    {
        make_dir(above)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        // Somebody else has made it, or it is a file.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !folder.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Err(error) => return Err(error),
    }
    match folder.parent() {
        Some(above) if !above.as_os_str().is_empty() => sync_dir(above),
        _ => sync_dir(Path::new(".")),
    }
}

fn sync_dir(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_range(path: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    if offset >= size {
        return Ok(Vec::new());
    }
    file.seek(SeekFrom::Start(offset))?;
    // What is asked for may be a lie of a damaged manifest; what there is, is not.
    let held = (size - offset).min(length);
    let mut bytes = Vec::with_capacity(usize::try_from(held).unwrap_or(0));
    file.take(held).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Files of a folder and those below it, by their names from the root on. What has no name of an object is not ours.
fn walk(root: &Path, folder: &str, depth: usize, out: &mut Vec<Listed>) -> io::Result<()> {
    let Some(entries) = found(fs::read_dir(root.join(folder)))? else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().map(|name| format!("{folder}{name}")) else {
            continue;
        };
        if !is_name(&name) {
            continue;
        }
        let Some(metadata) = found(entry.metadata())? else {
            continue;
        };
        if metadata.is_file() {
            out.push(Listed {
                name,
                bytes: metadata.len(),
            });
        } else if metadata.is_dir() && depth < DEPTH_MAX {
            walk(root, &format!("{name}/"), depth + 1, out)?;
        }
    }
    Ok(())
}

impl Blobs for LocalBlobs {
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<Put, BlobError> {
        self.write(name, bytes)
            .map_err(self.failed(Op::Write, name))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        let read = self.path(name).and_then(|path| found(fs::read(path)));
        read.map_err(self.failed(Op::Read, name))
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        length: u64,
    ) -> Result<Option<Vec<u8>>, BlobError> {
        let read = self
            .path(name)
            .and_then(|path| found(read_range(&path, offset, length)));
        read.map_err(self.failed(Op::Read, name))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, BlobError> {
        let mut listed = Vec::new();
        walk(&self.root, folder, 0, &mut listed).map_err(self.failed(Op::List, folder))?;
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    fn delete(&self, name: &str) -> Result<(), BlobError> {
        let deleted = self.path(name).and_then(|path| {
            found(fs::remove_file(&path))?;
            // A folder that is empty now goes as well; one that is not, stays.
            if let Some(folder) = path.parent().filter(|folder| *folder != self.root) {
                let _was_empty = fs::remove_dir(folder);
            }
            Ok(())
        });
        deleted.map_err(self.failed(Op::Delete, name))
    }

    fn sweep(&self, older_than_ns: i64) -> Result<(), BlobError> {
        let Ok(since_epoch) = u64::try_from(older_than_ns) else {
            return Ok(());
        };
        let older_than = UNIX_EPOCH + Duration::from_nanos(since_epoch);
        let sweep = || {
            for entry in fs::read_dir(self.root.join(TEMPORARY))? {
                let entry = entry?;
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                if modified.is_ok_and(|modified| modified < older_than) {
                    found(fs::remove_file(entry.path()))?;
                }
            }
            Ok(())
        };
        sweep().map_err(self.failed(Op::Delete, TEMPORARY))
    }

    fn address(&self) -> String {
        self.root.display().to_string()
    }
}
