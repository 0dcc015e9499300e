//! Two random worlds that differ only in something that a viewer may not see.

use std::collections::BTreeMap;
use std::mem::take;

use fastrand::Rng;
use kith::app::StoreOptions;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use tokio_stream::iter;

use super::ask::*;
use super::harness::{Kith, edge, member, options, status};

pub const KINDS: [&str; 4] = ["friend", "family", "colleague", "follows"];
pub const TOPICS: [&str; 3] = ["privacy", "dogs", "rust"];
pub const CITIES: [&str; 3] = ["Ulm", "Oslo", ""];
pub const NOW: i64 = 1_700_000_000;

#[derive(Clone, Default)]
pub struct World {
    pub members: BTreeMap<String, Member>,
    /// By key.
    pub edges: BTreeMap<(String, String, String), Edge>,
    pub statuses: BTreeMap<String, kith::proto::v1::Status>,
    pub blocks: Vec<(String, String)>,
}

/// What the viewer may not see of the two worlds, that they differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    Edge,
    Member,
    Status,
    Visibility,
    /// A block between two others, or a wish of another's about introductions: introductions alone may show it.
    Wish,
}

pub const HIDDEN: [Hidden; 5] = [Hidden::Edge, Hidden::Member, Hidden::Status, Hidden::Visibility, Hidden::Wish];

pub fn pick<'a>(random: &mut Rng, ids: &'a [String]) -> &'a String {
    random.choice(ids).unwrap()
}

pub fn some_topics(random: &mut Rng) -> Vec<String> {
    TOPICS.into_iter().filter(|_| random.bool()).map(str::to_owned).collect()
}

pub fn some_visibility(random: &mut Rng) -> i32 {
    (*random
        .choice(&[Visibility::Everyone, Visibility::Everyone, Visibility::Connections, Visibility::Parties])
        .unwrap())
    .into()
}

pub fn some_privacy(random: &mut Rng) -> Option<Privacy> {
    random.bool().then(|| Privacy {
        edges_visibility: some_visibility(random),
        hidden_from_suggestions: random.u8(..6) == 0,
        declines_introducing: random.u8(..6) == 0,
        ..Default::default()
    })
}

pub fn some_filter(random: &mut Rng, ids: &[String]) -> Option<EdgeFilter> {
    (random.u8(..3) == 0).then(|| EdgeFilter {
        kinds: KINDS.into_iter().filter(|_| random.u8(..3) == 0).map(str::to_owned).collect(),
        min_strength: random.bool().then(|| random.f32().max(0.01)),
        exclude_member_ids: (0..random.usize(..2)).map(|_| pick(random, ids).clone()).collect(),
        ..Default::default()
    })
}

pub fn some_labels(random: &mut Rng) -> BTreeMap<String, String> {
    let city = random.choice(&CITIES).filter(|city| !city.is_empty());
    city.map(|city| (text("city"), text(city))).into_iter().collect()
}

/// A label, a topic or an id, or what is neither of two.
pub fn some_member_filter(random: &mut Rng) -> Option<MemberFilter> {
    use member_condition::Condition;
    let mut condition = || {
        let condition = match random.u8(..3) {
            0 => Condition::Topic(text(random.choice(&TOPICS).unwrap())),
            1 => Condition::IdPrefix(text(random.choice(&["m", "m1", "h"]).unwrap())),
            _ => {
                let values = (0..random.usize(..3)).map(|_| text(random.choice(&CITIES).unwrap())).collect();
                Condition::Label(LabelCondition { key: text("city"), values })
            }
        };
        MemberCondition { negated: random.u8(..4) == 0, condition: Some(condition) }
    };
    let clauses = [vec![condition()], vec![condition(), condition()]].map(|any_of| MemberClause { any_of });
    let filter = MemberFilter { all_of: clauses.into_iter().take(random.usize(..3)).collect() };
    (!filter.all_of.is_empty()).then_some(filter)
}

impl World {
    pub fn random(random: &mut Rng, ids: &[String]) -> World {
        let mut world = World::default();
        for id in ids {
            let (topics, privacy) = (some_topics(random), some_privacy(random));
            let labels = some_labels(random);
            let display_name = text(random.choice(&["", "Zoë", "Zürich AG"]).unwrap());
            world.members.insert(id.clone(), Member { display_name, topics, privacy, labels, ..member(id) });
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
    pub fn put_hub(&mut self, random: &mut Rng, ids: &[String]) {
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

    pub fn put_block(&mut self, by: String, of: String) {
        if by != of && !self.blocks.contains(&(by.clone(), of.clone())) {
            self.blocks.push((by, of));
        }
    }

    pub fn put_status(&mut self, random: &mut Rng, ids: &[String], id: &str) {
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

    pub fn put_edge(&mut self, random: &mut Rng, ids: &[String], from: &str, to: &str) {
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
    pub fn forget(&mut self, id: &str) {
        self.members.remove(id);
        self.edges.retain(|(from, _, to), _| from != id && to != id);
        self.statuses.retain(|_, status| status.author_id != id);
        self.blocks.retain(|(by, of)| by != id && of != id);
    }

    /// Everything of a member's is gone, and it too, and its name and those of its statuses wherever an edge came of them.
    pub fn forget_wholly(&mut self, id: &str) {
        let statuses = self.statuses.clone();
        let is_its = |status: &str| statuses.get(status).is_some_and(|status| status.author_id == id);
        self.forget(id);
        for edge in self.edges.values_mut() {
            if let Some(origin) = &mut edge.origin {
                origin.introducer_ids.retain(|introducer| introducer != id);
                origin.status_id =
                    Some(take(&mut origin.status_id)).filter(|status| !is_its(status)).unwrap_or_default();
            }
            edge.origin = edge.origin.take().filter(|origin| *origin != Origin::default());
        }
    }

    /// No edge is known to have come of what only some can see, or through somebody: the etags of the viewer's own edges show it.
    pub fn forget_origins(&mut self) {
        self.edges.values_mut().for_each(|edge| edge.origin = None);
    }

    pub fn privacy(&mut self, id: &str) -> &mut Privacy {
        self.members.get_mut(id).unwrap().privacy.get_or_insert_default()
    }

    /// The two have no edge.
    pub fn part(&mut self, a: &str, b: &str) {
        self.edges.retain(|(from, _, to), _| !((from == a && to == b) || (from == b && to == a)));
    }

    pub fn between<'w>(&'w mut self, a: &'w str, b: &'w str) -> impl Iterator<Item = &'w mut Edge> {
        let edges = self.edges.values_mut();
        edges.filter(move |edge| [[a, b], [b, a]].contains(&[edge.from_id.as_str(), edge.to_id.as_str()]))
    }

    pub fn records(&self) -> Vec<ImportRecord> {
        let members = self.members.values().cloned().map(Record::Member);
        let statuses = self.statuses.values().cloned().map(Record::Status);
        let edges = self.edges.values().cloned().map(Record::Edge);
        let blocks = self.blocks.iter().map(|(by, of)| Record::Block(block(by, of).unwrap()));
        let records = members.chain(statuses).chain(edges).chain(blocks);
        records.map(|record| ImportRecord { record: Some(record), ..Default::default() }).collect()
    }

    /// By a server of its own, with a limit of its own if it has one.
    pub async fn served(&self, edges_visited_max: Option<u64>) -> Kith {
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
pub fn pair(random: &mut Rng, hidden: Hidden, ids: &[String], viewer: &str) -> [World; 2] {
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
