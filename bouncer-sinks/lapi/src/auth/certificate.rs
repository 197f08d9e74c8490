//! Certificates of clients: who they are of, and whether they count.
//!
//! The connection has checked who signed a certificate and that it is in force. What is left is CrowdSec's
//! (`pkg/apiserver/middlewares/v1/tls_auth.go`, `crl.go`): its unit says whether it is a machine or a bouncer, and a list
//! of what was revoked is looked at, again after a while. Responders of OCSP are not asked.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// What is looked at of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Common name.
    pub(crate) name: String,
    /// Organisational units.
    pub(crate) units: Vec<String>,
    /// Its number, as its issuer gave it.
    serial: Vec<u8>,
    /// End, in seconds since the Unix epoch.
    not_after_s: i64,
}

/// Why a certificate does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("the certificate cannot be read")]
    Unreadable,
    #[error("client certificate expired")]
    Expired,
    #[error("client certificate OU doesn't match expected OU")]
    Unit,
    #[error("client certificate is revoked by CRL")]
    Revoked,
    #[error("the list of revoked certificates {path} cannot be read")]
    List { path: PathBuf },
}

impl Certificate {
    /// Reads DER.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        let (_, parsed) =
            X509Certificate::from_der(der).map_err(|_| CertificateError::Unreadable)?;
        let subject = parsed.subject();
        let texts = |of: &mut dyn Iterator<Item = Option<String>>| of.flatten().collect::<Vec<_>>();
        let mut names = subject
            .iter_common_name()
            .map(|name| name.as_str().ok().map(str::to_owned));
        let mut units = subject
            .iter_organizational_unit()
            .map(|unit| unit.as_str().ok().map(str::to_owned));
        Ok(Self {
            name: texts(&mut names).into_iter().next().unwrap_or_default(),
            units: texts(&mut units),
            serial: parsed.raw_serial().to_vec(),
            not_after_s: parsed.validity().not_after.timestamp(),
        })
    }

    /// Whether it is of one of some units and in force.
    pub(crate) fn is_of(
        &self,
        units: &[String],
        revoked: &Revoked,
        now_s: i64,
    ) -> Result<(), CertificateError> {
        if now_s > self.not_after_s {
            return Err(CertificateError::Expired);
        }
        if !self.units.iter().any(|unit| units.contains(unit)) {
            return Err(CertificateError::Unit);
        }
        if revoked.has(&self.serial)? {
            return Err(CertificateError::Revoked);
        }
        Ok(())
    }
}

/// The list of certificates that are not accepted any more.
#[derive(Debug)]
pub(crate) struct Revoked {
    path: Option<PathBuf>,
    every: Duration,
    read: Mutex<Option<(Instant, HashSet<Vec<u8>>)>>,
}

/// Longest list that is read.
const LIST_BYTES_MAX: u64 = 64 << 20;

impl Revoked {
    /// The list of a file, read again after a time; none is revoked without one.
    pub(crate) fn new(path: Option<PathBuf>, every: Duration) -> Self {
        Self {
            path,
            every,
            read: Mutex::new(None),
        }
    }

    /// A list that cannot be read any more revokes everybody: that is safe, and noticed.
    fn has(&self, serial: &[u8]) -> Result<bool, CertificateError> {
        let Some(path) = &self.path else {
            return Ok(false);
        };
        let unreadable = || CertificateError::List { path: path.clone() };
        let mut read = self.read.lock().map_err(|_| unreadable())?;
        if let Some((at, serials)) = &*read
            && at.elapsed() < self.every
        {
            return Ok(serials.contains(serial));
        }
        let serials = serials_of(path).ok_or_else(unreadable)?;
        let is_revoked = serials.contains(serial);
        *read = Some((Instant::now(), serials));
        Ok(is_revoked)
    }
}

/// Serial numbers of all lists of a PEM file.
fn serials_of(path: &std::path::Path) -> Option<HashSet<Vec<u8>>> {
    use std::io::Read;
    let mut text = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(LIST_BYTES_MAX).read_to_end(&mut text).ok()?;
    let mut serials = HashSet::new();
    for block in x509_parser::pem::Pem::iter_from_buffer(&text) {
        let block = block.ok()?;
        if block.label != "X509 CRL" {
            continue;
        }
        let (_, list) = CertificateRevocationList::from_der(&block.contents).ok()?;
        serials.extend(
            list.iter_revoked_certificates()
                .map(|revoked| revoked.raw_serial().to_vec()),
        );
    }
    Some(serials)
}
