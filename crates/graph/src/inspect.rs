//! The graph checked against itself: whatever it keeps twice must agree.

use super::graph::Graph;
use super::half_edge::{HalfEdge, MemberIx};
use super::restricted::{Class, Restricted};
use super::row::Row;
use crate::domain::limits::KINDS_MAX;
use crate::domain::{Error, Inspector, Kind, MemberId};

const PART: &str = "graph";

impl Graph {
    /// Looks for ids that do not lead to their member, half-edges without their other half, and counts that are wrong. One resource is
    /// checked with each member and each half-edge.
    pub fn inspect(&self, inspector: &mut dyn Inspector) -> Result<(), Error> {
        self.inspect_ids(inspector)?;
        let mut counted = Counted { members: 0, edges: 0, uses: [0; KINDS_MAX] };
        for (ix, id) in (0..).map(MemberIx).zip(self.names.iter()) {
            let Some(id) = id else { continue };
            if self.ids.find(id.as_str()) != Some(ix) {
                inspector.find(PART, id.as_str(), "the member is not found by its id")?;
            }
            counted.members += 1;
            inspector.checked()?;
            self.inspect_half_edges(ix, id, &mut counted, inspector)?;
        }
        self.compare(&counted, inspector)
    }

    fn inspect_ids(&self, inspector: &mut dyn Inspector) -> Result<(), Error> {
        for (id, ix) in self.ids.after(None) {
            if self.get_id(ix) != Some(id) {
                inspector.find(PART, id.as_str(), "the id leads to no member, or to another one")?;
            }
        }
        for ix in &self.free {
            if self.get_id(*ix).is_some() {
                inspector.find(PART, format!("slot {}", ix.0), "it is free, and a member is there")?;
            }
        }
        Ok(())
    }

    fn inspect_half_edges(
        &self,
        ix: MemberIx,
        id: &MemberId,
        counted: &mut Counted,
        inspector: &mut dyn Inspector,
    ) -> Result<(), Error> {
        let mut before = None;
        for half in self.half_edges(ix).iter() {
            inspector.checked()?;
            if before.is_some_and(|before| before >= half.key()) {
                inspector.find(PART, id.as_str(), "the member's half-edges are out of order")?;
            }
            before = Some(half.key());
            let Some(kind) = self.get_kind(half.kind()) else {
                inspector.find(PART, self.name(id, &half), "the half-edge is of no kind")?;
                continue;
            };
            if let Some(fault) = self.half_edge_fault(ix, &half, kind) {
                inspector.find(PART, self.name(id, &half), fault)?;
            }
            if !self.stands_where_it_belongs(ix, &half) {
                inspector.find(PART, self.name(id, &half), "the half-edge stands among those of other readers")?;
            }
            // An edge is counted at one of its halves: the one that leads out, or where both do, the one at the lower slot.
            if half.leads_out() && (!half.leads_in() || ix < half.neighbor()) {
                counted.edges += 1;
                counted.uses[usize::from(half.kind().0)] += 1;
            }
        }
        Ok(())
    }

    /// Returns what is wrong with a half-edge of a kind that exists.
    fn half_edge_fault(&self, ix: MemberIx, half: &HalfEdge, kind: &Kind) -> Option<&'static str> {
        if half.neighbor() == ix {
            return Some("the half-edge leads back to its own member");
        }
        if self.get_id(half.neighbor()).is_none() {
            return Some("the half-edge leads to no member");
        }
        let fits = if kind.attrs.symmetric {
            half.leads_out() && half.leads_in()
        } else {
            half.leads_out() != half.leads_in()
        };
        if !fits {
            return Some("the half-edge does not lead the way its kind does");
        }
        // The other half of a directed edge leads in only, where this one leads out.
        let other = (ix, half.kind(), !kind.attrs.symmetric && half.leads_out());
        match self.half_edges(half.neighbor()).get(other) {
            None => Some("the edge's other half is missing"),
            Some(other) if other.inputs() != half.inputs() => Some("the edge's two halves differ in strength"),
            Some(_) => None,
        }
    }

    /// Returns whether a half-edge is in the rows of its own readers, and in no other.
    fn stands_where_it_belongs(&self, ix: MemberIx, half: &HalfEdge) -> bool {
        let class = self.privacy.class(ix, half.key());
        let is_in = |row: Option<&Row>| row.is_some_and(|row| row.lists().get(half.key()).is_some());
        let restricted = self.restricted(ix);
        let rows = [
            restricted.and_then(Restricted::all),
            restricted.and_then(|restricted| restricted.to_connections.as_ref()),
            restricted.and_then(|restricted| restricted.to_connections_of_both.as_ref()),
            restricted.and_then(Restricted::withheld),
        ];
        let is_withheld = class == Class::Withheld;
        let is_restricted = class != Class::Everyone && !is_withheld;
        let belongs = [is_restricted, class == Class::Connections, class == Class::OfBoth, is_withheld];
        rows.map(is_in) == belongs
            && restricted.is_some_and(Restricted::admits_connections) == self.privacy.admits_connections(ix)
    }

    /// Names an edge by its ends and kind, as far as they exist.
    fn name(&self, id: &MemberId, half: &HalfEdge) -> String {
        let kind = self.get_kind(half.kind()).map_or("?", |kind| kind.name.as_str());
        let neighbor = self.get_id(half.neighbor()).map_or("?", |id| id.as_str());
        if half.leads_out() { format!("{id} {kind} {neighbor}") } else { format!("{neighbor} {kind} {id}") }
    }

    fn compare(&self, counted: &Counted, inspector: &mut dyn Inspector) -> Result<(), Error> {
        let ids = self.ids.after(None).count();
        let mut differ = |what: String, kept: u64, counted: u64| {
            if kept == counted {
                return Ok(());
            }
            inspector.find(PART, what, format!("{kept} are counted, and there are {counted}"))
        };
        differ("members".to_owned(), self.members() as u64, counted.members)?;
        differ("ids".to_owned(), ids as u64, counted.members)?;
        differ("edges".to_owned(), self.edges, counted.edges)?;
        for (ix, kind) in self.kinds() {
            let uses = counted.uses[usize::from(ix.0)];
            differ(format!("edges of the kind {}", kind.name), self.kind_uses(ix), uses)?;
        }
        Ok(())
    }
}

/// What there is, counted one by one.
struct Counted {
    members: u64,
    edges: u64,
    uses: [u64; KINDS_MAX],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Finding, KindName, MemberId, Sphere};
    use crate::{KindIx, StrengthInputs};

    struct Found(Vec<Finding>, u64);

    impl Inspector for Found {
        fn found(&mut self, finding: Finding) -> Result<(), Error> {
            self.0.push(finding);
            Ok(())
        }

        fn checked(&mut self) -> Result<(), Error> {
            self.1 += 1;
            Ok(())
        }
    }

    fn id(text: &str) -> MemberId {
        MemberId::parse("id", text).unwrap()
    }

    fn kind(name: &str, symmetric: bool) -> Kind {
        Kind::new(KindName::parse("name", name).unwrap(), Sphere::Personal, symmetric, 1.0, 60_000).unwrap()
    }

    const A: MemberIx = MemberIx(0);
    const B: MemberIx = MemberIx(1);
    const C: MemberIx = MemberIx(2);
    const FRIEND: KindIx = KindIx(0);
    const FOLLOWS: KindIx = KindIx(1);

    /// Makes a graph in which a and b are friends, c follows a, and one slot is free.
    fn graph() -> Graph {
        let mut graph = Graph::new();
        graph.add_kind(kind("friend", true));
        graph.add_kind(kind("follows", false));
        for text in ["a", "b", "c", "d"] {
            graph.add_member(id(text));
        }
        graph.remove_member(MemberIx(3));
        graph.put_edge(A, FRIEND, B, StrengthInputs { faded: 1.5, last_s: 7, pinned: None });
        graph.put_edge(C, FOLLOWS, A, StrengthInputs::default());
        graph
    }

    fn findings(break_it: impl FnOnce(&mut Graph)) -> Vec<String> {
        let mut graph = graph();
        break_it(&mut graph);
        let mut found = Found(Vec::new(), 0);
        graph.inspect(&mut found).unwrap();
        found.0.iter().map(ToString::to_string).collect()
    }

    fn remove(ix: MemberIx, neighbor: MemberIx, kind: KindIx) -> impl Fn(&mut Graph) {
        move |graph| assert!(graph.adjacency.remove(ix, (neighbor, kind, false)).is_some())
    }

    fn insert(ix: MemberIx, half: HalfEdge) -> impl Fn(&mut Graph) {
        move |graph| assert!(graph.adjacency.insert(ix, half, Class::Everyone).is_none_or(|before| before != half))
    }

    fn half(neighbor: MemberIx, kind: KindIx, out: bool, back: bool) -> HalfEdge {
        HalfEdge::new(neighbor, kind, out, back, StrengthInputs::default())
    }

    #[test]
    fn a_whole_graph_has_none() {
        assert_eq!(findings(|_| {}), Vec::<String>::new());
        let mut found = Found(Vec::new(), 0);
        graph().inspect(&mut found).unwrap();
        assert_eq!(found.1, 3 + 4, "members and half-edges");
    }

    #[test]
    fn each_fault_is_named() {
        let missing = "the edge's other half is missing";
        let differ = "the edge's two halves differ in strength";
        assert_eq!(
            findings(|graph| graph.ids.remove("b")),
            ["graph: b: the member is not found by its id", "graph: ids: 2 are counted, and there are 3"]
        );
        assert_eq!(
            findings(|graph| graph.ids.insert(id("e"), B)),
            ["graph: e: the id leads to no member, or to another one", "graph: ids: 4 are counted, and there are 3"]
        );
        assert_eq!(
            findings(|graph| graph.free.push_back(B)),
            ["graph: slot 1: it is free, and a member is there", "graph: members: 2 are counted, and there are 3"]
        );
        assert_eq!(findings(remove(B, A, FRIEND)), [format!("graph: a friend b: {missing}")]);
        assert_eq!(
            findings(remove(C, A, FOLLOWS)),
            [
                format!("graph: c follows a: {missing}"),
                "graph: edges: 2 are counted, and there are 1".to_owned(),
                "graph: edges of the kind follows: 1 are counted, and there are 0".to_owned()
            ]
        );
        assert_eq!(
            findings(insert(B, half(A, FRIEND, true, true))),
            [format!("graph: a friend b: {differ}"), format!("graph: b friend a: {differ}")]
        );
        let flipped = "the half-edge does not lead the way its kind does";
        assert_eq!(
            findings(|graph| graph.replace_kind(FRIEND, kind("friend", false))),
            [format!("graph: a friend b: {flipped}"), format!("graph: b friend a: {flipped}")]
        );
        assert_eq!(findings(|graph| graph.edges += 1), ["graph: edges: 3 are counted, and there are 2"]);
        assert_eq!(
            findings(|graph| graph.kinds.count(FRIEND, 1)),
            ["graph: edges of the kind friend: 2 are counted, and there are 1"]
        );
    }

    #[test]
    fn what_leads_nowhere_is_named() {
        let moved = findings(|graph| {
            graph.adjacency.insert(B, half(A, FRIEND, true, true), Class::Nobody);
        });
        assert!(moved.contains(&"graph: b friend a: the half-edge stands among those of other readers".to_owned()));
        let first = |findings: Vec<String>| findings[0].clone();
        assert_eq!(
            first(findings(insert(C, half(MemberIx(9), FRIEND, true, true)))),
            "graph: c friend ?: the half-edge leads to no member"
        );
        assert_eq!(
            first(findings(insert(C, half(B, KindIx(5), true, true)))),
            "graph: c ? b: the half-edge is of no kind"
        );
        assert_eq!(
            first(findings(insert(C, half(C, FRIEND, true, true)))),
            "graph: c friend c: the half-edge leads back to its own member"
        );
        let out_of_order = [half(B, FOLLOWS, true, false), half(A, FOLLOWS, true, false)];
        let unsorted = findings(|graph| graph.adjacency.replace(C, &out_of_order));
        assert!(unsorted.contains(&"graph: c: the member's half-edges are out of order".to_owned()), "{unsorted:?}");
    }

    #[test]
    fn an_inspector_ends_it() {
        struct Ends(u64);
        impl Inspector for Ends {
            fn found(&mut self, _: Finding) -> Result<(), Error> {
                Ok(())
            }

            fn checked(&mut self) -> Result<(), Error> {
                self.0 += 1;
                if self.0 == 3 { Err(Error::Cancelled) } else { Ok(()) }
            }
        }
        let mut ends = Ends(0);
        assert_eq!((graph().inspect(&mut ends), ends.0), (Err(Error::Cancelled), 3));
    }
}
