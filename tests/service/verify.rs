//! `Verify`: a check of everything, while it is served.

use kith::proto::v1::verify_response::Event;
use kith::proto::v1::*;
use tokio_stream::iter;

use super::harness::Kith;
use super::whole_world::{batches, whole_world};

#[tokio::test]
async fn nothing_is_found_and_the_summary_has_the_digest() {
    let kith = Kith::in_memory().await;
    kith.data().import(iter(batches(&whole_world(8, 2_000)))).await.unwrap();
    let info = || async { kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner() };
    let before = info().await;
    let mut stream = kith.admin().verify(VerifyRequest::default()).await.unwrap().into_inner();
    // It is of the revision it began at.
    kith.data().import(iter(batches(&whole_world(9, 100)))).await.unwrap();
    let mut summary = None;
    while let Some(message) = stream.message().await.unwrap() {
        assert_eq!(summary, None, "the summary is the last message");
        match message.event.unwrap() {
            Event::Progress(progress) => assert!(progress.checked <= progress.total),
            Event::Finding(finding) => panic!("{finding:?}"),
            Event::Summary(last) => summary = Some(last),
        }
    }
    let summary = summary.expect("it comes to its end");
    let totals = summary.totals.expect("it says how much there is");
    assert_eq!((summary.findings, &totals.content_digest), (0, &before.content_digest));
    assert_eq!((summary.revision, totals.kinds), (before.revision, i64::from(before.kinds)));
    assert_eq!((totals.members, totals.statuses, totals.edges), (before.members, before.statuses, before.edges));
    assert_ne!(info().await.content_digest, before.content_digest);
}
