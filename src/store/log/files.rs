//! The segments of a log as files, and reading commits out of them while others are appended.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use super::segment::{FRAME_HEADER_BYTES, FrameHeader, HEADER_BYTES, SegmentHeader};
use crate::domain::{Sequence, TimeMs};
use crate::store::{Commit, LogCursor, LogSource, StoreError, StoreId};

const SUFFIX: &str = ".log";

/// Which segments there are. The writer changes the list; readers on other threads look segments up in it.
pub struct LogFiles {
    pub store: StoreId,
    folder: PathBuf,
    segments: Mutex<Vec<Segment>>,
}

/// One file of the log. It ends where the next one begins, whatever stands behind that in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub first: Sequence,
    /// Of its frames.
    pub bytes: u64,
    /// When its last commit was accepted; of one that was not read since the start, when its file was last written.
    pub written: TimeMs,
}

impl LogFiles {
    /// Lists the segments in a folder.
    pub fn list(folder: &Path, store: StoreId) -> Result<LogFiles, StoreError> {
        let mut segments = Vec::new();
        let entries = fs::read_dir(folder).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => StoreError::Damaged { what: "the folder of the log is missing".to_owned() },
            _ => error.into(),
        });
        for entry in entries? {
            let entry = entry?;
            let name = entry.file_name().into_string().unwrap_or_default();
            let first = name.strip_suffix(SUFFIX).and_then(|stem| stem.parse().ok());
            if let Some(first) = first.filter(|&first| name == LogFiles::name(first)) {
                let about = entry.metadata()?;
                let since_1970 = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                let written = TimeMs(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX));
                segments.push(Segment { first, bytes: about.len(), written });
            }
        }
        segments.sort_by_key(|segment| segment.first);
        Ok(LogFiles { store, folder: folder.to_owned(), segments: Mutex::new(segments) })
    }

    /// Whether a folder holds commits: more than the log of a store whose creation a crash cut short.
    pub fn hold_commits(folder: &Path) -> Result<bool, StoreError> {
        if !folder.is_dir() {
            return Ok(false);
        }
        let files = LogFiles::list(folder, StoreId(0))?;
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

    /// Reads on after a sequence.
    pub fn read_after(self: &Arc<Self>, after: Sequence) -> FileCursor {
        FileCursor { files: self.clone(), next: after + 1, open: None, bytes_read: 0 }
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
    fn segment_of(&self, sequence: Sequence) -> Result<(Sequence, Option<Sequence>), StoreError> {
        let segments = self.segments();
        let after = segments.partition_point(|segment| segment.first <= sequence);
        match after.checked_sub(1) {
            Some(at) => Ok((segments[at].first, segments.get(after).map(|segment| segment.first))),
            None => Err(StoreError::TooOld { earliest: segments.first().map_or(1, |segment| segment.first) }),
        }
    }
}

impl LogSource for Arc<LogFiles> {
    fn earliest(&self) -> Sequence {
        self.segments().first().map_or(1, |segment| segment.first)
    }

    fn cursor(&self, after: Sequence) -> Box<dyn LogCursor> {
        Box::new(self.read_after(after))
    }
}

/// Reads a log in order, a frame at a time.
pub struct FileCursor {
    files: Arc<LogFiles>,
    pub next: Sequence,
    open: Option<OpenSegment>,
    /// Since it began.
    pub bytes_read: u64,
}

struct OpenSegment {
    file: File,
    header: SegmentHeader,
    /// Where the next frame begins.
    at: u64,
    /// The sequence it begins with.
    expected: Sequence,
}

impl LogCursor for FileCursor {
    fn read(&mut self, through: Sequence) -> Result<Vec<Commit>, StoreError> {
        self.next_commits(through)
    }
}

impl FileCursor {
    pub fn next_commits(&mut self, through: Sequence) -> Result<Vec<Commit>, StoreError> {
        while self.next <= through {
            let (first, end) = self.files.segment_of(self.next)?;
            let Some(segment) = self.open.as_mut().filter(|segment| segment.header.first == first) else {
                self.open = self.open_segment(first)?;
                continue;
            };
            if end.is_some_and(|end| segment.expected >= end) {
                let what = format!("{}: it ends before its last commit", LogFiles::name(first));
                return Err(StoreError::Damaged { what });
            }
            let at = segment.at;
            let commits = segment.next_frame(self.next)?;
            self.bytes_read += segment.at - at;
            if let Some(last) = commits.last() {
                self.next = last.sequence + 1;
                return Ok(commits);
            }
        }
        Ok(Vec::new())
    }

    /// None if the segment is gone: the log no longer reaches back so far, which the next look at the list tells.
    fn open_segment(&self, first: Sequence) -> Result<Option<OpenSegment>, StoreError> {
        let file = match File::open(self.files.path(first)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.files.earliest() > first => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let header = SegmentHeader::decode(&bytes, self.files.store, first, &LogFiles::name(first))?;
        Ok(Some(OpenSegment { file, header, at: HEADER_BYTES as u64, expected: first }))
    }
}

impl OpenSegment {
    /// The commits from `next` on of the frame here; none if they all come before it.
    fn next_frame(&mut self, next: Sequence) -> Result<Vec<Commit>, StoreError> {
        let damaged = |how: &str| StoreError::Damaged {
            what: format!("{}, sequence {}: {how}", LogFiles::name(self.header.first), self.expected),
        };
        let mut bytes = [0; FRAME_HEADER_BYTES];
        self.file.read_exact_at(&mut bytes, self.at)?;
        let header = FrameHeader::decode(&bytes).filter(|header| header.first == self.expected && header.commits > 0);
        let header = header.ok_or_else(|| damaged("no frame begins where it should"))?;
        let mut commits = Vec::new();
        if header.last() >= next {
            let left = self.file.metadata()?.len().saturating_sub(self.at);
            if (header.payload_bytes() + FRAME_HEADER_BYTES) as u64 > left {
                return Err(damaged("a frame is cut short"));
            }
            let mut payload = vec![0; header.payload_bytes()];
            self.file.read_exact_at(&mut payload, self.at + FRAME_HEADER_BYTES as u64)?;
            commits = header.commits(self.header.salt, &payload).map_err(|malformed| damaged(malformed.0))?;
            commits.retain(|commit| commit.sequence >= next);
        }
        self.at += header.frame_bytes() as u64;
        self.expected = header.last() + 1;
        Ok(commits)
    }
}
