//! `DataService.Import`: a stream of batches, carried out in their order, a few on their way to the disk while the next are taken.

use std::collections::{HashMap, VecDeque};

use prost::Message;
use tonic::Streaming;

use super::call::{Call, CallContext};
use super::decode::{Decoded, Violations, import_change};
use super::located::located;
use super::services::Service;
use super::status::{in_import, reason_proto, to_status};
use crate::domain::limits::{BATCH_MAX, IMPORT_ERRORS_MAX};
use crate::domain::{Change, ChangeError, Error, Fields, Part, Reason, Resource, Status, StatusAttrs, Violation};
use crate::engine::{Applied, Effect, ImportStream, ImportUnderWay, ImportedBatch, Rehearsal, State};
use crate::proto::v1 as pb;

/// The bytes of encoded batches under way to the disk, beyond which no further one is taken. It is enough that the writer always has some
/// to carry out together while the disk syncs others.
const UNDER_WAY_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// The most records that a rehearsal holds.
const REHEARSED_MAX: usize = 100_000;

/// Returns what became of the records, or the status that the stream was broken off with.
pub async fn import(
    service: &Service,
    Call { context, message: mut stream }: Call<Streaming<pb::ImportRequest>>,
) -> Result<pb::ImportResponse, tonic::Status> {
    let importing = ImportStream::of(context.principal.share());
    let mut import = Import {
        service,
        context,
        tally: Tally::default(),
        importing,
        rehearsal: None,
        rehearsed: 0,
        validate_only: None,
    };
    let mut under_way = UnderWay::default();
    let mut revision = service.engine.state().map_err(to_status)?.revision();
    let mut ended = false;
    // An error that ends the stream is returned once all that came before it is on disk.
    let mut refused = None;
    while !ended || !under_way.batches.is_empty() {
        let message = tokio::select! {
            biased;
            ended = under_way.oldest_ended() => match ended {
                Ok((begun, batch)) => {
                    revision = batch.as_ref().map_or(revision, |batch| batch.revision);
                    import.tally.ended(&*service.engine.state().map_err(to_status)?, begun, batch);
                    continue;
                }
                Err(error) => return Err(to_status(error)),
            },
            message = stream.message(), if !ended && under_way.bytes < UNDER_WAY_BYTES_MAX => message,
        };
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => {
                ended = true;
                continue;
            }
            // The error may be of a message that was refused before it was decoded.
            Err(status) => {
                (ended, refused) = (true, Some(status));
                continue;
            }
        };
        if let Err(violation) = import.check(&message) {
            (ended, refused) = (true, Some(to_status(violation.into())));
            continue;
        }
        match import.begin(message).await {
            Ok(begun) => under_way.push(begun),
            Err(error) => (ended, refused) = (true, Some(to_status(error))),
        }
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    let mut response = import.tally.response;
    response.revision = revision.to_string();
    Ok(response)
}

/// An import, as far as its messages were taken.
struct Import<'a> {
    service: &'a Service,
    context: CallContext,
    tally: Tally,
    importing: ImportStream,
    /// Where records are carried out that are only to be checked.
    rehearsal: Option<Rehearsal>,
    rehearsed: usize,
    /// What the first message asked for.
    validate_only: Option<bool>,
}

impl Import<'_> {
    fn check(&mut self, message: &pb::ImportRequest) -> Decoded<()> {
        let mut wrong = Violations::default();
        if message.records.is_empty() {
            wrong.add(Violation::required("records"));
        }
        if message.records.len() > BATCH_MAX {
            wrong.add(Violation::too_many("records", BATCH_MAX, "records"));
        }
        if *self.validate_only.get_or_insert(message.validate_only) != message.validate_only {
            let message = "must be the same in every message of a stream";
            wrong.add(Violation::new("validate_only", Reason::Malformed, message));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// Has a message's records carried out, or rehearsed.
    async fn begin(&mut self, message: pb::ImportRequest) -> Result<Begun, Error> {
        let validate_only = message.validate_only;
        let (mut begun, changes) = self.tally.decode(self.service, message);
        if changes.is_empty() {
            return Ok(begun);
        }
        begun.batch = if validate_only {
            Some(Batch::Rehearsed(self.rehearse(changes).await?))
        } else {
            self.context.principal.about_to_write(&changes);
            Some(Batch::Writing(self.service.engine.begin_import(changes, &self.importing).await?))
        };
        Ok(begun)
    }

    /// Rehearses records, which are judged by what is stored and by those before them. After so many the latter are forgotten, because they
    /// take memory.
    async fn rehearse(&mut self, changes: Vec<Change>) -> Result<ImportedBatch, Error> {
        let kept = self.rehearsal.take().filter(|_| self.rehearsed < REHEARSED_MAX);
        self.rehearsed = if kept.is_some() { self.rehearsed } else { 0 } + changes.len();
        let engine = &self.service.engine;
        let rehearsal = match kept {
            Some(kept) => kept,
            None => Rehearsal::of(&*engine.state()?),
        };
        let (rehearsal, batch) = engine.rehearse(rehearsal, changes, &self.context.principal.share()).await?;
        self.rehearsal = Some(rehearsal);
        Ok(batch)
    }
}

/// The batches that the writer was given and has not answered, in order.
#[derive(Default)]
struct UnderWay {
    batches: VecDeque<Begun>,
    bytes: usize,
}

/// What has become of a message's records before the writer has answered.
struct Begun {
    bytes: usize,
    /// The records that are not well-formed.
    refused: Vec<(i64, Error)>,
    /// The positions of the records that the writer was given, each with the field that holds its resource.
    given: Vec<(i64, &'static str)>,
    /// Those among them, by their index, that are statuses, and what of each is compared with one that is there.
    statuses: HashMap<usize, (Status, Fields)>,
    batch: Option<Batch>,
}

/// A message's changes, under way.
enum Batch {
    Writing(ImportUnderWay),
    Rehearsed(ImportedBatch),
}

impl UnderWay {
    fn push(&mut self, begun: Begun) {
        self.bytes += begun.bytes;
        self.batches.push_back(begun);
    }

    /// Waits until the oldest batch is on disk; for ever if there is none.
    async fn oldest_ended(&mut self) -> Result<(Begun, Option<ImportedBatch>), Error> {
        let written = match self.batches.front_mut().map(|oldest| &mut oldest.batch) {
            Some(Some(Batch::Writing(batch))) => Some(batch.end().await?),
            _ => None,
        };
        let Some(mut oldest) = self.batches.pop_front() else { return std::future::pending().await };
        let imported = match oldest.batch.take() {
            Some(Batch::Rehearsed(batch)) => Some(batch),
            _ => written,
        };
        self.bytes -= oldest.bytes;
        Ok((oldest, imported))
    }
}

/// What has become of the records so far.
#[derive(Default)]
struct Tally {
    response: pb::ImportResponse,
}

impl Tally {
    /// Returns the message's records that are well-formed; the others are refused here.
    fn decode(&mut self, service: &Service, message: pb::ImportRequest) -> (Begun, Vec<Change>) {
        let now = service.engine.now();
        let bytes = message.encoded_len();
        let mut begun = Begun { bytes, refused: Vec::new(), given: Vec::new(), statuses: HashMap::new(), batch: None };
        let (mask, allow_missing_members) = (message.update_mask, message.allow_missing_members);
        let mut changes = Vec::with_capacity(message.records.len());
        for record in message.records {
            self.response.received += 1;
            let position = if record.position == 0 { self.response.received } else { record.position };
            match import_change(record, mask.as_ref(), allow_missing_members, now) {
                Ok((change, resource, compared)) => {
                    if let (Change::PostStatus { status }, Some(compared)) = (change.plain(), compared) {
                        begun.statuses.insert(changes.len(), (status.clone(), compared));
                    }
                    begun.given.push((position, resource));
                    changes.push(change);
                }
                Err(wrong) => begun.refused.push((position, wrong.into())),
            }
        }
        (begun, changes)
    }

    /// Counts what became of a message's records.
    fn ended(&mut self, state: &State, begun: Begun, batch: Option<ImportedBatch>) {
        begun.refused.into_iter().for_each(|(position, error)| self.refuse(position, error));
        let results = batch.map(|batch| batch.results).unwrap_or_default();
        for (index, ((position, resource), result)) in begun.given.into_iter().zip(results).enumerate() {
            let differing = match &result {
                Err(ChangeError::AlreadyExists { resource: Resource::Status, .. }) => {
                    let imported = begun.statuses.get(&index);
                    imported.and_then(|(status, compared)| differing_field(state, status, *compared))
                }
                _ => None,
            };
            match differing {
                Some(field) => self.refuse(position, status_differs(field)),
                None => self.count(position, resource, result),
            }
        }
    }

    fn count(&mut self, position: i64, resource: &str, result: Result<Applied, ChangeError>) {
        match result {
            Ok(applied) => {
                self.response.members_created_bare += applied.members_created as i64;
                match applied.effect {
                    Effect::Created => self.response.created += 1,
                    Effect::Updated | Effect::Deleted => self.response.updated += 1,
                    Effect::Unchanged => self.response.unchanged += 1,
                }
            }
            Err(ChangeError::Precondition(Violation { reason: Reason::MemberErased, .. })) => {
                self.response.erased_skipped += 1;
            }
            // A kind that the exported store lacked is used here, and stays.
            Err(ChangeError::Precondition(Violation { field: Part::KindName, reason: Reason::KindInUse, .. })) => {
                self.response.unchanged += 1;
            }
            // A status is posted once; importing the same again leaves it as it is.
            Err(ChangeError::AlreadyExists { resource: Resource::Status, .. }) => self.response.unchanged += 1,
            Err(refused) => self.refuse(position, located(refused, resource)),
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

/// What of an imported status is not as the stored one has it.
fn differing_field(state: &State, imported: &Status, compared: Fields) -> Option<&'static str> {
    let stored = state.status(imported.id.as_str())?.value;
    if stored.author != imported.author {
        return Some("author_id");
    }
    // Who was excluded and is erased is no longer named.
    let mut imported = imported.attrs.clone();
    let kept = &stored.attrs.audience.filter.exclude;
    imported.audience.filter.exclude.retain(|id| kept.contains(id) || state.member(id.as_str()).is_some());
    let differs = |field: Fields| {
        let mut with = stored.attrs.clone();
        with.copy_fields(field, &imported);
        with != stored.attrs
    };
    let differing = StatusAttrs::NAMES.iter().find(|(_, field)| compared.has(*field) && differs(*field));
    differing.map(|(name, _)| *name)
}

fn status_differs(field: &str) -> Error {
    let message = "is not as the status of this id has it, which stays: statuses are never changed";
    Error::precondition(format!("status.{field}"), Reason::StatusDiffers, message)
}
