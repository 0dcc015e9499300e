//! A caller, and the roles that say what it may do.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;

use crate::domain::MemberId;
use crate::service::{Behalf, CallerId};

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

    pub fn without(self, role: Role) -> Roles {
        Roles(self.0 & !(1 << role as u8))
    }
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rights {
    /// What its roles allow, whichever viewer it names.
    Roles(Roles),
    /// What the role `read` allows, on behalf of this viewer alone. The caller is bound to it.
    Viewer(MemberId),
}

impl Rights {
    /// Returns whether the caller may do what needs `role`.
    pub fn allow(&self, role: Role) -> bool {
        match self {
            Rights::Roles(roles) => roles.allow(role),
            Rights::Viewer(_) => role == Role::Read,
        }
    }

    /// Returns on whose behalf the caller may read.
    pub fn behalf(&self) -> Behalf {
        match self {
            Rights::Viewer(viewer) => Behalf::Only(viewer.clone()),
            Rights::Roles(roles) if roles.allow(Role::Service) => Behalf::Anybody,
            Rights::Roles(_) => Behalf::AnyViewer,
        }
    }
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
