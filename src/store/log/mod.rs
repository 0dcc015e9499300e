//! The log: commits under their sequence, in files of their own.
//!
//! A batch is one frame, written into space that was filled with zeros before, and synced: the sync need not wait for the
//! file system to find space. A file that is full, or that a checkpoint has come up to, is followed by the next one.

mod files;
mod segment;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

pub use files::LogFiles;

use super::store_file::sync_folder;
use super::{Commit, LogKeep, StoreError, StoreId, check_order, private};
use crate::domain::{Sequence, TimeMs};
use files::Segment;
use segment::{FRAME_HEADER_BYTES, Found, HEADER_BYTES, SegmentHeader, found_at, frame, frame_after};

/// A segment that has so many bytes takes no more frames.
const SEGMENT_BYTES_MAX: u64 = 64 * 1_024 * 1_024;
/// Space is filled with zeros so much at a time.
const ROOM_BYTES: usize = 1_024 * 1_024;
/// A segment's name until its header is on disk.
const NEW: &str = "new";

/// The writer's side of the log.
pub struct Log {
    files: Arc<LogFiles>,
    active: Active,
    last: Sequence,
    /// When that was accepted, as far as it is known.
    last_time: TimeMs,
    /// Bytes of frames that the checkpoint does not cover.
    pending_bytes: u64,
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

impl Log {
    /// The log of a new store that begins with this sequence: one empty segment, on disk when it returns.
    pub fn create(folder: &Path, store: StoreId, first: Sequence) -> Result<(), StoreError> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => private::create_folder(folder)?,
        }
        create_segment(folder, SegmentHeader::new(store, first))?;
        Ok(())
    }

    /// Reads every commit after the checkpoint's, in order, and finds the log's end. `acknowledged` is the last one known to
    /// have been acknowledged: a log that ends before it is damaged.
    pub fn load(
        files: Arc<LogFiles>,
        checkpoint: Sequence,
        acknowledged: Sequence,
        take: impl FnMut(Commit) -> Result<(), StoreError>,
    ) -> Result<Log, StoreError> {
        let (read, pending_bytes) = Log::read(&files, checkpoint, acknowledged, take)?;
        let last = read.last;
        let last_time = files.segments().last().map_or(TimeMs(0), |segment| segment.written);
        let active = read.into_active(&files)?;
        Ok(Log { files, active, last, last_time, pending_bytes, doubtful: false })
    }

    /// The same, without a log that could be written: nothing on disk is changed.
    pub fn inspect(
        files: &LogFiles,
        checkpoint: Sequence,
        acknowledged: Sequence,
        take: impl FnMut(Commit) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        Log::read(files, checkpoint, acknowledged, take).map(|_| ())
    }

    /// The last segment, and how many bytes of frames the checkpoint does not cover.
    fn read(
        files: &LogFiles,
        checkpoint: Sequence,
        acknowledged: Sequence,
        mut take: impl FnMut(Commit) -> Result<(), StoreError>,
    ) -> Result<(ReadSegment, u64), StoreError> {
        let firsts: Vec<Sequence> = files.segments().iter().map(|segment| segment.first).collect();
        let Some(needed) = firsts.partition_point(|&first| first <= checkpoint + 1).checked_sub(1) else {
            return Err(damaged(&format!("log: sequence {} is missing", checkpoint + 1)));
        };
        let mut pending_bytes = 0;
        let mut read = None;
        for (i, &first) in firsts.iter().enumerate().skip(needed) {
            let mut take_pending = |commit: Commit| if commit.sequence > checkpoint { take(commit) } else { Ok(()) };
            let segment = read_segment(files, first, firsts.get(i + 1).copied(), &mut take_pending)?;
            let about = &mut files.segments()[i];
            about.bytes = segment.end as u64;
            about.written = segment.last_time.unwrap_or(about.written);
            if first > checkpoint {
                pending_bytes += (segment.end - HEADER_BYTES) as u64;
            }
            read = Some(segment);
        }
        let read = read.ok_or_else(|| damaged("log: there is no segment"))?;
        let (last, known) = (read.last, acknowledged.max(checkpoint));
        if last < known {
            return Err(damaged(&format!("log: it ends at sequence {last}, and {known} was acknowledged")));
        }
        Ok((read, pending_bytes))
    }

    /// Bytes of the frames that no checkpoint covers yet.
    pub fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// Bytes of all its files.
    pub fn disk_bytes(&self) -> u64 {
        let frames: u64 = self.files.segments().iter().map(|segment| segment.bytes).sum();
        frames + self.active.room.saturating_sub(self.active.end)
    }

    /// Appends commits that follow on the last; on disk when it returns. What is refused is not in the log.
    pub fn append(&mut self, commits: &[Commit]) -> Result<(), StoreError> {
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
        self.pending_bytes += frame.len() as u64;
        (self.last, self.last_time) = (last.sequence, last.command.time);
        if let Some(segment) = self.files.segments().last_mut() {
            (segment.bytes, segment.written) = (self.active.end, self.last_time);
        }
        Ok(())
    }

    /// Makes an append that failed never have been: taken back, or cut off by a segment that begins in its place. Where neither
    /// can be done, and its frame may be whole, it may be there after a restart.
    fn refused(&mut self, error: StoreError, may_be_whole: bool) -> StoreError {
        self.doubtful = self.active.take_back().is_err();
        if !self.doubtful || self.roll().is_ok() || !may_be_whole {
            return error;
        }
        StoreError::Unknown { what: error.to_string() }
    }

    /// Has what comes next go to a segment of its own. Gives how many bytes of frames went before it.
    pub fn cut(&mut self) -> Result<u64, StoreError> {
        if !self.active.is_empty() || self.doubtful {
            self.roll()?;
        }
        Ok(self.pending_bytes)
    }

    /// A checkpoint covers everything up to the cut, where so many bytes were pending.
    pub fn checkpointed(&mut self, bytes: u64) {
        self.pending_bytes -= bytes;
    }

    /// Begins the next segment. Where it began there is no way back: the one before ends there, whatever it holds behind.
    fn roll(&mut self) -> Result<(), StoreError> {
        let header = SegmentHeader::new(self.files.store, self.last + 1);
        let created = create_segment(self.files.folder(), header);
        // After a rename whose outcome is not known the new segment may be there: the next try takes its place.
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

    /// Removes the segments that the checkpoint covers and `keep` does not ask for, the oldest first.
    pub fn trim(&mut self, checkpoint: Sequence, keep: &LogKeep) -> Result<(), StoreError> {
        let segments = self.files.segments().clone();
        let age_max_ms = i64::try_from(keep.age_max.as_millis()).unwrap_or(i64::MAX);
        let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let mut removed = 0;
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            let old = keep.now.0.saturating_sub(segment.written.0) > age_max_ms;
            let asked_to_go = segment.first <= keep.erased || bytes > keep.bytes_max || old;
            if next.first > checkpoint + 1 || !asked_to_go {
                break;
            }
            // First out of the list: a reader that finds the file gone knows why.
            self.files.segments().retain(|listed| listed.first != segment.first);
            fs::remove_file(self.files.path(segment.first))?;
            bytes -= segment.bytes;
            removed += 1;
        }
        if removed > 0 { sync_folder(self.files.folder()) } else { Ok(()) }
    }
}

impl Drop for Log {
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

    /// Writes a frame behind the last one, and puts it on disk. `written` tells how many of its bytes the file has taken.
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
    renamed.and_then(|()| sync_folder(folder)).map_err(failed(true))?;
    Ok((file, ROOM_BYTES as u64))
}

/// What was read of a segment.
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

/// Reads a segment up to where the next one begins; the last one up to its end.
fn read_segment(
    files: &LogFiles,
    first: Sequence,
    next: Option<Sequence>,
    take: &mut dyn FnMut(Commit) -> Result<(), StoreError>,
) -> Result<ReadSegment, StoreError> {
    let name = LogFiles::name(first);
    let bytes = fs::read(files.path(first))?;
    let header = SegmentHeader::decode(&bytes, files.store, first, &name)?;
    let (mut at, mut expected, mut last_time) = (HEADER_BYTES, first, None);
    let stopped = loop {
        if next == Some(expected) {
            break None;
        }
        match found_at(&bytes, at, header.salt) {
            Found::Frame { first, commits, end } if first == expected && !commits.is_empty() => {
                expected += commits.len() as u64;
                at = end;
                last_time = commits.last().map(|commit| commit.command.time);
                commits.into_iter().try_for_each(&mut *take)?;
            }
            Found::Frame { first, .. } => {
                break Some(format!("sequence {expected} is missing, {first} follows"));
            }
            Found::Nothing => break Some(format!("sequence {expected} is missing")),
            Found::Broken(malformed) => break Some(format!("sequence {expected}: {}", malformed.0)),
        }
    };
    if let Some(how) = stopped
        && (next.is_some() || frame_after(&bytes, at, header.salt, expected).is_some())
    {
        return Err(damaged(&format!("{name}: {how}, and more follows")));
    }
    let torn = bytes[at.min(bytes.len())..].iter().any(|&byte| byte != 0);
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
