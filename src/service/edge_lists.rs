//! `EdgeService`'s lists: a member's edges, in pages and counted.

use std::collections::BTreeMap;

use tonic::Request;

use super::Service;
use super::call::{Plain, cut_short, find};
use super::decode::{AskedFilter, Decoded, Violations, all_or_return, page_size};
use super::page::{Listing, page};
use crate::domain::{Error, KindName, MemberId, Reason, Violation};
use crate::engine::State;
use crate::graph::{Budget, Graph, HalfEdge, MemberIx, View};
use crate::proto::v1 as pb;

/// An edge's place in its member's list: the other end, the kind, and whether it only leads in.
type Place<'s> = (&'s MemberId, &'s KindName, bool);

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
    fn decode(member_id: &str, direction: i32, filter: Option<pb::EdgeFilter>) -> Decoded<EdgesOf> {
        let mut wrong = Violations::default();
        let member = wrong.check(MemberId::parse("member_id", member_id));
        let leads = wrong.check(Leads::decode(direction));
        let filter = wrong.check(AskedFilter::decode_about(filter, &[member.as_ref()]));
        all_or_return!(wrong; member, leads, filter);
        Ok(EdgesOf { member, leads, filter })
    }

    /// Shows each of the edges once, in no order that means anything to a caller.
    fn for_each(
        &self,
        view: &View<'_>,
        budget: &mut Budget<'_>,
        mut found: impl FnMut(HalfEdge),
    ) -> Result<MemberIx, Error> {
        let member = find(view, &self.member)?;
        view.half_edges(member).try_for_each_list(|list| -> Result<(), Error> {
            budget.visit(list.len() as u64).map_err(cut_short)?;
            list.iter().filter(|half| self.leads.admit(half) && view.passes_any_way(half)).for_each(&mut found);
            Ok(())
        })?;
        Ok(member)
    }
}

pub async fn list_edges(
    service: &Service,
    call: Request<pb::ListEdgesRequest>,
) -> Result<pb::ListEdgesResponse, Error> {
    let (metadata, _, message) = call.into_parts();
    let asked = pb::ListEdgesRequest {
        page_size: 0,
        page_token: String::new(),
        min_revision: String::new(),
        ..message.clone()
    };
    let listing = Listing::new("ListEdges", &asked);
    let mut wrong = Violations::default();
    let edges = wrong.check(EdgesOf::decode(&message.member_id, message.direction, message.filter));
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 3));
    let plain = Plain { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: message.as_of };
    let asked = wrong.check(service.asked_plainly(&metadata, plain, after.as_ref().and_then(Option::as_ref)));
    all_or_return!(wrong; edges, size, after, asked);
    let after = after.map(|token| place(&token.place)).transpose()?;
    let how = asked.clone();
    let answer = move |state: &State, budget: &mut Budget<'_>| {
        let view = edges.filter.view(state, &how)?;
        let (from, mut halves) = edges_after(&edges, &view, after.as_ref(), budget)?;
        first_in_order(&mut halves, size + 1, |half| place_of(state.graph(), half));
        let (halves, next_page_token) = page(halves, size, |last| {
            let (other, kind, leads_in) = place_of(state.graph(), last);
            listing.token(how.as_of, &[other.as_str(), kind.as_str(), if leads_in { "in" } else { "out" }])
        });
        let edges = halves.iter().filter_map(|half| {
            let (from, to) = if half.leads_out() { (from, half.neighbor()) } else { (half.neighbor(), from) };
            state.edge_at(from, half.kind(), to)
        });
        let shown = how.shown(state);
        let edges = edges.map(|edge| shown.edge(edge)).collect();
        Ok(pb::ListEdgesResponse { edges, next_page_token, revision: state.revision().to_string() })
    };
    service.query(&asked, answer).await
}

/// The edges asked for that come after a place.
fn edges_after(
    edges: &EdgesOf,
    view: &View<'_>,
    after: Option<&(MemberId, KindName, bool)>,
    budget: &mut Budget<'_>,
) -> Result<(MemberIx, Vec<HalfEdge>), Error> {
    let graph = view.graph();
    let comes_after =
        |half: &HalfEdge| after.is_none_or(|(other, kind, leads_in)| place_of(graph, half) > (other, kind, *leads_in));
    let mut halves = Vec::new();
    let member = edges.for_each(view, budget, |half| {
        if comes_after(&half) {
            halves.push(half);
        }
    })?;
    Ok((member, halves))
}

fn place_of<'s>(graph: &'s Graph, half: &HalfEdge) -> Place<'s> {
    (graph.id(half.neighbor()), &graph.kind(half.kind()).name, !half.leads_out())
}

/// Keeps the first `count` items, in order: a page of a hub's edges without sorting them all.
fn first_in_order<T, K: Ord>(items: &mut Vec<T>, count: usize, key: impl Fn(&T) -> K) {
    if items.len() > count {
        items.select_nth_unstable_by(count, |a, b| key(a).cmp(&key(b)));
        items.truncate(count);
    }
    items.sort_by_cached_key(key);
}

fn place(place: &[String]) -> Result<(MemberId, KindName, bool), Violation> {
    let other = MemberId::parse("page_token", &place[0])?;
    Ok((other, KindName::parse("page_token", &place[1])?, place[2] == "in"))
}

pub async fn count_edges(
    service: &Service,
    call: Request<pb::CountEdgesRequest>,
) -> Result<pb::CountEdgesResponse, Error> {
    let (metadata, _, message) = call.into_parts();
    let mut wrong = Violations::default();
    let edges = wrong.check(EdgesOf::decode(&message.member_id, message.direction, message.filter));
    let plain = Plain { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: message.as_of };
    let asked = wrong.check(service.asked_plainly(&metadata, plain, None));
    all_or_return!(wrong; edges, asked);
    let how = asked.clone();
    let answer = move |state: &State, budget: &mut Budget<'_>| {
        let view = edges.filter.view(state, &how)?;
        let mut by_kind: BTreeMap<&str, i64> = BTreeMap::new();
        edges.for_each(&view, budget, |half| {
            *by_kind.entry(state.graph().kind(half.kind()).name.as_str()).or_default() += 1;
        })?;
        let edges = by_kind.values().sum();
        let by_kind = by_kind.into_iter().map(|(kind, edges)| pb::KindCount { kind: kind.to_owned(), edges }).collect();
        Ok(pb::CountEdgesResponse { edges, by_kind, revision: state.revision().to_string() })
    };
    service.query(&asked, answer).await
}
