//! The orders in which namespaces are looked for otherwise than by name. They follow from the states, and are kept in step with each.

use imbl::OrdSet;

use crate::domain::{NamespaceName, TimeMs};
use crate::engine::state::State;

/// Namespaces by a time.
pub type ByTime = OrdSet<(TimeMs, NamespaceName)>;

#[derive(Clone, Default, PartialEq, Eq)]
pub struct Indexes {
    /// The namespaces with statuses that expire, by when the first does.
    pub expiring: ByTime,
    /// The namespaces that keep request ids, by when the first of them was answered.
    pub by_request: ByTime,
    /// The namespaces that remember erased ids, by when the first of them is forgotten.
    pub by_erased: ByTime,
    /// The namespaces by how many members they have.
    pub by_size: OrdSet<(u64, NamespaceName)>,
}

impl Indexes {
    pub fn add(&mut self, name: &NamespaceName, state: &State) {
        for (index, time) in self.by_time(state) {
            index.extend(time.map(|time| (time, name.clone())));
        }
        self.by_size.insert((state.member_count(), name.clone()));
    }

    pub fn remove(&mut self, name: &NamespaceName, state: &State) {
        for (index, time) in self.by_time(state) {
            time.and_then(|time| index.remove(&(time, name.clone())));
        }
        self.by_size.remove(&(state.member_count(), name.clone()));
    }

    /// Returns each index by a time, with the time that it has a state under, if it has.
    fn by_time(&mut self, state: &State) -> [(&mut ByTime, Option<TimeMs>); 3] {
        [
            (&mut self.expiring, state.first_expiry()),
            (&mut self.by_request, state.requests().first()),
            (&mut self.by_erased, state.erasures().first_kept_until()),
        ]
    }
}
