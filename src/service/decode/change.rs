//! One put or delete of a batch or an import.

use super::introductions::{introduction, tally};
use super::resources::{block, block_within, edge_key, edge_put, etag_precondition, interaction, kind, member, status};
use super::{Decoded, Violations, all_or_return, optional_time};
use crate::domain::limits::{BATCH_MAX, UPDATED_FIELDS_MAX};
use crate::domain::{
    Change, ErasedId, ErasureKey, Error, KindName, MemberId, MemberPatch, Precondition, Reason, StatusId, TimeMs,
    Violation,
};
use crate::proto::v1 as pb;
use pb::change::Change as Asked;

/// Where a change stands in its batch: turns the engine's field paths into the request's.
#[derive(Debug, Clone)]
pub struct ChangeName {
    /// `changes[3].put_member`
    path: String,
    /// What the engine calls the resource that is the change itself here.
    resource: &'static str,
    /// `changes[3].precondition`, or the resource's own etag.
    precondition: String,
}

impl ChangeName {
    fn new(index: usize, asked: &Asked, has_precondition: bool) -> ChangeName {
        let (name, resource, etag) = match asked {
            Asked::PutKind(_) => ("put_kind", "kind", "etag"),
            Asked::DeleteKind(_) => ("delete_kind", "", ""),
            Asked::PutMember(_) => ("put_member", "member", "etag"),
            Asked::UpdateMember(_) => ("update_member", "", "member.etag"),
            Asked::DeleteMember(_) => ("delete_member", "", ""),
            Asked::PutEdge(_) => ("put_edge", "", "edge.etag"),
            Asked::DeleteEdge(_) => ("delete_edge", "", ""),
            Asked::RecordInteraction(_) => ("record_interaction", "", ""),
            Asked::PostStatus(_) => ("post_status", "status", ""),
            Asked::DeleteStatus(_) => ("delete_status", "", ""),
            Asked::BlockMember(_) => ("block_member", "block", ""),
            Asked::UnblockMember(_) => ("unblock_member", "", ""),
            Asked::RecordIntroduction(_) => ("record_introduction", "", ""),
            Asked::PutIntroducerTally(_) => ("put_introducer_tally", "introducer_tally", ""),
        };
        let path = format!("changes[{index}].{name}");
        let precondition = if has_precondition || etag.is_empty() {
            format!("changes[{index}].precondition")
        } else {
            format!("{path}.{etag}")
        };
        ChangeName { path, resource, precondition }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// The engine's error with its fields as this request has them; a precondition's failure is one, an etag's too.
    pub fn locate(&self, error: Error) -> Error {
        match error {
            Error::Invalid(violations) => Error::Invalid(violations.into_iter().map(|v| self.located(v)).collect()),
            Error::Precondition(violation) if violation.reason == Reason::PreconditionFailed => {
                Error::precondition(&self.precondition, violation.reason, violation.message)
            }
            Error::Precondition(violation) => Error::Precondition(self.located(violation)),
            Error::EtagMismatch { .. } => {
                Error::precondition(&self.precondition, Reason::PreconditionFailed, "is not the stored etag")
            }
            other => other,
        }
    }

    fn located(&self, mut violation: Violation) -> Violation {
        let inside = violation.field.strip_prefix(self.resource).and_then(|rest| rest.strip_prefix('.'));
        if let Some(inside) = inside.filter(|_| !self.resource.is_empty()) {
            violation.field = inside.to_owned();
        }
        violation.within(&self.path)
    }
}

/// The change at a place of a batch.
pub fn change(
    index: usize,
    message: pb::Change,
    now: TimeMs,
    new_id: impl FnOnce() -> String,
) -> Decoded<(Change, ChangeName)> {
    let place = format!("changes[{index}]");
    let Some(asked) = message.change else { return Err(Violation::required(place).into()) };
    let name = ChangeName::new(index, &asked, message.precondition.is_some());
    let mut wrong = Violations::default();
    let given = wrong.check_in(&place, precondition(message.precondition));
    let change = wrong.check_in(name.path(), decode(asked, now, new_id));
    all_or_return!(wrong; given, change);
    let change = with_precondition(change, given).map_err(|wrong| wrong.within(&place))?;
    Ok((change, name))
}

fn precondition(message: Option<pb::Precondition>) -> Result<Precondition, Violation> {
    use pb::precondition::Condition;
    let Some(message) = message else { return Ok(Precondition::None) };
    match message.condition {
        None => Err(Violation::required("precondition")),
        Some(Condition::Exists(true)) => Ok(Precondition::Present),
        Some(Condition::Exists(false)) => Ok(Precondition::Absent),
        Some(Condition::Etag(etag)) if etag.is_empty() => Err(Violation::required("precondition.etag")),
        Some(Condition::Etag(etag)) => etag_precondition(&etag).map_err(|violation| violation.within("precondition")),
    }
}

fn decode(asked: Asked, now: TimeMs, new_id: impl FnOnce() -> String) -> Decoded<Change> {
    let precondition = Precondition::None;
    Ok(match asked {
        Asked::PutKind(message) => {
            let (kind, precondition) = kind(message)?;
            Change::PutKind { kind, precondition }
        }
        Asked::DeleteKind(message) => {
            let name = KindName::parse("name", &message.name)?;
            Change::DeleteKind { name, precondition, allow_missing: message.allow_missing }
        }
        Asked::PutMember(message) => {
            let (member, precondition) = member(message)?;
            Change::PutMember { member, precondition }
        }
        Asked::UpdateMember(message) => member_update(message.member, message.update_mask)?,
        Asked::DeleteMember(message) => {
            let id = MemberId::parse("id", &message.id)?;
            Change::DeleteMember { id, precondition, allow_missing: message.allow_missing }
        }
        Asked::PutEdge(message) => {
            let edge = message.edge.ok_or_else(|| Violation::required("edge"))?;
            let (put, precondition) = edge_put(edge).map_err(|wrong| wrong.within("edge"))?;
            Change::PutEdge { put, precondition, allow_missing_members: message.allow_missing_members }
        }
        Asked::DeleteEdge(message) => {
            let key = edge_key(&message.from_id, &message.kind, &message.to_id)?;
            Change::DeleteEdge { key, precondition, allow_missing: message.allow_missing }
        }
        Asked::RecordInteraction(message) => Change::RecordInteractions { record: interaction(message, now)? },
        Asked::PostStatus(message) => Change::PostStatus { status: status(message, now, new_id)? },
        Asked::DeleteStatus(message) => {
            let id = StatusId::parse("id", &message.id)?;
            Change::DeleteStatus { id, precondition, allow_missing: message.allow_missing }
        }
        Asked::BlockMember(message) => Change::BlockMember { block: block(message)? },
        Asked::UnblockMember(message) => {
            let block = block_within(message.block)?;
            Change::UnblockMember { block, allow_missing: message.allow_missing }
        }
        Asked::RecordIntroduction(message) => Change::RecordIntroduction { introduction: introduction(message, now)? },
        Asked::PutIntroducerTally(message) => {
            let (introducer, tally) = tally(message)?;
            Change::PutIntroducerTally { introducer, tally }
        }
    })
}

/// The change under a precondition given beside it, which is not to be given twice, nor where it has no meaning.
fn with_precondition(mut change: Change, given: Precondition) -> Decoded<Change> {
    if given == Precondition::None {
        return Ok(change);
    }
    let own = match &mut change {
        Change::PutKind { precondition, .. }
        | Change::DeleteKind { precondition, .. }
        | Change::PutMember { precondition, .. }
        | Change::UpdateMember { precondition, .. }
        | Change::DeleteMember { precondition, .. }
        | Change::PutEdge { precondition, .. }
        | Change::DeleteEdge { precondition, .. }
        | Change::DeleteStatus { precondition, .. } => precondition,
        Change::RecordInteractions { .. }
        | Change::PostStatus { .. }
        | Change::BlockMember { .. }
        | Change::UnblockMember { .. }
        | Change::RecordIntroduction { .. }
        | Change::PutIntroducerTally { .. }
        | Change::KeepSecret { .. }
        | Change::KeepErased { .. }
        | Change::RememberErased { .. } => {
            let message = "is not for this change, which has conditions of its own";
            return Err(Violation::new("precondition", Reason::Malformed, message).into());
        }
    };
    if *own != Precondition::None {
        let message = "must not be given beside the resource's own etag";
        return Err(Violation::new("precondition", Reason::Malformed, message).into());
    }
    *own = given;
    Ok(change)
}

/// An update of the fields a mask names.
pub fn member_update(message: Option<pb::Member>, mask: Option<prost_types::FieldMask>) -> Decoded<Change> {
    let message = message.ok_or_else(|| Violation::required("member"))?;
    let mut wrong = Violations::default();
    let mask = wrong.check(updated_fields(mask));
    // What the mask does not name is not looked at.
    let masked = mask.as_ref().map(|mask| masked(message.clone(), mask)).unwrap_or_else(|| message.clone());
    let decoded = wrong.check_in("member", member(masked));
    all_or_return!(wrong; mask, decoded);
    let (member, precondition) = decoded;
    let patch = MemberPatch {
        display_name: mask.display_name.then_some(member.display_name),
        headline: mask.headline.then_some(member.headline),
        topics: mask.topics.then_some(member.topics),
        labels: mask.labels.then_some(member.labels),
        edges_visibility: mask.edges_visibility.then_some(member.privacy.edges_visibility),
        hidden_from_suggestions: mask.hidden_from_suggestions.then_some(member.privacy.hidden_from_suggestions),
        declines_introducing: mask.declines_introducing.then_some(member.privacy.declines_introducing),
    };
    Ok(Change::UpdateMember { id: member.id, patch, precondition })
}

#[derive(Debug, Default)]
struct UpdatedFields {
    display_name: bool,
    headline: bool,
    topics: bool,
    labels: bool,
    edges_visibility: bool,
    hidden_from_suggestions: bool,
    declines_introducing: bool,
}

impl UpdatedFields {
    /// Adds what a path of the mask names; false if it names nothing.
    fn add(&mut self, path: &str) -> bool {
        let privacy = ["privacy.edges_visibility", "privacy.hidden_from_suggestions", "privacy.declines_introducing"];
        match path {
            "display_name" => self.display_name = true,
            "headline" => self.headline = true,
            "topics" => self.topics = true,
            "labels" => self.labels = true,
            "privacy.edges_visibility" => self.edges_visibility = true,
            "privacy.hidden_from_suggestions" => self.hidden_from_suggestions = true,
            "privacy.declines_introducing" => self.declines_introducing = true,
            "privacy" => return privacy.iter().all(|path| self.add(path)),
            "*" => {
                return ["display_name", "headline", "topics", "labels", "privacy"].iter().all(|path| self.add(path));
            }
            _ => return false,
        }
        true
    }
}

fn updated_fields(mask: Option<prost_types::FieldMask>) -> Result<UpdatedFields, Violation> {
    let paths = mask.map(|mask| mask.paths).unwrap_or_default();
    if paths.is_empty() {
        return Err(Violation::required("update_mask"));
    }
    if paths.len() > UPDATED_FIELDS_MAX {
        let message = format!("must hold at most {UPDATED_FIELDS_MAX} fields");
        return Err(Violation::new("update_mask.paths", Reason::TooMany, message));
    }
    let mut fields = UpdatedFields::default();
    for path in &paths {
        if !fields.add(path) {
            let message = "must name display_name, headline, topics, labels, privacy or one of its fields, or be *";
            return Err(Violation::new("update_mask", Reason::UnknownField, message));
        }
    }
    Ok(fields)
}

fn masked(mut message: pb::Member, mask: &UpdatedFields) -> pb::Member {
    if !mask.display_name {
        message.display_name.clear();
    }
    if !mask.headline {
        message.headline.clear();
    }
    if !mask.topics {
        message.topics.clear();
    }
    if !mask.labels {
        message.labels.clear();
    }
    if !mask.edges_visibility {
        message.privacy.iter_mut().for_each(|privacy| privacy.edges_visibility = 0);
    }
    message
}

/// A record of an import. A status needs an id: without one, importing it again would post it again.
pub fn import_change(message: pb::ImportRecord, allow_missing_members: bool, now: TimeMs) -> Decoded<Change> {
    use pb::import_record::Record;
    Ok(match message.record {
        None => return Err(Violation::required("record").into()),
        Some(Record::Kind(message)) => {
            let (kind, precondition) = kind(message).map_err(|wrong| wrong.within("kind"))?;
            Change::PutKind { kind, precondition }
        }
        Some(Record::Member(message)) => {
            let (member, precondition) = member(message).map_err(|wrong| wrong.within("member"))?;
            Change::PutMember { member, precondition }
        }
        Some(Record::Edge(message)) => {
            let (put, precondition) = edge_put(message).map_err(|wrong| wrong.within("edge"))?;
            Change::PutEdge { put, precondition, allow_missing_members }
        }
        Some(Record::Status(message)) => {
            let status = status(message, now, String::new).map_err(|wrong| wrong.within("status"))?;
            Change::PostStatus { status }
        }
        Some(Record::Block(message)) => {
            Change::BlockMember { block: block(message).map_err(|wrong| wrong.within("block"))? }
        }
        Some(Record::IntroducerTally(message)) => {
            let (introducer, tally) = tally(message).map_err(|wrong| wrong.within("introducer_tally"))?;
            Change::PutIntroducerTally { introducer, tally }
        }
        Some(Record::Erased(message)) => erased(message).map_err(|wrong| wrong.within("erased"))?,
    })
}

/// Whom another store erased.
fn erased(message: pb::ErasedMembers) -> Decoded<Change> {
    let length = |field: &str, bytes| Violation::new(field, Reason::Malformed, format!("must be {bytes} bytes long"));
    if message.members.len() > BATCH_MAX {
        return Err(Violation::new("members", Reason::TooMany, format!("must hold at most {BATCH_MAX}")).into());
    }
    let key = <[u8; 32]>::try_from(&*message.key).map_err(|_| length("key", 32))?;
    let one = |(i, member): (usize, pb::ErasedMember)| -> Result<ErasedId, Violation> {
        let within = |wrong: Violation| wrong.within(&format!("members[{i}]"));
        let hash = <[u8; 16]>::try_from(&*member.hash).map_err(|_| within(length("hash", 16)))?;
        let time = optional_time("time", member.time).map_err(within)?;
        let time = time.ok_or_else(|| within(Violation::required("time")))?;
        Ok(ErasedId { hash: u128::from_le_bytes(hash), time })
    };
    let erased = message.members.into_iter().enumerate().map(one).collect::<Result<_, _>>()?;
    Ok(Change::RememberErased { key: ErasureKey(key), erased })
}
