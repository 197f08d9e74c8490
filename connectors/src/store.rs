//! Objects of a cloud or web server, by address: `s3://`, `gs://`, `az://`, `abfss://`, `http(s)://`,
//! `memory://`.
//!
//! Built only with the feature `object-store`, for it brings a TLS stack and an HTTP client. Settings
//! and credentials come from the environment by the names that each cloud's own tools have
//! (`AWS_ENDPOINT`, `AWS_ACCESS_KEY_ID`, `AWS_ALLOW_HTTP`, `GOOGLE_SERVICE_ACCOUNT`,
//! `AZURE_STORAGE_ACCOUNT_NAME`, ...). An object is read in ranges, and only as long as it is the one that was
//! found: one that changes meanwhile is an error.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, parse_url_opts};
use tokio::runtime::Runtime;
use url::Url;

use crate::blob::Blob;
use crate::input::{FILES_MAX, InputError};

/// What is asked for at least in one request.
const BLOCK_BYTES: usize = 4 << 20;
/// Threads that speak to servers.
const THREADS: usize = 2;

/// An object that was found.
#[derive(Clone)]
pub struct Object {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object")
            .field("location", &self.meta.location)
            .finish_non_exhaustive()
    }
}

fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    // One process-wide choice; a second one is refused, which is as well.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("objects")
        .enable_all()
        .build()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// Settings of the clients, by name.
type Settings = Vec<(String, String)>;

/// The store of an address, one for each scheme and host.
fn store(
    url: &Url,
    settings: Settings,
) -> Result<(Arc<dyn ObjectStore>, Path), object_store::Error> {
    static STORES: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>> = Mutex::new(BTreeMap::new());
    let (store, path) = parse_url_opts(url, settings)?;
    let key = format!("{}://{}", url.scheme(), url.authority());
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    let store = stores.entry(key).or_insert_with(|| Arc::from(store));
    Ok((Arc::clone(store), path))
}

/// The objects that an address stands for, with their addresses, in the order of these: one object, all below
/// a prefix whose names do not begin with a dot, or those that a pattern with `*` or `[` names.
///
/// # Errors
/// [`InputError`] when it stands for nothing, or the server does not answer.
pub fn find(name: &str) -> Result<Vec<(String, Object)>, InputError> {
    let settings = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
    find_with(name, settings.collect())
}

fn find_with(name: &str, settings: Settings) -> Result<Vec<(String, Object)>, InputError> {
    let failed = |reason: String| InputError::Objects {
        name: name.to_owned(),
        reason,
    };
    let pattern_at = name.find(['*', '[']);
    let base = match pattern_at {
        Some(at) => &name[..name[..at].rfind('/').map_or(0, |slash| slash + 1)],
        None => name,
    };
    let url = Url::parse(base).map_err(|error| failed(error.to_string()))?;
    let (store, path) = store(&url, settings).map_err(|error| failed(chain(&error)))?;
    let runtime = runtime().map_err(|error| failed(error.to_string()))?;
    let is_web = matches!(url.scheme(), "http" | "https");
    if pattern_at.is_none()
        && !path.as_ref().is_empty()
        && let Some(meta) = one(runtime, &*store, &path, is_web).map_err(failed)?
    {
        return Ok(vec![(name.to_owned(), Object { store, meta })]);
    }
    let root = base.strip_suffix(path.as_ref()).unwrap_or_else(|| {
        base.trim_end_matches('/')
            .strip_suffix(path.as_ref())
            .unwrap_or(base)
    });
    let pattern = match pattern_at {
        Some(_) => Some(
            glob::Pattern::new(name).map_err(|error| failed(format!("bad pattern: {error}")))?,
        ),
        None => None,
    };
    let metas = runtime
        .block_on(list(&*store, &path))
        .map_err(|error| failed(chain(&error)))?
        .ok_or(InputError::TooMany)?;
    let mut objects: Vec<(String, Object)> = metas
        .into_iter()
        .filter(|meta| {
            !meta
                .location
                .filename()
                .is_some_and(|name| name.starts_with('.'))
        })
        .map(|meta| {
            let address = format!("{}/{}", root.trim_end_matches('/'), meta.location);
            let store = Arc::clone(&store);
            (address, Object { store, meta })
        })
        .filter(|(address, _)| {
            let options = glob::MatchOptions {
                require_literal_separator: true,
                ..glob::MatchOptions::default()
            };
            pattern
                .as_ref()
                .is_none_or(|pattern| pattern.matches_with(address, options))
        })
        .collect();
    if objects.is_empty() {
        return Err(failed("no object there".into()));
    }
    objects.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(objects)
}

/// The object of exactly this path, if it is one.
fn one(
    runtime: &Runtime,
    store: &dyn ObjectStore,
    path: &Path,
    is_web: bool,
) -> Result<Option<ObjectMeta>, String> {
    match runtime.block_on(store.head(path)) {
        Ok(meta) => Ok(Some(meta)),
        // A web server has no lists.
        Err(object_store::Error::NotFound { .. }) if !is_web => Ok(None),
        Err(error) => Err(chain(&error)),
    }
}

async fn list(
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Option<Vec<ObjectMeta>>, object_store::Error> {
    let mut found = store.list(Some(path));
    let mut metas = Vec::new();
    while let Some(meta) = found.try_next().await? {
        metas.push(meta);
        if metas.len() > FILES_MAX {
            return Ok(None);
        }
    }
    Ok(Some(metas))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Wrappers like to repeat what they wrap.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

impl Blob for Object {
    fn len(&self) -> u64 {
        self.meta.size
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let end = offset
            .checked_add(len as u64)
            .filter(|end| *end <= self.meta.size)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        if len == 0 {
            return Ok(Bytes::new());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(offset..end)),
            if_match: self.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let store = Arc::clone(&self.store);
        let path = self.meta.location.clone();
        let bytes = runtime()?
            .block_on(async move { store.get_opts(&path, options).await?.bytes().await })
            .map_err(|error| io::Error::other(chain(&error)))?;
        if bytes.len() == len {
            Ok(bytes)
        } else {
            Err(io::Error::from(io::ErrorKind::UnexpectedEof))
        }
    }

    fn block_bytes(&self) -> usize {
        BLOCK_BYTES
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
