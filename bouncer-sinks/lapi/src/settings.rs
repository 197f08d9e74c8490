//! How the API is to be served: what `api.server` of CrowdSec's `config.yaml` means.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use overspill_decision::Block;

use crate::active::ActiveLimits;

/// All that is set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `listen_uri`: where TCP is listened to.
    pub listen: Option<SocketAddr>,
    /// `listen_socket`: a Unix socket, where there is no TLS and whoever comes is on this machine.
    pub listen_socket: Option<PathBuf>,
    /// `tls`.
    pub tls: Option<TlsSettings>,
    /// `trusted_ips`: who may delete alerts, beside this machine.
    pub trusted_ips: Vec<Block>,
    /// Whose `X-Forwarded-For` is believed.
    pub forwarded: Forwarded,
    /// `disable_remote_lapi_registration`.
    pub refuses_remote_registration: bool,
    /// `auto_registration`, where it is enabled.
    pub auto_registration: Option<AutoRegistration>,
    /// What is held at most.
    pub limits: Limits,
}

impl Default for Settings {
    /// CrowdSec's: `127.0.0.1:8080`, in clear text.
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 8080))),
            listen_socket: None,
            tls: None,
            trusted_ips: Vec::new(),
            forwarded: Forwarded::Nobody,
            refuses_remote_registration: false,
            auto_registration: None,
            limits: Limits::default(),
        }
    }
}

/// Whose `X-Forwarded-For` is believed (`use_forwarded_for_headers`, `trusted_proxies`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forwarded {
    /// A client is who it connects as.
    Nobody,
    /// Anybody may say who they are.
    Everybody,
    /// Proxies at these addresses.
    Proxies(Vec<Block>),
}

/// Machines that may come without being asked for (`auto_registration`).
#[derive(Clone)]
pub struct AutoRegistration {
    /// What they have to know: at least 32 characters.
    pub token: String,
    /// Where they have to be.
    pub ranges: Vec<Block>,
}

impl std::fmt::Debug for AutoRegistration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AutoRegistration")
            .field("token", &"…")
            .field("ranges", &self.ranges)
            .finish()
    }
}

/// Certificates of the server and of its clients (`tls`).
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// `cert_file`: PEM, the server's own first.
    pub cert_file: PathBuf,
    /// `key_file`: PEM.
    pub key_file: PathBuf,
    /// `ca_cert_path`: who signs the certificates of clients.
    pub ca_cert_path: Option<PathBuf>,
    /// `client_verification`.
    pub client_verification: ClientVerification,
    /// `agents_allowed_ou`: units whose certificates are machines.
    pub agents_allowed_ou: Vec<String>,
    /// `bouncers_allowed_ou`: units whose certificates are bouncers.
    pub bouncers_allowed_ou: Vec<String>,
    /// `crl_path`: certificates that are not accepted any more.
    pub crl_path: Option<PathBuf>,
    /// `cache_expiration`: how long it goes on that a certificate was not revoked.
    pub cache_expiration: Duration,
}

/// What is asked of clients' certificates. Go's names for it (`tls.ClientAuthType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientVerification {
    /// `NoClientCert`: none is asked for.
    None,
    /// `VerifyClientCertIfGiven`, `RequestClientCert`: one that is there has to be signed.
    #[default]
    IfGiven,
    /// `RequireAndVerifyClientCert`, `RequireAnyClientCert`: one has to be there.
    Required,
}

/// What is held at most, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Decisions in memory, and what happened to them.
    pub active: ActiveLimits,
    /// Connections at once. One more waits to be accepted.
    pub connections_max: usize,
    /// Requests that are worked on at once. One more waits.
    pub requests_max: usize,
    /// Passwords that are compared at once, which costs CPU by design. One more waits.
    pub passwords_max: usize,
    /// Time for the head of a request, and for all of its body. Whoever is slower is cut off.
    pub request_timeout: Duration,
    /// Time for TLS to begin.
    pub handshake_timeout: Duration,
    /// Time that requests under way have when the API ends.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            active: ActiveLimits::default(),
            connections_max: 4096,
            requests_max: 64,
            passwords_max: 2,
            request_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            grace: Duration::from_secs(5),
        }
    }
}
