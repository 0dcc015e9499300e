//! The audit log of a server as a process of its own: each read leaves a line if that is asked for, and with a key no id is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kith::proto::v1::admin_service_client::AdminServiceClient;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::namespace_service_client::NamespaceServiceClient;
use kith::proto::v1::*;
use serde_json::Value;
use tonic::Code;
use tonic::transport::Channel;

use super::ask::*;
use super::bound::{READS, name_of, rpcs_that_need, with_ada};
use super::harness::{connect, member, options};
use super::secured::{bearing, sha256, until};

/// What each RPC that reads asks about, in the requests below. Where the request says nothing of anybody, it is nothing.
const ASKED: [(&str, &[&str]); 28] = [
    ("AdminService/Backup", &[]),
    ("AdminService/GetServerInfo", &[]),
    ("AdminService/Verify", &[]),
    ("DataService/Export", &[]),
    ("DataService/Watch", &[]),
    ("EdgeService/CountEdges", &["bob"]),
    ("EdgeService/GetEdge", &["ada", "bob"]),
    ("EdgeService/ListEdges", &["bob"]),
    ("EdgeService/ListKinds", &[]),
    ("IntroductionService/FindIntroducers", &["ada", "cy"]),
    ("IntroductionService/ListLeaders", &[]),
    ("IntroductionService/SuggestIntroductions", &["ada"]),
    ("MemberService/BatchGetMembers", &["ada", "bob"]),
    ("MemberService/GetMember", &["ada"]),
    ("MemberService/ListBlocks", &["ada"]),
    ("MemberService/ListMembers", &[]),
    ("NamespaceService/GetNamespace", &[]),
    ("NamespaceService/ListNamespaces", &[]),
    ("PathService/BatchGetDistances", &["ada", "cy", "nobody"]),
    ("PathService/FindPaths", &["ada", "cy"]),
    ("PathService/ListMutuals", &["ada", "cy"]),
    ("ReachService/CheckReach", &["s1", "bob", "nobody"]),
    ("ReachService/DiscoverStatuses", &[]),
    ("ReachService/GetReach", &["ada"]),
    ("ReachService/ListReach", &["ada"]),
    ("StatusService/GetStatus", &["s1"]),
    ("StatusService/ListOutcomes", &["s1"]),
    ("StatusService/ListStatuses", &["ada"]),
];

/// A server whose log is a file. It is killed if the test ends before it.
struct Audited {
    child: Child,
    channel: Channel,
    log: PathBuf,
}

impl Drop for Audited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a file of callers, one of whom has every role in all namespaces.
fn callers(folder: &Path) -> PathBuf {
    let file = with_ada(folder);
    let all = format!(
        "[[callers]]\nname = \"all\"\nroles = [\"read\", \"write\", \"service\", \"admin\"]\nnamespaces = [\"*\"]\n\
         token_sha256 = [\"{}\"]\n",
        sha256("all-token")
    );
    fs::write(&file, fs::read_to_string(&file).unwrap() + &all).unwrap();
    file
}

impl Audited {
    async fn serve(folder: &Path, flags: &[&str]) -> Audited {
        let log = folder.join("log");
        let mut serve = Command::new(env!("CARGO_BIN_EXE_kith"));
        serve.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "warn",
            "--log-format",
            "json",
            "--drain-seconds",
            "1",
        ]);
        serve.args(flags).arg("--auth").arg(callers(folder)).arg("--data").arg(folder.join("store"));
        let mut child = serve.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address: SocketAddr = said.split(' ').find_map(|word| word.parse().ok()).unwrap();
        Audited { child, channel: connect(address).await, log }
    }

    async fn ask(&self, ask: Ask, token: &str) -> Result<String, tonic::Status> {
        ask.answer_to(self.channel.clone(), token).await
    }

    async fn fill(&self) {
        for write in world() {
            self.ask(write, "write-token").await.unwrap();
        }
    }

    /// Asks by each RPC that reads, on behalf of ada where it is on somebody's.
    async fn read_all(&self) {
        for (rpc, ask) in READS {
            self.ask(ask("ada"), "read-token").await.unwrap_or_else(|status| panic!("{rpc}: {status:?}"));
        }
        for ask in [list_kinds(|_| {}), list_blocks(|_| {}), check_reach(|_| {}), export(|_| {})] {
            self.ask(ask, "service-token").await.unwrap();
        }
        for ask in [verify(|_| {}), get_server_info(|_| {}), get_namespace(|_| {}), list_namespaces(|_| {})] {
            self.ask(ask, "admin-token").await.unwrap();
        }
        let mut data = DataServiceClient::new(self.channel.clone());
        data.watch(bearing(WatchRequest::default(), "service-token")).await.unwrap();
        let mut admin = AdminServiceClient::new(self.channel.clone());
        admin.backup(bearing(BackupRequest::default(), "admin-token")).await.unwrap();
    }

    /// Stops the server, and returns the lines of its audit log.
    fn stop(mut self) -> Vec<Value> {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        let log = fs::read_to_string(&self.log).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["target"].as_str().unwrap().starts_with("audit")).collect()
    }
}

/// The fields of the lines of reads.
fn reads(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().map(|line| &line["fields"]).filter(|fields| fields["message"] == "read")
}

fn words(fields: &Value, name: &str) -> String {
    fields[name].as_str().unwrap_or_default().to_owned()
}

/// The ids of a line.
fn ids(fields: &Value) -> Vec<String> {
    serde_json::from_str(&words(fields, "ids")).unwrap()
}

#[tokio::test]
async fn each_read_leaves_a_line_with_its_viewer_and_whom_it_asks_about() {
    let roles = [Role::Read, Role::Service, Role::Admin];
    let rpcs = roles.into_iter().flat_map(rpcs_that_need).map(|rpc| name_of(&rpc));
    // Two need the role `admin` and write.
    let writes = ["NamespaceService/CreateNamespace", "NamespaceService/DeleteNamespace"];
    let rpcs: BTreeSet<String> = rpcs.filter(|rpc| !writes.contains(&rpc.as_str())).collect();
    assert_eq!(rpcs, ASKED.iter().map(|(rpc, _)| text(rpc)).collect());

    let folder = tempfile::tempdir().unwrap();
    let server = Audited::serve(folder.path(), &["--audit", "reads"]).await;
    server.fill().await;
    server.read_all().await;
    let lines = server.stop();
    let mut of_rpc: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    reads(&lines).for_each(|line| of_rpc.entry(words(line, "rpc")).or_default().push(line));
    let viewed: BTreeSet<&str> = READS.iter().map(|(rpc, _)| *rpc).collect();
    for (rpc, asked) in ASKED {
        let sent = READS.iter().filter(|(read, _)| *read == rpc).count().max(1);
        let lines = of_rpc.remove(rpc).unwrap_or_default();
        assert_eq!(lines.len(), sent, "{rpc}");
        for line in lines {
            assert_eq!(words(line, "viewer"), if viewed.contains(rpc) { "ada" } else { "" }, "{line}");
            assert_eq!((ids(line), &line["asked"]), (asked.iter().map(|id| text(id)).collect(), &asked.len().into()));
            assert_eq!((words(line, "outcome"), &line["suppressed"]), (text("Ok"), &0.into()), "{line}");
            let callers = if viewed.contains(rpc) { &["read"][..] } else { &["service", "admin"] };
            assert!(callers.contains(&words(line, "caller").as_str()), "{line}");
        }
    }
    assert!(of_rpc.is_empty(), "{of_rpc:?}");
}

#[tokio::test]
async fn a_refused_read_leaves_a_line_with_its_code_and_who_is_bound_is_its_viewer() {
    let folder = tempfile::tempdir().unwrap();
    let server = Audited::serve(folder.path(), &["--audit", "reads"]).await;
    server.fill().await;
    let get = |id: &str, viewer: &str| get_member(|r| (r.id, r.viewer_id) = (text(id), text(viewer)));
    let long = "x".repeat(1_000);
    for (ask, token, code) in [
        (get("bob", ""), "ada-token", Code::Ok),
        (get("nobody", "ada"), "read-token", Code::NotFound),
        (get("bob", "cy"), "ada-token", Code::PermissionDenied),
        (get(&long, &long), "read-token", Code::InvalidArgument),
        (batch_get_members(|r| (r.ids, r.viewer_id) = (vec![text("cy"); 70], text("ada"))), "read-token", Code::Ok),
        (get("bob", "ada"), "no-token", Code::Unauthenticated),
    ] {
        assert_eq!(server.ask(ask, token).await.err().map_or(Code::Ok, |status| status.code()), code);
    }
    let lines = server.stop();
    let line = |line: &Value| (words(line, "viewer"), ids(line), words(line, "outcome"));
    let shown = &long[..128];
    let expected = [
        ("ada", vec!["bob"], "Ok"),
        ("ada", vec!["nobody"], "NotFound"),
        ("cy", vec!["bob"], "PermissionDenied"),
        (shown, vec![shown], "InvalidArgument"),
        ("ada", vec!["cy"; 64], "Ok"),
    ];
    let expected = expected.map(|(viewer, ids, code)| (text(viewer), ids.into_iter().map(text).collect(), text(code)));
    assert_eq!(reads(&lines).map(line).collect::<Vec<_>>(), expected);
    assert_eq!(reads(&lines).last().unwrap()["asked"], 70);
}

/// A request in a namespace, which its metadata names.
fn within<M>(mut request: tonic::Request<M>, namespace: &str) -> tonic::Request<M> {
    request.metadata_mut().insert("kith-namespace", namespace.parse().unwrap());
    request
}

#[tokio::test]
async fn each_line_says_which_namespace_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let server = Audited::serve(folder.path(), &["--audit", "reads"]).await;
    let mut namespaces = NamespaceServiceClient::new(server.channel.clone());
    let name = || text("acme");
    namespaces.create_namespace(bearing(CreateNamespaceRequest { name: name() }, "all-token")).await.unwrap();
    namespaces.get_namespace(bearing(GetNamespaceRequest { name: name() }, "all-token")).await.unwrap();
    namespaces.list_namespaces(bearing(ListNamespacesRequest::default(), "all-token")).await.unwrap();
    namespaces.create_namespace(bearing(CreateNamespaceRequest { name: name() }, "read-token")).await.unwrap_err();
    let delete = DeleteNamespaceRequest { name: name(), ..Default::default() };
    namespaces
        .create_namespace(bearing(CreateNamespaceRequest { name: text("beta") }, "admin-token"))
        .await
        .unwrap_err();
    let mut members = MemberServiceClient::new(server.channel.clone());
    let id = "e\u{301}va\"";
    let put = || PutMemberRequest { member: Some(member(id)), ..Default::default() };
    members.put_member(within(bearing(put(), "all-token"), "acme")).await.unwrap();
    members.put_member(within(bearing(put(), "read-token"), "acme")).await.unwrap_err();
    members.put_member(within(bearing(put(), "no-token"), "acme")).await.unwrap_err();
    namespaces.delete_namespace(bearing(delete, "all-token")).await.unwrap();
    let mut admin = AdminServiceClient::new(server.channel.clone());
    for all_namespaces in [true, false] {
        let request = BackupRequest { all_namespaces, ..Default::default() };
        admin.backup(within(bearing(request, "all-token"), "default")).await.unwrap();
    }
    let lines = server.stop();
    let line = |line: &Value| {
        let fields = &line["fields"];
        let rpc = words(fields, "rpc").split('/').next_back().unwrap_or_default().to_owned();
        (words(fields, "message"), rpc, words(fields, "namespace"))
    };
    let expected = [
        ("write", "CreateNamespace", "acme"),
        ("read", "GetNamespace", "acme"),
        ("read", "ListNamespaces", ""),
        // The message of a call that is refused by its headers is not looked at.
        ("denied", "CreateNamespace", ""),
        ("denied", "CreateNamespace", "beta"),
        ("write", "CreateNamespace", "beta"),
        ("write", "PutMember", "acme"),
        ("denied", "PutMember", "acme"),
        ("denied", "PutMember", "acme"),
        ("write", "DeleteNamespace", "acme"),
        ("read", "Backup", ""),
        ("read", "Backup", "default"),
    ];
    let mut expected = expected.map(|(message, rpc, namespace)| (text(message), text(rpc), text(namespace)));
    let mut said: Vec<_> = lines.iter().map(line).collect();
    // Reads are logged by a thread of their own.
    said.sort();
    expected.sort();
    assert_eq!(said, expected);
    // The list is JSON, in which the id is found as it is.
    let put = lines
        .iter()
        .map(|line| &line["fields"])
        .find(|fields| fields["rpc"] == "MemberService/PutMember" && fields["message"] == "write");
    let put = put.unwrap();
    assert!(words(put, "ids").contains("e\u{301}va"), "{put}");
    assert_eq!(ids(put), [format!("put_member {id}")]);
}

#[tokio::test]
async fn without_being_asked_for_reads_leave_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Audited::serve(folder.path(), &[]).await;
    server.fill().await;
    server.read_all().await;
    let lines = server.stop();
    assert!(lines.len() >= world().len() && reads(&lines).next().is_none(), "{lines:?}");
}

/// HMAC-SHA-256 of an id of the default namespace, as far as it is written.
fn hash(key: &str, id: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
    let hash = ring::hmac::sign(&key, format!("default/{id}").as_bytes());
    hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn with_a_key_ids_are_hashes_by_which_lines_can_be_joined() {
    let mut of_ada = BTreeSet::new();
    for key in ["0123456789abcdef0123456789abcdef", "another key of the operator, in words"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.key");
        fs::write(&file, format!("{key}\n")).unwrap();
        let server = Audited::serve(folder.path(), &["--audit", "reads", "--audit-key", file.to_str().unwrap()]).await;
        server.fill().await;
        server.read_all().await;
        for write in [block_member(|_| {}), record_interactions(|_| {}), record_introductions(|_| {}), write(|_| {})] {
            server.ask(write, "write-token").await.unwrap();
        }
        for write in [delete_status(|r| r.id = text("s1")), delete_member(|r| r.id = text("cy"))] {
            server.ask(write, "write-token").await.unwrap();
        }
        let lines = server.stop();
        let known = ["ada", "bob", "cy", "s1", "nobody"];
        for line in &lines {
            // The bound caller's name is not an id, and is not in these lines.
            let text = line.to_string();
            let said: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
            assert!(known.iter().all(|id| !said.contains(id)), "{line}");
        }
        let hashed = |id: &str| hash(key, id);
        let written = lines.iter().map(|line| &line["fields"]).filter(|fields| fields["message"] == "write");
        let written: Vec<String> = written.flat_map(ids).collect();
        for expected in [
            format!("put_member {}", hashed("ada")),
            format!("put_edge {}/friend/{}", hashed("ada"), hashed("bob")),
            format!("post_status {}", hashed("s1")),
            format!("block_member {}/{}", hashed("ada"), hashed("cy")),
            format!("delete_member {}", hashed("cy")),
        ] {
            assert!(written.contains(&expected), "no {expected} in {written:?}");
        }
        let read = reads(&lines).find(|line| line["rpc"] == "EdgeService/GetEdge").unwrap();
        assert_eq!((words(read, "viewer"), ids(read)), (hashed("ada"), vec![hashed("ada"), hashed("bob")]));
        of_ada.insert(words(read, "viewer"));
    }
    assert_eq!(of_ada.len(), 2);
}

#[tokio::test]
async fn a_file_that_is_mended_to_what_it_was_is_said_to_be_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Audited::serve(folder.path(), &[]).await;
    let file = folder.path().join("callers.toml");
    let right = fs::read_to_string(&file).unwrap();
    let logged = |words: &'static str| {
        let log = server.log.clone();
        until(move || std::future::ready(fs::read_to_string(&log).unwrap().contains(words)))
    };
    fs::write(&file, "[[callers]]\nname = 7\n").unwrap();
    logged("has changed and is not used").await;
    fs::write(&file, right).unwrap();
    logged("used again").await;
    let again: Vec<String> = server.stop().iter().map(|line| words(&line["fields"], "file")).collect();
    assert_eq!(again, [format!("--auth {}", file.display())]);
}

#[tokio::test]
async fn a_key_that_is_none_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.key");
    for (key, why) in [(Some("short"), "a key has 32 to 1024 bytes, this has 5"), (None, "No such file")] {
        let _ = fs::remove_file(&file);
        key.iter().for_each(|key| fs::write(&file, key).unwrap());
        let mut options = options(kith::app::StoreOptions::Memory);
        options.server.audit_key = Some(file.clone());
        let refused = kith::app::App::start(options).await.err().unwrap().to_string();
        assert!(refused.contains("--audit-key") && refused.contains(why), "{refused}");
    }
}
