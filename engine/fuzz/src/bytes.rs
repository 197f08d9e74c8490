//! Cutting an input into what a target needs. Whatever the bytes, there is always a cut: an
//! exhausted input gives zeros.

/// The first line and what follows its line feed.
#[must_use]
pub fn line(data: &[u8]) -> (&[u8], &[u8]) {
    cut(data, b'\n')
}

/// Up to the first `at`, and what follows it.
fn cut(data: &[u8], at: u8) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == at) {
        Some(place) => (&data[..place], &data[place + 1..]),
        None => (data, &[]),
    }
}

/// The valid beginning of what should be UTF-8.
#[must_use]
pub fn text(data: &[u8]) -> &str {
    match std::str::from_utf8(data) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&data[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Numbers and pieces from the front of an input.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes as an array, zeros where there are none.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let piece = self.take(N);
        let mut array = [0; N];
        array[..piece.len()].copy_from_slice(piece);
        array
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    /// A number of 64 bits.
    pub fn long(&mut self) -> i64 {
        i64::from_le_bytes(self.array())
    }

    /// At most `len` bytes.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (piece, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        piece
    }

    /// A piece with its length, one byte, in front.
    pub fn piece(&mut self) -> &'a [u8] {
        let len = self.byte();
        self.take(usize::from(len))
    }

    /// The bytes before the next NUL.
    pub fn field(&mut self) -> &'a [u8] {
        let (field, rest) = cut(self.0, 0);
        self.0 = rest;
        field
    }
}
