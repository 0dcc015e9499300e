use super::limits::{INTERACTION_TIME_MAX_MS, INTERACTIONS_MAX, INTRODUCERS_PER_ORIGIN_MAX, NOTE_CHARS_MAX};
use super::member::text_violation;
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
    /// The caller's own strength, which overrides the formula.
    pub pinned: Option<Strength>,
    pub history: History,
    pub since: Option<TimeMs>,
    pub visibility: Visibility,
    pub note: String,
    pub origin: Option<Origin>,
    /// The end that asked for it, while the other one has not accepted: until then the edge is pending, and walked by nobody.
    pub asked_by: Option<MemberId>,
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
            let message = format!("must hold at most {INTRODUCERS_PER_ORIGIN_MAX} members");
            found.push(Violation::new("introducer_ids", Reason::TooMany, message));
        }
        found
    }
}

/// Every rule an edge's own fields break, but for its key's.
pub fn edge_violations(note: &str, origin: Option<&Origin>) -> Vec<Violation> {
    let mut found: Vec<_> = text_violation("note", note, NOTE_CHARS_MAX).into_iter().collect();
    if let Some(origin) = origin {
        found.extend(origin.violations().into_iter().map(|v| v.within("origin")));
    }
    found
}

/// Checks a number of interactions.
pub(super) fn check_count(field: &str, count: u64) -> Result<(), Violation> {
    let message = || format!("must be from 1 to {INTERACTIONS_MAX}");
    let is_right = (1..=INTERACTIONS_MAX).contains(&count);
    is_right.then_some(()).ok_or_else(|| Violation::new(field, Reason::OutOfRange, message()))
}

/// Checks the time of interactions, and gives it in seconds.
pub(super) fn check_interaction_time(field: &str, time: TimeMs) -> Result<u32, Violation> {
    if !(0..=INTERACTION_TIME_MAX_MS).contains(&time.0) {
        let message = "must be from 1970-01-01T00:00:00Z to 2106-02-07T06:28:15Z";
        return Err(Violation::new(field, Reason::OutOfRange, message));
    }
    Ok((time.0 / 1_000) as u32)
}

/// What is left of `count` interactions; 0 stands for all of them.
pub(super) fn check_weight(field: &str, weight: f32, count: u64) -> Result<f32, Violation> {
    let all = count as f32;
    if weight == 0.0 {
        return Ok(all);
    }
    if !(0.0..=all).contains(&weight) {
        return Err(Violation::new(field, Reason::OutOfRange, "must be above 0 and at most interactions"));
    }
    Ok(weight)
}
