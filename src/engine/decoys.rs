//! Whom a search goes to where nothing is hidden, so that the search tells nothing ([ADR 14](../../docs/adr/0014-hidden-statuses.md)).

use std::sync::Arc;

use super::state::TokenKey;
use crate::domain::NamespaceName;
use crate::graph::{MemberIx, View, Viewer};

/// How often another member is tried where one can't stand in. Most slots are taken, so the first nearly always can.
const TRIES: u8 = 16;

/// Chooses members in the stead of authors that are not there: by a key that nobody knows, so that an id is answered alike each time and
/// nobody can choose whom it leads to.
#[derive(Debug, Clone)]
pub struct Decoys {
    key: Arc<TokenKey>,
    namespace: NamespaceName,
}

impl Decoys {
    pub fn new(key: &Arc<TokenKey>, namespace: &NamespaceName) -> Decoys {
        Decoys { key: key.clone(), namespace: namespace.clone() }
    }

    /// Returns the member that stands in for whoever an id may lead to.
    pub fn stand_in(&self, view: &View<'_>, viewer: Viewer, id: &str) -> Option<MemberIx> {
        let can = |member: &MemberIx| Viewer::Member(*member) != viewer && !view.is_gone(*member);
        (0..TRIES).find_map(|attempt| view.graph().picked_by(self.hash(id, attempt)).filter(can))
    }

    /// Returns a number for an id. No page token begins as the authenticated message does.
    fn hash(&self, id: &str, attempt: u8) -> u64 {
        let mut message = b"decoy".to_vec();
        for part in [self.namespace.as_str(), id] {
            message.push(0);
            message.extend(part.as_bytes());
        }
        message.extend([0, attempt]);
        self.key.mac(&message)[..8].iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::domain::{
        Audience, Block, Change, Command, EdgeFilter, EdgeKey, EdgePut, KindName, Member, MemberId, Precondition,
        Secret, Status, StatusAttrs, StatusId, TimeMs, TopicSet, builtin_kinds,
    };
    use crate::engine::{State, StatusReader};
    use crate::graph::{Budget, Limit, Stop, StopReason};
    use crate::store::Commit;

    const NOW: TimeMs = TimeMs(1_000);
    /// Enough for polls in the midst of a search.
    const AUTHORS: u32 = 3_000;

    fn id(text: &str) -> MemberId {
        MemberId::parse("id", text).unwrap()
    }

    fn put(member: &str, change: impl FnOnce(&mut Member)) -> Change {
        let mut member = Member::bare(id(member));
        change(&mut member);
        Change::PutMember { member, precondition: Precondition::None }
    }

    fn friends(one: &str, other: &str) -> Change {
        let key = EdgeKey::new(id(one), KindName::parse("kind", "friend").unwrap(), id(other)).unwrap();
        Change::PutEdge { put: EdgePut::bare(key), precondition: Precondition::None, allow_missing_members: true }
    }

    fn post(status: &str, author: &str, change: impl FnOnce(&mut StatusAttrs)) -> Change {
        let mut attrs = StatusAttrs {
            text: "hello".to_owned(),
            link: String::new(),
            topics: TopicSet::default(),
            audience: Audience { filter: EdgeFilter::default(), max_hops: 2 },
            post_time: TimeMs(5),
            expire_time: None,
        };
        change(&mut attrs);
        Change::PostStatus { status: Status { id: StatusId::parse("id", status).unwrap(), author: id(author), attrs } }
    }

    /// The viewer `v` is three hops from each author: a friend of `h`, which is a friend of `hub`, which is a friend of all of them.
    fn world() -> State {
        world_with(Vec::new())
    }

    fn world_with(more: Vec<Change>) -> State {
        let kinds = builtin_kinds().into_iter();
        let mut changes: Vec<Change> =
            kinds.map(|kind| Change::PutKind { kind, precondition: Precondition::None }).collect();
        changes.extend([friends("v", "h"), friends("h", "hub")]);
        changes.extend((0..AUTHORS).map(|n| friends("hub", &format!("a{n:04}"))));
        changes.extend((0..AUTHORS).map(|n| friends("h", &format!("b{n:04}"))));
        changes.extend([
            Change::BlockMember { block: Block { by: id("a0005"), of: id("v") } },
            put("a0006", |member| member.attrs.processing_restricted = true),
            post("two-hops", "a0000", |_| {}),
            post("one-hop", "a0001", |attrs| attrs.audience.max_hops = 1),
            post("expired", "a0002", |attrs| attrs.expire_time = Some(TimeMs(6))),
            post("scheduled", "a0003", |attrs| attrs.post_time = TimeMs(2_000)),
            post("not-for-v", "a0004", |attrs| {
                attrs.audience.filter = EdgeFilter { exclude: vec![id("v")], ..EdgeFilter::default() }
            }),
            post("by-who-blocks", "a0005", |_| {}),
            post("by-who-is-restricted", "a0006", |_| {}),
            post("seen", "a0007", |attrs| attrs.audience.max_hops = 3),
        ]);
        changes.extend(more);
        let command = Command { time: TimeMs(10), request: None, changes };
        let events = vec![Vec::new(); command.changes.len()];
        let commit = Commit { sequence: 1, namespace: NamespaceName::default(), command, answer: Vec::new(), events };
        let mut state = State::empty(7);
        state.replay(&[commit]).unwrap();
        state
    }

    /// Counts the polls, of which there is one about every thousand half-edges.
    #[derive(Default)]
    struct Polled(Cell<u32>);

    impl Stop for Polled {
        fn stop(&self) -> Option<StopReason> {
            self.0.update(|polls| polls + 1);
            None
        }
    }

    fn polls(ask: impl FnOnce(&mut Budget<'_>)) -> u32 {
        let polled = Polled::default();
        let mut budget = Budget::new(u64::MAX, &polled);
        ask(&mut budget);
        assert_eq!(budget.visited(), 0);
        polled.0.get()
    }

    fn reader(state: &State) -> StatusReader {
        let decoys = Decoys::new(&Arc::new(TokenKey::new(Secret([7; 32]))), &NamespaceName::default());
        state.status_reader(Some(&id("v")), NOW, NOW, decoys)
    }

    /// Returns an id that nothing has and that an author stands in for.
    fn absent(state: &State) -> String {
        let ids = (0..).map(|n| format!("x{n}"));
        let leads_to_an_author = |absent: &String| {
            let stand_in = reader(state).stand_in(state, absent).unwrap();
            state.graph().id(stand_in).as_str().starts_with('a')
        };
        ids.into_iter().find(leads_to_an_author).unwrap()
    }

    #[test]
    fn as_much_is_searched_for_a_status_whether_there_is_one() {
        let state = world();
        let ask = |status: &str, is_seen: bool| {
            let status = StatusId::parse("id", status).unwrap();
            polls(|budget| {
                let seen = state.seen_status(&status, &reader(&state), budget).unwrap();
                assert_eq!(seen.is_some(), is_seen, "{status}");
            })
        };
        let seen = ask("seen", true);
        assert!(seen > 2, "{seen}");
        assert_eq!(seen, ask(&absent(&state), false), "nothing is there");
        for hidden in ["two-hops", "one-hop"] {
            assert_eq!(seen, ask(hidden, false), "{hidden}");
        }
        // These are not searched for, but who stands in for them is, who may be nearer.
        for hidden in ["expired", "scheduled", "not-for-v", "by-who-blocks", "by-who-is-restricted"] {
            let stand_in = reader(&state).stand_in(&state, hidden).unwrap();
            let is_author = state.graph().id(stand_in).as_str().starts_with('a');
            let polls = ask(hidden, false);
            assert!(if is_author { polls == seen } else { (1..seen).contains(&polls) }, "{hidden}: {polls}");
        }
    }

    #[test]
    fn as_much_is_searched_for_an_author_whether_it_posts() {
        let state = world();
        let ask = |author: &str, found: Option<usize>| {
            polls(|budget| {
                let seen = state.seen_of(&id(author), &reader(&state), None, 5, budget).unwrap();
                assert_eq!(seen.map(|seen| seen.len()), found, "{author}");
            })
        };
        let posts_nothing = ask("a0100", Some(0));
        assert!(posts_nothing > 2, "{posts_nothing}");
        assert_eq!(posts_nothing, ask(&absent(&state), None), "nobody is there");
        for author in 0..5 {
            assert_eq!(posts_nothing, ask(&format!("a{author:04}"), Some(0)), "{author}");
        }
        assert_eq!(posts_nothing, ask("a0007", Some(1)));
    }

    #[test]
    fn an_id_leads_to_one_member_by_the_key_alone() {
        let state = world();
        let of = |secret: u8, namespace: &str, absent: &str| {
            let namespace = NamespaceName::parse("namespace", namespace).unwrap();
            let decoys = Decoys::new(&Arc::new(TokenKey::new(Secret([secret; 32]))), &namespace);
            StatusReader { decoys, ..reader(&state) }.stand_in(&state, absent).unwrap()
        };
        let led = |secret, namespace| (0..20).map(|n| of(secret, namespace, &n.to_string())).collect::<Vec<_>>();
        assert_eq!(led(1, "default"), led(1, "default"));
        assert_ne!(led(1, "default"), led(2, "default"));
        assert_ne!(led(1, "default"), led(1, "other"));
        // Few ids lead elsewhere when a member is added.
        let grown = world_with(vec![put("z", |_| {})]);
        let led_to = |state: &State, absent: u32| reader(state).stand_in(state, &absent.to_string()).unwrap();
        assert!((0..1_000).filter(|absent| led_to(&state, *absent) != led_to(&grown, *absent)).count() < 10);
        // Nobody stands in who is the viewer itself or gone for it.
        let nobody = ["v", "a0005", "a0006"].map(|id| state.graph().find(id).unwrap());
        assert!((0..20_000).all(|n| !nobody.contains(&of(1, "default", &n.to_string()))));
    }

    #[test]
    fn the_scale_of_a_search_is_of_what_the_viewer_sees() {
        let state = world();
        let mut scale = 0;
        polls(|budget| scale = reader(&state).search_scale(&state, budget).unwrap());
        // The edges of the viewer and of `h`, its only friend.
        assert_eq!(scale, 1 + 2 + u64::from(AUTHORS));
        // A query that may take more than its share begins again, whatever it is about.
        let mut budget = Budget::new(u64::MAX, &crate::graph::NeverStop).with_share(100);
        assert_eq!(reader(&state).search_scale(&state, &mut budget), Err(Limit::EdgesVisited));
        assert!(budget.is_provisional() && budget.is_exhausted());
    }
}
