//! A namespace that is restored into a store. It comes by several commands, and gets its erasure key by the last: one without is what a
//! restore that was cut short has left, and the next start deletes it.

use std::sync::Arc;

use tokio::sync::watch;

use super::batch::new_key;
use super::common::Common;
use super::handle::Engine;
use super::namespaces::Namespaces;
use super::state::State;
use super::writer::namespace_begun;
use crate::domain::{Change, Error, NamespaceName, Scope};
use crate::store::{Store, StoreError};

/// What the erasure journal knows a restored namespace by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoredKey {
    /// The key that it had: it is the namespace that it was, and whoever is erased in it stays so if an older backup is restored.
    Own,
    /// A new one: no journal knows it, so that one that says that the namespace was erased does not delete it again.
    New,
}

impl Engine {
    /// Makes the handle's namespace, to be filled with what a state holds.
    pub async fn begin_restored(&self) -> Result<(), Error> {
        self.write_whole(namespace_begun(Scope::SHARED, None, 0)).await
    }

    /// Makes the handle's namespace whole, once all else that a state holds is in it: it gets a key, and the erasures that the state knows.
    pub async fn end_restored(&self, state: &State, key: RestoredKey) -> Result<(), Error> {
        let erasures = state.erasures();
        let own = erasures.own_key().filter(|_| key == RestoredKey::Own).or_else(new_key);
        let key = own.ok_or_else(|| Error::Internal("the system gives no random bytes".to_owned()))?;
        let remember = |(key, erased)| Change::RememberErased { key, erased };
        let mut changes = vec![Change::KeepErased { key, days: erasures.days() }];
        changes.extend(erasures.together(state.time()).into_iter().map(remember));
        self.write_whole(changes).await
    }
}

impl State {
    /// Returns whether it is of a namespace whose restore was cut short.
    pub fn is_half_restored(&self, name: &NamespaceName) -> bool {
        !name.is_default() && self.erasures().own_key().is_none()
    }
}

impl Common {
    /// Deletes the namespaces that were not restored to their end.
    pub fn delete_half_restored(
        &self,
        store: &mut Store,
        publish: &watch::Sender<Arc<Namespaces>>,
    ) -> Result<(), StoreError> {
        let begun = publish.borrow().clone();
        let half = begun.iter().filter(|(name, state)| state.is_half_restored(name));
        let half: Vec<NamespaceName> = half.map(|(name, _)| name.clone()).collect();
        half.into_iter().try_for_each(|name| {
            tracing::warn!(namespace = %name, "a namespace is deleted whose restore was cut short");
            self.carry_out(store, publish, name, vec![Change::DeleteNamespace {}])
        })
    }
}
