//! `Watch`: a copy kept by its changes is the original, over breaks and restarts; what it answers when it can't.

use std::time::Duration;

use fastrand::Rng;
use kith::app::{AppOptions, StoreOptions};
use kith::engine::EngineOptions;
use kith::proto::v1::change::Change as Do;
use kith::proto::v1::*;
use tokio::time::timeout;
use tonic::{Code, Streaming};
use tonic_types::StatusExt;

use super::harness::{Kith, PATIENCE, edge, member, options, reason, status};
use super::mirror::{Mirror, digest};

pub async fn watch(kith: &Kith, from: &str) -> Result<Streaming<WatchResponse>, tonic::Status> {
    let heartbeat_interval = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let request = WatchRequest { from_revision: from.to_owned(), heartbeat_interval, ..Default::default() };
    Ok(kith.data().watch(request).await?.into_inner())
}

pub async fn next(stream: &mut Streaming<WatchResponse>) -> Result<WatchResponse, tonic::Status> {
    timeout(PATIENCE, stream.message()).await.expect("a message comes").map(|message| message.expect("and no end"))
}

/// The token of the empty store: its revisions name the store first, then the sequence.
pub fn before_all(revision: &str) -> String {
    let store = u64::from_str_radix(&revision[..16], 16).unwrap();
    kith::engine::Revision::new(u128::from(store) << 64, 0).to_string()
}

/// A change of something among so many members: where they are few most changes meet what others left.
pub fn random_change(random: &mut Rng, members: u32) -> Do {
    let who = |random: &mut Rng| format!("m{}", random.u32(0..members));
    let (a, mut b) = (who(random), who(random));
    if a == b {
        b.push('x');
    }
    let kind = ["friend", "follows", "colleague"][random.usize(0..3)];
    let id = format!("s{}", random.u32(0..8));
    let time = Some(prost_types::Timestamp { seconds: 1_700_000_000 + random.i64(0..9_999), nanos: 0 });
    match random.u32(0..20) {
        0..7 => {
            let mut put = edge(&a, kind, &b);
            put.note = ["", "met at a fair", "z"][random.usize(0..3)].to_owned();
            if random.bool() {
                let introducer_ids = vec![who(random)];
                put.origin = Some(Origin { status_id: String::new(), introducer_ids, note: String::new() });
            }
            if random.u32(0..4) == 0 {
                put.origin.get_or_insert_default().status_id = id;
            }
            if random.bool() {
                (put.interactions, put.last_interaction_time) = (random.i64(1..50), time);
            }
            Do::PutEdge(PutEdgeChange { edge: Some(put), allow_missing_members: true })
        }
        7..10 => Do::RecordInteraction(Interaction {
            from_id: a,
            kind: kind.to_owned(),
            to_id: b,
            count: random.i64(1..5),
            time,
        }),
        10..12 => Do::DeleteEdge(DeleteEdgeChange { from_id: a, kind: kind.to_owned(), to_id: b, allow_missing: true }),
        12..14 => {
            let put = Member { headline: random.u32(0..5).to_string(), topics: vec!["data".to_owned()], ..member(&a) };
            Do::PutMember(put)
        }
        14 => Do::DeleteMember(DeleteMemberChange { id: a, allow_missing: true }),
        15..18 => {
            let mut post = status(&id, &a, "Who owns your data?");
            let filter = EdgeFilter { exclude_member_ids: vec![b], ..Default::default() };
            post.audience = Some(Audience { filter: Some(filter), max_hops: 2 });
            Do::PostStatus(post)
        }
        18 => Do::DeleteStatus(DeleteStatusChange { id, allow_missing: true }),
        _ => {
            let name = format!("kind-{}", random.u32(0..3));
            if random.bool() {
                let sphere = Sphere::Public.into();
                Do::PutKind(Kind { name, sphere, prior: random.f64(), ..Default::default() })
            } else {
                Do::DeleteKind(DeleteKindChange { name, allow_missing: true })
            }
        }
    }
}

/// Writes batches, most of one change; those refused change nothing. Gives the last revision.
pub async fn write_randomly(kith: &Kith, random: &mut Rng, batches: u32) -> String {
    let mut revision = String::new();
    for _ in 0..batches {
        let changes = (0..[1, 1, 1, 5][random.usize(0..4)]).map(|_| random_change(random, 14));
        let changes = changes.map(|change| Change { change: Some(change), precondition: None }).collect();
        if let Ok(written) = kith.data().write(WriteRequest { changes, ..Default::default() }).await {
            revision = written.into_inner().revision;
        }
    }
    assert!(!revision.is_empty(), "all was refused");
    revision
}

pub async fn follow(kith: &Kith, mirror: &mut Mirror, through: &str) {
    let mut stream = watch(kith, &mirror.revision).await.unwrap();
    while mirror.revision != through {
        mirror.apply(next(&mut stream).await.unwrap());
    }
}

pub fn with_checkpoints(store: StoreOptions) -> AppOptions {
    let engine = EngineOptions { checkpoint_log_bytes_min: 2_000, ..EngineOptions::default() };
    AppOptions { engine, ..options(store) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_kept_by_changes_is_the_original() {
    for seed in 0..12 {
        let mut random = Rng::with_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        let on_disk = StoreOptions::Folder(folder.path().join("store"));
        let store = if seed % 2 == 0 { on_disk } else { StoreOptions::Memory };
        let mut kith = Kith::start(with_checkpoints(store.clone())).await;
        let mut mirror = Mirror::at(before_all(&digest(&kith).await.1));
        for _ in 0..4 {
            // Changes that come before the watch, and those that come while it goes on.
            write_randomly(&kith, &mut random, 40).await;
            let (copied, through) = tokio::join!(
                async {
                    let mut copy = mirror.clone();
                    let mut stream = watch(&kith, &copy.revision).await.unwrap();
                    for _ in 0..20 {
                        copy.apply(next(&mut stream).await.unwrap());
                    }
                    copy
                },
                write_randomly(&kith, &mut random, 40),
            );
            mirror = copied;
            follow(&kith, &mut mirror, &through).await;
            assert_eq!(mirror.digest().await, digest(&kith).await.0, "seed {seed}");
            mirror.same_as(&kith).await;
            if let StoreOptions::Folder(_) = &store {
                kith.stop().await.unwrap();
                kith = Kith::start(with_checkpoints(store.clone())).await;
            }
        }
        kith.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_lives() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let newest = digest(&kith).await.1;
    let mut stream = watch(&kith, "").await.unwrap();
    let heartbeat = next(&mut stream).await.unwrap();
    assert_eq!((heartbeat.revision.as_str(), heartbeat.changes.len()), (newest.as_str(), 0));
    kith.put_member(member("zoe")).await;
    assert_eq!(next(&mut stream).await.unwrap().changes.len(), 1);
}

#[tokio::test]
async fn a_large_revision_comes_in_parts_and_is_named_by_the_last() {
    let kith = Kith::in_memory().await;
    kith.put_member(member("hub")).await;
    let mut stream = watch(&kith, "").await.unwrap();
    // Ends that are made for an edge have changes of their own.
    let put =
        |n: u32| PutEdgeChange { edge: Some(edge(&format!("m{n}"), "friend", "hub")), allow_missing_members: true };
    let changes = (0..1_000).map(|n| Change { change: Some(Do::PutEdge(put(n))), precondition: None }).collect();
    let written = kith.data().write(WriteRequest { changes, ..Default::default() }).await.unwrap().into_inner();
    let (first, second) = (next(&mut stream).await.unwrap(), next(&mut stream).await.unwrap());
    assert_eq!((first.revision.as_str(), first.changes.len()), ("", 1_000));
    assert_eq!((second.revision, second.changes.len()), (written.revision, 1_000));
}

#[tokio::test]
async fn bad_watches_are_refused() {
    let kith = Kith::in_memory().await;
    for (from, seconds, expected) in [
        ("nonsense", 10, "MALFORMED"),
        ("", 61, "OUT_OF_RANGE"),
        ("", 0, "OUT_OF_RANGE"),
        ("", -5, "OUT_OF_RANGE"),
        ("00000000000000010000000000000001f8cba0b0", 10, "MALFORMED"),
    ] {
        let heartbeat_interval = Some(prost_types::Duration { seconds, nanos: 0 });
        let request = WatchRequest { from_revision: from.to_owned(), heartbeat_interval, ..Default::default() };
        let refused = kith.data().watch(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, expected), "{from} {seconds}");
    }
    let other = kith::engine::Revision::new(7 << 64, 1).to_string();
    assert_eq!(reason(&watch(&kith, &other).await.unwrap_err()), "REVISION_OF_ANOTHER_STORE");
    let later = before_all(&digest(&kith).await.1).replace(&format!("{:016x}", 0), &format!("{:016x}", 9));
    assert_eq!(reason(&watch(&kith, &later).await.unwrap_err()), "MALFORMED", "its checksum is that of another");
    let mut request = tonic::Request::new(WatchRequest::default());
    request.set_timeout(Duration::from_millis(300));
    let mut stream = kith.data().watch(request).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_server_that_stops_ends_its_watches_at_once() {
    let kith = Kith::in_memory().await;
    let mut stream = watch(&kith, "").await.unwrap();
    let begun = std::time::Instant::now();
    let (ended, stopped) = tokio::join!(next(&mut stream), kith.stop());
    stopped.unwrap();
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(5), "it waited for the end of the drain");
}

fn holds(folder: &std::path::Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        std::fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_member_leaves_no_byte_and_a_late_watcher_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let engine = EngineOptions { erase_within: Duration::ZERO, ..EngineOptions::default() };
    let kith = Kith::start(AppOptions { engine, ..options(StoreOptions::Folder(folder.path().join("store"))) }).await;
    let from = digest(&kith).await.1;
    let request_id = "0d1f2e3c-4b5a-4978-8695-a4b3c2d1e0f1".to_owned();
    let put = Member { display_name: "Wilhelmina Unforgettable".to_owned(), ..member("wilhelmina-7") };
    let put = PutMemberRequest { member: Some(put), request_id };
    kith.members().put_member(put.clone()).await.unwrap();
    kith.put_edge(Edge { note: "a note on wilhelmina".to_owned(), ..edge("wilhelmina-7", "friend", "bob") }).await;
    let origin = Some(Origin { introducer_ids: vec!["wilhelmina-7".to_owned()], ..Default::default() });
    kith.put_edge(Edge { origin, ..edge("bob", "friend", "cy") }).await;
    assert!(holds(folder.path(), b"ilhelmina"));
    let delete = DeleteMemberRequest { id: "wilhelmina-7".to_owned(), ..Default::default() };
    kith.members().delete_member(delete).await.unwrap();
    timeout(PATIENCE, async {
        while holds(folder.path(), b"ilhelmina") {
            kith.put_member(member("bob")).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("its bytes go");
    let behind = watch(&kith, &from).await.unwrap_err();
    assert_eq!((behind.code(), reason(&behind).as_str()), (Code::OutOfRange, "REVISION_TOO_OLD"));
    let earliest = behind.get_details_error_info().unwrap().metadata["earliest_revision"].clone();
    watch(&kith, &earliest).await.unwrap();
    let retried = kith.members().put_member(put).await.unwrap_err();
    assert_eq!((retried.code(), reason(&retried).as_str()), (Code::FailedPrecondition, "ANSWER_ERASED"));
    kith.stop().await.unwrap();
}
