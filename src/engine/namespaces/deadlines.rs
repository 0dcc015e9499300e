//! When what was erased must have left the disk.

use imbl::Vector;

use crate::domain::{Sequence, TimeMs};

/// Erasures that are closer to each other than this have one deadline.
const TOGETHER_MS: i64 = 60_000;
/// The most deadlines that are kept; the oldest erasures have been purged long before.
const DEADLINES_MAX: usize = 4_096;

/// The commands that erased something, the last of each minute, with the time of the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deadlines(Vector<(Sequence, TimeMs)>);

impl Deadlines {
    /// Notes that the command of this sequence erased something, whose bytes are to leave the disk in time.
    pub fn note(&mut self, sequence: Sequence, now: TimeMs) {
        match self.0.back_mut() {
            Some((last, first)) if now.0 - first.0 <= TOGETHER_MS => *last = sequence,
            _ => self.0.push_back((sequence, now)),
        }
        if self.0.len() > DEADLINES_MAX
            && let (Some((_, first)), Some(next)) = (self.0.pop_front(), self.0.front_mut())
        {
            // What the log still holds of the first ones goes early rather than late.
            next.1 = first;
        }
    }

    /// Returns the last command that erased something; 0 if none did.
    pub fn last(&self) -> Sequence {
        self.0.last().map_or(0, |(sequence, _)| *sequence)
    }

    /// Returns when the first of the erasures was accepted that the log may hold something of, from its first sequence on; none if there is
    /// none.
    pub fn first_from(&self, earliest: Sequence) -> Option<TimeMs> {
        self.0.iter().find(|(sequence, _)| *sequence >= earliest).map(|(_, time)| *time)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Sequence, TimeMs)> + '_ {
        self.0.iter().copied()
    }

    /// Takes one that a checkpoint holds, or says what is wrong with it.
    pub fn load(&mut self, sequence: Sequence, time: TimeMs) -> Result<(), &'static str> {
        if self.0.len() >= DEADLINES_MAX || self.0.last().is_some_and(|(last, _)| *last >= sequence) {
            return Err("erasures are out of order, or too many");
        }
        self.0.push_back((sequence, time));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_of_the_first_erasure_of_its_minute_as_long_as_the_log_has_the_last() {
        let mut deadlines = Deadlines::default();
        assert_eq!((deadlines.first_from(0), deadlines.last()), (None, 0));
        for (sequence, time) in [(3, 0), (5, TOGETHER_MS), (7, TOGETHER_MS + 1), (9, 10 * TOGETHER_MS)] {
            deadlines.note(sequence, TimeMs(time));
        }
        let minutes = |deadlines: &Deadlines, sequences: &[Sequence]| -> Vec<Option<i64>> {
            let of = |sequence| deadlines.first_from(sequence).map(|time| time.0 / TOGETHER_MS);
            sequences.iter().copied().map(of).collect()
        };
        let found = minutes(&deadlines, &[0, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(found, [Some(0), Some(0), Some(0), Some(0), Some(1), Some(1), Some(10), Some(10), None]);
        assert_eq!(deadlines.last(), 9);
        for minute in 11..9 + DEADLINES_MAX as i64 {
            deadlines.note(minute as Sequence, TimeMs(2 * minute * TOGETHER_MS));
        }
        // The first two have become one, of the earlier time.
        assert_eq!(deadlines.iter().len(), DEADLINES_MAX);
        assert_eq!(minutes(&deadlines, &[0, 5, 7, 8]), [Some(0), Some(0), Some(0), Some(10)]);
    }
}
