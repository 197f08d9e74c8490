//! Which partition reads a file: one at most, whatever names it has.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use crate::tail::family;
use crate::tail::identity::{FileId, Print};

/// Files remembered after a partition has left them, and beginnings of files remembered.
const REMEMBERED_MAX: usize = 20_000;

/// What a partition learns when it wants a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It has it, and nobody read it before.
    Fresh,
    /// It has it; another partition read it up to here, and it began so.
    Left(u64, Print),
    /// Another partition has it.
    Taken,
}

/// Who reads what.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    held: HashMap<FileId, usize>,
    /// Files held by a rotated name's position, which the path they came of may have to read first.
    tentative: HashSet<FileId>,
    left: HashMap<FileId, (u64, Print)>,
    left_order: VecDeque<FileId>,
    /// By the hash of a full print, where a file lay that begins so.
    beginnings: HashMap<u64, Arc<Path>>,
    beginnings_order: VecDeque<u64>,
}

impl Claims {
    /// Partition number `owner` wants a file.
    pub(crate) fn claim(&mut self, file: FileId, owner: usize) -> Claim {
        if *self.held.entry(file).or_insert(owner) != owner {
            return Claim::Taken;
        }
        match self.left.remove(&file) {
            Some((offset, print)) => Claim::Left(offset, print),
            None => Claim::Fresh,
        }
    }

    /// A partition has no more to do with a file, which it read up to an offset.
    pub(crate) fn leave(&mut self, file: FileId, owner: usize, read: Option<(u64, Print)>) {
        if self.held.get(&file) == Some(&owner) {
            self.held.remove(&file);
        }
        let Some(read) = read else {
            return;
        };
        if self.left.insert(file, read).is_none() {
            self.left_order.push_back(file);
        }
        if self.left_order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.left_order.pop_front()
        {
            self.left.remove(&oldest);
        }
    }

    /// As [`Self::claim`], for a position of a rotated name: whoever has a position of the path itself may
    /// [take it over](Self::take_over) until it is [confirmed](Self::confirm).
    pub(crate) fn claim_tentatively(&mut self, file: FileId, owner: usize) -> Claim {
        let claim = self.claim(file, owner);
        if claim != Claim::Taken {
            self.tentative.insert(file);
        }
        claim
    }

    /// Takes a file from a partition that has not begun to read it. Answers whether it could.
    pub(crate) fn take_over(&mut self, file: FileId, owner: usize) -> bool {
        let can = self.tentative.remove(&file);
        if can {
            self.held.insert(file, owner);
        }
        can
    }

    /// Whether a partition has a file.
    pub(crate) fn is_held(&self, file: FileId, owner: usize) -> bool {
        self.held.get(&file) == Some(&owner)
    }

    /// A partition begins to read a file that it held tentatively. Answers whether it still has it.
    pub(crate) fn confirm(&mut self, file: FileId, owner: usize) -> bool {
        let is_held = self.is_held(file, owner);
        if is_held {
            self.tentative.remove(&file);
        }
        is_held
    }

    /// A file of which a position says that it was read up to an offset, if no partition has it.
    pub(crate) fn remember(&mut self, file: FileId, read: (u64, Print)) {
        if !self.held.contains_key(&file) && !self.left.contains_key(&file) {
            self.left.insert(file, read);
            self.left_order.push_back(file);
        }
    }

    /// Remembers how the file at a path begins.
    pub(crate) fn begins(&mut self, path: &Arc<Path>, print: Print) {
        if print.is_full()
            && self
                .beginnings
                .insert(print.hash, Arc::clone(path))
                .is_none()
        {
            self.beginnings_order.push_back(print.hash);
        }
        if self.beginnings_order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.beginnings_order.pop_front()
        {
            self.beginnings.remove(&oldest);
        }
    }

    /// Whether a new file is what rotation by copying made of another one.
    pub(crate) fn is_copy(&self, path: &Path, print: Print) -> bool {
        print.is_full()
            && self
                .beginnings
                .get(&print.hash)
                .is_some_and(|original| family::is_rotated(path, original))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_reader_and_the_next_one_goes_on_where_it_left() {
        let mut claims = Claims::default();
        let file = FileId {
            device: 1,
            inode: 2,
        };
        assert_eq!(claims.claim(file, 7), Claim::Fresh);
        assert_eq!(claims.claim(file, 7), Claim::Fresh);
        assert_eq!(claims.claim(file, 8), Claim::Taken);
        claims.leave(file, 8, None);
        assert_eq!(claims.claim(file, 8), Claim::Taken);
        assert!(!claims.take_over(file, 8));
        claims.leave(file, 7, Some((100, Print::default())));
        assert_eq!(claims.claim(file, 8), Claim::Left(100, Print::default()));
    }

    #[test]
    fn what_is_held_tentatively_can_be_taken_over_until_it_is_confirmed() {
        let mut claims = Claims::default();
        let file = |inode| FileId { device: 1, inode };
        assert_eq!(claims.claim_tentatively(file(1), 1), Claim::Fresh);
        assert_eq!(claims.claim_tentatively(file(2), 1), Claim::Fresh);
        assert_eq!(claims.claim_tentatively(file(2), 2), Claim::Taken);
        assert!(claims.confirm(file(1), 1) && !claims.take_over(file(1), 2));
        assert!(claims.take_over(file(2), 2) && !claims.confirm(file(2), 1));
        assert!(!claims.take_over(file(2), 3));
    }
}
