//! `StatusService`.

use std::mem::take;

use uuid::Uuid;

use super::answer_bytes::page_that_fits;
use super::call::Call;
use super::decode::{self, Violations, all_or_return, etag_precondition, named_kinds, page_size};
use super::encode;
use super::read_context::{ReadContext, ReadFields, charge_resources, cut_short};
use super::request_id::request;
use super::services::Service;
use crate::domain::{Change, Edge, EdgeKey, Error, KindName, MemberId, Resource, Status, StatusId, TimeMs, Violation};
use crate::engine::{Report, Snapshot, State, Stored};
use crate::graph::Budget;
use crate::proto::v1 as pb;

/// Returns an id for a status whose caller gave none.
pub(super) fn new_status_id() -> String {
    Uuid::new_v4().to_string()
}

pub async fn post_status(
    service: &Service,
    Call { context, mut message }: Call<pb::PostStatusRequest>,
) -> Result<pb::PostStatusResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "PostStatus", &request_id, &message));
    let now = service.engine.now();
    let status = message.status.ok_or_else(|| Violation::required("status").into());
    let filter = status.as_ref().ok().and_then(|status: &pb::Status| status.audience.as_ref()?.filter.clone());
    let decoded = |status| decode::status(status, now, new_status_id).map_err(|wrong| wrong.within("status"));
    let status = wrong.check(status.and_then(decoded));
    let kinds = named_kinds("status.audience.filter", filter.as_ref());
    wrong.add_unknown_kinds(&*service.engine.state()?, kinds);
    all_or_return!(wrong; request, status);
    let outcome =
        service.commit_one(&context, Change::PostStatus { status }, "status", request, Report::Resource).await?;
    let status = match outcome.resource.map(|resource| *resource) {
        Some(Snapshot::Status(status)) => Some(encode::status(status)),
        _ => None,
    };
    Ok(pb::PostStatusResponse { status, revision: outcome.revision.to_string() })
}

pub async fn get_status(service: &Service, call: Call<pb::GetStatusRequest>) -> Result<pb::GetStatusResponse, Error> {
    let Call { context, message } = call;
    let mut wrong = Violations::default();
    let id = wrong.check(StatusId::parse("id", &message.id));
    let fields = ReadFields { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: None };
    let read = wrong.check(service.read_context_of(&context, fields, None));
    all_or_return!(wrong; id, read);
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let seen = state.seen_status(&id, &read.status_reader(state), budget).map_err(cut_short)?;
        let stored = seen.ok_or_else(|| Error::not_found(Resource::Status, &id))?;
        let status = Some(read.shown(state).status(stored));
        Ok(pb::GetStatusResponse { status, revision: state.revision().to_string() })
    };
    service.query_statuses(read, answer).await
}

pub async fn delete_status(
    service: &Service,
    Call { context, mut message }: Call<pb::DeleteStatusRequest>,
) -> Result<pb::DeleteStatusResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "DeleteStatus", &request_id, &message));
    let id = wrong.check(StatusId::parse("id", &message.id));
    let precondition = wrong.check(etag_precondition(&message.etag));
    all_or_return!(wrong; request, id, precondition);
    let change = Change::DeleteStatus { id, precondition, allow_missing: message.allow_missing };
    let outcome = service.commit_one(&context, change, "", request, Report::Revision).await?;
    Ok(pb::DeleteStatusResponse { revision: outcome.revision.to_string() })
}

pub async fn list_statuses(
    service: &Service,
    call: Call<pb::ListStatusesRequest>,
) -> Result<pb::ListStatusesResponse, Error> {
    let Call { context, message } = call;
    let (author_id, viewer_id) = (message.author_id.clone(), message.viewer_id.clone());
    let same = pb::ListStatusesRequest { author_id, viewer_id, ..Default::default() };
    let listing = service.listing("ListStatuses", &same);
    let mut wrong = Violations::default();
    let author = wrong.check(MemberId::parse("author_id", &message.author_id));
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 2));
    let fields = ReadFields { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: None };
    let read = wrong.check(service.read_context_of(&context, fields, after.as_ref().and_then(Option::as_ref)));
    all_or_return!(wrong; author, size, after, read);
    let after = after.map(|token| status_cursor(&token.cursor)).transpose()?;
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let seen = state.seen_of(&author, &read.status_reader(state), after.clone(), size + 1, budget);
        let seen = seen.map_err(cut_short)?.ok_or_else(|| Error::not_found(Resource::Member, &author))?;
        charge_resources(seen.len(), budget)?;
        let stored = seen.into_iter().filter_map(|status| state.status(status.id.as_str()));
        let encode = |stored: Stored<Status>| {
            let cursor = (stored.value.attrs.post_time, stored.value.id.clone());
            (read.shown(state).status(stored), cursor)
        };
        let (statuses, next_page_token) = page_that_fits(stored, size, encode, |(post_time, id)| {
            listing.token(read.as_of, &[&post_time.0.to_string(), id.as_str()])
        });
        Ok(pb::ListStatusesResponse { statuses, next_page_token, revision: state.revision().to_string() })
    };
    service.query_statuses(read, answer).await
}

/// Parses a status's cursor in a list of newest first: its time and id.
pub(super) fn status_cursor(cursor: &[String]) -> Result<(TimeMs, StatusId), Violation> {
    let malformed = |_| Violation::new("page_token", crate::domain::Reason::Malformed, "is not a token kith has given");
    let time = cursor[0].parse().map_err(malformed)?;
    Ok((TimeMs(time), StatusId::parse("page_token", &cursor[1])?))
}

pub async fn list_outcomes(
    service: &Service,
    call: Call<pb::ListOutcomesRequest>,
) -> Result<pb::ListOutcomesResponse, Error> {
    let Call { context, message } = call;
    let (status_id, viewer_id) = (message.status_id.clone(), message.viewer_id.clone());
    let same = pb::ListOutcomesRequest { status_id, viewer_id, as_of: message.as_of, ..Default::default() };
    let listing = service.listing("ListOutcomes", &same);
    let mut wrong = Violations::default();
    let id = wrong.check(StatusId::parse("status_id", &message.status_id));
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 3));
    let fields = ReadFields { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: message.as_of };
    let read = wrong.check(service.read_context_of(&context, fields, after.as_ref().and_then(Option::as_ref)));
    all_or_return!(wrong; id, size, after, read);
    let after = after.map(|token| outcome_cursor(&token.cursor)).transpose()?;
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        own_status(state, read, &id)?;
        let view = read.view(state);
        let is_shown = |id: &MemberId| state.graph().find_shown(id.as_str()).is_some();
        let keys = state.outcomes_of(&id, after.as_ref()).filter(|key| is_shown(&key.from) && is_shown(&key.to));
        let mut charged = Ok(());
        // Each outcome is looked up, whether it is shown or not; those of restricted members are nobody's cost.
        let keys = keys.take_while(|_| {
            charged = charge_resources(1, budget);
            charged.is_ok()
        });
        let edges = keys.filter_map(|key| state.edge_in(&view, key));
        let encode = |edge: Stored<Edge>| {
            let key = edge.value.key.clone();
            (read.shown(state).edge(edge), key)
        };
        let (edges, next_page_token) = page_that_fits(edges, size, encode, |EdgeKey { from, kind, to }| {
            listing.token(read.as_of, &[from.as_str(), kind.as_str(), to.as_str()])
        });
        charged?;
        Ok(pb::ListOutcomesResponse { edges, next_page_token, revision: state.revision().to_string() })
    };
    service.query(read, answer).await
}

/// Finds a status whose author the viewer is, or that the service asks about.
pub(super) fn own_status(state: &State, read: &ReadContext, id: &StatusId) -> Result<Status, Error> {
    let status = state.status(id.as_str()).map(|stored| stored.value);
    let status = status.filter(|status| read.viewer_id().is_none_or(|viewer| *viewer == status.author));
    let status = status.filter(|status| state.graph().find_shown(status.author.as_str()).is_some());
    status.ok_or_else(|| Error::not_found(Resource::Status, id))
}

fn outcome_cursor(cursor: &[String]) -> Result<EdgeKey, Violation> {
    let from = MemberId::parse("page_token", &cursor[0])?;
    EdgeKey::new(from, KindName::parse("page_token", &cursor[1])?, MemberId::parse("page_token", &cursor[2])?)
}
