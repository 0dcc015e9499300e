//! The bytes of everything that is kept: one encoding for the log, checkpoints, backups, lists in memory and digests.
//!
//! A value's type says its bytes, by [`Codec`]. A resource's attributes are a [`record!`](record): a number whose bits say which fields
//! are set, then those fields, so that a field that is not set costs no byte, and a new field changes neither the bytes nor the
//! digest of what does not have it. `docs/FORMAT.md` documents the bytes.

mod decoder;
mod encoder;
mod record;
mod values;

pub use decoder::{Decoder, Malformed, Read};
pub use encoder::Encoder;
pub use record::Fields;
pub(super) use record::{Field, default_fields, record, sequence, tagged};

/// A value that has bytes. Decoding refuses what cannot have been encoded, and trusts no length.
pub trait Codec: Sized {
    fn encode(&self, to: &mut Encoder);
    fn decode(from: &mut Decoder<'_>) -> Read<Self>;
}

/// Returns how many bytes a value has, its names written whole.
pub fn encoded_len(value: &impl Codec) -> usize {
    let mut to = Encoder::plain(Vec::new());
    value.encode(&mut to);
    to.bytes.len()
}
