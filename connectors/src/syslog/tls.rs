//! TLS of the listener.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Files of certificates and keys, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The server's certificate, with what leads to its root.
    pub server_cert: PathBuf,
    /// Its key.
    pub server_key: PathBuf,
    /// Who signs the certificates of clients. With it, a client without such a certificate is refused.
    pub ca_cert: Option<PathBuf>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key do not go together, or the like.
    #[error("{0}")]
    Refused(String),
}

impl TlsConfig {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`]: which file, and what is wrong.
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = certificates(&self.server_cert)?;
        let key = read(&self.server_key)?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| TlsError::Content {
            path: self.server_key.clone(),
            reason: error.to_string(),
        })?;
        let refused = |error: &dyn std::error::Error| TlsError::Refused(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&error))?;
        let builder = match &self.ca_cert {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| TlsError::Content {
                        path: path.clone(),
                        reason: error.to_string(),
                    })?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|error| refused(&error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder.with_single_cert(chain, key);
        config.map(Arc::new).map_err(|error| refused(&error))
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.clone(),
        source,
    })
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let content = |reason: String| TlsError::Content {
        path: path.clone(),
        reason,
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|error| content(error.to_string()))?;
    if certificates.is_empty() {
        return Err(content("no certificate in it".to_owned()));
    }
    Ok(certificates)
}
