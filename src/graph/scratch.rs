//! Dense scratch space: a place for each member, found by its index alone, used by one query after the other.
//!
//! It is made once and never cleared in full: a query takes back what it wrote. So a query costs what it visits, however large
//! the graph is, and looks nothing up.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use super::half_edge::MemberIx;

/// Scratch space that no query uses now; there is as much as there ever were queries at once.
static UNUSED: Mutex<Vec<Scratch>> = Mutex::new(Vec::new());

#[derive(Debug, Default)]
pub struct Scratch {
    /// What a search notes of a member; 0 of all that it has not seen.
    pub marks: Vec<u8>,
    /// The members it has seen, in order: each one whose mark is not 0 is in one of these.
    pub seen: [Vec<MemberIx>; 2],
    /// Members from which a search goes on, each with what it goes on with.
    pub arriving: Vec<(MemberIx, u8)>,
}

impl Scratch {
    /// Takes back all marks.
    fn clear(&mut self) {
        for seen in &mut self.seen {
            // Bytes side by side are cleared 64 at a time.
            if seen.len() > self.marks.len() / 32 {
                self.marks.fill(0);
            } else {
                seen.iter().for_each(|member| self.marks[member.0 as usize] = 0);
            }
            seen.clear();
        }
    }
}

/// Scratch space in use.
pub struct Lease(Scratch);

/// Scratch space for a graph of so many places.
pub fn lease(places: usize) -> Lease {
    let mut scratch = unused().pop().unwrap_or_default();
    if scratch.marks.len() < places {
        // All are 0: larger ones are made without a copy, and without a touch where the system has zeros at hand.
        scratch.marks = vec![0; places];
    }
    Lease(scratch)
}

/// What is in the pool is clean, whatever happened to the thread that put it there.
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
