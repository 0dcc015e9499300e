//! Pages of a member's edges, whatever their size: together they are all of them, each once and in order.

use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use tokio_stream::iter;

use super::harness::{Kith, edge, member};

/// More than get their cursors at once (256 of them).
const FRIENDS: usize = 900;

/// The position of an edge in the hub's list: the other end, the kind, and whether it only leads in.
type Cursor = (String, String, bool);

fn cursor(edge: &Edge) -> Cursor {
    let (is_from, directed) = (edge.from_id == "hub", edge.kind == "follows");
    let other = if is_from { &edge.to_id } else { &edge.from_id };
    (other.clone(), edge.kind.clone(), directed && !is_from)
}

#[tokio::test]
async fn pages_of_any_size_are_all_edges_in_order() {
    let kith = Kith::in_memory().await;
    let mut random = fastrand::Rng::with_seed(5);
    // Some ids differ in their first bytes, others only far behind them.
    let id =
        |n: usize| if n.is_multiple_of(3) { format!("m{n}") } else { format!("a-member-of-the-same-name-{}", n / 2) };
    let mut edges = Vec::new();
    for n in 0..FRIENDS {
        let of_kinds = [edge("hub", "friend", &id(n)), edge("hub", "follows", &id(n)), edge(&id(n), "follows", "hub")];
        edges.extend(of_kinds.into_iter().filter(|_| random.u8(..3) > 0));
    }
    let mut all: Vec<Cursor> = edges.iter().map(cursor).collect();
    all.sort();
    all.dedup();
    random.shuffle(&mut edges);
    let record = |record| ImportRecord { record: Some(record), ..Default::default() };
    let records = [Record::Member(member("hub"))].into_iter().chain(edges.into_iter().map(Record::Edge));
    let records: Vec<ImportRecord> = records.map(record).collect();
    let messages: Vec<ImportRequest> = records
        .chunks(1_000)
        .map(|records| ImportRequest { records: records.to_vec(), allow_missing_members: true, ..Default::default() })
        .collect();
    assert_eq!(kith.data().import(iter(messages)).await.unwrap().into_inner().refused, 0);

    for page_size in [7, 100, 256, 257, 1_000] {
        let (mut listed, mut page_token) = (Vec::new(), String::new());
        loop {
            let list = ListEdgesRequest { member_id: "hub".into(), page_size, page_token, ..Default::default() };
            let page = kith.edges().list_edges(list).await.unwrap().into_inner();
            assert!(page.edges.len() <= page_size as usize);
            listed.extend(page.edges.iter().map(cursor));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert!(listed == all, "in pages of {page_size}: {} of {}", listed.len(), all.len());
    }
    kith.stop().await.unwrap();
}
