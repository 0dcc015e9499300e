//! The bytes of a commit: a command, what it was answered, and what each of its changes left behind.

use super::codec::{Decoder, Encoder, Malformed};
use super::{Commit, event_codec};
use crate::domain::{
    Change, Command, EdgeFieldsKept, ErasedId, ErasureKey, InteractionRecord, KindFieldsKept, MemberPatch,
    Precondition, Privacy, Request, RequestId, Scope, Sequence,
};

/// Whether a request follows; up to format 3 it has no scope.
const NO_REQUEST: u8 = 0;
const SHARED_REQUEST: u8 = 1;
const REQUEST: u8 = 2;

/// The payload of a commit's frame; its sequence is its key.
pub fn encode(commit: &Commit) -> Vec<u8> {
    let mut to = Encoder::default();
    to.time(commit.command.time);
    match commit.command.request {
        None => to.byte(NO_REQUEST),
        Some(Request { id, scope, fingerprint }) => {
            to.byte(REQUEST);
            to.wide(id.0);
            to.wide(fingerprint);
            to.blob(&commit.answer);
            to.number(scope.0);
        }
    }
    let events = commit.events.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
    to.number(commit.command.changes.len() as u64);
    for (change, events) in commit.command.changes.iter().zip(events) {
        encode_change(&mut to, change);
        event_codec::encode(&mut to, events, change, commit.command.time);
    }
    to.bytes
}

pub fn decode(sequence: Sequence, payload: &[u8]) -> Result<Commit, Malformed> {
    let mut from = Decoder::new(payload);
    let time = from.time()?;
    let request = match from.byte()? {
        NO_REQUEST => None,
        tag @ (SHARED_REQUEST | REQUEST) => {
            let (id, fingerprint, answer) = (RequestId(from.wide()?), from.wide()?, from.blob()?.to_vec());
            let scope = if tag == REQUEST { Scope(from.number()?) } else { Scope::ANY };
            Some((Request { id, scope, fingerprint }, answer))
        }
        _ => return Err(Malformed("a request is of no known kind")),
    };
    let changes = from.list(|from| {
        let change = decode_change(from)?;
        let events = event_codec::decode(from, &change, time)?;
        Ok((change, events))
    })?;
    from.end()?;
    let (changes, events) = changes.into_iter().unzip();
    let (request, answer) = request.map_or((None, Vec::new()), |(request, answer)| (Some(request), answer));
    Ok(Commit { sequence, command: Command { time, request, changes }, answer, events })
}

fn encode_change(to: &mut Encoder, change: &Change) {
    match change {
        Change::PutKind { kind, precondition } => {
            to.byte(1);
            to.kind(kind);
            encode_precondition(to, precondition);
        }
        Change::DeleteKind { name, precondition, allow_missing } => {
            to.byte(2);
            to.name(name.as_str());
            encode_delete(to, precondition, *allow_missing);
        }
        Change::PutMember { member, precondition } => {
            let private = member.privacy != Privacy::default();
            to.byte(if private { 13 } else { 3 });
            to.member(member);
            if private {
                to.privacy(member.privacy);
            }
            encode_precondition(to, precondition);
        }
        Change::UpdateMember { id, patch, precondition } if patch.label_changes.is_empty() => {
            to.byte(if patches_privacy(patch) { 14 } else { 4 });
            to.name(id.as_str());
            encode_patch(to, patch, patches_privacy(patch));
            encode_precondition(to, precondition);
        }
        Change::UpdateMember { id, patch, precondition } | Change::MergeMember { id, patch, precondition } => {
            to.byte(24);
            to.byte(u8::from(matches!(change, Change::MergeMember { .. })));
            to.name(id.as_str());
            encode_patch(to, patch, true);
            to.list(patch.label_changes.iter(), |to, (key, value)| {
                to.text(key);
                to.option(value.as_deref(), Encoder::text);
            });
            encode_precondition(to, precondition);
        }
        Change::MergeKind { kind, kept, precondition } => {
            to.byte(26);
            to.kind(kind);
            to.byte(flags([kept.sphere, kept.symmetric, kept.prior, kept.half_life, kept.carries_statuses]));
            encode_precondition(to, precondition);
        }
        Change::DeleteMember { id, precondition, allow_missing } => {
            to.byte(5);
            to.name(id.as_str());
            encode_delete(to, precondition, *allow_missing);
        }
        Change::PutEdge { put, precondition, allow_missing_members } => {
            let EdgeFieldsKept { pinned, since, visibility, note, origin } = put.kept;
            let kept = flags([pinned, since, visibility, note, origin]);
            to.byte(if kept == 0 { 6 } else { 25 });
            to.edge_put(put);
            if kept != 0 {
                to.byte(kept);
            }
            encode_precondition(to, precondition);
            to.byte(u8::from(*allow_missing_members));
        }
        Change::DeleteEdge { key, precondition, allow_missing } => {
            to.byte(7);
            to.edge_key(key);
            encode_delete(to, precondition, *allow_missing);
        }
        Change::RecordInteractions { record } => {
            to.byte(8);
            to.edge_key(&record.key);
            to.number(record.count);
            to.number(u64::from(record.time_s));
        }
        Change::PostStatus { status } => {
            to.byte(9);
            to.status(status);
        }
        Change::DeleteStatus { id, precondition, allow_missing } => {
            to.byte(10);
            to.text(id.as_str());
            encode_delete(to, precondition, *allow_missing);
        }
        Change::BlockMember { block } => {
            to.byte(11);
            to.block(block);
        }
        Change::UnblockMember { block, allow_missing } => {
            to.byte(12);
            to.block(block);
            to.byte(u8::from(*allow_missing));
        }
        Change::RecordIntroduction { introduction } => {
            to.byte(15);
            to.introduction(introduction);
        }
        Change::PutIntroducerTally { introducer, tally } => {
            to.byte(16);
            to.name(introducer.as_str());
            to.tally(tally);
        }
        Change::KeepErased { key, days } => {
            to.byte(21);
            encode_key(to, *key);
            to.number((*days).into());
        }
        Change::RememberErased { key, erased } => {
            to.byte(22);
            encode_key(to, *key);
            to.list(erased.iter(), |to, erased| encode_erased(to, *erased));
        }
        Change::EraseStatus { id } => {
            to.byte(18);
            to.text(id.as_str());
        }
        Change::KeepSecret { secret } => {
            to.byte(17);
            to.secret(secret);
        }
    }
}

fn decode_change(from: &mut Decoder<'_>) -> Result<Change, Malformed> {
    Ok(match from.byte()? {
        1 => Change::PutKind { kind: from.kind()?, precondition: decode_precondition(from)? },
        2 => Change::DeleteKind {
            name: from.kind_name()?,
            precondition: decode_precondition(from)?,
            allow_missing: from.flag()?,
        },
        3 => Change::PutMember { member: from.member()?, precondition: decode_precondition(from)? },
        tag @ (4 | 14) => Change::UpdateMember {
            id: from.member_id()?,
            patch: decode_patch(from, tag == 14)?,
            precondition: decode_precondition(from)?,
        },
        5 => Change::DeleteMember {
            id: from.member_id()?,
            precondition: decode_precondition(from)?,
            allow_missing: from.flag()?,
        },
        tag @ (6 | 25) => {
            let mut put = from.edge_put()?;
            if tag == 25 {
                let [pinned, since, visibility, note, origin] = decode_flags(from)?;
                put.kept = EdgeFieldsKept { pinned, since, visibility, note, origin };
            }
            Change::PutEdge { put, precondition: decode_precondition(from)?, allow_missing_members: from.flag()? }
        }
        7 => Change::DeleteEdge {
            key: from.edge_key()?,
            precondition: decode_precondition(from)?,
            allow_missing: from.flag()?,
        },
        8 => Change::RecordInteractions {
            record: InteractionRecord { key: from.edge_key()?, count: from.number()?, time_s: from.small()? },
        },
        9 => Change::PostStatus { status: from.status()? },
        10 => Change::DeleteStatus {
            id: from.status_id()?,
            precondition: decode_precondition(from)?,
            allow_missing: from.flag()?,
        },
        11 => Change::BlockMember { block: from.block()? },
        12 => Change::UnblockMember { block: from.block()?, allow_missing: from.flag()? },
        13 => {
            let mut member = from.member()?;
            member.privacy = from.privacy()?;
            Change::PutMember { member, precondition: decode_precondition(from)? }
        }
        15 => Change::RecordIntroduction { introduction: from.introduction()? },
        21 => Change::KeepErased { key: decode_key(from)?, days: from.small()? },
        22 => Change::RememberErased { key: decode_key(from)?, erased: from.list(decode_erased)? },
        16 => Change::PutIntroducerTally { introducer: from.member_id()?, tally: from.tally()? },
        18 => Change::EraseStatus { id: from.status_id()? },
        17 => Change::KeepSecret { secret: from.secret()? },
        24 => {
            let merge = from.flag()?;
            let id = from.member_id()?;
            let mut patch = decode_patch(from, true)?;
            let changes =
                from.list(|from| Ok((from.text()?.to_owned(), from.option(|from| from.text().map(str::to_owned))?)))?;
            patch.label_changes = changes.into_iter().collect();
            let precondition = decode_precondition(from)?;
            if merge {
                Change::MergeMember { id, patch, precondition }
            } else {
                Change::UpdateMember { id, patch, precondition }
            }
        }
        26 => {
            let kind = from.kind()?;
            let [sphere, symmetric, prior, half_life, carries_statuses] = decode_flags(from)?;
            let kept = KindFieldsKept { sphere, symmetric, prior, half_life, carries_statuses };
            Change::MergeKind { kind, kept, precondition: decode_precondition(from)? }
        }
        _ => return Err(Malformed("a change is of no known kind")),
    })
}

pub fn encode_key(to: &mut Encoder, key: ErasureKey) {
    to.blob(&key.0);
}

pub fn decode_key(from: &mut Decoder<'_>) -> Result<ErasureKey, Malformed> {
    from.blob()?.try_into().map(ErasureKey).map_err(|_| Malformed("a key of erased ids is not 32 bytes long"))
}

pub fn encode_erased(to: &mut Encoder, erased: ErasedId) {
    to.wide(erased.hash);
    to.time(erased.time);
}

pub fn decode_erased(from: &mut Decoder<'_>) -> Result<ErasedId, Malformed> {
    Ok(ErasedId { hash: from.wide()?, time: from.time()? })
}

/// Up to eight flags, the first in the lowest bit.
fn flags<const N: usize>(flags: [bool; N]) -> u8 {
    flags.into_iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(flag))
}

fn decode_flags<const N: usize>(from: &mut Decoder<'_>) -> Result<[bool; N], Malformed> {
    let bits = from.byte()?;
    if u32::from(bits) >> N != 0 {
        return Err(Malformed("a flag is of no known meaning"));
    }
    Ok(std::array::from_fn(|at| bits & 1 << at != 0))
}

fn encode_delete(to: &mut Encoder, precondition: &Precondition, allow_missing: bool) {
    encode_precondition(to, precondition);
    to.byte(u8::from(allow_missing));
}

fn encode_precondition(to: &mut Encoder, precondition: &Precondition) {
    match precondition {
        Precondition::None => to.byte(0),
        Precondition::Etag(etag) => {
            to.byte(1);
            to.text(etag);
        }
        Precondition::Absent => to.byte(2),
        Precondition::Present => to.byte(3),
    }
}

fn decode_precondition(from: &mut Decoder<'_>) -> Result<Precondition, Malformed> {
    match from.byte()? {
        0 => Ok(Precondition::None),
        1 => Ok(Precondition::Etag(from.text()?.to_owned())),
        2 => Ok(Precondition::Absent),
        3 => Ok(Precondition::Present),
        _ => Err(Malformed("a precondition is of no known kind")),
    }
}

fn encode_patch(to: &mut Encoder, patch: &MemberPatch, with_privacy: bool) {
    to.option(patch.display_name.as_deref(), Encoder::text);
    to.option(patch.headline.as_deref(), Encoder::text);
    to.option(patch.topics.as_ref(), Encoder::topics);
    to.option(patch.labels.as_ref(), Encoder::labels);
    if with_privacy {
        to.option(patch.edges_visibility, Encoder::visibility);
        to.option(patch.hidden_from_suggestions, |to, hidden| to.byte(u8::from(hidden)));
        to.option(patch.declines_introducing, |to, declines| to.byte(u8::from(declines)));
    }
}

fn patches_privacy(patch: &MemberPatch) -> bool {
    patch.edges_visibility.is_some() || patch.hidden_from_suggestions.is_some() || patch.declines_introducing.is_some()
}

fn decode_patch(from: &mut Decoder<'_>, with_privacy: bool) -> Result<MemberPatch, Malformed> {
    let mut patch = MemberPatch {
        display_name: from.option(|from| from.text().map(str::to_owned))?,
        headline: from.option(|from| from.text().map(str::to_owned))?,
        topics: from.option(Decoder::topics)?,
        labels: from.option(Decoder::labels)?,
        ..MemberPatch::default()
    };
    if with_privacy {
        patch.edges_visibility = from.option(Decoder::visibility)?;
        patch.hidden_from_suggestions = from.option(Decoder::flag)?;
        patch.declines_introducing = from.option(Decoder::flag)?;
    }
    Ok(patch)
}
