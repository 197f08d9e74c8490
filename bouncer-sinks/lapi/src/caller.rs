//! Who asks, and whether they may (`lapi.md` 3 to 5).

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, COOKIE, HeaderMap, USER_AGENT};
use overspill_store::{AuthKind, Bouncer, Machine, NewBouncer, NewMachine, StoreError};

use crate::auth::certificate::{Certificate, CertificateError};
use crate::auth::key::hash_key;
use crate::core::Core;
use crate::peer::{Peer, is_in};
use crate::reply::Refusal;
use crate::routes::Access;

/// The head of a request, as far as it says who asks.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) peer: Peer,
    /// Who asks, or for whom a proxy does.
    pub(crate) address: IpAddr,
    pub(crate) headers: HeaderMap,
    /// Whether nothing but the head of the answer is asked for.
    pub(crate) is_head: bool,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    Stranger,
    Machine(Box<Machine>),
    Bouncer(Box<Bouncer>),
    /// Somebody with a bouncer's key who wants to know no more than whether it is one.
    KeyHolder,
}

impl Asking {
    fn text(&self, name: impl hyper::header::AsHeaderName) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// What the client says that it is; empty if it does not.
    pub(crate) fn user_agent(&self) -> &str {
        self.text(USER_AGENT)
    }

    /// Whether it comes from this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.peer.is_local_socket || self.address.is_loopback()
    }

    /// The token: of the header, or of a cookie.
    pub(crate) fn token(&self) -> Result<&str, Refusal> {
        let bearer = self.text(AUTHORIZATION).strip_prefix("Bearer ");
        let cookie = || {
            let mut cookies = self.text(COOKIE).split(';');
            cookies.find_map(|cookie| cookie.trim().strip_prefix("jwt="))
        };
        bearer
            .or_else(cookie)
            .filter(|token| !token.is_empty())
            .ok_or_else(|| Refusal::unauthorized("cookie token is empty"))
    }
}

impl Core {
    /// Who asks for something that not everybody may ask for.
    pub(crate) fn caller(&self, access: Access, asking: &Asking) -> Result<Caller, Refusal> {
        match access {
            Access::Anybody => Ok(Caller::Stranger),
            Access::Machine => self.machine(asking),
            Access::TrustedMachine => {
                let caller = self.machine(asking)?;
                let is_trusted =
                    asking.is_local() || is_in(&self.settings.trusted_ips, asking.address);
                if !is_trusted {
                    let text = format!("access forbidden from this IP ({})", asking.address);
                    return Err(Refusal::new(hyper::StatusCode::FORBIDDEN, text));
                }
                Ok(caller)
            }
            Access::Bouncer => self.bouncer(asking),
            Access::Either => {
                let is_machine = !asking.headers.contains_key("x-api-key")
                    && (asking.headers.contains_key(AUTHORIZATION)
                        || asking.user_agent().starts_with("crowdsec/"));
                if is_machine {
                    self.machine(asking)
                } else {
                    self.bouncer(asking)
                }
            }
        }
    }

    /// The machine of a token. It is looked up on every call: one that was deleted is out at once.
    fn machine(&self, asking: &Asking) -> Result<Caller, Refusal> {
        let claims = self
            .signer
            .verify(asking.token()?, self.now_ns() / 1_000_000_000)
            .map_err(|error| Refusal::unauthorized(error.to_string()))?;
        let machine = self.store.machine(&claims.machine).map_err(failed)?;
        match machine {
            Some(machine) if machine.is_validated => Ok(Caller::Machine(Box::new(machine))),
            Some(_) => Err(Refusal::unauthorized(format!(
                "machine {} not validated",
                claims.machine
            ))),
            None => Err(Refusal::unauthorized("ent: machine not found")),
        }
    }

    fn bouncer(&self, asking: &Asking) -> Result<Caller, Refusal> {
        if let Some(certificate) = &asking.peer.certificate {
            return self.bouncer_of_certificate(certificate, asking);
        }
        let key = asking.text("x-api-key");
        if key.is_empty() {
            return Err(Refusal::forbidden());
        }
        let hash = hash_key(key);
        let mut known = self.store.bouncers_of_key(&hash).map_err(failed)?;
        known.retain(|bouncer| bouncer.auth == AuthKind::ApiKey);
        if known.is_empty() || known.iter().all(|bouncer| bouncer.revoked) {
            return Err(Refusal::forbidden());
        }
        if asking.is_head {
            return Ok(Caller::KeyHolder);
        }
        let address = asking.address.to_string();
        let bouncer = match known.iter().position(|row| row.ip_address == address) {
            Some(at) => known.swap_remove(at),
            None => self.adopt(known, hash, address)?,
        };
        if bouncer.revoked {
            return Err(Refusal::forbidden());
        }
        self.note_client(bouncer, asking)
    }

    /// The row for an address that was not seen with its key before: the one that was never used, or a new one.
    fn adopt(
        &self,
        mut known: Vec<Bouncer>,
        key_hash: String,
        address: String,
    ) -> Result<Bouncer, Refusal> {
        let now_ns = self.now_ns();
        if known.len() == 1
            && let Some(mut bouncer) = known.pop_if(|bouncer| bouncer.ip_address.is_empty())
        {
            self.store
                .set_bouncer_address(bouncer.id, &address, now_ns)
                .map_err(failed)?;
            bouncer.ip_address = address;
            return Ok(bouncer);
        }
        let base = known.first().map_or("", |first| base_of(&first.name));
        let name = format!("{base}@{address}");
        let new = NewBouncer {
            name: &name,
            key_hash: &key_hash,
            ip_address: &address,
            kind: "",
            auth: AuthKind::ApiKey,
            auto_created: true,
        };
        match self.store.add_bouncer(&new, now_ns) {
            Ok(bouncer) => Ok(bouncer),
            // Another request of the same client was faster.
            Err(error) if error.is_exists() => self
                .store
                .bouncer(&name)
                .map_err(failed)?
                .filter(|bouncer| bouncer.key_hash == key_hash)
                .ok_or_else(Refusal::forbidden),
            Err(error) => Err(failed(error)),
        }
    }

    fn note_client(&self, mut bouncer: Bouncer, asking: &Asking) -> Result<Caller, Refusal> {
        let agent = asking.user_agent();
        let (kind, version) = match agent.split_once('/') {
            Some((kind, version)) if !version.contains('/') => (kind, version),
            _ => (agent, "N/A"),
        };
        if bouncer.kind != kind || bouncer.version != version {
            self.store
                .set_bouncer_client(bouncer.id, kind, version, self.now_ns())
                .map_err(failed)?;
            kind.clone_into(&mut bouncer.kind);
            version.clone_into(&mut bouncer.version);
        }
        Ok(Caller::Bouncer(Box::new(bouncer)))
    }

    fn bouncer_of_certificate(
        &self,
        certificate: &Certificate,
        asking: &Asking,
    ) -> Result<Caller, Refusal> {
        let units = match &self.settings.tls {
            Some(tls) => tls.bouncers_allowed_ou.as_slice(),
            None => &[],
        };
        self.check(certificate, units)
            .map_err(|_| Refusal::forbidden())?;
        if asking.is_head {
            return Ok(Caller::KeyHolder);
        }
        let name = format!("{}@{}", certificate.name, asking.address);
        let bouncer = match self.store.bouncer(&name).map_err(failed)? {
            Some(bouncer) if bouncer.auth == AuthKind::Tls && !bouncer.revoked => bouncer,
            Some(_) => return Err(Refusal::forbidden()),
            None => {
                let new = NewBouncer {
                    name: &name,
                    key_hash: "",
                    ip_address: &asking.address.to_string(),
                    kind: "",
                    auth: AuthKind::Tls,
                    auto_created: true,
                };
                self.store
                    .add_bouncer(&new, self.now_ns())
                    .map_err(failed)?
            }
        };
        self.note_client(bouncer, asking)
    }

    /// The machine of a certificate. It is made if it is not there, and need not be validated.
    pub(crate) fn machine_of_certificate(
        &self,
        certificate: &Certificate,
        asking: &Asking,
    ) -> Result<Machine, Refusal> {
        let units = match &self.settings.tls {
            Some(tls) => tls.agents_allowed_ou.as_slice(),
            None => &[],
        };
        self.check(certificate, units)
            .map_err(|error| Refusal::unauthorized(error.to_string()))?;
        let name = format!("{}@{}", certificate.name, asking.address);
        match self.store.machine(&name).map_err(failed)? {
            Some(machine) if machine.auth == AuthKind::Tls => Ok(machine),
            Some(machine) => Err(wrong_kind(&machine)),
            None => {
                let new = NewMachine {
                    name: &name,
                    password_hash: "",
                    ip_address: &asking.address.to_string(),
                    is_validated: true,
                    auth: AuthKind::Tls,
                };
                self.store.add_machine(&new, self.now_ns()).map_err(failed)
            }
        }
    }

    fn check(&self, certificate: &Certificate, units: &[String]) -> Result<(), CertificateError> {
        certificate.is_of(units, &self.revoked, self.now_ns() / 1_000_000_000)
    }
}

/// A machine that registered in another way than the one in which it comes.
pub(crate) fn wrong_kind(machine: &Machine) -> Refusal {
    Refusal::unauthorized(format!(
        "machine {} attempted to auth with a method other than the one it was registered with ({})",
        machine.name,
        machine.auth.text()
    ))
}

/// The name of a bouncer without the addresses that were put after it.
fn base_of(name: &str) -> &str {
    let mut base = name;
    while let Some((before, address)) = base.rsplit_once('@') {
        if address.parse::<IpAddr>().is_err() {
            break;
        }
        base = before;
    }
    base
}

/// What the database could not do.
pub(crate) fn failed(error: StoreError) -> Refusal {
    Refusal::failure(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_after_a_name_are_not_part_of_it() {
        assert_eq!(base_of("web@192.0.2.1"), "web");
        assert_eq!(base_of("web@192.0.2.1@2001:db8::1"), "web");
        assert_eq!(base_of("me@home"), "me@home");
        assert_eq!(base_of("web"), "web");
    }
}
