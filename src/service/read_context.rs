//! What reads share: on whose behalf, at which revision and within what bounds they are answered, and what their answers say about that.

use std::time::{Duration, Instant};

use super::call::CallContext;
use super::decode::{AskedFilter, Decoded, Violations, all_or_return, named_kinds, optional_time};
use super::encode::{Shown, timestamp};
use super::page::PageToken;
use super::principal::Principal;
use super::services::Service;
use crate::domain::{Error, MemberId, Reason, Resource, TimeMs, Violation};
use crate::engine::{Decoys, QueryOptions, State, StatusReader};
use crate::graph::{Budget, Extent, Limit, MemberIx, View, Viewer};
use crate::proto::v1 as pb;

/// How a query is to be answered.
#[derive(Clone)]
pub struct ReadContext {
    principal: Principal,
    options: QueryOptions,
    /// The viewer on whose behalf the read is; none if it is the service's own.
    viewer: Option<MemberId>,
    pub as_of: TimeMs,
    /// When the read was asked for. Whatever `as_of` is, statuses are live by this.
    clock: TimeMs,
    decoys: Decoys,
    pub require_complete: bool,
}

impl Service {
    /// Notes the kinds of a filter that are not registered, in a request that is refused anyway.
    pub(super) fn note_unknown_kinds(&self, wrong: &mut Violations, filter: Option<&pb::EdgeFilter>) {
        if !wrong.is_empty()
            && let Ok(state) = self.engine.state()
        {
            wrong.add_unknown_kinds(&state, named_kinds("filter", filter));
        }
    }

    /// Returns the context of a read with `ReadOptions`. Later pages keep the first one's `as_of`.
    pub(super) fn read_context(
        &self,
        context: &CallContext,
        read: Option<pb::ReadOptions>,
        page: Option<&PageToken>,
    ) -> Decoded<ReadContext> {
        self.decoded(context, read.unwrap_or_default(), page).map_err(|wrong| wrong.within("read"))
    }

    /// Returns the context of a read whose options are fields of its own.
    pub(super) fn read_context_of(
        &self,
        context: &CallContext,
        ReadFields { viewer_id, min_revision, as_of }: ReadFields,
        page: Option<&PageToken>,
    ) -> Decoded<ReadContext> {
        let read = pb::ReadOptions { viewer_id, min_revision, as_of, require_complete: true, ..Default::default() };
        self.decoded(context, read, page)
    }

    fn decoded(&self, context: &CallContext, read: pb::ReadOptions, page: Option<&PageToken>) -> Decoded<ReadContext> {
        let mut wrong = Violations::default();
        let as_of = wrong.check(optional_time("as_of", read.as_of));
        let edges_visited_max = wrong.check(edges_visited_max(read.max_edges_visited));
        let viewer = wrong.check(viewer(context.principal.named_or_own(&read.viewer_id)));
        wrong.check(self.engine.check_revision("min_revision", &read.min_revision));
        all_or_return!(wrong; as_of, edges_visited_max, viewer);
        let clock = self.engine.now();
        let as_of = page.map(|page| page.as_of).or(as_of).unwrap_or(clock);
        let CallContext { principal, deadline } = context.clone();
        let (min_revision, caller) = (read.min_revision, principal.share());
        let options = QueryOptions { min_revision, edges_visited_max, deadline, caller };
        let require_complete = read.require_complete;
        let decoys = Decoys::new(self.engine.token_key(), self.engine.namespace());
        Ok(ReadContext { principal, options, viewer, as_of, clock, decoys, require_complete })
    }

    /// Runs a query that looks at statuses. How long that takes depends on those that its viewer may not see, so a viewer is answered when
    /// a step of time is over, 2, 4, 8 … ms after the call, whatever the answer is (Askarov, Zhang, Myers 2010). The first step is longer
    /// than a search for what is hidden takes: it is by the half-edges that the viewer sees near it, or that the query has visited. What
    /// would be answered after the deadline is late, however soon it was found.
    pub(super) async fn query_statuses<T: Send + 'static>(
        &self,
        read: ReadContext,
        query: impl Fn(&ReadContext, &State, &mut Budget<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (begun, has_viewer, deadline) = (Instant::now(), read.viewer.is_some(), read.options.deadline);
        let asked = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
            let near = read.status_reader(state).search_scale(state, budget).map_err(cut_short)?;
            let answer = query(read, state, budget);
            Ok((answer, near.max(budget.visited())))
        };
        let (answer, scale) = self.query(read, asked).await.unwrap_or_else(|error| (Err(error), 0));
        if !has_viewer {
            return answer;
        }
        let (at, answer) = in_time(begun + answer_step(scale, begun.elapsed()), deadline, answer);
        tokio::time::sleep_until(at.into()).await;
        answer
    }

    /// Runs a query within its context, if the caller may read for the viewer.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        read: ReadContext,
        query: impl Fn(&ReadContext, &State, &mut Budget<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let is_member = |viewer: &MemberId| {
            self.engine.state().is_ok_and(|state| state.graph().find_shown(viewer.as_str()).is_some())
        };
        read.principal.may_read_for(read.viewer.as_ref(), is_member)?;
        let options = read.options.clone();
        self.engine.query(options, move |state, budget| query(&read, state, budget)).await
    }
}

/// How a read without `ReadOptions` is to be answered.
#[derive(Debug, Default)]
pub struct ReadFields {
    pub viewer_id: String,
    pub min_revision: String,
    pub as_of: Option<prost_types::Timestamp>,
}

fn viewer(id: &str) -> Result<Option<MemberId>, Violation> {
    (!id.is_empty()).then(|| MemberId::parse("viewer_id", id)).transpose()
}

fn edges_visited_max(value: i64) -> Result<Option<u64>, Violation> {
    let value = u64::try_from(value)
        .map_err(|_| Violation::new("max_edges_visited", Reason::OutOfRange, "must not be negative"))?;
    Ok((value > 0).then_some(value))
}

/// The least step of time that answers about statuses wait for.
const ANSWER_STEP: Duration = Duration::from_millis(2);
/// What is allowed for each half-edge that a search may take: some ten times what it takes.
const STEP_PER_EDGE: Duration = Duration::from_nanos(64);
/// The longest first step.
const FIRST_STEP_MAX: Duration = Duration::from_millis(256);

/// Returns the end of the step in which an answer was found. The first step is long enough for a search of this scale.
fn answer_step(scale: u64, taken: Duration) -> Duration {
    let allowed = STEP_PER_EDGE.saturating_mul(u32::try_from(scale).unwrap_or(u32::MAX)).min(FIRST_STEP_MAX);
    let mut step = ANSWER_STEP;
    while step < taken.max(allowed) {
        step = step.saturating_mul(2);
    }
    step
}

/// Returns what is answered at the end of a step, and when: at the deadline, if that is before, that it has passed.
fn in_time<T>(end: Instant, deadline: Option<Instant>, answer: Result<T, Error>) -> (Instant, Result<T, Error>) {
    match deadline.filter(|deadline| *deadline < end) {
        Some(deadline) => (deadline, Err(Error::DeadlineExceeded)),
        None => (end, answer),
    }
}

impl ReadContext {
    pub fn viewer_id(&self) -> Option<&MemberId> {
        self.viewer.as_ref()
    }

    /// Reads on behalf of a viewer that the request itself names.
    pub fn made_for(self, viewer: MemberId) -> ReadContext {
        ReadContext { viewer: Some(viewer), ..self }
    }

    pub fn viewer(&self, state: &State) -> Viewer {
        state.viewer(self.viewer.as_ref())
    }

    /// Returns how statuses are read: on whose behalf, and what is live.
    pub fn status_reader(&self, state: &State) -> StatusReader {
        state.status_reader(self.viewer.as_ref(), self.as_of, self.clock, self.decoys.clone())
    }

    /// Returns the whole graph as the viewer sees it.
    pub fn view<'s>(&self, state: &'s State) -> View<'s> {
        View::unfiltered(state.graph(), self.as_of).seen_by(self.viewer(state))
    }

    /// Returns the graph under a filter, whose kinds must be registered, as the viewer sees it.
    pub fn view_under<'s>(&self, filter: &AskedFilter, state: &'s State) -> Result<View<'s>, Error> {
        Ok(filter.view(state, self.as_of)?.seen_by(self.viewer(state)))
    }

    /// Returns how the viewer is shown what is in the state.
    pub fn shown<'s>(&self, state: &'s State) -> Shown<'s> {
        Shown { state, viewer: self.viewer(state), as_of: self.as_of }
    }

    /// Returns what an answer says about itself, or an error if it had to be complete and is not.
    pub fn info(&self, state: &State, extent: Extent, budget: &Budget<'_>) -> Result<pb::AnswerInfo, Error> {
        let limit_hit = match extent.limit {
            None => pb::Limit::Unspecified,
            Some(limit) if self.require_complete => return Err(cut_short(limit)),
            Some(Limit::EdgesVisited) => pb::Limit::EdgesVisited,
            Some(Limit::Deadline) => pb::Limit::Deadline,
            Some(Limit::Cancelled) => return Err(Error::Cancelled),
        };
        let completeness = if extent.is_complete() { pb::Completeness::Complete } else { pb::Completeness::Partial };
        Ok(pb::AnswerInfo {
            revision: state.revision().to_string(),
            as_of: Some(timestamp(self.as_of)),
            completeness: completeness.into(),
            limit_hit: limit_hit.into(),
            exact_through_hop: extent.exact_through_hop as i32,
            edges_visited: i64::try_from(budget.visited()).unwrap_or(i64::MAX),
        })
    }
}

impl ReadContext {
    /// Notes that an answer was ended by its length, or returns an error if it had to be complete.
    pub fn ended_by_length(&self, info: &mut pb::AnswerInfo) -> Result<(), Error> {
        if self.require_complete {
            let message = "the answer is longer than an answer may be; ask for less".to_owned();
            return Err(Error::Exhausted { reason: Reason::AnswerTooLarge, message });
        }
        info.completeness = pb::Completeness::Partial.into();
        if info.limit_hit() == pb::Limit::Unspecified {
            info.limit_hit = pb::Limit::AnswerBytes.into();
        }
        Ok(())
    }
}

/// The work of putting one resource into an answer, in half-edges: texts are copied.
pub(super) const RESOURCE_WORK: u64 = 16;

/// Charges resources that are about to be put into an answer: a page of them is more than a call's own thread is for.
pub(super) fn charge_resources(count: usize, budget: &mut Budget<'_>) -> Result<(), Error> {
    budget.pass(RESOURCE_WORK.saturating_mul(count as u64)).map_err(cut_short)
}

/// Finds a member that is not gone for the viewer.
pub fn find(view: &View<'_>, id: &MemberId) -> Result<MemberIx, Error> {
    view.find(id.as_str()).ok_or_else(|| Error::not_found(Resource::Member, id))
}

/// Returns the read options that stay the same on every page of a list.
pub fn read_on_every_page(read: Option<&pb::ReadOptions>) -> Option<pb::ReadOptions> {
    let read = read?;
    let kept = pb::ReadOptions { viewer_id: read.viewer_id.clone(), as_of: read.as_of, ..Default::default() };
    (kept != pb::ReadOptions::default()).then_some(kept)
}

/// Returns the error of an answer that had to be complete and is not.
pub fn cut_short(limit: Limit) -> Error {
    match limit {
        Limit::EdgesVisited => Error::Exhausted {
            reason: Reason::BudgetExhausted,
            message: "the query's budget of edges ended before the answer was complete".to_owned(),
        },
        Limit::Deadline => Error::DeadlineExceeded,
        Limit::Cancelled => Error::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_time_double() {
        let ms = Duration::from_millis;
        for (taken, step) in [(ms(0), ms(2)), (ms(2), ms(2)), (ms(3), ms(4)), (ms(9), ms(16))] {
            assert_eq!(answer_step(100, taken), step);
        }
    }

    #[test]
    fn a_deadline_before_the_steps_end_is_passed_whatever_was_found() {
        let (end, ms) = (Instant::now() + Duration::from_secs(1), Duration::from_millis(1));
        for answer in [Ok("seen"), Err(Error::Cancelled)] {
            for in_time_for in [None, Some(end), Some(end + ms)] {
                assert_eq!(in_time(end, in_time_for, answer.clone()), (end, answer.clone()));
            }
            let late = Err(Error::DeadlineExceeded);
            assert_eq!(in_time(end, Some(end - ms), answer), (end - ms, late));
        }
    }

    #[test]
    fn the_first_step_is_of_the_searchs_scale() {
        let ms = Duration::from_millis;
        for (scale, taken, step) in [
            (31_250, 0, 2),
            (31_251, 0, 4),
            (50_000, 4, 4),
            (50_000, 5, 8),
            (1_000_000, 1, 64),
            (u64::MAX, 1, 256),
            (u64::MAX, 257, 512),
        ] {
            assert_eq!(answer_step(scale, ms(taken)), ms(step), "{scale} {taken}");
        }
    }
}
