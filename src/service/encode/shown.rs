//! What a viewer is shown of members, edges and statuses that it may see. The service is shown all of them.

use super::resources::{edge, member, status};
use crate::domain::{Edge, Member, MemberId, Status, StatusId, TimeMs};
use crate::engine::{State, Stored};
use crate::graph::Viewer;
use crate::proto::v1 as pb;

/// A state as it is told to a viewer, with strengths at `as_of`.
#[derive(Clone, Copy)]
pub struct Shown<'s> {
    pub state: &'s State,
    pub viewer: Viewer,
    pub as_of: TimeMs,
}

impl Shown<'_> {
    fn is_viewer(&self, id: &MemberId) -> bool {
        matches!(self.viewer, Viewer::Member(viewer) if self.state.graph().id(viewer) == id)
    }

    fn shows_all_of(&self, id: &MemberId) -> bool {
        self.viewer == Viewer::Service || self.is_viewer(id)
    }

    pub fn member(&self, stored: Stored<Member>) -> pb::Member {
        let shows_all = self.shows_all_of(&stored.value.id);
        let mut shown = member(stored);
        if !shows_all {
            // The etag and the time of the last change would tell of changes of what is not shown.
            shown.privacy = None;
            shown.etag.clear();
            shown.update_time = None;
        }
        shown
    }

    pub fn edge(&self, stored: Stored<Edge>) -> pb::Edge {
        let shows_all = self.shows_all_of(&stored.value.key.from) || self.shows_all_of(&stored.value.key.to);
        let came_of = stored.value.attrs.origin.as_ref().and_then(|origin| origin.status.clone());
        let mut shown = edge(self.state, stored, self.as_of);
        if !shows_all {
            // What its owners say of it is theirs; what is not named here is not shown. The etag and the time of the last change would
            // tell of changes of what is not shown.
            shown = pb::Edge {
                from_id: shown.from_id,
                kind: shown.kind,
                to_id: shown.to_id,
                strength: shown.strength,
                pinned_strength: shown.pinned_strength,
                interactions: shown.interactions,
                last_interaction_time: shown.last_interaction_time,
                interaction_weight: shown.interaction_weight,
                since: shown.since,
                create_time: shown.create_time,
                asked_by_id: shown.asked_by_id,
                ..Default::default()
            };
        }
        if let Some(origin) = &mut shown.origin {
            origin.introducer_ids.retain(|id| !self.is_gone(id));
            if !came_of.is_some_and(|status| self.shows_author_of(&status)) {
                origin.status_id.clear();
            }
        }
        shown.origin = shown.origin.filter(|origin| *origin != pb::Origin::default());
        shown
    }

    fn is_gone(&self, id: &str) -> bool {
        let graph = self.state.graph();
        let is_apart = |member| matches!(self.viewer, Viewer::Member(viewer) if graph.are_apart(viewer, member));
        graph.find(id).is_some_and(|member| graph.is_withheld(member) || is_apart(member))
    }

    /// Returns whether it is shown that something came of a status: to its author and to the service, unless the author is withheld.
    fn shows_author_of(&self, status: &StatusId) -> bool {
        let author = self.state.status_record(status.as_str()).map(|status| &status.author);
        let is_shown = |author: &MemberId| self.state.graph().find_shown(author.as_str()).is_some();
        author.is_some_and(|author| self.shows_all_of(author) && is_shown(author))
    }

    pub fn status(&self, stored: Stored<Status>) -> pb::Status {
        let shows_all = self.shows_all_of(&stored.value.author);
        let mut shown = status(stored);
        if !shows_all {
            // Whom it leaves out is the author's own, and the etag and the times would tell of it.
            shown.audience = None;
            shown.etag.clear();
            (shown.create_time, shown.update_time) = (None, None);
        }
        shown
    }
}
