//! A part of the server that it cannot do without ends: the server says so, and ends too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kith::app::{App, AppError, StoreOptions};
use kith::proto::v1::PutMemberRequest;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::store::{
    CheckpointHead, CheckpointWriter, Commit, FinishedCheckpoint, Loader, LogKeep, LogSource, MemoryStore, Scrub,
    Store, StoreError, StoreId,
};
use tonic::Code;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{PATIENCE, bars_hold, connect, member, options, reason};

/// From the end of a part to that of the server, on a machine that does nothing else.
const END_MAX: Duration = Duration::from_secs(1);

/// A store whose appends panic once they are told to.
struct Fragile {
    store: MemoryStore,
    breaks: Arc<AtomicBool>,
}

impl Store for Fragile {
    fn id(&self) -> StoreId {
        self.store.id()
    }

    fn load(&mut self, loader: &mut dyn Loader) -> Result<(), StoreError> {
        self.store.load(loader)
    }

    fn append(&mut self, commits: &[Commit]) -> Result<(), StoreError> {
        assert!(!self.breaks.load(Ordering::SeqCst), "for the test");
        self.store.append(commits)
    }

    fn begin_checkpoint(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        self.store.begin_checkpoint(head)
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        self.store.install(finished)
    }

    fn trim_log(&mut self, keep: &LogKeep) -> Result<(), StoreError> {
        self.store.trim_log(keep)
    }

    fn log(&self) -> Arc<dyn LogSource> {
        self.store.log()
    }

    fn scrub(&self) -> Arc<dyn Scrub> {
        self.store.scrub()
    }

    fn log_bytes(&self) -> u64 {
        self.store.log_bytes()
    }

    fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }
}

/// One write alone is put on the disk by the writer itself, many together by the disk's thread.
async fn breaks(writes: usize) {
    let breaks = Arc::new(AtomicBool::new(false));
    let store = Fragile { store: MemoryStore::new(StoreId(1)), breaks: breaks.clone() };
    let app = App::start_over(options(StoreOptions::Memory), move || Ok(Box::new(store))).await.unwrap();
    let channel = connect(app.address()).await;
    let mut health = HealthClient::new(channel.clone());
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status, ServingStatus::Serving as i32);
    let running = tokio::spawn(app.run_until(std::future::pending()));
    breaks.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let put = |n: usize| {
        let mut members = MemberServiceClient::new(channel.clone());
        let request = PutMemberRequest { member: Some(member(&format!("m{n}"))), ..Default::default() };
        tokio::spawn(async move { members.put_member(request).await })
    };
    for put in (0..writes).map(put).collect::<Vec<_>>() {
        let refused = put.await.unwrap().unwrap_err();
        // Those that came too late for the writer are not begun; those it had may have been.
        let known = match refused.code() {
            Code::Internal => reason(&refused) == "OUTCOME_UNKNOWN",
            Code::Unavailable | Code::Cancelled | Code::Unknown => true,
            _ => false,
        };
        assert!(known, "{refused:?}");
    }
    let ended = tokio::time::timeout(PATIENCE, running).await.expect("the server ends").unwrap();
    let took = begun.elapsed();
    assert!(took < if bars_hold() { END_MAX } else { PATIENCE }, "it took {took:?}");
    let Err(AppError::Broken(why)) = ended else { panic!("{ended:?}") };
    assert!(why.contains("for the test"), "{why}");
    if let Ok(Some(next)) = watched.message().await {
        assert_eq!(next.status, ServingStatus::NotServing as i32);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_writer_is_the_end_of_the_server() {
    breaks(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_disks_thread_is_the_end_of_the_server() {
    breaks(200).await;
}
