use std::fmt;

use super::TimeMs;
use super::codec::{Codec, Decoder, Encoder, Read, sequence};

/// The key that ids of erased members are hashed with: without it nobody can try ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErasureKey(pub [u8; 32]);

impl fmt::Debug for ErasureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasureKey")
    }
}

/// What is remembered of an erased member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErasedId {
    /// The first 128 bits of the HMAC-SHA256 of its id.
    pub hash: u128,
    /// When it was erased.
    pub time: TimeMs,
}

impl Codec for ErasureKey {
    fn encode(&self, to: &mut Encoder) {
        self.0.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<ErasureKey> {
        Codec::decode(from).map(ErasureKey)
    }
}

sequence!(ErasedId { hash, time });
