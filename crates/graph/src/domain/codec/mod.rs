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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::{
        ASK_DAYS_MAX, EXCLUDED_MEMBERS_MAX, INTERACTIONS_MAX, INTRODUCERS_PER_ORIGIN_MAX, KINDS_MAX, NOTE_CHARS_MAX,
        SPHERES_MAX, TOPICS_MAX, UPDATED_FIELDS_MAX,
    };
    use crate::domain::{
        Day, DayOfAsks, Edge, EdgeAttrs, EdgeFilter, EdgeKey, EdgePut, History, InteractionRecord, IntroducerTally,
        KindMerge, KindName, Member, MemberId, MemberPatch, Origin, Sphere, Status, StatusAttrs, StatusId, TimeMs,
        TopicSet, builtin_kinds,
    };

    const UNKNOWN: Fields = Fields(1 << 31);

    fn bytes_of(value: &impl Codec) -> Vec<u8> {
        let mut to = Encoder::interning();
        value.encode(&mut to);
        to.bytes
    }

    fn read_again<T: Codec>(value: &T) -> Result<(), &'static str> {
        let bytes = bytes_of(value);
        let mut from = Decoder::new(&bytes);
        T::decode(&mut from).and_then(|_| from.end()).map_err(|malformed| malformed.0)
    }

    /// A value whose decoder reads a list first, with a list of so many items of one byte there.
    fn list_of<T: Codec>(items: usize, item: u8) -> Result<(), &'static str> {
        let mut to = Encoder::plain(Vec::new());
        to.number(items as u64);
        to.bytes.resize(to.bytes.len() + 4 * items, item);
        T::decode(&mut Decoder::new(&to.bytes)).map(drop).map_err(|malformed| malformed.0)
    }

    fn id(text: &str) -> MemberId {
        MemberId::parse("id", text).unwrap()
    }

    fn key() -> EdgeKey {
        EdgeKey::new(id("ann"), KindName::parse("kind", "friend").unwrap(), id("bob")).unwrap()
    }

    fn member(change: impl FnOnce(&mut Member)) -> Member {
        let mut member = Member::bare(id("ann"));
        change(&mut member);
        member
    }

    fn edge(change: impl FnOnce(&mut EdgeAttrs)) -> Edge {
        let mut attrs = EdgeAttrs::default();
        change(&mut attrs);
        Edge { key: key(), attrs }
    }

    fn status(change: impl FnOnce(&mut StatusAttrs)) -> Status {
        let mut attrs = StatusAttrs { text: "hello".to_owned(), ..StatusAttrs::default() };
        attrs.audience.max_hops = 1;
        change(&mut attrs);
        Status { id: StatusId::parse("id", "s").unwrap(), author: id("ann"), attrs }
    }

    fn history(count: u64, faded: f32) -> History {
        History { count, faded, last_s: 9 }
    }

    fn patch(set: Fields, label: Option<&str>) -> MemberPatch {
        let label_changes = [("a key".to_owned(), label.map(str::to_owned))].into();
        MemberPatch { set, label_changes, ..MemberPatch::default() }
    }

    fn put(kept: Fields) -> EdgePut {
        EdgePut { kept, ..EdgePut::bare(key()) }
    }

    fn merge(kept: Fields) -> KindMerge {
        KindMerge { kind: builtin_kinds().remove(0), kept }
    }

    #[test]
    fn what_no_caller_may_write_is_not_read() {
        let long = || "x".repeat(3_000);
        let origin = || Origin { introducers: vec![id("cy"); INTRODUCERS_PER_ORIGIN_MAX + 1], ..Origin::default() };
        let cases = [
            ("member", read_again(&member(|_| {})), read_again(&member(|member| member.attrs.headline = long()))),
            ("edge", read_again(&edge(|_| {})), read_again(&edge(|attrs| attrs.note = "x".repeat(NOTE_CHARS_MAX + 1)))),
            (
                "pending edge",
                read_again(&edge(|attrs| attrs.asked_by = Some(id("bob")))),
                read_again(&edge(|attrs| attrs.asked_by = Some(id("cy")))),
            ),
            ("origin", read_again(&Origin::default()), read_again(&origin())),
            ("status", read_again(&status(|_| {})), read_again(&status(|attrs| attrs.text.clear()))),
            ("hops", read_again(&status(|_| {})), read_again(&status(|attrs| attrs.audience.max_hops = 7))),
            ("member's mask", read_again(&patch(Fields(1), None)), read_again(&patch(UNKNOWN, None))),
            ("member's label", read_again(&patch(Fields(1), Some("7"))), read_again(&patch(Fields(1), Some(&long())))),
            ("edge's mask", read_again(&put(EdgeAttrs::ALL)), read_again(&put(UNKNOWN))),
            ("kind's mask", read_again(&merge(Fields(1))), read_again(&merge(UNKNOWN))),
            (
                "interactions",
                read_again(&InteractionRecord { key: key(), count: 1, time_s: 0 }),
                read_again(&InteractionRecord { key: key(), count: INTERACTIONS_MAX + 1, time_s: 0 }),
            ),
            ("first time", read_again(&TimeMs::FIRST), read_again(&TimeMs(TimeMs::FIRST.0 - 1))),
            ("last time", read_again(&TimeMs::LAST), read_again(&TimeMs(TimeMs::LAST.0 + 1))),
            ("history", read_again(&history(3, 3.0)), read_again(&history(3, 3.1))),
            ("empty history", read_again(&history(1, f32::MIN_POSITIVE)), read_again(&history(0, 0.0))),
            ("faded history", read_again(&history(1, 1.0)), read_again(&history(1, 0.0))),
            ("weightless history", read_again(&history(1, 1.0)), read_again(&history(1, f32::NAN))),
            ("endless history", read_again(&history(1, 1.0)), read_again(&history(1, f32::INFINITY))),
            ("long history", read_again(&history(1, 1.0)), read_again(&history(INTERACTIONS_MAX + 1, 1.0))),
        ];
        let wrong: Vec<_> = cases.iter().filter(|(_, good, bad)| good.is_err() || bad.is_ok()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// A name that came before takes a byte, and a text in memory.
    #[test]
    fn a_list_with_a_bound_is_refused_before_its_items_are_read() {
        let days = |days| -> IntroducerTally {
            let recent = (0..days).map(|day| DayOfAsks { day: Day(day), asks: 1 }).collect();
            IntroducerTally::new(u64::from(days), 0, 0, recent).unwrap()
        };
        let mut longer = bytes_of(&days(ASK_DAYS_MAX));
        longer[3] += 1;
        longer.extend([0; 2]);
        let tally = IntroducerTally::decode(&mut Decoder::new(&longer)).map(drop).map_err(|malformed| malformed.0);
        let filter = |spheres, exclude| {
            read_again(&EdgeFilter {
                spheres: vec![Sphere::Public; spheres],
                exclude: vec![id("cy"); exclude],
                ..EdgeFilter::default()
            })
        };
        let refused = [
            tally,
            filter(SPHERES_MAX + 1, 0),
            filter(0, EXCLUDED_MEMBERS_MAX + 1),
            list_of::<EdgeFilter>(KINDS_MAX + 1, 1),
            list_of::<TopicSet>(TOPICS_MAX + 1, 1),
            list_of::<std::collections::BTreeMap<String, String>>(UPDATED_FIELDS_MAX + 1, 0),
        ];
        assert_eq!(refused, [Err("a list is too long"); 6]);
        assert_eq!(filter(SPHERES_MAX, EXCLUDED_MEMBERS_MAX), Ok(()));
    }
}
