//! TLS between peers: both sides show a certificate, TLS 1.3 only.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use crate::greeting::Session;
use crate::link::Link;
use crate::socket::Timed;

/// What the exported keying material is for.
const EXPORTER: &[u8] = b"EXPORTER-overspill-peers";

/// Files of certificates and keys, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of this process, with what leads to its root. It is shown when accepting
    /// and when dialing, so it is good for both uses.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs the certificates of the peers. An authority of their own, ideally.
    pub ca: PathBuf,
    /// The name that certificates of peers must bear; otherwise it is the host by which each is
    /// dialed.
    pub name: Option<String>,
}

/// What TLS of the peers needs.
#[derive(Debug, Clone)]
pub struct Tls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    name: Option<String>,
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

fn refused(error: impl std::error::Error) -> TlsError {
    TlsError::Refused(error.to_string())
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`]: which file, and what is wrong.
    pub fn load(&self) -> Result<Tls, TlsError> {
        let chain = certificates(&self.cert)?;
        let key = || {
            PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(|error| TlsError::Content {
                path: self.key.clone(),
                reason: error.to_string(),
            })
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca)? {
            roots.add(certificate).map_err(|error| TlsError::Content {
                path: self.ca.clone(),
                reason: error.to_string(),
            })?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = &[&rustls::version::TLS13];
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(refused)?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(refused)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key()?)
            .map_err(refused)?;
        // A connection is as long as the job: nobody comes back to it.
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(refused)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key()?)
            .map_err(refused)?;
        client.resumption = rustls::client::Resumption::disabled();
        Ok(Tls {
            server: Arc::new(server),
            client: Arc::new(client),
            name: self.name.clone(),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let content = |reason: String| TlsError::Content {
        path: path.to_owned(),
        reason,
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|error| content(error.to_string()))?;
    if certificates.is_empty() {
        return Err(content("no certificate in it".to_owned()));
    }
    Ok(certificates)
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

impl Tls {
    /// Goes on with TLS on a socket whose other side has greeted well, as the one that accepted.
    pub(crate) fn accept(
        &self,
        socket: TcpStream,
        mut timed: Timed<'_>,
        session: &Session<'_>,
    ) -> io::Result<Link> {
        let mut tls = ServerConnection::new(Arc::clone(&self.server)).map_err(other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut timed)?;
        }
        let exported = tls
            .export_keying_material([0; 32], EXPORTER, None)
            .map_err(other)?;
        let mut stream = rustls::Stream::new(&mut tls, &mut timed);
        let mut binding = [0; 32];
        stream.read_exact(&mut binding)?;
        if !session.is_binding(true, &exported, &binding) {
            return Err(io::Error::other("another TLS session than was greeted in"));
        }
        stream.write_all(&session.binding(false, &exported))?;
        stream.flush()?;
        Link::encrypted(socket, tls.into())
    }

    /// As [`Tls::accept`], as the one that dialed `host`.
    pub(crate) fn dial(
        &self,
        socket: TcpStream,
        host: &str,
        mut timed: Timed<'_>,
        session: &Session<'_>,
    ) -> io::Result<Link> {
        let name = self.name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(other)?;
        let mut tls = ClientConnection::new(Arc::clone(&self.client), name).map_err(other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut timed)?;
        }
        let exported = tls
            .export_keying_material([0; 32], EXPORTER, None)
            .map_err(other)?;
        let mut stream = rustls::Stream::new(&mut tls, &mut timed);
        stream.write_all(&session.binding(true, &exported))?;
        stream.flush()?;
        let mut binding = [0; 32];
        stream.read_exact(&mut binding)?;
        if !session.is_binding(false, &exported, &binding) {
            return Err(io::Error::other("another TLS session than was greeted in"));
        }
        Link::encrypted(socket, tls.into())
    }
}
