//! The state checked against itself: records against the graph, indexes against records, the digest against all.
//!
//! It reads a snapshot, so writes go on beside it. The log on disk is read in `log.rs`; a checkpoint on disk is checked when it is read.

mod log;

pub use log::verify_log;

use super::compare::compare;
use super::digest::{Digest, Hashed, hash_of};
use super::topics::TopicIndex;
use super::{Kept, State};
use crate::domain::{Codec, Error, Finding, Inspector, Topic};
use crate::graph::MemberIx;

/// Who runs a check: is told what it finds and how far it is, and may end it by an error.
pub trait Verifier {
    fn found(&mut self, finding: Finding) -> Result<(), Error>;

    /// So many of the resources and halves of edges are checked, then bytes of the log. Comes every few milliseconds.
    fn progress(&mut self, checked: u64, total: u64) -> Result<(), Error>;
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Also those that were not named one by one.
    pub findings: u64,
    /// The content digest of what there is, computed anew.
    pub digest: u128,
    /// The digest over all that the state holds, what callers cannot read too.
    pub whole: u128,
}

/// Findings named one by one; the others are counted.
const FINDINGS_NAMED_MAX: u64 = 1_000;
/// Things checked between two reports: less than a millisecond of work each.
const CHECKED_PER_REPORT: u64 = 1_024;

impl State {
    /// Checks all of it, with what is kept for a while at the store's last command. An error is the verifier's own.
    pub fn verify(&self, kept: &Kept, verifier: &mut dyn Verifier) -> Result<Verified, Error> {
        let mut check = Check { verifier, checked: 0, total: self.to_check(), findings: 0 };
        self.graph.inspect(&mut check)?;
        let mut topics = TopicIndex::default();
        let mut digest = Digest::default();
        self.graph.kinds().for_each(|(_, kind)| digest.add(kind.content_hash()));
        let digest = digest
            .and(self.members.verify(&self.graph, &mut topics, &mut check)?)
            .and(self.edges.verify(&self.graph, &self.statuses, &mut check)?)
            .and(self.statuses.verify(&self.graph, &mut topics, &mut check)?)
            .and(self.verify_blocks(&mut check)?)
            .and(self.tallies.verify(&self.graph, &mut check)?);
        self.verify_topics(&topics, &mut check)?;
        self.requests.inspect(self.time, &mut check)?;
        self.erasures.inspect(&mut check)?;
        check.verifier.progress(check.total, check.total)?;
        Ok(Verified { findings: check.findings, digest: digest.0, whole: self.state_digest_at(kept) })
    }

    /// Members and edges are looked at in the graph and in the records; of an edge the graph has two halves.
    fn to_check(&self) -> u64 {
        2 * self.member_count() + 3 * self.edge_count() + self.status_count()
    }

    fn verify_topics(&self, expected: &TopicIndex, check: &mut dyn Inspector) -> Result<(), Error> {
        let member = |ix: MemberIx| self.graph.get_id(ix).map_or("?", |id| id.as_str());
        let name = |(topic, ix, times): &(&Topic, MemberIx, u32)| format!("{} on {topic}, {times} times", member(*ix));
        compare("topics", expected.mentions(), self.topics.mentions(), name, check)?;
        let name = |(topic, members): &(&Topic, u32)| format!("{members} members interested in {topic}");
        compare("topics", expected.counts(), self.topics.counts(), name, check)
    }

    /// Returns the digest over everything that a state holds, what callers cannot read too: two states of one history have the same
    /// one when they are asked for the same time, however either came about. It finds where a replay of the log differs from what was live. What is broken is left
    /// out.
    pub fn state_digest_at(&self, kept: &Kept) -> u128 {
        let mut whole = self.requests.digest(kept.requests_from);
        self.erasures.digest(&mut whole, kept.now);
        self.members.digest_times(&self.graph, &mut whole);
        self.edges.digest_times(&self.graph, &mut whole);
        self.statuses.digest_times(&mut whole);
        whole.add(hash_of(b'A', |to| {
            self.token_key.as_ref().map(|key| key.secret()).encode(to);
            self.sequence.encode(to);
            self.create_sequence.encode(to);
            self.create_time.encode(to);
            self.creator.encode(to);
            self.time.encode(to);
            self.digest().encode(to);
        }));
        whole.0
    }

    /// Returns the digest at the time of its last command.
    pub fn state_digest(&self) -> u128 {
        self.state_digest_at(&Kept::without_pauses(self.time))
    }
}

/// Counts, and passes on what is to be told.
struct Check<'v> {
    verifier: &'v mut dyn Verifier,
    checked: u64,
    total: u64,
    findings: u64,
}

impl Inspector for Check<'_> {
    fn found(&mut self, finding: Finding) -> Result<(), Error> {
        self.findings += 1;
        if self.findings <= FINDINGS_NAMED_MAX { self.verifier.found(finding) } else { Ok(()) }
    }

    fn checked(&mut self) -> Result<(), Error> {
        self.checked += 1;
        if self.checked.is_multiple_of(CHECKED_PER_REPORT) {
            self.verifier.progress(self.checked, self.total)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;
    use crate::domain::{
        Audience, Change, Command, EdgeFilter, EdgeKey, EdgePut, History, Kind, KindName, Member, MemberAttrs,
        MemberId, NamespaceName, Origin, Precondition, Request, RequestId, Scope, Sphere, Status, StatusAttrs,
        StatusId, TimeMs, TopicSet,
    };
    use crate::engine::state::edge_list::EdgeList;
    use crate::engine::state::records::{EdgeRecord, MemberRecord};
    use crate::graph::{Graph, KindIx, StrengthInputs};
    use crate::store::Commit;

    fn id(text: &str) -> MemberId {
        MemberId::parse("id", text).unwrap()
    }

    fn status_id(text: &str) -> StatusId {
        StatusId::parse("id", text).unwrap()
    }

    fn key(from: &str, kind: &str, to: &str) -> EdgeKey {
        EdgeKey::new(id(from), KindName::parse("kind", kind).unwrap(), id(to)).unwrap()
    }

    fn kind(name: &str, symmetric: bool) -> Kind {
        Kind::new(KindName::parse("name", name).unwrap(), Sphere::Personal, symmetric, 1.0, 60_000).unwrap()
    }

    fn put_edge(key: EdgeKey, change: impl FnOnce(&mut EdgePut)) -> Change {
        let mut put = EdgePut::bare(key);
        change(&mut put);
        Change::PutEdge { put, precondition: Precondition::None, allow_missing_members: true }
    }

    /// ann and bob are friends since ann's status, introduced by cy, who follows ann; cy is left out of the status.
    fn changes() -> Vec<Change> {
        let precondition = Precondition::None;
        let put_kind = |kind| Change::PutKind { kind, precondition: Precondition::None };
        let topics = TopicSet::parse("topics", &["privacy"]).unwrap();
        let filter =
            EdgeFilter::new(vec![KindName::parse("kind", "friend").unwrap()], Vec::new(), None, vec![id("cy")]);
        let attrs = StatusAttrs {
            text: "hello".to_owned(),
            link: String::new(),
            topics: topics.clone(),
            audience: Audience { filter: filter.unwrap(), max_hops: 3 },
            post_time: TimeMs(5),
            expire_time: None,
        };
        let status = Status { id: status_id("s"), author: id("ann"), attrs };
        let mut ann = Member::bare(id("ann"));
        ann.attrs.topics = topics;
        let origin = Origin { status: Some(status_id("s")), introducers: vec![id("cy")], note: String::new() };
        vec![
            put_kind(kind("friend", true)),
            put_kind(kind("follows", false)),
            Change::PutMember { member: ann, precondition },
            Change::PostStatus { status },
            put_edge(key("bob", "friend", "ann"), |put| {
                *put = put.clone().with_history(History { count: 3, faded: 1.5, last_s: 9 });
                put.attrs.origin = Some(origin);
            }),
            put_edge(key("cy", "follows", "ann"), |_| {}),
        ]
    }

    fn state() -> State {
        let mut state = State::empty(7);
        for (sequence, change) in (1..).zip(changes()) {
            let request = Request { id: RequestId(u128::from(sequence)), scope: Scope::SHARED, fingerprint: 0 };
            let command = Command { time: TimeMs(sequence as i64), request: Some(request), changes: vec![change] };
            state
                .replay(&[Commit {
                    sequence,
                    namespace: NamespaceName::default(),
                    command,
                    answer: vec![1],
                    events: Vec::new(),
                }])
                .unwrap();
        }
        state
    }

    /// Notes everything down.
    #[derive(Default)]
    struct Notes {
        found: Vec<String>,
        progress: Vec<(u64, u64)>,
    }

    impl Verifier for Notes {
        fn found(&mut self, finding: Finding) -> Result<(), Error> {
            self.found.push(finding.to_string());
            Ok(())
        }

        fn progress(&mut self, checked: u64, total: u64) -> Result<(), Error> {
            self.progress.push((checked, total));
            Ok(())
        }
    }

    /// What is found of the state once it is broken.
    fn findings(break_it: impl FnOnce(&mut State)) -> Vec<String> {
        let mut state = state();
        break_it(&mut state);
        let mut notes = Notes::default();
        let verified = state.verify(&Kept::without_pauses(state.time()), &mut notes).unwrap();
        assert_eq!(verified.findings, notes.found.len() as u64);
        notes.found
    }

    fn index(state: &State, text: &str) -> MemberIx {
        state.graph.find(text).unwrap()
    }

    const FRIEND: KindIx = KindIx(0);
    const FOLLOWS: KindIx = KindIx(1);
    const DIGEST: &str = "digest: ";

    /// All but what the digest tells.
    fn but_digest(findings: Vec<String>) -> Vec<String> {
        let (digest, others): (Vec<_>, Vec<_>) = findings.into_iter().partition(|found| found.starts_with(DIGEST));
        assert_eq!(digest.len(), 1, "{others:?}");
        others
    }

    #[test]
    fn a_whole_state_has_none_and_gives_its_digest() {
        let state = state();
        let mut notes = Notes::default();
        let verified = state.verify(&Kept::without_pauses(state.time()), &mut notes).unwrap();
        assert_eq!(
            (notes.found, verified),
            (Vec::new(), Verified { findings: 0, digest: state.digest(), whole: state.state_digest() })
        );
        assert_eq!(notes.progress, [(3 * 2 + 2 * 3 + 1, 13)]);
    }

    #[test]
    fn a_broken_index_is_named() {
        let lacks = |what: &str| vec![format!("{what}: the index lacks it")];
        let has = |what: &str| vec![format!("{what}: the index has it, and nothing else does")];
        let outcome = || (status_id("s"), key("ann", "friend", "bob"));
        assert_eq!(findings(|s| drop(s.edges.parts().1.remove(&outcome()))), lacks("outcomes: s ann friend bob"));
        let stranger = (status_id("t"), key("ann", "friend", "bob"));
        assert_eq!(findings(|s| drop(s.edges.parts().1.insert(stranger))), has("outcomes: t ann friend bob"));
        let introduced = (id("cy"), key("ann", "friend", "bob"));
        assert_eq!(
            findings(|s| drop(s.edges.parts().2.remove(&introduced))),
            lacks("mentions: cy introduced ann friend bob")
        );
        let excluded = (id("cy"), status_id("s"));
        assert_eq!(findings(|s| drop(s.statuses.parts().2.remove(&excluded))), lacks("mentions: cy is left out of s"));
        let excluded = (id("bob"), status_id("s"));
        assert_eq!(findings(|s| drop(s.statuses.parts().2.insert(excluded))), has("mentions: bob is left out of s"));
        let authored = |s: &State, time| (index(s, "ann"), Reverse(TimeMs(time)), status_id("s"));
        assert_eq!(
            findings(|s| drop({
                let rank = authored(s, 5);
                s.statuses.parts().1.remove(&rank)
            })),
            lacks("authors: ann s")
        );
        assert_eq!(
            findings(|s| drop({
                let rank = authored(s, 6);
                s.statuses.parts().1.insert(rank)
            })),
            has("authors: ann s")
        );
    }

    #[test]
    fn a_broken_topic_index_is_named() {
        let topics = TopicSet::parse("topics", &["privacy"]).unwrap();
        let found = findings(|state| state.topics.remove_subjects(index(state, "ann"), &topics));
        let counts = |expected, kept| {
            vec![
                format!("topics: ann on privacy, {kept} times: the index has it, and nothing else does"),
                format!("topics: ann on privacy, {expected} times: the index lacks it"),
            ]
        };
        assert_eq!(found, counts(2, 1));
        let attrs = MemberAttrs { topics, ..MemberAttrs::default() };
        let found = findings(|state| state.topics.add_interests(index(state, "bob"), &attrs));
        let wanted = [
            "topics: bob on privacy, 1 times: the index has it, and nothing else does",
            "topics: 1 members interested in privacy: the index lacks it",
            "topics: 2 members interested in privacy: the index has it, and nothing else does",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn records_and_graph_that_differ_are_named() {
        let strength = "edges: ann friend bob: the graph has another strength of the edge";
        let tie = StrengthInputs { pinned: None, faded: 1.0, last_s: 9 };
        let found = findings(|s| {
            s.graph.put_edge(index(s, "ann"), FRIEND, index(s, "bob"), tie);
        });
        assert_eq!(found, [strength]);
        let found = findings(|s| {
            s.graph.remove_edge(index(s, "cy"), FOLLOWS, index(s, "ann"));
        });
        assert_eq!(found, ["edges: cy follows ann: the edge is not in the graph"]);
        let found = findings(|s| {
            s.graph.put_edge(index(s, "bob"), FOLLOWS, index(s, "ann"), StrengthInputs::default());
        });
        assert_eq!(found, ["edges: bob follows ann: the edge of the graph has no record"]);
        let stray = |s: &mut State, from: &str, to: MemberIx, kind| {
            let (times, attrs) = Default::default();
            let record = EdgeRecord { to, kind, times, attrs };
            let from = index(s, from);
            s.edges.parts().0.get_mut(from.0 as usize).unwrap().insert(&record);
        };
        let found = but_digest(findings(|s| stray(s, "bob", index(s, "ann"), FRIEND)));
        let wanted = [
            "edges: bob friend ann: the symmetric edge is kept under its greater id",
            "edges: bob friend ann: the graph has another strength of the edge",
        ];
        assert_eq!(found, wanted);
        let nowhere = ["edges: bob: an edge of the member has no kind, or no other end"];
        assert_eq!(findings(|s| stray(s, "bob", MemberIx(99), FRIEND)), nowhere);
        assert_eq!(findings(|s| stray(s, "bob", index(s, "ann"), KindIx(9))), nowhere);
        let found = findings(|s| {
            let ann = index(s, "ann");
            let list = s.edges.parts().0.get_mut(ann.0 as usize).unwrap();
            let twice: Vec<EdgeRecord> = list.iter().chain(list.iter()).collect();
            *list = EdgeList::from_sorted(&twice);
        });
        assert_eq!(but_digest(found), ["edges: ann: the member's edges are out of order"]);
    }

    #[test]
    fn what_is_gone_is_named_wherever_it_is_used() {
        let found = but_digest(findings(|s| drop(s.statuses.parts().0.remove(&status_id("s")))));
        let wanted = [
            "edges: ann friend bob: the status it came of is not there",
            "authors: ann s: the index has it, and nothing else does",
            "mentions: cy is left out of s: the index has it, and nothing else does",
            "topics: ann on privacy, 1 times: the index lacks it",
            "topics: ann on privacy, 2 times: the index has it, and nothing else does",
        ];
        assert_eq!(found, wanted);
        let found = findings(|s| {
            let record = s.statuses.get("s").unwrap().clone();
            s.statuses.parts().0.insert(status_id("t"), record);
        });
        assert!(found.contains(&"statuses: t: the status under this id is s".to_owned()), "{found:?}");
        let found = findings(|s| {
            let mut record = (**s.statuses.get("s").unwrap()).clone();
            record.status.author = id("dan");
            record.status.attrs.audience.filter.kinds = vec![KindName::parse("kind", "enemy").unwrap()];
            s.statuses.parts().0.insert(status_id("s"), record.into());
        });
        assert!(found.contains(&"statuses: s: its author is not there".to_owned()), "{found:?}");
        assert!(found.contains(&"statuses: s: its audience names a kind that is not registered".to_owned()));
    }

    #[test]
    fn a_record_that_changed_unseen_changes_the_digest() {
        let found = findings(|state| {
            let mut member = Member::bare(id("bob"));
            member.attrs.display_name = "Ann".to_owned();
            let ix = index(state, "bob");
            *state.members.parts().0.get_mut(ix.0 as usize).unwrap() = MemberRecord::new(&member, Default::default());
        });
        assert!(but_digest(found).is_empty());
        assert!(but_digest(findings(|state| state.members.parts().1.add(1))).is_empty());
    }

    #[test]
    fn the_graphs_own_faults_are_found_too() {
        let found = findings(|state| {
            state.graph.remove_kind(FOLLOWS);
            state.graph.add_kind(kind("follows", false));
        });
        assert_eq!(found, ["graph: edges of the kind follows: 0 are counted, and there are 1"]);
        let found = findings(|state| {
            state.graph = Graph::new();
        });
        assert!(!found.is_empty());
        let added = findings(|state| {
            state.graph.add_member(id("zoe"));
        });
        let wanted = [
            "members: zoe: the member of the graph has no record",
            "edges: zoe: the member of the graph has no list of edges",
        ];
        assert_eq!(added, wanted);
    }

    #[test]
    fn broken_requests_are_named() {
        let found = findings(|state| state.time = TimeMs(5));
        assert_eq!(found, [format!("requests: {:032x}: it was answered after the last command", 6)]);
    }

    #[test]
    fn whatever_a_state_holds_is_in_its_digest() {
        let whole = |change: &dyn Fn(&mut State)| {
            let mut state = state();
            change(&mut state);
            state.state_digest()
        };
        let as_it_is = whole(&|_| {});
        let changes: [&dyn Fn(&mut State); 8] = [
            &|state| state.sequence += 1,
            &|state| state.time = TimeMs(7),
            &|state| state.create_time = TimeMs(3),
            &|state| state.members.parts().1.add(1),
            &|state| state.requests.erase("ann"),
            &|state| assert!(state.requests.forget(TimeMs(i64::MAX), usize::MAX) > 0),
            &|state| drop(state.statuses.parts().2.insert((id("dan"), status_id("s")))),
            &|state| {
                let ix = index(state, "ann");
                state.members.parts().0.get_mut(ix.0 as usize).unwrap().times.create = TimeMs(2);
            },
        ];
        for (n, change) in changes.iter().enumerate() {
            assert_ne!(whole(change), as_it_is, "change {n}");
        }
    }

    #[test]
    fn a_verifier_ends_it_and_hears_of_no_more_than_it_can_use() {
        struct Ends;
        impl Verifier for Ends {
            fn found(&mut self, _: Finding) -> Result<(), Error> {
                Err(Error::Cancelled)
            }

            fn progress(&mut self, _: u64, _: u64) -> Result<(), Error> {
                Ok(())
            }
        }
        let mut broken = state();
        broken.members.parts().1.add(1);
        assert_eq!(broken.verify(&Kept::without_pauses(broken.time()), &mut Ends), Err(Error::Cancelled));
        (0..1_500).for_each(|n| drop(broken.statuses.parts().2.insert((id(&n.to_string()), status_id("s")))));
        let mut notes = Notes::default();
        assert_eq!(broken.verify(&Kept::without_pauses(broken.time()), &mut notes).unwrap().findings, 1_501);
        assert_eq!(notes.found.len(), 1_000);
    }
}
