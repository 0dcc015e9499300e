//! All namespaces to the rows of a checkpoint, and back; a store's newest checkpoint and the commits after it.

use std::io::Read;
use std::ops::Bound::{Included, Unbounded};
use std::sync::atomic::{AtomicBool, Ordering};

use super::Namespaces;
use super::totals::Counted;
use crate::domain::{NamespaceName, Sequence, TimeMs};
use crate::engine::memory::Weight;
use crate::engine::progress::Progress;
use crate::engine::state::State;
use crate::engine::state::checkpoint::{self as of_state, StateLoader, damaged};
use crate::engine::under_way::{BatchBytes, bytes_of_commit};
use crate::store::{
    BackupPacker, BackupReader, CheckpointHead, CheckpointLoader, CheckpointWriter, Commit, FinishedCheckpoint, Loader,
    Row, RowCounts, Store, StoreError, StoreId, read_backup,
};

/// How far a checkpoint goes: its last command, and when that was accepted. Nothing without a checkpoint.
#[derive(Debug, Clone, Copy, Default)]
pub struct Covered {
    pub sequence: Sequence,
    pub time: TimeMs,
    /// What its rows take while a start reads them.
    pub weight: Weight,
}

impl Namespaces {
    /// Returns the head of a checkpoint of all namespaces, or of one.
    pub fn head(&self, only: Option<&NamespaceName>) -> CheckpointHead {
        let mut rows = self.totals.rows;
        match only {
            Some(name) => rows = self.get(name).map_or_else(RowCounts::default, |state| state.row_counts()),
            None => {
                rows.erasures += self.deadlines.iter().len() as u64;
                rows.deleted = self.deleted.len() as u64;
            }
        }
        rows.pauses = self.pauses.iter().len() as u64;
        CheckpointHead { sequence: self.sequence, time: self.time, rows }
    }

    /// Returns all namespaces by name, or the one that is asked for.
    pub fn only(&self, only: Option<&NamespaceName>) -> impl Iterator<Item = (&NamespaceName, &State)> {
        let range = only.map_or((Unbounded, Unbounded), |only| (Included(only), Included(only)));
        self.states.range::<_, NamespaceName>(range).map(|(name, state)| (name, &**state))
    }

    /// Gives every row of all namespaces, or of one, in order.
    fn rows<E>(&self, only: Option<&NamespaceName>, mut take: impl FnMut(Row) -> Result<(), E>) -> Result<(), E> {
        if only.is_none() {
            self.deadlines.iter().try_for_each(|(sequence, time)| take(Row::Erasure { sequence, time }))?;
        }
        self.pauses.iter().try_for_each(|(begin, end)| take(Row::Pause { begin, end }))?;
        if only.is_none() {
            self.deleted().try_for_each(|(key, time)| take(Row::Deleted { key, time }))?;
        }
        self.only(only).try_for_each(|(name, state)| of_state::rows(name, state, &mut take))
    }

    /// Writes every row, unless it is told to stop.
    pub fn write_checkpoint(
        &self,
        mut writer: Box<dyn CheckpointWriter>,
        stop: &AtomicBool,
    ) -> Result<(FinishedCheckpoint, Weight), StoreError> {
        let mut weight = Weight::default();
        self.rows(None, |row| {
            if stop.load(Ordering::Relaxed) {
                return Err(StoreError::Io("it was told to stop".to_owned()));
            }
            weight.add(&row);
            writer.row(row)
        })?;
        writer.finish().map(|finished| (finished, weight))
    }

    /// Gives all namespaces, or one, as a backup, piece by piece; with each, how many rows went into those so far.
    pub fn backup<E>(
        &self,
        only: Option<&NamespaceName>,
        mut take: impl FnMut(Vec<u8>, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut packer = BackupPacker::new(StoreId(self.store_id), &self.head(only));
        take(packer.header(), 0)?;
        let mut done = 0;
        self.rows(only, |row| {
            let piece = packer.push(&row);
            done += 1;
            piece.map_or(Ok(()), |piece| take(piece, done))
        })?;
        take(packer.finish(), done)
    }

    /// Returns what a backup is of.
    pub fn from_backup(backup: &mut BackupReader<impl Read>) -> Result<Namespaces, StoreError> {
        Namespaces::from_archive(backup, std::iter::empty())
    }

    /// Returns what a backup is of, after the commits that followed on it, in order.
    pub fn from_archive(
        backup: &mut BackupReader<impl Read>,
        commits: impl Iterator<Item = Result<Vec<Commit>, StoreError>>,
    ) -> Result<Namespaces, StoreError> {
        let mut fold = Fold::new(backup.store.0, BatchBytes::default());
        let mut last = read_backup(backup, &mut fold)?.sequence;
        for commits in commits {
            for commit in commits? {
                if commit.sequence != last + 1 {
                    return Err(damaged("the commit of a run does not follow on it"));
                }
                last = commit.sequence;
                fold.commit(commit)?;
            }
        }
        fold.finish()?;
        Ok(fold.namespaces)
    }

    /// Returns what a store holds that no engine serves.
    pub fn load(store: &mut Store) -> Result<Namespaces, StoreError> {
        load(store, BatchBytes::default()).map(|(namespaces, _)| namespaces)
    }
}

/// Returns what a store holds, its newest checkpoint and the commits after it; and what the checkpoint covers.
pub fn load(store: &mut Store, batch: BatchBytes) -> Result<(Namespaces, Covered), StoreError> {
    let mut fold = Fold::new(store.id.0, batch);
    store.load(&mut fold)?;
    fold.finish()?;
    let weight = fold.weight;
    let covered = fold.head.map(|head| Covered { sequence: head.sequence, time: head.time, weight });
    Ok((fold.namespaces, covered.unwrap_or_default()))
}

/// Takes rows until the first commit, then commits.
struct Fold {
    namespaces: Namespaces,
    /// The namespace whose rows come.
    loader: Option<StateLoader>,
    /// How many namespaces came, and the name of the last.
    loaded: u64,
    last: Option<NamespaceName>,
    /// Whether there can be no more rows.
    rows_ended: bool,
    head: Option<CheckpointHead>,
    /// What the rows take.
    weight: Weight,
    /// To be replayed together: what a batch of imports holds is put much faster than one change after the other.
    commits: Vec<Commit>,
    /// What they take, and how much that may be.
    bytes: u64,
    batch: BatchBytes,
    progress: Progress,
}

impl Fold {
    fn new(store_id: u128, batch: BatchBytes) -> Fold {
        Fold {
            namespaces: Namespaces::empty(store_id),
            loader: None,
            loaded: 0,
            last: None,
            rows_ended: false,
            head: None,
            weight: Weight::default(),
            commits: Vec::new(),
            bytes: 0,
            batch,
            progress: Progress::default(),
        }
    }

    /// Makes the namespaces whole, once everything was given.
    fn finish(&mut self) -> Result<(), StoreError> {
        self.finish_rows()?;
        self.replay()
    }

    fn replay(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        self.namespaces.replay(std::mem::take(&mut self.commits))
    }

    fn finish_rows(&mut self) -> Result<(), StoreError> {
        if std::mem::replace(&mut self.rows_ended, true) {
            return Ok(());
        }
        self.finish_namespace()?;
        let Some(head) = &self.head else { return Ok(()) };
        let namespaces = &mut self.namespaces;
        (namespaces.sequence, namespaces.time) = (head.sequence, head.time);
        if !namespaces.pauses.are_until(head.time) {
            return Err(damaged("a pause ends after the last command"));
        }
        if namespaces.iter().any(|(_, state)| state.sequence() > head.sequence) {
            return Err(damaged("a namespace is later than its head"));
        }
        // The default namespace is there, whether it is among the rows or not.
        let mut counted = namespaces.head(None);
        counted.rows.namespaces = self.loaded;
        if counted == *head { Ok(()) } else { Err(damaged("its counts are not those its head tells")) }
    }

    fn finish_namespace(&mut self) -> Result<(), StoreError> {
        let Some(loader) = self.loader.take() else { return Ok(()) };
        let (name, state) = loader.finish()?;
        let counted = self.namespaces.take(&name).map_or_else(Counted::default, |empty| Counted::of(&empty));
        self.namespaces.put(name, state, &counted);
        Ok(())
    }
}

impl CheckpointLoader for Fold {
    fn head(&mut self, head: &CheckpointHead) -> Result<(), StoreError> {
        self.progress.expects(head);
        self.head = Some(head.clone());
        Ok(())
    }

    fn row(&mut self, row: Row) -> Result<(), StoreError> {
        self.progress.row();
        self.weight.add(&row);
        match row {
            _ if self.rows_ended => Err(damaged("a row follows a commit")),
            Row::Namespace(row) => {
                self.finish_namespace()?;
                if self.last.as_ref().is_some_and(|last| *last >= row.name) {
                    return Err(damaged("namespaces are out of order"));
                }
                (self.loaded, self.last) = (self.loaded + 1, Some(row.name.clone()));
                self.loader = Some(StateLoader::new(self.namespaces.store_id, row));
                Ok(())
            }
            Row::Erasure { sequence, time } if self.last.is_none() => {
                self.namespaces.deadlines.load(sequence, time).map_err(damaged)
            }
            Row::Pause { begin, end } if self.last.is_none() => {
                self.namespaces.pauses.load(begin, end).map_err(damaged)
            }
            Row::Deleted { key, time } if self.last.is_none() => {
                self.namespaces.note_deleted(Some(key), time);
                Ok(())
            }
            row => self.loader.as_mut().ok_or_else(|| damaged("a row is of no namespace"))?.row(row),
        }
    }
}

impl Loader for Fold {
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        self.finish_rows()?;
        self.progress.commit();
        self.bytes += bytes_of_commit(&commit);
        self.commits.push(commit);
        if self.bytes < self.batch.0 { Ok(()) } else { self.replay() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Change, Command, Member, MemberId, Precondition, Scope};
    use crate::store::NamespaceRow;

    fn namespace(name: &str, sequence: Sequence) -> Row {
        let name = NamespaceName::parse("name", name).expect("a name");
        let (create_time, time) = (TimeMs(1), TimeMs(1));
        Row::Namespace(NamespaceRow {
            name,
            create_sequence: 1,
            create_time,
            sequence,
            time,
            digests: [0; 5],
            secret: None,
            creator: Scope::SHARED,
        })
    }

    fn read(head: CheckpointHead, rows: Vec<Row>) -> Result<(), StoreError> {
        let mut fold = Fold::new(1, BatchBytes::default());
        fold.head(&head)?;
        rows.into_iter().try_for_each(|row| fold.row(row)).and_then(|()| fold.finish())
    }

    #[test]
    fn rows_that_cannot_be_are_damage() {
        let erasure = |sequence| Row::Erasure { sequence, time: TimeMs(1) };
        let head = |namespaces, erasures| CheckpointHead {
            sequence: 9,
            rows: RowCounts { namespaces, erasures, ..Default::default() },
            ..Default::default()
        };
        let pause = |begin: i64, end: i64| Row::Pause { begin: TimeMs(begin), end: TimeMs(end) };
        let unsound = "pauses are out of order, too short, or too many";
        let cases: [(CheckpointHead, Vec<Row>, &str); 11] = [
            (head(0, 0), vec![pause(1, 9)], unsound),
            (head(0, 0), vec![pause(0, 8_000_000), pause(1, 9_000_000)], unsound),
            (head(0, 0), vec![pause(0, 8_000_000)], "a pause ends after the last command"),
            (head(1, 0), vec![namespace("a", 1), pause(0, 8_000_000)], "a row is of no namespace"),
            (head(0, 2), vec![erasure(2), erasure(2)], "erasures are out of order, or too many"),
            (head(1, 1), vec![namespace("a", 1), erasure(2)], "a row is of no namespace"),
            (head(2, 0), vec![namespace("b", 1), namespace("a", 1)], "namespaces are out of order"),
            (head(2, 0), vec![namespace("a", 1), namespace("a", 1)], "namespaces are out of order"),
            (head(1, 0), vec![namespace("a", 10)], "a namespace is later than its head"),
            (head(2, 0), vec![namespace("a", 1)], "its counts are not those its head tells"),
            (
                CheckpointHead {
                    rows: RowCounts { members: u64::MAX, edges: u64::MAX, ..Default::default() },
                    ..head(0, 0)
                },
                vec![],
                "its counts are not those its head tells",
            ),
        ];
        for (head, rows, why) in cases {
            assert_eq!(read(head, rows), Err(StoreError::Damaged { what: format!("checkpoint: {why}") }));
        }
        assert_eq!(read(head(2, 1), vec![erasure(2), namespace("a", 1), namespace("default", 9)]), Ok(()));
        // Where the default namespace is not among them it is there all the same, without anything.
        assert_eq!(read(head(1, 0), vec![namespace("a", 1)]), Ok(()));
    }

    #[test]
    fn what_is_replayed_together_is_bounded_as_a_batch_is() {
        let mut fold = Fold::new(1, BatchBytes(1_000_000));
        let mut held = 0;
        for sequence in 1..=5_000 {
            let member = Member::bare(MemberId::parse("id", &format!("m{sequence}")).expect("an id"));
            let changes = vec![Change::PutMember { member, precondition: Precondition::None }];
            let command = Command { time: TimeMs(sequence as i64), request: None, changes };
            let namespace = NamespaceName::default();
            fold.commit(Commit { sequence, namespace, command, answer: vec![0; 10_000], events: vec![Vec::new()] })
                .expect("it is taken");
            held = held.max(fold.commits.len());
        }
        assert!((10..100).contains(&held), "{held} commits of some 12 kB each were held");
        fold.finish().expect("it is whole");
        assert_eq!((fold.namespaces.sequence, fold.namespaces.totals.rows.members), (5_000, 5_000));
    }
}
