//! What a query may take: the edges it may look at, and a signal to stop.

/// A signal that a query polls. The graph core reads no clock, so whoever runs a query brings one.
pub trait Stop {
    fn stop(&self) -> Option<StopReason>;

    /// Reports how much work the query has done by now; called before each `stop`.
    fn worked(&self, _work: u64) {}

    /// Returns whether a query that needs more than its first share of work may go on to all that it may have.
    fn may_go_on(&self) -> bool {
        false
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    Deadline,
    Cancelled,
}

/// Never stops.
pub struct NeverStop;

impl Stop for NeverStop {
    fn stop(&self) -> Option<StopReason> {
        None
    }
}

/// The limit that ended a query early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    EdgesVisited,
    Deadline,
    Cancelled,
}

/// How far an answer is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The limit that ended the query early; none if the answer is complete.
    pub limit: Option<Limit>,
    /// Everything within so many hops is in the answer, and right.
    pub exact_through_hop: u32,
}

impl Extent {
    pub fn complete(through_hop: u32) -> Extent {
        Extent { limit: None, exact_through_hop: through_hop }
    }

    pub fn ended(limit: Limit, exact_through_hop: u32) -> Extent {
        Extent { limit: Some(limit), exact_through_hop }
    }

    pub fn is_complete(self) -> bool {
        self.limit.is_none()
    }

    /// Returns the extent of an answer that is put together of two.
    pub fn and(self, other: Extent) -> Extent {
        Extent {
            limit: self.limit.or(other.limit),
            exact_through_hop: self.exact_through_hop.min(other.exact_through_hop),
        }
    }
}

/// The most work of one search that decides what may be seen: some seconds of it.
const HIDDEN_WORK_MAX: u64 = 1_000_000_000;

/// Stops when nobody waits any more, and not at a deadline.
struct Undated<'a>(&'a dyn Stop);

impl Stop for Undated<'_> {
    fn stop(&self) -> Option<StopReason> {
        self.0.stop().filter(|reason| *reason == StopReason::Cancelled)
    }

    fn may_go_on(&self) -> bool {
        self.0.may_go_on()
    }
}

/// How many half-edges are looked at between two polls of the stop signal: some microseconds of work.
const VISITS_PER_POLL: u64 = 1_024;
/// How many chunks of a long list are looked at between two polls.
const CHUNKS_PER_POLL: u32 = 4;

/// Counts what a query visits, and what work it does.
///
/// The two differ where a viewer may not see all: what is hidden from it is work, but does not count as visited, because the number would
/// give it away.
pub struct Budget<'a> {
    edges_max: u64,
    work_max: u64,
    /// The part of `work_max` that the query may take for now.
    share: u64,
    visited: u64,
    work: u64,
    next_poll: u64,
    limited: bool,
    exhausted: bool,
    stop: &'a dyn Stop,
}

impl<'a> Budget<'a> {
    pub fn new(edges_visited_max: u64, stop: &'a dyn Stop) -> Budget<'a> {
        Budget {
            edges_max: edges_visited_max,
            work_max: u64::MAX,
            share: u64::MAX,
            visited: 0,
            work: 0,
            next_poll: 0,
            limited: false,
            exhausted: false,
            stop,
        }
    }

    /// Bounds the work, whether it counts as visited or not.
    pub fn with_work_max(self, work_max: u64) -> Budget<'a> {
        Budget { work_max, share: work_max, ..self }
    }

    /// Bounds the work for now. A query that needs more, and may not go on, begins again, and what came of it is thrown away.
    pub fn with_share(self, share: u64) -> Budget<'a> {
        Budget { share: share.min(self.work_max), ..self }
    }

    /// Returns a budget without a bound and without a signal.
    pub fn unlimited() -> Budget<'static> {
        Budget::new(u64::MAX, &NeverStop)
    }

    /// Charges half-edges that are about to be looked at.
    pub fn visit(&mut self, edges: u64) -> Result<(), Limit> {
        let visited = self.visited.saturating_add(edges);
        if visited > self.edges_max {
            self.limited = true;
            return Err(Limit::EdgesVisited);
        }
        self.pass(edges)?;
        self.visited = visited;
        Ok(())
    }

    /// Returns the work done with `edges` more, if there is room for them.
    #[inline]
    fn with(&mut self, edges: u64) -> Result<u64, Limit> {
        let work = self.work.saturating_add(edges);
        if work > self.share && (!self.goes_on() || work > self.work_max) {
            self.exhausted = true;
            return Err(Limit::EdgesVisited);
        }
        Ok(work)
    }

    /// Takes all the work that the query may have, if it has but a share and may go on. Returns whether it did.
    fn goes_on(&mut self) -> bool {
        let goes_on = self.is_provisional() && self.stop.may_go_on();
        if goes_on {
            self.share = self.work_max;
        }
        goes_on
    }

    /// Returns whether the query has but a share for now.
    pub fn is_provisional(&self) -> bool {
        self.share < self.work_max
    }

    /// Announces half-edges that a query is about to visit. If they are more than its share, a query that has but a share goes on with all
    /// it may have, or ends now instead of when the share is used up. A wrong guess ends nothing for good.
    pub fn foresee(&mut self, edges: impl IntoIterator<Item = u64>) -> Result<(), Limit> {
        // A query whose bound on visits is below its share ends within the share.
        let share_left = self.share.saturating_sub(self.work);
        if !self.is_provisional() || self.edges_max.saturating_sub(self.visited) <= share_left {
            return Ok(());
        }
        let mut foreseen = 0u64;
        let is_more = edges.into_iter().any(|edges| {
            foreseen = foreseen.saturating_add(edges);
            foreseen > share_left
        });
        if !is_more || self.goes_on() {
            return Ok(());
        }
        // Whatever the query does before it has ended is thrown away, so it gets no more work.
        self.share = self.work;
        self.exhausted = true;
        Err(Limit::EdgesVisited)
    }

    /// Charges work that does not count as visited.
    pub fn pass(&mut self, edges: u64) -> Result<(), Limit> {
        let work = self.with(edges)?;
        self.work = work;
        if work >= self.next_poll {
            self.next_poll = work + VISITS_PER_POLL;
            return self.poll();
        }
        Ok(())
    }

    /// Runs a part of a search that stands or falls as one: if the bound ends it, none of it counts as visited.
    ///
    /// The order in which members are stepped from depends on their indices, so on the history of the store, and so would how far into a
    /// part a search gets. How much a whole part takes depends on the content alone.
    pub fn whole<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Limit>) -> Result<T, Limit> {
        let before = self.visited;
        let done = part(self);
        if matches!(done, Err(Limit::EdgesVisited)) {
            self.visited = before;
        }
        done
    }

    /// Polls the stop signal now and then within work that was charged as a whole, or is not charged. `chunk` counts its chunks.
    #[inline]
    pub fn heed(&mut self, chunk: &mut u32) -> Result<(), Limit> {
        *chunk += 1;
        if chunk.is_multiple_of(CHUNKS_PER_POLL) { self.poll() } else { Ok(()) }
    }

    fn poll(&mut self) -> Result<(), Limit> {
        self.stop.worked(self.work);
        match self.stop.stop() {
            Some(StopReason::Deadline) => Err(Limit::Deadline),
            Some(StopReason::Cancelled) => Err(Limit::Cancelled),
            None => Ok(()),
        }
    }

    /// Checks that so many half-edges more are within the bound. A search that looks at no part of a hop it can't afford, and is charged
    /// for all of one that it need not look through, takes as much wherever in memory its members are.
    pub fn afford(&mut self, edges: u64) -> Result<(), Limit> {
        if self.visited.saturating_add(edges) > self.edges_max {
            self.limited = true;
            return Err(Limit::EdgesVisited);
        }
        self.with(edges).map(drop)
    }

    /// Charges half-edges that were afforded and need not be looked at.
    pub fn skip(&mut self, edges: u64) {
        self.visited = self.visited.saturating_add(edges);
        self.work = self.work.saturating_add(edges);
    }

    /// Runs a search that decides what may be seen. None of it counts as visited, and neither the bound on visits nor the deadline ends it,
    /// because either would give away that there was something to look for. A share of work ends it, because the query then begins again.
    pub fn hidden<T>(&mut self, search: impl FnOnce(&mut Budget<'_>) -> T) -> T {
        let stop = Undated(self.stop);
        let (share, work_max, work) = match self.is_provisional() {
            true => (self.share, self.work_max, self.work),
            false => (HIDDEN_WORK_MAX, HIDDEN_WORK_MAX, 0),
        };
        let mut inner = Budget {
            edges_max: u64::MAX,
            work_max,
            share,
            visited: 0,
            work,
            next_poll: work,
            limited: false,
            exhausted: false,
            stop: &stop,
        };
        let found = search(&mut inner);
        let (share, work, exhausted) = (inner.share, inner.work, inner.exhausted);
        if self.is_provisional() {
            self.share = share;
            self.work = work;
            self.next_poll = work;
            self.exhausted |= exhausted;
        }
        found
    }

    /// Returns whether more edges were needed than may be visited.
    pub fn is_limited(&self) -> bool {
        self.limited
    }

    /// Returns whether more work was needed than there was room for.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Returns how many half-edges were visited so far.
    pub fn visited(&self) -> u64 {
        self.visited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(StopReason);

    impl Stop for Always {
        fn stop(&self) -> Option<StopReason> {
            Some(self.0)
        }
    }

    #[test]
    fn it_ends_at_its_bound_and_at_the_first_signal() {
        let mut budget = Budget::new(10, &NeverStop).with_work_max(20);
        assert_eq!((budget.visit(10), budget.is_exhausted()), (Ok(()), false));
        assert_eq!((budget.visit(1), budget.visited()), (Err(Limit::EdgesVisited), 10));
        assert!(!budget.is_exhausted());
        assert_eq!((budget.pass(9), budget.pass(2)), (Ok(()), Err(Limit::EdgesVisited)));
        assert_eq!((budget.is_exhausted(), budget.visited()), (true, 10));
        assert_eq!((budget.pass(1), budget.pass(1)), (Ok(()), Err(Limit::EdgesVisited)));
        let mut late = Budget::new(10, &Always(StopReason::Deadline)).with_work_max(20);
        assert_eq!((late.hidden(|inner| inner.visit(1_000)), late.visited(), late.is_exhausted()), (Ok(()), 0, false));
        let mut gone = Budget::new(10, &Always(StopReason::Cancelled));
        assert_eq!(gone.hidden(|inner| inner.pass(1)), Err(Limit::Cancelled));
        let mut share = Budget::new(100, &NeverStop).with_work_max(400).with_share(5);
        assert_eq!((share.hidden(|inner| inner.visit(6)), share.is_exhausted()), (Err(Limit::EdgesVisited), true));
        assert_eq!(Budget::new(10, &Always(StopReason::Cancelled)).visit(1), Err(Limit::Cancelled));
        assert_eq!(Budget::new(10, &Always(StopReason::Deadline)).visit(1), Err(Limit::Deadline));
    }
}
