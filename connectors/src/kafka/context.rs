//! What a position says besides its offset: which topic of that name it belongs to.

use std::sync::Arc;

const VERSION: u8 = 1;
/// Longest id of a topic; Kafka's have 22 bytes.
const ID_BYTES_MAX: usize = 64;

/// A topic that is deleted and created again has another id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Context {
    /// As the broker has it; empty where that is not known.
    pub(super) topic_id: String,
}

impl Context {
    pub(super) fn to_bytes(&self) -> Arc<[u8]> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.topic_id.as_bytes());
        Arc::from(bytes)
    }

    /// One that cannot be read says nothing: the offset counts all the same.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let id = match bytes.split_first() {
            Some((&VERSION, id)) if id.len() <= ID_BYTES_MAX => std::str::from_utf8(id).ok(),
            _ => None,
        };
        Self {
            topic_id: id.unwrap_or_default().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_comes_back_from_bytes_and_damage_says_nothing() {
        let context = Context {
            topic_id: "u1FSoSpLTFSpzChdLbqUWQ".to_owned(),
        };
        assert_eq!(Context::from_bytes(&context.to_bytes()), context);
        let none = Context::default();
        assert_eq!(Context::from_bytes(&none.to_bytes()), none);
        for bytes in [&[][..], &[9, 1], &[1, 0xff, 0xfe], &[1; 100]] {
            assert_eq!(Context::from_bytes(bytes), none);
        }
    }
}
