//! `ReachService.CheckReach`: whether some may see a member or a status. It decides for a service that is trusted, so it looks at all
//! edges, whoever may see those; but never past a block.

use std::collections::{HashMap, HashSet};

use super::call::Call;
use super::decode::{Violations, all_or_return, member_ids};
use super::reach::{ReachOf, Subject, subject};
use super::read_context::ReadContext;
use super::services::Service;
use crate::domain::{Error, MemberId, Reason, StatusId, Violation};
use crate::engine::State;
use crate::graph::{Budget, Extent, Graph, MemberIx, Ways};
use crate::proto::v1 as pb;

pub async fn check_reach(
    service: &Service,
    call: Call<pb::CheckReachRequest>,
) -> Result<pb::CheckReachResponse, Error> {
    let Call { context, message } = call;
    let mut wrong = Violations::default();
    let subject = subject!(message, check_reach_request);
    let of = wrong.check(ReachOf::decode(subject, message.filter.as_ref(), message.max_hops));
    let viewers = wrong.check(member_ids("viewer_ids", &message.viewer_ids));
    let read = wrong.check(service.read_context(&context, message.read, None));
    wrong.check(on_nobodys_behalf(read.as_ref()));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; of, viewers, read);
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let (ways, subject, max_hops) = of.resolve(state, read)?;
        let known: Vec<Option<MemberIx>> = viewers.iter().map(|id| state.graph().find_shown(id.as_str())).collect();
        let max_hops = if is_for_its_author_alone(state, &of, read) { 0 } else { max_hops };
        let reach = Reach { graph: state.graph(), ways: &ways, subject, max_hops };
        let (hops, extent) = reach.hops_from(known.iter().flatten().copied(), budget);
        let info = read.info(state, extent, budget)?;
        let results = viewers.iter().zip(known).map(|(id, known)| checked(id, known.and_then(|ix| hops.get(&ix))));
        Ok(pb::CheckReachResponse { results: results.collect(), info: Some(info) })
    };
    service.query(read, answer).await
}

/// The decision is for each viewer that the request names, so it can't be made on behalf of one more.
fn on_nobodys_behalf(read: Option<&ReadContext>) -> Result<(), Violation> {
    if read.is_some_and(|read| read.viewer_id().is_some()) {
        return Err(Violation::new(
            "read.viewer_id",
            Reason::ViewerMismatch,
            "must be empty: the viewers are `viewer_ids`",
        ));
    }
    Ok(())
}

fn is_for_its_author_alone(state: &State, of: &ReachOf, read: &ReadContext) -> bool {
    let status = match &of.subject {
        Subject::Status(id) => state.status(id.as_str()),
        Subject::Member(_) => None,
    };
    status.is_some_and(|status| !read.status_reader(state).live_at.admits(&status.value))
}

fn checked(id: &MemberId, hop: Option<&u32>) -> pb::ReachCheck {
    pb::ReachCheck { viewer_id: id.to_string(), visible: hop.is_some(), hop: hop.map(|hop| *hop as i32) }
}

/// Who is to be reached, and how far.
struct Reach<'v, 'g> {
    graph: &'g Graph,
    ways: &'v Ways<'g>,
    subject: MemberIx,
    max_hops: u32,
}

impl Reach<'_, '_> {
    /// Returns the hops of the viewers that are in reach. Those without blocks are found by one search; one with a block has a graph of its
    /// own.
    fn hops_from(
        &self,
        viewers: impl Iterator<Item = MemberIx> + Clone,
        budget: &mut Budget<'_>,
    ) -> (HashMap<MemberIx, u32>, Extent) {
        let graph = self.graph;
        let (within, mut extent) = self.ways.reach_list(self.subject, self.max_hops, budget);
        // Many more members may be within than are asked about.
        let asked: HashSet<MemberIx> = viewers.clone().collect();
        let within = within.into_iter().filter(|(_, member)| asked.contains(member));
        let mut found: HashMap<MemberIx, u32> = within.map(|(hop, member)| (member, hop)).collect();
        found.insert(self.subject, 0);
        for viewer in viewers.filter(|viewer| graph.has_blocks(*viewer) && *viewer != self.subject) {
            found.remove(&viewer);
            if graph.are_apart(viewer, self.subject) || self.max_hops == 0 {
                continue;
            }
            let ways = self.ways.clone().past_blocks_of(viewer);
            let (hops, searched) = ways.distances(viewer, &[self.subject], self.max_hops, budget);
            extent = extent.and(searched);
            found.extend(hops[0].map(|hops| (viewer, hops)));
        }
        (found, extent)
    }
}
