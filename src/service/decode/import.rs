//! One record of an import.

use super::bounds::times;
use super::change::{erased, patch};
use super::introductions::tally;
use super::mask::{self, Mask};
use super::resources::{block, edge_put, kind, member, status};
use super::violations::{Decoded, Violations, all_or_return};
use crate::domain::{
    Change, Error, Fields, KindAttrs, KindMerge, KindName, Precondition, StatusAttrs, TimeMs, Times, Violation,
};
use crate::engine;
use crate::proto::v1 as pb;
use crate::service::encode;
use pb::import_record::Record;

/// A record's change, and the field that holds its resource; of a status also what of it is compared with one that is stored already.
///
/// With a mask the record gives what the mask names; the record's own mask goes before the message's.
pub fn import_change(
    message: pb::ImportRecord,
    mask: Option<&prost_types::FieldMask>,
    allow_missing_members: bool,
    now: TimeMs,
) -> Decoded<(Change, &'static str, Option<Fields>)> {
    let own = message.update_mask;
    let paths = own.as_ref().or(mask).map(|mask| mask.paths.as_slice());
    let (change, resource) = match message.record {
        None => return Err(Violation::required("record").into()),
        Some(Record::Kind(message)) => (import_kind(message, paths)?, "kind"),
        Some(Record::Member(message)) => (import_member(message, paths)?, "member"),
        Some(Record::Edge(message)) => (import_edge(message, paths, allow_missing_members)?, "edge"),
        Some(Record::Status(message)) => {
            let (post, compared) = import_status(message, paths, now)?;
            return Ok((post, "status", Some(compared)));
        }
        Some(Record::Block(message)) => {
            let block = block(message).map_err(|wrong| wrong.within("block"))?;
            (Change::BlockMember { block }, "block")
        }
        Some(Record::IntroducerTally(message)) => {
            let (introducer, tally) = tally(message).map_err(|wrong| wrong.within("introducer_tally"))?;
            (Change::PutIntroducerTally { introducer, tally }, "introducer_tally")
        }
        Some(Record::AbsentKind(name)) => {
            let name = KindName::parse("absent_kind", &name)?;
            (Change::DeleteKind { name, precondition: Precondition::None, allow_missing: true }, "")
        }
        Some(Record::Erased(message)) => (within("erased", erased(message))?, "erased"),
    };
    Ok((change, resource, None))
}

/// Returns the change that puts a record again which another store has given.
pub fn restored(record: engine::Record, now: TimeMs) -> Result<Change, Error> {
    Ok(import_change(encode::record(record), None, false, now).map(|(change, ..)| change)?)
}

fn mask_of(paths: Option<&[String]>, known: &mask::Paths) -> Result<Mask, Violation> {
    paths.map_or(Ok(Mask::ALL), |paths| Mask::of(paths, known))
}

/// The put of a resource whose times the record may say.
fn restore<T>(
    resource: &str,
    times: Decoded<Option<Times>>,
    decoded: Decoded<T>,
    put: impl FnOnce(T) -> Change,
) -> Decoded<Change> {
    let mut wrong = Violations::default();
    let times = wrong.check_in(resource, times);
    let decoded = wrong.check_in(resource, decoded);
    all_or_return!(wrong; times, decoded);
    let put = put(decoded);
    Ok(match times {
        Some(times) => Change::Restore { times, put: Box::new(put) },
        None => put,
    })
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
        false => Change::MergeKind { merge: KindMerge { kind, kept }, precondition },
    })
}

fn import_member(message: pb::Member, paths: Option<&[String]>) -> Decoded<Change> {
    let mask = mask_of(paths, &mask::MEMBER)?;
    let times = times(message.create_time, message.update_time);
    restore("member", times, member(message, &mask), |(member, precondition)| match paths {
        None => Change::PutMember { member, precondition },
        Some(_) => {
            let (id, patch) = patch(member, mask);
            Change::MergeMember { id, patch, precondition }
        }
    })
}

fn import_edge(message: pb::Edge, paths: Option<&[String]>, allow_missing_members: bool) -> Decoded<Change> {
    let mask = mask_of(paths, &mask::EDGE)?;
    let times = times(message.create_time, message.update_time);
    restore("edge", times, edge_put(message, &mask), |(put, precondition)| Change::PutEdge {
        put,
        precondition,
        allow_missing_members,
    })
}

/// A status needs an id: without one, importing it again would post it again.
fn import_status(message: pb::Status, paths: Option<&[String]>, now: TimeMs) -> Decoded<(Change, Fields)> {
    let mut compared = mask_of(paths, &mask::STATUS)?.fields;
    if message.post_time.is_none() {
        // A time that is the import's own says nothing of the status.
        compared = compared.without(StatusAttrs::POST_TIME);
    }
    let times = times(message.create_time, message.update_time);
    let post = restore("status", times, status(message, now, String::new), |status| Change::PostStatus { status })?;
    Ok((post, compared))
}
