use super::codec::{Codec, Decoder, Encoder, Malformed, Read};
use super::limits::{EXCLUDED_MEMBERS_MAX, KINDS_MAX, SPHERES_MAX};
use super::{KindName, MemberId, Reason, Sphere, Violation};

/// A strength a caller gives: in (0, 1].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Strength(f32);

impl Strength {
    pub fn parse(field: &str, value: f32) -> Result<Strength, Violation> {
        if !(value > 0.0 && value <= 1.0) {
            return Err(Violation::new(field, Reason::OutOfRange, "must be greater than 0 and at most 1"));
        }
        Ok(Strength(value))
    }

    pub fn get(self) -> f32 {
        self.0
    }
}

/// Which edges a query walks, and which members it leaves out. Empty lists admit all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EdgeFilter {
    /// Sorted, each once.
    pub kinds: Vec<KindName>,
    /// Sorted, each once.
    pub spheres: Vec<Sphere>,
    /// Edges weaker than this are not walked.
    pub min_strength: Option<Strength>,
    /// Members that are neither reached nor walked through. Sorted, each once.
    pub exclude: Vec<MemberId>,
}

impl EdgeFilter {
    pub fn new(
        mut kinds: Vec<KindName>,
        mut spheres: Vec<Sphere>,
        min_strength: Option<Strength>,
        mut exclude: Vec<MemberId>,
    ) -> Result<EdgeFilter, Violation> {
        if kinds.len() > KINDS_MAX {
            return Err(Violation::too_many("kinds", KINDS_MAX, "kinds"));
        }
        if exclude.len() > EXCLUDED_MEMBERS_MAX {
            return Err(Violation::too_many("exclude_member_ids", EXCLUDED_MEMBERS_MAX, "members"));
        }
        kinds.sort();
        kinds.dedup();
        spheres.sort();
        spheres.dedup();
        exclude.sort();
        exclude.dedup();
        Ok(EdgeFilter { kinds, spheres, min_strength, exclude })
    }

    pub fn excludes(&self, id: &MemberId) -> bool {
        self.exclude.binary_search(id).is_ok()
    }
}

impl Codec for Strength {
    fn encode(&self, to: &mut Encoder) {
        self.0.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Strength> {
        Strength::parse("strength", f32::decode(from)?).map_err(|_| Malformed("a strength is out of range"))
    }
}

impl Codec for EdgeFilter {
    fn encode(&self, to: &mut Encoder) {
        self.kinds.encode(to);
        self.spheres.encode(to);
        self.min_strength.encode(to);
        self.exclude.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<EdgeFilter> {
        let (kinds, spheres) = (from.list(KINDS_MAX)?, from.list(SPHERES_MAX)?);
        let (min_strength, exclude) = (Codec::decode(from)?, from.list(EXCLUDED_MEMBERS_MAX)?);
        EdgeFilter::new(kinds, spheres, min_strength, exclude).map_err(|_| Malformed("a filter is out of range"))
    }
}
