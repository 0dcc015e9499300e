//! A persistent array: a clone shares everything with the original, and a change copies one page.

use std::sync::Arc;

/// Items on one page: what a change of one of them copies.
const PAGE_ITEMS: usize = 64;
/// Pages under one branch.
const BRANCH_PAGES: usize = 256;

/// A growable array of `T` whose clones share structure. Cloning copies the root alone: a pointer for every 16,384 items.
#[derive(Debug, Clone)]
pub struct Pages<T> {
    branches: Vec<Arc<Branch<T>>>,
    len: usize,
}

#[derive(Debug, Clone)]
struct Branch<T>(Vec<Arc<Vec<T>>>);

impl<T> Default for Pages<T> {
    fn default() -> Pages<T> {
        Pages { branches: Vec::new(), len: 0 }
    }
}

impl<T> Pages<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get(&self, index: usize) -> Option<&T> {
        let page = index / PAGE_ITEMS;
        self.branches.get(page / BRANCH_PAGES)?.0.get(page % BRANCH_PAGES)?.get(index % PAGE_ITEMS)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.branches.iter().flat_map(|branch| branch.0.iter()).flat_map(|page| page.iter())
    }
}

impl<T: Clone> Pages<T> {
    /// The item, in a page of its own: copied if a clone shares it.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let page = index / PAGE_ITEMS;
        let branch = Arc::make_mut(self.branches.get_mut(page / BRANCH_PAGES)?);
        Arc::make_mut(branch.0.get_mut(page % BRANCH_PAGES)?).get_mut(index % PAGE_ITEMS)
    }

    pub fn push(&mut self, item: T) {
        if self.len.is_multiple_of(PAGE_ITEMS * BRANCH_PAGES) {
            self.branches.push(Arc::new(Branch(Vec::with_capacity(BRANCH_PAGES))));
        }
        let last = self.branches.last_mut().expect("a branch was pushed for the first item");
        let branch = Arc::make_mut(last);
        if self.len.is_multiple_of(PAGE_ITEMS) {
            branch.0.push(Arc::new(Vec::with_capacity(PAGE_ITEMS)));
        }
        let page = branch.0.last_mut().expect("a page was pushed for the first item");
        Arc::make_mut(page).push(item);
        self.len += 1;
    }
}

impl<T: Clone> FromIterator<T> for Pages<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Pages<T> {
        let mut pages = Pages::default();
        items.into_iter().for_each(|item| pages.push(item));
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_had() {
        let mut pages: Pages<usize> = (0..40_000).collect();
        let before = pages.clone();
        for i in (0..40_000).step_by(7) {
            *pages.get_mut(i).unwrap() += 1;
        }
        pages.push(40_000);
        assert!(before.iter().copied().eq(0..40_000));
        assert_eq!((before.len(), before.get(40_000)), (40_000, None));
        assert_eq!((pages.get(0), pages.get(1), pages.get(40_000)), (Some(&1), Some(&1), Some(&40_000)));
        assert_eq!(pages.get(7), Some(&8));
    }
}
