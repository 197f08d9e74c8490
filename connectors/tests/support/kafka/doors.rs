//! Where a broker asks who one is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Who is let in by [`Doors::sasl`] and [`Doors::both`].
pub const USER: &str = "alice";
/// Her password.
pub const PASSWORD: &str = "open sesame";

/// Ports of a broker at which one has to say who one is.
pub struct Doors {
    /// By name and password: `PLAIN`, `SCRAM-SHA-256` and `SCRAM-SHA-512`.
    pub sasl: u16,
    /// By a certificate, over TLS.
    pub tls: u16,
    /// By name and password, over TLS.
    pub both: u16,
}

impl Doors {
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self {
            sasl: super::free_port()?,
            tls: super::free_port()?,
            both: super::free_port()?,
        })
    }

    /// Listeners, each with its port.
    pub(super) fn listeners(&self) -> String {
        let Self { sasl, tls, both } = self;
        format!(",SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},BOTH://127.0.0.1:{both}")
    }

    pub(super) fn properties(&self, dir: &Path) -> String {
        let mut text = format!(
            "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
             ssl.keystore.type=PKCS12\nssl.keystore.location={}\nssl.keystore.password={PASSWORD}\n\
             ssl.key.password={PASSWORD}\nlistener.name.tls.ssl.client.auth=required\n\
             listener.name.tls.ssl.truststore.type=PEM\nlistener.name.tls.ssl.truststore.location={}\n",
            dir.join(STORE).display(),
            certificates().join("ca.pem").display(),
        );
        let module = "org.apache.kafka.common.security";
        for name in ["sasl", "both"] {
            let prefix = format!("listener.name.{name}");
            text += &format!(
                "{prefix}.plain.sasl.jaas.config={module}.plain.PlainLoginModule required \
                 user_{USER}=\"{PASSWORD}\";\n"
            );
            for mechanism in ["scram-sha-256", "scram-sha-512"] {
                text += &format!(
                    "{prefix}.{mechanism}.sasl.jaas.config={module}.scram.ScramLoginModule required;\n"
                );
            }
        }
        text
    }
}

/// The broker's key, and its certificate for who connects.
const STORE: &str = "broker.p12";
pub(super) const CERTIFICATE: &str = "broker.pem";

/// Certificates of clients, and who has signed them.
pub fn certificates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/syslog/certs")
}

/// Makes a key and a certificate that has signed itself.
pub(super) fn make_certificate(dir: &Path) -> Result<(), String> {
    let keytool = |args: &[&str]| {
        let output = Command::new("keytool")
            .args(args)
            .args([
                "-alias",
                "broker",
                "-storetype",
                "PKCS12",
                "-storepass",
                PASSWORD,
            ])
            .args(["-keystore", STORE])
            .current_dir(dir)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("keytool: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(()).ok_or(said)
    };
    let (name, address) = ("CN=broker", "SAN=IP:127.0.0.1");
    keytool(&[
        "-genkeypair",
        "-keyalg",
        "EC",
        "-validity",
        "3650",
        "-dname",
        name,
        "-ext",
        address,
    ])?;
    keytool(&["-exportcert", "-rfc", "-file", CERTIFICATE])
}
