//! Noninterference: two worlds that differ only in something that a viewer may not see answer it alike, whatever it asks.
//!
//! `KITH_VIEWERS` is how many pairs of worlds are tried, `KITH_SEED` where they begin: 700 make more than 100,000 questions.

use std::collections::BTreeMap;

use fastrand::Rng;
use kith::app::StoreOptions;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use tokio_stream::iter;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use super::ask::*;
use super::harness::{Kith, edge, member, options, status};

const KINDS: [&str; 4] = ["friend", "family", "colleague", "follows"];
const TOPICS: [&str; 3] = ["privacy", "dogs", "rust"];
const NOW: i64 = 1_700_000_000;
const QUESTIONS: usize = 150;

#[derive(Clone, Default)]
struct World {
    members: BTreeMap<String, Member>,
    /// By key.
    edges: BTreeMap<(String, String, String), Edge>,
    statuses: BTreeMap<String, kith::proto::v1::Status>,
    blocks: Vec<(String, String)>,
}

/// What the viewer may not see of the two worlds, that they differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    Edge,
    Member,
    Status,
    Visibility,
    /// A block between two others, or a wish of another's about introductions: introductions alone may show it.
    Wish,
}

const HIDDEN: [Hidden; 5] = [Hidden::Edge, Hidden::Member, Hidden::Status, Hidden::Visibility, Hidden::Wish];

fn pick<'a>(random: &mut Rng, ids: &'a [String]) -> &'a String {
    random.choice(ids).unwrap()
}

fn some_topics(random: &mut Rng) -> Vec<String> {
    TOPICS.into_iter().filter(|_| random.bool()).map(str::to_owned).collect()
}

fn some_visibility(random: &mut Rng) -> i32 {
    (*random
        .choice(&[Visibility::Everyone, Visibility::Everyone, Visibility::Connections, Visibility::Parties])
        .unwrap())
    .into()
}

fn some_privacy(random: &mut Rng) -> Option<Privacy> {
    random.bool().then(|| Privacy {
        edges_visibility: some_visibility(random),
        hidden_from_suggestions: random.u8(..6) == 0,
        declines_introducing: random.u8(..6) == 0,
    })
}

fn some_filter(random: &mut Rng, ids: &[String]) -> Option<EdgeFilter> {
    (random.u8(..3) == 0).then(|| EdgeFilter {
        kinds: KINDS.into_iter().filter(|_| random.u8(..3) == 0).map(str::to_owned).collect(),
        min_strength: random.bool().then(|| random.f32().max(0.01)),
        exclude_member_ids: (0..random.usize(..2)).map(|_| pick(random, ids).clone()).collect(),
        ..Default::default()
    })
}

impl World {
    fn random(random: &mut Rng, ids: &[String]) -> World {
        let mut world = World::default();
        for id in ids {
            let (topics, privacy) = (some_topics(random), some_privacy(random));
            world.members.insert(id.clone(), Member { topics, privacy, ..member(id) });
        }
        for n in 0..random.usize(..ids.len()) {
            world.put_status(random, ids, &format!("s{n}"));
        }
        for _ in 0..ids.len() * 2 {
            let (from, to) = (pick(random, ids).clone(), pick(random, ids).clone());
            world.put_edge(random, ids, &from, &to);
        }
        for _ in 0..random.usize(..3) {
            let (by, of) = (pick(random, ids).clone(), pick(random, ids).clone());
            world.put_block(by, of);
        }
        if random.u8(..4) == 0 {
            world.put_hub(random, ids);
        }
        world
    }

    /// A member with a list longer than a chunk: what ends in the midst of it must not show how it is kept.
    fn put_hub(&mut self, random: &mut Rng, ids: &[String]) {
        let hub = pick(random, ids).clone();
        for n in 0..random.usize(260..400) {
            let id = format!("h{n}");
            self.members.insert(id.clone(), member(&id));
            for kind in ["colleague", "friend"].into_iter().take(random.usize(1..=2)) {
                let (from, to) = if hub < id { (&hub, &id) } else { (&id, &hub) };
                let key = (from.clone(), kind.to_owned(), to.clone());
                self.edges.insert(key, edge(from, kind, to));
            }
        }
    }

    fn put_block(&mut self, by: String, of: String) {
        if by != of && !self.blocks.contains(&(by.clone(), of.clone())) {
            self.blocks.push((by, of));
        }
    }

    fn put_status(&mut self, random: &mut Rng, ids: &[String], id: &str) {
        let author = pick(random, ids).clone();
        let filter = some_filter(random, ids).map(|mut filter| {
            filter.exclude_member_ids.retain(|excluded| *excluded != author);
            filter
        });
        let audience = Some(Audience { filter, max_hops: random.i32(1..=4) });
        // Some have expired, some are to expire long after this test.
        let ends = [None, at(NOW + random.i64(0..9)), at(NOW + 1_000_000_000)];
        let (post_time, expire_time) = (at(NOW - random.i64(1..1_000)), ends[random.usize(..3)]);
        let topics = some_topics(random);
        let put = kith::proto::v1::Status { topics, audience, post_time, expire_time, ..status(id, &author, "Look") };
        self.statuses.insert(id.to_owned(), put);
    }

    fn put_edge(&mut self, random: &mut Rng, ids: &[String], from: &str, to: &str) {
        if from == to {
            return;
        }
        let kind = *random.choice(&KINDS).unwrap();
        let (from, to) = if kind != "follows" && from > to { (to, from) } else { (from, to) };
        let known: Vec<String> = self.statuses.keys().cloned().collect();
        let origin = random.bool().then(|| Origin {
            status_id: random.choice(&known).cloned().unwrap_or_default(),
            introducer_ids: vec![pick(random, ids).clone()],
            ..Default::default()
        });
        let put = Edge {
            pinned_strength: random.bool().then(|| random.f32().max(0.01)),
            visibility: some_visibility(random),
            note: random.u8(..).to_string(),
            labels: [("n".to_owned(), random.u8(..).to_string())].into(),
            origin,
            ..edge(from, kind, to)
        };
        self.edges.insert((from.to_owned(), kind.to_owned(), to.to_owned()), put);
    }

    /// Everything of a member's is gone, and it too.
    fn forget(&mut self, id: &str) {
        self.members.remove(id);
        self.edges.retain(|(from, _, to), _| from != id && to != id);
        self.statuses.retain(|_, status| status.author_id != id);
        self.blocks.retain(|(by, of)| by != id && of != id);
    }

    /// No edge is known to have come of what only some can see, or through somebody: the etags of the viewer's own edges show it.
    fn forget_origins(&mut self) {
        self.edges.values_mut().for_each(|edge| edge.origin = None);
    }

    fn privacy(&mut self, id: &str) -> &mut Privacy {
        self.members.get_mut(id).unwrap().privacy.get_or_insert_default()
    }

    /// The two have no edge.
    fn part(&mut self, a: &str, b: &str) {
        self.edges.retain(|(from, _, to), _| !((from == a && to == b) || (from == b && to == a)));
    }

    fn between<'w>(&'w mut self, a: &'w str, b: &'w str) -> impl Iterator<Item = &'w mut Edge> {
        let edges = self.edges.values_mut();
        edges.filter(move |edge| [[a, b], [b, a]].contains(&[edge.from_id.as_str(), edge.to_id.as_str()]))
    }

    fn records(&self) -> Vec<ImportRecord> {
        let members = self.members.values().cloned().map(Record::Member);
        let statuses = self.statuses.values().cloned().map(Record::Status);
        let edges = self.edges.values().cloned().map(Record::Edge);
        let blocks = self.blocks.iter().map(|(by, of)| Record::Block(block(by, of).unwrap()));
        let records = members.chain(statuses).chain(edges).chain(blocks);
        records.map(|record| ImportRecord { record: Some(record), ..Default::default() }).collect()
    }

    /// By a server of its own, with a limit of its own if it has one.
    async fn served(&self, edges_visited_max: Option<u64>) -> Kith {
        let mut options = options(StoreOptions::Memory);
        options.engine.edges_visited_max = edges_visited_max.unwrap_or(options.engine.edges_visited_max);
        let kith = Kith::start(options).await;
        let records = self.records();
        let imports: Vec<ImportRequest> = records
            .chunks(1_000)
            .map(|records| ImportRequest {
                records: records.to_vec(),
                allow_missing_members: false,
                ..Default::default()
            })
            .collect();
        let imported = kith.data().import(iter(imports)).await.unwrap().into_inner();
        assert_eq!(imported.refused, 0, "{:?}", imported.errors);
        kith
    }
}

/// Two worlds that the viewer can't tell from each other.
fn pair(random: &mut Rng, hidden: Hidden, ids: &[String], viewer: &str) -> [World; 2] {
    let others: Vec<String> = ids.iter().filter(|id| *id != viewer).cloned().collect();
    let mut one = World::random(random, ids);
    let mut two = random.choose_multiple(others.iter(), 2);
    let (b, a) = (two.pop().unwrap().clone(), two.pop().unwrap().clone());
    match hidden {
        Hidden::Edge => {
            let hides_itself = match random.u8(..4) {
                0 => {
                    one.privacy(&a).edges_visibility = Visibility::Parties.into();
                    None
                }
                1 => {
                    one.part(viewer, &a);
                    one.privacy(&a).edges_visibility = Visibility::Connections.into();
                    None
                }
                2 => {
                    one.part(viewer, &a);
                    one.part(viewer, &b);
                    Some(Visibility::Connections)
                }
                _ => Some(Visibility::Parties),
            };
            one.part(&a, &b);
            let mut other = one.clone();
            for world in [&mut one, &mut other] {
                (0..random.usize(..3)).for_each(|_| world.put_edge(random, ids, &a, &b));
                if let Some(visibility) = hides_itself {
                    world.between(&a, &b).for_each(|edge| edge.visibility = visibility.into());
                }
            }
            [one, other]
        }
        Hidden::Member => {
            let block = if random.bool() { (viewer.to_owned(), a.clone()) } else { (a.clone(), viewer.to_owned()) };
            one.forget_origins();
            let mut other = one.clone();
            one.put_block(block.0.clone(), block.1.clone());
            if random.bool() {
                other.forget(&a);
            } else {
                other.forget(&a);
                other.members.insert(a.clone(), Member { topics: some_topics(random), ..member(&a) });
                (0..3).for_each(|_| other.put_edge(random, ids, &a, &b));
                other.forget_origins();
                other.put_block(block.1, block.0);
            }
            [one, other]
        }
        Hidden::Status => {
            one.forget_origins();
            let mut other = one.clone();
            for world in [&mut one, &mut other] {
                world.put_status(random, std::slice::from_ref(&a), "hidden");
                let hidden = world.statuses.get_mut("hidden").unwrap();
                if random.bool() {
                    hidden.expire_time = at(NOW);
                } else {
                    let audience = hidden.audience.get_or_insert_default();
                    audience.filter.get_or_insert_default().exclude_member_ids.push(viewer.to_owned());
                }
                if random.bool() {
                    world.statuses.remove("hidden");
                }
            }
            [one, other]
        }
        Hidden::Visibility => {
            one.part(viewer, &a);
            let mut other = one.clone();
            one.privacy(&a).edges_visibility = Visibility::Parties.into();
            other.privacy(&a).edges_visibility = Visibility::Connections.into();
            [one, other]
        }
        Hidden::Wish => {
            let mut other = one.clone();
            other.privacy(&a).hidden_from_suggestions ^= true;
            other.privacy(&b).declines_introducing ^= true;
            other.put_block(a, b);
            [one, other]
        }
    }
}

/// Something that can be asked on behalf of a viewer; the service's own question if it is empty.
fn question(random: &mut Rng, ids: &[String], viewer: &str, introductions: bool) -> Ask {
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
    let (viewer_id, topics) = (text(viewer), some_topics(random));
    match random.usize(..if introductions { 17 } else { 15 }) {
        0 => get_member(|r| (r.id, r.viewer_id) = (a, viewer_id)),
        1 => batch_get_members(|r| (r.ids, r.viewer_id) = (ids.to_vec(), viewer_id)),
        2 => list_members(|r| (r.page_size, r.viewer_id) = (page_size, viewer_id)),
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
            get_reach(|r| *r = GetReachRequest { subject, filter, max_hops: hops, read })
        }
        10 => {
            use list_reach_request::Subject;
            let subject = Some(if random.u8(..3) == 0 { Subject::StatusId(s) } else { Subject::MemberId(a) });
            let crossing_only = random.bool();
            let page_token = String::new();
            list_reach(|r| {
                *r = ListReachRequest { subject, filter, max_hops: hops, page_size, page_token, read, crossing_only };
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
            list_leaders(|r| *r = ListLeadersRequest { topic, filter, near, limit: 0, read })
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
                ..Default::default()
            };
        }),
        _ => find_introducers(|r| {
            *r = FindIntroducersRequest { member_id: a, target_id: b, filter, max_hops: hops, limit: 0, read };
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
fn discovery(random: &mut Rng, viewer: &str) -> Ask {
    let read = Some(ReadOptions { as_of: at(NOW), max_edges_visited: some_budget(random), ..Default::default() });
    let (topics, max_hops, page_size) = (some_topics(random), random.i32(0..=6), random.i32(0..3));
    discover_statuses(|r| {
        let viewer_id = text(viewer);
        *r = DiscoverStatusesRequest { viewer_id, topics, max_hops, page_size, read, ..Default::default() };
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
async fn answer(ask: Ask, channel: &Channel, revision: &str) -> String {
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

async fn revision(kith: &Kith) -> String {
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
