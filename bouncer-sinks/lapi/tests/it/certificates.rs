//! TLS, and clients that show a certificate. The certificates are made by `openssl`, and `curl` is the client.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use overspill_lapi::{ClientVerification, TlsSettings};
use overspill_store::AuthKind;

use crate::debian::said;
use crate::ours::Ours;
use crate::server::told;

/// An authority and what it signed.
struct Authority {
    dir: tempfile::TempDir,
}

const CONFIG: &str = "[ca]\ndefault_ca = it\n[it]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\n\
    default_md = sha256\npolicy = any\ndefault_days = 30\ndefault_crl_days = 30\ncopy_extensions = copy\n\
    [any]\ncommonName = supplied\norganizationalUnitName = optional\n\
    [req]\ndistinguished_name = name\n[name]\n";

impl Authority {
    fn new() -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let it = Self { dir };
        for (name, text) in [
            ("openssl.cnf", CONFIG),
            ("index.txt", ""),
            ("serial", "01\n"),
        ] {
            std::fs::write(it.path(name), text).map_err(|error| error.to_string())?;
        }
        it.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -config openssl.cnf \
             -subj /CN=authority -keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:TRUE",
        )?;
        Ok(it)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn openssl(&self, words: &str) -> Result<String, String> {
        let mut command = Command::new("openssl");
        said(
            command
                .args(words.split_whitespace())
                .current_dir(self.dir.path()),
        )
    }

    /// Signs a certificate of a name and a unit.
    fn sign(&self, name: &str, unit: &str) -> Result<(), String> {
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config openssl.cnf \
             -subj /CN={name}/OU={unit} -keyout {name}.key -out {name}.csr -addext subjectAltName=IP:127.0.0.1"
        ))?;
        self.openssl(&format!(
            "ca -batch -notext -config openssl.cnf -cert ca.pem -keyfile ca.key -in {name}.csr -out {name}.pem"
        ))?;
        Ok(())
    }

    fn settings(&self, client_verification: ClientVerification) -> TlsSettings {
        TlsSettings {
            cert_file: self.path("server.pem"),
            key_file: self.path("server.key"),
            ca_cert_path: Some(self.path("ca.pem")),
            client_verification,
            agents_allowed_ou: vec!["agents".to_owned()],
            bouncers_allowed_ou: vec!["bouncers".to_owned()],
            crl_path: Some(self.path("crl.pem")),
            cache_expiration: Duration::ZERO,
        }
    }

    /// Asks with the certificate of somebody, or none: the status, and the body.
    fn ask(
        &self,
        ours: &Ours,
        who: Option<&str>,
        path: &str,
        more: &[&str],
    ) -> Result<String, String> {
        let mut command = Command::new("curl");
        command.args(["-sS", "-w", " %{http_code}", "-A", "test/v1", "--cacert"]);
        command.arg(self.path("ca.pem"));
        if let Some(who) = who {
            command.arg("--cert").arg(self.path(&format!("{who}.pem")));
            command.arg("--key").arg(self.path(&format!("{who}.key")));
        }
        command
            .args(more)
            .arg(format!("https://{}{path}", ours.address()));
        said(&mut command)
    }
}

fn prepared() -> Option<Authority> {
    let made = || {
        let authority = Authority::new()?;
        authority.sign("server", "servers")?;
        authority.sign("fw", "bouncers")?;
        authority.sign("gone", "bouncers")?;
        authority.sign("web", "agents")?;
        authority
            .openssl("ca -config openssl.cnf -cert ca.pem -keyfile ca.key -revoke gone.pem")?;
        authority
            .openssl("ca -config openssl.cnf -cert ca.pem -keyfile ca.key -gencrl -out crl.pem")?;
        said(Command::new("curl").arg("--version"))?;
        Ok::<_, String>(authority)
    };
    told("certificates", made())
}

const STREAM: &str = "/v1/decisions/stream?startup=true";

#[test]
fn a_certificate_says_who_it_is_of_and_its_unit_what_it_may() {
    let Some(authority) = prepared() else {
        return;
    };
    let tls = authority.settings(ClientVerification::IfGiven);
    let ours = Ours::with(|settings| settings.tls = Some(tls));
    let ask = |who, path, more: &[&str]| authority.ask(&ours, who, path, more).unwrap();
    let answer = ask(Some("fw"), STREAM, &[]);
    assert_eq!(answer, "{\"new\": [], \"deleted\": []} 200");
    let bouncers = ours.store.bouncers().unwrap();
    assert_eq!(bouncers.len(), 1);
    assert_eq!(
        (&*bouncers[0].name, bouncers[0].auth),
        ("fw@127.0.0.1", AuthKind::Tls)
    );
    // The unit of machines is none of bouncers, and one that was revoked is nobody.
    for nobody in ["web", "gone"] {
        assert!(ask(Some(nobody), STREAM, &[]).ends_with("403"), "{nobody}");
    }
    // Who shows none brings a key.
    assert!(ask(None, STREAM, &[]).ends_with("403"));
    let key = format!("X-Api-Key: {}", ours.bouncer("keyed"));
    assert!(ask(None, STREAM, &["-H", &key]).ends_with("200"));

    let login = ["-d", "{\"scenarios\":[\"a\"]}"];
    assert!(ask(Some("fw"), "/v1/watchers/login", &login).ends_with("401"));
    let answer = ask(Some("web"), "/v1/watchers/login", &login);
    let (body, status) = answer.rsplit_once(' ').unwrap();
    assert_eq!(status, "200", "{answer}");
    let token: serde_json::Value = serde_json::from_str(body).unwrap();
    let machine = ours.store.machine("web@127.0.0.1").unwrap().unwrap();
    assert!(machine.is_validated && machine.auth == AuthKind::Tls);
    let bearer = format!("Authorization: Bearer {}", token["token"].as_str().unwrap());
    assert!(ask(None, "/v1/heartbeat", &["-H", &bearer]).ends_with("200"));
}

#[test]
fn who_shows_no_certificate_gets_no_connection_where_one_is_required() {
    let Some(authority) = prepared() else {
        return;
    };
    let tls = authority.settings(ClientVerification::Required);
    let ours = Ours::with(|settings| settings.tls = Some(tls));
    let refused = authority.ask(&ours, None, "/health", &[]);
    assert!(refused.is_err(), "{refused:?}");
    let answer = authority.ask(&ours, Some("fw"), "/health", &[]).unwrap();
    assert!(answer.ends_with("200"), "{answer}");
    let stranger = Authority::new().unwrap();
    stranger.sign("fw", "bouncers").unwrap();
    std::fs::copy(authority.path("ca.pem"), stranger.path("ca.pem")).unwrap();
    let refused = stranger.ask(&ours, Some("fw"), "/health", &[]);
    assert!(refused.is_err(), "{refused:?}");
    assert!(ours.lapi.counts().broken >= 2);
}

#[test]
fn a_list_that_is_not_there_lets_nobody_in() {
    let Some(authority) = prepared() else {
        return;
    };
    let mut tls = authority.settings(ClientVerification::IfGiven);
    tls.crl_path = Some(Path::new("/nowhere/crl.pem").to_owned());
    let ours = Ours::with(|settings| settings.tls = Some(tls));
    let answer = authority.ask(&ours, Some("fw"), STREAM, &[]).unwrap();
    assert!(answer.ends_with("403"), "{answer}");
}
