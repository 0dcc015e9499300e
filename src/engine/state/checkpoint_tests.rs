//! What is read back: rows that cannot be.

use super::*;
use crate::domain::{EdgeAttrs, ErasedId, ErasureKey, Member, TimeMs, Times, builtin_kinds};

fn member(id: &str) -> Row {
    let member = Member::bare(MemberId::parse("id", id).expect("an id"));
    Row::Member { member, times: Times::new(TimeMs(1)) }
}

/// A kind that is built in: spouse, which is symmetric, first, and follows, which is not, last.
fn kind(slot: u8, which: usize) -> Row {
    Row::Kind { slot, kind: builtin_kinds().remove(which) }
}

fn edge(from: u32, kind: u8, to: u32) -> EdgeRow {
    EdgeRow { from, kind, to, attrs: EdgeAttrs::default(), times: Times::new(TimeMs(1)) }
}

fn pending(from: u32, kind: u8, to: u32, asked_by: &str) -> Row {
    let attrs = EdgeAttrs { asked_by: MemberId::parse("id", asked_by).ok(), ..EdgeAttrs::default() };
    Row::Pending(EdgeRow { attrs, ..edge(from, kind, to) })
}

fn loader() -> StateLoader {
    StateLoader::new(1, namespace_row(&NamespaceName::default(), &State::empty(1)))
}

fn read(rows: Vec<Row>) -> Result<(), StoreError> {
    let mut loader = loader();
    rows.into_iter().try_for_each(|row| loader.row(row)).and_then(|()| loader.finish().map(drop))
}

#[test]
fn a_row_that_cannot_be_is_damage() {
    let erased = |key, hash| Row::Erased { key, erased: ErasedId { hash, time: TimeMs(1) }, until: TimeMs(2) };
    let erasure = || Row::Erasure { sequence: 2, time: TimeMs(1) };
    let erasure_key = || Row::ErasureKey { key: ErasureKey([3; 32]), days: 30 };
    let said_pending = || {
        let attrs = EdgeAttrs { asked_by: MemberId::parse("id", "a").ok(), ..EdgeAttrs::default() };
        Row::Edge(EdgeRow { attrs, ..edge(1, 0, 0) })
    };
    // The member b is the first, and a the second.
    let cases: [(&[Row], &str); 19] = [
        (&[kind(1, 0)], "a kind is there twice"),
        (&[kind(0, 1)], "a kind is there twice"),
        (&[kind(64, 1)], "a kind has no slot"),
        (&[member("a")], "a member is there twice"),
        (&[Row::Edge(edge(0, 0, 1))], "a symmetric edge is kept under its greater id"),
        (&[pending(0, 0, 1, "a")], "a symmetric edge is kept under its greater id"),
        (&[Row::Edge(edge(1, 0, 1))], "an edge joins a member to itself"),
        (&[Row::Edge(edge(1, 2, 0))], "an edge names a member or kind that is not there"),
        (&[Row::Edge(edge(1, 255, 0))], "an edge names a member or kind that is not there"),
        (&[Row::Edge(edge(1, 0, 2))], "an edge names a member or kind that is not there"),
        (&[Row::Edge(edge(1, 0, 0)), Row::Edge(edge(1, 0, 0))], "edges are out of order"),
        (&[Row::Edge(edge(1, 9, 0)), Row::Edge(edge(0, 9, 1))], "edges are out of order"),
        (&[said_pending()], "an edge that stands is said to be pending"),
        (&[pending(1, 0, 0, "c")], "a pending edge was asked for by neither end"),
        (&[pending(1, 0, 0, "a"), pending(1, 0, 0, "b")], "an edge both stands and is pending, or is pending twice"),
        (&[erasure_key(), erasure_key()], "an erasure key is there twice, or one too many"),
        (&[erasure_key(), erased(1, 1)], "an erased id is there twice, or its key is not there"),
        (&[erasure_key(), erased(0, 1), erased(0, 1)], "an erased id is there twice, or its key is not there"),
        (&[erasure()], "a row is of no namespace"),
    ];
    let good = [kind(0, 0), kind(9, 6), member("b"), member("a")];
    let wrong = cases.into_iter().filter(|(rows, why)| {
        let what = format!("checkpoint: {why}");
        read([&good, *rows].concat()) != Err(StoreError::Damaged { what })
    });
    let wrong: Vec<_> = wrong.map(|(rows, why)| (why, rows)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let whole =
        [Row::Edge(edge(0, 9, 1)), Row::Edge(edge(1, 0, 0)), pending(1, 9, 0, "a"), erasure_key(), erased(0, 1)];
    assert_eq!(read([&good[..], &whole].concat()), Ok(()));
}
