//! The bytes of changes that leave fields as they are, pinned as those in `format.rs`.

use kith::domain::{Change, EdgeFieldsKept, EdgePut, Kind, KindFieldsKept, MemberPatch, Precondition, Sphere};

use crate::format::{commit_of, there_and_back, whole_put};
use crate::support::*;

/// One label set and another removed, and the headline.
fn labeling() -> MemberPatch {
    let label_changes = [("team".to_owned(), Some("7".to_owned())), ("city".to_owned(), None)].into();
    MemberPatch { headline: Some("h".to_owned()), label_changes, ..Default::default() }
}

fn changes() -> Vec<(Change, &'static str)> {
    let allow_missing_members = true;
    vec![
        (
            Change::MergeMember { id: member_id("ann"), patch: labeling(), precondition: Precondition::None },
            "017acaf15af6a1abfef962000118010003616e6e00010168000000000002046369747900047465616d0101370000",
        ),
        (
            Change::UpdateMember { id: member_id("ann"), patch: labeling(), precondition: Precondition::None },
            "01d0cf2babf6a1abfef962000118000003616e6e00010168000000000002046369747900047465616d0101370000",
        ),
        (
            Change::PutEdge {
                put: EdgePut {
                    kept: EdgeFieldsKept { since: true, origin: true, ..Default::default() },
                    ..whole_put()
                },
                precondition: Precondition::None,
                allow_missing_members,
            },
            "01b1bb4405f6a1abfef9620001190003616e6e0006667269656e640003626f621f0000803eac020000c03f80e2cfaa06\
             01016e0101730100026379016f12000100",
        ),
        (
            Change::MergeKind {
                kind: Kind::new(kind_name("reads"), Sphere::Public, false, 0.5, 60_000).unwrap(),
                kept: KindFieldsKept { sphere: true, half_life: true, ..Default::default() },
                precondition: Precondition::None,
            },
            "019376dffaf6a1abfef96200011a000572656164730300000000000000e03fe0d403090000",
        ),
    ]
}

#[test]
fn every_merge_is_written_and_read_as_ever() {
    for (change, value) in changes() {
        let commit = commit_of(change);
        let (found, read) = there_and_back(&commit, value);
        assert_eq!(found, value, "{commit:?}");
        assert_eq!(read, [commit]);
    }
}
