//! An object store: S3 and what speaks its language, Google's, Azure's.
//!
//! Settings and credentials come from the environment by the names that each cloud's own tools have
//! (`AWS_ENDPOINT`, `AWS_ACCESS_KEY_ID`, ...). A conditional write is a request with `If-None-Match: *` (or what the
//! service has for it), which the service has to honour: every generation tries that once. The client tries again by itself for some minutes. A write whose answer was lost
//! may come back as [`Put::Exists`]; who cares looks at what is there.

use std::sync::{Arc, OnceLock};

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    parse_url_opts,
};
use tokio::runtime::Runtime;
use url::Url;

use super::{BlobError, Blobs, Fault, Listed, Op, Put, is_name};

/// Threads that speak to servers.
const THREADS: usize = 2;

/// Objects of a bucket, below a prefix.
pub struct ObjectBlobs {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    address: String,
}

impl std::fmt::Debug for ObjectBlobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectBlobs")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn runtime() -> std::io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    // One process-wide choice; a second one is refused, which is as well.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("checkpoints")
        .enable_all()
        .build()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

fn fault_of(error: &object_store::Error) -> Fault {
    use object_store::Error;
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Fault::Denied,
        Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::InvalidPath { .. }
        | Error::UnknownConfigurationKey { .. } => Fault::Unsuitable,
        _ => Fault::Other,
    }
}

impl ObjectBlobs {
    /// A store by its address, with settings from the environment.
    ///
    /// # Errors
    /// When the address is none, or settings are missing. Whether the server answers is not looked at.
    pub fn open(address: &str) -> Result<Self, BlobError> {
        let settings = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        Self::open_with(address, settings.collect())
    }

    /// A store by its address, with settings by the names that its service has.
    ///
    /// # Errors
    /// As [`ObjectBlobs::open`].
    pub fn open_with(address: &str, settings: Vec<(String, String)>) -> Result<Self, BlobError> {
        let unsuitable = |source: Box<dyn std::error::Error + Send + Sync>| BlobError {
            op: Op::Open,
            name: address.to_owned(),
            fault: Fault::Unsuitable,
            source,
        };
        let url = Url::parse(address).map_err(|error| unsuitable(error.into()))?;
        let (store, prefix) =
            parse_url_opts(&url, settings).map_err(|error| unsuitable(error.into()))?;
        Ok(Self {
            store: Arc::from(store),
            prefix,
            address: address.trim_end_matches('/').to_owned(),
        })
    }

    fn path(&self, name: &str) -> Path {
        let parts = name.split('/').filter(|part| !part.is_empty());
        parts.fold(self.prefix.clone(), Path::join)
    }

    fn failed(&self, op: Op, name: &str, error: object_store::Error) -> BlobError {
        BlobError {
            op,
            name: format!("{}/{name}", self.address),
            fault: fault_of(&error),
            source: error.into(),
        }
    }

    /// Waits for an answer. To be absent is an answer.
    fn wait<T>(
        &self,
        op: Op,
        name: &str,
        asked: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<Option<T>, BlobError> {
        let runtime = runtime()
            .map_err(|error| BlobError::io(op, format!("{}/{name}", self.address), error))?;
        match runtime.block_on(asked) {
            Ok(answer) => Ok(Some(answer)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(op, name, error)),
        }
    }
}

impl Blobs for ObjectBlobs {
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<Put, BlobError> {
        let path = self.path(name);
        let payload = PutPayload::from(bytes.to_vec());
        let options = PutOptions::from(PutMode::Create);
        let asked = async {
            match self.store.put_opts(&path, payload, options).await {
                Ok(_) => Ok(Put::Written),
                Err(object_store::Error::AlreadyExists { .. }) => Ok(Put::Exists),
                Err(error) => Err(error),
            }
        };
        // What is not found is the bucket.
        self.wait(Op::Write, name, asked)?.ok_or_else(|| BlobError {
            op: Op::Write,
            name: format!("{}/{name}", self.address),
            fault: Fault::Unsuitable,
            source: "there is no such bucket".into(),
        })
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        let path = self.path(name);
        let asked = async { self.store.get(&path).await?.bytes().await };
        Ok(self
            .wait(Op::Read, name, asked)?
            .map(|bytes| bytes.to_vec()))
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        length: u64,
    ) -> Result<Option<Vec<u8>>, BlobError> {
        let path = self.path(name);
        let options = GetOptions {
            range: Some(GetRange::Bounded(offset..offset.saturating_add(length))),
            ..GetOptions::default()
        };
        let asked = async { self.store.get_opts(&path, options).await?.bytes().await };
        match self.wait(Op::Read, name, asked) {
            Ok(read) => Ok(read.map(|bytes| bytes.to_vec())),
            // A server refuses a range that begins behind the end.
            Err(error) => match self.wait(Op::Read, name, self.store.head(&path))? {
                Some(meta) if meta.size <= offset || length == 0 => Ok(Some(Vec::new())),
                Some(_) => Err(error),
                None => Ok(None),
            },
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, BlobError> {
        let prefix = self.path(folder);
        let root = match self.prefix.as_ref() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let metas = self.wait(
            Op::List,
            folder,
            self.store.list(Some(&prefix)).try_collect::<Vec<_>>(),
        )?;
        let mut listed: Vec<Listed> = metas
            .unwrap_or_default()
            .into_iter()
            .filter_map(|meta| {
                let name = meta.location.as_ref().strip_prefix(&root)?.to_owned();
                is_name(&name).then_some(Listed {
                    name,
                    bytes: meta.size,
                })
            })
            .collect();
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    fn delete(&self, name: &str) -> Result<(), BlobError> {
        let path = self.path(name);
        self.wait(Op::Delete, name, self.store.delete(&path))?;
        Ok(())
    }

    fn address(&self) -> String {
        self.address.clone()
    }
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
