//! One record of an import.

use super::change::erased;
use super::introductions::tally;
use super::mask::{MemberFields, StatusFields, masked_edge, masked_kind};
use super::resources::{block, edge_put, kind, member, status};
use super::violations::{Decoded, Violations};
use crate::domain::{Change, KindFieldsKept, TimeMs, Violation};
use crate::proto::v1 as pb;
use pb::import_record::Record;

/// A record's change; of a status also what of it is compared with one that is stored already.
///
/// With a mask the record gives what the mask names; the record's own mask goes before the message's.
pub fn import_change(
    message: pb::ImportRecord,
    mask: Option<&prost_types::FieldMask>,
    allow_missing_members: bool,
    now: TimeMs,
) -> Decoded<(Change, Option<StatusFields>)> {
    let own = message.update_mask;
    let paths = own.as_ref().or(mask).map(|mask| mask.paths.as_slice());
    let change = match message.record {
        None => return Err(Violation::required("record").into()),
        Some(Record::Kind(message)) => import_kind(message, paths)?,
        Some(Record::Member(message)) => import_member(message, paths)?,
        Some(Record::Edge(message)) => import_edge(message, paths, allow_missing_members)?,
        Some(Record::Status(message)) => return import_status(message, paths, now),
        Some(Record::Block(message)) => {
            Change::BlockMember { block: block(message).map_err(|wrong| wrong.within("block"))? }
        }
        Some(Record::IntroducerTally(message)) => {
            let (introducer, tally) = tally(message).map_err(|wrong| wrong.within("introducer_tally"))?;
            Change::PutIntroducerTally { introducer, tally }
        }
        Some(Record::Erased(message)) => within("erased", erased(message))?,
    };
    Ok((change, None))
}

fn within<T>(resource: &str, decoded: Decoded<T>) -> Decoded<T> {
    decoded.map_err(|wrong: Violations| wrong.within(resource))
}

fn import_kind(message: pb::Kind, paths: Option<&[String]>) -> Decoded<Change> {
    let Some(paths) = paths else {
        let (kind, precondition) = within("kind", kind(message))?;
        return Ok(Change::PutKind { kind, precondition });
    };
    let (masked, kept) = masked_kind(message, paths)?;
    let (kind, precondition) = within("kind", kind(masked))?;
    Ok(match kept == KindFieldsKept::default() {
        true => Change::PutKind { kind, precondition },
        false => Change::MergeKind { kind, kept, precondition },
    })
}

fn import_member(message: pb::Member, paths: Option<&[String]>) -> Decoded<Change> {
    let Some(paths) = paths else {
        let (member, precondition) = within("member", member(message))?;
        return Ok(Change::PutMember { member, precondition });
    };
    let fields = MemberFields::of(paths)?;
    let (member, precondition) = within("member", member(fields.masked(message)))?;
    Ok(Change::MergeMember { id: member.id.clone(), patch: fields.patch(member), precondition })
}

fn import_edge(message: pb::Edge, paths: Option<&[String]>, allow_missing_members: bool) -> Decoded<Change> {
    let (message, kept) = match paths {
        None => (message, Default::default()),
        Some(paths) => masked_edge(message, paths)?,
    };
    let (mut put, precondition) = within("edge", edge_put(message))?;
    put.kept = kept;
    Ok(Change::PutEdge { put, precondition, allow_missing_members })
}

/// A status needs an id: without one, importing it again would post it again.
fn import_status(
    message: pb::Status,
    paths: Option<&[String]>,
    now: TimeMs,
) -> Decoded<(Change, Option<StatusFields>)> {
    let mut compared = paths.map_or(Ok(StatusFields::ALL), StatusFields::of)?;
    // A time that is the import's own says nothing of the status.
    compared.post_time &= message.post_time.is_some();
    let status = within("status", status(message, now, String::new))?;
    Ok((Change::PostStatus { status }, Some(compared)))
}
