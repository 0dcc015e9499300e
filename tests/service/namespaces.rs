//! Namespaces: whatever is asked in one, and with whatever was given in another, nothing of another comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use kith::proto::POOL;
use kith::proto::v1::namespace_service_client::NamespaceServiceClient;
use kith::proto::v1::*;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::ask::*;
use crate::bound::READS;
use crate::harness::{Kith, PATIENCE, end_of, reason};
use crate::secured::{bearing, denied, refusal, served_with, sha256, unauthenticated, until};

const NAMESPACES: usize = 20;

/// Whatever a caller is given to write in a namespace holds its mark, and nothing else does.
fn mark(namespace: usize) -> String {
    format!("mark{namespace:02}x")
}

fn name(namespace: usize) -> String {
    format!("n{namespace:02}")
}

fn token(namespace: usize) -> String {
    format!("{}-token", name(namespace))
}

fn caller(name: &str, roles: &str, rest: &str) -> String {
    let token = sha256(&format!("{name}-token"));
    format!("[[callers]]\nname = \"{name}\"\nroles = [{roles}]\ntoken_sha256 = [\"{token}\"]\n{rest}\n")
}

/// A caller for each namespace, who has every role there, and one who has them in all.
fn callers(folder: &Path) -> PathBuf {
    let all = "\"read\", \"write\", \"service\", \"admin\"";
    let of = |namespace| caller(&name(namespace), all, &format!("namespaces = [\"{}\"]", name(namespace)));
    let file = folder.join("callers.toml");
    let root = caller("root", all, "namespaces = [\"*\"]");
    fs::write(&file, (0..NAMESPACES).map(of).collect::<String>() + &root).unwrap();
    file
}

fn within<T>(message: T, namespace: &str, token: &str) -> Request<T> {
    let mut request = bearing(message, token);
    request.metadata_mut().insert("kith-namespace", namespace.parse().unwrap());
    request
}

async fn create(channel: &Channel, name: &str, token: &str) -> Result<Namespace, Status> {
    let request = bearing(CreateNamespaceRequest { name: text(name) }, token);
    let created = NamespaceServiceClient::new(channel.clone()).create_namespace(request).await?;
    Ok(created.into_inner().namespace.unwrap())
}

/// Writes the world of the valid requests, with the namespace's mark in all that is free text and in ids of its own.
async fn fill(kith: &Kith, namespace: usize, random: &mut Rng) {
    let (mark, ids) = (mark(namespace), ["ada", "bob", "cy", "dan", "eve"]);
    let member = |id: &str| Member {
        id: text(id),
        display_name: format!("{mark} {id}"),
        headline: mark.clone(),
        topics: vec![text("maths"), text("rust"), mark.clone()],
        labels: [(text("mark"), mark.clone())].into(),
        ..Default::default()
    };
    let mut writes: Vec<Ask> = ids.iter().map(|id| put_member(|r| r.member = Some(member(id)))).collect();
    writes.push(put_member(|r| r.member = Some(member(&format!("only-{mark}")))));
    for (from, kind, to) in [("ada", "friend", "bob"), ("bob", "colleague", "cy"), ("ada", "family", "dan")] {
        let origin = Origin { introducer_ids: vec![text("eve")], note: mark.clone(), ..Default::default() };
        let edge = Edge { kind: text(kind), note: mark.clone(), origin: Some(origin), ..friend(from, to) };
        writes.push(put_edge(|r| r.edge = Some(edge)));
    }
    for _ in 0..3 {
        let (from, to) = (random.choice(ids).unwrap(), format!("only-{mark}"));
        writes.push(put_edge(|r| r.edge = Some(friend(from, &to))));
    }
    let kind = Kind { name: format!("kind-{mark}"), sphere: Sphere::Public.into(), ..Default::default() };
    writes.push(put_kind(|r| r.kind = Some(kind)));
    writes.push(post_status(|r| {
        let status = status_of(r);
        (status.text, status.link) = (mark.clone(), format!("https://example.com/{mark}"));
    }));
    writes.push(block_member(|r| r.block = block("ada", "eve")));
    for write in writes {
        write.answer_in(kith.channel.clone(), &name(namespace), &token(namespace)).await.unwrap();
    }
}

/// Holds what is said to the marks in it: they are those of a namespace alone.
fn assert_own(namespace: usize, said: &str, of: &str) {
    let foreign = |found: &(usize, &str)| said.get(found.0..found.0 + 7) != Some(&mark(namespace));
    assert_eq!(said.match_indices("mark").filter(|(at, _)| is_mark(said, *at)).find(foreign), None, "{of}: {said}");
}

fn is_mark(said: &str, at: usize) -> bool {
    said.get(at + 4..at + 7).is_some_and(|rest| rest.ends_with('x') && rest[..2].parse::<usize>().is_ok())
}

/// What a namespace has given, to be used in another.
#[derive(Default)]
struct Given {
    page_token: String,
    revision: String,
}

/// All there is to say of a status but the name of the namespace.
fn said(status: &Status, namespace: &str) -> String {
    let info = status.get_details_error_info().unwrap();
    // The metadata of an error are in no order.
    let metadata: BTreeMap<String, String> = info.metadata.into_iter().collect();
    format!("{:?} {} {} {metadata:?}", status.code(), status.message(), info.reason).replace(namespace, "_")
}

#[test]
fn every_rpc_is_asked() {
    let rpcs = POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let one_message = rpcs.filter(|rpc| !rpc.is_client_streaming()).map(|rpc| rpc.name().to_owned());
    let asked: BTreeSet<String> = every().iter().map(|(name, _)| text(name)).collect();
    assert_eq!(asked, one_message.collect(), "each RPC but Import, which is asked below");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_one_namespace_is_in_an_answer_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(callers(folder.path())))).await;
    let random = &mut Rng::with_seed(std::env::var("KITH_SEED").map_or(1, |seed| seed.parse().unwrap()));
    for namespace in 0..NAMESPACES {
        create(&kith.channel, &name(namespace), "root-token").await.unwrap();
    }
    for namespace in 0..NAMESPACES {
        fill(&kith, namespace, random).await;
    }
    let mut given = Vec::new();
    for namespace in 0..NAMESPACES {
        let first =
            within(ListMembersRequest { page_size: 1, ..Default::default() }, &name(namespace), &token(namespace));
        let page = kith.members().list_members(first).await.unwrap().into_inner();
        given.push(Given { page_token: page.next_page_token, revision: page.revision });
    }
    let answers: usize = std::env::var("KITH_ANSWERS").map_or(4_000, |answers| answers.parse().unwrap());
    let is_stream = |name: &str| ["Export", "Verify", "Backup", "Watch"].contains(&name);
    let is_write = |name: &str| {
        ["Put", "Update", "Delete", "Block", "Unblock", "Record", "Post", "Write", "Create"]
            .iter()
            .any(|verb| name.starts_with(verb))
    };
    let reads: Vec<(&str, Ask)> = every().into_iter().filter(|(name, _)| !is_stream(name) && !is_write(name)).collect();
    let mut answered = 0;
    for n in 0..answers {
        let (own, other) = (n % NAMESPACES, random.usize(..NAMESPACES));
        let ask = match random.u8(..4) {
            0 => list_members(|r| (r.page_size, r.page_token) = (1, given[other].page_token.clone())),
            1 => list_members(|r| r.min_revision = given[other].revision.clone()),
            2 => READS[n / NAMESPACES % READS.len()].1(random.choice(["ada", "bob", "eve", "nobody"]).unwrap()),
            _ => reads[random.usize(..reads.len())].1.clone(),
        };
        let is_of_another = matches!(&ask, Ask::ListMembers(r) if !r.page_token.is_empty() && other != own);
        match ask.answer_in(kith.channel.clone(), &name(own), &token(own)).await {
            Ok(answer) => {
                assert!(!is_of_another, "a page token of another namespace is taken: {answer}");
                assert_own(own, &answer, "an answer");
                answered += usize::from(answer.contains(&mark(own)));
            }
            Err(status) => assert_own(own, &format!("{status:?}"), "a refusal"),
        }
    }
    println!("{answers} calls were answered, {answered} of them with what is the namespace's own");
    assert!(answered > answers / 10, "only {answered} of {answers} answers held anything marked");
    kith.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_request_ids_are_of_one_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(callers(folder.path())))).await;
    for namespace in 0..3 {
        create(&kith.channel, &name(namespace), "root-token").await.unwrap();
    }
    let watch = within(WatchRequest::default(), "n01", "n01-token");
    let mut watched = kith.data().watch(watch).await.unwrap().into_inner();
    let random = &mut Rng::with_seed(2);
    for namespace in [0, 1, 2] {
        fill(&kith, namespace, random).await;
        // One id names another write in each.
        let put = PutMemberRequest {
            member: Some(Member { id: text("last"), display_name: mark(namespace), ..Default::default() }),
            request_id: text("6f0e4a0e-8c55-4b6b-9d0a-7c2f3a1b5d11"),
        };
        let put = within(put, &name(namespace), "root-token");
        let answer = kith.members().put_member(put).await.unwrap().into_inner();
        assert_eq!(answer.member.unwrap().display_name, mark(namespace));
    }
    let mut seen = String::new();
    while !seen.contains("\"last\"") {
        let message = tokio::time::timeout(PATIENCE, watched.message()).await.unwrap().unwrap().unwrap();
        seen += &format!("{message:?}");
    }
    assert!(seen.contains(&mark(1)));
    assert_own(1, &seen, "a stream of changes");
    for namespace in 0..3 {
        let (name, token) = (name(namespace), token(namespace));
        let mut export =
            kith.data().export(within(ExportRequest::default(), &name, &token)).await.unwrap().into_inner();
        let mut all = String::new();
        while let Some(message) = export.message().await.unwrap() {
            all += &format!("{message:?}");
        }
        assert!(all.contains(&mark(namespace)));
        assert_own(namespace, &all, "an export");
        let mut backup =
            kith.admin().backup(within(BackupRequest::default(), &name, &token)).await.unwrap().into_inner();
        let mut bytes = Vec::new();
        while let Some(message) = backup.message().await.unwrap() {
            bytes.extend(message.data);
        }
        let all = String::from_utf8_lossy(&bytes);
        assert!(all.contains(&mark(namespace)));
        assert_own(namespace, &all, "a backup");
        let whole = BackupRequest { all_namespaces: true, ..Default::default() };
        let refused = kith.admin().backup(within(whole, &name, &token)).await.unwrap_err();
        assert_eq!(refusal(&refused), denied());
        let mut verify =
            kith.admin().verify(within(VerifyRequest::default(), &name, &token)).await.unwrap().into_inner();
        while let Some(message) = verify.message().await.unwrap() {
            if let Some(verify_response::Event::Summary(summary)) = message.event {
                assert_eq!((summary.findings, summary.totals.unwrap().members), (0, 7));
            }
        }
    }
    // An import is of its namespace, and its records name nobody else's.
    let record = import_record::Record::Edge(friend("ada", "only-mark00x"));
    let records = vec![ImportRecord { record: Some(record), ..Default::default() }];
    let import = ImportRequest { records, ..Default::default() };
    let mut request = bearing(tokio_stream::once(import), "n01-token");
    request.metadata_mut().insert("kith-namespace", "n01".parse().unwrap());
    let imported = kith.data().import(request).await.unwrap().into_inner();
    assert_eq!((imported.received, imported.created, imported.errors.len()), (1, 0, 1));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_out_of_scope_is_as_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(callers(folder.path())))).await;
    for name in ["n00", "n01"] {
        create(&kith.channel, name, "root-token").await.unwrap();
    }
    for (rpc, ask) in every() {
        if rpc.ends_with("Namespace") || rpc.ends_with("Namespaces") {
            continue;
        }
        let there = ask.clone().answer_in(kith.channel.clone(), "n01", "n00-token").await.unwrap_err();
        let nowhere = ask.clone().answer_in(kith.channel.clone(), "zz9", "n00-token").await.unwrap_err();
        let gone = ask.answer_in(kith.channel.clone(), "n19", "n19-token").await;
        assert_eq!(refusal(&there), (Code::NotFound, text("NOT_FOUND")), "{rpc}");
        assert_eq!(said(&there, "n01"), said(&nowhere, "zz9"), "{rpc}");
        // In its scope, and not there: some RPCs find that out as their stream begins.
        assert!(gone.as_ref().is_ok_and(|_| rpc == "Watch") || gone.is_err(), "{rpc}: {gone:?}");
        if let Err(gone) = gone {
            assert_eq!(said(&gone, "n19"), said(&there, "n01"), "{rpc}");
        }
    }
    let named = |ask: Ask| {
        let channel = kith.channel.clone();
        async move { ask.answer_to(channel, "n00-token").await }
    };
    let hidden = named(get_namespace(|r| r.name = text("n01"))).await.unwrap_err();
    let nowhere = named(get_namespace(|r| r.name = text("zz9"))).await.unwrap_err();
    assert_eq!(said(&hidden, "n01"), said(&nowhere, "zz9"));
    assert_eq!(refusal(&hidden), (Code::NotFound, text("NOT_FOUND")));
    let listed = named(list_namespaces(|r| r.page_size = 1)).await.unwrap();
    assert!(listed.contains("next_page_token: \"\""), "not even a token has another's name: {listed}");
    assert!(listed.contains("\"n00\"") && !listed.contains("n01") && !listed.contains("default"), "{listed}");
    for outside in ["n01", "zz9"] {
        let refused = named(create_namespace(|r| r.name = text(outside))).await.unwrap_err();
        assert_eq!(refusal(&refused), denied());
        let deleted =
            named(delete_namespace(|r| (r.name, r.allow_missing) = (text(outside), false))).await.unwrap_err();
        assert_eq!(refusal(&deleted), (Code::NotFound, text("NOT_FOUND")));
    }
    for (wrong, why) in [("", "REQUIRED"), ("N01", "MALFORMED"), ("a/b", "MALFORMED")] {
        let refused = list_members(|_| {}).answer_in(kith.channel.clone(), wrong, "root-token").await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::InvalidArgument, text(why)), "{wrong:?}");
        // Whoever is not known hears nothing else.
        let refused = list_members(|_| {}).answer_in(kith.channel.clone(), wrong, "nobody-token").await.unwrap_err();
        assert_eq!(refusal(&refused), unauthenticated(), "{wrong:?}");
    }
    kith.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_is_gone_and_one_of_its_name_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(callers(folder.path())))).await;
    let made = create(&kith.channel, "n00", "n00-token").await.unwrap();
    assert_eq!((made.name.as_str(), made.totals.unwrap().members), ("n00", 0));
    let again = create(&kith.channel, "n00", "n00-token").await.unwrap_err();
    assert_eq!((again.code(), reason(&again)), (Code::AlreadyExists, text("ALREADY_EXISTS")));
    fill(&kith, 0, &mut Rng::with_seed(1)).await;
    let at = kith.members().list_members(within(ListMembersRequest::default(), "n00", "n00-token")).await.unwrap();
    let revision = at.into_inner().revision;
    let first = ListMembersRequest { page_size: 1, ..Default::default() };
    let page = kith.members().list_members(within(first.clone(), "n00", "n00-token")).await.unwrap().into_inner();
    let mut watched =
        kith.data().watch(within(WatchRequest::default(), "n00", "n00-token")).await.unwrap().into_inner();
    let delete = |allow_missing| {
        let ask = delete_namespace(|r| (r.name, r.allow_missing) = (text("n00"), allow_missing));
        ask.answer_to(kith.channel.clone(), "n00-token")
    };
    delete(false).await.unwrap();
    let ended = async {
        while watched.message().await?.is_some() {}
        Ok::<(), Status>(())
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap_err();
    assert_eq!(refusal(&ended), (Code::NotFound, text("NOT_FOUND")));
    assert_eq!(delete(false).await.unwrap_err().code(), Code::NotFound);
    delete(true).await.unwrap();
    let default = delete_namespace(|r| r.name = text("default")).answer_to(kith.channel.clone(), "root-token").await;
    assert_eq!(refusal(&default.unwrap_err()), (Code::FailedPrecondition, text("PRECONDITION_FAILED")));
    create(&kith.channel, "n00", "n00-token").await.unwrap();
    let members = list_members(|_| {}).answer_in(kith.channel.clone(), "n00", "n00-token").await.unwrap();
    assert!(!members.contains("ada"), "{members}");
    let next = ListMembersRequest { page_token: page.next_page_token, ..first };
    let refused = kith.members().list_members(within(next, "n00", "n00-token")).await.unwrap_err();
    assert_eq!(reason(&refused), "PAGE_TOKEN_MISMATCH");
    // What was done under its name before is of another namespace.
    let since = within(WatchRequest { from_revision: revision, ..Default::default() }, "n00", "n00-token");
    let refused = kith.data().watch(since).await.unwrap_err();
    assert_eq!(reason(&refused), "REVISION_TOO_OLD");
    kith.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_or_backup_under_way_ends_with_its_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(callers(folder.path())))).await;
    create(&kith.channel, "n00", "n00-token").await.unwrap();
    // So much that a stream cannot be made before its caller takes it.
    let random = &mut Rng::with_seed(1);
    let mut noise = |len: usize| (0..len).map(|_| random.alphanumeric()).collect::<String>();
    let messages = (0..24).map(|n| {
        let mut record = |m| {
            let (display_name, headline) = (noise(150), noise(250));
            let member = Member { id: format!("m{n}-{m}"), display_name, headline, ..Default::default() };
            ImportRecord { record: Some(import_record::Record::Member(member)), ..Default::default() }
        };
        ImportRequest { records: (0..1_000).map(&mut record).collect(), ..Default::default() }
    });
    let messages: Vec<ImportRequest> = messages.collect();
    let mut import = bearing(tokio_stream::iter(messages), "n00-token");
    import.metadata_mut().insert("kith-namespace", "n00".parse().unwrap());
    assert_eq!(kith.data().import(import).await.unwrap().into_inner().created, 24_000);
    let export = || within(ExportRequest::default(), "n00", "n00-token");
    let mut exported = kith.data().export(export()).await.unwrap().into_inner();
    let backup = |all_namespaces| BackupRequest { all_namespaces, ..Default::default() };
    let mut backed_up = kith.admin().backup(within(backup(false), "n00", "n00-token")).await.unwrap().into_inner();
    let mut all = kith.admin().backup(within(backup(true), "n00", "root-token")).await.unwrap().into_inner();
    let ask = delete_namespace(|r| r.name = text("n00"));
    ask.answer_to(kith.channel.clone(), "n00-token").await.unwrap();
    create(&kith.channel, "n00", "n00-token").await.unwrap();
    assert_eq!(refusal(&end_of(&mut exported).await), (Code::NotFound, text("NOT_FOUND")));
    assert_eq!(refusal(&end_of(&mut backed_up).await), (Code::NotFound, text("NOT_FOUND")));
    // A backup of all is what there was at its revision.
    while all.message().await.unwrap().is_some() {}
    // The namespace that is there now has its own.
    let mut exported = kith.data().export(export()).await.unwrap().into_inner();
    while exported.message().await.unwrap().is_some() {}
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn roles_are_of_their_namespaces_and_a_reload_takes_them_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = callers(folder.path());
    let root = fs::read_to_string(&file).unwrap();
    let grants = "namespaces = [\"n0*\"]\ngrants = [{ namespaces = [\"n01\"], roles = [\"write\"] }]";
    fs::write(&file, root.clone() + &caller("crm", "\"service\"", grants)).unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(file.clone()))).await;
    for name in ["n00", "n01"] {
        create(&kith.channel, name, "root-token").await.unwrap();
    }
    let ask = |ask: Ask, namespace: &'static str| {
        let channel = kith.channel.clone();
        async move { ask.answer_in(channel, namespace, "crm-token").await.map(drop).map_err(|status| refusal(&status)) }
    };
    assert_eq!(ask(list_members(|_| {}), "n00").await, Ok(()));
    assert_eq!(ask(put_member(|_| {}), "n00").await, Err(denied()));
    assert_eq!(ask(put_member(|_| {}), "n01").await, Ok(()));
    assert_eq!(ask(list_members(|_| {}), "default").await, Err(denied()));
    let refused = create(&kith.channel, "n02", "crm-token").await.unwrap_err();
    assert_eq!(refusal(&refused), denied());
    fs::write(&file, root + &caller("crm", "\"service\"", "namespaces = [\"n01\"]")).unwrap();
    kith::app::read_files_again();
    until(|| async { ask(list_members(|_| {}), "n00").await == Err((Code::NotFound, text("NOT_FOUND"))) }).await;
    assert_eq!(ask(list_members(|_| {}), "n01").await, Ok(()));
    kith.stop().await.unwrap();
}
