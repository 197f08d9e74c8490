//! CrowdSec's Local API: what every bouncer, log processor and `cscli` talk to, unchanged.
//!
//! ```text
//!  log processors ──▶ POST /v1/alerts ──▶ profiles, allowlists ──▶ store (numbers) ──▶ Active
//!  cscli          ──▶ decisions, alerts ─────────────────────────▶   "                  │
//!  bouncers       ◀── GET /v1/decisions/stream ◀── what changed since the mark ◀────────┘
//! ```
//!
//! A [`Lapi`] serves a [`Store`](overspill_store::Store) over TCP, TLS and a Unix socket. Bouncers are answered from
//! memory ([`active`]); a start-up pull and a delta are two readings of one numbered log. Several servers may serve one
//! database.
//!
//! What CrowdSec answers, and where this differs and why, stands in `docs/book/src/lapi.md`.

#![forbid(unsafe_code)]

pub mod active;
mod auth;
mod body;
mod caller;
mod connections;
mod core;
mod counts;
mod handlers;
mod meters;
mod peer;
mod prompt;
mod reply;
mod routes;
mod server;
mod settings;
mod stream;
mod tls;
mod wire;

pub use auth::key::{NoRandom, generate_key, hash_key};
pub use auth::password::{PasswordError, hash_password, is_password};
pub use core::{Clock, allowlist};
pub use meters::{Counts, OTHERS};
pub use server::{Lapi, LapiError, LapiParts, State};
pub use settings::{
    AutoRegistration, ClientVerification, Forwarded, Limits, Settings, TlsSettings,
};
pub use tls::TlsError;
