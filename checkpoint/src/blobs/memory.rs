//! A store in memory, for tests of everything else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{BlobError, Blobs, Listed, Put};

/// Objects in memory. They are gone with the process.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryBlobs {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts bytes in the place of an object, as damage would.
    pub fn damage(&self, name: &str, bytes: Vec<u8>) {
        self.lock().insert(name.to_owned(), bytes);
    }
}

impl Blobs for MemoryBlobs {
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<Put, BlobError> {
        let mut objects = self.lock();
        if objects.contains_key(name) {
            return Ok(Put::Exists);
        }
        objects.insert(name.to_owned(), bytes.to_vec());
        Ok(Put::Written)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        Ok(self.lock().get(name).cloned())
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        length: u64,
    ) -> Result<Option<Vec<u8>>, BlobError> {
        Ok(self.lock().get(name).map(|bytes| {
            let end = offset.saturating_add(length).min(bytes.len() as u64);
            let range = usize::try_from(offset)
                .ok()
                .zip(usize::try_from(end).ok())
                .and_then(|(from, to)| bytes.get(from..to));
            range.unwrap_or_default().to_vec()
        }))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, BlobError> {
        let objects = self.lock();
        let below = objects
            .iter()
            .filter(|(name, _)| name.starts_with(folder))
            .map(|(name, bytes)| Listed {
                name: name.clone(),
                bytes: bytes.len() as u64,
            });
        Ok(below.collect())
    }

    fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.lock().remove(name);
        Ok(())
    }

    fn address(&self) -> String {
        "memory".to_owned()
    }
}
