//! A wall around decoders of others that may panic on damaged input.
//!
//! The Parquet and Arrow crates check most of what they read, and still have places where a damaged
//! page ends in an index out of bounds. Such a panic means that this part of this file cannot be
//! read, no more. It is caught at the edge of a row group and becomes a dead letter; nothing that was
//! used during the panic is used again.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it is an error that says where it was.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // The text of a guarded panic goes into the dead letter and not to standard error.
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !IS_GUARDED.get() {
                before(info);
            }
        }));
    });
    let was_guarded = IS_GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(was_guarded);
    result.map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown");
        format!("the decoder failed on it: {text}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        assert_eq!(guarded(|| 7), Ok(7));
        let error = guarded(|| panic!("index {}", 9)).unwrap_err();
        assert_eq!(error, "the decoder failed on it: index 9");
    }
}
