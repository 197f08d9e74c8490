//! TLS of the server, and what it asks of clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::settings::{ClientVerification, TlsSettings};

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or has not in it what it should.
    #[error("{path}: {what} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificates of clients are asked for, and nobody is named who signs them.
    #[error("client certificates are asked for, and `ca_cert_path` does not say who signs them")]
    NoAuthority,
    /// Certificate, key or authority cannot be used.
    #[error("use the certificates")]
    Use(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a connection begins with.
pub(crate) fn config(settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&settings.cert_file)?;
    let key =
        PrivateKeyDer::from_pem_file(&settings.key_file).map_err(|source| TlsError::File {
            path: settings.key_file.clone(),
            what: "a key",
            source,
        })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(used)?;
    let builder = match verification(settings)? {
        None => builder.with_no_client_auth(),
        Some((roots, is_required)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = if is_required {
                verifier
            } else {
                verifier.allow_unauthenticated()
            };
            builder.with_client_cert_verifier(verifier.build().map_err(used)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(used)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Who signs clients' certificates, and whether they need one.
fn verification(settings: &TlsSettings) -> Result<Option<(RootCertStore, bool)>, TlsError> {
    let is_required = match settings.client_verification {
        ClientVerification::None => return Ok(None),
        ClientVerification::IfGiven => false,
        ClientVerification::Required => true,
    };
    let Some(path) = &settings.ca_cert_path else {
        return if is_required {
            Err(TlsError::NoAuthority)
        } else {
            Ok(None)
        };
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(used)?;
    }
    Ok(Some((roots, is_required)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |source| TlsError::File {
        path: path.to_owned(),
        what: "a certificate",
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(file)?
        .collect::<Result<_, _>>()
        .map_err(file)?;
    if found.is_empty() {
        return Err(file(rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn used(error: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError::Use(Box::new(error))
}
