//! Duties of data protection: a member whose processing is restricted is like one who is not there, to every viewer and to the service,
//! whatever they ask; a member who objects to profiling is in no ranking of people.
//!
//! `KITH_RESTRICTED` is how many worlds are tried, `KITH_SEED` where they begin.

use fastrand::Rng;
use kith::app::StoreOptions;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use tonic::Code;

use super::ask::*;
use super::harness::{Kith, edge, member, options, status};
use super::hidden_worlds::{KINDS, NOW, World, pick};
use super::viewers_differ::{answer, discovery, question, revision};

const QUESTIONS: usize = 150;

/// Sets some of a member's privacy and leaves the rest as it is.
async fn set(kith: &Kith, id: &str, path: &str, privacy: Privacy) {
    let update = UpdateMemberRequest {
        member: Some(Member { privacy: Some(privacy), ..member(id) }),
        update_mask: Some(prost_types::FieldMask { paths: vec![format!("privacy.{path}")] }),
        ..Default::default()
    };
    kith.members().update_member(update).await.unwrap();
}

async fn restrict(kith: &Kith, id: &str, processing_restricted: bool) {
    set(kith, id, "processing_restricted", Privacy { processing_restricted, ..Default::default() }).await;
}

async fn object(kith: &Kith, id: &str) {
    set(kith, id, "objects_to_profiling", Privacy { objects_to_profiling: true, ..Default::default() }).await;
}

/// What the service alone may ask, and names no viewer for.
fn question_of_service(random: &mut Rng, ids: &[String]) -> Ask {
    use check_reach_request::Subject;
    let id = pick(random, ids).clone();
    if random.bool() {
        return list_blocks(|r| r.member_id = id);
    }
    let status = format!("s{}", random.usize(..ids.len()));
    let subject = Some(if random.bool() { Subject::StatusId(status) } else { Subject::MemberId(id) });
    let max_edges_visited = if random.bool() { random.i64(1..60) } else { 0 };
    let read = Some(ReadOptions { as_of: at(NOW), max_edges_visited, ..Default::default() });
    check_reach(|r| *r = CheckReachRequest { subject, viewer_ids: ids.to_vec(), read, ..Default::default() })
}

/// Any question, by anybody: the service, the member itself, another. Now and then it is about an edge of the member, by its key.
fn any_question(random: &mut Rng, ids: &[String], restricted: &str, edges: &[&Edge]) -> Ask {
    let viewer = match random.u8(..4) {
        0 => "",
        1 => restricted,
        _ => pick(random, ids).as_str(),
    };
    match random.u8(..16) {
        0..2 => question_of_service(random, ids),
        2 if !viewer.is_empty() => discovery(random, viewer),
        3 if !edges.is_empty() => {
            let edge = random.choice(edges).unwrap();
            let (from_id, kind, to_id) = (edge.from_id.clone(), edge.kind.clone(), edge.to_id.clone());
            get_edge(|r| {
                *r = GetEdgeRequest {
                    from_id,
                    kind,
                    to_id,
                    viewer_id: text(viewer),
                    as_of: at(NOW),
                    ..Default::default()
                };
            })
        }
        _ => question(random, ids, viewer, true),
    }
}

/// A world in which a member is restricted, now or later, and is an end of pending edges too.
fn world_of(random: &mut Rng, ids: &[String], restricted: &str) -> World {
    let mut world = World::random(random, ids);
    for _ in 0..random.usize(..4) {
        let other = pick(random, ids).clone();
        world.put_edge(random, ids, restricted, &other);
        let asked_by = ["", restricted, &other][random.usize(..3)];
        world.between(restricted, &other).for_each(|edge| edge.asked_by_id = text(asked_by));
        world.put_block(other, restricted.to_owned());
    }
    world
}

/// Asks two servers the same, and returns how many answers differ; an assertion fails on the first if none may.
async fn differing(asked: &[Ask], [one, other]: [&Kith; 2], may_differ: bool, what: &str) -> usize {
    let revisions = [revision(one).await, revision(other).await];
    let mut differing = 0;
    for (n, ask) in asked.iter().enumerate() {
        let this = answer(ask.clone(), &one.channel, &revisions[0]).await;
        let that = answer(ask.clone(), &other.channel, &revisions[1]).await;
        assert!(may_differ || this == that, "{what}, question {n}:\n{this}\n{that}");
        differing += usize::from(this != that);
    }
    differing
}

/// Asks three servers: one has a restricted member, one never had it, and one has it and does not restrict it. Returns in how many
/// questions the member shows where it is not restricted.
async fn ask_of_one(seed: u64) -> usize {
    let random = &mut Rng::with_seed(seed);
    let ids: Vec<String> = (0..random.usize(5..12)).map(|n| format!("m{n}")).collect();
    let restricted = pick(random, &ids).clone();
    let free = world_of(random, &ids, &restricted);
    let (mut with, mut without) = (free.clone(), free.clone());
    without.forget_wholly(&restricted);
    let is_put_so = random.bool();
    with.privacy(&restricted).processing_restricted = is_put_so;
    let limit = [None, Some(random.u64(1..40)), Some(random.u64(100..800))][random.usize(..3)];
    let known = free.clone();
    let edges = known.edges.values().filter(|edge| [&edge.from_id, &edge.to_id].contains(&&restricted));
    let edges: Vec<&Edge> = edges.collect();
    let (with, without, free) = (with.served(limit).await, without.served(limit).await, free.served(limit).await);
    if !is_put_so {
        restrict(&with, &restricted, true).await;
    }
    let asked: Vec<Ask> = (0..QUESTIONS).map(|_| any_question(random, &ids, &restricted, &edges)).collect();
    let what = format!("KITH_SEED={seed}, {restricted} is restricted");
    differing(&asked, [&with, &without], false, &what).await;
    let shown = differing(&asked, [&free, &without], true, &what).await;
    restrict(&with, &restricted, false).await;
    differing(&asked, [&with, &free], false, &format!("{what} no more")).await;
    for kith in [with, without, free] {
        kith.stop().await.unwrap();
    }
    shown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_processing_is_restricted_is_like_one_who_is_not_there() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let worlds = number("KITH_RESTRICTED").unwrap_or(12);
    let seed = number("KITH_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let mut shown = 0;
    for n in 0..worlds {
        shown += ask_of_one(seed + n).await;
    }
    println!("{worlds} worlds, seed {seed}: no difference; {shown} where the member is not restricted");
    assert!(shown > 0, "whether the member is there makes no difference to these questions");
}

/// Returns all that the server exports of a member, or of all, and what it says of how much that is.
async fn exported(kith: &Kith, member_id: &str) -> (Vec<Record>, ContentTotals) {
    let request = ExportRequest { member_id: text(member_id), ..Default::default() };
    let mut stream = kith.data().export(request).await.unwrap().into_inner();
    let (mut records, mut totals) = (Vec::new(), None);
    while let Some(message) = stream.message().await.unwrap() {
        totals = totals.or(message.totals);
        records.extend(message.records.into_iter().filter_map(|record| record.record));
    }
    (records, totals.unwrap())
}

#[tokio::test]
async fn what_is_restricted_is_exported_and_found_by_writes() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let post = PostStatusRequest { status: Some(status("s", "ben", "Look")), ..Default::default() };
    kith.statuses().post_status(post).await.unwrap();
    for blocked in [block("ben", "eva"), block("eva", "ben")] {
        kith.members().block_member(BlockMemberRequest { block: blocked, ..Default::default() }).await.unwrap();
    }
    let tallied = introduction("ben", IntroductionStage::Asked);
    let record = RecordIntroductionsRequest { introductions: vec![tallied], ..Default::default() };
    kith.introductions().record_introductions(record).await.unwrap();
    let pending = Edge { asked_by_id: text("ben"), ..edge("ben", "family", "dan") };
    kith.put_edge(pending).await;
    restrict(&kith, "ben", true).await;
    let is_of_ben = |record: &Record| match record {
        Record::Member(member) => member.id == "ben" && member.privacy.is_some_and(|it| it.processing_restricted),
        Record::Edge(edge) => [&edge.from_id, &edge.to_id].iter().any(|end| *end == "ben"),
        Record::Status(status) => status.author_id == "ben",
        Record::Block(block) => [&block.member_id, &block.blocked_id].iter().any(|end| *end == "ben"),
        Record::IntroducerTally(tally) => tally.member_id == "ben",
        _ => false,
    };
    let (all, _) = exported(&kith, "").await;
    let mut of_ben: Vec<Record> = all.into_iter().filter(is_of_ben).collect();
    assert_eq!(of_ben.len(), 1 + 3 + 1 + 2 + 1);
    // Its own export has what is its own: that another blocks it is the other's.
    of_ben.retain(|record| !matches!(record, Record::Block(block) if block.member_id == "eva"));
    let (mut own, totals) = exported(&kith, "ben").await;
    assert_eq!((totals.members, totals.statuses, totals.edges), (1, 1, 3));
    assert_eq!((totals.blocks, totals.introducer_tallies), (1, 1));
    for records in [&mut own, &mut of_ben] {
        records.sort_by_key(|record| format!("{record:?}"));
    }
    assert_eq!(own, of_ben);
    let nobodys = ExportRequest { member_id: text("nobody"), ..Default::default() };
    assert_eq!(kith.data().export(nobodys).await.unwrap_err().code(), Code::NotFound);
    let info = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner();
    assert_eq!((info.members, info.edges, info.statuses), (5, 4, 1));

    // A write that says that there is no such member is refused.
    let absent = Precondition { condition: Some(precondition::Condition::Exists(false)) };
    let put = Change { change: Some(change::Change::PutMember(member("ben"))), precondition: Some(absent) };
    let refused = kith.data().write(WriteRequest { changes: vec![put], ..Default::default() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    // What is written about it meanwhile is there when the restriction ends, and what was taken back is not.
    kith.put_edge(edge("ben", "friend", "dan")).await;
    let of_cleo =
        DeleteEdgeRequest { from_id: text("ben"), kind: text("colleague"), to_id: text("cleo"), ..Default::default() };
    kith.edges().delete_edge(of_cleo).await.unwrap();
    let edges = ListEdgesRequest { member_id: text("dan"), ..Default::default() };
    let count = async || kith.edges().list_edges(edges.clone()).await.unwrap().into_inner().edges.len();
    assert_eq!(count().await, 1);
    restrict(&kith, "ben", false).await;
    assert_eq!(count().await, 3);
    restrict(&kith, "ben", true).await;
    let delete = DeleteMemberRequest { id: text("ben"), ..Default::default() };
    let deleted = kith.members().delete_member(delete).await.unwrap().into_inner();
    assert_eq!((deleted.edges_deleted, deleted.statuses_deleted), (3, 1));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn what_came_of_a_status_with_a_restricted_member_is_nobodys_cost() {
    let mut options = options(StoreOptions::Memory);
    // It is too little to look one outcome up.
    options.engine.edges_visited_max = 1;
    let kith = Kith::start(options).await;
    kith.put_chain().await;
    let post = PostStatusRequest { status: Some(status("s", "ana", "Look")), ..Default::default() };
    kith.statuses().post_status(post).await.unwrap();
    let origin = Some(Origin { status_id: text("s"), ..Default::default() });
    kith.put_edge(Edge { origin, ..edge("ana", "friend", "dan") }).await;
    let outcomes = async || {
        let ask = ListOutcomesRequest { status_id: text("s"), ..Default::default() };
        kith.statuses().list_outcomes(ask).await.map(|found| found.into_inner().edges.len()).map_err(|it| it.code())
    };
    assert_eq!(outcomes().await, Err(Code::ResourceExhausted));
    restrict(&kith, "dan", true).await;
    assert_eq!(outcomes().await, Ok(0));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_restricted_viewer_is_one_who_is_no_member() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    restrict(&kith, "ben", true).await;
    let get =
        |id: &str, viewer_id: &str| GetMemberRequest { id: text(id), viewer_id: text(viewer_id), ..Default::default() };
    let refused = kith.members().get_member(get("ben", "ben")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(kith.members().get_member(get("ana", "ben")).await.is_ok());
    let discover = DiscoverStatusesRequest { viewer_id: text("ben"), ..Default::default() };
    assert_eq!(kith.reach().discover_statuses(discover).await.unwrap_err().code(), Code::NotFound);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn who_objects_to_profiling_is_in_no_ranking_and_everything_else_is_as_before() {
    let kith = Kith::in_memory().await;
    for (from, to) in [("ana", "ben"), ("ben", "cleo"), ("cleo", "dan")] {
        kith.put_edge(edge(from, KINDS[0], to)).await;
    }
    for author in ["ben", "cleo"] {
        let topics = vec![text("dogs")];
        let put = Status { topics, post_time: at(NOW), ..status(&format!("of-{author}"), author, "Woof") };
        kith.statuses().post_status(PostStatusRequest { status: Some(put), ..Default::default() }).await.unwrap();
    }
    let suggested = async || {
        let ask = SuggestIntroductionsRequest { member_id: text("ana"), ..Default::default() };
        let found = kith.introductions().suggest_introductions(ask).await.unwrap().into_inner().suggestions;
        let introducers = |found: Suggestion| found.introducers.into_iter().map(|found| found.member_id).collect();
        found.into_iter().map(|found| (found.member_id.clone(), introducers(found))).collect::<Vec<_>>()
    };
    let introducers = async || {
        let ask = FindIntroducersRequest { member_id: text("ana"), target_id: text("cleo"), ..Default::default() };
        kith.introductions().find_introducers(ask).await.unwrap().into_inner().introducers.len()
    };
    let leaders = async || {
        let ask = ListLeadersRequest { topic: text("dogs"), ..Default::default() };
        let found = kith.introductions().list_leaders(ask).await.unwrap().into_inner().leaders;
        let mut found: Vec<_> = found.into_iter().map(|leader| (leader.member_id, leader.reader_ids)).collect();
        found.sort();
        found
    };
    let rest = async || {
        let mut rest = Vec::new();
        for ask in [
            get_reach(|r| r.subject = Some(get_reach_request::Subject::MemberId(text("ana")))),
            find_paths(|r| (r.from_id, r.to_id) = (text("ana"), text("cleo"))),
            list_mutuals(|r| (r.a_id, r.b_id) = (text("ana"), text("cleo"))),
            list_statuses(|r| (r.author_id, r.viewer_id) = (text("ben"), text("ana"))),
            get_member(|r| (r.id, r.viewer_id) = (text("ben"), text("ana"))),
        ] {
            rest.push(answer(ask, &kith.channel, &revision(&kith).await).await);
        }
        rest.into_iter().map(|answer| answer.split("as_of").next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let by = |ids: &[&str]| ids.iter().map(|id| text(id)).collect::<Vec<_>>();
    let both = [(text("ben"), by(&["cleo"])), (text("cleo"), by(&["ben"]))];
    let before = rest().await;
    let by_ben = |introducers: &[&str]| vec![(text("cleo"), by(introducers)), (text("dan"), by(introducers))];
    assert_eq!((suggested().await, introducers().await, leaders().await), (by_ben(&["ben"]), 1, both.to_vec()));
    object(&kith, "ben").await;
    // It is still a reason, and a reader.
    assert_eq!((suggested().await, introducers().await, leaders().await), (by_ben(&[]), 0, both[1..].to_vec()));
    assert_eq!(rest().await, before);
    object(&kith, "cleo").await;
    assert_eq!((suggested().await, leaders().await), (vec![(text("dan"), Vec::new())], Vec::new()));
    kith.stop().await.unwrap();
}
