//! What one writer asked for and was answered, in order, and what must therefore be there.

use super::call::Answer;
use super::content::Content;
use super::operation::Operation;

#[derive(Default)]
pub struct Ledger {
    /// What was there before the first entry.
    pub base: Content,
    pub entries: Vec<Entry>,
}

/// One call; a writer makes them one after the other.
pub struct Entry {
    pub operation: Operation,
    pub outcome: Outcome,
}

#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Answered before the disk's operation of this number.
    Acknowledged { answer: Answer, position: u64 },
    /// Refused because the disk was full: it has never happened.
    Full,
    /// Refused because the disk failed: it has not happened, but what is on a disk that fails to sync is not known before a later
    /// write is. Until then a restart may find it.
    Failed,
    /// The server was killed meanwhile: it may have been carried out.
    Unknown,
}

impl Entry {
    fn acknowledged_by(&self, cut: u64) -> bool {
        matches!(self.outcome, Outcome::Acknowledged { position, .. } if position <= cut)
    }

    /// Whether what comes after it in the ledger was asked for on top of it.
    fn counts(&self) -> bool {
        matches!(self.outcome, Outcome::Acknowledged { .. } | Outcome::Unknown)
    }
}

/// A server that came back.
#[derive(Clone, Copy)]
pub struct Return {
    /// How many writes there are in it.
    pub sequence: u64,
    /// The operation before which the power went; none of what was acknowledged by then may be lost.
    pub cut: u64,
    /// Whether some writes of the run failed, so that the sequence of a lost one was given again.
    pub failures: bool,
}

impl Ledger {
    pub fn acknowledged(&self) -> usize {
        self.entries.iter().filter(|entry| entry.acknowledged_by(u64::MAX)).count()
    }

    /// How many entries are there. Whatever is found must be exactly what some of them make, in order, each whole, with all that
    /// were acknowledged by the cut; how it went wrong otherwise.
    pub fn check(&self, found: &Content, at: Return) -> Result<usize, String> {
        let required = self.entries.iter().rposition(|entry| entry.acknowledged_by(at.cut)).map_or(0, |last| last + 1);
        let mut content = self.base.clone();
        let mut last_match = (content == *found).then_some(0);
        for (i, entry) in self.entries[..required].iter().enumerate().filter(|(_, entry)| entry.counts()) {
            entry.operation.changes().for_each(|change| content.apply(change));
            last_match = if content == *found { Some(i + 1) } else { last_match };
        }
        if content == *found && self.in_order(required, at) {
            return Ok(required);
        }
        let wrong = match last_match {
            Some(earlier) if earlier < required => {
                format!("the last {} of {required} acknowledged writes are lost", required - earlier)
            }
            _ => content.difference(found),
        };
        self.later(required, content, found, at).ok_or_else(|| format!("{wrong} (sequence {})", at.sequence))
    }

    /// Whether some of the entries from `required` on, which may be there, make what was found.
    fn later(&self, required: usize, mut content: Content, found: &Content, at: Return) -> Option<usize> {
        for (i, entry) in self.entries.iter().enumerate().skip(required) {
            if entry.outcome == Outcome::Full {
                continue;
            }
            let before = content.clone();
            for (j, batch) in entry.operation.batches.iter().enumerate() {
                batch.iter().for_each(|change| content.apply(change));
                let there = i + usize::from(j + 1 == entry.operation.batches.len());
                if content == *found && self.in_order(there, at) {
                    return Some(there);
                }
            }
            if !entry.counts() {
                content = before;
            }
        }
        None
    }

    /// Whether the writes up to a sequence are there and no later one: a prefix of all writers' writes.
    fn in_order(&self, there: usize, at: Return) -> bool {
        self.entries.iter().enumerate().all(|(i, entry)| match &entry.outcome {
            Outcome::Acknowledged { position, .. } if at.failures && *position > at.cut => true,
            Outcome::Acknowledged { answer, .. } => (answer.sequence <= at.sequence) == (i < there),
            _ => true,
        })
    }
}
