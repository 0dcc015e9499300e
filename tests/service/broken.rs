//! A part of the server that it cannot do without ends: the server says so, and ends too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kith::app::{App, AppError, StoreOptions};
use kith::proto::v1::PutMemberRequest;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::store::{Commit, Log, MemoryStore, NotAppended, StoreId};
use tonic::Code;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{PATIENCE, bars_hold, connect, member, options, reason};
use crate::over::{Hears, over};

/// From the end of a part to that of the server, on a machine that does nothing else.
const END_MAX: Duration = Duration::from_secs(1);

/// Appends panic once it is true.
#[derive(Clone)]
struct Breaks(Arc<AtomicBool>);

impl Hears for Breaks {
    fn append(&mut self, log: &mut dyn Log, commits: &[Commit]) -> Result<(), NotAppended> {
        assert!(!self.0.load(Ordering::SeqCst), "for the test");
        log.append(commits)
    }
}

/// One write alone is put on the disk by the writer itself, many together by the disk's thread.
async fn breaks(writes: usize) {
    let breaks = Arc::new(AtomicBool::new(false));
    let store = over(MemoryStore::new(StoreId(1)).open(), &Breaks(breaks.clone()));
    let app = App::start_over(options(StoreOptions::Memory), move || Ok(store)).await.unwrap();
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
