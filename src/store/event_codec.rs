//! The bytes of what a change left behind. Most changes leave just what they say, and that is not written twice.

use super::codec::{Decoder, Encoder, Malformed};
use crate::domain::{Change, Edge, EdgeKey, Event, TimeMs};

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

/// Which of an edge's optional parts follow.
const PINNED: u8 = 1;
const HISTORY: u8 = 2;
const SINCE: u8 = 4;
const NOTE: u8 = 8;
const ORIGIN: u8 = 16;

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
            if matches!(change, Change::PutMember { member: said, .. } if said == member) {
                to.byte(MEMBER_AS_SAID);
            } else {
                to.byte(MEMBER_PUT);
                to.member(member);
            }
            encode_before(to, *create_time, time);
        }
        Event::EdgePut { edge, create_time } => {
            match change {
                Change::PutEdge { put, .. } if put.edge(put.key.clone()) == *edge => to.byte(EDGE_AS_SAID),
                Change::PutEdge { put, .. } if put.edge(backward(&put.key)) == *edge => to.byte(EDGE_AS_SAID_BACKWARD),
                _ => encode_edge(to, edge),
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
        Event::KindPut { .. } | Event::MemberPut { .. } | Event::EdgePut { .. } | Event::StatusPut { .. } => {}
    }
}

fn decode_event(from: &mut Decoder<'_>, change: &Change, time: TimeMs) -> Result<Event, Malformed> {
    let unsaid = Malformed("an event is said to be what its change does not say");
    Ok(match (from.byte()?, change) {
        (KIND_PUT, _) => Event::KindPut { kind: from.kind()? },
        (KIND_DELETED, _) => Event::KindDeleted { name: from.kind_name()? },
        (MEMBER_PUT, _) => Event::MemberPut { member: from.member()?, create_time: decode_before(from, time)? },
        (MEMBER_DELETED, _) => Event::MemberDeleted { id: from.member_id()? },
        (EDGE_PUT, _) => Event::EdgePut { edge: decode_edge(from)?, create_time: decode_before(from, time)? },
        (EDGE_DELETED, _) => Event::EdgeDeleted { key: from.edge_key()? },
        (STATUS_PUT, _) => Event::StatusPut { status: from.status()?, create_time: decode_before(from, time)? },
        (STATUS_DELETED, _) => Event::StatusDeleted { id: from.status_id()? },
        (KIND_AS_SAID, Change::PutKind { kind, .. }) => Event::KindPut { kind: kind.clone() },
        (MEMBER_AS_SAID, Change::PutMember { member, .. }) => {
            Event::MemberPut { member: member.clone(), create_time: decode_before(from, time)? }
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

fn encode_edge(to: &mut Encoder, edge: &Edge) {
    to.byte(EDGE_PUT);
    to.edge_key(&edge.key);
    let part = |there: bool, flag: u8| if there { flag } else { 0 };
    to.byte(
        part(edge.pinned.is_some(), PINNED)
            | part(edge.history != Default::default(), HISTORY)
            | part(edge.since.is_some(), SINCE)
            | part(!edge.note.is_empty(), NOTE)
            | part(edge.origin.is_some(), ORIGIN),
    );
    if let Some(pinned) = edge.pinned {
        to.single(pinned.get());
    }
    if edge.history != Default::default() {
        to.history(&edge.history);
    }
    if let Some(since) = edge.since {
        to.time(since);
    }
    if !edge.note.is_empty() {
        to.text(&edge.note);
    }
    if let Some(origin) = &edge.origin {
        to.origin(origin);
    }
}

fn decode_edge(from: &mut Decoder<'_>) -> Result<Edge, Malformed> {
    let key = from.edge_key()?;
    let parts = from.byte()?;
    let has = |part: u8| parts & part != 0;
    Ok(Edge {
        key,
        pinned: if has(PINNED) { Some(from.strength()?) } else { None },
        history: if has(HISTORY) { from.history()? } else { Default::default() },
        since: if has(SINCE) { Some(from.time()?) } else { None },
        note: if has(NOTE) { from.text()?.to_owned() } else { String::new() },
        origin: if has(ORIGIN) { Some(from.origin()?) } else { None },
    })
}
