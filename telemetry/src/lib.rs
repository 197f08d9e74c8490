//! Metrics over HTTP: what they are called, how they are written, and who may ask for them; and spans for a collector.
//!
//! A [`Metric`] names a family and says what it means. Whoever is asked puts the values of the moment on a
//! [`Page`], which a [`Book`] keeps within limits and writes in Prometheus' text format. A [`Server`] answers
//! GET for the paths of a [`Site`].
//!
//! ```
//! use overspill_telemetry::{Book, Kind, Limits, Metric};
//!
//! static LINES: Metric = Metric {
//!     name: "overspill_lines_total",
//!     help: "Lines read.",
//!     kind: Kind::Counter,
//!     labels: &["source"],
//! };
//! let mut book = Book::new(Limits::default());
//! let mut page = book.page();
//! page.add(&LINES, &["/var/log/auth.log"], 3.0);
//! assert!(page.finish().contains("overspill_lines_total{source=\"/var/log/auth.log\"} 3\n"));
//! ```
//!
//! What it does not do: count. Counters stay where things happen, and are read when somebody asks.

#![forbid(unsafe_code)]

mod histogram;
mod metric;
mod page;
pub mod request;
mod server;
mod spans;

pub use histogram::{Histogram, Observed};
pub use metric::{Kind, Metric};
pub use page::{Book, CONTENT_TYPE, FOLDED, Limits, OTHER, Page};
pub use server::{Answer, Counts, ServeError, Server, ServerLimits, Site};
pub use spans::{EndpointError, Span, SpanCounts, SpanExporter, SpanValue};
