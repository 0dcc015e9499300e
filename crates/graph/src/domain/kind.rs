use super::codec::{Codec, Decoder, Encoder, Fields, Malformed, Read, default_fields, record, sequence};
use super::limits::{HALF_LIFE_DEFAULT_MS, HALF_LIFE_MAX_MS, HALF_LIFE_MIN_MS, KIND_PRIOR_MAX};
use super::{ChangeError, DurationMs, KindName, Part, Reason, Violation};

/// The part of life a kind of edge belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Sphere {
    #[default]
    Personal,
    Professional,
    Public,
}

impl Sphere {
    pub const ALL: [Sphere; 3] = [Sphere::Personal, Sphere::Professional, Sphere::Public];
}

impl Codec for Sphere {
    fn encode(&self, to: &mut Encoder) {
        to.byte(*self as u8);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Sphere> {
        Sphere::ALL.get(usize::from(from.byte()?)).copied().ok_or(Malformed("a sphere is none"))
    }
}

default_fields!(Sphere);

/// A registered kind of edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    pub name: KindName,
    pub attrs: KindAttrs,
}

record! {
    /// How edges of a kind are walked and weighed.
    pub struct KindAttrs {
        0 SPHERE sphere: Sphere,
        /// Walked both ways; otherwise from `from` to `to` alone.
        1 SYMMETRIC symmetric: bool,
        /// Weight of an edge without interactions, 0–1000.
        2 PRIOR prior: f64,
        /// Time in which an interaction's weight halves.
        3 HALF_LIFE half_life_ms: DurationMs,
        /// Whether statuses whose audience names no kinds travel along its edges: of a symmetric kind from hop to hop, of a directed
        /// one those of `to` itself to `from`, and no further.
        4 CARRIES_STATUSES carries_statuses: bool,
    }
}

impl Codec for Kind {
    fn encode(&self, to: &mut Encoder) {
        self.name.encode(to);
        self.attrs.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Kind> {
        let (name, attrs) = (KindName::decode(from)?, KindAttrs::decode(from)?);
        match Kind::violations(attrs.prior, attrs.half_life_ms).is_empty() {
            true => Ok(Kind { name, attrs }),
            false => Err(Malformed("a kind is out of range")),
        }
    }
}

/// The kinds a new store starts with: name, sphere, symmetric, prior.
const BUILTIN: [(&str, Sphere, bool, f64); 7] = [
    ("spouse", Sphere::Personal, true, 4.0),
    ("family", Sphere::Personal, true, 2.0),
    ("friend", Sphere::Personal, true, 1.0),
    ("neighbor", Sphere::Personal, true, 0.5),
    ("colleague", Sphere::Professional, true, 1.0),
    ("client", Sphere::Professional, true, 0.7),
    ("follows", Sphere::Public, false, 0.3),
];

impl Kind {
    /// Whether a kind carries statuses of which that is not said: those built in do, and no other.
    pub fn carries_unless_said(name: &KindName, symmetric: bool) -> bool {
        BUILTIN.iter().any(|&(known, _, as_built_in, _)| name.as_str() == known && symmetric == as_built_in)
    }

    /// Every rule that the numbers of a kind break.
    pub fn violations(prior: f64, half_life_ms: DurationMs) -> Vec<Violation> {
        let mut found = Vec::new();
        if !(0.0..=KIND_PRIOR_MAX).contains(&prior) {
            found.push(Violation::new("prior", Reason::OutOfRange, format!("must be from 0 to {KIND_PRIOR_MAX}")));
        }
        if !(HALF_LIFE_MIN_MS..=HALF_LIFE_MAX_MS).contains(&half_life_ms) {
            found.push(Violation::new("half_life", Reason::OutOfRange, "must be from one minute to 100 years"));
        }
        found
    }

    /// A kind that carries statuses as far as that goes without saying.
    pub fn new(
        name: KindName,
        sphere: Sphere,
        symmetric: bool,
        prior: f64,
        half_life_ms: DurationMs,
    ) -> Result<Kind, Violation> {
        if let Some(wrong) = Kind::violations(prior, half_life_ms).into_iter().next() {
            return Err(wrong);
        }
        // -0.0 and 0.0 are one prior: the digest hashes its bits.
        let carries_statuses = Kind::carries_unless_said(&name, symmetric);
        let prior = prior + 0.0;
        Ok(Kind { name, attrs: KindAttrs { sphere, symmetric, prior, half_life_ms, carries_statuses } })
    }
}

/// A kind to store in place of the one of its name.
#[derive(Debug, Clone, PartialEq)]
pub struct KindMerge {
    pub kind: Kind,
    /// Fields that stay as they are where there is a kind; a kind that is new must say its sphere.
    pub kept: Fields,
}

sequence!(KindMerge { kind, kept } || "a kind's merge names a field that is not known");

impl KindMerge {
    /// The kind that it leaves behind.
    pub fn kind_after(&self, before: Option<&Kind>) -> Result<Kind, ChangeError> {
        let mut after = self.kind.clone();
        match before {
            Some(before) => after.attrs.copy_fields(self.kept, &before.attrs),
            None if self.kept.has(KindAttrs::SPHERE) => {
                return Err(ChangeError::invalid(Part::Sphere, Reason::Required, "must be given"));
            }
            None => {}
        }
        Ok(after)
    }

    pub fn violations(&self) -> Vec<Violation> {
        self.kept.unknown_violation("kept", KindAttrs::ALL).into_iter().collect()
    }
}

/// The kinds a new store starts with; each can be changed, and deleted while unused.
pub fn builtin_kinds() -> Vec<Kind> {
    let kind = |&(name, sphere, symmetric, prior): &(&str, Sphere, bool, f64)| {
        let name = KindName::parse("name", name).expect("built-in kind names are valid");
        let half_life_ms = HALF_LIFE_DEFAULT_MS;
        Kind { name, attrs: KindAttrs { sphere, symmetric, prior, half_life_ms, carries_statuses: true } }
    };
    BUILTIN.iter().map(kind).collect()
}
