//! What becomes of a batch of records that is damaged.

/// Times that a damaged batch is fetched again: it may have been damaged on its way, or another replica may have it.
const DAMAGED_TRIES: u32 = 10;

/// A batch of records whose checksum is wrong. The client library says so and goes on with the next one, if it has that.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Times that it was met since the last record.
    n_met: u32,
}

/// What is to be done about a damaged batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It is fetched again.
    Again,
    /// It is given up. What follows is taken, if it is there.
    GivenUp,
    /// Nothing that follows is there: it is fetched from the next offset on, until one is behind the batch.
    Behind,
}

impl Damage {
    /// It was met once more.
    pub(super) fn meet(&mut self) -> Met {
        self.n_met = self.n_met.saturating_add(1);
        match self.n_met {
            ..=DAMAGED_TRIES => Met::Again,
            n if n == DAMAGED_TRIES + 1 => Met::GivenUp,
            _ => Met::Behind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_batch_is_fetched_again_then_given_up_and_then_passed_by() {
        let mut damage = Damage::default();
        for _ in 0..DAMAGED_TRIES {
            assert_eq!(damage.meet(), Met::Again);
        }
        assert_eq!(damage.meet(), Met::GivenUp);
        assert_eq!(damage.meet(), Met::Behind);
        assert_eq!(damage.meet(), Met::Behind);
    }
}
