//! A caller, and the roles that say what it may do.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;

use crate::domain::limits::NAMESPACE_DEFAULT;
use crate::domain::{MemberId, NamespaceName};
use crate::service::{Behalf, CallerId, NamespaceScope};

/// A role, which allows a caller a class of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Allows reads on behalf of a viewer.
    Read,
    /// Allows every write, erasures too.
    Write,
    /// Allows every read: those on nobody's behalf, exports and the feed of changes.
    Service,
    /// Allows what concerns the server itself.
    Admin,
}

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    pub const ALL: Roles = Roles(0b1111);

    pub fn of(roles: impl IntoIterator<Item = Role>) -> Roles {
        Roles(roles.into_iter().fold(0, |set, role| set | 1 << role as u8))
    }

    /// Returns whether the roles allow what needs `role`. `service` allows all that `read` does.
    pub fn allow(self, role: Role) -> bool {
        let has = |role: Role| self.0 & (1 << role as u8) != 0;
        has(role) || (role == Role::Read && has(Role::Service))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn and(self, other: Roles) -> Roles {
        Roles(self.0 | other.0)
    }

    pub fn without(self, role: Role) -> Roles {
        Roles(self.0 & !(1 << role as u8))
    }
}

/// Roles in some namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub namespaces: NamespaceScope,
    pub roles: Roles,
}

/// What a caller may do: what its grants allow, each in its namespaces. In others it knows of nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    pub grants: Arc<[Grant]>,
    /// The viewer that the caller is bound to: it reads on behalf of this one alone, and does nothing else.
    pub viewer: Option<MemberId>,
}

impl Rights {
    /// Returns the rights of a caller who has these roles in some namespaces.
    pub fn of(roles: Roles, namespaces: NamespaceScope) -> Rights {
        Rights { grants: [Grant { namespaces, roles }].into(), viewer: None }
    }

    /// Returns the roles in a namespace.
    pub fn roles(&self, namespace: &NamespaceName) -> Roles {
        let there = self.grants.iter().filter(|grant| grant.namespaces.covers(namespace));
        self.bound(there.fold(Roles::default(), |roles, grant| roles.and(grant.roles)))
    }

    /// Returns the roles that the caller has in any namespace.
    pub fn anywhere(&self) -> Roles {
        self.bound(self.grants.iter().fold(Roles::default(), |roles, grant| roles.and(grant.roles)))
    }

    /// Returns the namespaces that the caller may administer.
    pub fn administers(&self) -> NamespaceScope {
        let is_admin = |grant: &&Grant| self.viewer.is_none() && grant.roles.allow(Role::Admin);
        let of_admin = self.grants.iter().filter(is_admin);
        NamespaceScope(of_admin.flat_map(|grant| grant.namespaces.0.iter().cloned()).collect())
    }

    fn bound(&self, roles: Roles) -> Roles {
        match &self.viewer {
            Some(_) if roles.allow(Role::Read) => Roles::of([Role::Read]),
            Some(_) => Roles::default(),
            None => roles,
        }
    }

    /// Returns on whose behalf the caller may read in a namespace.
    pub fn behalf(&self, namespace: &NamespaceName) -> Behalf {
        match &self.viewer {
            Some(viewer) => Behalf::Only(viewer.clone()),
            None if self.roles(namespace).allow(Role::Service) => Behalf::Anybody,
            None => Behalf::AnyViewer,
        }
    }
}

/// Returns the namespaces of the roles that a caller or token is given by itself.
pub fn own_namespaces(named: Option<Vec<String>>) -> Vec<String> {
    named.unwrap_or_else(|| vec![NAMESPACE_DEFAULT.to_owned()])
}

/// The program that calls.
#[derive(Debug, Clone)]
pub struct Caller {
    pub name: Arc<str>,
    /// The key that its share of the server is counted under: its name, or the network of its address.
    pub share: Arc<str>,
    /// Whether it showed who it is; its name is its address otherwise.
    pub known: bool,
    pub rights: Rights,
    /// When its credentials expire.
    pub expires: Option<SystemTime>,
}

impl Caller {
    /// Returns a caller who showed who it is.
    pub fn known(name: Arc<str>, rights: Rights, expires: Option<SystemTime>) -> Caller {
        Caller { share: name.clone(), name, known: true, rights, expires }
    }

    /// Returns what the handlers of its calls know of it.
    pub fn id(&self) -> CallerId {
        CallerId { share: self.share.clone(), name: self.known.then(|| self.name.clone()) }
    }
}
