//! What became of an event.

use std::borrow::Cow;
use std::sync::Arc;

/// How [`crate::parse`] ended. [`overspill_event::Event::process`] is set accordingly.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// Through all stages. The event may still be whitelisted, which is for the caller to see.
    Processed,
    /// No node of a stage succeeded, or none handed the event over to it.
    Unparsed {
        /// The stage at which the event stopped.
        stage: Arc<str>,
    },
    /// An error of an item: the event is lost.
    Dropped {
        /// The error.
        why: Refusal,
    },
}

/// Why a node loses its event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A static's expression gave what is neither text, nor a number, nor nothing.
    #[error("static of node `{node}` gave a value of type {found}, which no field can hold")]
    StaticType {
        /// The node.
        node: Arc<str>,
        /// Go's name of the type.
        found: Cow<'static, str>,
    },
}
