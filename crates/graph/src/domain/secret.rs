use std::fmt;

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
