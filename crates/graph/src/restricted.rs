//! The half-edges of a member that not everyone may see, kept apart from the others and sorted by who may see them.
//!
//! An edge is seen by its ends, and by those whom each end's privacy and its own visibility admit. Whoever is connected to one end finds
//! there, in a row of its own, what that connection admits to. So a viewer gathers what it may see from its connections, and nobody's list
//! is searched for it.

use super::half_edge::{HalfEdge, HalfEdgeKey, MemberIx};
use super::half_edges::Patch;
use super::row::{Row, RowChange};

/// Who may see a half-edge beside the two ends of its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Everyone,
    /// The connections of the member: it hides its edges, or the edge is for the connections of either end.
    Connections,
    /// The connections of the neighbor alone.
    OfNeighbor,
    /// Those who are connections of both ends.
    OfBoth,
    Nobody,
    /// Not even the two ends or the service: an end is withheld.
    Withheld,
}

/// A change to one half-edge.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    pub member: MemberIx,
    pub key: HalfEdgeKey,
    /// The half-edge that is there from now on and who may see it, or none if it is removed.
    pub put: Option<(HalfEdge, Class)>,
}

impl Change {
    pub fn put(member: MemberIx, half: HalfEdge, class: Class) -> Change {
        Change { member, key: half.key(), put: Some((half, class)) }
    }

    pub fn remove(member: MemberIx, key: HalfEdgeKey) -> Change {
        Change { member, key, put: None }
    }

    /// Returns the change to one row, which holds the half-edges of the classes that belong to it.
    pub fn to_row(self, belongs: impl Fn(Class) -> bool) -> RowChange {
        (self.key, self.put.filter(|(_, class)| belongs(*class)).map(|(half, _)| half))
    }
}

/// The half-edges of a member that not everyone may see; there is at least one.
#[derive(Debug, Clone)]
pub struct Restricted {
    /// All of them but those that are withheld, for the service and the member itself.
    pub whole: Patch,
    /// Those that all connections of the member may see.
    pub to_connections: Option<Row>,
    /// Those that connections of both ends may see.
    pub to_connections_of_both: Option<Row>,
    /// All of them, for writes; none if that is `whole`. What is withheld is the second row.
    kept: Option<Box<Patch>>,
}

impl Restricted {
    /// Returns the half-edges with changes made, which are in order, or none if nothing is left.
    pub fn changed(restricted: Option<&Restricted>, changes: &[Change]) -> Option<Restricted> {
        let row = |before: Option<&Row>, belongs: &dyn Fn(Class) -> bool| {
            let changes: Vec<RowChange> = changes.iter().map(|change| change.to_row(belongs)).collect();
            Row::changed(before, &changes)
        };
        let whole =
            row(restricted.and_then(Restricted::all), &|class| class != Class::Everyone && class != Class::Withheld);
        let withheld = row(restricted.and_then(Restricted::withheld), &|class| class == Class::Withheld);
        if whole.is_none() && withheld.is_none() {
            return None;
        }
        let before = restricted.and_then(|restricted| restricted.to_connections.as_ref());
        let to_connections = row(before, &|class| class == Class::Connections);
        let before = restricted.and_then(|restricted| restricted.to_connections_of_both.as_ref());
        let to_connections_of_both = row(before, &|class| class == Class::OfBoth);
        let kept = withheld.map(|row| Box::new(Patch { more: [whole.clone(), Some(row)], ..Patch::default() }));
        Some(Restricted { whole: Patch::of(whole), to_connections, to_connections_of_both, kept })
    }

    pub fn all(&self) -> Option<&Row> {
        self.whole.more[0].as_ref()
    }

    /// Returns all half-edges, whoever may see them or may not.
    pub fn kept(&self) -> &Patch {
        self.kept.as_deref().unwrap_or(&self.whole)
    }

    pub fn withheld(&self) -> Option<&Row> {
        self.kept.as_ref()?.more[1].as_ref()
    }

    /// Returns whether there is anything that a connection may see.
    pub fn admits_connections(&self) -> bool {
        self.to_connections.is_some() || self.to_connections_of_both.is_some()
    }
}
