//! The bytes of what a change left behind. Most changes leave just what they say, and that is not written twice.

use std::borrow::Cow;

use super::codec::{Decoder, Encoder, Malformed};
use crate::domain::{Change, Edge, EdgeKey, EdgePut, Event, Member, Privacy, TimeMs};

/// What an event is; a put is written whole, or as the change says.
const KIND_PUT: u8 = 1;
const KIND_DELETED: u8 = 2;
const MEMBER_PUT: u8 = 3;
const MEMBER_DELETED: u8 = 4;
const EDGE_PUT: u8 = 5;
const EDGE_DELETED: u8 = 6;
const STATUS_PUT: u8 = 7;
const STATUS_DELETED: u8 = 8;
const KIND_AS_SAID: u8 = 9;
const MEMBER_AS_SAID: u8 = 10;
const EDGE_AS_SAID: u8 = 11;
/// The same with its ends in the other order.
const EDGE_AS_SAID_BACKWARD: u8 = 12;
const STATUS_AS_SAID: u8 = 13;
const BLOCK_PUT: u8 = 14;
const BLOCK_DELETED: u8 = 15;
const PRIVATE_MEMBER_PUT: u8 = 16;
const TALLY_PUT: u8 = 17;

/// The events of a change accepted at `time`.
pub fn encode(to: &mut Encoder, events: &[Event], change: &Change, time: TimeMs) {
    to.list(events.iter(), |to, event| encode_event(to, event, change, time));
}

pub fn decode(from: &mut Decoder<'_>, change: &Change, time: TimeMs) -> Result<Vec<Event>, Malformed> {
    from.list(|from| decode_event(from, change, time))
}

fn encode_event(to: &mut Encoder, event: &Event, change: &Change, time: TimeMs) {
    match event {
        Event::KindPut { kind } => {
            if matches!(change, Change::PutKind { kind: said, .. } if said == kind) {
                return to.byte(KIND_AS_SAID);
            }
            to.byte(KIND_PUT);
            to.kind(kind);
        }
        Event::MemberPut { member, create_time } => {
            if said_member(change).is_some_and(|said| *said == *member) {
                to.byte(MEMBER_AS_SAID);
            } else if member.privacy == Privacy::default() {
                to.byte(MEMBER_PUT);
                to.member(member);
            } else {
                to.byte(PRIVATE_MEMBER_PUT);
                to.member(member);
                to.privacy(member.privacy);
            }
            encode_before(to, *create_time, time);
        }
        Event::EdgePut { edge, create_time } => {
            match as_said(edge, change) {
                Some(said) => to.byte(said),
                None => {
                    to.byte(EDGE_PUT);
                    to.edge_put(&EdgePut::of(edge));
                }
            }
            encode_before(to, *create_time, time);
        }
        Event::StatusPut { status, create_time } => {
            if matches!(change, Change::PostStatus { status: said } if said == status) {
                to.byte(STATUS_AS_SAID);
            } else {
                to.byte(STATUS_PUT);
                to.status(status);
            }
            encode_before(to, *create_time, time);
        }
        Event::BlockPut { block } => {
            to.byte(BLOCK_PUT);
            to.block(block);
        }
        Event::IntroducerTallyPut { introducer, tally } => {
            to.byte(TALLY_PUT);
            to.name(introducer.as_str());
            to.tally(tally);
        }
        deleted => encode_deleted(to, deleted),
    }
}

fn encode_deleted(to: &mut Encoder, event: &Event) {
    match event {
        Event::KindDeleted { name } => {
            to.byte(KIND_DELETED);
            to.name(name.as_str());
        }
        Event::MemberDeleted { id } => {
            to.byte(MEMBER_DELETED);
            to.name(id.as_str());
        }
        Event::EdgeDeleted { key } => {
            to.byte(EDGE_DELETED);
            to.edge_key(key);
        }
        Event::StatusDeleted { id } => {
            to.byte(STATUS_DELETED);
            to.text(id.as_str());
        }
        Event::BlockDeleted { block } => {
            to.byte(BLOCK_DELETED);
            to.block(block);
        }
        Event::KindPut { .. }
        | Event::MemberPut { .. }
        | Event::EdgePut { .. }
        | Event::StatusPut { .. }
        | Event::BlockPut { .. }
        | Event::IntroducerTallyPut { .. } => {}
    }
}

fn decode_event(from: &mut Decoder<'_>, change: &Change, time: TimeMs) -> Result<Event, Malformed> {
    let unsaid = Malformed("an event is said to be what its change does not say");
    Ok(match (from.byte()?, change) {
        (KIND_PUT, _) => Event::KindPut { kind: from.kind()? },
        (KIND_DELETED, _) => Event::KindDeleted { name: from.kind_name()? },
        (MEMBER_PUT, _) => Event::MemberPut { member: from.member()?, create_time: decode_before(from, time)? },
        (MEMBER_DELETED, _) => Event::MemberDeleted { id: from.member_id()? },
        (EDGE_PUT, _) => {
            let put = from.edge_put()?;
            Event::EdgePut { edge: put.edge(put.key.clone()), create_time: decode_before(from, time)? }
        }
        (EDGE_DELETED, _) => Event::EdgeDeleted { key: from.edge_key()? },
        (STATUS_PUT, _) => Event::StatusPut { status: from.status()?, create_time: decode_before(from, time)? },
        (STATUS_DELETED, _) => Event::StatusDeleted { id: from.status_id()? },
        (BLOCK_PUT, _) => Event::BlockPut { block: from.block()? },
        (BLOCK_DELETED, _) => Event::BlockDeleted { block: from.block()? },
        (TALLY_PUT, _) => Event::IntroducerTallyPut { introducer: from.member_id()?, tally: from.tally()? },
        (PRIVATE_MEMBER_PUT, _) => {
            let mut member = from.member()?;
            member.privacy = from.privacy()?;
            Event::MemberPut { member, create_time: decode_before(from, time)? }
        }
        (KIND_AS_SAID, Change::PutKind { kind, .. }) => Event::KindPut { kind: kind.clone() },
        (MEMBER_AS_SAID, change) => {
            let member = said_member(change).ok_or(unsaid)?.into_owned();
            Event::MemberPut { member, create_time: decode_before(from, time)? }
        }
        (EDGE_AS_SAID, Change::PutEdge { put, .. }) => {
            Event::EdgePut { edge: put.edge(put.key.clone()), create_time: decode_before(from, time)? }
        }
        (EDGE_AS_SAID_BACKWARD, Change::PutEdge { put, .. }) => {
            Event::EdgePut { edge: put.edge(backward(&put.key)), create_time: decode_before(from, time)? }
        }
        (STATUS_AS_SAID, Change::PostStatus { status }) => {
            Event::StatusPut { status: status.clone(), create_time: decode_before(from, time)? }
        }
        (KIND_AS_SAID..=STATUS_AS_SAID, _) => return Err(unsaid),
        _ => return Err(Malformed("an event is of no known kind")),
    })
}

/// The member that the change says whole: one that is put, or merged with nothing.
fn said_member(change: &Change) -> Option<Cow<'_, Member>> {
    match change {
        Change::PutMember { member, .. } => Some(Cow::Borrowed(member)),
        Change::MergeMember { id, patch, .. } => Some(Cow::Owned(patch.member(&Member::bare(id.clone())))),
        _ => None,
    }
}

/// How the change says the edge, if it does.
fn as_said(edge: &Edge, change: &Change) -> Option<u8> {
    let Change::PutEdge { put, .. } = change else { return None };
    let said = if edge.key == put.key {
        EDGE_AS_SAID
    } else if edge.key == backward(&put.key) {
        EDGE_AS_SAID_BACKWARD
    } else {
        return None;
    };
    (put.edge(edge.key.clone()) == *edge).then_some(said)
}

fn backward(key: &EdgeKey) -> EdgeKey {
    EdgeKey { from: key.to.clone(), kind: key.kind.clone(), to: key.from.clone() }
}

/// A time of creation, as the time before the command.
fn encode_before(to: &mut Encoder, create_time: TimeMs, time: TimeMs) {
    to.signed(time.0.wrapping_sub(create_time.0));
}

fn decode_before(from: &mut Decoder<'_>, time: TimeMs) -> Result<TimeMs, Malformed> {
    Ok(TimeMs(time.0.wrapping_sub(from.signed()?)))
}
