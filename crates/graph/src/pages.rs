//! A persistent array: a clone shares everything with the original, and a change copies one page and the path to it.

use std::sync::Arc;

/// Items on one page, which a change of one of them copies. They are few, because copying an item also counts the references it holds.
const PAGE_ITEMS: usize = 8;
/// Pages under one branch, and branches under one limb.
const BRANCH_PAGES: usize = 32;
const LIMB_BRANCHES: usize = 64;

const BRANCH_ITEMS: usize = BRANCH_PAGES * PAGE_ITEMS;
const LIMB_ITEMS: usize = LIMB_BRANCHES * BRANCH_ITEMS;

type Page<T> = Arc<[T]>;
type Branch<T> = Arc<[Page<T>]>;
type Limb<T> = Arc<[Branch<T>]>;

/// A growable array of `T` whose clones share structure. Cloning copies the root alone: a pointer for every 16,384 items.
#[derive(Debug, Clone)]
pub struct Pages<T> {
    limbs: Vec<Limb<T>>,
    len: usize,
}

impl<T> Default for Pages<T> {
    fn default() -> Pages<T> {
        Pages { limbs: Vec::new(), len: 0 }
    }
}

impl<T> Pages<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        let limb = self.limbs.get(index / LIMB_ITEMS)?;
        let branch = limb.get(index / BRANCH_ITEMS % LIMB_BRANCHES)?;
        branch.get(index / PAGE_ITEMS % BRANCH_PAGES)?.get(index % PAGE_ITEMS)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let branches = self.limbs.iter().flat_map(|limb| limb.iter());
        branches.flat_map(|branch| branch.iter()).flat_map(|page| page.iter())
    }
}

impl<T: Clone> Pages<T> {
    /// Returns the item in a page of its own, which is copied if a clone shares it.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let limb = Arc::make_mut(self.limbs.get_mut(index / LIMB_ITEMS)?);
        let branch = Arc::make_mut(limb.get_mut(index / BRANCH_ITEMS % LIMB_BRANCHES)?);
        let page = Arc::make_mut(branch.get_mut(index / PAGE_ITEMS % BRANCH_PAGES)?);
        page.get_mut(index % PAGE_ITEMS)
    }

    /// Adds an item at the end. The last page is written anew, and so is a branch or a limb when a page begins in it.
    pub fn push(&mut self, item: T) {
        let (limb, branch, page) =
            (self.len / LIMB_ITEMS, self.len / BRANCH_ITEMS % LIMB_BRANCHES, self.len / PAGE_ITEMS % BRANCH_PAGES);
        self.len += 1;
        let Some(last_limb) = self.limbs.get_mut(limb) else {
            return self.limbs.push([[[item].into()].into()].into());
        };
        if branch == last_limb.len() {
            return *last_limb = longer(last_limb, [[item].into()].into());
        }
        let last_branch = &mut Arc::make_mut(last_limb)[branch];
        if page == last_branch.len() {
            return *last_branch = longer(last_branch, [item].into());
        }
        let last_page = &mut Arc::make_mut(last_branch)[page];
        *last_page = longer(last_page, item);
    }
}

fn longer<T: Clone>(items: &[T], last: T) -> Arc<[T]> {
    let mut longer = Vec::with_capacity(items.len() + 1);
    longer.extend_from_slice(items);
    longer.push(last);
    longer.into()
}

impl<T: Clone> FromIterator<T> for Pages<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Pages<T> {
        let mut items = items.into_iter().peekable();
        let mut pages = Pages::default();
        let (mut limb, mut branch) = (Vec::new(), Vec::new());
        while items.peek().is_some() {
            let page: Page<T> = items.by_ref().take(PAGE_ITEMS).collect::<Vec<T>>().into();
            pages.len += page.len();
            branch.push(page);
            if branch.len() == BRANCH_PAGES || items.peek().is_none() {
                limb.push(Branch::from(std::mem::take(&mut branch)));
            }
            if limb.len() == LIMB_BRANCHES || items.peek().is_none() {
                pages.limbs.push(Limb::from(std::mem::take(&mut limb)));
            }
        }
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_had() {
        let built: Pages<usize> = (0..40_000).collect();
        let mut pages = Pages::default();
        for i in 0..40_000 {
            assert_eq!(pages.get(i), None);
            pages.push(i);
        }
        assert!(built.iter().eq(pages.iter()) && built.len() == pages.len());
        for mut pages in [built, pages] {
            let before = pages.clone();
            for i in (0..40_000).step_by(7) {
                *pages.get_mut(i).unwrap() += 1;
            }
            pages.push(40_000);
            assert!(before.iter().copied().eq(0..40_000));
            assert_eq!((before.len(), before.get(40_000)), (40_000, None));
            assert_eq!((pages.get(0), pages.get(1), pages.get(40_000)), (Some(&1), Some(&1), Some(&40_000)));
            assert_eq!(pages.get(7), Some(&8));
            assert_eq!(pages.get_mut(40_001), None);
        }
        let none: Pages<usize> = std::iter::empty().collect();
        assert!(none.is_empty() && none.get(0).is_none());
    }
}
