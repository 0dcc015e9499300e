//! Sorting that is charged and polled, because a search may find as many items as there are members.

use super::budget::{Budget, Limit};

/// How many items are sorted between two polls.
const RUN: usize = 4_096;

/// Sorts items by `is_before`, which says of any two different ones whether the first comes first.
pub fn sorted<T: Copy>(
    items: &[T],
    budget: &mut Budget<'_>,
    is_before: impl Fn(&T, &T) -> bool,
) -> Result<Vec<T>, Limit> {
    let order = |a: &T, b: &T| if is_before(a, b) { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater };
    let mut runs: Vec<Vec<T>> = Vec::with_capacity(items.len().div_ceil(RUN));
    for run in items.chunks(RUN) {
        budget.pass(run.len() as u64)?;
        let mut run = run.to_vec();
        run.sort_unstable_by(order);
        runs.push(run);
    }
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        for pair in runs.chunks(2) {
            merged.push(match pair {
                [a, b] => merge(a, b, budget, &is_before)?,
                alone => alone.concat(),
            });
        }
        runs = merged;
    }
    Ok(runs.pop().unwrap_or_default())
}

fn merge<T: Copy>(
    mut a: &[T],
    mut b: &[T],
    budget: &mut Budget<'_>,
    is_before: &impl Fn(&T, &T) -> bool,
) -> Result<Vec<T>, Limit> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    while let ([first_a, rest_a @ ..], [first_b, rest_b @ ..]) = (a, b) {
        if merged.len() % RUN == 0 {
            budget.pass(RUN.min(a.len() + b.len()) as u64)?;
        }
        if is_before(first_b, first_a) {
            merged.push(*first_b);
            b = rest_b;
        } else {
            merged.push(*first_a);
            a = rest_a;
        }
    }
    merged.extend_from_slice(a);
    merged.extend_from_slice(b);
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::super::budget::{NeverStop, Stop, StopReason};
    use super::*;
    use std::cell::Cell;

    #[test]
    fn it_sorts_as_any_other_sort_does() {
        let mut random = fastrand::Rng::with_seed(5);
        for count in [0, 1, 2, RUN, RUN + 1, 3 * RUN + 17, 8 * RUN] {
            let mut items: Vec<u64> = (0..count as u64).collect();
            random.shuffle(&mut items);
            let found = sorted(&items, &mut Budget::unlimited(), |a, b| a < b).unwrap();
            items.sort_unstable();
            assert_eq!(found, items);
        }
    }

    #[test]
    fn it_is_charged_and_stopped() {
        struct After(Cell<u32>);
        impl Stop for After {
            fn stop(&self) -> Option<StopReason> {
                self.0.set(self.0.get().saturating_sub(1));
                (self.0.get() == 0).then_some(StopReason::Cancelled)
            }
        }
        let items: Vec<u64> = (0..20 * RUN as u64).rev().collect();
        for polls in [1, 10, 30] {
            let stop = After(Cell::new(polls));
            let mut budget = Budget::new(u64::MAX, &stop);
            assert_eq!(sorted(&items, &mut budget, |a, b| a < b), Err(Limit::Cancelled), "{polls} polls");
        }
        let mut budget = Budget::new(10, &NeverStop).with_work_max(3 * RUN as u64);
        assert_eq!(sorted(&items, &mut budget, |a, b| a < b), Err(Limit::EdgesVisited));
        assert_eq!((budget.visited(), budget.is_exhausted()), (0, true));
    }
}
