//! What the processes of a job share and nobody else knows.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Fewest bytes of a secret: as many as cannot be guessed if they are random.
const BYTES_MIN: usize = 16;
/// Most bytes of a file with a secret.
const BYTES_MAX: u64 = 4_096;

/// A secret. It is never printed and never crosses the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Its file cannot be read.
    #[error("read the secret of the peers in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It can be guessed.
    #[error("the secret of the peers has {n} bytes, and must have {BYTES_MIN} to {BYTES_MAX}")]
    Size {
        /// Its size.
        n: u64,
    },
    /// The system has no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
}

impl Secret {
    /// These bytes.
    ///
    /// # Errors
    /// [`SecretError::Size`] when they are fewer than 16.
    pub fn new(bytes: &[u8]) -> Result<Self, SecretError> {
        let n = bytes.len() as u64;
        if bytes.len() < BYTES_MIN || n > BYTES_MAX {
            return Err(SecretError::Size { n });
        }
        Ok(Self(bytes.to_vec()))
    }

    /// What a file holds, without white space around it.
    ///
    /// # Errors
    /// [`SecretError`] when it cannot be read, or is too short or too long.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let read = |source| SecretError::Read {
            path: path.to_owned(),
            source,
        };
        let n = std::fs::metadata(path).map_err(read)?.len();
        if n > BYTES_MAX {
            return Err(SecretError::Size { n });
        }
        Self::new(std::fs::read(path).map_err(read)?.trim_ascii())
    }

    /// A new one of 32 random bytes, as 64 hexadecimal digits: they pass through a pipe, a file or
    /// the environment as they are.
    ///
    /// # Errors
    /// [`SecretError::Random`] when the system has none.
    pub fn random() -> Result<Self, SecretError> {
        let digits = random::<32>()?;
        let text: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self(text.into_bytes()))
    }

    /// Its bytes, to hand them to a process of the same job by a channel that nobody else reads.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// An HMAC-SHA-256 of these pieces, whose sizes are fixed by the first.
    pub(crate) fn mac(&self, pieces: &[&[u8]]) -> [u8; 32] {
        self.hmac(pieces).finalize().into_bytes().into()
    }

    /// Whether `mac` is that of these pieces; takes the same time wherever it differs.
    pub(crate) fn verifies(&self, pieces: &[&[u8]], mac: &[u8; 32]) -> bool {
        self.hmac(pieces).verify_slice(mac).is_ok()
    }

    fn hmac(&self, pieces: &[&[u8]]) -> Hmac<Sha256> {
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes a key of any size");
        };
        for piece in pieces {
            hmac.update(piece);
        }
        hmac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| SecretError::Random(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_enough_and_never_printed() {
        assert!(matches!(
            Secret::new(b"password"),
            Err(SecretError::Size { n: 8 })
        ));
        let secret = Secret::new(b"correct horse battery staple").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let other = Secret::random().unwrap();
        assert_eq!(other.reveal().len(), 64);
        assert_ne!(other, Secret::random().unwrap());
    }

    #[test]
    fn a_file_is_read_without_the_white_space_around() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "  0123456789abcdef\n").unwrap();
        let secret = Secret::from_file(&path).unwrap();
        assert_eq!(secret.reveal(), b"0123456789abcdef");
        std::fs::write(&path, vec![b'a'; 5_000]).unwrap();
        assert!(matches!(
            Secret::from_file(&path),
            Err(SecretError::Size { n: 5_000 })
        ));
        assert!(matches!(
            Secret::from_file(&dir.path().join("none")),
            Err(SecretError::Read { .. })
        ));
    }

    #[test]
    fn a_mac_is_that_of_rfc_4231() {
        let secret = Secret(vec![0x0b; 20]);
        let mac = secret.mac(&[b"Hi ", b"There"]);
        assert_eq!(mac[..4], [0xb0, 0x34, 0x4c, 0x61]);
        assert!(secret.verifies(&[b"Hi There"], &mac));
        assert!(!secret.verifies(&[b"Hi there"], &mac));
    }
}
