//! How many connections there are, from where, and which of them wait or end.
//!
//! A connection costs its owner nothing. So where there is no slot for a new one, it is given the slot of a connection that does nothing:
//! first of peers who never showed who they are, then of those that have been idle longest. A connection with calls under way of a known
//! caller is never ended for another.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::connection_limits::ConnectionLimits;
use super::metrics::ConnectionMetrics;

/// How long new connections of an address wait after one of it was thrown out. A peer that does nothing but misbehave and come back would
/// take the time of all others; connections that the address has are served meanwhile, for several clients may share one.
const THROWN_OUT_WAIT: Duration = Duration::from_secs(1);
/// Where many connections do nothing, so many are ended at once, because finding them is a look at all.
const ENDED_AT_ONCE: usize = 32;

/// A connection of a known caller is idle when nothing was asked for so long: between two calls it is not.
const IDLE_MIN: Duration = Duration::from_secs(10);

/// Returns the address that shares are counted under: hosts of IPv6 have a network of 64 bits each, and any number of addresses in it.
pub fn share_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        other => other,
    }
}

/// The slots of all open connections.
#[derive(Debug)]
pub struct ConnectionSlots {
    taken: Mutex<Taken>,
    /// The addresses that were thrown out, and until when their new connections wait.
    thrown_out: Mutex<HashMap<IpAddr, Instant>>,
    metrics: ConnectionMetrics,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    connections: HashMap<u64, Connected>,
    by_address: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Connected {
    address: IpAddr,
    usage: Arc<Usage>,
    leave: oneshot::Sender<()>,
}

/// What a connection is used for.
#[derive(Debug)]
pub struct Usage {
    /// Whether a known caller has called.
    known: AtomicBool,
    calls: AtomicUsize,
    idle_since: Mutex<Instant>,
}

/// A call under way on a connection, until this is dropped.
#[derive(Debug)]
pub struct InUse(Arc<Usage>);

impl Usage {
    fn new() -> Usage {
        Usage { known: false.into(), calls: 0.into(), idle_since: Mutex::new(Instant::now()) }
    }

    pub fn call(self: &Arc<Usage>) -> InUse {
        self.calls.fetch_add(1, Ordering::Relaxed);
        InUse(self.clone())
    }

    /// Notes that the caller is known, or that nobody is asked who they are.
    pub fn by_somebody(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// Returns for how long no call has been under way; none while one is.
    pub fn idle(&self) -> Option<Duration> {
        let is_idle = self.calls.load(Ordering::Relaxed) == 0;
        is_idle.then(|| self.idle_since.lock().unwrap_or_else(PoisonError::into_inner).elapsed())
    }

    /// Returns the order in which connections are ended; none if this one is not to be ended.
    fn order(&self) -> Option<(u8, std::cmp::Reverse<Duration>)> {
        let order = match (self.is_known(), self.idle()) {
            (false, Some(idle)) => (0, idle),
            (true, Some(idle)) if idle >= IDLE_MIN => (1, idle),
            // These are streams that are open to all.
            (false, None) => (2, Duration::ZERO),
            (true, _) => return None,
        };
        Some((order.0, std::cmp::Reverse(order.1)))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's slot, given back when it is dropped.
#[derive(Debug)]
pub struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    pub address: IpAddr,
    pub number: u64,
    pub usage: Arc<Usage>,
}

/// Resolves when the connection's slot is given to another.
pub type Leave = oneshot::Receiver<()>;

impl ConnectionSlots {
    pub fn new(metrics: ConnectionMetrics) -> ConnectionSlots {
        ConnectionSlots { taken: Mutex::default(), thrown_out: Mutex::default(), metrics }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn remove(&mut self, number: u64) -> Option<Connected> {
        let connected = self.connections.remove(&number)?;
        let share = share_of(connected.address);
        if let Some(count) = self.by_address.get_mut(&share) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&share);
            }
        }
        Some(connected)
    }

    /// Ends connections that do nothing, of an address if one is given, else of the address that has most. Returns how many it ended.
    fn make_room(&mut self, of: Option<IpAddr>) -> usize {
        let candidates = self.connections.iter().filter(|(_, one)| of.is_none_or(|of| share_of(one.address) == of));
        let mut candidates: Vec<_> = candidates
            .filter_map(|(number, one)| {
                let (class, idle) = one.usage.order()?;
                let of_address = self.by_address.get(&share_of(one.address)).copied().unwrap_or_default();
                Some(((class, std::cmp::Reverse(of_address), idle), *number))
            })
            .collect();
        let Some(((first, most, _), _)) = candidates.iter().min().copied() else { return 0 };
        // Several peers who never showed who they are are ended together, so that not each new connection looks at all.
        let at_once = if first == 0 { ENDED_AT_ONCE.min(most.0 / 16).max(1) } else { 1 };
        candidates.retain(|((class, of_address, _), _)| *class == first && *of_address == most);
        candidates.sort_unstable();
        for (_, number) in candidates.iter().take(at_once) {
            if let Some(ended) = self.remove(*number) {
                let _ = ended.leave.send(());
            }
        }
        candidates.len().min(at_once)
    }
}

impl ConnectionSlot {
    pub fn take(
        slots: &Arc<ConnectionSlots>,
        address: IpAddr,
        limits: &ConnectionLimits,
    ) -> Option<(ConnectionSlot, Leave)> {
        let mut taken = slots.lock();
        let share = share_of(address);
        let of_address = taken.by_address.get(&share).copied().unwrap_or_default();
        let mut room = 1;
        if of_address >= limits.connections_per_address {
            room = taken.make_room(Some(share));
            slots.metrics.made_way.inc_by(room as u64);
        }
        if room > 0 && taken.connections.len() >= limits.connections {
            room = taken.make_room(None);
            slots.metrics.made_way.inc_by(room as u64);
        }
        if room == 0 {
            slots.metrics.refused.inc();
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        let (leave, left) = oneshot::channel();
        let usage = Arc::new(Usage::new());
        *taken.by_address.entry(share).or_default() += 1;
        taken.connections.insert(number, Connected { address, usage: usage.clone(), leave });
        slots.metrics.accepted.inc();
        slots.metrics.open.inc();
        Some((ConnectionSlot { slots: slots.clone(), address, number, usage }, left))
    }

    /// Notes that the peer did what no client does: new connections from its address have to wait.
    pub fn thrown_out(&self) {
        self.slots.metrics.thrown_out.inc();
        let now = Instant::now();
        let mut thrown_out = self.slots.thrown_out.lock().unwrap_or_else(PoisonError::into_inner);
        thrown_out.retain(|_, until| *until > now);
        thrown_out.insert(share_of(self.address), now + THROWN_OUT_WAIT);
    }

    /// Resolves when the address may be served: at once, unless it was thrown out just now.
    pub async fn forgiven(&self) {
        let share = share_of(self.address);
        let until = self.slots.thrown_out.lock().unwrap_or_else(PoisonError::into_inner).get(&share).copied();
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.slots.metrics.open.dec();
        self.slots.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Arc<ConnectionSlots> {
        Arc::new(ConnectionSlots::new(ConnectionMetrics::default()))
    }

    fn limits(connections: usize, connections_per_address: usize) -> ConnectionLimits {
        ConnectionLimits { connections, connections_per_address, ..Default::default() }
    }

    fn has_to_leave(leave: &mut Leave) -> bool {
        leave.try_recv().is_ok()
    }

    #[test]
    fn there_are_no_more_connections_than_slots() {
        let (slots, limits) = (slots(), limits(3, 2));
        let (here, there) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let take = |address| {
            let (slot, leave) = ConnectionSlot::take(&slots, address, &limits)?;
            slot.usage.by_somebody();
            Some((slot.usage.call(), slot, leave))
        };
        let first = take(here);
        let second = take(here);
        assert!(first.is_some() && second.is_some() && take(here).is_none());
        let third = take(there);
        assert!(third.is_some() && take(there).is_none());
        drop(first);
        assert!(take(there).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_nothing_makes_way_and_who_is_not_known_first() {
        let (slots, limits) = (slots(), limits(4, 4));
        let mut taken = Vec::new();
        for at in 0..4 {
            taken.push(ConnectionSlot::take(&slots, [127, 0, 0, 1].into(), &limits).unwrap());
            tokio::time::advance(2 * IDLE_MIN).await;
            if at < 3 {
                taken[at].0.usage.by_somebody();
            }
        }
        let busy = taken[0].0.usage.call();
        let mut new = Vec::new();
        for ended in [3, 1, 2] {
            let (slot, leave) = ConnectionSlot::take(&slots, [127, 0, 0, 1].into(), &limits).unwrap();
            slot.usage.by_somebody();
            new.push((slot.usage.call(), slot, leave));
            for (at, (_, leave)) in taken.iter_mut().enumerate() {
                assert_eq!(has_to_leave(leave), at == ended, "{at} when {ended} is to go");
            }
        }
        assert!(ConnectionSlot::take(&slots, [127, 0, 0, 1].into(), &limits).is_none(), "all are in use");
        drop(busy);
        assert!(ConnectionSlot::take(&slots, [127, 0, 0, 1].into(), &limits).is_none(), "one was in use just now");
        tokio::time::advance(IDLE_MIN).await;
        assert!(ConnectionSlot::take(&slots, [127, 0, 0, 1].into(), &limits).is_some());
        drop((taken, new));
        assert!(slots.lock().connections.is_empty() && slots.lock().by_address.is_empty());
    }

    #[test]
    fn when_all_are_taken_the_address_with_most_makes_way() {
        let (slots, limits) = (slots(), limits(6, 5));
        let take = |address: [u8; 4]| ConnectionSlot::take(&slots, address.into(), &limits).unwrap();
        let mut one = take([10, 0, 0, 1]);
        let mut many: Vec<_> = (0..5).map(|_| take([10, 0, 0, 2])).collect();
        let mut another = take([10, 0, 0, 3]);
        assert!(!has_to_leave(&mut one.1) && !has_to_leave(&mut another.1));
        assert_eq!(many.iter_mut().filter_map(|(_, leave)| has_to_leave(leave).then_some(())).count(), 1);
    }

    #[test]
    fn hosts_of_ipv6_share_their_networks() {
        let share = |text: &str| share_of(text.parse().unwrap());
        assert_eq!(share("2001:db8::1"), share("2001:db8::ffff:1"));
        assert_ne!(share("2001:db8::1"), share("2001:db8:0:1::1"));
        assert_eq!(share("::1"), "::1".parse::<IpAddr>().unwrap());
        assert_eq!(share("10.0.0.1"), "10.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_was_thrown_out_waits_and_no_other() {
        let slots = slots();
        let take =
            |address: [u8; 4]| ConnectionSlot::take(&slots, address.into(), &ConnectionLimits::default()).unwrap().0;
        take([127, 0, 0, 2]).thrown_out();
        let begin = Instant::now();
        take([127, 0, 0, 1]).forgiven().await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let (one, other) = (take([127, 0, 0, 2]), take([127, 0, 0, 2]));
        tokio::join!(one.forgiven(), other.forgiven());
        assert!(begin.elapsed() >= THROWN_OUT_WAIT && begin.elapsed() < 2 * THROWN_OUT_WAIT);
        take([127, 0, 0, 2]).forgiven().await;
        assert!(begin.elapsed() < 2 * THROWN_OUT_WAIT, "it is forgiven once");
    }
}
