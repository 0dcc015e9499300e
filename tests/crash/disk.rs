//! A model of a disk and the page cache above it: what of a process's operations must survive a power cut, and what may.
//!
//! An fsync or fdatasync puts a file's data and size on disk; a name is on disk only after a sync of its folder. Until then each
//! 512-byte sector may hold any of the contents it has had since, a size may be any there was, and each change of a name may
//! have happened or not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use fastrand::Rng;

use super::cached_file::CachedFile;
use super::trace::Operation;

/// How the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All was on its way to the disk in time.
    Nothing,
    /// Nothing reached the disk but what was synced.
    AllUnsynced,
    /// Names and sizes changed in their order up to some point, as a journal has it, and with any sync; data in any order.
    Journal,
    /// Each change by itself reached the disk or not.
    Any,
}

#[derive(Debug, Clone)]
enum Inode {
    File(CachedFile),
    Folder(Folder),
}

#[derive(Debug, Clone, Default)]
struct Folder {
    /// As the process sees it.
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    /// With the number of the operation that made the change.
    unsynced: Vec<(u64, NameChange)>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Add(String, usize),
    Remove(String),
    Rename(String, String),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            NameChange::Add(name, inode) => drop(names.insert(name.clone(), *inode)),
            NameChange::Remove(name) => drop(names.remove(name)),
            NameChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}

pub struct Disk {
    inodes: Vec<Inode>,
    /// By the number of the opening.
    open: HashMap<u64, usize>,
    /// The number of the next operation.
    pub next: u64,
    /// Up to here a journal is on disk.
    journaled: u64,
    /// Whether a sync does anything.
    pub syncs: bool,
}

const ROOT: usize = 0;

impl Disk {
    /// A folder, empty and on disk.
    pub fn empty() -> Disk {
        let inodes = vec![Inode::Folder(Folder::default())];
        Disk { inodes, open: HashMap::new(), next: 0, journaled: 0, syncs: true }
    }

    /// A folder as it is, all of it on disk.
    pub fn of(folder: &Path) -> Disk {
        let mut disk = Disk::empty();
        disk.load(ROOT, folder);
        disk
    }

    fn load(&mut self, into: usize, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let inode = self.inodes.len();
            if entry.path().is_dir() {
                self.inodes.push(Inode::Folder(Folder::default()));
                self.load(inode, &entry.path());
            } else {
                self.inodes.push(Inode::File(CachedFile::durable(fs::read(entry.path()).unwrap())));
            }
            let name = entry.file_name().into_string().unwrap();
            let folder = self.folder(into);
            folder.names.insert(name.clone(), inode);
            folder.durable.insert(name, inode);
        }
    }

    fn folder(&mut self, inode: usize) -> &mut Folder {
        match &mut self.inodes[inode] {
            Inode::Folder(folder) => folder,
            Inode::File(_) => panic!("a file is used as a folder"),
        }
    }

    fn file(&mut self, opening: u64) -> &mut CachedFile {
        match &mut self.inodes[self.open[&opening]] {
            Inode::File(file) => file,
            Inode::Folder(_) => panic!("a folder is used as a file"),
        }
    }

    /// What a path stands for at the moment.
    fn find(&self, path: &Path) -> Option<usize> {
        path.components().try_fold(ROOT, |inode, part| match (&self.inodes[inode], part) {
            (Inode::Folder(folder), Component::Normal(name)) => folder.names.get(name.to_str().unwrap()).copied(),
            other => panic!("{path:?} is no path here: {other:?}"),
        })
    }

    fn change_name(&mut self, path: &Path, change: impl FnOnce(String) -> NameChange) {
        let parent = self.find(path.parent().unwrap()).unwrap();
        let change = change(name(path));
        let number = self.next;
        let folder = self.folder(parent);
        change.apply(&mut folder.names);
        folder.unsynced.push((number, change));
    }

    fn create(&mut self, path: &Path, inode: Inode) -> usize {
        self.inodes.push(inode);
        let number = self.inodes.len() - 1;
        self.change_name(path, |name| NameChange::Add(name, number));
        number
    }

    /// Carries out the next operation.
    pub fn apply(&mut self, operation: &Operation) {
        let number = self.next;
        match operation {
            Operation::Open { file, creates, truncates, path } => {
                let inode = match self.find(path) {
                    Some(inode) => inode,
                    None if *creates => self.create(path, Inode::File(CachedFile::default())),
                    None => panic!("{path:?} was opened and is not there"),
                };
                self.open.insert(*file, inode);
                if *truncates {
                    self.file(*file).set_length(number, 0);
                }
            }
            Operation::Write { file, at, data } => self.file(*file).write(number, *at, data.clone()),
            Operation::SetLength { file, length } => self.file(*file).set_length(number, *length),
            Operation::Allocate { file, end } => {
                let length = self.file(*file).length().max(*end);
                self.file(*file).set_length(number, length);
            }
            Operation::Zero { file, at, end } => {
                let end = self.file(*file).length().min(*end);
                self.file(*file).write(number, *at, vec![0; end.saturating_sub(*at)]);
            }
            Operation::Rename { from, to } => {
                assert_eq!(from.parent(), to.parent(), "a rename from folder to folder is not modelled");
                self.change_name(from, |from| NameChange::Rename(from, name(to)));
            }
            Operation::Unlink { path } | Operation::RemoveFolder { path } => self.change_name(path, NameChange::Remove),
            Operation::MakeFolder { path } => drop(self.create(path, Inode::Folder(Folder::default()))),
            Operation::Link { from, to } => {
                let inode = self.find(from).unwrap();
                self.change_name(to, |name| NameChange::Add(name, inode));
            }
            Operation::Sync { file, covers } if self.syncs => self.sync(*file, *covers),
            Operation::SyncFailed { file, covers } if self.syncs => {
                if let Inode::File(file) = &mut self.inodes[self.open[file]] {
                    file.sync_failed(*covers);
                }
            }
            Operation::Sync { .. } | Operation::SyncFailed { .. } => {}
        }
        self.next += 1;
    }

    fn sync(&mut self, opening: u64, covers: u64) {
        self.journaled = self.journaled.max(covers);
        match &mut self.inodes[self.open[&opening]] {
            Inode::File(file) => file.sync(covers),
            Inode::Folder(folder) => {
                let later = folder.unsynced.split_off(folder.unsynced.partition_point(|(number, _)| *number < covers));
                folder.unsynced.drain(..).for_each(|(_, change)| change.apply(&mut folder.durable));
                folder.unsynced = later;
            }
        }
    }

    /// What an opening stands for.
    pub fn inode(&self, opening: u64) -> usize {
        self.open[&opening]
    }

    /// Whether the data of a write survives, wherever its file's name is.
    pub fn has_synced(&self, inode: usize, number: u64) -> bool {
        matches!(&self.inodes[inode], Inode::File(file) if file.has_synced(number))
    }

    /// The files and folders whose names survive, all the way from the root.
    pub fn durable_names(&self) -> HashSet<usize> {
        let mut found = HashSet::from([ROOT]);
        let mut waiting = vec![ROOT];
        while let Some(inode) = waiting.pop() {
            if let Inode::Folder(folder) = &self.inodes[inode] {
                waiting.extend(folder.durable.values().copied().filter(|&inode| found.insert(inode)));
            }
        }
        found
    }

    /// Makes a folder as a power cut now may leave it.
    pub fn cut(&self, into: &Path, loss: Loss, random: &mut Rng) {
        let journaled = match loss {
            Loss::Nothing => self.next,
            Loss::AllUnsynced | Loss::Any => 0,
            Loss::Journal => random.u64(self.journaled..=self.next),
        };
        // How likely a change of a name is to be on disk.
        let kept = [0.1, 0.5, 0.9][random.usize(0..3)];
        let mut reached = |number: u64| number < journaled || loss == Loss::Any && random.f64() < kept;
        let mut files = Vec::new();
        self.cut_names(ROOT, into, &mut reached, &mut files);
        for (path, file) in files {
            fs::write(path, file.cut(loss, journaled, random)).unwrap();
        }
    }

    fn cut_names<'a>(
        &'a self,
        inode: usize,
        into: &Path,
        reached: &mut dyn FnMut(u64) -> bool,
        files: &mut Vec<(PathBuf, &'a CachedFile)>,
    ) {
        match &self.inodes[inode] {
            Inode::File(file) => files.push((into.to_owned(), file)),
            Inode::Folder(folder) => {
                fs::create_dir(into).unwrap();
                let mut names = folder.durable.clone();
                for (number, change) in &folder.unsynced {
                    if reached(*number) {
                        change.apply(&mut names);
                    }
                }
                names.iter().for_each(|(name, inode)| self.cut_names(*inode, &into.join(name), reached, files));
            }
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
