//! What of a long change is done beforehand, on a copy of the state that nobody is shown.
//!
//! What is long about the erasure of a hub, or about a change of who may see its edges, is silent and timeless: edges that go with their
//! member leave no event behind, and neither do half-edges that move to another row. So it can be done on a copy while other commands are
//! carried out on the state itself, and again on the copy when they are on disk. A copy answers every question of a command as the
//! state does, but for edges of a member that is about to be erased: changes of those are left out on the copy.

use imbl::OrdMap;

use crate::domain::{Change, MemberId, Privacy};
use crate::graph::MemberIx;

/// What is to be done beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who will be erased: the edges go first.
    pub erases: Option<MemberId>,
    /// Whose edges others will see than do now, by id, and with what privacy.
    pub shows: Vec<(MemberId, Privacy)>,
}

impl Plan {
    /// Whether the record of some planned member would be changed.
    pub fn meets(&self, changes: &[Change]) -> bool {
        changes.iter().filter_map(changed_member).any(|id| self.names(id))
    }

    fn names(&self, id: &MemberId) -> bool {
        self.erases.as_ref() == Some(id) || self.shows.binary_search_by(|(known, _)| known.cmp(id)).is_ok()
    }
}

/// What was done beforehand of the command that comes next. A state that has it is shown to nobody.
#[derive(Debug, Clone)]
pub struct Ahead {
    pub plan: Plan,
    /// How many edges of the member who will be erased there would be by now.
    pub edges: Option<u64>,
    /// Members whose half-edges lie as they will, and the privacy that they have.
    pub shown: OrdMap<MemberIx, Privacy>,
}

/// Why a copy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("it was told to stop")]
    Stopped,
    /// Something is not as it was when the plan was made.
    #[error("{0}")]
    Changed(String),
}

/// The member whose record a change changes.
pub fn changed_member(change: &Change) -> Option<&MemberId> {
    match change.plain() {
        Change::PutMember { member, .. } => Some(&member.id),
        Change::UpdateMember { id, .. } | Change::MergeMember { id, .. } | Change::DeleteMember { id, .. } => Some(id),
        _ => None,
    }
}
