//! The table of kinds: at most 64, so that a set of them is a word.

use std::sync::Arc;

use super::half_edge::KindIx;
use crate::domain::Kind;
use crate::domain::limits::KINDS_MAX;

#[derive(Debug, Clone)]
struct Slot {
    kind: Kind,
    /// How many edges are of the kind.
    uses: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Kinds(Arc<Vec<Option<Slot>>>);

impl Kinds {
    pub fn find(&self, name: &str) -> Option<KindIx> {
        self.iter().find(|(_, kind)| kind.name.as_str() == name).map(|(ix, _)| ix)
    }

    /// Returns the kind at an index that may name none.
    pub fn get_any(&self, ix: KindIx) -> Option<&Kind> {
        self.0.get(usize::from(ix.0))?.as_ref().map(|slot| &slot.kind)
    }

    /// Returns the kind at an index that names one.
    pub fn get(&self, ix: KindIx) -> &Kind {
        &self.slot(ix).kind
    }

    pub fn uses(&self, ix: KindIx) -> u64 {
        self.slot(ix).uses
    }

    fn slot(&self, ix: KindIx) -> &Slot {
        self.0.get(usize::from(ix.0)).and_then(Option::as_ref).expect("a kind's index names a registered kind")
    }

    /// Returns all kinds in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (KindIx, &Kind)> {
        let slots = self.0.iter().enumerate();
        slots.filter_map(|(i, slot)| slot.as_ref().map(|slot| (KindIx(i as u8), &slot.kind)))
    }

    /// Registers a kind in the lowest free slot, or returns none if all are taken.
    pub fn add(&mut self, kind: Kind) -> Option<KindIx> {
        let free = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        (free < KINDS_MAX).then(|| {
            let ix = KindIx(free as u8);
            self.put(ix, kind);
            ix
        })
    }

    /// Registers a kind in the slot that the caller names, or changes the kind there.
    pub fn put(&mut self, ix: KindIx, kind: Kind) {
        let slots = Arc::make_mut(&mut self.0);
        let at = usize::from(ix.0);
        if slots.len() <= at {
            slots.resize(at + 1, None);
        }
        let uses = slots[at].as_ref().map_or(0, |slot| slot.uses);
        slots[at] = Some(Slot { kind, uses });
    }

    pub fn remove(&mut self, ix: KindIx) {
        Arc::make_mut(&mut self.0)[usize::from(ix.0)] = None;
    }

    /// Counts `added` more edges of a kind, or fewer if it is negative.
    pub fn count(&mut self, ix: KindIx, added: i64) {
        if let Some(slot) = &mut Arc::make_mut(&mut self.0)[usize::from(ix.0)] {
            slot.uses = slot.uses.saturating_add_signed(added);
        }
    }
}
