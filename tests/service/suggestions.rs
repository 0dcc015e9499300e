//! Suggestions over gRPC: every reason is checked against what was put, and shares are all of the score.

use std::collections::{BTreeMap, BTreeSet};

use kith::proto::v1::reason::Reason as Why;
use kith::proto::v1::*;
use prost_types::Timestamp;

use crate::harness::{Kith, edge, status};
use crate::whole_world::{batches, whole_world};

const AS_OF_S: i64 = 1_700_000_000;
/// Of sums in another order.
const SAME: f64 = 1e-9;

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

fn as_of() -> Option<ReadOptions> {
    Some(ReadOptions { as_of: Some(at(AS_OF_S)), ..ReadOptions::default() })
}

/// What was put.
#[derive(Default)]
struct Known {
    members: Vec<Member>,
    statuses: Vec<Status>,
    /// Whom one can step to from whom.
    steps: BTreeSet<(String, String)>,
    tallies: BTreeMap<String, IntroducerTally>,
}

impl Known {
    fn of(records: &[ImportRecord]) -> Known {
        let mut known = Known::default();
        for record in records {
            match record.record.clone().unwrap() {
                import_record::Record::Member(member) => known.members.push(member),
                import_record::Record::Status(status) => known.statuses.push(status),
                import_record::Record::Edge(edge) => {
                    if !["follows", "reads"].contains(&&*edge.kind) {
                        known.steps.insert((edge.to_id.clone(), edge.from_id.clone()));
                    }
                    known.steps.insert((edge.from_id, edge.to_id));
                }
                import_record::Record::AbsentKind(_) | import_record::Record::Erased(_) => {}
                import_record::Record::IntroducerTally(tally) => {
                    known.tallies.insert(tally.member_id.clone(), tally);
                }
                import_record::Record::Kind(_) | import_record::Record::Block(_) => {}
            }
        }
        known
    }

    fn leads(&self, chain: &[&str]) -> bool {
        chain.windows(2).all(|two| self.steps.contains(&(two[0].to_owned(), two[1].to_owned())))
    }

    /// An introducer comes with all that its score is made of, by the formula.
    fn check_introducer(&self, found: &Introducer) {
        let nothing = IntroducerTally::default();
        let tally = self.tallies.get(&found.member_id).unwrap_or(&nothing);
        let today = (AS_OF_S / 86_400) as i32;
        let of_late = tally.recent.iter().filter(|known| (today - 29..=today).contains(&known.day));
        let load: i64 = of_late.map(|known| known.asks).sum();
        let willingness = (1 + tally.accepted) as f64 / (2 + tally.asked) as f64;
        assert_eq!((found.recent_asks, found.willingness), (load, willingness), "{found:?}");
        let strengths = f64::from(found.strength_to_member) * f64::from(found.strength_to_target);
        let score = strengths * willingness / (1.0 + load as f64 / 5.0);
        // A strength in an answer is too coarse where it is below the least normal number.
        assert!(!found.strength_to_target.is_normal() || (found.score / score - 1.0).abs() < 1e-6, "{found:?}");
    }

    fn is_live(status: &Status) -> bool {
        let is_later = |time: Timestamp| (AS_OF_S, 0) < (time.seconds, time.nanos);
        !status.post_time.is_some_and(is_later) && status.expire_time.is_none_or(is_later)
    }

    /// Every reason holds; gives what they are of the score by chains and by topics, and whether some chains are not named.
    fn check_reasons(&self, asking: &str, suggestion: &Suggestion, topics: &[String]) -> (f64, f64, bool) {
        let to = suggestion.member_id.as_str();
        let (mut by_chains, mut by_topics, mut are_others) = (0.0, 0.0, false);
        for reason in &suggestion.reasons {
            assert!((0.0..=1.0).contains(&reason.share), "{reason:?}");
            match reason.reason.as_ref().unwrap() {
                Why::Mutual(mutual) => {
                    assert!(self.leads(&[asking, &mutual.member_id, to]), "{reason:?}");
                    by_chains += reason.share;
                }
                Why::Chain(chain) => {
                    let [z, y] = chain.member_ids.as_slice() else { panic!("two are in between: {reason:?}") };
                    assert!(y != asking && self.leads(&[asking, z, y, to]), "{reason:?}");
                    by_chains += reason.share;
                }
                Why::OtherChains(others) => {
                    assert!(others.chains > 0);
                    by_chains += reason.share;
                    are_others = true;
                }
                Why::Topic(topic) => {
                    let member = self.members.iter().find(|member| member.id == to).unwrap();
                    assert!(member.topics.contains(&topic.topic) && topics.contains(&topic.topic), "{reason:?}");
                    by_topics += reason.share;
                }
                Why::Leader(leader) => {
                    assert!(topics.contains(&leader.topic) && leader.audience > 0, "{reason:?}");
                    assert!((1..=10).contains(&leader.rank), "{reason:?}");
                    by_topics += reason.share;
                }
                Why::Status(why) => {
                    let status = self.statuses.iter().find(|status| status.id == why.status_id).unwrap();
                    assert!(status.author_id == to && Known::is_live(status), "{reason:?}: {status:?}");
                    let shares = |topic| status.topics.contains(topic) && topics.contains(topic);
                    assert!(!why.topics.is_empty() && why.topics.iter().all(shares), "{reason:?}");
                    by_topics += reason.share;
                }
            }
        }
        (by_chains, by_topics, are_others)
    }
}

async fn suggest(kith: &Kith, request: &SuggestIntroductionsRequest) -> Vec<Suggestion> {
    let answer = kith.introductions().suggest_introductions(request.clone()).await.unwrap().into_inner();
    assert_eq!(answer.info.unwrap().completeness(), Completeness::Complete);
    answer.suggestions
}

fn about(member_id: &str, topics: &[String]) -> SuggestIntroductionsRequest {
    let (member_id, topics) = (member_id.to_owned(), topics.to_vec());
    SuggestIntroductionsRequest { member_id, topics, limit: 100, read: as_of(), ..Default::default() }
}

#[tokio::test]
async fn every_reason_holds_and_shares_are_all_of_the_score() {
    let folder = tempfile::tempdir().unwrap();
    let mut kith = Kith::on_disk(folder.path()).await;
    let records = whole_world(7, 60);
    kith.data().import(tokio_stream::iter(batches(&records))).await.unwrap();
    let known = Known::of(&records);
    let topics: Vec<String> = ["privacy", "go"].map(str::to_owned).into();
    let (mut seen, mut asked) = ([0; 3], Vec::new());
    for member in known.members.iter().step_by(4) {
        for topics in [&[][..], &topics] {
            let request = about(&member.id, topics);
            let suggestions = suggest(&kith, &request).await;
            for suggestion in &suggestions {
                let (by_chains, by_topics, are_others) = known.check_reasons(&member.id, suggestion, topics);
                seen[0] += usize::from(are_others);
                seen[1] += usize::from(by_topics > 0.0);
                seen[2] += suggestion.introducers.len();
                let (whole, topic_match) = (f64::from(suggestion.score > 0.0), suggestion.topic_match);
                assert!((by_chains - whole / (1.0 + topic_match)).abs() < SAME, "{suggestion:?}");
                assert!((by_topics - whole * topic_match / (1.0 + topic_match)).abs() < SAME, "{suggestion:?}");
            }
            asked.push((request, suggestions));
        }
    }
    assert!(seen.iter().all(|seen| *seen > 10), "{seen:?}");
    // Of so few edges none is left out; and after a restart the same `as_of` gives the same bytes.
    kith.stop().await.unwrap();
    kith = Kith::on_disk(folder.path()).await;
    for (request, suggestions) in asked {
        let exact = SuggestIntroductionsRequest { exact: true, ..request.clone() };
        assert_eq!(suggest(&kith, &exact).await, suggestions);
        assert_eq!(suggest(&kith, &request).await, suggestions);
    }
    kith.stop().await.unwrap();
}

/// The leads that a suggestion reports: topic, rank and audience.
fn reported_leads(suggestion: &Suggestion) -> BTreeSet<(String, i32, i32)> {
    let leader = |reason: &Reason| match reason.reason.clone().unwrap() {
        Why::Leader(leader) => Some((leader.topic, leader.rank, leader.audience)),
        _ => None,
    };
    suggestion.reasons.iter().filter_map(leader).collect()
}

#[tokio::test]
async fn leading_on_a_topic_is_a_reason_as_leaders_are_listed() {
    let kith = Kith::in_memory().await;
    let mut records = whole_world(9, 60);
    // Everybody may be suggested, and a third of them posts now.
    records.retain(|record| !matches!(record.record, Some(import_record::Record::Block(_))));
    for record in &mut records {
        if let Some(import_record::Record::Member(member)) = &mut record.record {
            member.privacy = None;
        }
    }
    let known = Known::of(&records);
    let topics: Vec<String> = ["privacy", "go"].map(str::to_owned).into();
    for (n, author) in known.members.iter().step_by(3).enumerate() {
        let (topics, post_time) = (vec![topics[n % 2].clone()], Some(at(AS_OF_S - n as i64 * 86_400)));
        let post = Status { topics, post_time, ..status(&format!("now {n}"), &author.id, "Well") };
        records.push(ImportRecord { record: Some(import_record::Record::Status(post)), ..Default::default() });
    }
    kith.data().import(tokio_stream::iter(batches(&records))).await.unwrap();
    let mut checked = 0;
    for (n, member) in known.members.iter().step_by(6).enumerate() {
        // Now as the service sees it, now as the member does.
        let viewer_id = if n % 2 == 0 { String::new() } else { member.id.clone() };
        let read = Some(ReadOptions { viewer_id, ..as_of().unwrap() });
        let mut leads: BTreeMap<String, BTreeSet<(String, i32, i32)>> = BTreeMap::new();
        for topic in &topics {
            let request =
                ListLeadersRequest { topic: topic.clone(), limit: 10, read: read.clone(), ..Default::default() };
            let leaders = kith.introductions().list_leaders(request).await.unwrap().into_inner().leaders;
            for (leader, rank) in leaders.into_iter().zip(1..).filter(|(leader, _)| leader.audience > 0) {
                leads.entry(leader.member_id).or_default().insert((topic.clone(), rank, leader.audience));
            }
        }
        let request = SuggestIntroductionsRequest { read, ..about(&member.id, &topics) };
        for suggestion in suggest(&kith, &request).await {
            let expected = leads.remove(&suggestion.member_id).unwrap_or_default();
            checked += expected.len();
            assert_eq!(reported_leads(&suggestion), expected, "{suggestion:?}");
        }
    }
    assert!(checked > 5, "{checked}");
}

#[tokio::test]
async fn introducers_are_the_best_there_are_and_one_has_but_some() {
    let kith = Kith::in_memory().await;
    let records = whole_world(8, 60);
    kith.data().import(tokio_stream::iter(batches(&records))).await.unwrap();
    let known = Known::of(&records);
    let mut busy = 0;
    for member in known.members.iter().step_by(9) {
        let suggestions = suggest(&kith, &about(&member.id, &[])).await;
        for suggestion in suggestions.iter().step_by(5) {
            let find = FindIntroducersRequest {
                member_id: member.id.clone(),
                target_id: suggestion.member_id.clone(),
                limit: 3,
                read: as_of(),
                ..Default::default()
            };
            let found = kith.introductions().find_introducers(find).await.unwrap().into_inner().introducers;
            assert_eq!(suggestion.introducers, found);
            found.iter().for_each(|found| known.check_introducer(found));
            busy += found.iter().filter(|found| found.recent_asks > 0).count();
        }
        let first = |suggestion: &Suggestion| Some(suggestion.introducers.first()?.member_id.clone());
        let request = SuggestIntroductionsRequest { max_per_introducer: 1, limit: 5, ..about(&member.id, &[]) };
        let spread = suggest(&kith, &request).await;
        let mut introducers = BTreeSet::new();
        let of_others: Vec<_> = suggestions
            .into_iter()
            .filter(|one| first(one).is_none_or(|first| introducers.insert(first)))
            .take(5)
            .collect();
        assert_eq!(spread, of_others);
    }
    assert!(busy > 5, "{busy}");
}

#[tokio::test]
async fn a_topic_of_an_old_status_has_its_reason_too() {
    let kith = Kith::in_memory().await;
    kith.put_edge(edge("ana", "friend", "ben")).await;
    kith.put_edge(edge("ben", "friend", "poster")).await;
    for n in 0..13 {
        let topic = if n == 0 { "go" } else { "privacy" };
        let post = Status {
            topics: vec![topic.to_owned()],
            post_time: Some(at(AS_OF_S - 100 + n)),
            ..status(&format!("s{n}"), "poster", "Well")
        };
        kith.statuses().post_status(PostStatusRequest { status: Some(post), ..Default::default() }).await.unwrap();
    }
    let topics: Vec<String> = ["go", "privacy"].map(str::to_owned).into();
    let suggestion = suggest(&kith, &about("ana", &topics)).await.remove(0);
    assert_eq!((suggestion.status_ids.len(), &*suggestion.status_ids[0]), (10, "s12"));
    let shares: f64 = suggestion.reasons.iter().map(|reason| reason.share).sum();
    assert!((shares - 1.0).abs() < SAME, "{suggestion:?}");
    let is_oldest = |reason: &&Reason| matches!(&reason.reason, Some(Why::Status(why)) if why.status_id == "s0");
    assert!(suggestion.reasons.iter().find(is_oldest).is_some_and(|reason| reason.share > 0.1), "{suggestion:?}");
}
