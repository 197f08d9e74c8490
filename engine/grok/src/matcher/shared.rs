//! Compiled programs of the process, by their text.
//!
//! Parsers and post-overflow parsers, reloads and tests compile the same patterns over and over.
//! The table is bounded: when it is full it is emptied, and programs live on where they are used.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::program::Program;
use super::{Engine, GrokError};

/// Programs remembered at a time; the whole hub has some 300.
const PROGRAM_LIMIT: usize = 2048;

type Key = (Box<str>, Box<[u32]>, Engine);

static PROGRAMS: LazyLock<Mutex<FxHashMap<Key, Arc<Program>>>> = LazyLock::new(Mutex::default);

/// The program for a regex in Rust's syntax that keeps the given groups.
pub(super) fn program(rust: &str, keep: &[u32], engine: Engine) -> Result<Arc<Program>, GrokError> {
    let key: Key = (rust.into(), keep.into(), engine);
    {
        let programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs.get(&key) {
            return Ok(Arc::clone(program));
        }
    }
    // Compiled outside the lock: two threads may do the same work once, none waits for another.
    let program = Arc::new(Program::compile(rust, keep, engine)?);
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if programs.len() >= PROGRAM_LIMIT {
        programs.clear();
    }
    Ok(Arc::clone(programs.entry(key).or_insert(program)))
}
