//! `DataService.Import`: a stream of batches, each on disk before the next is taken.

use tonic::{Status, Streaming};

use super::Service;
use super::caller::about_to_write;
use super::decode::import_change;
use super::status::{in_import, reason_proto};
use crate::domain::limits::{BATCH_MAX, IMPORT_ERRORS_MAX};
use crate::domain::{Change, Error, Reason, Resource, Violation};
use crate::engine::{Applied, Effect};
use crate::proto::v1 as pb;

/// The outcome, or the status the stream was broken off with.
pub async fn import(
    service: &Service,
    mut stream: Streaming<pb::ImportRequest>,
) -> Result<Result<pb::ImportResponse, Error>, Status> {
    let mut tally = Tally::default();
    let mut revision = service.engine.state().revision();
    while let Some(message) = stream.message().await? {
        if let Err(violation) = check_size(&message) {
            return Ok(Err(violation.into()));
        }
        let changes = tally.decode(service, message);
        if changes.is_empty() {
            continue;
        }
        let (positions, changes): (Vec<i64>, Vec<Change>) = changes.into_iter().unzip();
        about_to_write(&changes);
        match service.engine.import(changes).await {
            Ok(batch) => {
                revision = batch.revision;
                positions.iter().zip(batch.results).for_each(|(position, result)| tally.count(*position, result));
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    tally.response.revision = revision.to_string();
    Ok(Ok(tally.response))
}

fn check_size(message: &pb::ImportRequest) -> Result<(), Violation> {
    if message.records.is_empty() {
        return Err(Violation::required("records"));
    }
    if message.records.len() > BATCH_MAX {
        return Err(Violation::new("records", Reason::TooMany, format!("must hold at most {BATCH_MAX} records")));
    }
    Ok(())
}

/// What has come of the records so far.
#[derive(Default)]
struct Tally {
    response: pb::ImportResponse,
}

impl Tally {
    /// The message's records that are well-formed, with their positions; the others are refused here.
    fn decode(&mut self, service: &Service, message: pb::ImportRequest) -> Vec<(i64, Change)> {
        let now = service.engine.now();
        let mut changes = Vec::with_capacity(message.records.len());
        for record in message.records {
            self.response.received += 1;
            let position = if record.position == 0 { self.response.received } else { record.position };
            match import_change(record, message.allow_missing_members, now) {
                Ok(change) => changes.push((position, change)),
                Err(wrong) => self.refuse(position, wrong.into()),
            }
        }
        changes
    }

    fn count(&mut self, position: i64, result: Result<Applied, Error>) {
        match result {
            Ok(applied) => {
                self.response.members_created_bare += applied.members_created as i64;
                match applied.effect {
                    Effect::Created => self.response.created += 1,
                    Effect::Updated => self.response.updated += 1,
                    Effect::Unchanged | Effect::Deleted => self.response.unchanged += 1,
                }
            }
            // A status is posted once; importing it again leaves it as it is.
            Err(Error::AlreadyExists { resource: Resource::Status, .. }) => self.response.unchanged += 1,
            Err(error) => self.refuse(position, error),
        }
    }

    fn refuse(&mut self, position: i64, error: Error) {
        self.response.refused += 1;
        if self.response.errors.len() < IMPORT_ERRORS_MAX {
            let (field, reason, message) = in_import(error);
            self.response.errors.push(pb::ImportError {
                position,
                reason: reason_proto(reason).into(),
                field,
                message,
            });
        }
    }
}
