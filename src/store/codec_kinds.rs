//! The bytes of kinds, and of what a store keeps for itself.

use super::codec::{Decoder, Encoder, Malformed, Read};
use crate::domain::{Kind, Secret};

/// Beside a kind's symmetry: it carries statuses where a kind of its name does not unless it is said, or the other way round.
const CARRIES_OTHERWISE: u8 = 2;

impl Encoder {
    pub fn kind(&mut self, kind: &Kind) {
        self.name(kind.name.as_str());
        self.sphere(kind.sphere);
        // Whether it carries statuses is written where its name does not say so: formats 1 to 3 know of no other.
        let says = kind.carries_statuses != Kind::carries_unless_said(&kind.name, kind.symmetric);
        self.byte(u8::from(kind.symmetric) | if says { CARRIES_OTHERWISE } else { 0 });
        self.double(kind.prior);
        self.number(kind.half_life_ms);
    }

    pub fn secret(&mut self, secret: &Secret) {
        self.bytes.extend_from_slice(&secret.0);
    }
}

impl Decoder<'_> {
    pub fn kind(&mut self) -> Read<Kind> {
        let name = self.kind_name()?;
        let (sphere, flags) = (self.sphere()?, self.byte()?);
        if flags & !(1 | CARRIES_OTHERWISE) != 0 {
            return Err(Malformed("a kind says what is not known"));
        }
        let kind = Kind::new(name, sphere, flags & 1 != 0, self.double()?, self.number()?);
        let mut kind = kind.map_err(|_| Malformed("a kind is out of range"))?;
        kind.carries_statuses ^= flags & CARRIES_OTHERWISE != 0;
        Ok(kind)
    }

    pub fn secret(&mut self) -> Read<Secret> {
        self.array().map(Secret)
    }
}
