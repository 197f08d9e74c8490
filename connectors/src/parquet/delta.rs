//! The sum of a list of lengths in the encoding DELTA_BINARY_PACKED.
//!
//! In a page of the encoding DELTA_BYTE_ARRAY each value may begin with all of the value before it,
//! so that few bytes stand for many. The lengths of those beginnings come first; their sum says how
//! much the page grows.

/// Most miniblocks of a block.
const MINIBLOCKS_MAX: u64 = 1_024;

/// The sum of the lengths at the beginning of `bytes`, if there are at most `n_max` and none is
/// negative.
pub(super) fn sum(bytes: &[u8], n_max: usize) -> Option<usize> {
    let mut bits = Bits { bytes, at: 0 };
    let block = bits.varint()?;
    let n_minis = bits.varint()?;
    let n = usize::try_from(bits.varint()?).ok()?;
    if n == 0 {
        return Some(0);
    }
    if n > n_max || !(1..=MINIBLOCKS_MAX).contains(&n_minis) || block % n_minis != 0 {
        return None;
    }
    let of_mini = usize::try_from(block / n_minis).ok()?;
    if of_mini == 0 || of_mini > 1 << 20 {
        return None;
    }
    let mut value = bits.zigzag()?;
    let mut total = usize::try_from(value).ok()?;
    let mut left = n - 1;
    while left > 0 {
        let least = bits.zigzag()?;
        let widths = bits.take(usize::try_from(n_minis).ok()?)?;
        for width in widths {
            if left == 0 {
                break;
            }
            let width = u32::from(*width);
            if width > 64 {
                return None;
            }
            let packed = bits.take((of_mini * width as usize).div_ceil(8))?;
            for at in 0..of_mini.min(left) {
                let delta = unpacked(packed, at * width as usize, width)?;
                value = value.checked_add(least)?.checked_add_unsigned(delta)?;
                total = total.checked_add(usize::try_from(value).ok()?)?;
            }
            left -= of_mini.min(left);
        }
    }
    Some(total)
}

/// The number of `width` bits that begins at bit `at`.
fn unpacked(bytes: &[u8], at: usize, width: u32) -> Option<u64> {
    let mut value = 0u128;
    let first = at / 8;
    let n_bytes = ((at % 8) + width as usize).div_ceil(8);
    for (place, byte) in bytes.get(first..first + n_bytes)?.iter().enumerate() {
        value |= u128::from(*byte) << (8 * place);
    }
    let value = value >> (at % 8);
    Some((value & ((1u128 << width) - 1)) as u64)
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_summed() {
        // Block of 128 in 4 miniblocks, 5 values, the first 7, then differences of 1: width 0.
        let mut bytes = vec![0x80, 0x01, 0x04, 0x05, 14, 2, 0, 0, 0, 0];
        assert_eq!(sum(&bytes, 5), Some(7 + 8 + 9 + 10 + 11));
        assert_eq!(sum(&bytes, 4), None, "more values than the page has");
        // Differences 0, 1, 2, 3 in 2 bits each, least difference 0.
        bytes = vec![0x80, 0x01, 0x04, 0x05, 0, 0, 2, 0, 0, 0];
        bytes.extend([0b1110_0100, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(sum(&bytes, 5), Some(1 + 3 + 6));
        assert_eq!(sum(&bytes[..12], 5), None, "cut off");
    }

    #[test]
    fn nonsense_is_none() {
        for bytes in [
            &[0xff; 20][..],
            &[0, 0, 9, 0, 0],
            &[0x80, 0x01, 0x04, 0x05, 1],
        ] {
            assert_eq!(sum(bytes, 100), None, "{bytes:?}");
        }
    }
}
