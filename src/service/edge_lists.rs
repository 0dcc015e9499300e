//! `EdgeService`'s lists: a member's edges, in pages and counted.

use std::collections::BTreeMap;

use super::answer_bytes::page_that_fits;
use super::call::Call;
use super::decode::{AskedFilter, Decoded, Violations, all_or_return, page_size};
use super::read_context::{ReadContext, ReadFields, charge_resources, cut_short, find};
use super::services::Service;
use crate::domain::{Error, KindName, MemberId, Reason, Violation};
use crate::engine::State;
use crate::graph::{Budget, Graph, HalfEdge, IdPrefix, MemberIx, View, id_prefix};
use crate::proto::v1 as pb;

/// The position of an edge in its member's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor<'s> {
    /// The prefix of the other end's id. It comes first, because most comparisons end there.
    prefix: IdPrefix,
    other: &'s MemberId,
    kind: &'s KindName,
    /// Whether the edge leads in and does not lead out.
    leads_in: bool,
}

impl<'s> Cursor<'s> {
    fn new(other: &'s MemberId, kind: &'s KindName, leads_in: bool) -> Cursor<'s> {
        Cursor { prefix: id_prefix(other.as_str()), other, kind, leads_in }
    }
}

/// Which of a member's edges are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leads {
    AnyWay,
    Out,
    In,
}

impl Leads {
    fn decode(direction: i32) -> Result<Leads, Violation> {
        match pb::EdgeDirection::try_from(direction) {
            Ok(pb::EdgeDirection::Unspecified) => Ok(Leads::AnyWay),
            Ok(pb::EdgeDirection::Out) => Ok(Leads::Out),
            Ok(pb::EdgeDirection::In) => Ok(Leads::In),
            Err(_) => Err(Violation::new("direction", Reason::OutOfRange, "is no direction")),
        }
    }

    fn admit(self, half: &HalfEdge) -> bool {
        match self {
            Leads::AnyWay => true,
            Leads::Out => half.leads_out(),
            Leads::In => half.leads_in(),
        }
    }
}

/// Whose edges are asked for, and which of them.
struct EdgesOf {
    member: MemberId,
    leads: Leads,
    filter: AskedFilter,
}

impl EdgesOf {
    fn decode(member_id: &str, direction: i32, filter: Option<&pb::EdgeFilter>) -> Decoded<EdgesOf> {
        let mut wrong = Violations::default();
        let member = wrong.check(MemberId::parse("member_id", member_id));
        let leads = wrong.check(Leads::decode(direction));
        let filter = wrong.check(AskedFilter::decode_about(filter, &[member.as_ref()]));
        all_or_return!(wrong; member, leads, filter);
        Ok(EdgesOf { member, leads, filter })
    }

    fn admit(&self, view: &View<'_>, half: &HalfEdge) -> bool {
        self.leads.admit(half) && view.passes_any_way(half)
    }

    /// Calls `found` with each of the edges once, in no particular order.
    fn for_each(
        &self,
        view: &View<'_>,
        budget: &mut Budget<'_>,
        mut found: impl FnMut(HalfEdge),
    ) -> Result<MemberIx, Error> {
        let member = find(view, &self.member)?;
        view.prepare(budget).map_err(cut_short)?;
        let halves = view.half_edges(member);
        budget.visit(halves.len() as u64).map_err(cut_short)?;
        halves.try_for_each_list(|list| -> Result<(), Error> {
            list.iter().filter(|half| self.admit(view, half)).for_each(&mut found);
            Ok(())
        })?;
        Ok(member)
    }
}

pub async fn list_edges(service: &Service, call: Call<pb::ListEdgesRequest>) -> Result<pb::ListEdgesResponse, Error> {
    let Call { context, message } = call;
    let first_page = pb::ListEdgesRequest {
        page_size: 0,
        page_token: String::new(),
        min_revision: String::new(),
        ..message.clone()
    };
    let listing = service.listing("ListEdges", &first_page);
    let mut wrong = Violations::default();
    let edges = wrong.check(EdgesOf::decode(&message.member_id, message.direction, message.filter.as_ref()));
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 3));
    let fields = ReadFields { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: message.as_of };
    let read = wrong.check(service.read_context_of(&context, fields, after.as_ref().and_then(Option::as_ref)));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; edges, size, after, read);
    let after = after.map(|token| edge_cursor(&token.cursor)).transpose()?;
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let view = read.view_under(&edges.filter, state)?;
        let after = after.as_ref().map(|(other, kind, leads_in)| Cursor::new(other, kind, *leads_in));
        let (next, found) = (Vec::new(), Vec::new());
        let mut first = FirstEdges { graph: state.graph(), after, count: size + 1, next, found };
        let from = edges.for_each(&view, budget, |half| first.push(half))?;
        for half in state.pending_halves(from, &view, read.viewer(state)) {
            budget.visit(1).map_err(cut_short)?;
            if edges.admit(&view, &half) {
                first.push(half);
            }
        }
        let token_after = |Cursor { other, kind, leads_in, .. }: Cursor<'_>| {
            listing.token(read.as_of, &[other.as_str(), kind.as_str(), if leads_in { "in" } else { "out" }])
        };
        let found = first.in_order();
        charge_resources(found.len(), budget)?;
        let ends = found.iter().map(|(_, half)| {
            let (from, to) = if half.leads_out() { (from, half.neighbor()) } else { (half.neighbor(), from) };
            (from, half.kind(), to)
        });
        let shown = read.shown(state);
        // Each cursor has its edge, because what the graph holds is in the records.
        let stored = found.iter().map(|(cursor, _)| *cursor).zip(state.edges_at(ends));
        let (edges, next_page_token) =
            page_that_fits(stored, size, |(cursor, edge)| (shown.edge(edge), cursor), token_after);
        Ok(pb::ListEdgesResponse { edges, next_page_token, revision: state.revision().to_string() })
    };
    service.query(read, answer).await
}

/// The first edges in order after a cursor, so that a page of a hub's edges needs neither sorting nor keeping all of them.
struct FirstEdges<'s> {
    graph: &'s Graph,
    after: Option<Cursor<'s>>,
    count: usize,
    /// The half-edges that have no cursor yet.
    next: Vec<HalfEdge>,
    /// The first edges of those that have a cursor, and some more.
    found: Vec<(Cursor<'s>, HalfEdge)>,
}

/// How many edges are given their cursors together.
const BLOCK: usize = 256;

impl<'s> FirstEdges<'s> {
    fn push(&mut self, half: HalfEdge) {
        self.next.push(half);
        if self.next.len() == BLOCK {
            self.take_batch();
        }
    }

    /// Gives the next edges their cursors. All names are looked up first and read afterwards, so that those that are not in the processor's
    /// cache are fetched at the same time, and not one after the other.
    fn take_batch(&mut self) {
        let names: Vec<&MemberId> = self.next.iter().map(|half| self.graph.id(half.neighbor())).collect();
        let batch = names.into_iter().zip(self.next.drain(..)).map(|(name, half)| {
            let kind = &self.graph.kind(half.kind()).name;
            (Cursor::new(name, kind, !half.leads_out()), half)
        });
        self.found.extend(batch.filter(|(cursor, _)| self.after.is_none_or(|after| *cursor > after)));
        if self.found.len() >= 2 * self.count + BLOCK {
            self.found.select_nth_unstable_by(self.count, |a, b| a.0.cmp(&b.0));
            self.found.truncate(self.count);
        }
    }

    fn in_order(mut self) -> Vec<(Cursor<'s>, HalfEdge)> {
        self.take_batch();
        self.found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self.found.truncate(self.count);
        self.found
    }
}

fn edge_cursor(cursor: &[String]) -> Result<(MemberId, KindName, bool), Violation> {
    let other = MemberId::parse("page_token", &cursor[0])?;
    Ok((other, KindName::parse("page_token", &cursor[1])?, cursor[2] == "in"))
}

pub async fn count_edges(
    service: &Service,
    call: Call<pb::CountEdgesRequest>,
) -> Result<pb::CountEdgesResponse, Error> {
    let Call { context, message } = call;
    let mut wrong = Violations::default();
    let edges = wrong.check(EdgesOf::decode(&message.member_id, message.direction, message.filter.as_ref()));
    let fields = ReadFields { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: message.as_of };
    let read = wrong.check(service.read_context_of(&context, fields, None));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; edges, read);
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let view = read.view_under(&edges.filter, state)?;
        let mut by_kind: BTreeMap<&str, i64> = BTreeMap::new();
        edges.for_each(&view, budget, |half| {
            *by_kind.entry(state.graph().kind(half.kind()).name.as_str()).or_default() += 1;
        })?;
        let edges = by_kind.values().sum();
        let by_kind = by_kind.into_iter().map(|(kind, edges)| pb::KindCount { kind: kind.to_owned(), edges }).collect();
        Ok(pb::CountEdgesResponse { edges, by_kind, revision: state.revision().to_string() })
    };
    service.query(read, answer).await
}
