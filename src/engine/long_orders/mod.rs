//! Orders that would hold up all others: they wait while a thread prepares a copy of the state for them (`preparation.rs`), and are
//! carried out on that copy when it has caught up. Then little is left to do. To the log, to watchers and to callers they are what they
//! would be if they had been carried out at that moment and at once.

mod carried_out;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::orders::Order;
use super::preparation::{Landed, Preparer};
use super::state::{Plan, State};
use super::threads::Threads;
use crate::domain::Change;

/// Orders that wait behind a long one at most. When there are more, the writer waits, too.
const PARKED_MAX: usize = 1_024;
/// How far a copy may be behind at most, by the weight of what landed. When there are more, the writer waits.
const BEHIND_MAX: usize = 262_144;

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

    /// Whether an order must not overtake the long one, which is of the same namespace: it changes the same member, ends the namespace,
    /// belongs to the same import as it or as one that waits, or is the same request again.
    fn holds_up(&self, order: &Order) -> bool {
        let Some(long) = &self.under_way else { return false };
        if order.namespace() != long.order.namespace() {
            return false;
        }
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
        let ends_it = changes.iter().any(|change| matches!(change, Change::DeleteNamespace {}));
        follows || ends_it || long.plan.meets(changes)
    }

    /// Frees a state that the batch that is applied now drops, once that is written.
    pub fn frees(&mut self, state: Option<Arc<State>>) {
        self.replaced.extend(state);
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
