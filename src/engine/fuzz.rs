//! Kept outcomes are decoded from damaged bytes whose checksums hold.

use super::outcome::{Applied, ChangeResult, Effect, Outcome, Snapshot};
use super::revision::Revision;
use super::state::Stored;
use crate::domain::limits::BATCH_MAX;
use crate::domain::{Block, EdgeKey, EdgePut, Member, MemberId, StatusId, TimeMs, builtin_kinds};
use crate::fuzz::fuzz;

const STORE_ID: u128 = 7 << 64;

fn stored<T>(value: T) -> Stored<T> {
    Stored { value, create_time: TimeMs(1_700_000_000_000), update_time: TimeMs(1_700_000_000_005) }
}

/// Returns outcomes with every part and resource that the codec knows, but for statuses.
fn outcomes() -> Vec<Outcome> {
    let member = |id| MemberId::parse("id", id).unwrap();
    let kind = builtin_kinds().remove(0);
    let key = EdgeKey::new(member("ann"), kind.name.clone(), member("bob")).unwrap();
    let mut edge = EdgePut::bare(key.clone()).edge(key);
    edge.attrs.note = "met".to_owned();
    let mut ann = Member::bare(member("ann"));
    ann.attrs.headline = "Counts".to_owned();
    let resources = [
        Snapshot::Kind(stored(kind)),
        Snapshot::Member(stored(ann)),
        Snapshot::Edge(stored(edge), 0.25),
        Snapshot::Block(Block { by: member("ann"), of: member("bob") }),
    ];
    let erased = Applied { edges_deleted: 3, statuses_deleted: 200, ..Applied::of(Effect::Deleted) };
    let posted = Some(StatusId::parse("id", "s1").unwrap());
    let results = vec![
        ChangeResult { applied: Applied::of(Effect::Created), etag: Some("0123456789abcdef".to_owned()), posted },
        ChangeResult { applied: erased, etag: None, posted: None },
        ChangeResult { applied: Applied::of(Effect::Unchanged), etag: None, posted: None },
    ];
    let revision = Revision::new(STORE_ID, 300);
    let shown = resources.map(|resource| Outcome { revision, results: Vec::new(), resource: Some(Box::new(resource)) });
    shown.into_iter().chain([Outcome { revision, results, resource: None }]).collect()
}

#[test]
fn no_outcome_breaks_a_retry() {
    let kept = outcomes().iter().map(Outcome::encode).collect::<Vec<_>>();
    let decode = |bytes: &[u8]| Outcome::decode(bytes, STORE_ID);
    assert_eq!(kept.iter().map(|bytes| decode(bytes).unwrap()).collect::<Vec<_>>(), outcomes());
    fuzz("outcomes", kept, decode);
}

#[test]
fn an_outcome_has_no_more_results_than_a_batch_has_changes() {
    let outcome = |changes| {
        let result = ChangeResult { applied: Applied::of(Effect::Created), etag: None, posted: None };
        let revision = Revision::new(STORE_ID, 300);
        Outcome { revision, results: vec![result; changes], resource: None }.encode()
    };
    assert!(Outcome::decode(&outcome(BATCH_MAX), STORE_ID).is_ok());
    assert!(Outcome::decode(&outcome(BATCH_MAX + 1), STORE_ID).is_err());
}
