//! How a type's bytes follow from its declaration.

use super::{Codec, Decoder, Encoder, Read};
use crate::domain::{Reason, Violation};

/// Some of a record's fields, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Fields(pub u32);

impl Fields {
    pub const NONE: Fields = Fields(0);

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns whether any of `some` are among these.
    pub fn has(self, some: Fields) -> bool {
        self.0 & some.0 != 0
    }

    #[must_use]
    pub const fn and(self, more: Fields) -> Fields {
        Fields(self.0 | more.0)
    }

    #[must_use]
    pub fn without(self, some: Fields) -> Fields {
        Fields(self.0 & !some.0)
    }

    /// Returns what is wrong with a mask that names others than these.
    pub fn unknown_violation(self, field: &str, known: Fields) -> Option<Violation> {
        let names_unknown = !self.without(known).is_empty();
        names_unknown.then(|| Violation::new(field, Reason::UnknownField, "names a field that is not known"))
    }
}

impl Codec for Fields {
    fn encode(&self, to: &mut Encoder) {
        self.0.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Fields> {
        from.small().map(Fields)
    }
}

/// A field of a record: it has bytes only where it is set.
pub trait Field: Sized {
    fn unset() -> Self;
    fn is_set(&self) -> bool;
    fn write(&self, to: &mut Encoder);
    fn read(from: &mut Decoder<'_>) -> Read<Self>;
}

impl<T: Codec> Field for Option<T> {
    fn unset() -> Option<T> {
        None
    }

    fn is_set(&self) -> bool {
        self.is_some()
    }

    fn write(&self, to: &mut Encoder) {
        self.iter().for_each(|value| value.encode(to));
    }

    fn read(from: &mut Decoder<'_>) -> Read<Option<T>> {
        T::decode(from).map(Some)
    }
}

/// Makes fields of types that are set where they are not their default.
macro_rules! default_fields {
    ($($name:ty),* $(,)?) => {$(
        impl $crate::domain::codec::Field for $name {
            fn unset() -> $name {
                <$name>::default()
            }

            fn is_set(&self) -> bool {
                *self != <$name>::default()
            }

            fn write(&self, to: &mut $crate::domain::codec::Encoder) {
                $crate::domain::codec::Codec::encode(self, to);
            }

            fn read(from: &mut $crate::domain::codec::Decoder<'_>) -> $crate::domain::codec::Read<$name> {
                $crate::domain::codec::Codec::decode(from)
            }
        }
    )*};
}

default_fields!(bool, u32, u64, u128, f64, String, std::collections::BTreeMap<String, String>);

/// Declares attributes: each field with the number of its bit, the name of that bit and its type.
///
/// The bytes are a number whose bits say which fields are set, and those fields in the order of their bits. Bits are never given to
/// another field: a record that was written with more fields than are known is refused. Holds up to 32 fields.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* $bit:literal $constant:ident $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            $(pub const $constant: $crate::domain::codec::Fields = $crate::domain::codec::Fields(1 << $bit);)*
            pub const ALL: $crate::domain::codec::Fields = $crate::domain::codec::Fields($(1 << $bit)|*);

            /// The fields by their names, in the order of their bits.
            pub const NAMES: &[(&str, $crate::domain::codec::Fields)] = &[$((stringify!($field), Self::$constant)),*];

            /// Returns the fields that are set.
            pub fn set_fields(&self) -> $crate::domain::codec::Fields {
                use $crate::domain::codec::{Field, Fields};
                Fields($(if Field::is_set(&self.$field) { 1 << $bit } else { 0 })|*)
            }

            /// Copies some fields of another.
            pub fn copy_fields(&mut self, some: $crate::domain::codec::Fields, from: &Self) {
                $(if some.has(Self::$constant) {
                    self.$field.clone_from(&from.$field);
                })*
            }

            /// Writes some fields, without saying which.
            pub fn write_fields(&self, some: $crate::domain::codec::Fields, to: &mut $crate::domain::codec::Encoder) {
                $(if some.has(Self::$constant) {
                    $crate::domain::codec::Field::write(&self.$field, to);
                })*
            }

            /// Reads what `write_fields` wrote.
            pub fn read_fields(
                some: $crate::domain::codec::Fields,
                from: &mut $crate::domain::codec::Decoder<'_>,
            ) -> $crate::domain::codec::Read<Self> {
                use $crate::domain::codec::{Field, Malformed};
                if !some.without(Self::ALL).is_empty() {
                    return Err(Malformed("a record has a field that is not known"));
                }
                Ok($name {
                    $($field: if some.has(Self::$constant) { Field::read(from)? } else { Field::unset() },)*
                })
            }

            /// Passes over what `write_fields` wrote.
            pub fn skip_fields(
                some: $crate::domain::codec::Fields,
                from: &mut $crate::domain::codec::Decoder<'_>,
            ) -> $crate::domain::codec::Read<()> {
                $(if some.has(Self::$constant) {
                    <$type as $crate::domain::codec::Field>::read(from)?;
                })*
                Ok(())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $crate::domain::codec::Field::unset(),)* }
            }
        }

        impl $crate::domain::codec::Codec for $name {
            fn encode(&self, to: &mut $crate::domain::codec::Encoder) {
                let set = self.set_fields();
                $crate::domain::codec::Codec::encode(&set, to);
                self.write_fields(set, to);
            }

            fn decode(from: &mut $crate::domain::codec::Decoder<'_>) -> $crate::domain::codec::Read<Self> {
                let set = $crate::domain::codec::Codec::decode(from)?;
                Self::read_fields(set, from)
            }
        }
    };
}

/// Gives a struct the bytes of its fields, one after the other. With a refusal, one that has violations is not read.
macro_rules! sequence {
    ($($name:ident { $($field:ident),* $(,)? } $(|| $refusal:literal)?)*) => {$(
        impl $crate::domain::codec::Codec for $name {
            fn encode(&self, to: &mut $crate::domain::codec::Encoder) {
                $($crate::domain::codec::Codec::encode(&self.$field, to);)*
            }

            fn decode(from: &mut $crate::domain::codec::Decoder<'_>) -> $crate::domain::codec::Read<Self> {
                let read = $name { $($field: $crate::domain::codec::Codec::decode(from)?,)* };
                $(if !read.violations().is_empty() {
                    return Err($crate::domain::codec::Malformed($refusal));
                })?
                Ok(read)
            }
        }
    )*};
}

/// Declares an enum whose bytes are a variant's number and its fields. A number is never given to another variant.
macro_rules! tagged {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$variant_meta:meta])* $tag:literal $variant:ident {
                $($(#[$field_meta:meta])* $field:ident: $type:ty),* $(,)?
            }),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant { $($(#[$field_meta])* $field: $type),* }),*
        }

        impl $crate::domain::codec::Codec for $name {
            fn encode(&self, to: &mut $crate::domain::codec::Encoder) {
                match self {
                    $($name::$variant { $($field),* } => {
                        to.byte($tag);
                        $($crate::domain::codec::Codec::encode($field, to);)*
                    })*
                }
            }

            fn decode(from: &mut $crate::domain::codec::Decoder<'_>) -> $crate::domain::codec::Read<Self> {
                match from.byte()? {
                    $($tag => Ok($name::$variant { $($field: $crate::domain::codec::Codec::decode(from)?),* }),)*
                    _ => Err($crate::domain::codec::Malformed(concat!("no ", stringify!($name), " has this number"))),
                }
            }
        }
    };
}

pub(in crate::domain) use {default_fields, record, sequence, tagged};
