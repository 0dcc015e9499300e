//! Noninterference: two worlds that differ only in something that a viewer may not see answer it alike, whatever it asks.
//!
//! `KITH_VIEWERS` is how many pairs of worlds are tried, `KITH_SEED` where they begin: 700 make more than 100,000 questions.

use std::collections::BTreeMap;

use fastrand::Rng;
use kith::proto::v1::*;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use super::ask::*;
use super::harness::Kith;
use super::hidden_worlds::{
    HIDDEN, Hidden, KINDS, NOW, TOPICS, pair, pick, some_filter, some_member_filter, some_topics,
};

const QUESTIONS: usize = 150;

/// Something that can be asked on behalf of a viewer; the service's own question if it is empty.
pub fn question(random: &mut Rng, ids: &[String], viewer: &str, introductions: bool) -> Ask {
    let any = |random: &mut Rng| if random.u8(..20) == 0 { text("nobody") } else { pick(random, ids).clone() };
    let (a, b) = (any(random), any(random));
    let s = format!("s{}", random.usize(..ids.len()));
    let s = if random.u8(..3) == 0 { text("hidden") } else { s };
    let filter = some_filter(random, ids);
    let kind = text(random.choice(&KINDS).unwrap());
    let page_size = [0, 1, 2][random.usize(..3)];
    let (hops, as_of) = (random.i32(..=6).max(0), at(NOW));
    let read = Some(ReadOptions {
        viewer_id: text(viewer),
        as_of,
        max_edges_visited: some_budget(random),
        require_complete: random.u8(..8) == 0,
        ..Default::default()
    });
    let (viewer_id, topics, member_filter) = (text(viewer), some_topics(random), some_member_filter(random));
    match random.usize(..if introductions { 17 } else { 15 }) {
        0 => get_member(|r| (r.id, r.viewer_id) = (a, viewer_id)),
        1 => batch_get_members(|r| (r.ids, r.viewer_id) = (ids.to_vec(), viewer_id)),
        2 => list_members(|r| {
            (r.page_size, r.viewer_id, r.member_filter) = (page_size, viewer_id, member_filter);
            r.display_name_prefix = text(random.choice(&["", "z", "ZU"]).unwrap());
        }),
        3 => get_edge(|r| {
            (r.from_id, r.kind, r.to_id, r.as_of, r.viewer_id) = (a, kind, b, as_of, viewer_id);
        }),
        4 => list_edges(|r| {
            *r = ListEdgesRequest { member_id: a, filter, page_size, as_of, viewer_id, ..Default::default() };
        }),
        5 => count_edges(|r| *r = CountEdgesRequest { member_id: a, filter, as_of, viewer_id, ..Default::default() }),
        6 => get_status(|r| (r.id, r.viewer_id) = (s, viewer_id)),
        7 => list_statuses(|r| (r.author_id, r.page_size, r.viewer_id) = (a, page_size, viewer_id)),
        8 => list_outcomes(|r| (r.status_id, r.as_of, r.page_size, r.viewer_id) = (s, as_of, page_size, viewer_id)),
        9 => {
            use get_reach_request::Subject;
            let subject = Some(if random.u8(..3) == 0 { Subject::StatusId(s) } else { Subject::MemberId(a) });
            get_reach(|r| *r = GetReachRequest { subject, filter, max_hops: hops, read, member_filter })
        }
        10 => {
            use list_reach_request::Subject;
            let subject = Some(if random.u8(..3) == 0 { Subject::StatusId(s) } else { Subject::MemberId(a) });
            let crossing_only = random.bool();
            let page_token = String::new();
            list_reach(|r| {
                *r = ListReachRequest {
                    subject,
                    filter,
                    max_hops: hops,
                    page_size,
                    page_token,
                    read,
                    crossing_only,
                    member_filter,
                };
            })
        }
        11 => find_paths(|r| {
            let (k, max_hops, ranking) = (random.i32(0..4), hops, random.i32(0..3));
            *r = FindPathsRequest { from_id: a, to_id: b, filter, k, max_hops, ranking, read };
        }),
        12 => batch_get_distances(|r| {
            *r = BatchGetDistancesRequest { from_id: a, to_ids: ids.to_vec(), filter, max_hops: hops, read };
        }),
        13 => list_mutuals(|r| {
            *r = ListMutualsRequest { a_id: a, b_id: b, filter, page_size, page_token: String::new(), read };
        }),
        14 => {
            let near = random.bool().then_some(Near { member_id: a, max_hops: hops });
            let topic = text(random.choice(&TOPICS).unwrap());
            list_leaders(|r| *r = ListLeadersRequest { topic, filter, near, limit: 0, read, member_filter })
        }
        15 => suggest_introductions(|r| {
            let exclude_ids = vec![b];
            let exact = random.bool();
            *r = SuggestIntroductionsRequest {
                member_id: a,
                topics,
                filter,
                exclude_ids,
                read,
                exact,
                member_filter,
                ..Default::default()
            };
        }),
        _ => find_introducers(|r| {
            let (member_id, target_id) = (a, b);
            let max_hops = hops;
            *r = FindIntroducersRequest { member_id, target_id, filter, max_hops, limit: 0, read, member_filter };
        }),
    }
}

/// None, a small one, or one that ends in the midst of a hub's list.
fn some_budget(random: &mut Rng) -> i64 {
    match random.u8(..4) {
        0 => random.i64(1..40),
        1 => random.i64(1..1_600),
        _ => 0,
    }
}

/// What the viewer itself can discover.
pub fn discovery(random: &mut Rng, viewer: &str) -> Ask {
    let read = Some(ReadOptions { as_of: at(NOW), max_edges_visited: some_budget(random), ..Default::default() });
    let (topics, max_hops, page_size) = (some_topics(random), random.i32(0..=6), random.i32(0..3));
    let member_filter = some_member_filter(random);
    discover_statuses(|r| {
        let viewer_id = text(viewer);
        *r = DiscoverStatusesRequest {
            viewer_id,
            topics,
            max_hops,
            page_size,
            read,
            member_filter,
            ..Default::default()
        };
    })
}

/// An error, with its details in an order of their own: metadata has none.
fn refusal(status: &tonic::Status) -> String {
    let mut details = status.get_error_details();
    let info = details.error_info().cloned();
    let metadata: BTreeMap<_, _> = info.iter().flat_map(|info| &info.metadata).collect();
    let reason = info.as_ref().map(|info| &info.reason);
    details.set_error_info("", "", []);
    format!("{:?} {} {reason:?} {metadata:?} {details:?}", status.code(), status.message())
}

/// An answer or error as it arrives, but for what the two servers can't have in common: their stores' ids, and when they were filled.
pub async fn answer(ask: Ask, channel: &Channel, revision: &str) -> String {
    let answer = match ask.answer(channel.clone()).await {
        Ok(answer) => answer,
        Err(status) => return refusal(&status),
    };
    let mut answer = answer.replace(revision, "REVISION");
    // An etag is of these times too.
    for (field, end) in [("create_time: Some(Timestamp", '}'), ("update_time: Some(Timestamp", '}'), ("etag: \"", '"')]
    {
        let mut from = 0;
        while let Some(begin) = answer[from..].find(field).map(|at| from + at + field.len()) {
            let length = answer[begin..].find(end).unwrap();
            let made = if length == 0 { "" } else { "MADE" };
            answer.replace_range(begin..begin + length, made);
            from = begin + made.len();
        }
    }
    without_time_of_token(&answer)
}

/// A page's token without its time, which is that of the call where a request has none: 8 bytes after 9; and without its code at the end,
/// which is by the store's own key.
fn without_time_of_token(answer: &str) -> String {
    const FIELD: &str = "next_page_token: \"";
    let Some(begin) = answer.find(FIELD).map(|at| at + FIELD.len()) else { return answer.to_owned() };
    let length = answer[begin..].find('"').unwrap();
    if length == 0 {
        return answer.to_owned();
    }
    let token = &answer[begin..begin + length];
    format!("{}{}TIME{}{}", &answer[..begin], &token[..18], &token[34..length - 32], &answer[begin + length..])
}

pub async fn revision(kith: &Kith) -> String {
    kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner().revision
}

/// How many questions were asked, and how many the two worlds differ in for the service.
async fn ask_both(seed: u64, hidden: Hidden) -> (usize, usize) {
    let random = &mut Rng::with_seed(seed);
    let ids: Vec<String> = (0..random.usize(5..12)).map(|n| format!("m{n}")).collect();
    let viewer = pick(random, &ids).clone();
    let [one, other] = pair(random, hidden, &ids, &viewer);
    let limit = match hidden {
        Hidden::Edge | Hidden::Visibility => random.bool().then(|| random.u64(100..800)),
        // What is hidden of statuses shows by no limit of the server's own, however small.
        Hidden::Status => random.bool().then(|| random.u64(1..40)),
        Hidden::Member | Hidden::Wish => None,
    };
    let (one, other) = (one.served(limit).await, other.served(limit).await);
    let revisions = (revision(&one).await, revision(&other).await);
    let both = async |ask: Ask| {
        let asked = (answer(ask.clone(), &one.channel, &revisions.0), answer(ask, &other.channel, &revisions.1));
        (asked.0.await, asked.1.await)
    };
    let mut differing = 0;
    for n in 0..QUESTIONS {
        let words = random.u64(..);
        let ask = |viewer: &str| question(&mut Rng::with_seed(words), &ids, viewer, hidden != Hidden::Wish);
        // Somebody who is no member sees no more than any viewer; hidden members are hidden from one alone.
        let viewer = if hidden == Hidden::Edge && n % 10 == 0 { "no member" } else { viewer.as_str() };
        let asked = if n % 16 == 15 { discovery(&mut Rng::with_seed(words), viewer) } else { ask(viewer) };
        let (this, that) = both(asked).await;
        assert_eq!(this, that, "{hidden:?}, KITH_SEED={seed}, question {n} on behalf of {viewer}");
        let (this, that) = both(ask("")).await;
        differing += usize::from(this != that);
    }
    one.stop().await.unwrap();
    other.stop().await.unwrap();
    (QUESTIONS, differing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_viewer_may_not_see_makes_no_difference_to_it() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let worlds = number("KITH_VIEWERS").unwrap_or(25);
    let seed = number("KITH_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let mut asked = 0;
    let mut differing = [0; HIDDEN.len()];
    for n in 0..worlds {
        let at = n as usize % HIDDEN.len();
        let (questions, differ) = ask_both(seed + n, HIDDEN[at]).await;
        asked += questions;
        differing[at] += differ;
    }
    println!(
        "{asked} questions of {worlds} pairs of worlds, seed {seed}: no difference; the service sees differences {differing:?}"
    );
    assert!(differing.iter().all(|differ| *differ > 0), "the service can't tell the worlds apart: {differing:?}");
}
