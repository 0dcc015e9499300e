//! Expired statuses are kept a while for the service, and then erased.

use std::path::Path;
use std::time::Duration;

use kith::app::{AppOptions, StoreOptions};
use kith::engine::EngineOptions;
use kith::proto::v1::*;
use tonic::Code;

use super::ask::{at, text};
use super::harness::{Kith, PATIENCE, edge, options, status};

const TEXT: &str = "Nobody reads this any more";

fn keeping(folder: &Path, status_retention: Duration) -> AppOptions {
    let erase_within = Duration::from_secs(1);
    let engine = EngineOptions { status_retention, erase_within, ..EngineOptions::default() };
    AppOptions { engine, ..options(StoreOptions::Folder(folder.to_owned())) }
}

fn holds(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, needle),
            // A file may go while it is looked for.
            false => std::fs::read(path).unwrap_or_default().windows(needle.len()).any(|bytes| bytes == needle),
        }
    })
}

async fn is_there(kith: &Kith) -> bool {
    let get = GetStatusRequest { id: text("old"), ..Default::default() };
    match kith.statuses().get_status(get).await {
        Ok(_) => true,
        Err(refused) => {
            assert_eq!(refused.code(), Code::NotFound);
            false
        }
    }
}

#[tokio::test]
async fn an_expired_status_is_erased_when_it_was_kept_long_enough() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(keeping(folder.path(), Duration::MAX)).await;
    kith.put_chain().await;
    let expired = Status { post_time: at(5), expire_time: at(9), ..status("old", "ana", TEXT) };
    let live = Status { expire_time: at(4_000_000_000), ..status("new", "ana", "Well") };
    for status in [expired, live] {
        let post = PostStatusRequest { status: Some(status), ..Default::default() };
        kith.statuses().post_status(post).await.unwrap();
    }
    let origin = Some(Origin { status_id: text("old"), note: text("met there"), ..Default::default() });
    kith.put_edge(Edge { origin, ..edge("ana", "client", "dan") }).await;
    assert!(is_there(&kith).await && holds(folder.path(), TEXT.as_bytes()));
    kith.stop().await.unwrap();

    let kith = Kith::start(keeping(folder.path(), Duration::from_secs(24 * 3_600))).await;
    let revision = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner().revision;
    let watch = WatchRequest { from_revision: revision, ..Default::default() };
    let gone = tokio::time::timeout(PATIENCE, async {
        let mut watched = kith.data().watch(watch).await.unwrap().into_inner();
        loop {
            let change = watched.message().await.unwrap().unwrap();
            let deleted = |change: &ResourceChange| matches!(&change.change, Some(resource_change::Change::DeletedStatus(id)) if id == "old");
            if change.changes.iter().any(deleted) {
                return change;
            }
        }
    });
    // What came of it has lost its name.
    let change = gone.await.unwrap();
    assert!(change.changes.iter().any(|change| matches!(&change.change,
        Some(resource_change::Change::PutEdge(edge)) if edge.origin.as_ref().unwrap().status_id.is_empty())));
    assert!(!is_there(&kith).await);
    let get = GetStatusRequest { id: text("new"), ..Default::default() };
    kith.statuses().get_status(get).await.unwrap();
    let no_byte_is_left = async {
        while holds(folder.path(), TEXT.as_bytes()) {
            kith.put_edge(edge("ana", "friend", "ben")).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, no_byte_is_left).await.unwrap();
    kith.stop().await.unwrap();
    // Replayed it is what it was.
    let kith = Kith::start(keeping(folder.path(), Duration::MAX)).await;
    assert!(!is_there(&kith).await);
    kith.stop().await.unwrap();
}
