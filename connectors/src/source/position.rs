//! Where a partition stands, as a checkpoint keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Version of the form of a position; what is in the context has a version of its own.
const VERSION: u8 = 1;
/// Longest context in bytes.
const CONTEXT_BYTES_MAX: usize = 64 * 1024;

/// Name of a partition within its source: the same after a restart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionName(pub Arc<str>);

impl PartitionName {
    /// A name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl std::fmt::Display for PartitionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where reading begins again: at the line of this offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Offset of the line, as in the batch that had it.
    pub offset: u64,
    /// What the source has to know besides; it alone can read this.
    pub context: Arc<[u8]>,
}

/// Positions of the partitions of one source.
pub type Positions = BTreeMap<PartitionName, Position>;

/// How a source is started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Resume {
    /// For the first time: there is no checkpoint.
    #[default]
    First,
    /// From a checkpoint. What is not in it is new since.
    From(Positions),
}

impl Resume {
    /// The position of a partition.
    #[must_use]
    pub fn position(&self, name: &PartitionName) -> Option<&Position> {
        match self {
            Self::First => None,
            Self::From(positions) => positions.get(name),
        }
    }
}

/// Bytes that are no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// Written by another version.
    #[error("position of version {0}, not {VERSION}")]
    Version(u8),
    /// Cut off, too long, or not a position at all.
    #[error("damaged position")]
    Damaged,
}

impl Position {
    /// At the beginning, with nothing to know.
    #[must_use]
    pub fn beginning() -> Self {
        Self {
            offset: 0,
            context: Arc::from([]),
        }
    }

    /// As bytes: version, offset, context.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.context);
        bytes
    }

    /// From bytes.
    ///
    /// # Errors
    /// When they are not of this version, or no position.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PositionError> {
        let (version, rest) = bytes.split_first().ok_or(PositionError::Damaged)?;
        if *version != VERSION {
            return Err(PositionError::Version(*version));
        }
        let (offset, context) = rest.split_first_chunk().ok_or(PositionError::Damaged)?;
        if context.len() > CONTEXT_BYTES_MAX {
            return Err(PositionError::Damaged);
        }
        Ok(Self {
            offset: u64::from_le_bytes(*offset),
            context: Arc::from(context),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_from_bytes_and_damage_is_told() {
        let position = Position {
            offset: 1 << 40,
            context: Arc::from(*b"inode"),
        };
        let bytes = position.to_bytes();
        assert_eq!(Position::from_bytes(&bytes), Ok(position));
        assert_eq!(
            Position::from_bytes(&[2, 0, 0]),
            Err(PositionError::Version(2))
        );
        assert_eq!(
            Position::from_bytes(&bytes[..8]),
            Err(PositionError::Damaged)
        );
        assert_eq!(Position::from_bytes(&[]), Err(PositionError::Damaged));
    }
}
