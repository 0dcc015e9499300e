use std::collections::BTreeMap;

use super::codec::{Codec, Decoder, Encoder, Fields, Malformed, Read, default_fields, record, sequence};
use super::limits::{INTERACTION_TIME_MAX_MS, INTERACTIONS_MAX, INTRODUCERS_PER_ORIGIN_MAX, NOTE_CHARS_MAX};
use super::member::{labels_violations, text_violation};
use super::{KindName, MemberId, Reason, StatusId, Strength, TimeMs, Violation, Visibility};

/// An edge's name: one edge of each kind between two members, in each direction where the kind is directed.
///
/// Of a symmetric kind `(a, kind, b)` and `(b, kind, a)` are the same edge; it is kept and answered with the smaller id first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeKey {
    pub from: MemberId,
    pub kind: KindName,
    pub to: MemberId,
}

impl EdgeKey {
    /// Refuses an edge from a member to itself.
    pub fn new(from: MemberId, kind: KindName, to: MemberId) -> Result<EdgeKey, Violation> {
        if from == to {
            return Err(Violation::new(
                "to_id",
                Reason::SelfEdge,
                "must differ from from_id: no edge joins a member to itself",
            ));
        }
        Ok(EdgeKey { from, kind, to })
    }

    /// The key an edge of a symmetric kind is kept under.
    pub fn smaller_first(self) -> EdgeKey {
        if self.from <= self.to { self } else { EdgeKey { from: self.to, kind: self.kind, to: self.from } }
    }
}

/// Interactions over an edge, as they count towards its strength: a fading sum, so that one more is O(1).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct History {
    /// All interactions ever, unfaded; at most 10¹².
    pub count: u64,
    /// `Σ cᵢ·0.5^((last − tᵢ)/half-life)`, as of `last`: above 0 and at most `count as f32` where there are interactions.
    pub faded: f32,
    /// The latest interaction's time, in seconds since 1970; 0 without interactions.
    pub last_s: u32,
}

/// A relation of one kind between two members, as its owner describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    pub key: EdgeKey,
    pub attrs: EdgeAttrs,
}

impl Edge {
    /// Returns every rule that the edge breaks.
    pub fn violations(&self) -> Vec<Violation> {
        edge_violations(&self.key, &self.attrs)
    }
}

fn edge_violations(key: &EdgeKey, attrs: &EdgeAttrs) -> Vec<Violation> {
    let mut found = attrs.violations();
    if attrs.asked_by.as_ref().is_some_and(|id| *id != key.from && *id != key.to) {
        found.push(Violation::new("asked_by_id", Reason::OutOfRange, "must be from_id or to_id"));
    }
    found
}

record! {
    /// What is known of an edge beside its key.
    pub struct EdgeAttrs {
        /// The caller's own strength, which overrides the formula.
        0 PINNED pinned: Option<Strength>,
        1 HISTORY history: History,
        2 SINCE since: Option<TimeMs>,
        3 VISIBILITY visibility: Visibility,
        4 NOTE note: String,
        5 ORIGIN origin: Option<Origin>,
        /// The end that asked for it, while the other one has not accepted: until then the edge is pending, and walked by nobody.
        6 ASKED_BY asked_by: Option<MemberId>,
        7 LABELS labels: BTreeMap<String, String>,
    }
}

impl EdgeAttrs {
    /// How many labels an edge may have.
    pub const LABELS_MAX: usize = 16;

    /// Returns every rule that the attributes break, but for that of `asked_by`, which is one of the key's ends.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found: Vec<_> = text_violation("note", &self.note, NOTE_CHARS_MAX).into_iter().collect();
        found.extend(labels_violations(&self.labels, EdgeAttrs::LABELS_MAX));
        if let Some(origin) = &self.origin {
            found.extend(origin.violations().into_iter().map(|v| v.within("origin")));
        }
        found
    }
}

impl Codec for EdgeKey {
    fn encode(&self, to: &mut Encoder) {
        self.from.encode(to);
        self.kind.encode(to);
        self.to.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<EdgeKey> {
        let (from, kind, to) = (Codec::decode(from)?, Codec::decode(from)?, Codec::decode(from)?);
        EdgeKey::new(from, kind, to).map_err(|_| Malformed("an edge joins a member to itself"))
    }
}

impl Codec for History {
    fn encode(&self, to: &mut Encoder) {
        self.count.encode(to);
        self.faded.encode(to);
        to.bytes.extend_from_slice(&self.last_s.to_le_bytes());
    }

    fn decode(from: &mut Decoder<'_>) -> Read<History> {
        let (count, faded) = (Codec::decode(from)?, Codec::decode(from)?);
        let history = History { count, faded, last_s: u32::from_le_bytes(from.array()?) };
        // The weight is no number if it is in no range.
        let is_within = (1..=INTERACTIONS_MAX).contains(&count) && faded > 0.0 && faded <= count as f32;
        is_within.then_some(history).ok_or(Malformed("a history is out of bounds"))
    }
}

default_fields!(History);

sequence! {
    Edge { key, attrs } || "an edge is out of bounds"
}

impl Codec for Origin {
    fn encode(&self, to: &mut Encoder) {
        self.status.encode(to);
        self.introducers.encode(to);
        self.note.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Origin> {
        let (status, introducers) = (Codec::decode(from)?, from.list(INTRODUCERS_PER_ORIGIN_MAX)?);
        Ok(Origin { status, introducers, note: Codec::decode(from)? })
    }
}

/// What an edge came of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The status that brought the two together.
    pub status: Option<StatusId>,
    /// Who introduced them, nearest to `from` first.
    pub introducers: Vec<MemberId>,
    pub note: String,
}

impl Origin {
    pub fn violations(&self) -> Vec<Violation> {
        let mut found: Vec<_> = text_violation("note", &self.note, NOTE_CHARS_MAX).into_iter().collect();
        if self.introducers.len() > INTRODUCERS_PER_ORIGIN_MAX {
            found.push(Violation::too_many("introducer_ids", INTRODUCERS_PER_ORIGIN_MAX, "members"));
        }
        found
    }
}

/// An edge to store in place of the one under its key.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgePut {
    pub key: EdgeKey,
    /// With `asked_by`, a new edge waits for the other end's put.
    pub attrs: EdgeAttrs,
    /// Fields that stay as they are where there is an edge; they are not set in `attrs`.
    pub kept: Fields,
}

sequence!(EdgePut { key, attrs, kept } || "an edge is out of bounds");

impl EdgePut {
    /// An edge of which only the key is known. What was recorded of interactions stays.
    pub fn bare(key: EdgeKey) -> EdgePut {
        EdgePut { key, attrs: EdgeAttrs::default(), kept: EdgeAttrs::HISTORY }
    }

    /// Gives the put a history, in place of what was recorded.
    #[must_use]
    pub fn with_history(mut self, history: History) -> EdgePut {
        self.attrs.history = history;
        self.kept = self.kept.without(EdgeAttrs::HISTORY);
        self
    }

    /// The history by its three fields as an edge message has them, or all that is wrong with them; a weight of 0 stands for all of
    /// `count`.
    pub fn history_of(count: u64, weight: f32, last: Option<TimeMs>) -> Result<Option<History>, Vec<Violation>> {
        let last_s = match (count, last) {
            (0, None) if weight == 0.0 => return Ok(None),
            (0, None) => return Err(vec![Violation::required("interactions")]),
            (_, None) => Err(Violation::required("last_interaction_time")),
            (_, Some(last)) => check_interaction_time("last_interaction_time", last),
        };
        let counted = check_count("interactions", count);
        let faded = check_weight("interaction_weight", weight, count);
        match (counted, last_s, faded) {
            (Ok(()), Ok(last_s), Ok(faded)) => Ok(Some(History { count, faded, last_s })),
            // What a weight may be at most is not known of a count that is wrong.
            (Err(wrong), last_s, _) => Err([wrong].into_iter().chain(last_s.err()).collect()),
            (Ok(()), last_s, faded) => Err(last_s.err().into_iter().chain(faded.err()).collect()),
        }
    }

    /// The put that leaves an edge as it is behind.
    pub fn of(edge: &Edge) -> EdgePut {
        EdgePut { key: edge.key.clone(), attrs: edge.attrs.clone(), kept: Fields::NONE }
    }

    /// The edge it leaves behind under a key, where there was none before.
    pub fn edge(&self, key: EdgeKey) -> Edge {
        let mut attrs = self.attrs.clone();
        // An origin without anything in it is none.
        attrs.origin = attrs.origin.filter(|origin| *origin != Origin::default());
        Edge { key, attrs }
    }

    /// The edge it leaves behind under a key: its own fields, and those that are kept of the edge there was. What stands stays so,
    /// whoever puts it, and what is pending stands once it is put for both ends, or for the one that did not ask.
    pub fn edge_after(&self, key: EdgeKey, before: Option<&Edge>) -> Edge {
        let mut after = self.edge(key);
        if let Some(before) = before {
            after.attrs.copy_fields(self.kept, &before.attrs);
            if after.attrs.asked_by != before.attrs.asked_by {
                after.attrs.asked_by = None;
            }
        }
        after
    }

    pub fn violations(&self) -> Vec<Violation> {
        let mut found = edge_violations(&self.key, &self.attrs);
        found.extend(self.kept.unknown_violation("kept", EdgeAttrs::ALL));
        found
    }
}

/// Interactions to add to an edge's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InteractionRecord {
    pub key: EdgeKey,
    pub count: u64,
    pub time_s: u32,
}

impl InteractionRecord {
    /// The time in seconds of interactions to be recorded, or all that is wrong with their number and time.
    pub fn check(count: u64, time: TimeMs) -> Result<u32, Vec<Violation>> {
        match (check_count("count", count), check_interaction_time("time", time)) {
            (Ok(()), Ok(time_s)) => Ok(time_s),
            (counted, timed) => Err(counted.err().into_iter().chain(timed.err()).collect()),
        }
    }

    pub fn new(key: EdgeKey, count: u64, time: TimeMs) -> Result<InteractionRecord, Vec<Violation>> {
        InteractionRecord::check(count, time).map(|time_s| InteractionRecord { key, count, time_s })
    }

    pub fn violations(&self) -> Vec<Violation> {
        check_count("count", self.count).err().into_iter().collect()
    }
}

sequence!(InteractionRecord { key, count, time_s } || "interactions are out of bounds");

/// Checks a number of interactions.
fn check_count(field: &str, count: u64) -> Result<(), Violation> {
    let message = || format!("must be from 1 to {INTERACTIONS_MAX}");
    let is_right = (1..=INTERACTIONS_MAX).contains(&count);
    is_right.then_some(()).ok_or_else(|| Violation::new(field, Reason::OutOfRange, message()))
}

/// Checks the time of interactions, and gives it in seconds.
fn check_interaction_time(field: &str, time: TimeMs) -> Result<u32, Violation> {
    if !(0..=INTERACTION_TIME_MAX_MS).contains(&time.0) {
        let message = "must be from 1970-01-01T00:00:00Z to 2106-02-07T06:28:15Z";
        return Err(Violation::new(field, Reason::OutOfRange, message));
    }
    Ok((time.0 / 1_000) as u32)
}

/// What is left of `count` interactions; 0 stands for all of them.
fn check_weight(field: &str, weight: f32, count: u64) -> Result<f32, Violation> {
    let all = count as f32;
    if weight == 0.0 {
        return Ok(all);
    }
    if !(0.0..=all).contains(&weight) {
        return Err(Violation::new(field, Reason::OutOfRange, "must be above 0 and at most interactions"));
    }
    Ok(weight)
}
