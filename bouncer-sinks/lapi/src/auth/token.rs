//! Tokens of machines: JSON Web Tokens signed with HMAC-SHA-256 (RFC 7519), as CrowdSec's API gives them
//! (`pkg/apiserver/middlewares/v1/jwt.go`, appleboy/gin-jwt).
//!
//! A token names a machine and lives an hour. No other algorithm is accepted, whatever a token says of itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// How long a token lives, in seconds.
const LIFE_SECS: i64 = 3600;
/// How long after the first login a token is made new, in seconds.
const REFRESH_SECS: i64 = 3600;
/// Longest token that is looked at.
const BYTES_MAX: usize = 4096;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The machine.
    pub(crate) machine: String,
    /// When it ends, in seconds since the Unix epoch.
    pub(crate) expires_s: i64,
    /// When the machine logged in.
    pub(crate) issued_s: i64,
}

/// A token that is none. Its texts are CrowdSec's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("token contains an invalid number of segments")]
    Shape,
    #[error("signature is invalid")]
    Signature,
    #[error("token is expired")]
    Expired,
}

/// Signs and checks tokens.
pub(crate) struct Signer {
    key: Hmac<Sha256>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}

impl Signer {
    pub(crate) fn new(secret: &[u8]) -> Self {
        // A key of any length is taken: this cannot fail.
        let key = Hmac::new_from_slice(secret)
            .unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()));
        Self { key }
    }

    /// A token for a machine that has just logged in, and when it ends.
    pub(crate) fn issue(&self, machine: &str, now_s: i64) -> (String, i64) {
        self.sign(machine, now_s, now_s)
    }

    /// A token instead of one that may have ended already.
    pub(crate) fn refresh(&self, token: &str, now_s: i64) -> Result<(String, i64), TokenError> {
        let claims = self.read(token)?;
        if now_s > claims.issued_s.saturating_add(REFRESH_SECS) {
            return Err(TokenError::Expired);
        }
        Ok(self.sign(&claims.machine, now_s, claims.issued_s))
    }

    /// What a token says that is in force.
    pub(crate) fn verify(&self, token: &str, now_s: i64) -> Result<Claims, TokenError> {
        let claims = self.read(token)?;
        if now_s > claims.expires_s {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    fn sign(&self, machine: &str, now_s: i64, issued_s: i64) -> (String, i64) {
        let expires_s = now_s.saturating_add(LIFE_SECS);
        let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let claims = serde_json::json!({"exp": expires_s, "id": machine, "orig_iat": issued_s});
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let mut token = format!("{header}.{claims}");
        let mut mac = self.key.clone();
        mac.update(token.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        token.push('.');
        token.push_str(&signature);
        (token, expires_s)
    }

    /// What a token says that was signed here, whenever.
    fn read(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > BYTES_MAX {
            return Err(TokenError::Shape);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Shape)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Shape)?;
        let signature = decoded(signature)?;
        let mut mac = self.key.clone();
        mac.update(signed.as_bytes());
        mac.verify_slice(&signature)
            .map_err(|_| TokenError::Signature)?;
        let header = object(header)?;
        if header.get("alg").and_then(Value::as_str) != Some("HS256") {
            return Err(TokenError::Signature);
        }
        let claims = object(claims)?;
        let number = |name| claims.get(name).and_then(Value::as_i64);
        let machine = claims.get("id").and_then(Value::as_str);
        match (machine, number("exp"), number("orig_iat")) {
            (Some(machine), Some(expires_s), Some(issued_s)) => Ok(Claims {
                machine: machine.to_owned(),
                expires_s,
                issued_s,
            }),
            _ => Err(TokenError::Shape),
        }
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Shape)
}

fn object(part: &str) -> Result<Value, TokenError> {
    serde_json::from_slice(&decoded(part)?).map_err(|_| TokenError::Shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: i64 = 1_700_000_000;

    #[test]
    fn a_token_names_its_machine_for_an_hour() {
        let signer = Signer::new(b"secret");
        let (token, expires_s) = signer.issue("web-1", NOW_S);
        assert_eq!(expires_s, NOW_S + 3600);
        assert_eq!(
            signer.verify(&token, NOW_S + 3600).unwrap().machine,
            "web-1"
        );
        assert_eq!(
            signer.verify(&token, NOW_S + 3601),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn a_token_that_has_ended_is_made_new_within_the_hour_of_the_login() {
        let signer = Signer::new(b"secret");
        let (token, _) = signer.issue("web-1", NOW_S);
        let (newer, expires_s) = signer.refresh(&token, NOW_S + 3000).unwrap();
        assert_eq!(expires_s, NOW_S + 6600);
        assert!(signer.verify(&newer, NOW_S + 6000).is_ok());
        assert_eq!(
            signer.refresh(&newer, NOW_S + 3601),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn what_was_not_signed_here_is_no_token() {
        let signer = Signer::new(b"secret");
        let (token, _) = Signer::new(b"other").issue("web-1", NOW_S);
        assert_eq!(signer.verify(&token, NOW_S), Err(TokenError::Signature));
        let (mine, _) = signer.issue("web-1", NOW_S);
        let (signed, _) = mine.rsplit_once('.').unwrap();
        for forged in ["", ".", "..", "a.b", "a.b.c", signed, &format!("{signed}.")] {
            assert!(signer.verify(forged, NOW_S).is_err(), "{forged}");
        }
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none"}"#);
        let claims = signed.split_once('.').unwrap().1;
        assert!(signer.verify(&format!("{none}.{claims}."), NOW_S).is_err());
    }
}
