//! One put or delete of a batch.

use super::introductions::{introduction, tally};
use super::mask::{self, Mask};
use super::optional_time;
use super::resources::{block, block_within, edge_key, edge_put, etag_precondition, interaction, kind, member, status};
use super::violations::{Decoded, Violations, all_or_return};
use crate::domain::limits::BATCH_MAX;
use crate::domain::{
    Change, ChangeError, ErasedId, ErasureKey, Error, Fields, KindName, Member, MemberAttrs, MemberId, MemberPatch,
    Part, Precondition, Reason, StatusId, TimeMs, Violation,
};
use crate::proto::v1 as pb;
use crate::service::located::located;
use pb::change::Change as Asked;

/// Where a change is in its batch.
#[derive(Debug, Clone)]
pub struct ChangePath {
    /// `changes[3].put_edge`
    path: String,
    /// `changes[3].put_edge.edge`, or the path itself where that message is the resource.
    resource: String,
    /// `changes[3].precondition`, or the resource's own etag.
    precondition: String,
}

impl ChangePath {
    fn new(index: usize, asked: &Asked, has_precondition: bool) -> ChangePath {
        let (name, inside) = match asked {
            Asked::PutKind(_) => ("put_kind", ""),
            Asked::DeleteKind(_) => ("delete_kind", ""),
            Asked::PutMember(_) => ("put_member", ""),
            Asked::UpdateMember(_) => ("update_member", ".member"),
            Asked::DeleteMember(_) => ("delete_member", ""),
            Asked::PutEdge(_) => ("put_edge", ".edge"),
            Asked::DeleteEdge(_) => ("delete_edge", ""),
            Asked::RecordInteraction(_) => ("record_interaction", ""),
            Asked::PostStatus(_) => ("post_status", ""),
            Asked::DeleteStatus(_) => ("delete_status", ""),
            Asked::BlockMember(_) => ("block_member", ""),
            Asked::UnblockMember(_) => ("unblock_member", ".block"),
            Asked::RecordIntroduction(_) => ("record_introduction", ""),
            Asked::PutIntroducerTally(_) => ("put_introducer_tally", ""),
        };
        let path = format!("changes[{index}].{name}");
        let resource = format!("{path}{inside}");
        let precondition =
            if has_precondition { format!("changes[{index}].precondition") } else { format!("{resource}.etag") };
        ChangePath { path, resource, precondition }
    }

    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// Returns the batch's error where the change is refused; an etag that does not match is a precondition that failed.
    pub fn locate(&self, refused: ChangeError) -> Error {
        let failed = |message: String| Error::precondition(&self.precondition, Reason::PreconditionFailed, message);
        match refused {
            ChangeError::EtagMismatch => failed("is not the stored etag".to_owned()),
            ChangeError::Precondition(Violation { field: Part::Precondition, message, .. }) => failed(message),
            other => located(other, &self.resource),
        }
    }
}

/// The change at an index of a batch.
pub fn change(
    index: usize,
    message: pb::Change,
    now: TimeMs,
    new_id: impl FnOnce() -> String,
) -> Decoded<(Change, ChangePath)> {
    let item = format!("changes[{index}]");
    let Some(asked) = message.change else { return Err(Violation::required(item).into()) };
    let path = ChangePath::new(index, &asked, message.precondition.is_some());
    let mut wrong = Violations::default();
    let given = wrong.check_in(&item, precondition(message.precondition));
    let change = wrong.check_in(path.as_str(), decode(asked, now, new_id));
    all_or_return!(wrong; given, change);
    let change = with_precondition(change, given).map_err(|wrong| wrong.within(&item))?;
    Ok((change, path))
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
            let (kind, precondition) = kind(message, &Mask::ALL)?;
            Change::PutKind { kind, precondition }
        }
        Asked::DeleteKind(message) => {
            let name = KindName::parse("name", &message.name)?;
            Change::DeleteKind { name, precondition, allow_missing: message.allow_missing }
        }
        Asked::PutMember(message) => {
            let (member, precondition) = member(message, &Mask::ALL)?;
            Change::PutMember { member, precondition }
        }
        Asked::UpdateMember(message) => member_update(message.member, message.update_mask)?,
        Asked::DeleteMember(message) => {
            let id = MemberId::parse("id", &message.id)?;
            Change::DeleteMember { id, precondition, allow_missing: message.allow_missing }
        }
        Asked::PutEdge(message) => {
            let edge = message.edge.ok_or_else(|| Violation::required("edge"))?;
            let (put, precondition) = edge_put(edge, &Mask::ALL).map_err(|wrong| wrong.within("edge"))?;
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
        | Change::MergeMember { precondition, .. }
        | Change::MergeKind { precondition, .. }
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
        | Change::EraseStatus { .. }
        | Change::KeepSecret { .. }
        | Change::KeepErased { .. }
        | Change::RememberErased { .. }
        | Change::CreateNamespace { .. }
        | Change::DeleteNamespace {}
        | Change::Resume {}
        | Change::Restore { .. } => {
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
    let paths = mask.map(|mask| mask.paths).unwrap_or_default();
    let mask = match paths.is_empty() {
        true => Err(Violation::required("update_mask")),
        false => Mask::of(&paths, &mask::MEMBER),
    };
    let mask = wrong.check(mask);
    let decoded = wrong.check_in("member", member(message, mask.as_ref().unwrap_or(&Mask::ALL)));
    all_or_return!(wrong; mask, decoded);
    let (member, precondition) = decoded;
    let (id, patch) = patch(member, mask);
    Ok(Change::UpdateMember { id, patch, precondition })
}

/// Returns whose fields a mask names, and what they are to be.
pub fn patch(Member { id, mut attrs }: Member, mask: Mask) -> (MemberId, MemberPatch) {
    let set = Fields(MemberAttrs::ALL.0 & mask.fields.0);
    let label_changes = mask.label_changes(&mut attrs.labels);
    (id, MemberPatch { set, attrs, label_changes })
}

/// Whom another store erased.
pub fn erased(message: pb::ErasedMembers) -> Decoded<Change> {
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
