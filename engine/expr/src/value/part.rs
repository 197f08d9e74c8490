//! References into an event: `evt`, `evt.Line`, `evt.Meta`, ... as values.

use std::sync::Arc;

use overspill_event::{Event, FieldMap};

/// Which part of an event a value stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The event itself.
    Whole,
    /// `evt.Line`.
    Line,
    /// One of the string maps.
    Fields(FieldMap),
    /// `evt.Unmarshaled`.
    Tree,
    /// `evt.Appsec`, always empty here.
    Appsec,
}

/// A part of an event.
#[derive(Clone)]
pub struct EventPart {
    /// The event, or `None` for the one that is being evaluated (`evt`).
    pub event: Option<Arc<Event>>,
    /// The part.
    pub part: Part,
}
