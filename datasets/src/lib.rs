//! Seeded generators of realistic logs with known attacks in them.
//!
//! The bytes depend on [`Options`] alone: no clock, no hash order, no floating point. So a
//! benchmark, a golden test and a bug report can name a data set by its options and compare its
//! checksum. Every attack is a campaign whose kind, addresses and times stand in the
//! [`Manifest`], which is the ground truth that detection is measured by.
//!
//! ```
//! use overspill_datasets::{Dataset, Kind, Options};
//!
//! let options = Options::new(Kind::Nginx).lines(500).seed(7);
//! let dataset = Dataset::in_memory(&options)?;
//! assert_eq!(dataset.manifest.lines, 500);
//! assert_eq!(dataset.parts[0].iter().filter(|b| **b == b'\n').count(), 500);
//! # Ok::<(), overspill_datasets::DatasetError>(())
//! ```
//!
//! [`Generator`] gives the same lines one by one, for those that need no copy of the whole;
//! [`write_geo`] makes GeoIP databases about addresses that nobody has.
//! What it does not do: imitate a particular site's traffic, or attack anything.

mod actor;
mod address;
mod audit;
mod cli;
mod dataset;
mod disorder;
mod flood;
mod frame;
mod generator;
mod geo;
mod manifest;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
mod rng;
mod ssh;
mod time;
mod vocabulary;
mod web;

pub use actor::Campaign;
pub use cli::{Command, parse_arguments};
pub use dataset::{Dataset, DatasetError, part_path, write_dataset, write_geo, write_lines};
pub use flood::{Flood, write_flood};
pub use generator::{Generator, Line};
pub use geo::{asn_database, city_database};
pub use manifest::{FileEntry, Manifest};
pub use options::{Kind, Options, OptionsError};
#[cfg(feature = "parquet")]
pub use parquet::write_parquet;
