//! A namespace from its creation to its deletion: whoever goes on with a state of it learns that it is gone.

use std::sync::Arc;

use tokio::sync::watch;

use super::handle::Engine;
use super::namespaces::{Namespaces, no_namespace};
use super::state::State;
use crate::domain::{Error, NamespaceName, Sequence};

/// The lifetime of one namespace. A namespace that is created under its name later is another.
pub struct Lifetime {
    published: watch::Receiver<Arc<Namespaces>>,
    namespace: NamespaceName,
    created: Sequence,
}

impl Engine {
    /// Returns the lifetime that a state of the handle's namespace is of.
    pub fn lifetime(&self, state: &State) -> Lifetime {
        let (published, namespace) = (self.published.clone(), self.namespace.clone());
        Lifetime { published, namespace, created: state.create_sequence() }
    }
}

impl Lifetime {
    /// Returns the error that there is no such namespace, once it was deleted.
    pub fn check(&self) -> Result<(), Error> {
        let is_over = self.published.borrow().find(&self.namespace)?.create_sequence() != self.created;
        if is_over { Err(no_namespace(&self.namespace)) } else { Ok(()) }
    }
}
