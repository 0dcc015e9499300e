//! Which members have a label.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use roaring::RoaringBitmap;
use xxhash_rust::xxh3::Xxh3;

use crate::domain::{Asked, Clause, MemberFilter};
use crate::graph::MemberIx;

/// The hash of a label's key and value, or of the key alone, which stands for any value.
type Label = u128;

/// The members by every label: a bitmap for each 65,536 of them, which copies of a state share until one is changed.
#[derive(Debug, Clone, Default)]
pub struct LabelIndex {
    bitmaps: OrdMap<(Label, u16), Arc<RoaringBitmap>>,
}

impl LabelIndex {
    pub fn add(&mut self, member: MemberIx, labels: &BTreeMap<String, String>) {
        for label in labels_of(labels) {
            Arc::make_mut(self.bitmaps.entry((label, page_of(member))).or_default()).insert(member.0);
        }
    }

    /// Takes back an `add` of the same labels.
    pub fn remove(&mut self, member: MemberIx, labels: &BTreeMap<String, String>) {
        for key in labels_of(labels).map(|label| (label, page_of(member))) {
            let Some(bitmap) = self.bitmaps.get_mut(&key) else { continue };
            let bitmap = Arc::make_mut(bitmap);
            bitmap.remove(member.0);
            if bitmap.is_empty() {
                self.bitmaps.remove(&key);
            }
        }
    }

    /// Returns those who meet the clauses of a filter that ask for labels alone, in index order, of the members with indices below a number;
    /// none where the filter has no such clause, so that the index leaves nobody out.
    pub fn narrow(&self, filter: &MemberFilter, below: usize) -> Option<impl Iterator<Item = MemberIx>> {
        let clauses: Vec<Vec<Label>> = filter.clauses().iter().filter_map(labels_asked).collect();
        let narrows = !clauses.is_empty();
        let met_on = move |page: u16| {
            let mut met = clauses.iter().map(|labels| self.any_of(labels, page));
            let first = met.next().unwrap_or_default();
            met.fold(first, |met, other| met & other)
        };
        narrows.then(|| (0..=u16::MAX).take(below.div_ceil(1 << 16)).flat_map(met_on).map(MemberIx))
    }

    fn any_of(&self, labels: &[Label], page: u16) -> RoaringBitmap {
        let bitmaps = labels.iter().filter_map(|label| self.bitmaps.get(&(*label, page)));
        bitmaps.fold(RoaringBitmap::new(), |any, bitmap| any | &**bitmap)
    }

    /// Returns every member for each of its labels, in an order that the content decides.
    pub fn iter(&self) -> impl Iterator<Item = (Label, MemberIx)> {
        self.bitmaps.iter().flat_map(|((label, _), bitmap)| bitmap.iter().map(|member| (*label, MemberIx(member))))
    }
}

fn page_of(member: MemberIx) -> u16 {
    (member.0 >> 16) as u16
}

fn labels_of(labels: &BTreeMap<String, String>) -> impl Iterator<Item = Label> {
    labels.iter().flat_map(|(key, value)| [label(key, None), label(key, Some(value))])
}

/// Returns the labels that a clause asks for, if it asks for nothing else.
fn labels_asked(clause: &Clause) -> Option<Vec<Label>> {
    let mut labels = Vec::new();
    for condition in clause {
        match &condition.asked {
            Asked::Label { .. } if condition.negated => return None,
            Asked::Label { key, values } if values.is_empty() => labels.push(label(key, None)),
            Asked::Label { key, values } => labels.extend(values.iter().map(|value| label(key, Some(value)))),
            _ => return None,
        }
    }
    Some(labels)
}

fn label(key: &str, value: Option<&str>) -> Label {
    let mut hash = Xxh3::new();
    hash.update(&(key.len() as u64).to_le_bytes());
    hash.update(key.as_bytes());
    if let Some(value) = value {
        hash.update(&[1]);
        hash.update(value.as_bytes());
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::domain::{Condition, MemberAttrs, MemberId, Topic};

    const KEYS: [&str; 3] = ["city", "team", "k"];
    const VALUES: [&str; 4] = ["Ulm", "Zürich", "", "7"];
    /// One above what a page holds: the members are on three pages.
    const BETWEEN: u32 = 65_537;

    fn some_labels(random: &mut Rng) -> BTreeMap<String, String> {
        let keys = KEYS.iter().filter(|_| random.bool()).collect::<Vec<_>>();
        keys.into_iter().map(|key| ((*key).to_owned(), (*random.choice(&VALUES).unwrap()).to_owned())).collect()
    }

    fn some_condition(random: &mut Rng) -> Condition {
        let values = VALUES.iter().filter(|_| random.u8(..3) == 0).map(|value| (*value).to_owned()).collect();
        let asked = match random.u8(..6) {
            0 => Asked::Topic(Topic::parse("topic", "dogs").unwrap()),
            1 => Asked::id_prefix("m1".to_owned()).unwrap(),
            _ => Asked::label((*random.choice(&KEYS).unwrap()).to_owned(), values).unwrap(),
        };
        Condition { negated: random.u8(..4) == 0, asked }
    }

    #[test]
    fn the_index_leaves_whoever_passes_and_leaves_out_nobody_else_where_labels_alone_are_asked_for() {
        let random = &mut Rng::with_seed(3);
        for _ in 0..300 {
            let mut index = LabelIndex::default();
            let mut members: BTreeMap<MemberIx, BTreeMap<String, String>> = BTreeMap::new();
            for _ in 0..60 {
                let (ix, after) = (MemberIx(random.u32(..12) * BETWEEN / 4), some_labels(random));
                let before = index.clone();
                let was = members.insert(ix, after.clone()).unwrap_or_default();
                let kept: Vec<_> = before.iter().collect();
                index.remove(ix, &was);
                index.add(ix, &after);
                assert_eq!(before.iter().collect::<Vec<_>>(), kept, "a copy stays as it was");
            }
            let mut fresh = LabelIndex::default();
            members.iter().for_each(|(ix, labels)| fresh.add(*ix, labels));
            assert_eq!(index.iter().collect::<Vec<_>>(), fresh.iter().collect::<Vec<_>>());
            for _ in 0..20 {
                let mut clause = || (0..random.usize(1..3)).map(|_| some_condition(random)).collect::<Clause>();
                let mut clauses = vec![clause(), clause(), clause()];
                clauses.truncate(random.usize(1..=3));
                let asks_labels_alone = clauses.iter().all(|clause| labels_asked(clause).is_some());
                let narrows = clauses.iter().any(|clause| labels_asked(clause).is_some());
                let filter = MemberFilter::new(clauses).unwrap();
                let passes = |labels: &BTreeMap<String, String>| {
                    let attrs = MemberAttrs { labels: labels.clone(), ..MemberAttrs::default() };
                    filter.passes(&MemberId::parse("id", "m1").unwrap(), Some(&attrs))
                };
                let passing = members.iter().filter(|(_, labels)| passes(labels)).map(|(ix, _)| *ix);
                let passing: Vec<MemberIx> = passing.collect();
                let narrowed = index.narrow(&filter, 4 << 16).map(|members| members.collect::<Vec<_>>());
                assert_eq!(narrowed.is_some(), narrows);
                let Some(narrowed) = narrowed else { continue };
                assert!(passing.iter().all(|ix| narrowed.contains(ix)) && narrowed.is_sorted());
                assert!(!asks_labels_alone || narrowed == passing);
            }
        }
    }
}
