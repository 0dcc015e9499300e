//! What is read back: how much of the log at once, and rows that cannot be.

use super::*;
use crate::domain::{Change, Command, Member, Precondition, Times, builtin_kinds};

#[test]
fn what_is_replayed_together_is_bounded_as_a_batch_is() {
    let mut fold = Fold::new(State::empty(1), BatchBytes(1_000_000));
    let mut held = 0;
    for sequence in 1..=5_000 {
        let member = Member::bare(MemberId::parse("id", &format!("m{sequence}")).expect("an id"));
        let changes = vec![Change::PutMember { member, precondition: Precondition::None }];
        let command = Command { time: TimeMs(sequence as i64), request: None, changes };
        fold.commit(Commit { sequence, command, answer: vec![0; 10_000], events: vec![Vec::new()] })
            .expect("it is taken");
        held = held.max(fold.commits.len());
    }
    assert!((10..100).contains(&held), "{held} commits of some 12 kB each were held");
    fold.finish().expect("it is whole");
    assert_eq!((fold.state.sequence, fold.state.member_count()), (5_000, 5_000));
}
#[test]
fn what_is_there_twice_is_damage() {
    let id = MemberId::parse("id", "a").expect("an id");
    let times = Times::new(TimeMs(1));
    let member = || Row::Member { member: Member::bare(id.clone()), times };
    let kind = |slot: u8| Row::Kind { slot, kind: builtin_kinds().remove(0) };
    for rows in [vec![kind(0), kind(1)], vec![kind(3), kind(3)], vec![member(), member()]] {
        let mut fold = Fold::new(State::empty(1), BatchBytes::default());
        let taken = rows.into_iter().try_for_each(|row| fold.row(row)).and_then(|()| fold.finish());
        assert!(matches!(taken, Err(StoreError::Damaged { .. })), "{taken:?}");
    }
}
