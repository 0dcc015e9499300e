//! Who runs next: fair queueing by virtual time (Goyal, Vin, Cheng 1996), with a credit for callers that come back.
//!
//! Each caller has a virtual time, which runs on by what its jobs take. Whoever is furthest behind is next. A caller that had nothing under
//! way starts where the others are, less a credit: it need not wait for those who always have something under way, and it saves up nothing
//! by waiting.
//!
//! This file starts no threads and reads no clock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// What a job takes is counted in half-edges; about so many are visited in a microsecond.
pub const EDGES_PER_MICROSECOND: u64 = 80;
/// How long a caller keeps a permit before another one that is not far behind gets it: 2 ms.
pub const QUANTUM: u64 = 2_000 * EDGES_PER_MICROSECOND;
/// How far behind all others a caller starts that had nothing under way.
const CREDIT: u64 = 2 * QUANTUM;

/// How much may be under way.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most jobs that run at the same time.
    pub permits: usize,
    /// The most jobs that have begun: those that run, and those that are parked, each on a thread of its own.
    pub threads: usize,
    /// The most jobs of one caller that have begun.
    pub begun_per_caller: usize,
    /// The most jobs of one caller that have not begun.
    pub waiting_per_caller: usize,
}

/// How much a job has had. Of one caller's jobs, short ones go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Short = 0,
    Long = 1,
}

/// A job that is next.
#[derive(Debug, PartialEq, Eq)]
pub enum Granted<J, P> {
    Begin { caller: Arc<str>, id: u64, job: J },
    Resume(P),
}

/// Jobs `J` that have not begun, and handles `P` of those that are parked.
#[derive(Debug)]
pub struct Fair<J, P> {
    bounds: Bounds,
    callers: HashMap<Arc<str>, Caller<J, P>>,
    /// The virtual time that no caller with something under way is behind.
    floor: u64,
    begun: usize,
    running: [usize; 2],
    parked: [usize; 2],
    waiting: usize,
}

#[derive(Debug)]
struct Caller<J, P> {
    time: u64,
    begun: usize,
    waiting: VecDeque<(u64, J)>,
    parked: [VecDeque<(u64, P)>; 2],
}

impl<J, P> Caller<J, P> {
    fn is_active(&self) -> bool {
        self.begun > 0 || !self.waiting.is_empty()
    }
}

/// Which job of a caller is next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Parked(Length),
    Waiting,
}

impl<J, P> Fair<J, P> {
    pub fn new(bounds: Bounds) -> Fair<J, P> {
        let (running, parked) = ([0; 2], [0; 2]);
        Fair { bounds, callers: HashMap::new(), floor: 0, begun: 0, running, parked, waiting: 0 }
    }

    /// Takes a job on; `grant` returns it when a permit is there for it.
    pub fn join(&mut self, caller: &Arc<str>, id: u64, job: J) {
        self.settle();
        let fresh = Caller { time: 0, begun: 0, waiting: VecDeque::new(), parked: [VecDeque::new(), VecDeque::new()] };
        let entry = self.callers.entry(caller.clone()).or_insert(fresh);
        if !entry.is_active() {
            entry.time = entry.time.max(self.floor.saturating_sub(CREDIT));
        }
        entry.waiting.push_back((id, job));
        self.waiting += 1;
    }

    /// Returns whether a caller has more jobs waiting than it may.
    pub fn is_overfull(&self, caller: &str) -> bool {
        self.callers.get(caller).is_some_and(|caller| caller.waiting.len() > self.bounds.waiting_per_caller)
    }

    /// Takes a job back that has not begun.
    pub fn withdraw(&mut self, caller: &str, id: u64) -> Option<J> {
        let waiting = &mut self.callers.get_mut(caller)?.waiting;
        // A job that is refused came last, so it is looked for from the end.
        let at = waiting.iter().rposition(|(other, _)| *other == id)?;
        self.waiting -= 1;
        waiting.remove(at).map(|(_, job)| job)
    }

    /// Gives a permit, if there is one, to the job that is next.
    pub fn grant(&mut self) -> Option<Granted<J, P>> {
        if self.running.iter().sum::<usize>() >= self.bounds.permits {
            return None;
        }
        let (name, next) = self
            .callers
            .iter()
            .filter_map(|(name, caller)| Some((name, caller, self.next_of(caller)?)))
            .min_by(|a, b| (a.1.time, a.0).cmp(&(b.1.time, b.0)))
            .map(|(name, _, next)| (name.clone(), next))?;
        let caller = self.callers.get_mut(&name)?;
        match next {
            Next::Parked(length) => {
                let (_, parked) = caller.parked[length as usize].pop_front()?;
                self.parked[length as usize] -= 1;
                self.running[length as usize] += 1;
                Some(Granted::Resume(parked))
            }
            Next::Waiting => {
                let (id, job) = caller.waiting.pop_front()?;
                caller.begun += 1;
                self.waiting -= 1;
                self.begun += 1;
                self.running[Length::Short as usize] += 1;
                Some(Granted::Begin { caller: name, id, job })
            }
        }
    }

    /// Returns which job of a caller would run if the caller were next. Jobs that have begun hold memory, so they end before others begin;
    /// but long ones do not keep short ones from beginning.
    fn next_of(&self, caller: &Caller<J, P>) -> Option<Next> {
        if !caller.parked[Length::Short as usize].is_empty() {
            return Some(Next::Parked(Length::Short));
        }
        if !caller.waiting.is_empty() && self.may_begin(caller) {
            return Some(Next::Waiting);
        }
        let long = &caller.parked[Length::Long as usize];
        (!long.is_empty()).then_some(Next::Parked(Length::Long))
    }

    /// Returns whether a caller may begin another job. It has at most half of the threads that are left, so that the next caller finds
    /// some; but it may always have one.
    fn may_begin(&self, caller: &Caller<J, P>) -> bool {
        let left = self.bounds.threads.saturating_sub(self.begun);
        left > 0 && caller.begun < self.bounds.begun_per_caller.min(left / 2).max(1)
    }

    /// Adds what a job has taken to its caller's time.
    pub fn charge(&mut self, caller: &str, taken: u64) {
        if let Some(caller) = self.callers.get_mut(caller) {
            caller.time = caller.time.saturating_add(taken);
        }
    }

    /// Returns whether a running job is to make room for another one: at once for one whose caller is far behind, or for a short one of its
    /// own caller if it is long; after a quantum for whoever is behind.
    pub fn should_yield(&self, caller: &str, length: Length, had_a_quantum: bool) -> bool {
        let Some(own) = self.callers.get(caller) else { return false };
        if length == Length::Long && matches!(self.next_of(own), Some(Next::Waiting | Next::Parked(Length::Short))) {
            return true;
        }
        let ahead = if had_a_quantum { 0 } else { QUANTUM };
        self.callers.iter().any(|(name, other)| {
            &**name != caller && other.time.saturating_add(ahead) < own.time && self.next_of(other).is_some()
        })
    }

    /// Takes the permit of a running job, which then waits for its next one.
    pub fn park(&mut self, caller: &str, id: u64, length: Length, parked: P) {
        self.running[length as usize] -= 1;
        self.parked[length as usize] += 1;
        if let Some(caller) = self.callers.get_mut(caller) {
            caller.parked[length as usize].push_back((id, parked));
        }
    }

    /// Returns the handle of a parked job.
    pub fn parked(&self, caller: &str, id: u64) -> Option<&P> {
        let parked = &self.callers.get(caller)?.parked;
        parked.iter().flatten().find(|(other, _)| *other == id).map(|(_, parked)| parked)
    }

    /// Lets a parked job go on to its end without a permit. Returns false if it has been given one.
    pub fn leave(&mut self, caller: &str, id: u64, length: Length) -> bool {
        let Some(caller) = self.callers.get_mut(caller) else { return false };
        let parked = &mut caller.parked[length as usize];
        let Some(at) = parked.iter().position(|(other, _)| *other == id) else { return false };
        parked.remove(at);
        self.parked[length as usize] -= 1;
        true
    }

    /// Makes a running short job a long one.
    pub fn grow(&mut self) {
        self.running[Length::Short as usize] -= 1;
        self.running[Length::Long as usize] += 1;
    }

    /// Ends a job.
    pub fn end(&mut self, caller: &str, length: Length, has_permit: bool) {
        self.running[length as usize] -= usize::from(has_permit);
        self.begun -= 1;
        if let Some(caller) = self.callers.get_mut(caller) {
            caller.begun -= 1;
        }
        self.settle();
    }

    /// Raises the floor to those who have something under way, and forgets those who have nothing and are not ahead of it.
    fn settle(&mut self) {
        let active = self.callers.values().filter(|caller| caller.is_active());
        self.floor = active.map(|caller| caller.time).min().map_or(self.floor, |least| self.floor.max(least));
        let floor = self.floor;
        self.callers.retain(|_, caller| caller.is_active() || caller.time > floor);
    }

    /// Returns how many jobs run.
    pub fn running(&self, length: Length) -> usize {
        self.running[length as usize]
    }

    /// Returns how many jobs wait for a permit. Those that have not begun count as short.
    pub fn waiting(&self, length: Length) -> usize {
        match length {
            Length::Short => self.waiting + self.parked[0],
            Length::Long => self.parked[1],
        }
    }

    /// Returns whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.begun == 0 && self.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { permits: 1, threads: 16, begun_per_caller: 4, waiting_per_caller: 8 };

    type Queue = Fair<u64, u64>;

    fn name(caller: &str) -> Arc<str> {
        caller.into()
    }

    /// Joins so many jobs of a caller, whose numbers begin with `from`.
    fn join(queue: &mut Queue, caller: &str, from: u64, count: u64) {
        (from..from + count).for_each(|id| queue.join(&name(caller), id, id));
    }

    /// Grants a permit, and returns the number of the job that got it.
    fn granted(queue: &mut Queue) -> Option<u64> {
        queue.grant().map(|granted| match granted {
            Granted::Begin { job, .. } => job,
            Granted::Resume(parked) => parked,
        })
    }

    /// Serves jobs that each take as much until there are none, and returns their owners' first letters in order.
    fn served(queue: &mut Queue, takes: u64, owner: impl Fn(u64) -> &'static str) -> String {
        let mut order = String::new();
        while let Some(id) = granted(queue) {
            order.push_str(&owner(id)[..1]);
            queue.charge(owner(id), takes);
            queue.end(owner(id), Length::Short, true);
        }
        order
    }

    #[test]
    fn callers_take_turns_whoever_has_more_waiting() {
        let mut queue = Queue::new(BOUNDS);
        join(&mut queue, "many", 0, 6);
        join(&mut queue, "few", 10, 2);
        let owner = |id| if id < 10 { "many" } else { "few" };
        assert_eq!(served(&mut queue, QUANTUM, owner), "fmfmmmmm");
        assert!(queue.is_idle() && queue.callers.len() <= 1);
    }

    #[test]
    fn who_comes_back_goes_before_who_never_left_and_has_saved_up_nothing() {
        let mut queue = Queue::new(BOUNDS);
        join(&mut queue, "busy", 0, 1);
        assert_eq!(granted(&mut queue), Some(0));
        queue.charge("busy", 1_000 * QUANTUM);
        join(&mut queue, "busy", 1, 7);
        join(&mut queue, "rare", 10, 8);
        // It is far behind one that has run for so long, so it gets the permit at once.
        assert!(queue.should_yield("busy", Length::Short, false));
        queue.end("busy", Length::Short, true);
        let owner = |id| if id < 10 { "busy" } else { "rare" };
        // The credit is two quanta, and not the thousand that it did not use.
        assert_eq!(served(&mut queue, QUANTUM, owner), "rrbrbrbrbrbrbrb");
    }

    #[test]
    fn a_running_job_yields_after_a_quantum_or_to_who_is_far_behind_or_to_its_own_callers_short_ones() {
        let mut queue = Queue::new(BOUNDS);
        join(&mut queue, "a", 0, 1);
        assert_eq!(granted(&mut queue), Some(0));
        queue.charge("a", 5 * QUANTUM);
        // Nobody waits.
        assert!(!queue.should_yield("a", Length::Short, true));
        join(&mut queue, "b", 10, 1);
        queue.charge("b", CREDIT - QUANTUM / 2);
        assert!(!queue.should_yield("a", Length::Short, false));
        assert!(queue.should_yield("a", Length::Short, true));
        queue.charge("b", QUANTUM);
        assert!(!queue.should_yield("a", Length::Short, true));
        queue.withdraw("b", 10).unwrap();
        join(&mut queue, "a", 1, 1);
        assert!(!queue.should_yield("a", Length::Short, true));
        queue.grow();
        assert!(queue.should_yield("a", Length::Long, false));
        queue.park("a", 0, Length::Long, 0);
        assert_eq!((queue.running(Length::Long), queue.waiting(Length::Long)), (0, 1));
        // The short job goes before the long one, which is resumed then.
        assert_eq!(granted(&mut queue), Some(1));
        queue.end("a", Length::Short, true);
        assert_eq!(granted(&mut queue), Some(0));
        assert_eq!((queue.running(Length::Long), queue.waiting(Length::Long)), (1, 0));
    }

    #[test]
    fn no_caller_has_all_threads() {
        let owner = |id: u64| format!("caller{:02}", id / 100);
        let mut queue = Queue::new(BOUNDS);
        for number in 0..40u64 {
            join(&mut queue, &owner(number * 100), number * 100, 8);
            // What runs is parked at once while the next one begins or goes on, which takes most threads.
            for _ in 0..20 {
                let id = granted(&mut queue).unwrap();
                queue.charge(&owner(id), 9 * QUANTUM);
                queue.park(&owner(id), id, Length::Short, id);
            }
        }
        assert!(queue.begun <= 16);
        let begun: Vec<usize> = queue.callers.values().map(|caller| caller.begun).collect();
        assert!(begun.iter().all(|begun| *begun <= 4), "{begun:?}");
        let served = begun.iter().filter(|begun| **begun > 0).count();
        assert!(served >= 5, "{served} callers have begun");
    }

    #[test]
    fn bounds_are_each_callers_own() {
        let mut queue = Queue::new(BOUNDS);
        join(&mut queue, "many", 0, 9);
        assert!(queue.is_overfull("many") && !queue.is_overfull("few"));
        assert_eq!(queue.withdraw("many", 8), Some(8));
        assert_eq!(queue.withdraw("many", 8), None);
        join(&mut queue, "few", 10, 8);
        assert!(!queue.is_overfull("many") && !queue.is_overfull("few"));
        assert_eq!(queue.waiting(Length::Short), 16);
    }

    #[test]
    fn a_parked_job_may_leave_and_end_without_a_permit() {
        let mut queue = Queue::new(BOUNDS);
        join(&mut queue, "a", 0, 2);
        assert_eq!(granted(&mut queue), Some(0));
        queue.park("a", 0, Length::Short, 70);
        assert_eq!(queue.parked("a", 0), Some(&70));
        assert!(queue.leave("a", 0, Length::Short) && !queue.leave("a", 0, Length::Short));
        assert_eq!(granted(&mut queue), Some(1));
        queue.end("a", Length::Short, false);
        queue.end("a", Length::Short, true);
        assert!(queue.is_idle());
    }
}
