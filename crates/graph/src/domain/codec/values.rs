//! The bytes of numbers, texts, options and collections.

use std::collections::BTreeMap;

use super::{Codec, Decoder, Encoder, Malformed, Read};
use crate::domain::limits::UPDATED_FIELDS_MAX;

impl Codec for bool {
    fn encode(&self, to: &mut Encoder) {
        to.byte(u8::from(*self));
    }

    fn decode(from: &mut Decoder<'_>) -> Read<bool> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("a flag is neither 0 nor 1")),
        }
    }
}

impl Codec for u8 {
    fn encode(&self, to: &mut Encoder) {
        to.byte(*self);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<u8> {
        from.byte()
    }
}

impl Codec for u32 {
    fn encode(&self, to: &mut Encoder) {
        to.number(u64::from(*self));
    }

    fn decode(from: &mut Decoder<'_>) -> Read<u32> {
        from.small()
    }
}

impl Codec for u64 {
    fn encode(&self, to: &mut Encoder) {
        to.number(*self);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<u64> {
        from.number()
    }
}

/// Types whose bytes are always as many, the lowest first.
macro_rules! fixed {
    ($($name:ty),*) => {$(
        impl Codec for $name {
            fn encode(&self, to: &mut Encoder) {
                to.bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn decode(from: &mut Decoder<'_>) -> Read<$name> {
                from.array().map(<$name>::from_le_bytes)
            }
        }
    )*};
}

fixed!(u128, f32, f64);

impl Codec for [u8; 32] {
    fn encode(&self, to: &mut Encoder) {
        to.bytes.extend_from_slice(self);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<[u8; 32]> {
        from.array()
    }
}

impl Codec for String {
    fn encode(&self, to: &mut Encoder) {
        to.blob(self.as_bytes());
    }

    fn decode(from: &mut Decoder<'_>) -> Read<String> {
        from.text().map(str::to_owned)
    }
}

impl<T: Codec> Codec for Option<T> {
    fn encode(&self, to: &mut Encoder) {
        self.is_some().encode(to);
        self.iter().for_each(|value| value.encode(to));
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Option<T>> {
        bool::decode(from)?.then(|| T::decode(from)).transpose()
    }
}

impl<T: Codec> Codec for Vec<T> {
    fn encode(&self, to: &mut Encoder) {
        to.number(self.len() as u64);
        self.iter().for_each(|item| item.encode(to));
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Vec<T>> {
        from.list(usize::MAX)
    }
}

/// Labels, or changes of them, of which a mask names each.
impl<T: Codec> Codec for BTreeMap<String, T> {
    fn encode(&self, to: &mut Encoder) {
        to.number(self.len() as u64);
        for (key, value) in self {
            key.encode(to);
            value.encode(to);
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Read<BTreeMap<String, T>> {
        let len = from.length_within(UPDATED_FIELDS_MAX)?;
        (0..len).map(|_| Ok((String::decode(from)?, T::decode(from)?))).collect()
    }
}
