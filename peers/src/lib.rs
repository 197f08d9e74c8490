//! The processes of one job: how they find each other, prove who they are, lose each other, and
//! are started again together.
//!
//! [`connect`] takes a listening socket and [`Peers`] (who belongs to the job, where they are, the
//! secret they share) and answers with one [`Link`] for each peer, all of one generation:
//!
//! ```text
//!  process 0                    process 1                    process 2
//!    accepts   <--- greeting ----  dials 0: learns the generation
//!    accepts   <------------------ greeting ------------------  dials 0
//!                                 accepts   <--- greeting ----  dials 1
//! ```
//!
//! The greeting is drawn in [`greeting`]. Whoever cannot finish it is dropped, counted in
//! [`Counts`] and now and then told to the caller as a [`Notice`]; it never ends the process.
//!
//! Once they run, the processes of a job fail together: the dataflow cannot take a process back.
//! [`supervise`] starts them together again. A process that is lost without a word (a host that
//! fell dead, a cable) is noticed by its socket: see [`Limits::lost_after`].
//!
//! This crate knows nothing of the dataflow, and reads no clock but the one it is given.

#![forbid(unsafe_code)]

pub mod greeting;

mod accept;
mod dial;
mod identity;
mod link;
mod meet;
mod mesh;
mod notice;
mod secret;
mod socket;
mod spec;
pub mod supervise;
mod tls;

pub use identity::Identity;
pub use link::Link;
pub use meet::{ClusterError, Generation, Limits, Meeting, Peers, connect};
pub use notice::{Counts, Missing, Notice, Refusal};
pub use secret::{Secret, SecretError};
pub use socket::set_options;
pub use spec::{DEFAULT_PORT, PROCESSES_MAX, PeersSpec, SpecError, ordinal_of};
pub use tls::{Tls, TlsError, TlsFiles};
