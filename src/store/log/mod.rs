//! The log: commits under their sequence, in files of their own.
//!
//! A batch is one frame, written into space that was filled with zeros before, and synced: the sync need not wait for the
//! file system to find space. A file that is full, or that a checkpoint has come up to, is followed by the next one.

mod files;
mod run;
mod segment;
mod tail_file;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

pub use files::{FOLDER, LogFiles};
pub use run::{decode_run, encode_run};
pub use tail_file::TailFile;

use super::private::{self, remove_folder, sync_folder};
use super::{Commit, Log, LogKeep, LogSource, NotAppended, StoreError, StoreId, check_order};
use crate::domain::{Sequence, TimeMs};
use files::Segment;
use segment::{FRAME_HEADER_BYTES, Found, FrameHeader, HEADER_BYTES, SegmentHeader, found_at, frame, frame_after};

/// A segment that has so many bytes takes no more frames.
const SEGMENT_BYTES_MAX: u64 = 64 * 1_024 * 1_024;
/// Space is filled with zeros so much at a time.
const ROOM_BYTES: usize = 1_024 * 1_024;
/// A segment's name until its header is on disk.
const NEW: &str = "new";

/// A log in a store's folder.
pub struct FileLog {
    files: Arc<LogFiles>,
    tail_file: TailFile,
    /// The store's lock; none if the log is opened to be read alone.
    lock: Option<Arc<File>>,
    /// None until the log's end was read.
    end: Option<End>,
}

/// Where the log ends, and what is appended there.
struct End {
    files: Arc<LogFiles>,
    active: Active,
    last: Sequence,
    /// When that was accepted, as far as it is known.
    last_time: TimeMs,
    /// The active segment may hold what was refused: the next commit goes to a segment of its own, which ends this one.
    doubtful: bool,
}

/// The segment that takes the next frame.
struct Active {
    file: File,
    header: SegmentHeader,
    /// Where the next frame goes.
    end: u64,
    /// Up to where there are zeros.
    room: u64,
}

impl Active {
    fn is_empty(&self) -> bool {
        self.end == HEADER_BYTES as u64
    }
}

impl FileLog {
    /// The log of a new store that begins with this sequence: one empty segment, on disk when it returns.
    pub fn create(store_folder: &Path, store: StoreId, first: Sequence) -> Result<(), StoreError> {
        let folder = store_folder.join(FOLDER);
        remove_folder(&folder)?;
        private::create_folder(&folder)?;
        create_segment(&folder, SegmentHeader::new(store, first))?;
        TailFile::create(store_folder, first - 1)
    }

    /// Opens the log in a store's folder, under the store's lock.
    pub fn open(store_folder: &Path, store: StoreId, lock: Arc<File>) -> Result<FileLog, StoreError> {
        let tail_file = TailFile::open(store_folder)?;
        let files = Arc::new(LogFiles::list(store_folder, store)?);
        Ok(FileLog { files, tail_file, lock: Some(lock), end: None })
    }

    /// Opens the log in a store's folder, to be read alone.
    pub fn inspect(store_folder: &Path, store: StoreId) -> Result<FileLog, StoreError> {
        let tail_file = TailFile::inspect(store_folder)?;
        let files = Arc::new(LogFiles::list(store_folder, store)?);
        Ok(FileLog { files, tail_file, lock: None, end: None })
    }

    /// Reads the last segment, unless that was done, and makes it ready for what is appended.
    fn end(&mut self) -> Result<&mut End, StoreError> {
        let end = match self.end.take() {
            Some(end) => end,
            None if self.lock.is_none() => return Err(StoreError::ReadOnly),
            None => {
                let (read, files) = (self.read_last()?, self.files.clone());
                let last_time = files.segments().last().map_or(TimeMs(0), |segment| segment.written);
                let (last, active) = (read.last, read.into_active(&files)?);
                End { files, active, last, last_time, doubtful: false }
            }
        };
        Ok(self.end.insert(end))
    }

    /// Reads the last segment. A log that ends before what was acknowledged is damaged.
    fn read_last(&self) -> Result<ReadSegment, StoreError> {
        let first = self.files.segments().last().map(|segment| segment.first);
        let read = read_segment(&self.files, first.ok_or_else(|| damaged("log: there is no segment"))?)?;
        let (last, acknowledged) = (read.last, self.tail_file.acknowledged);
        if last < acknowledged {
            return Err(damaged(&format!("log: it ends at sequence {last}, and {acknowledged} was acknowledged")));
        }
        if let Some(segment) = self.files.segments().last_mut() {
            // The last frame may lack some of the zeros behind it.
            segment.bytes = read.end.min(read.bytes) as u64;
            segment.written = read.last_time.unwrap_or(segment.written);
        }
        Ok(read)
    }
}

impl Log for FileLog {
    fn append(&mut self, commits: &[Commit]) -> Result<(), NotAppended> {
        self.end()?.append(commits)?;
        if let Some(last) = commits.last() {
            self.tail_file.acknowledge(last.sequence);
        }
        Ok(())
    }

    fn tail(&mut self) -> Result<Sequence, StoreError> {
        if self.lock.is_none() {
            return self.read_last().map(|read| read.last);
        }
        let end = self.end()?;
        // What could not be synced may be read back all the same, and be gone after a power cut: it is cut off.
        if end.doubtful {
            end.roll()?;
        }
        Ok(end.last)
    }

    fn cut(&mut self) -> Result<(), StoreError> {
        let end = self.end()?;
        if !end.active.is_empty() || end.doubtful {
            end.roll()?;
        }
        // What the file held may have been damaged.
        self.tail_file.note_again();
        Ok(())
    }

    fn trim(&mut self, through: Sequence, keep: &LogKeep) -> Result<(), StoreError> {
        let segments = self.files.segments().clone();
        let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let mut removed = 0;
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            let old = segment.written < keep.since;
            let asked_to_go = segment.first <= keep.erased || bytes > keep.bytes_max || old;
            if next.first > through + 1 || !asked_to_go {
                break;
            }
            // First out of the list: a reader that finds the file gone knows why.
            self.files.segments().retain(|listed| listed.first != segment.first);
            fs::remove_file(self.files.path(segment.first))?;
            bytes -= segment.bytes;
            removed += 1;
        }
        if removed > 0 {
            sync_folder(self.files.folder())?;
        }
        Ok(())
    }

    fn bytes_after(&self, sequence: Sequence) -> u64 {
        let segments = self.files.segments();
        let after = segments.iter().rev().take_while(|segment| segment.first > sequence);
        after.map(|segment| segment.bytes.saturating_sub(HEADER_BYTES as u64)).sum()
    }

    fn disk_bytes(&self) -> u64 {
        let room = self.end.as_ref().map_or(0, |End { active, .. }| active.room.saturating_sub(active.end));
        TailFile::BYTES + self.source().bytes() + room
    }

    fn source(&self) -> Arc<dyn LogSource> {
        Arc::new(self.files.clone())
    }
}

impl End {
    fn append(&mut self, commits: &[Commit]) -> Result<(), NotAppended> {
        let Some(last) = commits.last() else { return Ok(()) };
        check_order(self.last, commits)?;
        if self.doubtful || self.active.end >= SEGMENT_BYTES_MAX {
            self.roll()?;
        }
        let frame = frame(self.active.header.salt, commits)?;
        self.active.make_room(frame.len())?;
        let mut written = 0;
        if let Err(error) = self.active.write(&frame, &mut written) {
            let may_be_whole = frame[written..].iter().all(|&byte| byte == 0);
            return Err(self.refused(error.into(), may_be_whole));
        }
        self.active.end += frame.len() as u64;
        (self.last, self.last_time) = (last.sequence, last.command.time);
        if let Some(segment) = self.files.segments().last_mut() {
            (segment.bytes, segment.written) = (self.active.end, self.last_time);
        }
        Ok(())
    }

    /// Undoes an append that failed: its frame is taken back, or cut off by a segment that begins where it does. Where neither can be done,
    /// and the frame may be whole, it may be there after a restart.
    fn refused(&mut self, error: StoreError, may_be_whole: bool) -> NotAppended {
        self.doubtful = self.active.take_back().is_err();
        if !self.doubtful || self.roll().is_ok() || !may_be_whole {
            return NotAppended::NotThere(error);
        }
        NotAppended::Unknown(error)
    }

    /// Begins the next segment. Where it began there is no way back: the one before ends there, whatever it holds behind.
    fn roll(&mut self) -> Result<(), StoreError> {
        let header = SegmentHeader::new(self.files.store, self.last + 1);
        let created = create_segment(self.files.folder(), header);
        // After a rename whose outcome is not known the new segment may be there: the next try replaces it.
        self.doubtful |= created.as_ref().is_err_and(|failed| failed.renamed);
        let (file, room) = created.map_err(|failed| failed.error)?;
        // The zeros behind the last frame are of no more use. That they stay if this fails is no loss.
        if !self.active.is_empty() {
            let _ = self.active.file.set_len(self.active.end);
        }
        self.active = Active { file, header, end: HEADER_BYTES as u64, room };
        self.doubtful = false;
        let mut segments = self.files.segments();
        segments.retain(|segment| segment.first != header.first);
        segments.push(Segment { first: header.first, bytes: self.active.end, written: self.last_time });
        Ok(())
    }
}

impl Drop for End {
    /// Zeros that no frame took are of no use to anybody. That they stay if this fails is no loss.
    fn drop(&mut self) {
        let _ = self.active.file.set_len(self.active.end);
    }
}

impl Active {
    /// Fills space with zeros up to where a frame of so many bytes would end, and some more.
    fn make_room(&mut self, bytes: usize) -> Result<(), StoreError> {
        let needed = self.end + bytes as u64;
        while self.room < needed {
            if let Err(error) = self.file.write_all_at(&[0; ROOM_BYTES], self.room) {
                // A part of the zeros does no harm, but takes space that is not there.
                let _ = self.file.set_len(self.room);
                return Err(error.into());
            }
            self.room += ROOM_BYTES as u64;
        }
        Ok(())
    }

    /// Writes a frame behind the last one, and puts it on disk. `written` counts the bytes that the file has taken.
    fn write(&self, frame: &[u8], written: &mut usize) -> std::io::Result<()> {
        while *written < frame.len() {
            match self.file.write_at(&frame[*written..], self.end + *written as u64) {
                Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                Ok(bytes) => *written += bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.file.sync_data()
    }

    /// Makes a frame that was refused none: zeros where it begins, on disk.
    fn take_back(&mut self) -> Result<(), StoreError> {
        self.file.write_all_at(&[0; FRAME_HEADER_BYTES], self.end)?;
        Ok(self.file.sync_data()?)
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged { what: what.to_owned() }
}

struct CreationFailed {
    error: StoreError,
    /// Whether the segment may stand under its name all the same.
    renamed: bool,
}

impl From<CreationFailed> for StoreError {
    fn from(failed: CreationFailed) -> StoreError {
        failed.error
    }
}

/// A segment without frames; on disk under its name when it returns. Gives the file and up to where it has zeros.
fn create_segment(folder: &Path, header: SegmentHeader) -> Result<(File, u64), CreationFailed> {
    let failed = |renamed: bool| move |error: StoreError| CreationFailed { error, renamed };
    let new = folder.join(NEW);
    let written = (|| -> Result<File, StoreError> {
        let file = private::create_file(&new)?;
        let mut bytes = vec![0; ROOM_BYTES];
        bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        file.write_all_at(&bytes, 0)?;
        file.sync_all()?;
        Ok(file)
    })();
    let file = written.map_err(failed(false))?;
    let renamed = fs::rename(&new, folder.join(LogFiles::name(header.first))).map_err(StoreError::from);
    renamed.and_then(|()| Ok(sync_folder(folder)?)).map_err(failed(true))?;
    Ok((file, ROOM_BYTES as u64))
}

/// What was read of the last segment.
struct ReadSegment {
    header: SegmentHeader,
    last: Sequence,
    /// When its last commit was accepted, if it has one.
    last_time: Option<TimeMs>,
    /// Where the last frame ends.
    end: usize,
    bytes: usize,
    /// Whether something stands behind the last frame.
    torn: bool,
}

/// Finds the last whole frame of the last segment. The commits before it are not decoded: whoever reads them does that.
fn read_segment(files: &LogFiles, first: Sequence) -> Result<ReadSegment, StoreError> {
    let name = LogFiles::name(first);
    let bytes = fs::read(files.path(first))?;
    let header = SegmentHeader::decode(&bytes, files.store, first, &name)?;
    let (mut at, mut expected, mut last_frame) = (HEADER_BYTES, first, None);
    let stopped = loop {
        match found_at(&bytes, at, header.salt) {
            Found::Frame { header, payload } if header.first == expected && header.commits > 0 => {
                expected = header.last() + 1;
                at += header.frame_bytes();
                last_frame = Some((header, payload));
            }
            Found::Frame { header, .. } => break format!("sequence {expected} is missing, {} follows", header.first),
            Found::Nothing => break format!("sequence {expected} is missing"),
            Found::Broken(malformed) => break format!("sequence {expected}: {}", malformed.0),
        }
    };
    if frame_after(&bytes, at, header.salt, expected).is_some() {
        return Err(damaged(&format!("{name}: {stopped}, and more follows")));
    }
    let time_of = |(frame, payload): (FrameHeader, &[u8])| {
        Some(frame.commits(header.salt, payload, None).ok()?.last()?.command.time)
    };
    let torn = bytes[at.min(bytes.len())..].iter().any(|&byte| byte != 0);
    let last_time = last_frame.and_then(time_of);
    Ok(ReadSegment { header, last: expected - 1, last_time, end: at, bytes: bytes.len(), torn })
}

impl ReadSegment {
    /// The last segment, ready for the next frame. What an unfinished append left behind the last one goes.
    fn into_active(self, files: &LogFiles) -> Result<Active, StoreError> {
        let file = File::options().read(true).write(true).open(files.path(self.header.first))?;
        let mut room = self.bytes.max(self.end) as u64;
        if self.torn || self.bytes < self.end {
            tracing::warn!(after = self.last, "the log ends in an append that was never finished; it is dropped");
            file.set_len(self.end as u64)?;
            file.sync_all()?;
            room = self.end as u64;
        }
        Ok(Active { file, header: self.header, end: self.end as u64, room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Command, NamespaceName};
    use crate::store::NUMBER_MAX;

    fn commit(sequence: Sequence, time: i64) -> Commit {
        let command = Command { time: TimeMs(time), request: None, changes: Vec::new() };
        Commit { sequence, namespace: NamespaceName::default(), command, answer: Vec::new(), events: Vec::new() }
    }

    fn open(folder: &Path) -> FileLog {
        FileLog::open(folder, StoreId(1), Arc::new(File::open(folder).unwrap())).unwrap()
    }

    fn all(log: &FileLog, through: Sequence) -> Vec<Commit> {
        let mut cursor = log.source().cursor(0);
        std::iter::from_fn(|| Some(cursor.read(through).unwrap()).filter(|read| !read.is_empty())).flatten().collect()
    }

    #[test]
    fn a_segment_that_no_log_can_have_is_refused() {
        for first in [0, NUMBER_MAX + 1, Sequence::MAX] {
            let folder = tempfile::tempdir().unwrap();
            FileLog::create(folder.path(), StoreId(1), 1).unwrap();
            File::create(folder.path().join(FOLDER).join(LogFiles::name(first))).unwrap();
            let read = FileLog::inspect(folder.path(), StoreId(1));
            assert!(matches!(read.map(drop), Err(StoreError::Damaged { .. })), "{first}");
        }
    }

    /// `/dev/null` takes every byte, and cannot be synced.
    #[test]
    fn an_append_that_can_be_neither_synced_nor_cut_off_is_not_there_once_the_tail_says_so() {
        let folder = tempfile::tempdir().unwrap();
        FileLog::create(folder.path(), StoreId(1), 1).unwrap();
        let mut log = open(folder.path());
        log.append(&[commit(1, 7)]).unwrap();
        log.end().unwrap().active.file = File::options().write(true).open("/dev/null").unwrap();
        let (there, aside) = (folder.path().join(FOLDER), folder.path().join("aside"));
        fs::rename(&there, &aside).unwrap();
        assert!(matches!(log.append(&[commit(2, 7)]), Err(NotAppended::Unknown(_))));
        assert!(log.tail().is_err(), "it is not known yet");
        assert!(matches!(log.append(&[commit(2, 8)]), Err(NotAppended::NotThere(_))), "nothing follows on it");
        fs::rename(&aside, &there).unwrap();
        assert_eq!(log.tail(), Ok(1));
        log.append(&[commit(2, 9)]).unwrap();
        assert_eq!(all(&log, 2), [commit(1, 7), commit(2, 9)]);
        drop(log);
        let mut log = open(folder.path());
        assert_eq!((log.tail(), all(&log, 2)), (Ok(2), vec![commit(1, 7), commit(2, 9)]));
    }

    #[test]
    fn an_append_that_cannot_be_synced_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        FileLog::create(folder.path(), StoreId(1), 1).unwrap();
        let mut log = open(folder.path());
        log.append(&[commit(1, 7)]).unwrap();
        log.end().unwrap().active.file = File::options().write(true).open("/dev/null").unwrap();
        assert!(matches!(log.append(&[commit(2, 7)]), Err(NotAppended::NotThere(_))));
        assert_eq!(log.tail(), Ok(1));
        log.append(&[commit(2, 9)]).unwrap();
        assert_eq!(all(&log, 2), [commit(1, 7), commit(2, 9)]);
    }

    /// Whoever only reads a log drops nothing of it; whoever writes to it drops what was never finished.
    #[test]
    fn an_unfinished_append_at_the_end_is_dropped_by_whoever_writes() {
        let folder = tempfile::tempdir().unwrap();
        FileLog::create(folder.path(), StoreId(1), 1).unwrap();
        let mut log = open(folder.path());
        log.append(&[commit(1, 7)]).unwrap();
        let end = log.end().unwrap().active.end;
        drop(log);
        let segment = folder.path().join(FOLDER).join(LogFiles::name(1));
        let mut torn = fs::read(&segment).unwrap();
        torn.extend([9; 50]);
        fs::write(&segment, &torn).unwrap();
        assert_eq!(FileLog::inspect(folder.path(), StoreId(1)).unwrap().tail(), Ok(1));
        assert_eq!(fs::read(&segment).unwrap(), torn);
        let mut log = open(folder.path());
        assert_eq!((log.tail(), fs::metadata(&segment).unwrap().len()), (Ok(1), end));
        log.append(&[commit(2, 9)]).unwrap();
        assert_eq!(all(&log, 2), [commit(1, 7), commit(2, 9)]);
        assert_eq!(log.bytes_after(0), 2 * (end - HEADER_BYTES as u64));
    }
}
