//! What imports must do beside other writes, the plain way: nobody who was erased comes back, and times are as they say.

use kith::domain::{Change, Member, MemberId, TimeMs, Times};

use crate::naive::{Dated, Done, Naive, Refused, UNCHANGED, refused};

impl Naive {
    /// What an import carries out: nobody who was erased comes back.
    pub fn import(&mut self, now: TimeMs, change: &Change) -> Result<Done, Refused> {
        let mut change = change.clone();
        let times = change.restored();
        let brought_back = |erased: &TimeMs| times.is_some_and(|times| times.create >= *erased && times.create <= now);
        let barred = |id: &MemberId| self.erased.get(id).is_some_and(|erased| !brought_back(erased));
        let plain = match &mut change {
            Change::Restore { put, .. } => put,
            change => change,
        };
        match plain {
            Change::PutMember { member, precondition } if barred(&member.id) => {
                self.check(precondition, None::<&Dated<Member>>)?;
                return refused("Precondition MemberErased MemberId");
            }
            Change::MergeMember { id, precondition, .. } if barred(id) => {
                self.check(precondition, None::<&Dated<Member>>)?;
                return refused("Precondition MemberErased MemberId");
            }
            Change::PutEdge { put, .. } => {
                put.attrs
                    .origin
                    .iter_mut()
                    .for_each(|origin| origin.introducers.retain(|id| !self.erased.contains_key(id)));
            }
            Change::PostStatus { status } => {
                status.attrs.audience.filter.exclude.retain(|id| !self.erased.contains_key(id))
            }
            _ => {}
        }
        let names_erased = change.members().into_iter().any(|id| self.erased.contains_key(id));
        self.apply(now, &change).map_err(|refused| match names_erased {
            true => refused.replace("MemberMissing", "MemberErased"),
            false => refused,
        })
    }

    /// Carries out a put, and dates its resource as it says, but for the past of what was there.
    pub fn restore(&mut self, now: TimeMs, times: Times, put: &Change) -> Result<Done, Refused> {
        let before = self.dates(put).map(|(create, update)| (*create, *update));
        let done = self.apply(now, put)?;
        if done != UNCHANGED
            && let Some((create, update)) = self.dates(put)
        {
            let (first, last) = before.unwrap_or((times.create, times.update));
            (*create, *update) = (first.max(times.create), last.max(times.update));
        }
        Ok(done)
    }

    /// The times of the resource that a change puts.
    fn dates(&mut self, put: &Change) -> Option<(&mut TimeMs, &mut TimeMs)> {
        fn of<T>(dated: &mut Dated<T>) -> (&mut TimeMs, &mut TimeMs) {
            (&mut dated.create, &mut dated.update)
        }
        match put {
            Change::PutMember { member: Member { id, .. }, .. } | Change::MergeMember { id, .. } => {
                self.members.get_mut(id).map(of)
            }
            Change::PutEdge { put, .. } => {
                let key = self.stored_key(&put.key)?;
                self.edges.get_mut(&key).map(of)
            }
            Change::PostStatus { status } => self.statuses.get_mut(&status.id).map(of),
            _ => None,
        }
    }
}
