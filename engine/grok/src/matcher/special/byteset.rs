//! Sets of bytes.

use regex_syntax::hir::Class;

/// A set of byte values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    #[inline(always)]
    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    pub(super) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn extend(&mut self, other: &ByteSet) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    /// How many ASCII bytes are in the set.
    pub(super) fn ascii_len(&self) -> u32 {
        self.0[0].count_ones() + self.0[1].count_ones()
    }

    /// The only member, if there is one.
    pub(super) fn single(&self) -> Option<u8> {
        let mut members = (0..=0xFF).filter(|byte| self.contains(*byte));
        members.next().filter(|_| members.next().is_none())
    }

    /// One flag per byte value, the fastest form to scan with.
    pub(super) fn table(&self) -> [bool; 256] {
        std::array::from_fn(|byte| u8::try_from(byte).is_ok_and(|byte| self.contains(byte)))
    }
}

/// A character class as a set of bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByteClass {
    /// The ASCII members, and all bytes from 0x80 if any other character is a member.
    pub(super) set: ByteSet,
    /// Takes characters past ASCII.
    pub(super) wide: bool,
    /// Takes all characters past ASCII or none, so that bytes say the same as characters.
    pub(super) exact: bool,
}

impl ByteClass {
    /// `None` for classes of bytes that are no characters.
    pub(super) fn new(class: &Class) -> Option<Self> {
        let mut set = ByteSet::default();
        let mut beyond = 0u32;
        match class {
            Class::Bytes(class) => {
                for range in class.ranges() {
                    if !range.end().is_ascii() {
                        return None;
                    }
                    (range.start()..=range.end()).for_each(|byte| set.insert(byte));
                }
            }
            Class::Unicode(class) => {
                for range in class.ranges() {
                    let (start, end) = (u32::from(range.start()), u32::from(range.end()));
                    for byte in (start..=end).take_while(|c| *c < 0x80) {
                        set.insert(u8::try_from(byte).unwrap_or(0));
                    }
                    if end >= 0x80 {
                        beyond += end - start.max(0x80) + 1;
                        // Ranges may run across the surrogates, which are no characters.
                        if start < 0xD800 && end > 0xDFFF {
                            beyond -= 0x800;
                        }
                    }
                }
            }
        }
        let wide = beyond > 0;
        if wide {
            (0x80..=0xFF).for_each(|byte| set.insert(byte));
        }
        let everything = 0x11_0000 - 0x80 - 0x800;
        Some(ByteClass {
            set,
            wide,
            exact: !wide || beyond == everything,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_become_byte_sets() {
        let check = |regex: &str, members: &str, wide: bool, exact: bool| {
            let hir = crate::hir::parse(regex).unwrap();
            let regex_syntax::hir::HirKind::Class(class) = hir.kind() else {
                panic!("{regex} is no class");
            };
            let class = ByteClass::new(class).unwrap();
            let found: String = (0..0x80u8)
                .filter(|b| class.set.contains(*b))
                .map(char::from)
                .collect();
            assert_eq!(found, members, "{regex}");
            assert_eq!((class.wide, class.exact), (wide, exact), "{regex}");
            assert_eq!(class.set.contains(0xC3), wide, "{regex}");
            assert!((0..=255).all(|b| class.set.table()[usize::from(b)] == class.set.contains(b)));
        };
        check("[a-c]", "abc", false, true);
        check("[aä]", "a", true, false);
        check("[^\\x00-`d-\\x7F]", "abc", true, true);
        check("[^\\x00-`d-\\x7Fé]", "abc", true, false);
    }
}
