//! The greeting of two processes: who they are, proven by a secret that does not cross the wire.
//!
//! ```text
//!  dialer (higher index)                        acceptor (lower index)
//!    Hello     nonce             --->
//!                                <---             Challenge  nonce
//!    Proof     card, MAC         --->             the MAC is wrong: dropped without a word
//!                                <---             Verdict    code, card, MAC
//!    Confirm   code, MAC         --->
//!    ------------- with TLS: its handshake, then inside of it ----------------------------
//!    Binding   MAC               --->
//!                                <---             Binding    MAC
//! ```
//!
//! Every message has a fixed size and opens with magic, version and kind, so a stranger is known
//! by its first wrong byte. A [`Card`] says who speaks to whom, of which generation, build and
//! content. A MAC is an HMAC-SHA-256 by the secret over a label of its own, both nonces, and all
//! that was said before: what was recorded once is worth nothing the next time or in the other
//! direction. With TLS the MAC of the binding covers keying material exported from the session,
//! so that a man in the middle needs a certificate of the peers and the secret.
//!
//! Strangers get no answer but the challenge. Numbers are little-endian.

use crate::secret::Secret;

/// First bytes of every message.
pub const MAGIC: &[u8; 8] = b"OVERSPIL";
/// Version of the greeting.
pub const VERSION: u8 = 1;
/// Bytes of the longest message.
pub const BYTES_MAX: usize = HEAD_BYTES + 1 + CARD_BYTES + 32;

const HEAD_BYTES: usize = 10;
const CARD_BYTES: usize = 4 + 4 + 4 + 1 + 8 + 32 + 32;

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A dialer opens.
    Hello,
    /// An acceptor answers.
    Challenge,
    /// A dialer says who it is.
    Proof,
    /// An acceptor says who it is, and whether the dialer is welcome.
    Verdict,
    /// A dialer says whether it stays.
    Confirm,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Hello,
        Self::Challenge,
        Self::Proof,
        Self::Verdict,
        Self::Confirm,
    ];

    fn code(self) -> u8 {
        match self {
            Self::Hello => 1,
            Self::Challenge => 2,
            Self::Proof => 3,
            Self::Verdict => 4,
            Self::Confirm => 5,
        }
    }

    /// Bytes of such a message.
    #[must_use]
    pub fn bytes(self) -> usize {
        HEAD_BYTES
            + match self {
                Self::Hello | Self::Challenge => 32,
                Self::Proof => CARD_BYTES + 32,
                Self::Verdict => 1 + CARD_BYTES + 32,
                Self::Confirm => 1 + 32,
            }
    }

    fn head(self) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        head[..8].copy_from_slice(MAGIC);
        head[8] = VERSION;
        head[9] = self.code();
        head
    }

    /// Whether these bytes could be the first of such a message.
    #[must_use]
    pub fn begins(self, bytes: &[u8]) -> bool {
        let head = self.head();
        let n = bytes.len().min(HEAD_BYTES);
        bytes.len() <= self.bytes() && bytes[..n] == head[..n]
    }
}

/// Who speaks to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// Index of the process that speaks.
    pub from: u32,
    /// Index of the process it means to speak to.
    pub to: u32,
    /// How many processes it counts.
    pub n: u32,
    /// Whether it goes on with TLS.
    pub is_encrypted: bool,
    /// Whether it takes a generation at or above its own; else it has to be equal.
    pub is_learning: bool,
    /// The generation it knows.
    pub generation: u64,
    /// Fingerprint of its program.
    pub build: [u8; 32],
    /// Fingerprint of its content.
    pub content: [u8; 32],
}

impl Card {
    fn encode(&self) -> [u8; CARD_BYTES] {
        let mut bytes = [0; CARD_BYTES];
        bytes[..4].copy_from_slice(&self.from.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.to.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.n.to_le_bytes());
        bytes[12] = u8::from(self.is_encrypted) | u8::from(self.is_learning) << 1;
        bytes[13..21].copy_from_slice(&self.generation.to_le_bytes());
        bytes[21..53].copy_from_slice(&self.build);
        bytes[53..].copy_from_slice(&self.content);
        bytes
    }

    fn decode(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (from, to, n) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
        let [flags] = bytes.take()?;
        Some(Self {
            from,
            to,
            n,
            is_encrypted: flags & 1 != 0,
            is_learning: flags & 2 != 0,
            generation: u64::from_le_bytes(bytes.take()?),
            build: bytes.take()?,
            content: bytes.take()?,
        })
        .filter(|_| flags < 4)
    }
}

/// What an acceptor thinks of a dialer who knows the secret, or a dialer of an acceptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It belongs to the job.
    Welcome,
    /// It meant to speak to a process of another index: its addresses are wrong, or old.
    WrongTarget,
    /// It has an index that does not dial this process.
    WrongIndex,
    /// It counts another number of processes.
    Processes,
    /// It is another program.
    Build,
    /// It has other content.
    Content,
    /// One of both has TLS.
    Encryption,
    /// It is of an older generation.
    Older,
    /// It knows a newer generation.
    Newer,
    /// A process of its index is here already.
    Duplicate,
    /// The acceptor does not know the generation itself yet.
    Early,
}

impl Verdict {
    const ALL: [Self; 11] = [
        Self::Welcome,
        Self::WrongTarget,
        Self::WrongIndex,
        Self::Processes,
        Self::Build,
        Self::Content,
        Self::Encryption,
        Self::Older,
        Self::Newer,
        Self::Duplicate,
        Self::Early,
    ];

    fn code(self) -> u8 {
        let place = Self::ALL.iter().position(|verdict| *verdict == self);
        place
            .and_then(|place| u8::try_from(place + 1).ok())
            .unwrap_or(0)
    }

    fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// What is wrong, said of the other process; the first half of a sentence is who.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Welcome => "is welcome",
            Self::WrongTarget => "is not the process that was meant: addresses are mixed up",
            Self::WrongIndex => "has an index that does not belong here",
            Self::Processes => "counts another number of processes",
            Self::Build => "runs another build of the program",
            Self::Content => "has other content (parsers, scenarios or data files)",
            Self::Encryption => "differs in whether connections are encrypted",
            Self::Older => "is of an older generation",
            Self::Newer => "knows a newer generation",
            Self::Duplicate => "is connected already under the same index",
            Self::Early => "comes before the generation is known",
        }
    }

    /// What the acceptor's verdict on us says of the acceptor.
    #[must_use]
    pub fn seen_by_the_dialer(self) -> Self {
        match self {
            Self::Older => Self::Newer,
            Self::Newer => Self::Older,
            same => same,
        }
    }

    /// Whether waiting could not help: both are alive, and differ.
    #[must_use]
    pub fn is_difference(self) -> bool {
        matches!(
            self,
            Self::Processes | Self::Build | Self::Content | Self::Encryption
        )
    }
}

/// A message as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// A dialer's nonce.
    Hello([u8; 32]),
    /// An acceptor's nonce.
    Challenge([u8; 32]),
    /// Who the dialer is.
    Proof(Card, [u8; 32]),
    /// Who the acceptor is, and what it thinks of the dialer.
    Verdict(Verdict, Card, [u8; 32]),
    /// Whether the dialer stays.
    Confirm(Verdict, [u8; 32]),
}

/// Bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a greeting of peers")]
pub struct Malformed;

impl Message {
    /// Which message this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Hello(_) => Kind::Hello,
            Self::Challenge(_) => Kind::Challenge,
            Self::Proof(..) => Kind::Proof,
            Self::Verdict(..) => Kind::Verdict,
            Self::Confirm(..) => Kind::Confirm,
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.kind().head().to_vec();
        match self {
            Self::Hello(nonce) | Self::Challenge(nonce) => bytes.extend_from_slice(nonce),
            Self::Proof(card, mac) => {
                bytes.extend_from_slice(&card.encode());
                bytes.extend_from_slice(mac);
            }
            Self::Verdict(verdict, card, mac) => {
                bytes.push(verdict.code());
                bytes.extend_from_slice(&card.encode());
                bytes.extend_from_slice(mac);
            }
            Self::Confirm(verdict, mac) => {
                bytes.push(verdict.code());
                bytes.extend_from_slice(mac);
            }
        }
        bytes
    }

    /// Reads a whole message, and nothing beyond it.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.bytes() == bytes.len() && kind.begins(bytes))
            .ok_or(Malformed)?;
        let mut rest = Bytes(bytes.get(HEAD_BYTES..).ok_or(Malformed)?);
        let message = rest.message(kind).ok_or(Malformed)?;
        if rest.0.is_empty() {
            Ok(message)
        } else {
            Err(Malformed)
        }
    }
}

/// Bytes that are still to be read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn verdict(&mut self) -> Option<Verdict> {
        let [code] = self.take()?;
        Verdict::of_code(code)
    }

    fn message(&mut self, kind: Kind) -> Option<Message> {
        Some(match kind {
            Kind::Hello => Message::Hello(self.take()?),
            Kind::Challenge => Message::Challenge(self.take()?),
            Kind::Proof => Message::Proof(Card::decode(self)?, self.take()?),
            Kind::Verdict => Message::Verdict(self.verdict()?, Card::decode(self)?, self.take()?),
            Kind::Confirm => Message::Confirm(self.verdict()?, self.take()?),
        })
    }
}

/// The MACs of one greeting: of a secret and the nonces of both sides.
#[derive(Debug)]
pub struct Session<'a> {
    secret: &'a Secret,
    dialer: [u8; 32],
    acceptor: [u8; 32],
}

impl<'a> Session<'a> {
    /// Of these nonces.
    #[must_use]
    pub fn new(secret: &'a Secret, dialer: [u8; 32], acceptor: [u8; 32]) -> Self {
        Self {
            secret,
            dialer,
            acceptor,
        }
    }

    /// What the dialer says of itself.
    #[must_use]
    pub fn proof(&self, card: Card) -> Message {
        let said = card.encode();
        Message::Proof(card, self.secret.mac(&self.pieces(b"proof   ", &[&said])))
    }

    /// Whether a proof is one.
    #[must_use]
    pub fn is_proof(&self, card: &Card, mac: &[u8; 32]) -> bool {
        let said = card.encode();
        self.secret
            .verifies(&self.pieces(b"proof   ", &[&said]), mac)
    }

    /// The acceptor's answer to the card `to`.
    #[must_use]
    pub fn verdict(&self, to: &Card, verdict: Verdict, card: Card) -> Message {
        let said = (to.encode(), [verdict.code()], card.encode());
        let pieces = self.pieces(b"verdict ", &[&said.0, &said.1, &said.2]);
        Message::Verdict(verdict, card, self.secret.mac(&pieces))
    }

    /// Whether a verdict is one about the card `to`.
    #[must_use]
    pub fn is_verdict(&self, to: &Card, verdict: Verdict, card: &Card, mac: &[u8; 32]) -> bool {
        let said = (to.encode(), [verdict.code()], card.encode());
        let pieces = self.pieces(b"verdict ", &[&said.0, &said.1, &said.2]);
        self.secret.verifies(&pieces, mac)
    }

    /// The dialer's last word, after both cards were shown.
    #[must_use]
    pub fn confirm(&self, cards: [&Card; 2], verdict: Verdict) -> Message {
        let said = (cards[0].encode(), cards[1].encode(), [verdict.code()]);
        let pieces = self.pieces(b"confirm ", &[&said.0, &said.1, &said.2]);
        Message::Confirm(verdict, self.secret.mac(&pieces))
    }

    /// Whether a last word is one.
    #[must_use]
    pub fn is_confirm(&self, cards: [&Card; 2], verdict: Verdict, mac: &[u8; 32]) -> bool {
        let said = (cards[0].encode(), cards[1].encode(), [verdict.code()]);
        let pieces = self.pieces(b"confirm ", &[&said.0, &said.1, &said.2]);
        self.secret.verifies(&pieces, mac)
    }

    /// Binds a TLS session, of which `exported` is keying material, to this greeting.
    #[must_use]
    pub fn binding(&self, is_dialer: bool, exported: &[u8; 32]) -> [u8; 32] {
        self.secret
            .mac(&self.pieces(binding_label(is_dialer), &[exported]))
    }

    /// Whether a binding is one.
    #[must_use]
    pub fn is_binding(&self, is_dialer: bool, exported: &[u8; 32], mac: &[u8; 32]) -> bool {
        let pieces = self.pieces(binding_label(is_dialer), &[exported]);
        self.secret.verifies(&pieces, mac)
    }

    fn pieces<'b>(&'b self, label: &'b [u8; 8], said: &[&'b [u8]]) -> Vec<&'b [u8]> {
        let mut pieces: Vec<&[u8]> =
            vec![&MAGIC[..], &[VERSION], label, &self.dialer, &self.acceptor];
        pieces.extend_from_slice(said);
        pieces
    }
}

fn binding_label(is_dialer: bool) -> &'static [u8; 8] {
    if is_dialer { b"binding>" } else { b"binding<" }
}
