//! How the writer takes long orders: it sets them aside, has them prepared, and begins a batch with them.

use std::mem::take;
use std::sync::Arc;

use super::super::batch::Batch;
use super::super::orders::Order;
use super::super::preparation::{Landed, Prepared};
use super::super::state::{Plan, State};
use super::super::writer::Writer;
use super::{LongOrder, changes_of};

/// What the writer makes up for by itself: some milliseconds.
const CAUGHT_UP: usize = 512;
/// How often a copy is sent to catch up at most.
const CATCH_UP_TIMES: u32 = 32;
/// How often a preparation begins anew at most. After that the order is carried out as any other.
const ANEW_TIMES: u32 = 3;

impl Writer {
    /// Gives back an order that can be carried out now: it is not long, and overtakes none that it must not.
    pub(in super::super) fn unless_long(&mut self, order: Order) -> Option<Order> {
        if self.long.holds_up(&order) {
            self.long.parked.push_back(order);
            return None;
        }
        let Some(plan) = self.plan(&order) else { return Some(order) };
        if self.long.is_under_way() {
            self.long.parked.push_back(order);
        } else {
            self.long.under_way = Some(LongOrder { order, plan: plan.into(), landed: None, anew: 0, caught_up: 0 });
        }
        None
    }

    fn plan(&self, order: &Order) -> Option<Plan> {
        let (changes, whole) = changes_of(order)?;
        let published = self.published.borrow();
        published.get(order.namespace()?)?.plan(changes, whole, self.common.options.long_change_edges)
    }

    /// Begins to prepare a long order, and frees what others have replaced. To be called while no batch is on its way to the disk: what
    /// is published is then all there is, unless a batch is in doubt, which a copy made now would lack for ever.
    pub(in super::super) fn begin_long(&mut self) {
        let to_free = take(&mut self.long.to_free);
        if !to_free.is_empty() {
            self.long.preparer.free(to_free);
        }
        if !self.long.replaced.is_empty() {
            // A batch with a long order is not written yet: what follows it would carry that out once more, and all at once.
            return;
        }
        self.disk.find_out();
        if self.disk.is_in_doubt() {
            return;
        }
        let Some(mut long) = self.long.under_way.take_if(|long| long.landed.is_none()) else { return };
        let Some(plan) = self.plan(&long.order) else {
            // What made it long is gone.
            self.long.parked.push_front(long.order);
            return self.unpark();
        };
        let Some(namespace) = long.order.namespace().cloned() else { return };
        let Some(state) = self.published.borrow().get(&namespace).cloned() else { return };
        let landed = Arc::new(Landed::new(namespace));
        (long.plan, long.landed) = (plan.into(), Some(landed.clone()));
        self.long.preparer.prepare(state, long.plan.clone(), landed.clone());
        self.disk.hand_on(Some(landed));
        self.long.under_way = Some(long);
    }

    /// The batch that begins with a long order, if that is prepared by now, or if nothing can be taken before it is. The outer none says
    /// that the thread of the disk has ended.
    pub(in super::super) fn long_batch(&mut self, ended: bool) -> Option<Option<Batch>> {
        if self.long.under_way.as_ref().is_none_or(|long| long.landed.is_none()) {
            // While a batch is in doubt it has the answer that any other has.
            let left = self.long.under_way.take_if(|_| self.disk.is_in_doubt());
            return Some(left.map(|long| {
                let batch = self.at_once(long.order);
                self.unpark();
                batch
            }));
        }
        let wait = ended || self.long.is_full();
        let Some(prepared) = self.long.preparer.prepared(wait) else { return Some(None) };
        self.disk.settle()?;
        let Some(long) = self.long.under_way.take() else { return Some(None) };
        let batch = self.carried_out(long, prepared, wait);
        if batch.is_some() {
            self.unpark();
        }
        Some(batch)
    }

    /// Nothing waits for a long order any more. What was taken out of the queue comes before what is left in it.
    fn unpark(&mut self) {
        self.disk.hand_on(None);
        self.long.parked.append(&mut self.delayed);
        std::mem::swap(&mut self.long.parked, &mut self.delayed);
    }

    /// The long order in a batch. None if its copy is not near enough, or must be made anew.
    fn carried_out(&mut self, mut long: LongOrder, prepared: Prepared, wait: bool) -> Option<Batch> {
        let landed = long.landed.take()?;
        let why = match prepared {
            Ok(state) if !wait && long.caught_up < CATCH_UP_TIMES && landed.weight() > CAUGHT_UP => {
                self.long.preparer.catch_up(state, landed.clone());
                (long.landed, long.caught_up) = (Some(landed), long.caught_up + 1);
                self.long.under_way = Some(long);
                return None;
            }
            Ok(mut state) => match landed.follow(&mut state, &|| true) {
                Ok(()) => return Some(self.swapped(long.order, *state)),
                Err(unusable) => {
                    self.long.to_free.push(Arc::from(state));
                    unusable.to_string()
                }
            },
            Err(why) => why,
        };
        tracing::warn!(%why, "a long command is prepared anew");
        self.common.metrics.prepared_anew.inc();
        long.anew += 1;
        if long.anew > ANEW_TIMES {
            return Some(self.at_once(long.order));
        }
        self.long.under_way = Some(long);
        self.begin_long();
        None
    }

    /// A batch on the copy, with the order first.
    fn swapped(&mut self, order: Order, mut state: State) -> Batch {
        let namespace = order.namespace().cloned().unwrap_or_default();
        let published = self.published.borrow().get(&namespace).cloned();
        let Some(published) = published else { return self.at_once(order) };
        state.count_ahead(&published);
        // Whichever of the two goes with this batch is not freed where others wait.
        let created = published.create_sequence();
        let behind = state.sequence() != published.sequence() || state.create_sequence() != created;
        let replaced = Arc::new(state.clone());
        self.long.replaced.extend([published, replaced]);
        let Some(mut batch) = self.disk.batch_on(&namespace, state).filter(|_| !behind) else {
            return self.at_once(order);
        };
        let left = match order {
            Order::Write(order) => batch.write_prepared(order).map_err(|order| Order::Write(*order)),
            Order::Import(order) if order.stream.is_broken() || !order.stream.stays_in(created) => {
                Err(Order::Import(order))
            }
            Order::Import(order) => batch.import_prepared(order).map_err(Order::Import),
            other => Err(other),
        };
        match left {
            Ok(()) => {
                self.common.metrics.prepared.inc();
                batch
            }
            Err(order) => self.at_once(order),
        }
    }

    /// A batch with the order carried out as any other.
    fn at_once(&mut self, order: Order) -> Batch {
        let mut batch = self.disk.batch();
        let state = order.namespace().and_then(|namespace| self.published.borrow().get(namespace).cloned());
        self.long.replaced.extend(state);
        match order {
            Order::Write(order) => batch.write(order),
            Order::Import(order) => batch.import(order),
            _ => {}
        }
        batch
    }
}
