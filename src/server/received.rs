//! Bounds the bytes of messages that are on their way in, and of what is made of them: in all, for each caller and on each of its
//! connections.
//!
//! A message that never ends holds what has come of it. So the caller that has more than its share gives way, with the oldest of its
//! messages that is not whole yet: a message that is whole is about to be answered. Nobody is refused for another's bytes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::domain::Error;
use crate::domain::limits::MESSAGE_BYTES_MAX;

const RETRY_MS: u64 = 250;
/// A call's message that comes whole and takes no more than this is not counted: the calls themselves are.
const UNCOUNTED_BYTES_MAX: usize = 32 * 1_024;
/// A caller may have this part of all bytes, unless another bound is set.
const PART_OF_CALLER: usize = 4;

#[derive(Debug, Clone, Copy)]
pub struct ReceivedLimits {
    pub bytes: usize,
    pub bytes_per_caller: usize,
}

impl ReceivedLimits {
    /// Gives each caller a quarter of all, but room for two whole messages where there is enough.
    pub fn of(bytes: usize) -> ReceivedLimits {
        let of_caller = (bytes / PART_OF_CALLER).max(2 * MESSAGE_BYTES_MAX).min(bytes);
        ReceivedLimits { bytes, bytes_per_caller: of_caller }
    }
}

#[derive(Debug)]
pub struct Received {
    limits: ReceivedLimits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    bytes: usize,
    /// The next message's age: an older message has the lower number.
    next: u64,
    callers: HashMap<Arc<str>, OfCaller>,
}

#[derive(Debug, Default)]
struct OfCaller {
    bytes: usize,
    connections: HashMap<u64, OfConnection>,
}

#[derive(Debug, Default)]
struct OfConnection {
    bytes: usize,
    /// The messages that are not whole, by age.
    unfinished: BTreeMap<u64, Unfinished>,
}

#[derive(Debug)]
struct Unfinished {
    bytes: usize,
    /// Ends the call when it is dropped.
    _end: oneshot::Sender<()>,
}

impl Received {
    pub fn up_to(limits: ReceivedLimits) -> Received {
        Received { limits, counts: Mutex::default() }
    }

    /// Returns the count of one call's messages.
    pub fn holding(self: &Arc<Received>, caller: Arc<str>, connection: u64) -> Holding {
        Holding { received: self.clone(), caller, connection, whole: 0, unfinished: None, gave_way: false }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, caller: &Arc<str>, connection: u64, bytes: usize) -> &mut OfConnection {
        self.bytes += bytes;
        let of_caller = self.callers.entry(caller.clone()).or_default();
        of_caller.bytes += bytes;
        let of_connection = of_caller.connections.entry(connection).or_default();
        of_connection.bytes += bytes;
        of_connection
    }

    fn subtract(&mut self, caller: &Arc<str>, connection: u64, bytes: usize) {
        self.bytes -= bytes;
        let Some(of_caller) = self.callers.get_mut(caller) else { return };
        of_caller.bytes -= bytes;
        if let Some(of_connection) = of_caller.connections.get_mut(&connection) {
            of_connection.bytes -= bytes;
            if of_connection.bytes == 0 && of_connection.unfinished.is_empty() {
                of_caller.connections.remove(&connection);
            }
        }
        if of_caller.bytes == 0 && of_caller.connections.is_empty() {
            self.callers.remove(caller);
        }
    }

    fn of_caller(&self, caller: &Arc<str>) -> usize {
        self.callers.get(caller).map_or(0, |of_caller| of_caller.bytes)
    }

    /// Ends unfinished messages until all is within its limits, or no caller with unfinished messages has more than its share. Returns
    /// whether this caller may keep what it has.
    fn make_room(&mut self, caller: &Arc<str>, limits: &ReceivedLimits) -> bool {
        while self.of_caller(caller) > limits.bytes_per_caller {
            if !self.end_oldest(caller) {
                return false;
            }
        }
        while self.bytes > limits.bytes {
            let share = limits.bytes / self.callers.len().max(1);
            let over = self.callers.iter().filter(|(_, of_caller)| of_caller.bytes > share);
            let over = over.filter(|(_, of_caller)| of_caller.connections.values().any(|c| !c.unfinished.is_empty()));
            let largest = over.max_by_key(|(_, of_caller)| of_caller.bytes).map(|(caller, _)| caller.clone());
            match largest {
                Some(largest) => drop(self.end_oldest(&largest)),
                // What is left is whole, and is about to go.
                None => return self.of_caller(caller) <= share,
            }
        }
        true
    }

    /// Ends the oldest unfinished message on the caller's connection that has most bytes; returns false if there is none.
    fn end_oldest(&mut self, caller: &Arc<str>) -> bool {
        let Some(of_caller) = self.callers.get_mut(caller) else { return false };
        let connections = of_caller.connections.iter_mut().filter(|(_, of)| !of.unfinished.is_empty());
        let oldest = |of: &OfConnection| of.unfinished.first_key_value().map(|(age, _)| Reverse(*age));
        let Some((connection, most)) = connections.max_by_key(|(_, of)| (of.bytes, oldest(of))) else { return false };
        let connection = *connection;
        let Some((_, ended)) = most.unfinished.pop_first() else { return false };
        self.subtract(caller, connection, ended.bytes);
        true
    }
}

/// The bytes that one call holds: a message that is not whole yet, and the last that was handed on.
#[derive(Debug)]
pub struct Holding {
    received: Arc<Received>,
    caller: Arc<str>,
    connection: u64,
    whole: usize,
    unfinished: Option<(u64, oneshot::Receiver<()>)>,
    /// Whether the message was ended for others: then nothing more is taken of its call.
    gave_way: bool,
}

impl Holding {
    /// Counts the bytes that have come of a message that is not whole.
    pub fn unfinished(&mut self, bytes: usize) -> Result<(), Error> {
        let bytes = bytes.min(MESSAGE_BYTES_MAX);
        let received = self.received.clone();
        let mut counts = received.lock();
        let age = match &self.unfinished {
            Some((age, _)) => *age,
            None => {
                let (end, ended) = oneshot::channel();
                let age = counts.next;
                counts.next += 1;
                let of_connection = counts.add(&self.caller, self.connection, 0);
                of_connection.unfinished.insert(age, Unfinished { bytes: 0, _end: end });
                self.unfinished = Some((age, ended));
                age
            }
        };
        let of_connection = counts.add(&self.caller, self.connection, 0);
        let Some(message) = of_connection.unfinished.get_mut(&age) else {
            counts.subtract(&self.caller, self.connection, 0);
            return Err(too_much());
        };
        let more = bytes.saturating_sub(message.bytes);
        message.bytes += more;
        counts.add(&self.caller, self.connection, more);
        let may = counts.make_room(&self.caller, &received.limits);
        // The message itself may have been the one to give way.
        let is_there = counts.add(&self.caller, self.connection, 0).unfinished.contains_key(&age);
        counts.subtract(&self.caller, self.connection, 0);
        if may && is_there { Ok(()) } else { Err(too_much()) }
    }

    /// Counts a message that is whole, and what is made of it, in place of the call's message before it.
    pub fn whole(&mut self, bytes: usize) -> Result<(), Error> {
        if bytes <= UNCOUNTED_BYTES_MAX && self.whole == 0 && self.unfinished.is_none() {
            return Ok(());
        }
        let received = self.received.clone();
        let mut counts = received.lock();
        self.release(&mut counts);
        self.whole = bytes;
        let has_other = counts.of_caller(&self.caller) > 0;
        counts.add(&self.caller, self.connection, bytes);
        // A caller's only message is always taken, or no message of its size ever would be.
        if counts.make_room(&self.caller, &received.limits) || !has_other { Ok(()) } else { Err(too_much()) }
    }

    /// Resolves when the message that is not whole has to give way.
    pub fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        if let Some((_, ended)) = self.unfinished.as_mut().filter(|_| !self.gave_way) {
            self.gave_way = Pin::new(ended).poll(context).is_ready();
        }
        if self.gave_way { Poll::Ready(too_much()) } else { Poll::Pending }
    }

    fn release(&mut self, counts: &mut Counts) {
        let unfinished = self.unfinished.take().and_then(|(age, _)| {
            let of_caller = counts.callers.get_mut(&self.caller)?;
            of_caller.connections.get_mut(&self.connection)?.unfinished.remove(&age)
        });
        let bytes = std::mem::take(&mut self.whole) + unfinished.map_or(0, |message| message.bytes);
        counts.subtract(&self.caller, self.connection, bytes);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.whole > 0 || self.unfinished.is_some() {
            let received = self.received.clone();
            self.release(&mut received.lock());
        }
    }
}

fn too_much() -> Error {
    let message = "too many bytes of this caller's messages are being received".to_owned();
    Error::Overloaded { message, retry_after_ms: RETRY_MS }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const MIB: usize = 1_024 * 1_024;

    fn received(mib: usize) -> Arc<Received> {
        Arc::new(Received::up_to(ReceivedLimits::of(mib * MIB)))
    }

    fn is_ended(holding: &mut Holding) -> bool {
        poll_fn_now(|context| holding.poll_ended(context).is_ready())
    }

    fn poll_fn_now(mut ask: impl FnMut(&mut Context<'_>) -> bool) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        ask(&mut context)
    }

    fn is_empty(received: &Received) -> bool {
        let counts = received.lock();
        counts.bytes == 0 && counts.callers.is_empty()
    }

    #[test]
    fn the_oldest_unfinished_message_of_who_has_most_gives_way() {
        let received = received(64);
        let mut of_ana: Vec<Holding> = (0..16).map(|at| received.holding("ana".into(), at % 2)).collect();
        for holding in &mut of_ana[..4] {
            holding.unfinished(4 * MIB).unwrap();
        }
        assert!(!of_ana.iter_mut().any(is_ended), "16 MiB are within her share");
        of_ana[4].unfinished(4 * MIB).unwrap();
        assert!(is_ended(&mut of_ana[0]) && !of_ana[1..5].iter_mut().any(is_ended), "the oldest where she has most");
        of_ana[0].unfinished(4 * MIB).unwrap_err();
        let mut of_ben = received.holding("ben".into(), 9);
        of_ben.unfinished(4 * MIB).unwrap();
        of_ben.whole(4 * MIB).unwrap();
        assert!(!of_ana[1..5].iter_mut().any(is_ended), "there is room for both");
        drop((of_ana, of_ben));
        assert!(is_empty(&received));
    }

    #[test]
    fn nobody_is_refused_for_the_bytes_of_others() {
        let received = received(64);
        let mut of_others: Vec<Holding> = Vec::new();
        for caller in ["ana", "ben", "cleo", "dan"] {
            of_others.extend((0..4).map(|_| received.holding(caller.into(), 1)));
        }
        for holding in &mut of_others {
            holding.unfinished(4 * MIB).unwrap();
        }
        assert_eq!(received.lock().bytes, 64 * MIB, "all is taken");
        let mut of_eva = received.holding("eva".into(), 7);
        of_eva.unfinished(3 * MIB).unwrap();
        assert!(!is_ended(&mut of_eva));
        assert_eq!(of_others.iter_mut().filter_map(|holding| is_ended(holding).then_some(())).count(), 1);
        // Whole messages cannot be ended: who has less than its share is taken all the same.
        for holding in &mut of_others {
            let _ = holding.whole(5 * MIB);
        }
        of_eva.whole(4 * MIB).unwrap();
        drop((of_others, of_eva));
        assert!(is_empty(&received));
    }

    #[tokio::test]
    async fn a_call_that_waits_learns_that_it_has_to_give_way() {
        let received = received(8);
        let (mut first, mut second) = (received.holding("ana".into(), 1), received.holding("ana".into(), 2));
        first.unfinished(4 * MIB).unwrap();
        second.unfinished(4 * MIB).unwrap();
        let waiting = tokio::spawn(async move { poll_fn(|context| first.poll_ended(context)).await });
        tokio::task::yield_now().await;
        let mut third = received.holding("ana".into(), 3);
        third.unfinished(1).unwrap();
        assert!(matches!(waiting.await.unwrap(), Error::Overloaded { .. }));
        drop((second, third));
        assert!(is_empty(&received));
    }

    #[test]
    fn a_callers_only_message_is_taken_however_much_is_made_of_it() {
        let received = received(4);
        let mut only = received.holding("ana".into(), 1);
        only.unfinished(4 * MIB).unwrap();
        only.whole(40 * MIB).unwrap();
        let mut other = received.holding("ana".into(), 1);
        other.whole(MIB).unwrap_err();
        drop((only, other));
        assert!(is_empty(&received));
    }
}
