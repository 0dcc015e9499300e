//! Every RPC that is served, with the role it needs and whether it is a stream. The protos of kith say the role by the option `role`; an
//! RPC without it is not served.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{MethodDescriptor, Value};

use super::auth::Role;
use crate::proto::{POOL, v1};

/// What the listener knows of an RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// The name, as in `MemberService/PutMember`.
    pub name: &'static str,
    /// The role that the RPC needs, if it needs one.
    pub need: Option<Role>,
    pub shape: Shape,
    /// The method's own index among all, below `method_count`.
    pub index: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One message, one answer.
    Unary,
    /// Messages one way or both, for as long as it takes.
    Stream,
}

impl Method {
    /// Returns whether the RPC's effects go to the audit log.
    pub fn writes(&self) -> bool {
        self.need == Some(Role::Write) || WRITES_OF_ADMINS.contains(&self.name)
    }

    /// Returns whether the RPC is of no namespace, or names those that it is of in its message.
    pub fn is_of_all_namespaces(&self) -> bool {
        self.name.starts_with("NamespaceService/")
    }

    /// Returns whether the RPC reads what is stored.
    pub fn reads(&self) -> bool {
        self.need.is_some() && !self.writes()
    }

    /// Returns whether the RPC describes the API, and not what is stored.
    pub fn is_reflection(&self) -> bool {
        self.name.starts_with("grpc.reflection.")
    }

    /// Returns the name, as in `kith.v1.MemberService/PutMember`.
    pub fn full_name(&self) -> String {
        let package = if self.need.is_some() { PACKAGE.trim_start_matches('/') } else { "" };
        format!("{package}{}", self.name)
    }
}

const PACKAGE: &str = "/kith.v1.";
/// The RPCs that write, and need another role than `write`.
const WRITES_OF_ADMINS: [&str; 2] = ["NamespaceService/CreateNamespace", "NamespaceService/DeleteNamespace"];
/// The option of an RPC that names its role.
const ROLE: &str = "kith.v1.role";
/// The RPCs that need no role: whoever asks whether the server lives, or what it can be asked, learns nothing of anybody.
const OPEN: [(&str, Shape); 4] = [
    ("/grpc.health.v1.Health/Check", Shape::Unary),
    ("/grpc.health.v1.Health/Watch", Shape::Stream),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Shape::Stream),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Shape::Stream),
];

/// The methods by their paths.
static METHODS: LazyLock<HashMap<String, Method>> = LazyLock::new(|| {
    let open = OPEN.iter().map(|(path, shape)| (*path, None, *shape));
    let rpcs = POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let own: Vec<_> = rpcs.filter_map(|rpc| Some((path_of(&rpc), role_of(&rpc)?, shape_of(&rpc)))).collect();
    let own = own.iter().map(|(path, need, shape)| (path.as_str(), Some(*need), *shape));
    let methods = open.chain(own).enumerate().map(|(index, (path, need, shape))| {
        let name = path.strip_prefix(PACKAGE).unwrap_or(path.trim_start_matches('/'));
        // The names are leaked, because there is one table of methods as long as the process runs.
        (path.to_owned(), Method { name: String::leak(name.to_owned()), need, shape, index })
    });
    methods.collect()
});

/// Returns how many methods are served.
pub fn method_count() -> usize {
    METHODS.len()
}

/// Returns the method of a path, if it is served.
pub fn method(path: &str) -> Option<Method> {
    METHODS.get(path).copied()
}

/// Returns the path, as in `/kith.v1.MemberService/PutMember`.
pub fn path_of(rpc: &MethodDescriptor) -> String {
    format!("/{}/{}", rpc.parent_service().full_name(), rpc.name())
}

fn role_of(rpc: &MethodDescriptor) -> Option<Role> {
    let option = POOL.get_extension_by_name(ROLE)?;
    let options = rpc.options();
    let Value::EnumNumber(number) = options.get_extension(&option).into_owned() else { return None };
    match v1::Role::try_from(number).ok()? {
        v1::Role::Unspecified => None,
        v1::Role::Read => Some(Role::Read),
        v1::Role::Write => Some(Role::Write),
        v1::Role::Service => Some(Role::Service),
        v1::Role::Admin => Some(Role::Admin),
    }
}

fn shape_of(rpc: &MethodDescriptor) -> Shape {
    if rpc.is_client_streaming() || rpc.is_server_streaming() { Shape::Stream } else { Shape::Unary }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rpc_of_the_api_has_a_role_and_an_index_of_its_own() {
        for service in POOL.services() {
            for rpc in service.methods() {
                let path = path_of(&rpc);
                let found = method(&path).unwrap_or_else(|| panic!("{path} has no role"));
                assert_eq!(found.full_name(), path.trim_start_matches('/'));
                assert_eq!(found.shape, shape_of(&rpc), "{path}");
            }
        }
        let indices: BTreeSet<usize> = METHODS.values().map(|method| method.index).collect();
        assert_eq!(indices, (0..method_count()).collect());
    }

    /// Who may call what does not change by a slip.
    #[test]
    fn roles_are_those_of_the_protos() {
        let need = |name: &str| method(&format!("{PACKAGE}{name}")).and_then(|method| method.need);
        assert_eq!(need("MemberService/GetMember"), Some(Role::Read));
        assert_eq!(need("MemberService/ListBlocks"), Some(Role::Service));
        assert_eq!(need("ReachService/CheckReach"), Some(Role::Service));
        assert_eq!(need("DataService/Export"), Some(Role::Service));
        assert_eq!(need("DataService/Import"), Some(Role::Write));
        assert_eq!(need("AdminService/Backup"), Some(Role::Admin));
        let with = |role| METHODS.values().filter(|method| method.need == Some(role)).count();
        assert_eq!([Role::Read, Role::Write, Role::Service, Role::Admin].map(with), [19, 15, 4, 7]);
    }

    #[test]
    fn what_is_not_listed_is_not_found() {
        for path in ["", "/", "/kith.v1.MemberService/NoSuchMethod", "/kith.v1.", "kith.v1.MemberService/GetMember"] {
            assert_eq!(method(path), None, "{path}");
        }
    }
}
