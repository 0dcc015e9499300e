//! Whose order the writer takes next: callers take turns by virtual time, so that one who sends much waits for itself.
//!
//! A caller's time runs on by what its orders cost, and whoever is furthest behind is next. One that had nothing waiting starts where the others
//! are: it is next after the order that is taken now, and saves up nothing by waiting. Orders of one caller stay in their order.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// How finely time is counted: a part of the least cost, for each of as many who wait.
const UNIT: u64 = 1 << 16;

/// Things that wait for their turn.
#[derive(Debug)]
pub struct Turns<T> {
    callers: HashMap<Arc<str>, Caller<T>>,
    /// The callers that have something waiting, by their time.
    waiting: BTreeSet<(u64, Arc<str>)>,
    /// The callers that have nothing waiting and are ahead of the floor, by their time.
    ahead: BTreeSet<(u64, Arc<str>)>,
    /// The virtual time now, at which a caller starts that had nothing waiting.
    floor: u64,
    len: usize,
}

#[derive(Debug)]
struct Caller<T> {
    time: u64,
    waiting: VecDeque<T>,
}

impl<T> Default for Turns<T> {
    fn default() -> Turns<T> {
        Turns { callers: HashMap::new(), waiting: BTreeSet::new(), ahead: BTreeSet::new(), floor: 0, len: 0 }
    }
}

impl<T> Turns<T> {
    pub fn push(&mut self, name: &Arc<str>, item: T) {
        let floor = self.floor;
        let fresh = || Caller { time: floor, waiting: VecDeque::new() };
        let caller = self.callers.entry(name.clone()).or_insert_with(fresh);
        if caller.waiting.is_empty() {
            self.ahead.remove(&(caller.time, name.clone()));
            caller.time = caller.time.max(floor);
            self.waiting.insert((caller.time, name.clone()));
        }
        caller.waiting.push_back(item);
        self.len += 1;
    }

    /// Takes what is next, and adds its cost to its caller's time.
    pub fn pop(&mut self, cost: impl Fn(&T) -> u64) -> Option<T> {
        let (time, name) = self.waiting.pop_first()?;
        let caller = self.callers.get_mut(&name)?;
        let item = caller.waiting.pop_front()?;
        self.len -= 1;
        let cost = cost(&item).saturating_mul(UNIT);
        // Virtual time runs on by what each of those who wait would have had, so that nobody is for ever behind those who come anew.
        self.floor = self.floor.max(time).saturating_add(cost / (self.waiting.len() as u64 + 2));
        caller.time = time.saturating_add(cost);
        let to = if caller.waiting.is_empty() { &mut self.ahead } else { &mut self.waiting };
        to.insert((caller.time, name));
        // Whoever is not ahead any more starts where the others are, as one who was never here.
        while let Some((_, name)) = self.ahead.first().filter(|(time, _)| *time <= self.floor) {
            self.callers.remove(name);
            self.ahead.pop_first();
        }
        Some(item)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns how many callers have something waiting.
    pub fn callers(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_sends_much_waits_for_itself_and_each_callers_orders_stay_in_order() {
        let (many, few): (Arc<str>, Arc<str>) = ("many".into(), "few".into());
        let mut turns = Turns::default();
        let cost = |(cost, _): &(u64, u32)| *cost;
        (0..10).for_each(|n| turns.push(&many, (1_000, n)));
        let first: Vec<u32> = (0..3).filter_map(|_| turns.pop(cost)).map(|(_, n)| n).collect();
        assert_eq!(first, [0, 1, 2]);
        (100..104).for_each(|n| turns.push(&few, (1, n)));
        assert_eq!((turns.callers(), turns.len()), (2, 11));
        let rest: Vec<u32> = std::iter::from_fn(|| turns.pop(cost)).map(|(_, n)| n).collect();
        assert_eq!(rest, [100, 101, 102, 103, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn nobody_saves_up_by_waiting_and_nobody_is_remembered_for_long() {
        let name = |n: u64| -> Arc<str> { format!("c{n}").into() };
        let mut turns = Turns::default();
        for n in 0..1_000 {
            turns.push(&name(n), (10, n));
            while turns.pop(|(cost, _)| *cost).is_some() {}
        }
        assert!(turns.callers.len() < 20, "{} callers are remembered", turns.callers.len());
        // A caller that was ahead is not again where the others are by having been away for a moment.
        turns.push(&name(0), (100, 0));
        assert_eq!(turns.pop(|(cost, _)| *cost), Some((100, 0)));
        turns.push(&name(0), (100, 0));
        turns.push(&name(5_000), (10, 5_000));
        assert_eq!(turns.pop(|(cost, _)| *cost), Some((10, 5_000)));
    }

    #[test]
    fn whoever_is_ahead_has_its_turn_beside_ever_new_callers() {
        let many: Arc<str> = "many".into();
        let mut turns = Turns::default();
        (0..2).for_each(|_| turns.push(&many, (1_000, 0)));
        assert_eq!(turns.pop(|(cost, _)| *cost), Some((1_000, 0)));
        let before = (1..10_000_u64).find(|n| {
            turns.push(&format!("c{n}").into(), (1, *n));
            turns.pop(|(cost, _)| *cost) == Some((1_000, 0))
        });
        assert!(before.is_some_and(|before| before <= 3_000), "{before:?} came first");
    }
}
