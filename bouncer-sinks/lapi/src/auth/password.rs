//! Passwords of machines.
//!
//! bcrypt of cost 10, as CrowdSec (`pkg/database/machines.go`), so that imported machines log in. A comparison takes some
//! 50 ms of CPU by design: callers bound how many run at once.

/// A password that is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// bcrypt looks at no more than 72 bytes.
    #[error("bcrypt: password length exceeds 72 bytes")]
    TooLong,
    /// The system gave no random bytes for a salt.
    #[error("the system gives no random bytes")]
    NoSalt,
}

const COST: u32 = 10;
const BYTES_MAX: usize = 72;

/// What is stored of a password.
///
/// # Errors
/// [`PasswordError`].
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    if password.len() > BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    bcrypt::hash(password, COST).map_err(|_| PasswordError::NoSalt)
}

/// Whether a password is the one that was stored. What is stored and no hash is nobody's password.
#[must_use]
pub fn is_password(password: &str, hash: &str) -> bool {
    let seen = password
        .as_bytes()
        .get(..BYTES_MAX)
        .unwrap_or(password.as_bytes());
    bcrypt::verify(seen, hash).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_and_no_other_is_accepted() {
        let hash = hash_password("secret").unwrap();
        assert!(is_password("secret", &hash));
        assert!(!is_password("Secret", &hash));
        assert!(!is_password("secret", "no hash"));
        assert_eq!(hash_password(&"x".repeat(73)), Err(PasswordError::TooLong));
    }

    #[test]
    fn a_hash_made_by_go_is_understood() {
        let hash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
        assert!(!is_password("wrong", hash));
    }
}
