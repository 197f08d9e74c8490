//! The few combinations of scenario, partition and zone that records refer to by number.

use hashbrown::HashTable;

use super::record::Origin;

/// All origins so far; they are not forgotten. Records for which there is no number left are wide.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    origins: Vec<Origin>,
    index: HashTable<u16>,
    /// The number used last for each scenario.
    recent: Vec<u16>,
}

/// More scenarios than that share the places of `recent`.
const RECENT_MAX: usize = 4_096;

impl Origins {
    pub(crate) fn get(&self, number: u16) -> Origin {
        self.origins
            .get(usize::from(number))
            .copied()
            .unwrap_or_default()
    }

    /// The number of an origin; `None` when there are 65,536 others.
    pub(crate) fn number(&mut self, origin: &Origin) -> Option<u16> {
        let at = origin.seq as usize % RECENT_MAX;
        if self.recent.len() <= at {
            self.recent.resize(at + 1, 0);
        }
        let recent = self.recent[at];
        if self.origins.get(usize::from(recent)) == Some(origin) {
            return Some(recent);
        }
        let origins = &self.origins;
        let found = self.index.find(hash(origin), |&number| {
            origins[usize::from(number)] == *origin
        });
        let number = match found {
            Some(&number) => number,
            None => {
                let number = u16::try_from(self.origins.len()).ok()?;
                self.origins.push(*origin);
                let origins = &self.origins;
                self.index.insert_unique(hash(origin), number, |&other| {
                    hash(&origins[usize::from(other)])
                });
                number
            }
        };
        self.recent[at] = number;
        Some(number)
    }
}

fn hash(origin: &Origin) -> u64 {
    let Origin {
        scenario,
        partition,
        seq,
        zone_secs,
    } = *origin;
    [scenario.0, partition, seq, zone_secs.cast_unsigned()]
        .into_iter()
        .fold(0_u64, |hash, word| {
            (hash.rotate_left(23) ^ u64::from(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ScenarioId;

    #[test]
    fn an_origin_keeps_its_number_and_numbers_end() {
        let mut origins = Origins::default();
        let origin = |n: u32| Origin {
            scenario: ScenarioId(n % 7),
            partition: n,
            seq: n % 7,
            zone_secs: -3_600,
        };
        for round in 0..2 {
            for n in 0..70_000 {
                let number = origins.number(&origin(n));
                assert_eq!(number, u16::try_from(n).ok(), "{round}");
                if let Some(number) = number {
                    assert_eq!(origins.get(number), origin(n));
                }
            }
        }
    }
}
