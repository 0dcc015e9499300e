//! Orders that would hold up all others: they wait while a thread prepares a copy of the state for them (`preparation.rs`), and are
//! carried out on that copy when it has caught up. Then little is left to do. To the log, to watchers and to callers they are what they
//! would be if they had been carried out at that moment and at once.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::ahead::Plan;
use super::batch::Batch;
use super::preparation::{Landed, Prepared, Preparer};
use super::state::State;
use super::threads::Threads;
use super::writer::{Order, Writer};
use crate::domain::Change;

/// Orders that wait behind a long one at most. When there are more, the writer waits, too.
const PARKED_MAX: usize = 1_024;
/// How far a copy may be behind at most, by the weight of what landed. When there are more, the writer waits.
const BEHIND_MAX: usize = 262_144;
/// What the writer makes up for by itself: some milliseconds.
const CAUGHT_UP: usize = 512;
/// How often a copy is sent to catch up at most.
const CATCH_UP_TIMES: u32 = 32;
/// How often a preparation begins anew at most. After that the order is carried out as any other.
const ANEW_TIMES: u32 = 3;

pub struct LongOrders {
    preparer: Preparer,
    under_way: Option<LongOrder>,
    /// What must not overtake it, in order.
    parked: VecDeque<Order>,
    /// States of which much is dropped with the batch that was applied last, and with the one that was written last.
    replaced: Vec<Arc<State>>,
    to_free: Vec<Arc<State>>,
}

struct LongOrder {
    order: Order,
    plan: Arc<Plan>,
    /// None until it is begun.
    landed: Option<Arc<Landed>>,
    anew: u32,
    caught_up: u32,
}

impl LongOrders {
    pub fn start(threads: &Threads, orders: mpsc::WeakSender<Order>) -> std::io::Result<LongOrders> {
        let preparer = Preparer::start(threads, orders)?;
        let (replaced, to_free) = (Vec::new(), Vec::new());
        Ok(LongOrders { preparer, under_way: None, parked: VecDeque::new(), replaced, to_free })
    }

    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether nothing more can be taken before the long order is over.
    pub fn is_full(&self) -> bool {
        let behind = self.under_way.iter().filter_map(|long| long.landed.as_ref()).map(|landed| landed.weight());
        self.parked.len() >= PARKED_MAX || behind.sum::<usize>() > BEHIND_MAX
    }

    /// Whether an order must not overtake the long one: it changes the same member, belongs to the same import as it or as one that
    /// waits, or is the same request again.
    fn holds_up(&self, order: &Order) -> bool {
        let Some(long) = &self.under_way else { return false };
        let waiting = || std::iter::once(&long.order).chain(&self.parked);
        let (changes, follows) = match order {
            Order::Write(order) => {
                let request = order.request.map(|request| (request.scope, request.id));
                let is_same = |other: &Order| match other {
                    Order::Write(other) => other.request.map(|request| (request.scope, request.id)) == request,
                    _ => false,
                };
                (&order.changes, request.is_some() && waiting().any(is_same))
            }
            Order::Import(order) => {
                let is_same = |other: &Order| match other {
                    Order::Import(other) => other.stream.is(&order.stream),
                    _ => false,
                };
                (&order.changes, waiting().any(is_same))
            }
            _ => return false,
        };
        follows || long.plan.meets(changes)
    }

    /// A batch is on its way to the disk, or is there: what it replaced can be freed when it is.
    pub fn written(&mut self) {
        self.to_free.append(&mut self.replaced);
    }

    /// Ends the thread.
    pub fn end(&mut self) {
        self.preparer.end();
    }
}

fn changes_of(order: &Order) -> Option<(&[Change], bool)> {
    match order {
        Order::Write(order) => Some((&order.changes, true)),
        Order::Import(order) => Some((&order.changes, false)),
        _ => None,
    }
}

impl Writer {
    /// Gives back an order that can be carried out now: it is not long, and overtakes none that it must not.
    pub(super) fn unless_long(&mut self, order: Order) -> Option<Order> {
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
        self.published.borrow().plan(changes, whole, self.common.options.long_change_edges)
    }

    /// Begins to prepare a long order, and frees what others have replaced. To be called while no batch is on its way to the disk: what
    /// is published is then all there is.
    pub(super) fn begin_long(&mut self) {
        let to_free = take(&mut self.long.to_free);
        if !to_free.is_empty() {
            self.long.preparer.free(to_free);
        }
        if !self.long.replaced.is_empty() {
            // A batch with a long order is not written yet: what follows it would carry that out once more, and all at once.
            return;
        }
        let Some(mut long) = self.long.under_way.take_if(|long| long.landed.is_none()) else { return };
        let Some(plan) = self.plan(&long.order) else {
            // What made it long is gone.
            self.long.parked.push_front(long.order);
            return self.unpark();
        };
        let landed = Arc::new(Landed::default());
        (long.plan, long.landed) = (plan.into(), Some(landed.clone()));
        self.long.preparer.prepare(self.published.borrow().clone(), long.plan.clone(), landed.clone());
        self.disk.hand_on(Some(landed));
        self.long.under_way = Some(long);
    }

    /// The batch that begins with a long order, if that is prepared by now, or if nothing can be taken before it is. The outer none says
    /// that the thread of the disk has ended.
    pub(super) fn long_batch(&mut self, ended: bool) -> Option<Option<Batch>> {
        if self.long.under_way.as_ref().is_none_or(|long| long.landed.is_none()) {
            return Some(None);
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
        let landed = long.landed.take().unwrap_or_default();
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
        let published = self.published.borrow().clone();
        state.count_ahead(&published);
        // Whichever of the two goes with this batch is not freed where others wait.
        let behind = state.sequence() != published.sequence();
        let replaced = Arc::new(state.clone());
        self.long.replaced.extend([published, replaced]);
        let Some(mut batch) = self.disk.batch_on(state).filter(|_| !behind) else { return self.at_once(order) };
        let left = match order {
            Order::Write(order) => batch.write_prepared(order).map_err(Order::Write),
            Order::Import(order) if order.stream.is_broken() => Err(Order::Import(order)),
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
        self.long.replaced.push(self.published.borrow().clone());
        match order {
            Order::Write(order) => batch.write(order),
            Order::Import(order) => batch.import(order),
            _ => {}
        }
        batch
    }
}
