//! A copy begun by `Export` and kept by `Watch` from its revision on: no gap and no overlap, over broken streams and restarts.
//!
//! `KITH_MIRROR_CHANGES` sets how many changes are followed (4,000 when not given), `KITH_SEED` which they are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use kith::app::StoreOptions;
use kith::proto::v1::*;
use tokio_stream::iter;

use super::harness::{Kith, connect};
use super::mirror::{Mirror, digest};
use super::watch::{next, random_change, watch, with_checkpoints};
use super::whole_world::{batches, whole_world};

const WRITERS: u64 = 8;
const MEMBERS: u32 = 1_500;
/// The server is stopped and started again so often.
const RESTARTS: u64 = 4;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Writes batches until it is told to stop; gives the revision of the last.
async fn write_until(address: SocketAddr, seed: u64, enough: Arc<AtomicBool>) -> String {
    let mut data = data_service_client::DataServiceClient::new(connect(address).await);
    let mut random = Rng::with_seed(seed);
    let mut revision = String::new();
    while !enough.load(Ordering::Relaxed) || revision.is_empty() {
        let changes = (0..random.usize(1..30)).map(|_| random_change(&mut random, MEMBERS));
        let record = changes.map(|change| Change { change: Some(change), precondition: None }).collect();
        // One that is refused changes nothing.
        if let Ok(written) = data.write(WriteRequest { changes: record, ..Default::default() }).await {
            revision = written.into_inner().revision;
        }
    }
    revision
}

async fn exported(kith: &Kith) -> Mirror {
    let mut stream = kith.data().export(ExportRequest::default()).await.unwrap().into_inner();
    let mut records = Vec::new();
    let mut revision = String::new();
    while let Some(message) = stream.message().await.unwrap() {
        records.extend(message.records);
        revision = message.revision;
    }
    Mirror::of_export(revision, records)
}

/// Follows so many changes, over streams that are left again and again, the last one perhaps within a revision.
async fn follow(kith: &Kith, mirror: &mut Mirror, wanted: u64, random: &mut Rng) -> (u64, u64) {
    let (mut followed, mut streams) = (0, 0);
    while followed < wanted {
        let mut stream = watch(kith, &mirror.revision).await.unwrap();
        streams += 1;
        for _ in 0..random.u32(1..60) {
            let message = next(&mut stream).await.unwrap();
            followed += message.changes.len() as u64;
            let whole = !message.revision.is_empty();
            mirror.apply(message);
            if followed >= wanted && whole {
                break;
            }
        }
        // What was applied of a revision that is not complete comes again: a stream is left where one is complete.
        while !mirror.is_complete() {
            mirror.apply(next(&mut stream).await.unwrap());
        }
    }
    (followed, streams)
}

async fn catch_up(kith: &Kith, mirror: &mut Mirror, through: &str) {
    let mut stream = watch(kith, &mirror.revision).await.unwrap();
    while mirror.revision != through {
        mirror.apply(next(&mut stream).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_begun_by_an_export_and_kept_by_changes_is_the_original() {
    let (changes, seed) = (setting("KITH_MIRROR_CHANGES", 4_000), setting("KITH_SEED", 31));
    let random = &mut Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let store = StoreOptions::Folder(folder.path().join("store"));
    let mut kith = Kith::start(with_checkpoints(store.clone())).await;
    kith.data().import(iter(batches(&whole_world(seed, 500)))).await.unwrap();
    let mut mirror = None;
    let (mut followed, mut streams) = (0, 0);
    for round in 0..=RESTARTS {
        let enough = Arc::new(AtomicBool::new(false));
        let write = |writer| write_until(kith.address, seed + round * WRITERS + writer, enough.clone());
        let writers: Vec<_> = (0..WRITERS).map(|writer| tokio::spawn(write(writer))).collect();
        let mut copy = match mirror.take() {
            Some(copy) => copy,
            // Begun while the writers are at work.
            None => exported(&kith).await,
        };
        let (came, left) = follow(&kith, &mut copy, changes / (RESTARTS + 1), random).await;
        enough.store(true, Ordering::Relaxed);
        let mut last = Vec::new();
        for writer in writers {
            last.push(writer.await.unwrap());
        }
        // After the store's id the sequence, in hexadecimal.
        let last = last.into_iter().max_by_key(|revision| revision[16..32].to_owned()).unwrap();
        catch_up(&kith, &mut copy, &last).await;
        assert_eq!(copy.digest().await, digest(&kith).await.0, "seed {seed}, round {round}");
        mirror = Some(copy);
        (followed, streams) = (followed + came, streams + left);
        kith.stop().await.unwrap();
        kith = Kith::start(with_checkpoints(store.clone())).await;
    }
    println!("{followed} changes over {streams} streams and {} restarts, seed {seed}: the same digest", RESTARTS + 1);
    kith.stop().await.unwrap();
}
