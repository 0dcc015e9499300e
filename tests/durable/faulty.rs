//! A log whose appends end badly, as a test asks for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use kith::domain::Sequence;
use kith::store::{Commit, Log, NotAppended, StoreError};

use crate::over::Hears;

/// How an append ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It says that nothing is there, and nothing is.
    Full,
    /// It does not say whether it is there, and it is.
    UnknownThere,
    /// It does not say whether it is there, and it is not.
    UnknownNotThere,
}

/// Clones share what is to come.
#[derive(Clone, Default)]
pub struct Faulty(Arc<Mutex<ToCome>>);

#[derive(Default)]
struct ToCome {
    next: VecDeque<Fault>,
    comes_again: bool,
    tail_fails: bool,
}

impl Faulty {
    /// The next appends end so, and those after them again and again.
    pub fn again_and_again(faults: &[Fault]) -> Faulty {
        let faulty = Faulty::default();
        faulty.next(faults);
        faulty.0.lock().unwrap().comes_again = true;
        faulty
    }

    /// The next appends end so, and those after them well.
    pub fn next(&self, faults: &[Fault]) {
        self.0.lock().unwrap().next.extend(faults);
    }

    /// Whether the tail cannot be read from now on.
    pub fn tail_fails(&self, fails: bool) {
        self.0.lock().unwrap().tail_fails = fails;
    }
}

impl Hears for Faulty {
    fn append(&mut self, log: &mut dyn Log, commits: &[Commit]) -> Result<(), NotAppended> {
        let mut to_come = self.0.lock().unwrap();
        let fault = to_come.next.pop_front().unwrap_or(Fault::None);
        if to_come.comes_again {
            to_come.next.push_back(fault);
        }
        let lost = || NotAppended::Unknown(StoreError::Io("no answer came".to_owned()));
        match fault {
            Fault::None => log.append(commits),
            Fault::Full => Err(StoreError::Full.into()),
            Fault::UnknownThere => log.append(commits).and(Err(lost())),
            Fault::UnknownNotThere => Err(lost()),
        }
    }

    fn tail(&mut self, log: &mut dyn Log) -> Result<Sequence, StoreError> {
        if self.0.lock().unwrap().tail_fails { Err(StoreError::Io("no tail".to_owned())) } else { log.tail() }
    }
}
