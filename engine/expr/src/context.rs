//! What an evaluation is given.

use overspill_event::Event;
use overspill_golike::time::Time;

use crate::services::Services;
use crate::value::{Bytes, Value};

/// The surroundings of one evaluation.
pub struct Context<'a> {
    /// `evt`. Some expressions write to it (`evt.SetMeta`, `UnmarshalJSON`, ...).
    pub evt: Option<&'a mut Event>,
    /// The other variables, in the order of [`crate::Env`].
    pub vars: &'a [Value],
    /// What `GetFromStash` reads.
    pub stash: &'a mut dyn Stash,
    /// Everything outside.
    pub services: &'a Services,
    /// What `TimeNow()` and `now()` answer. Never the wall clock.
    pub now: Time,
}

/// The stashes of a partition.
pub trait Stash {
    /// The value of a key in the first cache of that name, unless it has expired at `now`.
    fn get(&mut self, cache: &[u8], key: &[u8], now: Time) -> Option<Bytes>;
}

/// No stash at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStash;

impl Stash for NoStash {
    fn get(&mut self, _cache: &[u8], _key: &[u8], _now: Time) -> Option<Bytes> {
        None
    }
}
