//! JSON documents as trees.

use std::sync::Arc;

use overspill_golike::json::{Build, JsonError, decode_with};

use super::Tree;

impl Tree {
    /// Reads one JSON document (Go's `json.Unmarshal` into `any`).
    ///
    /// # Errors
    /// As [`overspill_golike::json::decode`].
    pub fn from_json(text: &[u8]) -> Result<Self, JsonError> {
        decode_with(text, &mut Trees)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TreeMap;

    #[test]
    fn numbers_are_floats_and_the_last_of_equal_keys_counts() {
        let tree = Tree::from_json(br#"{"a": [1, null, "x"], "b": true, "a": 2}"#).unwrap();
        let members: TreeMap = [
            (Box::from(&b"a"[..]), Tree::Float(2.0)),
            (Box::from(&b"b"[..]), Tree::Bool(true)),
        ]
        .into();
        assert_eq!(tree, Tree::Map(Arc::new(members)));
        assert!(Tree::from_json(b"{} {}").is_err());
    }
}
