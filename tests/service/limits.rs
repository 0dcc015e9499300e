//! What a caller cannot do: messages too large or unreadable, calls past their deadline, pages of another request.

use std::time::{Duration, Instant};

use kith::app::{ReceivedLimits, StoreOptions};
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::*;
use tonic::{Code, Request};

use crate::harness::{Kith, PATIENCE, edge, member, options, reason, status};
use crate::raw::{Wire, call};

fn text(value: &str) -> String {
    value.to_owned()
}

/// An import whose records never end.
fn endless_import() -> impl tokio_stream::Stream<Item = ImportRequest> + Send + 'static {
    tokio_stream::pending()
}

#[tokio::test]
async fn a_message_over_the_bound_is_exhausted() {
    let kith = Kith::in_memory().await;
    let large = Member { display_name: "a".repeat(4 * 1_024 * 1_024), ..member("ana") };
    let put = PutMemberRequest { member: Some(large.clone()), ..Default::default() };
    let refused = kith.members().put_member(put).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::ResourceExhausted, "TOO_LONG"));

    let record = ImportRecord { record: Some(import_record::Record::Member(large)), position: 1, ..Default::default() };
    let messages = tokio_stream::iter([ImportRequest { records: vec![record], ..Default::default() }]);
    let refused = kith.data().import(messages).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::ResourceExhausted, "TOO_LONG"));
}

#[tokio::test]
async fn a_message_within_the_bound_is_read() {
    let kith = Kith::in_memory().await;
    let long = Member { display_name: "a".repeat(4 * 1_024 * 1_024 - 64), ..member("ana") };
    let put = PutMemberRequest { member: Some(long), ..Default::default() };
    let refused = kith.members().put_member(put).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::InvalidArgument, "TOO_LONG"));
}

#[tokio::test]
async fn bytes_on_their_way_in_are_bounded_and_given_back() {
    let mut served = options(StoreOptions::Memory);
    served.server.received = ReceivedLimits::of(1_024 * 1_024);
    let kith = Kith::start(served).await;
    for (bytes, code, why) in [
        (1_500_000, Code::ResourceExhausted, "OVERLOADED"),
        (900_000, Code::InvalidArgument, "TOO_LONG"),
        (1_500_000, Code::ResourceExhausted, "OVERLOADED"),
        (900_000, Code::InvalidArgument, "TOO_LONG"),
    ] {
        let long = Member { display_name: "a".repeat(bytes), ..member("ana") };
        let put = PutMemberRequest { member: Some(long), ..Default::default() };
        let refused = kith.members().put_member(put).await.unwrap_err();
        assert_eq!((refused.code(), &*reason(&refused)), (code, why), "{bytes} bytes");
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_caller_who_falls_silent_within_its_messages_is_not_waited_for() {
    let mut served = options(StoreOptions::Memory);
    served.server.silence = Duration::from_millis(100);
    let kith = Kith::start(served).await;
    let ended = tokio::time::timeout(PATIENCE, kith.data().import(endless_import())).await.unwrap().unwrap_err();
    assert_eq!((ended.code(), &*reason(&ended)), (Code::ResourceExhausted, "OVERLOADED"));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn an_unreadable_message_is_the_callers_fault() {
    let kith = Kith::in_memory().await;
    for path in ["/kith.v1.MemberService/PutMember", "/kith.v1.DataService/Import", "/kith.v1.DataService/Write"] {
        let refused = call(kith.address, path, vec![0xff; 40]).await.unwrap_err();
        assert_eq!((refused.code(), &*reason(&refused)), (Code::InvalidArgument, "MALFORMED"), "{path}");
    }
    // GetMember of the id "a\xff": ids are text.
    let refused = call(kith.address, "/kith.v1.MemberService/GetMember", vec![0x0a, 2, b'a', 0xff]).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::InvalidArgument, "MALFORMED"));
    let refused = call(kith.address, "/kith.v1.MemberService/NoSuchMethod", Vec::new()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_as_such() {
    let kith = Kith::in_memory().await;
    let mut data = DataServiceClient::new(Wire::connect(kith.address).await);
    let mut request = Request::new(endless_import());
    request.set_timeout(Duration::from_millis(100));
    let begin = Instant::now();
    let ended = tokio::time::timeout(PATIENCE, data.import(request)).await.unwrap().unwrap_err();
    assert_eq!((ended.code(), &*reason(&ended)), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert!(begin.elapsed() >= Duration::from_millis(90), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_call_given_up_leaves_nothing_behind() {
    let kith = Kith::in_memory().await;
    let mut data = kith.data();
    let given_up = tokio::time::timeout(Duration::from_millis(100), data.import(endless_import())).await;
    assert!(given_up.is_err());
    drop(data);
    let begin = Instant::now();
    kith.stop().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "the call was waited for: {:?}", begin.elapsed());
}

#[tokio::test]
async fn a_budget_of_edges_makes_the_answer_partial() {
    let kith = Kith::in_memory().await;
    for friend in ["ben", "cleo", "dan", "eva"] {
        kith.put_edge(edge("ana", "friend", friend)).await;
        kith.put_edge(edge(friend, "friend", "fay")).await;
    }
    let ask = |require_complete| GetReachRequest {
        subject: Some(get_reach_request::Subject::MemberId(text("ana"))),
        read: Some(ReadOptions { max_edges_visited: 1, require_complete, ..Default::default() }),
        ..Default::default()
    };
    let info = kith.reach().get_reach(ask(false)).await.unwrap().into_inner().info.unwrap();
    assert_eq!((info.completeness(), info.limit_hit()), (Completeness::Partial, Limit::EdgesVisited));
    let refused = kith.reach().get_reach(ask(true)).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::ResourceExhausted, "BUDGET_EXHAUSTED"));
}

#[tokio::test]
async fn pages_join_to_the_whole() {
    let kith = Kith::in_memory().await;
    let ids = ["ana", "ben", "cleo", "dan", "eva"];
    for id in ids {
        kith.put_member(member(id)).await;
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let list = ListMembersRequest { page_size: 2, page_token, ..Default::default() };
        let page = kith.members().list_members(list).await.unwrap().into_inner();
        assert!(page.members.len() <= 2);
        seen.extend(page.members.into_iter().map(|member| member.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn a_page_token_belongs_to_its_request() {
    let kith = Kith::in_memory().await;
    for id in ["s1", "s2"] {
        kith.put_member(member(id)).await;
        let post = PostStatusRequest { status: Some(status(id, "s1", "a text")), ..Default::default() };
        kith.statuses().post_status(post).await.unwrap();
    }
    let list = |author_id: &str, page_token: String| ListStatusesRequest {
        author_id: text(author_id),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let first = kith.statuses().list_statuses(list("s1", String::new())).await.unwrap().into_inner();
    let of_another = kith.statuses().list_statuses(list("s2", first.next_page_token)).await.unwrap_err();
    assert_eq!((of_another.code(), &*reason(&of_another)), (Code::InvalidArgument, "PAGE_TOKEN_MISMATCH"));

    let no_token = kith.statuses().list_statuses(list("s1", text("no token"))).await.unwrap_err();
    assert_eq!((no_token.code(), &*reason(&no_token)), (Code::InvalidArgument, "MALFORMED"));
}
