//! What runs short or hangs for a while: threads, files, a checkpoint's syncs, the whole disk. The server goes on, says what it
//! cannot do, and does it when it can.

use std::time::{Duration, Instant};

use kith::proto::v1::admin_service_client::AdminServiceClient;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::{
    ExportRequest, GetMemberRequest, GetServerInfoRequest, GetServerInfoResponse, ImportRecord, ImportRequest, Member,
    PutMemberRequest,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status as Refused};

use super::call::reason;
use super::reading::info;
use super::recording::{start_new_store, until};
use super::server::{CHECKPOINT_LOG_BYTES, Start};
use super::settings::{PATIENCE, seed};
use super::shim::{CHECKPOINT_SYNC_EIO, NO_FILES, NO_THREADS, SYNC_EIO, SYNC_HANGS, WRITE_ENOSPC};

/// A tenth of a second of what a hung disk must not take from others, with much room for a machine that does much else.
const AT_ONCE: Duration = Duration::from_secs(3);
const DRAIN_SECONDS: u64 = 1;
/// The drain time, the store's, and room.
const STOP_MAX: Duration = Duration::from_secs(DRAIN_SECONDS + 5 + 4);

fn member(id: &str) -> Member {
    Member { id: id.to_owned(), headline: "h".repeat(400), ..Default::default() }
}

async fn put(channel: &Channel, id: &str) -> Result<(), Refused> {
    let request = PutMemberRequest { member: Some(member(id)), ..Default::default() };
    MemberServiceClient::new(channel.clone()).put_member(request).await.map(drop)
}

async fn is_there(channel: &Channel, id: &str) -> bool {
    let request = GetMemberRequest { id: id.to_owned(), ..Default::default() };
    match MemberServiceClient::new(channel.clone()).get_member(request).await {
        Ok(_) => true,
        Err(refused) if refused.code() == Code::NotFound => false,
        Err(refused) => panic!("{refused:?}"),
    }
}

/// Waits until a checkpoint has taken what the log had.
async fn until_checkpoint(channel: &Channel) -> GetServerInfoResponse {
    let begun = Instant::now();
    loop {
        let info = info(channel).await;
        if (info.log_bytes as u64) < CHECKPOINT_LOG_BYTES / 2 {
            return info;
        }
        assert!(begun.elapsed() < PATIENCE, "no checkpoint comes: {info:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_that_fails_comes_when_it_can_and_nothing_ends_meanwhile() {
    for (name, fault) in [("threads", NO_THREADS), ("files", NO_FILES), ("syncs", CHECKPOINT_SYNC_EIO)] {
        let folder = tempfile::tempdir().unwrap();
        let (shim, server) = start_new_store(folder.path(), seed(name));
        let channel = server.channels().await.remove(0);
        shim.fail(fault, 0, 1);
        // Three checkpoints are due in it.
        for n in 0..3 * CHECKPOINT_LOG_BYTES / 400 {
            put(&channel, &format!("m{n}")).await.unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        }
        until(|| shim.injected() > 0).await;
        assert!(info(&channel).await.log_bytes as u64 > 2 * CHECKPOINT_LOG_BYTES, "{name}: a checkpoint came");
        if fault == NO_THREADS {
            // The threads of streams were made at the start.
            let mut data = DataServiceClient::new(channel.clone());
            let mut exported = data.export(ExportRequest::default()).await.unwrap().into_inner();
            assert!(exported.message().await.unwrap().is_some());
        }
        shim.heal();
        until_checkpoint(&channel).await;
        put(&channel, "after").await.unwrap();
        drop(channel);
        server.stop();
    }
}

/// An append fails, and so does all that would make it undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_may_be_there_after_a_restart_is_not_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let (shim, server) = start_new_store(folder.path(), seed("twice"));
    let channel = server.channels().await.remove(0);
    put(&channel, "before").await.unwrap();
    // The frame is written; its sync fails, and then every write.
    shim.fail(SYNC_EIO | WRITE_ENOSPC, 1, 1);
    let refused = put(&channel, "unknown").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Internal, "OUTCOME_UNKNOWN"));
    assert!(refused.message().contains("is not known"), "{refused:?}");
    assert!(!is_there(&channel, "unknown").await);
    // Of one that was never whole it is known that it is not there.
    let refused = put(&channel, "none").await.unwrap_err();
    assert_eq!(reason(&refused), "STORAGE_FULL");
    shim.heal();
    put(&channel, "after").await.unwrap();
    server.kill();
    let data = shim.folder().join("store");
    let server = Start::logging_to(&data, &folder.path().join("log")).run().unwrap();
    let channel = server.channels().await.remove(0);
    let there =
        [is_there(&channel, "before").await, is_there(&channel, "none").await, is_there(&channel, "after").await];
    assert_eq!(there, [true, false, true]);
    // What came after it was acknowledged, so that it is settled: it has never been.
    assert!(!is_there(&channel, "unknown").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_holds_up_neither_questions_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (shim, server) = start_new_store(folder.path(), seed("hangs"));
    server.stop();
    let start = Start::logging_to(&shim.folder().join("store"), &folder.path().join("log"));
    let server = shim.under(start.env("KITH_DRAIN_SECONDS", DRAIN_SECONDS.to_string())).run().unwrap();
    let channels = server.channels().await;
    put(&channels[0], "before").await.unwrap();
    let operations = shim.operations();
    shim.fail(SYNC_HANGS, 0, 1);
    let writer = channels[0].clone();
    let hung = tokio::spawn(async move { put(&writer, "hung").await });
    until(|| shim.operations() > operations).await;
    let mut admin = AdminServiceClient::new(channels[1].clone());
    let asked = timeout(AT_ONCE, admin.get_server_info(GetServerInfoRequest::default())).await;
    let info = asked.expect("it is answered at once").unwrap().into_inner();
    assert!(info.disk_bytes > 0 && info.log_bytes > 0, "{info:?}");
    let (ended, took) = server.terminate();
    assert!(!ended.success() && took < STOP_MAX, "{ended} after {took:?}");
    assert!(hung.await.unwrap().is_err());
    shim.heal();
}

/// The numbers of the messages whose members are there.
async fn messages_there(channel: &Channel, round: usize, messages: usize) -> Vec<usize> {
    let mut there = Vec::new();
    for n in 0..messages {
        if is_there(channel, &format!("r{round}-{n}")).await {
            there.push(n);
        }
    }
    there
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_the_disk_breaks_off_is_there_up_to_a_message_and_no_further() {
    const MESSAGES: usize = 150;
    let folder = tempfile::tempdir().unwrap();
    let (shim, server) = start_new_store(folder.path(), seed("import"));
    let channel = server.channels().await.remove(0);
    let mut broken = 0;
    for round in 0..6 {
        let (send, messages) = mpsc::channel(1);
        let mut data = DataServiceClient::new(channel.clone());
        let importing = tokio::spawn(async move { data.import(ReceiverStream::new(messages)).await });
        for n in 0..MESSAGES {
            if n == 20 {
                shim.fail(WRITE_ENOSPC, 3 + round, 3);
            }
            let record = Record::Member(member(&format!("r{round}-{n}")));
            let records = vec![ImportRecord { record: Some(record), ..Default::default() }];
            let message = ImportRequest { records, allow_missing_members: true, ..Default::default() };
            // One that was broken off takes no more.
            if send.send(message).await.is_err() {
                break;
            }
            // So that they do not all go to the disk together.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(send);
        broken += u32::from(importing.await.unwrap().is_err());
        shim.heal();
        // What was on its way is done with when this is.
        put(&channel, &format!("after-{round}")).await.unwrap();
        let there = messages_there(&channel, round as usize, MESSAGES).await;
        assert_eq!(there, (0..there.len()).collect::<Vec<_>>(), "round {round}");
    }
    assert!(broken > 0, "no import was broken off");
    server.stop();
}
