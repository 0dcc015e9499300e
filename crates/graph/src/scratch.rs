//! Dense scratch space: a slot for each member, found by its index alone, used by one query after the other.
//!
//! It is made once and never cleared in full, because a query takes back what it wrote. So a query costs what it visits, however large the
//! graph is, and looks nothing up.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use super::half_edge::MemberIx;

/// The scratch spaces that no query uses now. There are as many as there ever were queries at once.
static UNUSED: Mutex<Vec<Scratch>> = Mutex::new(Vec::new());

#[derive(Debug, Default)]
pub struct Scratch {
    /// What a search notes of each member; 0 for a member that it has not seen.
    pub marks: Vec<u8>,
    /// The members that the search has seen, in order. Each one whose mark is not 0 is in one of these lists.
    pub seen: [Vec<MemberIx>; 2],
    /// The members from which a search goes on, each with the bits it goes on with.
    pub arriving: Vec<(MemberIx, u8)>,
    /// The sums that arrive at members.
    pub sums: Dense<f64>,
}

/// A value for each member. All are forgotten at once: a value counts only if it was set since the last `begin`.
#[derive(Debug, Default)]
pub struct Dense<T> {
    epoch: u32,
    values: Vec<(T, u32)>,
}

impl<T: Copy + Default> Dense<T> {
    /// Forgets all values, and makes room for so many members.
    pub fn begin(&mut self, slots: usize) {
        if self.values.len() < slots || self.epoch == u32::MAX {
            self.values = vec![(T::default(), 0); slots];
            self.epoch = 0;
        }
        self.epoch += 1;
    }

    pub fn has(&self, slot: u32) -> bool {
        self.values[slot as usize].1 == self.epoch
    }

    /// Returns the value of a slot, or the default one where none was set.
    pub fn get(&self, slot: u32) -> T {
        let (value, epoch) = self.values[slot as usize];
        if epoch == self.epoch { value } else { T::default() }
    }

    /// Returns the value of a slot, or the default one where none was set, and whether none was.
    #[inline]
    pub fn entry(&mut self, slot: u32) -> (&mut T, bool) {
        let (value, epoch) = &mut self.values[slot as usize];
        let new = *epoch != self.epoch;
        if new {
            *epoch = self.epoch;
            *value = T::default();
        }
        (value, new)
    }
}

impl Scratch {
    /// Takes back all marks.
    fn clear(&mut self) {
        for seen in &mut self.seen {
            // Clearing all marks in order, 64 bytes at a time, is faster than one by one when many are set.
            if seen.len() > self.marks.len() / 32 {
                self.marks.fill(0);
            } else {
                seen.iter().for_each(|member| self.marks[member.0 as usize] = 0);
            }
            seen.clear();
        }
    }
}

/// Scratch space in use. It goes back to the pool when it is dropped.
pub struct Lease(Scratch);

/// Leases scratch space for a graph of so many slots.
pub fn lease(slots: usize) -> Lease {
    let mut scratch = unused().pop().unwrap_or_default();
    if scratch.marks.len() < slots {
        // All marks are 0, so a larger array is made without a copy, and without a touch where the system has zeros at hand.
        scratch.marks = vec![0; slots];
    }
    Lease(scratch)
}

/// Locks the pool. What is in it is clean, even if a thread that held the lock panicked.
fn unused() -> std::sync::MutexGuard<'static, Vec<Scratch>> {
    UNUSED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.clear();
        unused().push(std::mem::take(&mut self.0));
    }
}

impl Deref for Lease {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.0
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_forgotten_at_each_begin_and_when_the_epochs_begin_anew() {
        // Some values were set in the first epochs, and never since.
        let mut dense = Dense { epoch: u32::MAX - 2, values: vec![(9, 1), (9, 2), (9, 3), (0, 0)] };
        for begun in 0..5 {
            dense.begin(4);
            let seen: Vec<bool> = (0..4).map(|slot| dense.has(slot)).collect();
            assert_eq!((seen, dense.get(begun % 4)), (vec![false; 4], 0), "after {begun} more");
            assert_eq!(dense.entry(begun % 4), (&mut 0, true));
            *dense.entry(begun % 4).0 = 7;
            assert_eq!(dense.entry(begun % 4), (&mut 7, false));
            assert!(!dense.has((begun + 1) % 4));
        }
        assert_eq!(dense.epoch, 3, "they began anew after the last");
    }

    #[test]
    fn marks_are_taken_back_however_many_there_are() {
        for marked in [1, 999] {
            let mut scratch = Scratch { marks: vec![0; 1_000], ..Scratch::default() };
            for (at, member) in (0..marked).map(MemberIx).enumerate() {
                scratch.marks[member.0 as usize] = 1;
                scratch.seen[at % 2].push(member);
            }
            scratch.seen[1].push(MemberIx(999));
            scratch.marks[999] = 1;
            scratch.clear();
            assert!(scratch.marks.iter().all(|mark| *mark == 0) && scratch.seen.iter().all(Vec::is_empty), "{marked}");
        }
    }
}
