//! What the fuzz targets share: how an input is cut, and the embedded library, compiled once.

mod bytes;
mod library;
mod sample;

pub use bytes::{Input, line, text};
pub use library::{Library, library};
pub use sample::{NOW, PROBE, event};
