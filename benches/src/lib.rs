//! What the micro-benchmarks share: generated lines, and the embedded library ready to run.
//!
//! The benchmarks are in `micro`, one file a part of the engine. Inputs are made by seed, so that
//! two machines measure the same lines.

mod cpu;
mod hostile;
mod runner;
mod samples;

pub use cpu::thread_cpu_ns;
pub use hostile::{CARRIERS, Carrier, FILLS, broken, stretched};
pub use runner::{Engine, Failed, Runner};
pub use samples::{audit_lines, ingress_lines, nginx_lines, sshd_lines, sshd_messages};
