//! Keys of bouncers: `X-Api-Key`.
//!
//! A key is 32 random bytes; what is stored of it is its hash, without salt, as CrowdSec stores it
//! (`pkg/apiserver/middlewares/v1/api_key.go`), so that keys of an imported database go on working. A key of that many
//! random bits needs no salt, and is looked up by its hash, which tells nothing about it by the time it takes.

use overspill_golike::base64;
use sha2::{Digest, Sha512};

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandom;

/// A new key, as it is given to a bouncer.
///
/// # Errors
/// [`NoRandom`].
pub fn generate_key() -> Result<String, NoRandom> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| NoRandom)?;
    let mut key = base64::encode(&bytes);
    key.truncate(key.trim_end_matches('=').len());
    Ok(key)
}

/// What is stored of a key: SHA-512, in lower-case hex.
#[must_use]
pub fn hash_key(key: &str) -> String {
    let mut text = String::with_capacity(128);
    for byte in Sha512::digest(key.as_bytes()) {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_stored_as_crowdsec_stores_it() {
        assert_eq!(
            hash_key("abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
    }

    #[test]
    fn keys_are_long_and_not_the_same() {
        let (one, other) = (generate_key().unwrap(), generate_key().unwrap());
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
        assert!(!one.contains('='));
    }
}
