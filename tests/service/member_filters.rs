//! Filters of members, by every RPC that takes one: the answer is the one without a filter, without those who do not pass.

use std::collections::BTreeMap;

use fastrand::Rng;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use member_condition::Condition;

use super::ask::text;
use super::harness::Kith;
use super::whole_world::{batches, whole_world};

const MEMBERS: u32 = 60;
const CITIES: [&str; 4] = ["Ulm", "Zürich", "", "Oslo"];

fn label(key: &str, values: &[&str]) -> Condition {
    Condition::Label(LabelCondition { key: text(key), values: values.iter().map(|value| text(value)).collect() })
}

fn some_condition(random: &mut Rng) -> MemberCondition {
    let condition = match random.u8(..6) {
        0 => Condition::Topic(text(random.choice(&["privacy", "data", "go"]).unwrap())),
        1 => Condition::IdPrefix(text(random.choice(&["m", "née ", "a\\1"]).unwrap())),
        2 => label("k1", &[]),
        _ => label("city", &CITIES.into_iter().filter(|_| random.u8(..3) == 0).collect::<Vec<_>>()),
    };
    MemberCondition { negated: random.u8(..4) == 0, condition: Some(condition) }
}

fn some_filter(random: &mut Rng) -> MemberFilter {
    let mut clause = || MemberClause { any_of: (0..random.usize(1..3)).map(|_| some_condition(random)).collect() };
    MemberFilter { all_of: vec![clause(), clause()] }
}

/// Whether a member passes, by definition.
fn passes(member: &Member, filter: &MemberFilter) -> bool {
    let holds = |condition: &MemberCondition| {
        let holds = match condition.condition.as_ref().unwrap() {
            Condition::Topic(topic) => member.topics.contains(topic),
            Condition::IdPrefix(prefix) => member.id.starts_with(prefix),
            Condition::Label(asked) => match member.labels.get(&asked.key) {
                Some(value) => asked.values.is_empty() || asked.values.contains(value),
                None => false,
            },
        };
        holds != condition.negated
    };
    filter.all_of.iter().all(|clause| clause.any_of.iter().any(holds))
}

/// The world's records, with a label more.
fn records() -> Vec<ImportRecord> {
    let mut records = whole_world(11, MEMBERS);
    let mut random = Rng::with_seed(12);
    for record in &mut records {
        if let Some(Record::Member(member)) = &mut record.record {
            member.privacy = None;
            let city = random.choice(&CITIES).filter(|_| random.u8(..4) > 0);
            member.labels.extend(city.map(|city| (text("city"), text(city))));
        }
    }
    records
}

async fn pages(kith: &Kith, list: ListMembersRequest) -> Vec<Member> {
    let (mut members, mut page_token) = (Vec::new(), String::new());
    loop {
        let list = ListMembersRequest { page_token, page_size: 7, ..list.clone() };
        let page = kith.members().list_members(list).await.unwrap().into_inner();
        members.extend(page.members);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return members;
        }
    }
}

struct Asked<'k> {
    kith: &'k Kith,
    member_filter: Option<MemberFilter>,
    viewer: String,
    member: String,
}

impl Asked<'_> {
    fn read(&self) -> Option<ReadOptions> {
        Some(ReadOptions { viewer_id: self.viewer.clone(), as_of: super::ask::at(1_700_000_000), ..Default::default() })
    }

    async fn members(&self) -> Vec<Member> {
        let (viewer_id, member_filter) = (self.viewer.clone(), self.member_filter.clone());
        pages(self.kith, ListMembersRequest { viewer_id, member_filter, ..Default::default() }).await
    }

    async fn reach(&self) -> (Vec<(String, i32)>, Vec<(i32, i32)>) {
        let (read, member_filter) = (self.read(), self.member_filter.clone());
        let subject = Some(list_reach_request::Subject::MemberId(self.member.clone()));
        let list = ListReachRequest { subject, read, member_filter, page_size: 1_000, ..Default::default() };
        let listed = self.kith.reach().list_reach(list).await.unwrap().into_inner().items;
        let (read, member_filter) = (self.read(), self.member_filter.clone());
        let subject = Some(get_reach_request::Subject::MemberId(self.member.clone()));
        let get = GetReachRequest { subject, read, member_filter, ..Default::default() };
        let counted = self.kith.reach().get_reach(get).await.unwrap().into_inner().hops;
        let listed = listed.into_iter().map(|item| (item.member_id, item.hop)).collect();
        (listed, counted.into_iter().map(|hop| (hop.hop, hop.members)).collect())
    }

    async fn introducers(&self, target_id: &str) -> Vec<Introducer> {
        let (member_id, target_id) = (self.member.clone(), text(target_id));
        let (read, member_filter) = (self.read(), self.member_filter.clone());
        let find =
            FindIntroducersRequest { member_id, target_id, read, member_filter, limit: 100, ..Default::default() };
        self.kith.introductions().find_introducers(find).await.unwrap().into_inner().introducers
    }

    async fn suggestions(&self, topics: &[String], exact: bool, limit: i32) -> Vec<Suggestion> {
        let (read, member_filter) = (self.read(), self.member_filter.clone());
        let (member_id, topics) = (self.member.clone(), topics.to_vec());
        let suggest =
            SuggestIntroductionsRequest { member_id, topics, read, member_filter, exact, limit, ..Default::default() };
        self.kith.introductions().suggest_introductions(suggest).await.unwrap().into_inner().suggestions
    }

    async fn leaders(&self, topic: &str, limit: i32) -> Vec<Leader> {
        let (read, member_filter) = (self.read(), self.member_filter.clone());
        let list = ListLeadersRequest { topic: text(topic), read, member_filter, limit, ..Default::default() };
        self.kith.introductions().list_leaders(list).await.unwrap().into_inner().leaders
    }

    async fn statuses(&self) -> Vec<DiscoveredStatus> {
        let member_filter = self.member_filter.clone();
        let viewer_id = self.member.clone();
        let discover =
            DiscoverStatusesRequest { viewer_id, member_filter, max_hops: 6, page_size: 1_000, ..Default::default() };
        self.kith.reach().discover_statuses(discover).await.unwrap().into_inner().items
    }
}

#[tokio::test]
async fn a_filter_leaves_the_answer_without_those_who_do_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let mut kith = Kith::on_disk(folder.path()).await;
    let imported = kith.data().import(tokio_stream::iter(batches(&records()))).await.unwrap().into_inner();
    assert_eq!(imported.refused, 0, "{:?}", imported.errors.first());
    let mut random = Rng::with_seed(5);
    let mut left = [0; 6];
    for round in 0..100 {
        if round == 50 {
            // The index of labels is made anew of what the store holds.
            kith.stop().await.unwrap();
            kith = Kith::on_disk(folder.path()).await;
        }
        let all = pages(&kith, ListMembersRequest::default()).await;
        let by_id: BTreeMap<&str, &Member> = all.iter().map(|member| (member.id.as_str(), member)).collect();
        let some_id = |random: &mut Rng| random.choice(&all).unwrap().id.clone();
        let (member, target) = (some_id(&mut random), some_id(&mut random));
        let viewer = if random.bool() { text("") } else { some_id(&mut random) };
        let gone = |status: &tonic::Status| status.code() == tonic::Code::NotFound;
        let get = GetMemberRequest { id: member.clone(), viewer_id: viewer.clone(), ..Default::default() };
        let to = GetMemberRequest { id: target.clone(), ..get.clone() };
        if member == target
            || kith.members().get_member(get).await.is_err_and(|status| gone(&status))
            || kith.members().get_member(to).await.is_err_and(|status| gone(&status))
        {
            continue;
        }
        let filter = some_filter(&mut random);
        let passes = |id: &str| passes(by_id[id], &filter);
        let whole = Asked { kith: &kith, member_filter: None, viewer: viewer.clone(), member: member.clone() };
        let some = Asked { kith: &kith, member_filter: Some(filter.clone()), viewer, member };

        let expected: Vec<Member> = whole.members().await.into_iter().filter(|member| passes(&member.id)).collect();
        left[0] += expected.len();
        assert_eq!(some.members().await, expected, "{filter:?}");

        let (mut expected, _) = whole.reach().await;
        expected.retain(|(id, _)| passes(id));
        left[1] += expected.len();
        let last = expected.last().map_or(0, |(_, hop)| *hop);
        let count = |hop: i32| expected.iter().filter(|(_, at)| *at == hop).count() as i32;
        let counted: Vec<(i32, i32)> = (1..=last).map(|hop| (hop, count(hop))).collect();
        assert_eq!(some.reach().await, (expected, counted), "{filter:?}");

        let mut expected = whole.introducers(&target).await;
        expected.retain(|introducer| passes(&introducer.member_id));
        left[2] += expected.len();
        assert_eq!(some.introducers(&target).await, expected, "{filter:?}");

        let topics = if random.bool() { vec![text("privacy"), text("go")] } else { Vec::new() };
        let mut expected = whole.suggestions(&topics, true, 100).await;
        expected.retain(|suggestion| passes(&suggestion.member_id));
        left[3] += expected.len();
        for (exact, limit) in [(true, 100), (false, 100), (true, 2), (false, 1)] {
            let most = expected.len().min(limit as usize);
            assert_eq!(some.suggestions(&topics, exact, limit).await, expected[..most], "{filter:?}");
        }

        let topic = ["go", "data", "privacy"][round % 3];
        let mut expected = whole.leaders(topic, 100).await;
        expected.retain(|leader| passes(&leader.member_id));
        left[4] += expected.len();
        assert_eq!(some.leaders(topic, 100).await, expected, "{filter:?}");
        assert_eq!(some.leaders(topic, 1).await, expected[..expected.len().min(1)], "{filter:?}");

        let mut expected = whole.statuses().await;
        expected.retain(|item| passes(&item.status.as_ref().unwrap().author_id));
        left[5] += expected.len();
        assert_eq!(some.statuses().await, expected, "{filter:?}");
    }
    assert!(left.iter().all(|left| *left > 10), "{left:?}");
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_page_token_belongs_to_its_filter() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let filter = |prefix: &str| {
        let condition = Some(Condition::IdPrefix(text(prefix)));
        let any_of = vec![MemberCondition { negated: true, condition }];
        Some(MemberFilter { all_of: vec![MemberClause { any_of }] })
    };
    let list = ListMembersRequest { member_filter: filter("x"), page_size: 1, ..Default::default() };
    let page_token = kith.members().list_members(list).await.unwrap().into_inner().next_page_token;
    let other = ListMembersRequest { member_filter: filter("y"), page_token, ..Default::default() };
    let refused = kith.members().list_members(other).await.unwrap_err();
    assert_eq!(super::harness::reason(&refused), "PAGE_TOKEN_MISMATCH");
    kith.stop().await.unwrap();
}
