//! Hub content, from YAML to plans the engine runs.
//!
//! Content is chosen first: from a hub directory ([`Hub`]), from a configuration directory as
//! CrowdSec lays it out ([`installed`]), or from the library that is part of the program
//! ([`embedded`]). Then [`compile`] makes of a [`Content`] everything the engine needs
//! ([`Compiled`]), with a [`Report`] of what was refused and why.
//!
//! ```no_run
//! use overspill_scenarios::{Hub, ItemKind, Options, Selection, compile};
//!
//! let hub = Hub::open("/usr/share/hub")?;
//! let content = hub.select(&Selection {
//!     items: vec![(ItemKind::Collections, "crowdsecurity/sshd".to_owned())],
//!     ..Selection::default()
//! });
//! let compiled = compile(&content, &Options::default())?;
//! for finding in compiled.report.errors() {
//!     eprintln!("{}", finding.render());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate reads files and fetches nothing. A document that is wrong is refused, loudly, and the
//! rest runs. Content is hostile: sizes, depths and aliases have limits, paths stay inside their
//! directories, and what messages show of a file cannot steer a terminal.

#![forbid(unsafe_code)]

mod api_config;
mod compile;
mod config;
mod content;
mod data;
mod diagnostic;
mod files;
mod hub;
mod hubtest;
mod index;
mod installed;
mod item;
mod job_config;
mod library;
mod places;
mod report;
pub mod yaml;

pub use api_config::{
    ApiConfig, ApiTlsConfig, AutoRegistrationConfig, DbConfig, FlushConfig, ServerConfig,
};
pub use compile::{CompileFailed, Compiled, ContextKey, Options, compile, render};
pub use config::{Prometheus, config_paths, expand};
pub use content::{Content, ContentItem};
pub use diagnostic::{Diagnostic, Excerpt, Severity, SourceFile};
pub use files::FileError;
pub use hub::{Hub, HubError, Selection};
pub use hubtest::{OVERRIDES, TestConfig};
pub use index::IndexError;
pub use installed::{ConfigPaths, installed};
pub use item::ItemKind;
pub use item::simulation::Simulation;
pub use job_config::{JobConfig, TenantRates};
pub use library::embedded;
pub use report::{Refused, Report};
