//! How often members were asked to introduce, and what they said.

use super::State;
use super::apply::ApplyContext;
use crate::domain::{ChangeError, Event, IntroducerTally, Introduction, MemberId, Part, Reason, TimeMs};
use crate::engine::outcome::{Applied, Effect};
use crate::graph::MemberIx;

impl State {
    pub(super) fn record_introduction(
        &mut self,
        context: &mut ApplyContext<'_>,
        introduction: &Introduction,
    ) -> Result<Applied, ChangeError> {
        let Introduction { introducer, stage, day } = introduction;
        let ix = self.existing(introducer, Part::IntroducerId)?;
        let mut tally = self.introducer_tally(ix).cloned().unwrap_or_default();
        if !tally.add(*stage, *day) {
            let message = "all that the introducer was asked for is answered already";
            return Err(ChangeError::precondition(Part::Stage, Reason::NotAsked, message));
        }
        Ok(Applied::of(self.store_tally(context, ix, tally)))
    }

    pub(super) fn put_introducer_tally(
        &mut self,
        context: &mut ApplyContext<'_>,
        introducer: &MemberId,
        tally: &IntroducerTally,
    ) -> Result<Applied, ChangeError> {
        let ix = self.existing(introducer, Part::TallyMemberId)?;
        Ok(Applied::of(self.store_tally(context, ix, tally.clone())))
    }

    fn store_tally(&mut self, context: &mut ApplyContext<'_>, introducer: MemberIx, tally: IntroducerTally) -> Effect {
        let before = self.introducer_tally(introducer).cloned().unwrap_or_default();
        if before == tally {
            return Effect::Unchanged;
        }
        let id = self.graph.id(introducer).clone();
        let nothing = IntroducerTally::default();
        let effect = match (before == nothing, tally == nothing) {
            (true, _) => Effect::Created,
            (false, true) => Effect::Deleted,
            (false, false) => Effect::Updated,
        };
        self.tallies.put(introducer, &id, tally.clone());
        context.emit(|| Event::IntroducerTallyPut { introducer: id, tally });
        effect
    }

    /// What a member was asked for; none if it never was.
    pub fn introducer_tally(&self, introducer: MemberIx) -> Option<&IntroducerTally> {
        self.tallies.get(introducer)
    }

    /// How gladly a member is asked to introduce: ½ of whom nothing is known.
    pub fn readiness(&self, introducer: MemberIx, as_of: TimeMs) -> f64 {
        let tally = self.introducer_tally(introducer);
        tally.map_or_else(|| IntroducerTally::default().readiness(as_of), |tally| tally.readiness(as_of))
    }

    pub fn tally_count(&self) -> u64 {
        self.tallies.len() as u64
    }
}
