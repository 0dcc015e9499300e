//! Amounts that callers take of something that there is a bound of, each of whom leaves room for the others.

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use crate::domain::Scope;

/// What each caller takes, and all of them together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares {
    total: u64,
    /// By caller; none of those that take nothing.
    own: OrdMap<Scope, u64>,
}

impl Shares {
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns what a caller takes.
    pub fn of(&self, scope: Scope) -> u64 {
        self.own.get(&scope).copied().unwrap_or(0)
    }

    pub fn add(&mut self, scope: Scope, amount: u64) {
        self.total += amount;
        *self.own.entry(scope).or_insert(0) += amount;
    }

    pub fn subtract(&mut self, scope: Scope, amount: u64) {
        self.total = self.total.saturating_sub(amount);
        match self.of(scope).saturating_sub(amount) {
            0 => drop(self.own.remove(&scope)),
            left => drop(self.own.insert(scope, left)),
        }
    }

    /// Takes over how a part of what is counted here has changed. Only what differs is looked at, however many callers there are.
    pub fn replace(&mut self, before: &Shares, after: &Shares) {
        for changed in before.own.diff(&after.own) {
            match changed {
                DiffItem::Add(scope, amount) => self.add(*scope, *amount),
                DiffItem::Remove(scope, amount) => self.subtract(*scope, *amount),
                DiffItem::Update { old: (scope, old), new: (_, new) } => {
                    self.subtract(*scope, *old);
                    self.add(*scope, *new);
                }
            }
        }
    }

    /// Returns whether a caller may take so much more where there is `most` in all. One that has a name leaves the others half of what they do
    /// not take themselves.
    pub fn has_room(&self, scope: Scope, more: u64, most: u64) -> bool {
        let own = self.of(scope);
        let left = most.saturating_sub(self.total - own);
        own + more <= if scope == Scope::SHARED { left } else { left / 2 }
    }

    /// Returns whether the sum is that of all callers.
    pub fn is_sound(&self) -> bool {
        self.total == self.own.values().sum::<u64>() && self.own.values().all(|own| *own > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_leaves_the_others_half_of_what_they_do_not_take() {
        let mut shares = Shares::default();
        let mut fill = |scope| {
            let mut taken = 0;
            while shares.has_room(scope, 1, 100) {
                shares.add(scope, 1);
                taken += 1;
            }
            taken
        };
        assert_eq!([Scope(11), Scope(12), Scope::SHARED].map(&mut fill), [50, 25, 25]);
        assert!(!shares.has_room(Scope(13), 1, 100));
        shares.subtract(Scope(11), 50);
        assert!(shares.has_room(Scope(13), 25, 100) && !shares.has_room(Scope(13), 26, 100));
        assert!(shares.is_sound());
    }

    #[test]
    fn a_part_that_changes_changes_the_sum_alike() {
        let of = |amounts: &[(u64, u64)]| {
            let mut shares = Shares::default();
            amounts.iter().for_each(|(scope, amount)| shares.add(Scope(*scope), *amount));
            shares
        };
        let mut all = of(&[(1, 10), (2, 5), (3, 1)]);
        all.replace(&of(&[(1, 4), (2, 5)]), &of(&[(1, 6), (4, 9)]));
        assert_eq!(all, of(&[(1, 12), (3, 1), (4, 9)]));
        assert!(all.is_sound());
    }
}
