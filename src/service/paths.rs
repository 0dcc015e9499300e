//! `PathService`.

use super::answer_bytes::that_fit;
use super::call::Call;
use super::decode::{AskedFilter, Violations, all_or_return, member_ids, page_size, within_bounds};
use super::page::{Listing, page};
use super::read_context::{ReadContext, find, read_on_every_page};
use super::services::Service;
use crate::domain::limits::{HOPS_MAX, PATH_HOPS_DEFAULT, PATHS_DEFAULT, PATHS_MAX};
use crate::domain::{Error, MemberId, Reason, Violation};
use crate::engine::State;
use crate::graph::{Budget, Extent, MemberIx, PathQuery, Ranking, distances, find_paths as best_paths, mutuals};
use crate::proto::v1 as pb;

/// Refuses a question about one member where two are needed.
pub(super) fn require_two(one: Option<&MemberId>, other: Option<&MemberId>, field: &str) -> Result<(), Violation> {
    if one.is_some() && one == other {
        return Err(Violation::new(field, Reason::SelfEdge, "must differ: the question is about two members"));
    }
    Ok(())
}

pub async fn find_paths(service: &Service, call: Call<pb::FindPathsRequest>) -> Result<pb::FindPathsResponse, Error> {
    let Call { context, message } = call;
    let mut wrong = Violations::default();
    let from = wrong.check(MemberId::parse("from_id", &message.from_id));
    let to = wrong.check(MemberId::parse("to_id", &message.to_id));
    let filter = wrong.check(AskedFilter::decode_about(message.filter.as_ref(), &[from.as_ref(), to.as_ref()]));
    let k = wrong.check(within_bounds("k", message.k, PATHS_DEFAULT, PATHS_MAX));
    let max_hops = wrong.check(within_bounds("max_hops", message.max_hops, PATH_HOPS_DEFAULT, HOPS_MAX));
    let ranking = wrong.check(ranking(message.ranking));
    let read = wrong.check(service.read_context(&context, message.read, None));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; from, to, filter, k, max_hops, ranking, read);
    let query = PathQuery { k: k as usize, max_hops, ranking };
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let view = read.view_under(&filter, state)?;
        let found = best_paths(&view, find(&view, &from)?, find(&view, &to)?, &query, budget);
        let mut info = read.info(state, found.extent, budget)?;
        let (paths, all) = that_fit(found.paths.iter().map(|path| read.shown(state).path(&view, path)));
        if !all {
            read.ended_by_length(&mut info)?;
        }
        Ok(pb::FindPathsResponse {
            paths,
            optimal: found.optimal,
            strength_bound: found.strength_bound.map(|bound| bound as f32),
            shortest_path_count: i64::try_from(found.shortest_path_count).unwrap_or(i64::MAX),
            info: Some(info),
        })
    };
    service.query(read, answer).await
}

fn ranking(value: i32) -> Result<Ranking, Violation> {
    match pb::Ranking::try_from(value) {
        Ok(pb::Ranking::Unspecified | pb::Ranking::Hops) => Ok(Ranking::Hops),
        Ok(pb::Ranking::Strength) => Ok(Ranking::Strength),
        Err(_) => Err(Violation::new("ranking", Reason::OutOfRange, "is no ranking")),
    }
}

pub async fn batch_get_distances(
    service: &Service,
    call: Call<pb::BatchGetDistancesRequest>,
) -> Result<pb::BatchGetDistancesResponse, Error> {
    let Call { context, message } = call;
    let mut wrong = Violations::default();
    let from = wrong.check(MemberId::parse("from_id", &message.from_id));
    let to = wrong.check(member_ids("to_ids", &message.to_ids));
    let filter = wrong.check(AskedFilter::decode_about(message.filter.as_ref(), &[from.as_ref()]));
    let max_hops = wrong.check(within_bounds("max_hops", message.max_hops, PATH_HOPS_DEFAULT, HOPS_MAX));
    let read = wrong.check(service.read_context(&context, message.read, None));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; from, to, filter, max_hops, read);
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let view = read.view_under(&filter, state)?;
        let from = find(&view, &from)?;
        let known: Vec<Option<MemberIx>> = to.iter().map(|id| view.find(id.as_str())).collect();
        let targets: Vec<MemberIx> = known.iter().flatten().copied().collect();
        let (hops, extent) = distances(&view, from, &targets, max_hops, budget);
        let info = read.info(state, extent, budget)?;
        let mut hops = hops.into_iter();
        let distances = to.iter().zip(known).map(|(id, known)| pb::Distance {
            to_id: id.to_string(),
            hops: known.and_then(|_| hops.next()).flatten().map(|hops| hops as i32),
        });
        Ok(pb::BatchGetDistancesResponse { distances: distances.collect(), info: Some(info) })
    };
    service.query(read, answer).await
}

pub async fn list_mutuals(
    service: &Service,
    call: Call<pb::ListMutualsRequest>,
) -> Result<pb::ListMutualsResponse, Error> {
    let Call { context, message } = call;
    let listing = service.listing("ListMutuals", &same_on_every_page(&message));
    let mut wrong = Violations::default();
    let a = wrong.check(MemberId::parse("a_id", &message.a_id));
    let b = wrong.check(MemberId::parse("b_id", &message.b_id));
    wrong.check(require_two(a.as_ref(), b.as_ref(), "b_id"));
    let filter = wrong.check(AskedFilter::decode_about(message.filter.as_ref(), &[a.as_ref(), b.as_ref()]));
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 1));
    let read = wrong.check(service.read_context(&context, message.read, after.as_ref().and_then(Option::as_ref)));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; a, b, filter, size, after, read);
    let after = after.map(|token| MemberId::parse("page_token", &token.cursor[0])).transpose()?;
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let view = read.view_under(&filter, state)?;
        let found = mutuals(&view, find(&view, &a)?, find(&view, &b)?, budget);
        mutuals_page(read, state, budget, found, after.as_ref(), size, &listing)
    };
    service.query(read, answer).await
}

fn mutuals_page(
    read: &ReadContext,
    state: &State,
    budget: &Budget<'_>,
    found: Result<Vec<crate::graph::Mutual>, crate::graph::Limit>,
    after: Option<&MemberId>,
    size: usize,
    listing: &Listing,
) -> Result<pb::ListMutualsResponse, Error> {
    let (found, extent) = match found {
        Ok(found) => (found, Extent::complete(1)),
        Err(limit) => (Vec::new(), Extent::ended(limit, 0)),
    };
    let info = read.info(state, extent, budget)?;
    let id = |mutual: &crate::graph::Mutual| state.graph().id(mutual.member);
    let start = after.map_or(0, |after| found.partition_point(|mutual| id(mutual) <= after));
    let (items, next_page_token) = page(&found[start..], size, |last| listing.token(read.as_of, &[id(last).as_str()]));
    let items = items.into_iter().map(|mutual| pb::Mutual {
        member_id: id(mutual).to_string(),
        strength_to_a: mutual.strength_to_a as f32,
        strength_to_b: mutual.strength_to_b as f32,
    });
    let items = items.collect();
    Ok(pb::ListMutualsResponse { items, next_page_token, total: found.len() as i32, info: Some(info) })
}

fn same_on_every_page(message: &pb::ListMutualsRequest) -> pb::ListMutualsRequest {
    let read = read_on_every_page(message.read.as_ref());
    pb::ListMutualsRequest { page_size: 0, page_token: String::new(), read, ..message.clone() }
}
