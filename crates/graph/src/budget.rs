//! What a query may take: edges to look at, and a signal to stop.

/// Asked now and then whether to stop. The graph core reads no clock; whoever runs a query brings one.
pub trait Stop {
    fn stop(&self) -> Option<StopReason>;

    /// Told before that how much the query has done by now.
    fn worked(&self, _work: u64) {}

    /// Asked when a query needs more than its first share of work: whether it may go on to all that it may have.
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

/// What ended a query early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    EdgesVisited,
    Deadline,
    Cancelled,
}

/// How far an answer is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// What ended the query early; none if the answer is complete.
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

    /// Of an answer put together of two.
    pub fn and(self, other: Extent) -> Extent {
        Extent {
            limit: self.limit.or(other.limit),
            exact_through_hop: self.exact_through_hop.min(other.exact_through_hop),
        }
    }
}

/// What one search that decides what may be seen may look at: some seconds of work.
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

/// Half-edges between two looks at the stop signal: some microseconds of work.
const VISITS_PER_POLL: u64 = 1_024;
/// The same in chunks of a long list.
const CHUNKS_PER_POLL: u32 = 4;

/// Counts what a query visits, and what work it is.
///
/// The two differ where a viewer may not see all: what it may not see is work, but it is not visited, or its number would tell of it.
pub struct Budget<'a> {
    edges_max: u64,
    work_max: u64,
    /// Of that, what it may take for now.
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

    /// No more work than this, whatever of it is visited.
    pub fn with_work_max(self, work_max: u64) -> Budget<'a> {
        Budget { work_max, share: work_max, ..self }
    }

    /// No more than this for now. What comes of a query that needs more, and may not go on, is thrown away: it begins again.
    pub fn with_share(self, share: u64) -> Budget<'a> {
        Budget { share: share.min(self.work_max), ..self }
    }

    /// No bound, no signal.
    pub fn unlimited() -> Budget<'static> {
        Budget::new(u64::MAX, &NeverStop)
    }

    /// Charges so many half-edges that are about to be looked at.
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

    /// All work with so much more of it, if there is room for that.
    #[inline]
    fn with(&mut self, edges: u64) -> Result<u64, Limit> {
        let work = self.work.saturating_add(edges);
        if work > self.share && (!self.goes_on() || work > self.work_max) {
            self.exhausted = true;
            return Err(Limit::EdgesVisited);
        }
        Ok(work)
    }

    /// Takes all that it may have, if it has but a share and may go on.
    fn goes_on(&mut self) -> bool {
        let goes_on = self.is_provisional() && self.stop.may_go_on();
        if goes_on {
            self.share = self.work_max;
        }
        goes_on
    }

    /// Whether it has but a share for now.
    pub fn is_provisional(&self) -> bool {
        self.share < self.work_max
    }

    /// A query that has but a share is about to visit so many half-edges: if they are more than that, it goes on with all it may have,
    /// or it ends now and not when its share is used up. A guess ends nothing for good.
    pub fn foresee(&mut self, edges: impl IntoIterator<Item = u64>) -> Result<(), Limit> {
        // One that ends with what it may visit ends in its share.
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
        // What it does until it has ended is thrown away: nothing more of it.
        self.share = self.work;
        self.exhausted = true;
        Err(Limit::EdgesVisited)
    }

    /// So many more are looked at that do not count as visited.
    pub fn pass(&mut self, edges: u64) -> Result<(), Limit> {
        let work = self.with(edges)?;
        self.work = work;
        if work >= self.next_poll {
            self.next_poll = work + VISITS_PER_POLL;
            return self.poll();
        }
        Ok(())
    }

    /// A part of a search that stands or falls as one: if the bound ends it, none of it counts as visited.
    ///
    /// In which order members are stepped from depends on their indices, so on the history of the store, and so would how far into a
    /// part a search gets. How much a whole part takes depends on the content alone.
    pub fn whole<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Limit>) -> Result<T, Limit> {
        let before = self.visited;
        let done = part(self);
        if matches!(done, Err(Limit::EdgesVisited)) {
            self.visited = before;
        }
        done
    }

    /// Asks now and then whether to stop in the midst of what was charged as a whole, or is not charged; `chunk` counts its chunks.
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

    /// Whether so many half-edges more are within the bound. A search that looks at no part of a hop it can't afford, and is
    /// charged for all of one that it need not look through, takes as much wherever in memory its members are.
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

    /// For searches that decide what may be seen. None of it is visited, and neither what the caller may visit nor its deadline ends
    /// it: that would tell that there was something to look for. A share of work ends it, for then it begins again.
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

    /// Whether more edges were asked for than may be visited.
    pub fn is_limited(&self) -> bool {
        self.limited
    }

    /// Whether it was more work than there was room for.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Half-edges looked at so far.
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
