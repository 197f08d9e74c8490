//! A key group that is full gives up its least useful keys.

use super::Table;
use super::cells::CellId;
use crate::key::key_group;
use crate::pour::Order;

/// The part of the cap that leaves at once, so that looking for victims is paid once for many.
const SHARE: usize = 8;

/// Rank, place of the last pour, cell: the order in which keys leave.
pub(super) type Candidate = (u8, Order, CellId);

impl Table {
    /// Evicts keys of a group that is above its cap. Which ones depends on settled states only.
    pub(super) fn enforce_cap(&mut self, group: u16) {
        if !self.is_over_cap(group) {
            return;
        }
        let keys_max = self.config.keys_per_group_max;
        let bytes_max = self.config.bytes_per_group_max;
        let totals = self.cells.group(group);
        let keys_target = if totals.n_settled > keys_max {
            keys_max - keys_max / SHARE
        } else {
            usize::MAX
        };
        let bytes_target = if totals.settled_bytes > bytes_max {
            bytes_max - bytes_max / SHARE as u64
        } else {
            u64::MAX
        };
        let mut candidates = std::mem::take(&mut self.candidates);
        let members = totals.members().iter();
        let existing = members.filter(|&&id| self.cells.exists(id)).map(|&id| {
            let (rank, last) = self.cells.usefulness(id);
            (rank, last, id)
        });
        candidates.extend(existing);
        self.evict_least(&mut candidates, keys_target, bytes_target);
        candidates.clear();
        self.candidates = candidates;
    }

    /// Evicts the least useful of these keys of one group, until it is down to its targets.
    fn evict_least(&mut self, candidates: &mut [Candidate], keys_target: usize, bytes_target: u64) {
        let Some(&(_, _, id)) = candidates.first() else {
            return;
        };
        let group = key_group(self.cells.key(id));
        // No two keys have their last pour at the same place, so the order of cells decides nothing.
        let mut rest = candidates;
        while !rest.is_empty() {
            // The least useful ones, a share at a time: mostly the first is enough.
            let n = rest.len().div_ceil(SHARE);
            if n < rest.len() {
                rest.select_nth_unstable(n);
            }
            let (least, others) = rest.split_at_mut(n);
            least.sort_unstable();
            for &(_, _, id) in &*least {
                let totals = self.cells.group(group);
                if totals.n_settled <= keys_target && totals.settled_bytes <= bytes_target {
                    return;
                }
                self.evict(id);
            }
            rest = others;
        }
    }

    fn evict(&mut self, id: CellId) {
        let is_loss = self.cells.is_of_use(id);
        if let Some(ahead) = self.cells.ahead_mut(id) {
            ahead.is_void = true;
            self.voided.push(id);
        }
        self.counters.evicted += u64::from(is_loss);
        self.cells.note_evicted(id);
        self.clear(id);
    }
}
