//! What a viewer sees that not everyone does: its own edges, and those that its connections show to their connections.
//!
//! It is gathered from rows that hold nothing but what the viewer may see. No other list is looked at, so that the time it takes says
//! nothing about how much is hidden there.

use super::graph::Graph;
use super::half_edge::{HalfEdge, MemberIx};
use super::lists::Lists;
use super::restricted::Restricted;
use super::row::Row;
use super::small_hash::{SmallHasher, SmallMap};

/// The work of one look into a row, in half-edges indexed. A row is indexed when that would have been less work than the looks into it
/// were, so that both together are never more than twice the lesser.
const LOOK: usize = 8;
/// How many half-edges are looked at between two polls.
const POLLED: usize = 4_096;

pub struct Admitted<'g> {
    /// The connections that show edges to their connections.
    near: SmallMap<MemberIx, &'g Restricted>,
    /// Those of them that show edges to whoever is a connection of both ends, in index order.
    mutual: Vec<MemberIx>,
    /// The rows that members were looked for in up to now, the longest first, each with its owner.
    rows: Vec<(MemberIx, Lists<'g>)>,
    /// The last half-edge found in indexed rows, by its other end. Each has the index of the one before it.
    index: SmallMap<MemberIx, u32>,
    found: Vec<(HalfEdge, u32)>,
    looks: usize,
    /// A bit for each sort of members that something is shown at, which says of most members that nothing is.
    sorts: [u64; SORTS / 64],
}

/// The number of sorts that members are hashed to.
const SORTS: usize = 1 << 12;

/// Returns the word and bit of a member's sort, by multiplicative hashing as in `small_hash.rs`.
#[inline]
fn sort(member: MemberIx) -> (usize, u64) {
    let sort = (u64::from(member.0).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 51) as usize % SORTS;
    (sort / 64, 1 << (sort % 64))
}

/// Stands for the index of the half-edge before where there is none.
const NONE: u32 = u32::MAX;

impl<'g> Admitted<'g> {
    /// Looks at all edges of the viewer if any of its connections may show it something, and polls now and then.
    pub fn new<E>(
        graph: &'g Graph,
        viewer: MemberIx,
        mut poll: impl FnMut() -> Result<(), E>,
    ) -> Result<Admitted<'g>, E> {
        let mut near: SmallMap<MemberIx, &'g Restricted> = SmallMap::with_hasher(SmallHasher);
        if graph.privacy.is_near_admitting(viewer) {
            for (half, at) in graph.shown_half_edges(viewer).iter().zip(1..) {
                if at % POLLED == 0 {
                    poll()?;
                }
                let is_connection = half.leads_out() && half.leads_in();
                if is_connection && graph.privacy.admits_connections(half.neighbor()) {
                    near.extend(graph.restricted(half.neighbor()).map(|restricted| (half.neighbor(), restricted)));
                }
            }
        }
        let shown = near.iter().filter_map(|(member, near)| Some((*member, near.to_connections.as_ref()?)));
        let own = graph.restricted(viewer).and_then(|restricted| Some((viewer, restricted.all()?)));
        let mut rows: Vec<(MemberIx, Lists<'g>)> =
            shown.chain(own).map(|(member, row)| (member, row.lists())).collect();
        rows.sort_unstable_by_key(|(member, row)| (std::cmp::Reverse(row.len()), *member));
        let mutual = near.iter().filter(|(_, near)| near.to_connections_of_both.is_some()).map(|(member, _)| *member);
        let mut mutual: Vec<MemberIx> = mutual.collect();
        mutual.sort_unstable();
        let index = SmallMap::with_hasher(SmallHasher);
        let mut sorts = [0; SORTS / 64];
        near.keys().map(|member| sort(*member)).for_each(|(at, bit)| sorts[at] |= bit);
        Ok(Admitted { near, mutual, rows, index, found: Vec::new(), looks: 0, sorts })
    }

    /// Returns whether anything may be shown at a member; if false, nothing is.
    #[inline]
    pub fn may_show(&self, member: MemberIx) -> bool {
        let (at, bit) = sort(member);
        !self.rows.is_empty() || self.sorts[at] & bit != 0
    }

    /// Returns what the viewer sees of another member's half-edges besides those that everyone sees, or none if that is nothing.
    pub fn to(&mut self, member: MemberIx) -> Option<[Option<Row>; 2]> {
        self.looks += 1;
        while let Some((owner, row)) = self.rows.pop_if(|(_, row)| row.len() <= self.looks * LOOK) {
            self.index_row(owner, row);
        }
        let mut found: Vec<HalfEdge> = Vec::new();
        let mut at = self.index.get(&member).copied().unwrap_or(NONE);
        while let Some(&(half, before)) = self.found.get(at as usize) {
            found.push(half);
            at = before;
        }
        for (owner, row) in &self.rows {
            found.extend(row.between(member).map(|half| half.other_half(*owner)));
        }
        let near = self.near.get(&member).copied();
        if let Some(both) = near.and_then(|near| near.to_connections_of_both.as_ref()) {
            found.extend(self.mutual.iter().flat_map(|other| both.lists().between(*other)));
        }
        let whole = near.and_then(|near| near.to_connections.as_ref());
        if let Some(whole) = whole {
            found.retain(|half| whole.lists().get(half.key()).is_none());
        }
        found.sort_unstable_by_key(HalfEdge::key);
        found.dedup_by_key(|half| half.key());
        let found = Row::new(&found);
        (whole.is_some() || found.is_some()).then(|| [whole.cloned(), found])
    }

    fn index_row(&mut self, owner: MemberIx, row: Lists<'g>) {
        self.found.reserve(row.len());
        self.index.reserve(row.len());
        for half in row.iter().filter(|half| half.neighbor() != owner) {
            let at = self.found.len() as u32;
            let before = self.index.insert(half.neighbor(), at).unwrap_or(NONE);
            self.found.push((half.other_half(owner), before));
            let (at, bit) = sort(half.neighbor());
            self.sorts[at] |= bit;
        }
    }
}
