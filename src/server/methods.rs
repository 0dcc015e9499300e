//! Every RPC that is served: which role it needs, and how long it may live. What is not listed here is not served.

use super::auth::Role;

/// What the listener knows of an RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// As in `MemberService/PutMember`.
    pub name: &'static str,
    /// None: it needs no role.
    pub need: Option<Role>,
    pub shape: Shape,
    /// Its own among all, below `METHODS_MAX`.
    pub place: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One message, one answer.
    Unary,
    /// Messages one way or both, for as long as it takes.
    Stream,
}

impl Method {
    /// Whether what it does goes to the audit log.
    pub fn writes(&self) -> bool {
        self.need == Some(Role::Write)
    }

    /// Whether it tells of the API, and not of what is kept.
    pub fn is_reflection(&self) -> bool {
        self.name.starts_with("grpc.reflection.")
    }

    /// As in `kith.v1.MemberService/PutMember`.
    pub fn full_name(&self) -> String {
        let package = if self.need.is_some() { PACKAGE.trim_start_matches('/') } else { "" };
        format!("{package}{}", self.name)
    }
}

const PACKAGE: &str = "/kith.v1.";
/// Who asks whether the server lives, or what it can be asked, learns nothing of anybody.
const OPEN: [(&str, Shape); 4] = [
    ("/grpc.health.v1.Health/Check", Shape::Unary),
    ("/grpc.health.v1.Health/Watch", Shape::Stream),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Shape::Stream),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Shape::Stream),
];

use Role::{Admin, Read, Service, Write};
use Shape::{Stream, Unary};

/// By name, to be searched. A read that can be made for a viewer needs `read` when it is, and `service` when it is not: its handler asks.
const METHODS: [(&str, Role, Shape); METHODS_COUNT] = [
    ("AdminService/Backup", Admin, Stream),
    ("AdminService/GetServerInfo", Admin, Unary),
    ("AdminService/Verify", Admin, Stream),
    ("DataService/Export", Service, Stream),
    ("DataService/Import", Write, Stream),
    ("DataService/Watch", Service, Stream),
    ("DataService/Write", Write, Unary),
    ("EdgeService/CountEdges", Read, Unary),
    ("EdgeService/DeleteEdge", Write, Unary),
    ("EdgeService/DeleteKind", Write, Unary),
    ("EdgeService/GetEdge", Read, Unary),
    ("EdgeService/ListEdges", Read, Unary),
    ("EdgeService/ListKinds", Read, Unary),
    ("EdgeService/PutEdge", Write, Unary),
    ("EdgeService/PutKind", Write, Unary),
    ("EdgeService/RecordInteractions", Write, Unary),
    ("IntroductionService/FindIntroducers", Read, Unary),
    ("IntroductionService/ListLeaders", Read, Unary),
    ("IntroductionService/RecordIntroductions", Write, Unary),
    ("IntroductionService/SuggestIntroductions", Read, Unary),
    ("MemberService/BatchGetMembers", Read, Unary),
    ("MemberService/BlockMember", Write, Unary),
    ("MemberService/DeleteMember", Write, Unary),
    ("MemberService/GetMember", Read, Unary),
    ("MemberService/ListBlocks", Service, Unary),
    ("MemberService/ListMembers", Read, Unary),
    ("MemberService/PutMember", Write, Unary),
    ("MemberService/UnblockMember", Write, Unary),
    ("MemberService/UpdateMember", Write, Unary),
    ("PathService/BatchGetDistances", Read, Unary),
    ("PathService/FindPaths", Read, Unary),
    ("PathService/ListMutuals", Read, Unary),
    ("ReachService/CheckReach", Service, Unary),
    ("ReachService/DiscoverStatuses", Read, Unary),
    ("ReachService/GetReach", Read, Unary),
    ("ReachService/ListReach", Read, Unary),
    ("StatusService/DeleteStatus", Write, Unary),
    ("StatusService/GetStatus", Read, Unary),
    ("StatusService/ListOutcomes", Read, Unary),
    ("StatusService/ListStatuses", Read, Unary),
    ("StatusService/PostStatus", Write, Unary),
];
const METHODS_COUNT: usize = 41;
/// Places of methods, with one for those that are not served.
pub const METHODS_MAX: usize = METHODS_COUNT + OPEN.len() + 1;

/// The RPC of a path, if there is one.
pub fn method(path: &str) -> Option<Method> {
    let Some(name) = path.strip_prefix(PACKAGE) else {
        let at = OPEN.iter().position(|(open, _)| *open == path)?;
        let (name, shape) = OPEN[at];
        let place = METHODS_COUNT + at;
        return Some(Method { name: name.trim_start_matches('/'), need: None, shape, place });
    };
    let at = METHODS.binary_search_by(|(listed, ..)| (*listed).cmp(name)).ok()?;
    let (name, need, shape) = METHODS[at];
    Some(Method { name, need: Some(need), shape, place: at })
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::proto::DESCRIPTORS;

    /// A new RPC is not served until its role is decided here.
    #[test]
    fn every_rpc_has_its_role_and_shape() {
        let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
        let mut count = 0;
        for file in files.iter().filter(|file| file.package() == "kith.v1") {
            for service in &file.service {
                for rpc in &service.method {
                    let path = format!("/kith.v1.{}/{}", service.name(), rpc.name());
                    let streams = rpc.client_streaming() || rpc.server_streaming();
                    let found = method(&path).unwrap_or_else(|| panic!("{path} is not in METHODS"));
                    assert_eq!(found.shape == Stream, streams, "{path}");
                    count += 1;
                }
            }
        }
        assert_eq!(count, METHODS.len(), "METHODS lists an RPC that is not there");
    }

    #[test]
    fn what_is_not_listed_is_not_found() {
        for path in ["", "/", "/kith.v1.MemberService/NoSuchMethod", "/kith.v1.", "kith.v1.MemberService/GetMember"] {
            assert_eq!(method(path), None, "{path}");
        }
    }
}
