//! How many connections there are, from where, and who has to wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::listener::ConnectionLimits;
use super::metrics::ConnectionMetrics;

/// How long new connections of an address wait after one of it was thrown out. Whoever does nothing but misbehave and come back would
/// take the time of all others; connections that the address has are served meanwhile, for several clients may share one.
const THROWN_OUT_WAIT: Duration = Duration::from_secs(1);

/// The connections there are, by address.
#[derive(Debug)]
pub struct Places {
    taken: Mutex<HashMap<IpAddr, usize>>,
    /// Addresses that were thrown out, and until when their new connections wait.
    thrown_out: Mutex<HashMap<IpAddr, Instant>>,
    metrics: ConnectionMetrics,
}

/// A connection's place, given back when it is dropped.
pub struct Place(Arc<Places>, IpAddr);

impl Places {
    pub fn new(metrics: ConnectionMetrics) -> Places {
        Places { taken: Mutex::default(), thrown_out: Mutex::default(), metrics }
    }
}

impl Place {
    pub fn take(places: &Arc<Places>, address: IpAddr, limits: &ConnectionLimits) -> Option<Place> {
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let of_address = taken.get(&address).copied().unwrap_or_default();
        if all >= limits.connections || of_address >= limits.connections_per_address {
            places.metrics.refused.inc();
            return None;
        }
        taken.insert(address, of_address + 1);
        places.metrics.accepted.inc();
        places.metrics.open.inc();
        Some(Place(places.clone(), address))
    }

    pub fn address(&self) -> IpAddr {
        self.1
    }

    /// Its peer did what no client does: who comes from its address next has to wait.
    pub fn thrown_out(&self) {
        self.0.metrics.thrown_out.inc();
        let now = Instant::now();
        let mut thrown_out = self.0.thrown_out.lock().unwrap_or_else(PoisonError::into_inner);
        thrown_out.retain(|_, until| *until > now);
        thrown_out.insert(self.1, now + THROWN_OUT_WAIT);
    }

    /// Returns when its address may be served: at once, unless it was thrown out just now.
    pub async fn forgiven(&self) {
        let until = self.0.thrown_out.lock().unwrap_or_else(PoisonError::into_inner).get(&self.1).copied();
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.metrics.open.dec();
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_connections_than_places() {
        let places = Arc::new(Places::new(ConnectionMetrics::default()));
        let limits = ConnectionLimits { connections: 3, connections_per_address: 2, ..Default::default() };
        let (here, there) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let take = |address| Place::take(&places, address, &limits);
        let first = take(here);
        let second = take(here);
        assert!(first.is_some() && second.is_some() && take(here).is_none());
        let third = take(there);
        assert!(third.is_some() && take(there).is_none());
        drop(first);
        assert!(take(there).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_was_thrown_out_waits_and_no_other() {
        let places = Arc::new(Places::new(ConnectionMetrics::default()));
        let take = |address: [u8; 4]| Place::take(&places, address.into(), &ConnectionLimits::default()).unwrap();
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
