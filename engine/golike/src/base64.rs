//! Base64 with the standard alphabet and padding.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {at}")]
pub struct Base64Error {
    /// Where the first thing wrong stands.
    pub at: usize,
}

/// Encodes with padding.
#[must_use]
pub fn encode(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len().div_ceil(3) * 4);
    for group in data.chunks(3) {
        let mut bits = 0_u32;
        for place in 0..3 {
            bits = bits << 8 | u32::from(group.get(place).copied().unwrap_or(0));
        }
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            let symbol = if place > group.len() {
                b'='
            } else {
                ALPHABET[sextet as usize]
            };
            out.push(char::from(symbol));
        }
    }
    out
}

/// Decodes (Go's `base64.StdEncoding`): padding is required, line ends are skipped, and bits that
/// the last symbol has to spare are not looked at.
///
/// # Errors
///
/// For any other byte, for padding that is missing or misplaced, and for data after padding.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, Base64Error> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut symbols = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| !matches!(byte, b'\n' | b'\r'));
    loop {
        let mut bits = 0_u32;
        for place in 0..4 {
            match symbols.next() {
                None if place == 0 => return Ok(out),
                None => return Err(Base64Error { at: text.len() }),
                Some((at, b'=')) if place < 2 => return Err(Base64Error { at }),
                Some((_, b'=')) => {
                    if place == 2 {
                        match symbols.next() {
                            Some((_, b'=')) => {}
                            Some((at, _)) => return Err(Base64Error { at }),
                            None => return Err(Base64Error { at: text.len() }),
                        }
                    }
                    if let Some((at, _)) = symbols.next() {
                        return Err(Base64Error { at });
                    }
                    bits <<= 6 * (4 - place);
                    let [_, first, second, _] = bits.to_be_bytes();
                    out.push(first);
                    if place == 3 {
                        out.push(second);
                    }
                    return Ok(out);
                }
                Some((at, byte)) => {
                    bits = bits << 6 | sextet(*byte).ok_or(Base64Error { at })?;
                }
            }
        }
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
}

fn sextet(symbol: u8) -> Option<u32> {
    Some(match symbol {
        b'A'..=b'Z' => u32::from(symbol - b'A'),
        b'a'..=b'z' => u32::from(symbol - b'a') + 26,
        b'0'..=b'9' => u32::from(symbol - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_undone_by_decoding() {
        let data: Vec<u8> = (0..=255).collect();
        for len in 0..data.len() {
            assert_eq!(
                decode(encode(&data[..len]).as_bytes()).as_deref(),
                Ok(&data[..len])
            );
        }
        assert_eq!(encode(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
    }

    #[test]
    fn only_padded_standard_base64_is_accepted() {
        for (text, expected) in [
            ("", Ok(&b""[..])),
            ("YQ==", Ok(b"a")),
            ("YR==", Ok(b"a")),
            ("YW\nI=\r\n", Ok(b"ab")),
            ("+/+/", Ok(b"\xfb\xff\xbf")),
            ("YQ", Err(Base64Error { at: 2 })),
            ("YQ=", Err(Base64Error { at: 3 })),
            ("YQ==YQ==", Err(Base64Error { at: 4 })),
            ("Y===", Err(Base64Error { at: 1 })),
            ("-_-_", Err(Base64Error { at: 0 })),
            ("YQ =", Err(Base64Error { at: 2 })),
        ] {
            assert_eq!(
                decode(text.as_bytes()).as_deref(),
                expected.as_deref(),
                "{text:?}"
            );
        }
    }
}
