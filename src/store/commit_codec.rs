//! The bytes of a commit: a command, what it was answered, and what each of its changes left behind.
//!
//! Most changes leave just what they say, and that is not written twice.

use super::Commit;
use crate::domain::codec::{Codec, Decoder, Encoder, Malformed, Read};
use crate::domain::{Change, Command, EdgeKey, Event, Member, NamespaceName, Request, Sequence, TimeMs, Times};

/// How an event is written: as its change says it, the same with the edge's ends in the other order, or whole.
const AS_SAID: u8 = 0;
const AS_SAID_BACKWARD: u8 = 1;
const WHOLE: u8 = 2;

/// Returns the payload of a commit's frame; its sequence is its key.
pub fn encode(commit: &Commit) -> Vec<u8> {
    let mut to = Encoder::interning();
    let Command { time, request, changes } = &commit.command;
    commit.namespace.encode(&mut to);
    time.encode(&mut to);
    request.encode(&mut to);
    if request.is_some() {
        to.blob(&commit.answer);
    }
    let events = commit.events.iter().map(Vec::as_slice).chain(std::iter::repeat(&[][..]));
    to.number(changes.len() as u64);
    for (change, events) in changes.iter().zip(events) {
        change.encode(&mut to);
        to.number(events.len() as u64);
        events.iter().for_each(|event| encode_event(&mut to, event, change, *time));
    }
    to.bytes
}

/// Reads a commit. If it is of another namespace than the only one that is wanted, it comes without changes, answer and events.
pub fn decode(sequence: Sequence, payload: &[u8], only: Option<&NamespaceName>) -> Read<Commit> {
    let mut from = Decoder::new(payload);
    let namespace = NamespaceName::decode(&mut from)?;
    let time = TimeMs::decode(&mut from)?;
    if only.is_some_and(|only| *only != namespace) {
        let command = Command { time, request: None, changes: Vec::new() };
        return Ok(Commit { sequence, namespace, command, answer: Vec::new(), events: Vec::new() });
    }
    let request: Option<Request> = Codec::decode(&mut from)?;
    let answer = if request.is_some() { from.blob()?.to_vec() } else { Vec::new() };
    let (mut changes, mut events) = (Vec::new(), Vec::new());
    for _ in 0..from.length()? {
        let change = Change::decode(&mut from)?;
        events.push(decode_events(&mut from, &change, time)?);
        changes.push(change);
    }
    from.end()?;
    Ok(Commit { sequence, namespace, command: Command { time, request, changes }, answer, events })
}

/// Writes an event of a change accepted at `time`. A time of creation is written as the time before that which the change says.
fn encode_event(to: &mut Encoder, event: &Event, change: &Change, time: TimeMs) {
    let times = change.restored().unwrap_or(Times::new(time));
    let create = event.create_time().unwrap_or(times.create);
    for mark in [AS_SAID, AS_SAID_BACKWARD] {
        if said(change, mark, Times { create, ..times }, time).is_some_and(|said| said == *event) {
            to.byte(mark);
            return to.signed(times.create.0.wrapping_sub(create.0));
        }
    }
    to.byte(WHOLE);
    event.encode(to);
}

/// Reads what a change left behind. It says one event by itself at most: two bytes are not to be another copy of all that it says.
fn decode_events(from: &mut Decoder<'_>, change: &Change, time: TimeMs) -> Read<Vec<Event>> {
    let mut is_said = false;
    let events = (0..from.length()?).map(|_| match from.byte()? {
        WHOLE => Event::decode(from),
        AS_SAID | AS_SAID_BACKWARD if std::mem::replace(&mut is_said, true) => {
            Err(Malformed("a change is said to have left the same behind twice"))
        }
        mark @ (AS_SAID | AS_SAID_BACKWARD) => {
            let times = change.restored().unwrap_or(Times::new(time));
            let create = times.create.later(from.signed()?.saturating_neg())?;
            said(change, mark, Times { create, ..times }, time)
                .ok_or(Malformed("an event is said to be what its change does not say"))
        }
        _ => Err(Malformed("an event is written in no known way")),
    });
    events.collect()
}

/// Returns what a change leaves behind where it finds nothing, if it says that by itself.
fn said(change: &Change, mark: u8, times: Times, time: TimeMs) -> Option<Event> {
    match (change.plain(), mark) {
        (Change::PutEdge { put, .. }, mark) => {
            let key = if mark == AS_SAID { put.key.clone() } else { backward(&put.key) };
            Some(Event::edge_put(put.edge(key), times, time))
        }
        (_, AS_SAID_BACKWARD) => None,
        (Change::PutKind { kind, .. }, _) => Some(Event::KindPut { kind: kind.clone() }),
        (Change::PutMember { member, .. }, _) => Some(Event::member_put(member.clone(), times, time)),
        (Change::MergeMember { id, patch, .. }, _) => {
            Some(Event::member_put(patch.member(&Member::bare(id.clone())), times, time))
        }
        (Change::PostStatus { status }, _) => Some(Event::status_put(status.clone(), times, time)),
        _ => None,
    }
}

fn backward(key: &EdgeKey) -> EdgeKey {
    EdgeKey { from: key.to.clone(), kind: key.kind.clone(), to: key.from.clone() }
}
