//! The namespace that a call is of, and the roles that its caller has there.

use tonic::codegen::http::HeaderMap;

use super::auth::{Caller, Roles};
use super::methods::Method;
use crate::domain::{Error, NamespaceName, Reason, Violation};

/// The metadata key by which a call names its namespace.
const NAMESPACE: &str = "kith-namespace";

/// Returns the namespace that a call names, or the default one; of an RPC that is of no namespace the default one.
pub fn namespace_of(method: Option<Method>, headers: &HeaderMap) -> Result<NamespaceName, Error> {
    let mut named = headers.get_all(NAMESPACE).iter();
    let name = named.next().filter(|_| method.is_none_or(|method| !method.is_of_all_namespaces()));
    let Some(name) = name else { return Ok(NamespaceName::default()) };
    if named.next().is_some() {
        return Err(Violation::new(NAMESPACE, Reason::Malformed, "may be given once").into());
    }
    Ok(NamespaceName::parse(NAMESPACE, name.to_str().unwrap_or("?"))?)
}

/// Returns the roles by which a caller may call a method.
pub fn roles_of(caller: &Caller, method: Method, namespace: &NamespaceName) -> Roles {
    if method.is_of_all_namespaces() { caller.rights.anywhere() } else { caller.rights.roles(namespace) }
}
