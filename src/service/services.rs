//! What all handlers have at hand.

use std::borrow::Cow;

use tokio::sync::watch::Receiver;

use super::call::CallContext;
use super::page::Listing;
use super::watchers::Watchers;
use crate::domain::TimeMs;
use crate::engine::Engine;

/// All services of `kith.v1`, for one namespace. Clones share the engine.
#[derive(Clone)]
pub struct Service {
    pub(super) engine: Engine,
    pub(super) start_time: TimeMs,
    pub(super) watchers: Watchers,
}

impl Service {
    /// Makes the services. `stopping` becomes true when the server stops, which ends streams that would go on for ever.
    pub fn new(engine: Engine, stopping: Receiver<bool>) -> Service {
        let start_time = engine.now();
        let watchers = Watchers::new(&engine, stopping);
        Service { engine, start_time, watchers }
    }

    /// Returns what the pages of a list belong to.
    pub(super) fn listing(&self, rpc: &str, request: &impl prost::Message) -> Listing {
        let created = self.engine.state().map_or(0, |state| state.create_sequence());
        Listing::new(self.engine.token_key(), self.engine.namespace(), created, rpc, request)
    }

    /// Returns the services for the namespace of a call.
    pub(super) fn within(&self, context: &CallContext) -> Cow<'_, Service> {
        let namespace = context.principal.namespace();
        if namespace == self.engine.namespace() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Service { engine: self.engine.within(namespace), ..self.clone() })
    }
}
