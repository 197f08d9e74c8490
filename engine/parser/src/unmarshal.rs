//! JSON into the event's untyped tree.

use std::sync::Arc;

use overspill_event::{Event, Tree};
use overspill_golike::json::JsonError;

/// Why a line is no JSON object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnmarshalError {
    /// No JSON at all.
    #[error("decode the line as JSON")]
    Json(#[source] JsonError),
    /// JSON of another shape.
    #[error("the line is JSON, but no object")]
    NotObject,
}

/// Puts the members of the raw line, a JSON object, into `evt.Unmarshaled`; `null` empties it.
pub(crate) fn unmarshal_line(event: &mut Event) -> Result<(), UnmarshalError> {
    match Tree::from_json(event.raw()).map_err(UnmarshalError::Json)? {
        Tree::Map(members) => {
            let members = Arc::unwrap_or_clone(members);
            event.tree_mut().extend(members);
            Ok(())
        }
        Tree::Null => {
            event.tree_mut().clear();
            Ok(())
        }
        _ => Err(UnmarshalError::NotObject),
    }
}
