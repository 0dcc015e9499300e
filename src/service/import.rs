//! `DataService.Import`: a stream of batches, carried out in their order, a few on their way to the disk while the next are taken.

use std::collections::VecDeque;

use prost::Message;
use tonic::{Status, Streaming};

use super::Service;
use super::caller::about_to_write;
use super::decode::import_change;
use super::status::{in_import, reason_proto};
use crate::domain::limits::{BATCH_MAX, IMPORT_ERRORS_MAX};
use crate::domain::{Change, Error, Reason, Resource, Violation};
use crate::engine::{Applied, Effect, ImportStream, ImportUnderWay, ImportedBatch};
use crate::proto::v1 as pb;

/// Encoded bytes of batches that are on their way to the disk, beyond which no further one is taken. Enough that the writer always
/// has some to carry out together while the disk syncs others.
const UNDER_WAY_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// The outcome, or the status the stream was broken off with.
pub async fn import(
    service: &Service,
    mut stream: Streaming<pb::ImportRequest>,
) -> Result<Result<pb::ImportResponse, Error>, Status> {
    let mut tally = Tally::default();
    let mut under_way = UnderWay::default();
    let importing = ImportStream::default();
    let mut revision = service.engine.state().revision();
    let mut ended = false;
    // What ends the stream is told when all that came before it is there.
    let mut refused = None;
    while !ended || !under_way.batches.is_empty() {
        let message = tokio::select! {
            biased;
            ended = under_way.oldest_ended() => match ended {
                Ok((begun, batch)) => {
                    begun.refused.into_iter().for_each(|(position, error)| tally.refuse(position, error));
                    if let Some(batch) = batch {
                        revision = batch.revision;
                        let results = begun.positions.into_iter().zip(batch.results);
                        results.for_each(|(position, result)| tally.count(position, result));
                    }
                    continue;
                }
                Err(error) => return Ok(Err(error)),
            },
            message = stream.message(), if !ended && under_way.bytes < UNDER_WAY_BYTES_MAX => message,
        };
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => {
                ended = true;
                continue;
            }
            // It may be a message that was refused before it was decoded.
            Err(status) => {
                (ended, refused) = (true, Some(Err(status)));
                continue;
            }
        };
        if let Err(violation) = check_size(&message) {
            (ended, refused) = (true, Some(Ok(Error::from(violation))));
            continue;
        }
        let (mut begun, changes) = tally.decode(service, message);
        if !changes.is_empty() {
            about_to_write(&changes);
            match service.engine.begin_import(changes, &importing).await {
                Ok(batch) => begun.batch = Some(batch),
                Err(error) => {
                    (ended, refused) = (true, Some(Ok(error)));
                    continue;
                }
            }
        }
        under_way.push(begun);
    }
    if let Some(refused) = refused {
        return refused.map(Err);
    }
    tally.response.revision = revision.to_string();
    Ok(Ok(tally.response))
}

/// Batches that the writer was given and has not answered, in order.
#[derive(Default)]
struct UnderWay {
    batches: VecDeque<Begun>,
    bytes: usize,
}

/// What has become of a message's records before the writer has answered.
struct Begun {
    bytes: usize,
    /// Those that are not well-formed.
    refused: Vec<(i64, Error)>,
    /// Of those that the writer was given, if there are any.
    positions: Vec<i64>,
    batch: Option<ImportUnderWay>,
}

impl UnderWay {
    fn push(&mut self, begun: Begun) {
        self.bytes += begun.bytes;
        self.batches.push_back(begun);
    }

    /// Waits until the oldest is on disk; for ever if there is none.
    async fn oldest_ended(&mut self) -> Result<(Begun, Option<ImportedBatch>), Error> {
        let imported = match self.batches.front_mut().map(|oldest| &mut oldest.batch) {
            Some(Some(batch)) => Some(batch.end().await?),
            _ => None,
        };
        let Some(oldest) = self.batches.pop_front() else { return std::future::pending().await };
        self.bytes -= oldest.bytes;
        Ok((oldest, imported))
    }
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
    /// The message's records that are well-formed; the others are refused here.
    fn decode(&mut self, service: &Service, message: pb::ImportRequest) -> (Begun, Vec<Change>) {
        let now = service.engine.now();
        let bytes = message.encoded_len();
        let mut begun = Begun { bytes, refused: Vec::new(), positions: Vec::new(), batch: None };
        let mut changes = Vec::with_capacity(message.records.len());
        for record in message.records {
            self.response.received += 1;
            let position = if record.position == 0 { self.response.received } else { record.position };
            match import_change(record, message.allow_missing_members, now) {
                Ok(change) => {
                    begun.positions.push(position);
                    changes.push(change);
                }
                Err(wrong) => begun.refused.push((position, wrong.into())),
            }
        }
        (begun, changes)
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
            Err(Error::Precondition(violation)) if violation.reason == Reason::MemberErased => {
                self.response.erased_skipped += 1;
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
