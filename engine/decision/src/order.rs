//! The order in which Go's `sort.Sort` leaves elements, equal ones included.
//!
//! Go sorts with a pattern-defeating quicksort that is not stable, and CrowdSec's hub tests assert
//! positions of equal elements as that algorithm leaves them (`hubtest.md` 4.3). So this is the
//! same sequence of comparisons and swaps, constants included (Go 1.20 and later). It is not meant
//! for speed, and it sorts nothing that a plain `sort_by` would do as well.

/// Sorts as Go's `sort.Sort` does. `less` may be any function: an inconsistent one gives some
/// permutation, never a panic.
pub fn go_sort<T>(items: &mut [T], less: impl FnMut(&T, &T) -> bool) {
    let len = items.len();
    let limit = bit_length(len);
    Sorter { items, less }.quick(0, len, limit);
}

/// At most this many elements are sorted by insertion.
const INSERTION_MAX: usize = 12;
/// From this length on, the pivot is a median of medians, and a nearly sorted run is repaired.
const LONG_FROM: usize = 50;
/// Out-of-order pairs that are repaired before a run is given up as not nearly sorted.
const REPAIRS_MAX: usize = 5;
/// Swaps that choosing a pivot makes when everything descends.
const PIVOT_SWAPS_MAX: u32 = 12;

#[derive(PartialEq, Eq)]
enum Hint {
    Unknown,
    Increasing,
    Decreasing,
}

struct Sorter<'a, T, F> {
    items: &'a mut [T],
    less: F,
}

impl<T, F: FnMut(&T, &T) -> bool> Sorter<'_, T, F> {
    fn less(&mut self, i: usize, j: usize) -> bool {
        (self.less)(&self.items[i], &self.items[j])
    }

    fn swap(&mut self, i: usize, j: usize) {
        self.items.swap(i, j);
    }

    /// Sorts `a..b`. Recurses into the smaller part only, so its depth is logarithmic.
    fn quick(&mut self, mut a: usize, mut b: usize, mut limit: u32) {
        let (mut was_balanced, mut was_partitioned) = (true, true);
        loop {
            let len = b - a;
            if len <= INSERTION_MAX {
                return self.insertion(a, b);
            }
            if limit == 0 {
                return self.heap(a, b);
            }
            if !was_balanced {
                self.break_patterns(a, b);
                limit -= 1;
            }
            let (mut pivot, mut hint) = self.choose_pivot(a, b);
            if hint == Hint::Decreasing {
                self.items[a..b].reverse();
                pivot = (b - 1) - (pivot - a);
                hint = Hint::Increasing;
            }
            if was_balanced
                && was_partitioned
                && hint == Hint::Increasing
                && self.repair_nearly_sorted(a, b)
            {
                return;
            }
            // The element before the range is a former pivot, no larger than any in the range: if
            // the new pivot equals it, whatever equals the pivot is already in place.
            if a > 0 && !self.less(a - 1, pivot) {
                a = self.partition_equal(a, b, pivot);
                continue;
            }
            let (mid, already_partitioned) = self.partition(a, b, pivot);
            was_partitioned = already_partitioned;
            let (left, right) = (mid - a, b - mid);
            if left < right {
                was_balanced = left >= len / 8;
                self.quick(a, mid, limit);
                a = mid + 1;
            } else {
                was_balanced = right >= len / 8;
                self.quick(mid + 1, b, limit);
                b = mid;
            }
        }
    }

    fn insertion(&mut self, a: usize, b: usize) {
        for i in a + 1..b {
            let mut j = i;
            while j > a && self.less(j, j - 1) {
                self.swap(j, j - 1);
                j -= 1;
            }
        }
    }

    fn heap(&mut self, a: usize, b: usize) {
        let len = b - a;
        for root in (0..=(len - 1) / 2).rev() {
            self.sift_down(root, len, a);
        }
        for end in (0..len).rev() {
            self.swap(a, a + end);
            self.sift_down(0, end, a);
        }
    }

    fn sift_down(&mut self, mut root: usize, end: usize, first: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= end {
                return;
            }
            if child + 1 < end && self.less(first + child, first + child + 1) {
                child += 1;
            }
            if !self.less(first + root, first + child) {
                return;
            }
            self.swap(first + root, first + child);
            root = child;
        }
    }

    /// Scatters three elements around the middle, by a generator seeded with the length.
    fn break_patterns(&mut self, a: usize, b: usize) {
        let len = b - a;
        if len < 8 {
            return;
        }
        let mut random = len as u64;
        let mask = (1u64 << bit_length(len)) - 1;
        let middle = a + (len / 4) * 2;
        for place in middle - 1..=middle + 1 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut other = usize::try_from(random & mask).unwrap_or(0);
            if other >= len {
                other -= len;
            }
            self.swap(place, a + other);
        }
    }

    fn choose_pivot(&mut self, a: usize, b: usize) -> (usize, Hint) {
        let len = b - a;
        let mut swaps = 0;
        let (mut i, mut j, mut k) = (a + len / 4, a + len / 4 * 2, a + len / 4 * 3);
        if len >= LONG_FROM {
            i = self.median(i - 1, i, i + 1, &mut swaps);
            j = self.median(j - 1, j, j + 1, &mut swaps);
            k = self.median(k - 1, k, k + 1, &mut swaps);
        }
        let pivot = self.median(i, j, k, &mut swaps);
        let hint = match swaps {
            0 => Hint::Increasing,
            PIVOT_SWAPS_MAX => Hint::Decreasing,
            _ => Hint::Unknown,
        };
        (pivot, hint)
    }

    fn median(&mut self, i: usize, j: usize, k: usize, swaps: &mut u32) -> usize {
        let (i, j) = self.ordered(i, j, swaps);
        let (j, _) = self.ordered(j, k, swaps);
        self.ordered(i, j, swaps).1
    }

    fn ordered(&mut self, i: usize, j: usize, swaps: &mut u32) -> (usize, usize) {
        if self.less(j, i) {
            *swaps += 1;
            (j, i)
        } else {
            (i, j)
        }
    }

    /// Repairs a few out-of-order pairs; answers whether the range is sorted then.
    fn repair_nearly_sorted(&mut self, a: usize, b: usize) -> bool {
        let mut i = a + 1;
        for _ in 0..REPAIRS_MAX {
            while i < b && !self.less(i, i - 1) {
                i += 1;
            }
            if i == b {
                return true;
            }
            if b - a < LONG_FROM {
                return false;
            }
            self.swap(i, i - 1);
            if i - a >= 2 {
                let mut j = i - 1;
                // Down to 1, not to `a`: that is what Go does, and an element before `a` is never
                // larger.
                while j >= 1 && self.less(j, j - 1) {
                    self.swap(j, j - 1);
                    j -= 1;
                }
            }
            if b - i >= 2 {
                let mut j = i + 1;
                while j < b && self.less(j, j - 1) {
                    self.swap(j, j - 1);
                    j += 1;
                }
            }
        }
        false
    }

    /// Moves what is less than the pivot before it. Answers the pivot's place, and whether nothing
    /// but the pivot had to move.
    fn partition(&mut self, a: usize, b: usize, pivot: usize) -> (usize, bool) {
        self.swap(a, pivot);
        let (mut i, mut j) = (a + 1, b - 1);
        let mut swapped = false;
        loop {
            while i <= j && self.less(i, a) {
                i += 1;
            }
            while i <= j && !self.less(j, a) {
                j -= 1;
            }
            if i > j {
                break;
            }
            self.swap(i, j);
            swapped = true;
            i += 1;
            j -= 1;
        }
        self.swap(j, a);
        (j, !swapped)
    }

    /// Moves what equals the pivot to the front; answers where the greater ones begin.
    fn partition_equal(&mut self, a: usize, b: usize, pivot: usize) -> usize {
        self.swap(a, pivot);
        let (mut i, mut j) = (a + 1, b - 1);
        loop {
            while i <= j && !self.less(a, i) {
                i += 1;
            }
            while i <= j && self.less(a, j) {
                j -= 1;
            }
            if i > j {
                return i;
            }
            self.swap(i, j);
            i += 1;
            j -= 1;
        }
    }
}

fn bit_length(n: usize) -> u32 {
    usize::BITS - n.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs (key, position): equal keys abound, so a wrong step shows in the positions.
    fn input(n: usize, keys: usize, shape: usize, seed: u64) -> Vec<(usize, usize)> {
        let mut state = seed;
        (0..n)
            .map(|i| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let random = usize::try_from(state >> 33).unwrap() % keys;
                let key = match shape {
                    0 => random,
                    1 if random == 0 => 0,
                    1 => i * keys / n,
                    2 if random == 0 => keys,
                    2 => (n - i) * keys / n,
                    3 => (i * 7) % keys,
                    _ => (if i > n / 2 { n - i } else { i }) * keys / n,
                };
                (key, i)
            })
            .collect()
    }

    fn digest(items: &[(usize, usize)]) -> u32 {
        items.iter().fold(2_166_136_261, |hash, (_, position)| {
            (hash ^ u32::try_from(*position).unwrap()).wrapping_mul(16_777_619)
        })
    }

    /// Digests of Go 1.26's own `sort.Sort` over the same inputs, by length and shape: random,
    /// rising with outliers, falling with outliers, sawtooth, hill.
    const BY_GO: &[(usize, [u32; 5])] = &[
        (
            12,
            [0x182bfbf0, 0xf91223b6, 0x2ecceaac, 0xdadc06c0, 0x8c352940],
        ),
        (
            13,
            [0xc141b282, 0x7e8147b8, 0xb92b868a, 0x686b10c0, 0xc81e82c0],
        ),
        (
            20,
            [0x51ce5506, 0x0489826e, 0xbfd2a040, 0x8b45c240, 0x9ab9f580],
        ),
        (
            28,
            [0x807aba42, 0x57d46fb6, 0x0b2241a8, 0xc46990c0, 0x3939a180],
        ),
        (
            49,
            [0x26531d8e, 0xb9e6ebe2, 0x2782278c, 0xd7a2c240, 0xb9a67f00],
        ),
        (
            50,
            [0xbd56bfaa, 0x0550ad1c, 0xafc53464, 0x3ac03c40, 0xe977a700],
        ),
        (
            51,
            [0x0bc493ee, 0x45129ade, 0xe7f0fce6, 0x1e725d40, 0xe5de3a80],
        ),
        (
            64,
            [0xac66b708, 0x0b3cf47e, 0x8b919f04, 0x1223a2c0, 0x5b8f8400],
        ),
        (
            100,
            [0xef9bfe06, 0xccf4cd88, 0x90ff5a0e, 0x8c092480, 0x7bdf99c0],
        ),
        (
            300,
            [0xecadd2a8, 0xd4ded1c6, 0xfb7e04a8, 0x3c1a3b80, 0xb8a07600],
        ),
        (
            1000,
            [0x59d8435c, 0x5a0d49fa, 0x3038d7cc, 0x9499a740, 0xd9222780],
        ),
        (
            3000,
            [0x9d968190, 0x47674616, 0x8edea240, 0x395618c0, 0x9521ccc0],
        ),
    ];

    #[test]
    fn equal_elements_end_where_go_leaves_them() {
        for (n, expected) in BY_GO {
            for (shape, expected) in expected.iter().enumerate() {
                let mut hash = 0u32;
                for keys in [2, 5, 17, 1000] {
                    for seed in 1..=10 {
                        let mut items = input(*n, keys, shape, seed);
                        go_sort(&mut items, |a, b| a.0 < b.0);
                        assert!(items.is_sorted_by_key(|item| item.0), "{n} {keys} {shape}");
                        hash = hash.wrapping_mul(31).wrapping_add(digest(&items));
                    }
                }
                assert_eq!(hash, *expected, "length {n}, shape {shape}");
            }
        }
    }

    #[test]
    fn up_to_twelve_elements_equal_ones_keep_their_order() {
        let mut items = input(12, 2, 0, 9);
        let mut stable = items.clone();
        stable.sort_by_key(|item| item.0);
        go_sort(&mut items, |a, b| a.0 < b.0);
        assert_eq!(items, stable);
    }

    #[test]
    fn an_inconsistent_order_gives_a_permutation() {
        for n in [0, 1, 2, 13, 60, 500] {
            let mut flip = false;
            let mut items: Vec<usize> = (0..n).collect();
            go_sort(&mut items, |_, _| {
                flip = !flip;
                flip
            });
            items.sort_unstable();
            assert!(items.into_iter().eq(0..n), "{n}");
            let mut items: Vec<usize> = (0..n).collect();
            go_sort(&mut items, |_, _| true);
            items.sort_unstable();
            assert!(items.into_iter().eq(0..n), "{n}");
        }
    }
}
