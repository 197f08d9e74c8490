//! JSON into the event's untyped tree.

use std::sync::Arc;

use overspill_event::{Event, Tree};
use overspill_golike::json::{Build, JsonError, decode_with};

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
    match decode_with(event.raw(), &mut Trees).map_err(UnmarshalError::Json)? {
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

struct Trees;

impl Build for Trees {
    type Value = Tree;

    fn null(&mut self) -> Tree {
        Tree::Null
    }

    fn boolean(&mut self, value: bool) -> Tree {
        Tree::Bool(value)
    }

    fn number(&mut self, value: f64) -> Tree {
        Tree::Float(value)
    }

    fn string(&mut self, value: &str) -> Tree {
        Tree::Str(value.as_bytes().into())
    }

    fn array(&mut self, items: Vec<Tree>) -> Tree {
        Tree::List(Arc::new(items))
    }

    fn object(&mut self, members: Vec<(String, Tree)>) -> Tree {
        let members = members
            .into_iter()
            .map(|(key, value)| (key.into_bytes().into_boxed_slice(), value));
        Tree::Map(Arc::new(members.collect()))
    }
}
