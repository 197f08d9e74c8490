//! A key group that is full gives up its least useful keys.

use super::Table;
use super::cells::CellId;
use crate::pour::Order;

/// The part of the cap that leaves at once, so that looking for victims is paid once for many.
const SHARE: usize = 8;

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
        let mut candidates: Vec<(u8, Order, CellId)> = totals
            .members()
            .iter()
            .map(|&id| (id, &self.cells.get(id).state))
            .filter(|(_, state)| state.exists())
            .map(|(id, state)| (state.rank(), state.last, id))
            .collect();
        // No two keys have their last pour at the same place, so the order of cells decides nothing.
        candidates.sort_unstable();
        for (_, _, id) in candidates {
            let totals = self.cells.group(group);
            if totals.n_settled <= keys_target && totals.settled_bytes <= bytes_target {
                break;
            }
            self.evict(id);
        }
    }

    fn evict(&mut self, id: CellId) {
        let cell = self.cells.get_mut(id);
        let is_loss = cell.state.bucket.is_some() || !cell.state.holes.is_empty();
        if let Some(ahead) = &mut cell.ahead {
            ahead.is_void = true;
            self.voided.push(id);
        }
        self.counters.evicted += u64::from(is_loss);
        self.clear(id);
    }
}
