use super::MemberId;
use super::codec::{Codec, Decoder, Encoder, Malformed, Read, default_fields};

/// To whom an edge is shown, beside its two ends. The order is from the least strict to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Visibility {
    /// To all.
    #[default]
    Everyone,
    /// To whoever has an edge of any symmetric kind to the end that asks for it: a member by its privacy, either end by the edge's own.
    Connections,
    /// To nobody else.
    Parties,
}

impl Visibility {
    /// By the number each has in records.
    pub const ALL: [Visibility; 3] = [Visibility::Everyone, Visibility::Connections, Visibility::Parties];

    /// Its place in `ALL`.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// What a member shows of itself, and what it is left out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Privacy {
    /// Of all its edges; an edge's own visibility and the other end's count as well, and the strictest decides.
    pub edges_visibility: Visibility,
    /// It is suggested to nobody.
    pub hidden_from_suggestions: bool,
    /// It introduces nobody.
    pub declines_introducing: bool,
    /// It is kept, and left out of every answer.
    pub processing_restricted: bool,
    /// It is neither suggested nor an introducer nor a leader.
    pub objects_to_profiling: bool,
}

/// A member wants nothing to do with another: each vanishes for the other as viewer, and nobody introduces them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    pub by: MemberId,
    pub of: MemberId,
}

impl Privacy {
    /// Returns to whom its edges are shown; none if to nobody, not even to their ends or the service.
    pub fn edges_shown(self) -> Option<Visibility> {
        (!self.processing_restricted).then_some(self.edges_visibility)
    }

    pub fn may_be_suggested(self) -> bool {
        !self.hidden_from_suggestions && !self.objects_to_profiling
    }

    pub fn may_introduce(self) -> bool {
        !self.declines_introducing && !self.objects_to_profiling
    }

    /// All of it in a byte: two bits of visibility, then a bit for each of the others. 0 is what a member is without asking.
    pub fn bits(self) -> u8 {
        self.edges_visibility.number()
            | u8::from(self.hidden_from_suggestions) << 2
            | u8::from(self.declines_introducing) << 3
            | u8::from(self.processing_restricted) << 4
            | u8::from(self.objects_to_profiling) << 5
    }

    /// What these bits say; none if they say nothing.
    pub fn from_bits(bits: u8) -> Option<Privacy> {
        let edges_visibility = *Visibility::ALL.get(usize::from(bits & 3))?;
        (bits < 64).then_some(Privacy {
            edges_visibility,
            hidden_from_suggestions: bits & 4 != 0,
            declines_introducing: bits & 8 != 0,
            processing_restricted: bits & 16 != 0,
            objects_to_profiling: bits & 32 != 0,
        })
    }
}

impl Codec for Visibility {
    fn encode(&self, to: &mut Encoder) {
        to.byte(self.number());
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Visibility> {
        Visibility::ALL.get(usize::from(from.byte()?)).copied().ok_or(Malformed("a visibility is none"))
    }
}

default_fields!(Visibility);

impl Codec for Block {
    fn encode(&self, to: &mut Encoder) {
        self.by.encode(to);
        self.of.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Block> {
        let (by, of) = (MemberId::decode(from)?, MemberId::decode(from)?);
        if by == of { Err(Malformed("a member blocks itself")) } else { Ok(Block { by, of }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_holds_all_of_it() {
        let read: Vec<Privacy> = (0..=u8::MAX).filter_map(Privacy::from_bits).collect();
        assert_eq!(read.len(), 48);
        assert!(read.iter().all(|privacy| Privacy::from_bits(privacy.bits()) == Some(*privacy)));
        assert_eq!(Privacy::default().bits(), 0);
    }
}
