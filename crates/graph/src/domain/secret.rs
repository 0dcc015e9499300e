use std::fmt;

use super::codec::{Codec, Decoder, Encoder, Read};

/// Random bytes that a store keeps for itself and shows to nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; Secret::BYTES]);

impl Secret {
    pub const BYTES: usize = 32;
}

impl fmt::Debug for Secret {
    /// No log holds it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Codec for Secret {
    fn encode(&self, to: &mut Encoder) {
        self.0.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Secret> {
        Codec::decode(from).map(Secret)
    }
}
