//! Callers who are bound to a viewer: each read is on behalf of that one, and of nobody else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kith::app::Rate;
use kith::proto::POOL;
use kith::proto::v1::*;
use prost_reflect::{MethodDescriptor, Value};
use rcgen::KeyPair;
use serde_json::json;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::ask::*;
use crate::harness::{Kith, end_of};
use crate::secured::{bearing, denied, get, jwt, refusal, roles_file, served_with, sha256, unauthenticated, until};

/// A caller whose token is its name and `-token`; it is bound to a viewer, if there is one.
fn caller(name: &str, role: &str, viewer: Option<&str>) -> String {
    let token = sha256(&format!("{name}-token"));
    let viewer = viewer.map(|viewer| format!("viewer = \"{viewer}\"\n")).unwrap_or_default();
    format!("[[callers]]\nname = \"{name}\"\nroles = [\"{role}\"]\n{viewer}token_sha256 = [\"{token}\"]\n")
}

/// The file of a caller for each role, and of one who is bound to ada.
pub fn with_ada(folder: &Path) -> PathBuf {
    let file = roles_file(folder);
    fs::write(&file, fs::read_to_string(&file).unwrap() + &caller("ada", "read", Some("ada"))).unwrap();
    file
}

async fn fill(kith: &Kith) {
    for write in world() {
        write.answer_to(kith.channel.clone(), "write-token").await.unwrap();
    }
}

/// The options of a read on behalf of a viewer, at a time that does not run on.
fn read(viewer: &str) -> Option<ReadOptions> {
    Some(ReadOptions { viewer_id: text(viewer), as_of: at(1_800_000_000), ..Default::default() })
}

pub type AskFor = fn(&str) -> Ask;

/// Each RPC that needs the role `read`, by every field that says for whom it is asked. In the others ada is named.
pub const READS: [(&str, AskFor); 20] = [
    ("MemberService/GetMember", |viewer| get_member(|r| r.viewer_id = text(viewer))),
    ("MemberService/BatchGetMembers", |viewer| batch_get_members(|r| r.viewer_id = text(viewer))),
    ("MemberService/ListMembers", |viewer| list_members(|r| r.viewer_id = text(viewer))),
    ("EdgeService/GetEdge", |viewer| get_edge(|r| r.viewer_id = text(viewer))),
    ("EdgeService/ListEdges", |viewer| list_edges(|r| (r.viewer_id, r.page_size) = (text(viewer), 0))),
    ("EdgeService/CountEdges", |viewer| count_edges(|r| r.viewer_id = text(viewer))),
    ("StatusService/GetStatus", |viewer| get_status(|r| r.viewer_id = text(viewer))),
    ("StatusService/ListStatuses", |viewer| list_statuses(|r| r.viewer_id = text(viewer))),
    ("StatusService/ListOutcomes", |viewer| list_outcomes(|r| r.viewer_id = text(viewer))),
    ("ReachService/GetReach", |viewer| get_reach(|r| r.read = read(viewer))),
    ("ReachService/ListReach", |viewer| list_reach(|r| (r.read, r.page_size) = (read(viewer), 0))),
    ("ReachService/DiscoverStatuses", |viewer| discover_statuses(|r| (r.viewer_id, r.read) = (text(viewer), read("")))),
    ("PathService/FindPaths", |viewer| find_paths(|r| r.read = read(viewer))),
    ("PathService/BatchGetDistances", |viewer| batch_get_distances(|r| r.read = read(viewer))),
    ("PathService/ListMutuals", |viewer| list_mutuals(|r| r.read = read(viewer))),
    ("IntroductionService/ListLeaders", |viewer| list_leaders(|r| r.read = read(viewer))),
    ("IntroductionService/SuggestIntroductions", |viewer| suggest_introductions(|r| r.read = read(viewer))),
    ("IntroductionService/SuggestIntroductions", |member| {
        suggest_introductions(|r| (r.member_id, r.read) = (text(member), read("ada")))
    }),
    ("IntroductionService/FindIntroducers", |viewer| find_introducers(|r| r.read = read(viewer))),
    ("IntroductionService/FindIntroducers", |member| {
        find_introducers(|r| (r.member_id, r.read) = (text(member), read("ada")))
    }),
];

/// The one whose answer is the same for everybody.
const FOR_NO_VIEWER: &str = "EdgeService/ListKinds";

/// The RPCs that need a role.
pub fn rpcs_that_need(role: Role) -> Vec<MethodDescriptor> {
    let option = POOL.get_extension_by_name("kith.v1.role").unwrap();
    let rpcs = POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let needed = |rpc: &MethodDescriptor| rpc.options().get_extension(&option).into_owned();
    rpcs.filter(|rpc| needed(rpc) == Value::EnumNumber(role.into())).collect()
}

/// The name of an RPC, as in `MemberService/GetMember`.
pub fn name_of(rpc: &MethodDescriptor) -> String {
    format!("{}/{}", rpc.parent_service().name(), rpc.name())
}

/// All that a refusal says.
fn said(status: &Status) -> (Code, &str, &[u8]) {
    (status.code(), status.message(), status.details())
}

#[tokio::test]
async fn every_read_of_a_bound_caller_is_for_its_viewer() {
    let covered: BTreeSet<String> = READS.iter().map(|(rpc, _)| *rpc).chain([FOR_NO_VIEWER]).map(text).collect();
    let rpcs_that_read = rpcs_that_need(Role::Read);
    assert_eq!(covered, rpcs_that_read.iter().map(name_of).collect());
    // A stream of a bound caller would have to end when the caller is bound to another viewer.
    assert!(rpcs_that_read.iter().all(|rpc| !rpc.is_client_streaming() && !rpc.is_server_streaming()));

    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(with_ada(folder.path())))).await;
    fill(&kith).await;
    let answer = |ask: Ask, token| ask.answer_to(kith.channel.clone(), token);
    for (rpc, ask) in READS {
        let for_ada = answer(ask("ada"), "read-token").await.unwrap_or_else(|status| panic!("{rpc}: {status:?}"));
        for own in ["ada", ""] {
            assert_eq!(answer(ask(own), "ada-token").await.ok().as_ref(), Some(&for_ada), "{rpc} for {own:?}");
        }
        let for_member = answer(ask("bob"), "ada-token").await.unwrap_err();
        let for_stranger = answer(ask("nobody"), "ada-token").await.unwrap_err();
        assert_eq!(refusal(&for_member), denied(), "{rpc}");
        assert_eq!(said(&for_member), said(&for_stranger), "{rpc}");
    }
    answer(list_kinds(|_| {}), "ada-token").await.unwrap();
    let needs_more = [put_member(|_| {}), list_blocks(|_| {}), check_reach(|_| {}), get_server_info(|_| {})];
    for ask in needs_more {
        assert_eq!(refusal(&answer(ask, "ada-token").await.unwrap_err()), denied());
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_refusal_takes_nothing_of_another_viewers_quota() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(served_with(|server| {
        server.access = Some(with_ada(folder.path()));
        server.viewer_rate = Some(Rate { per_second: 1, burst: 2 });
    }))
    .await;
    fill(&kith).await;
    let get_for = |viewer: &str, token| {
        let get = GetMemberRequest { viewer_id: text(viewer), ..get("ada") };
        let mut members = kith.members();
        async move { members.get_member(bearing(get, token)).await.map_err(|status| status.code()) }
    };
    for _ in 0..10 {
        assert_eq!(get_for("bob", "ada-token").await.unwrap_err(), Code::PermissionDenied);
    }
    get_for("bob", "read-token").await.unwrap();
    // An empty viewer is the caller's own, and counts as it.
    let refused = loop {
        if let Err(code) = get_for("", "ada-token").await {
            break code;
        }
    };
    assert_eq!(refused, Code::ResourceExhausted);
    kith.stop().await.unwrap();
}

/// What a caller may do, tried: read ada for ada, for bob and for nobody, list blocks, and put a member.
async fn tried(channel: &Channel, token: &str) -> [bool; 5] {
    let read_for = |viewer| get_member(|r| r.viewer_id = text(viewer));
    let mut outcomes = [false; 5];
    let asks = [read_for("ada"), read_for("bob"), read_for(""), list_blocks(|_| {}), put_member(|_| {})];
    for (ask, outcome) in asks.into_iter().zip(&mut outcomes) {
        let refused = ask.answer_to(channel.clone(), token).await.err();
        assert!(refused.as_ref().is_none_or(|status| refusal(status) == denied()), "{refused:?}");
        *outcome = refused.is_none();
    }
    outcomes
}

#[tokio::test]
async fn a_claim_binds_a_jwt() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    fs::write(folder.path().join("key.pem"), key.public_key_pem()).unwrap();
    let settings = "[jwt]\nissuer = \"https://id\"\naudience = \"kith\"\nalgorithms = [\"ES256\"]\nkeys = \"key.pem\"\n\
                    viewer_claim = \"member\"\n";
    let file = roles_file(folder.path());
    fs::write(&file, fs::read_to_string(&file).unwrap() + settings).unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(file))).await;
    fill(&kith).await;
    let expires = SystemTime::now() + Duration::from_secs(60);
    let expires = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let token = |roles: &str, member: serde_json::Value| {
        let mut claims = json!({"iss": "https://id", "aud": "kith", "sub": "u1", "exp": expires, "roles": roles});
        if member != json!(false) {
            claims["member"] = member;
        }
        jwt(&key, json!({"alg": "ES256"}), &claims)
    };
    let (bound, nothing) = ([true, false, true, false, false], [false; 5]);
    let unclaimed = json!(false);
    for (roles, member, expected) in [
        ("read", json!("ada"), bound),
        ("read write service admin", json!("ada"), bound),
        ("read", json!("bob"), [false, true, true, false, false]),
        ("write", json!("ada"), nothing),
        ("read service", json!(7), nothing),
        ("read", unclaimed.clone(), nothing),
        ("read write", unclaimed.clone(), [false, false, false, false, true]),
        ("service", unclaimed, [true, true, true, true, false]),
    ] {
        assert_eq!(tried(&kith.channel, &token(roles, member.clone())).await, expected, "{roles}, {member}");
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn who_a_caller_is_bound_to_is_read_again_and_its_streams_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = roles_file(folder.path());
    let bound_to = |role, viewer| {
        // The file is never half there.
        let new = folder.path().join("new.toml");
        fs::write(&new, caller("feed", role, viewer) + &caller("write", "write", None)).unwrap();
        fs::rename(new, &file).unwrap();
    };
    bound_to("service", None);
    let kith = Kith::start(served_with(|server| server.access = Some(file.clone()))).await;
    fill(&kith).await;
    let may = |expected: [bool; 5]| {
        let channel = kith.channel.clone();
        until(move || {
            let channel = channel.clone();
            async move { tried(&channel, "feed-token").await == expected }
        })
    };
    may([true, true, true, true, false]).await;
    let watch = bearing(WatchRequest::default(), "feed-token");
    let mut watched = kith.data().watch(watch).await.unwrap().into_inner();
    bound_to("read", Some("ada"));
    assert_eq!(refusal(&end_of(&mut watched).await), unauthenticated());
    may([true, false, true, false, false]).await;
    bound_to("read", Some("bob"));
    may([false, true, true, false, false]).await;
    kith.stop().await.unwrap();
}
