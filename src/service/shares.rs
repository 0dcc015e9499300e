//! A bound on how many of something there are at once, in all and for one caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what is under way, by its caller.
pub struct Shares {
    total_max: usize,
    per_caller_max: usize,
    taken: Mutex<(usize, HashMap<Arc<str>, usize>)>,
}

impl Shares {
    pub fn new(total_max: usize, per_caller_max: usize) -> Arc<Shares> {
        Arc::new(Shares { total_max, per_caller_max, taken: Mutex::default() })
    }

    /// Takes one more share for a caller; none if the caller, or all together, have as many as they may.
    pub fn take(self: &Arc<Shares>, caller: Arc<str>) -> Option<Share> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, callers) = &mut *taken;
        let own = callers.get(&caller).copied().unwrap_or(0);
        if *total >= self.total_max || own >= self.per_caller_max {
            return None;
        }
        *total += 1;
        callers.insert(caller.clone(), own + 1);
        Some(Share { of: self.clone(), caller })
    }
}

/// A share, which is given back when it is dropped.
pub struct Share {
    of: Arc<Shares>,
    caller: Arc<str>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, callers) = &mut *taken;
        *total -= 1;
        if let Some(own) = callers.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_caller_has_more_than_its_share_and_none_is_counted_when_it_is_gone() {
        let shares = Shares::new(3, 2);
        let first: Vec<Share> = (0..3).filter_map(|_| shares.take("a".into())).collect();
        assert_eq!(first.len(), 2);
        let other = shares.take("b".into());
        assert!(other.is_some() && shares.take("c".into()).is_none());
        drop((first, other));
        assert!(shares.taken.lock().unwrap().1.is_empty());
        assert!((0..2).map(|_| shares.take("c".into())).collect::<Vec<_>>().iter().all(Option::is_some));
    }
}
