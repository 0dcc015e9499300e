//! A caller, and the roles that say what it may do.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;

use crate::service::CallerId;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads on behalf of a viewer.
    Read,
    /// Every write, erasures too.
    Write,
    /// Every read: those on nobody's behalf, exports and the feed of changes.
    Service,
    /// The server itself.
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

    /// `service` has all that `read` has.
    pub fn allow(self, role: Role) -> bool {
        let has = |role: Role| self.0 & (1 << role as u8) != 0;
        has(role) || (role == Role::Read && has(Role::Service))
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    pub name: Arc<str>,
    /// What its share of the server is counted under: its name, or the network of its address.
    pub share: Arc<str>,
    /// Whether it showed who it is; its name is its address otherwise.
    pub known: bool,
    pub roles: Roles,
    /// When what it showed is no longer valid.
    pub expires: Option<SystemTime>,
}

impl Caller {
    /// One who showed who it is.
    pub fn known(name: Arc<str>, roles: Roles, expires: Option<SystemTime>) -> Caller {
        Caller { share: name.clone(), name, known: true, roles, expires }
    }

    /// Who it is for the handlers of its calls.
    pub fn id(&self) -> CallerId {
        CallerId { share: self.share.clone(), name: self.known.then(|| self.name.clone()) }
    }
}
