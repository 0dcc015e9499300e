//! `Backup`: everything at one revision, while writes go on.

use kith::app::{Erasures, StoreCheck, Verifier, restore_store};
use kith::domain::{Error, Finding};
use kith::proto::v1::*;
use tokio_stream::iter;
use tonic::Code;

use super::harness::{Kith, member, reason};
use super::whole_world::{batches, whole_world};

struct NoFinding;

impl Verifier for NoFinding {
    fn found(&mut self, finding: Finding) -> Result<(), Error> {
        panic!("{finding}")
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<(), Error> {
        Ok(())
    }
}

async fn info(kith: &Kith) -> GetServerInfoResponse {
    kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_backup_is_of_one_revision_and_restored_it_is_served_as_it_was() {
    let kith = Kith::in_memory().await;
    kith.data().import(iter(batches(&whole_world(12, 3_000)))).await.unwrap();
    let put = kith.put_member(Member { display_name: "Ann".into(), ..member("ann") }).await;
    let before = info(&kith).await;
    let mut stream = kith.admin().backup(BackupRequest::default()).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    kith.put_member(member("later")).await;
    let (mut bytes, mut done) = (Vec::new(), 0);
    while let Some(message) = stream.message().await.unwrap() {
        assert_eq!((&message.revision, &message.totals), (&before.revision, &None));
        assert!(!message.data.is_empty() && message.data.len() < 2 << 20 && message.records_done >= done);
        done = message.records_done;
        bytes.extend(message.data);
    }
    let totals = first.totals.unwrap();
    assert_eq!(first.revision, before.revision);
    assert_eq!((totals.members, totals.edges, totals.statuses), (before.members, before.edges, before.statuses));
    assert_eq!(totals.content_digest, before.content_digest);
    // Kept answers to request ids are in it, and are no records of the totals.
    assert!(done >= totals.kinds + totals.members + totals.statuses + totals.edges);

    let folder = tempfile::tempdir().unwrap();
    let erasures = Erasures { journal: None, at_start: folder.path().join("store.erasures") };
    let restored = restore_store(&bytes[..], "backup".as_ref(), folder.path(), &erasures, &mut NoFinding).unwrap();
    assert!(matches!(restored.check, StoreCheck::Read(checked, _) if checked.findings == 0));
    let other = Kith::on_disk(folder.path()).await;
    let after = info(&other).await;
    assert_eq!((&after.content_digest, after.sequence), (&before.content_digest, before.sequence));
    assert_ne!(after.store_id, before.store_id);
    let ask = |min_revision| GetMemberRequest { id: "ann".into(), min_revision, ..Default::default() };
    let got = other.members().get_member(ask(String::new())).await.unwrap().into_inner();
    // Its etag and times are those it had.
    assert_eq!(got.member.unwrap(), put);
    let refused = other.members().get_member(ask(before.revision)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "REVISION_OF_ANOTHER_STORE"),
        "{refused:?}"
    );
    let watched = other.data().watch(WatchRequest { from_revision: after.revision, ..Default::default() }).await;
    assert!(watched.is_ok(), "changes can be watched from the restored revision on");
}
