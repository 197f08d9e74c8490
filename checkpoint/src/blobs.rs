//! Where objects lie: a directory, an object store, or memory for tests.
//!
//! The contract is small, so that everything can keep it. An object has a name, appears whole or not at all,
//! and is never changed afterwards: there is no operation that replaces one. [`Blobs::put_if_absent`] is the
//! one operation that others can race for, and exactly one of them wins. Lists are current: they show what was
//! put before they were asked for.

pub(crate) mod local;
pub(crate) mod memory;
#[cfg(feature = "object-store")]
pub(crate) mod objects;

use std::io;
use std::path::Path;
use std::sync::Arc;

use self::local::LocalBlobs;

/// What was being done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A store was opened.
    Open,
    /// An object was written.
    Write,
    /// An object was read.
    Read,
    /// Names were listed.
    List,
    /// An object was deleted.
    Delete,
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Write => "write",
            Self::Read => "read",
            Self::List => "list",
            Self::Delete => "delete",
        })
    }
}

/// Why an operation failed, as far as the answer to it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no room.
    Full,
    /// It is not allowed, and will not be unless somebody changes that.
    Denied,
    /// The address, or the store, cannot be used for checkpoints.
    Unsuitable,
    /// Anything else; it may pass.
    Other,
}

/// An operation on a store that failed. Whether a write was done is not known.
#[derive(Debug, thiserror::Error)]
#[error("{op} {name}")]
pub struct BlobError {
    /// What was being done.
    pub op: Op,
    /// The object, or the store, with where it lies.
    pub name: String,
    /// What kind of failure it is.
    pub fault: Fault,
    /// What the system or the server said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl BlobError {
    /// An error of the system.
    #[must_use]
    pub fn io(op: Op, name: String, source: io::Error) -> Self {
        let fault = match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Fault::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Fault::Denied,
            io::ErrorKind::Unsupported
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidInput => Fault::Unsuitable,
            _ => Fault::Other,
        };
        Self {
            op,
            name,
            fault,
            source: Box::new(source),
        }
    }

    /// Whether the same may succeed later without anybody changing the configuration.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self.fault, Fault::Full | Fault::Other)
    }
}

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is there, and this made it.
    Written,
    /// An object of this name was there; it is as it was.
    Exists,
}

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A store of objects that are never changed.
///
/// Names are paths: parts of letters, digits, `.`, `-` and `_`, divided by `/`, none of which begins with a dot.
/// Every call blocks until it is done, so none belongs on a thread that has to answer.
pub trait Blobs: std::fmt::Debug + Send + Sync {
    /// Writes an object, durably, unless there is one of this name. Of any number of callers one wins.
    ///
    /// # Errors
    /// When it is not known that the object is there, or that it was there.
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<Put, BlobError>;

    /// The bytes of an object, or nothing if there is no such object.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BlobError>;

    /// Bytes of an object from an offset on; fewer than were asked for when it ends before.
    ///
    /// # Errors
    /// When they cannot be read.
    fn get_range(&self, name: &str, offset: u64, length: u64)
    -> Result<Option<Vec<u8>>, BlobError>;

    /// All objects below a folder, by name. The folder's name ends with `/`.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn list(&self, folder: &str) -> Result<Vec<Listed>, BlobError>;

    /// Deletes an object; one that is not there is no error.
    ///
    /// # Errors
    /// When it may still be there.
    fn delete(&self, name: &str) -> Result<(), BlobError>;

    /// Deletes what writes that died have left beside the objects, if it is older than a moment (nanoseconds since 1970).
    ///
    /// # Errors
    /// When it cannot be looked for.
    fn sweep(&self, older_than_ns: i64) -> Result<(), BlobError> {
        let _nothing_is_left = older_than_ns;
        Ok(())
    }

    /// Where the store is, for messages.
    fn address(&self) -> String;
}

/// Opens the store of an address, and makes a directory that is not there: a directory, `file://` and a directory,
/// or, in builds with the feature `object-store`, what that knows (`s3://bucket/prefix`, `gs://`, `az://`).
///
/// # Errors
/// When there is no such store, or it cannot be opened.
pub fn open_store(address: &str) -> Result<Arc<dyn Blobs>, BlobError> {
    match local(address) {
        Ok(path) => Ok(Arc::new(LocalBlobs::open(path)?)),
        Err(scheme) => open_objects(scheme, address),
    }
}

/// The same for who only looks: a directory has to be there, and nothing is made.
///
/// # Errors
/// As [`open_store`].
pub fn find_store(address: &str) -> Result<Arc<dyn Blobs>, BlobError> {
    match local(address) {
        Ok(path) => Ok(Arc::new(LocalBlobs::find(path)?)),
        Err(scheme) => open_objects(scheme, address),
    }
}

/// The directory that an address names, or else its scheme.
fn local(address: &str) -> Result<&Path, &str> {
    match address.split_once("://") {
        None => Ok(Path::new(address)),
        Some(("file", path)) => Ok(Path::new(path)),
        Some((scheme, _)) => Err(scheme),
    }
}

#[cfg(feature = "object-store")]
fn open_objects(scheme: &str, address: &str) -> Result<Arc<dyn Blobs>, BlobError> {
    if matches!(scheme, "http" | "https") {
        // A web server has neither conditional writes nor lists.
        return Err(unsuitable(address, "a web server cannot hold checkpoints"));
    }
    Ok(Arc::new(objects::ObjectBlobs::open(address)?))
}

#[cfg(not(feature = "object-store"))]
fn open_objects(scheme: &str, address: &str) -> Result<Arc<dyn Blobs>, BlobError> {
    let reason = format!("{scheme}:// needs a build with --features object-store");
    Err(unsuitable(address, &reason))
}

fn unsuitable(address: &str, reason: &str) -> BlobError {
    BlobError {
        op: Op::Open,
        name: address.to_owned(),
        fault: Fault::Unsuitable,
        source: reason.into(),
    }
}

/// Whether a text can be the name of an object. Manifests are not believed, so theirs are looked at as well.
pub(crate) fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    name.len() <= 512 && name.split('/').all(is_part)
}
