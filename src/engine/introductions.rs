//! How often members were asked to introduce, and what they said.

use std::sync::Arc;

use super::apply::Act;
use super::digest::tally_hash;
use super::outcome::{Applied, Effect};
use super::state::State;
use super::verify::Expected;
use crate::domain::{Error, Event, Inspector, IntroducerTally, Introduction, MemberId, Reason, TimeMs};
use crate::graph::MemberIx;

impl State {
    pub(super) fn record_introduction(
        &mut self,
        act: &mut Act<'_>,
        introduction: &Introduction,
    ) -> Result<Applied, Error> {
        let Introduction { introducer, stage, day } = introduction;
        let ix = self.existing(introducer, "introducer_id")?;
        let mut tally = self.introducer_tally(ix).cloned().unwrap_or_default();
        if !tally.add(*stage, *day) {
            let message = "all that the introducer was asked for is answered already";
            return Err(Error::precondition("stage", Reason::NotAsked, message));
        }
        Ok(Applied::of(self.store_tally(act, ix, tally)))
    }

    pub(super) fn put_introducer_tally(
        &mut self,
        act: &mut Act<'_>,
        introducer: &MemberId,
        tally: &IntroducerTally,
    ) -> Result<Applied, Error> {
        let ix = self.existing(introducer, "introducer_tally.member_id")?;
        Ok(Applied::of(self.store_tally(act, ix, tally.clone())))
    }

    fn store_tally(&mut self, act: &mut Act<'_>, introducer: MemberIx, tally: IntroducerTally) -> Effect {
        let before = self.introducer_tally(introducer).cloned().unwrap_or_default();
        if before == tally {
            return Effect::Unchanged;
        }
        self.remove_tally_of(introducer);
        let id = self.graph.id(introducer).clone();
        let nothing = IntroducerTally::default();
        let effect = match (before == nothing, tally == nothing) {
            (true, _) => Effect::Created,
            (false, true) => Effect::Deleted,
            (false, false) => Effect::Updated,
        };
        if tally != nothing {
            self.digest.add(tally_hash(&id, &tally));
            self.tallies.insert(introducer, Arc::new(tally.clone()));
        }
        act.tell(|| Event::IntroducerTallyPut { introducer: id, tally });
        effect
    }

    pub(super) fn remove_tally_of(&mut self, introducer: MemberIx) {
        if let Some(tally) = self.tallies.remove(&introducer) {
            self.digest.remove(tally_hash(self.graph.id(introducer), &tally));
        }
    }

    /// What a member was asked for; none if it never was.
    pub fn introducer_tally(&self, introducer: MemberIx) -> Option<&IntroducerTally> {
        self.tallies.get(&introducer).map(Arc::as_ref)
    }

    /// How gladly a member is asked to introduce: ½ of whom nothing is known.
    pub fn readiness(&self, introducer: MemberIx, as_of: TimeMs) -> f64 {
        let tally = self.introducer_tally(introducer);
        tally.map_or_else(|| IntroducerTally::default().readiness(as_of), |tally| tally.readiness(as_of))
    }

    pub fn tally_count(&self) -> u64 {
        self.tallies.len() as u64
    }

    pub(super) fn verify_tallies(&self, expected: &mut Expected, check: &mut dyn Inspector) -> Result<(), Error> {
        for (introducer, tally) in &self.tallies {
            match self.graph.get_id(*introducer) {
                Some(id) if **tally != IntroducerTally::default() => expected.digest.add(tally_hash(id, tally)),
                Some(id) => check.find("introducer tallies", id.as_str(), "nothing is counted")?,
                None => {
                    check.find("introducer tallies", format!("place {}", introducer.0), "the member is not there")?
                }
            }
        }
        Ok(())
    }
}
