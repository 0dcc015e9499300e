//! A check of everything finds nothing in a state that commands made, whatever they were.

use fastrand::Rng;
use kith::domain::{Change, Error, Finding};
use kith::engine::{Engine, EngineOptions, State, Verifier};
use kith::store::MemoryStore;

use crate::commands::some_change;
use crate::support::*;

/// Takes no finding.
pub struct NoFinding;

impl Verifier for NoFinding {
    fn found(&mut self, finding: Finding) -> Result<(), Error> {
        panic!("{finding}")
    }

    fn progress(&mut self, checked: u64, total: u64) -> Result<(), Error> {
        assert!(checked <= total);
        Ok(())
    }
}

/// Checks that a state agrees with itself.
pub fn assert_sound(state: &State) {
    let verified = state.verify(&mut NoFinding).unwrap();
    assert_eq!((verified.findings, verified.digest), (0, state.digest()));
}

async fn some_commands(engine: &Engine, random: &mut Rng) {
    let mut etags = Vec::new();
    for _ in 0..random.usize(1..40) {
        let state = engine.state();
        let changes: Vec<Change> = (0..random.usize(1..12)).map(|_| some_change(random, &state, &etags)).collect();
        etags = state.kinds().into_iter().map(|kind| kind.etag).collect();
        if random.bool() {
            engine.import(changes).await.unwrap();
        } else {
            // What is refused leaves the state as it was.
            let asked = random.bool().then(|| request(random.u128(..), 0));
            let _ = engine.write(changes, asked, |_, _| b"answer".to_vec()).await;
        }
    }
}

#[test]
fn nothing_is_found_after_any_commands_live_or_read_again() {
    block_on(async {
        for seed in 0..2_000 {
            let random = &mut Rng::with_seed(seed);
            let memory = MemoryStore::new(STORE_ID);
            let checkpoint_log_bytes_min = if random.bool() { 300 } else { u64::MAX };
            let options = EngineOptions { checkpoint_log_bytes_min, ..EngineOptions::default() };
            let (engine, end) = Engine::open(Box::new(memory.clone()), options).unwrap();
            some_commands(&engine, random).await;
            let state = engine.state();
            assert_sound(&state);
            drop(engine);
            end.join();
            let read = State::load(&mut memory.clone()).unwrap();
            assert_sound(&read);
            assert_eq!((read.digest(), read.sequence()), (state.digest(), state.sequence()), "seed {seed}");
        }
    });
}
