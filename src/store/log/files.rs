//! The segments of a log as files, and reading commits out of them while others are appended.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use super::segment::{FRAME_HEADER_BYTES, FrameHeader, HEADER_BYTES, SegmentHeader};
use super::tail_file::TailFile;
use crate::domain::{Error, NamespaceName, Sequence, TimeMs};
use crate::store::private::drop_cached;
use crate::store::{Commit, LogCursor, LogSource, NUMBER_MAX, Pace, StoreError, StoreId, scrub_log};

/// The log's folder in that of the store.
pub const FOLDER: &str = "log";
const SUFFIX: &str = ".log";
/// What a cursor reads ahead.
const AHEAD_BYTES: usize = 64 * 1_024;

/// Which segments there are. The writer changes the list; readers on other threads look segments up in it.
pub struct LogFiles {
    pub store: StoreId,
    store_folder: PathBuf,
    folder: PathBuf,
    segments: Mutex<Vec<Segment>>,
}

/// One file of the log. It ends where the next one begins, whatever stands behind that in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub first: Sequence,
    /// Where its last frame ends, as far as it is known; else where its file does.
    pub bytes: u64,
    /// When its last commit was accepted; of one that takes no more since the start, when its file was last written.
    pub written: TimeMs,
}

impl LogFiles {
    /// Lists the segments of the store in a folder.
    pub fn list(store_folder: &Path, store: StoreId) -> Result<LogFiles, StoreError> {
        let folder = store_folder.join(FOLDER);
        let mut segments = Vec::new();
        let entries = fs::read_dir(&folder).map_err(|error| match error.kind() {
            ErrorKind::NotFound => StoreError::Damaged { what: "the folder of the log is missing".to_owned() },
            _ => error.into(),
        });
        for entry in entries? {
            let entry = entry?;
            let name = entry.file_name().into_string().unwrap_or_default();
            let first = name.strip_suffix(SUFFIX).and_then(|stem| stem.parse().ok());
            if let Some(first) = first.filter(|&first| name == LogFiles::name(first)) {
                if !(1..=NUMBER_MAX).contains(&first) {
                    return Err(StoreError::Damaged { what: format!("{name}: no log has a segment of this name") });
                }
                let about = entry.metadata()?;
                let since_1970 = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                let written = TimeMs(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX));
                segments.push(Segment { first, bytes: about.len(), written });
            }
        }
        segments.sort_by_key(|segment| segment.first);
        Ok(LogFiles { store, store_folder: store_folder.to_owned(), folder, segments: Mutex::new(segments) })
    }

    /// Whether a store's folder holds commits: more than the log of a store whose creation a crash cut short.
    pub fn hold_commits(store_folder: &Path) -> Result<bool, StoreError> {
        if !store_folder.join(FOLDER).is_dir() {
            return Ok(false);
        }
        let files = LogFiles::list(store_folder, StoreId(0))?;
        let firsts: Vec<Sequence> = files.segments().iter().map(|segment| segment.first).collect();
        for first in firsts {
            let mut begun = [0; HEADER_BYTES + FRAME_HEADER_BYTES];
            let read = File::open(files.path(first))?.read_at(&mut begun, 0)?;
            let begun = &begun[HEADER_BYTES.min(read)..read];
            if first > 1 || begun.iter().any(|&byte| byte != 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn earliest(&self) -> Sequence {
        self.segments().first().map_or(1, |segment| segment.first)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn segments(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn name(first: Sequence) -> String {
        format!("{first:020}{SUFFIX}")
    }

    pub fn path(&self, first: Sequence) -> PathBuf {
        self.folder.join(LogFiles::name(first))
    }

    /// The segment a sequence is in or will be in, and where the one after it begins, if there is one.
    fn segment_of(&self, sequence: Sequence) -> Result<(Segment, Option<Sequence>), StoreError> {
        let segments = self.segments();
        let after = segments.partition_point(|segment| segment.first <= sequence);
        match after.checked_sub(1) {
            Some(at) => Ok((segments[at], segments.get(after).map(|segment| segment.first))),
            None => Err(StoreError::TooOld { earliest: segments.first().map_or(1, |segment| segment.first) }),
        }
    }
}

/// Reads a log in order, many frames at a time.
pub struct FileCursor {
    files: Arc<LogFiles>,
    next: Sequence,
    open: Option<OpenSegment>,
    bytes_read: u64,
    /// The only namespace whose changes are wanted, if there is one.
    only: Option<NamespaceName>,
}

struct OpenSegment {
    file: File,
    header: SegmentHeader,
    /// Where the next frame begins.
    at: u64,
    /// The sequence it begins with.
    expected: Sequence,
    /// What was read ahead, from `at` on.
    ahead: Vec<u8>,
    ahead_at: usize,
}

impl LogCursor for FileCursor {
    fn read(&mut self, through: Sequence) -> Result<Vec<Commit>, StoreError> {
        while self.next <= through {
            let (segment, end) = self.files.segment_of(self.next)?;
            let Some(open) = self.open.as_mut().filter(|open| open.header.first == segment.first) else {
                self.open = self.open_segment(segment.first)?;
                continue;
            };
            if end.is_some_and(|end| open.expected >= end) {
                let what = format!("{}: it ends before its last commit", LogFiles::name(segment.first));
                return Err(StoreError::Damaged { what });
            }
            let at = open.at;
            let commits = open.next_frame(self.next, segment.bytes, self.only.as_ref())?;
            self.bytes_read += open.at - at;
            if let Some(last) = commits.last() {
                self.next = last.sequence + 1;
                return Ok(commits);
            }
        }
        if let Some(open) = &mut self.open {
            // Whoever has read all may wait for long.
            open.ahead = Vec::new();
        }
        Ok(Vec::new())
    }

    fn only(&mut self, namespace: &NamespaceName) {
        self.only = Some(namespace.clone());
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

impl FileCursor {
    /// Opens a segment, or returns none if it is gone: the log no longer reaches back so far, as the list of segments says by then.
    fn open_segment(&self, first: Sequence) -> Result<Option<OpenSegment>, StoreError> {
        let file = match File::open(self.files.path(first)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound && self.files.earliest() > first => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        (&file).take(HEADER_BYTES as u64).read_to_end(&mut bytes)?;
        let header = SegmentHeader::decode(&bytes, self.files.store, first, &LogFiles::name(first))?;
        let (at, expected) = (HEADER_BYTES as u64, first);
        Ok(Some(OpenSegment { file, header, at, expected, ahead: Vec::new(), ahead_at: 0 }))
    }
}

impl OpenSegment {
    /// The commits from `next` on of the frame here, in a segment that ends where `end` is; none if they all come before it.
    fn next_frame(
        &mut self,
        next: Sequence,
        end: u64,
        only: Option<&NamespaceName>,
    ) -> Result<Vec<Commit>, StoreError> {
        let (name, expected, salt) = (LogFiles::name(self.header.first), self.expected, self.header.salt);
        let damaged = |how: &str| StoreError::Damaged { what: format!("{name}, sequence {expected}: {how}") };
        let header = self.ahead(FRAME_HEADER_BYTES, end)?.and_then(|bytes| FrameHeader::decode(bytes.first_chunk()?));
        let header = header.filter(|header| header.first == expected && header.commits > 0);
        let header = header.ok_or_else(|| damaged("no frame begins where it should"))?;
        let mut commits = Vec::new();
        if header.last() >= next {
            let frame = self.ahead(FRAME_HEADER_BYTES + header.payload_bytes(), end)?;
            let frame = frame.ok_or_else(|| damaged("a frame is cut short"))?;
            commits = header.commits(salt, &frame[FRAME_HEADER_BYTES..], only).map_err(|wrong| damaged(wrong.0))?;
            commits.retain(|commit| commit.sequence >= next);
        }
        self.at += header.frame_bytes() as u64;
        self.ahead_at += header.frame_bytes();
        self.expected = header.last() + 1;
        Ok(commits)
    }

    /// So many bytes from where the next frame begins; none if the segment ends before. What is read ahead ends where frames end that
    /// are written for good, so it never has to be read again.
    fn ahead(&mut self, bytes: usize, end: u64) -> Result<Option<&[u8]>, StoreError> {
        if self.ahead.len() < self.ahead_at + bytes {
            let left = end.saturating_sub(self.at);
            if left < bytes as u64 {
                return Ok(None);
            }
            let wanted = left.min(bytes.max(AHEAD_BYTES) as u64) as usize;
            (self.ahead, self.ahead_at) = (vec![0; wanted], 0);
            if let Err(error) = self.file.read_exact_at(&mut self.ahead, self.at) {
                self.ahead.clear();
                return if error.kind() == ErrorKind::UnexpectedEof { Ok(None) } else { Err(error.into()) };
            }
        }
        Ok(self.ahead.get(self.ahead_at..self.ahead_at + bytes))
    }
}

impl LogSource for Arc<LogFiles> {
    fn earliest(&self) -> Sequence {
        LogFiles::earliest(self)
    }

    fn cursor(&self, after: Sequence) -> Box<dyn LogCursor> {
        Box::new(FileCursor { files: self.clone(), next: after + 1, open: None, bytes_read: 0, only: None })
    }

    fn bytes(&self) -> u64 {
        self.segments().iter().map(|segment| segment.bytes).sum()
    }

    fn scrub(&self, through: Sequence, pace: &mut Pace<'_>) -> Result<Option<(Sequence, StoreError)>, Error> {
        let firsts: Vec<Sequence> = self.segments().iter().map(|segment| segment.first).collect();
        firsts.into_iter().for_each(|first| drop_cached(&self.path(first)));
        if let Some(found) = scrub_log(self, through, pace)? {
            return Ok(Some(found));
        }
        // The next cut writes it anew.
        Ok(TailFile::inspect(&self.store_folder).err().map(|error| (0, error)))
    }
}
