//! One record of an import.

use super::change::{erased, patch};
use super::introductions::tally;
use super::mask::{self, Mask};
use super::resources::{block, edge_put, kind, member, status};
use super::violations::{Decoded, Violations};
use crate::domain::{Change, Fields, KindAttrs, StatusAttrs, TimeMs, Violation};
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
) -> Decoded<(Change, Option<Fields>)> {
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

fn mask_of(paths: Option<&[String]>, known: &mask::Paths) -> Result<Mask, Violation> {
    paths.map_or(Ok(Mask::ALL), |paths| Mask::of(paths, known))
}

fn within<T>(resource: &str, decoded: Decoded<T>) -> Decoded<T> {
    decoded.map_err(|wrong: Violations| wrong.within(resource))
}

fn import_kind(message: pb::Kind, paths: Option<&[String]>) -> Decoded<Change> {
    let mask = mask_of(paths, &mask::KIND)?;
    let (kind, precondition) = within("kind", kind(message, &mask))?;
    let kept = KindAttrs::ALL.without(mask.fields);
    Ok(match kept.is_empty() {
        true => Change::PutKind { kind, precondition },
        false => Change::MergeKind { kind, kept, precondition },
    })
}

fn import_member(message: pb::Member, paths: Option<&[String]>) -> Decoded<Change> {
    let mask = mask_of(paths, &mask::MEMBER)?;
    let (member, precondition) = within("member", member(message, &mask))?;
    Ok(match paths {
        None => Change::PutMember { member, precondition },
        Some(_) => {
            let (id, patch) = patch(member, mask);
            Change::MergeMember { id, patch, precondition }
        }
    })
}

fn import_edge(message: pb::Edge, paths: Option<&[String]>, allow_missing_members: bool) -> Decoded<Change> {
    let mask = mask_of(paths, &mask::EDGE)?;
    let (put, precondition) = within("edge", edge_put(message, &mask))?;
    Ok(Change::PutEdge { put, precondition, allow_missing_members })
}

/// A status needs an id: without one, importing it again would post it again.
fn import_status(message: pb::Status, paths: Option<&[String]>, now: TimeMs) -> Decoded<(Change, Option<Fields>)> {
    let mut compared = mask_of(paths, &mask::STATUS)?.fields;
    if message.post_time.is_none() {
        // A time that is the import's own says nothing of the status.
        compared = compared.without(StatusAttrs::POST_TIME);
    }
    let status = within("status", status(message, now, String::new))?;
    Ok((Change::PostStatus { status }, Some(compared)))
}
