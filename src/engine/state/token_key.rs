//! The key that page tokens are authenticated with: made once for each store and kept in it, so that tokens outlive a restart.

use std::fmt;

use ring::hmac::{HMAC_SHA256, Key, sign};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::domain::Secret;
use crate::store::StoreError;

pub const MAC_BYTES: usize = 16;

/// Makes and checks codes of authentication: HMAC-SHA-256 (RFC 2104), cut to 128 bits.
pub struct TokenKey {
    secret: Secret,
    key: Key,
}

impl TokenKey {
    pub fn new(secret: Secret) -> TokenKey {
        TokenKey { secret, key: Key::new(HMAC_SHA256, &secret.0) }
    }

    pub fn secret(&self) -> Secret {
        self.secret
    }

    pub fn mac(&self, message: &[u8]) -> [u8; MAC_BYTES] {
        let tag = sign(&self.key, message);
        std::array::from_fn(|at| tag.as_ref()[at])
    }

    /// Whether a code is the message's. How long it takes does not tell how much of the code is right.
    pub fn admits(&self, message: &[u8], mac: &[u8; MAC_BYTES]) -> bool {
        self.mac(message).ct_eq(mac).into()
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey")
    }
}

/// Bytes that nobody can guess.
pub fn new_secret() -> Result<Secret, StoreError> {
    let mut bytes = [0; Secret::BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| StoreError::Io("the system gives no random bytes".to_owned()))?;
    Ok(Secret(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_of_its_message_and_key_alone() {
        let (one, other) = (TokenKey::new(Secret([1; 32])), TokenKey::new(Secret([2; 32])));
        let mac = one.mac(b"page 2");
        assert!(one.admits(b"page 2", &mac));
        assert!(!one.admits(b"page 3", &mac) && !other.admits(b"page 2", &mac));
        for bit in 0..8 * MAC_BYTES {
            let mut forged = mac;
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(!one.admits(b"page 2", &forged));
        }
        assert_ne!(new_secret().unwrap(), new_secret().unwrap());
        assert_eq!(format!("{one:?} {:?}", Secret([7; 32])), "TokenKey Secret");
    }
}
