//! Changes of statuses.

use super::State;
use super::apply::{ApplyContext, check, missing};
use super::records::StatusRecord;
use crate::domain::{ChangeError, EdgeKey, Event, Part, Precondition, Reason, Resource, Status, StatusId, Violation};
use crate::engine::outcome::{Applied, Effect};

impl State {
    pub(super) fn post_status(
        &mut self,
        context: &mut ApplyContext<'_>,
        status: &Status,
    ) -> Result<Applied, ChangeError> {
        if self.statuses.contains(&status.id) {
            return Err(ChangeError::AlreadyExists { resource: Resource::Status, id: status.id.to_string() });
        }
        self.require_member(&status.author, Part::AuthorId)?;
        let unknown = status.attrs.audience.filter.kinds.iter().enumerate();
        let unknown = unknown.filter(|(_, kind)| self.graph.find_kind(kind.as_str()).is_none());
        let unknown: Vec<Violation<Part>> = unknown
            .map(|(i, kind)| {
                let message = format!("no kind {:?} is registered", kind.as_str());
                Violation { field: Part::AudienceKind(i), reason: Reason::UnknownKind, message }
            })
            .collect();
        if !unknown.is_empty() {
            return Err(ChangeError::Invalid(unknown));
        }
        let (times, now) = (context.times(None), context.now);
        self.store_status(StatusRecord { status: status.clone(), times });
        context.emit(|| Event::status_put(status.clone(), times, now));
        Ok(Applied::of(Effect::Created))
    }

    /// Stores a status whose author exists and whose id is free.
    pub(super) fn store_status(&mut self, record: StatusRecord) {
        let author = self.author_of(&record.status);
        self.topics.add_subjects(author, &record.status.attrs.topics);
        self.statuses.insert(author, record);
    }

    /// Takes a status that exists out of everything.
    pub(super) fn unstore_status(&mut self, id: &StatusId) -> StatusRecord {
        let author =
            self.statuses.get(id.as_str()).map(|record| self.author_of(&record.status)).expect("the status exists");
        let record = self.statuses.remove(author, id);
        self.topics.remove_subjects(author, &record.status.attrs.topics);
        (*record).clone()
    }

    pub(super) fn delete_status(
        &mut self,
        context: &mut ApplyContext<'_>,
        id: &StatusId,
        precondition: &Precondition,
        allow_missing: bool,
    ) -> Result<Applied, ChangeError> {
        let before = self.status(id.as_str());
        check(precondition, before.as_ref())?;
        if before.is_none() {
            return missing(Resource::Status, id, allow_missing);
        }
        self.erase_status(context, id);
        context.emit(|| Event::StatusDeleted { id: id.clone() });
        Ok(Applied::of(Effect::Deleted))
    }

    /// Removes a status that exists, and its name from the origins of what came of it.
    pub(super) fn erase_status(&mut self, context: &mut ApplyContext<'_>, id: &StatusId) {
        self.unstore_status(id);
        let outcomes: Vec<EdgeKey> = self.edges.outcomes_of(id, None).cloned().collect();
        for key in outcomes {
            self.edit_origin(context, &key, |origin| origin.status = None);
        }
    }

    /// Erases a status that expired some time ago, if it is there.
    pub(super) fn erase_expired(&mut self, context: &mut ApplyContext<'_>, id: &StatusId) -> Applied {
        if !self.statuses.contains(id) {
            return Applied::of(Effect::Unchanged);
        }
        self.erase_status(context, id);
        self.note_erasure(context);
        context.emit(|| Event::StatusDeleted { id: id.clone() });
        Applied::of(Effect::Deleted)
    }
}
