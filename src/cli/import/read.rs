//! Reads files as rows of text: plain or gzip, recognized by their first bytes, with a bound on the length of a line.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::gzip::Gzip;
use super::magic::{self, Content};
use super::report::Refusal;
use crate::proto::v1::ErrorReason;

pub const LINE_BYTES_MAX: usize = 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the gzip data is cut short")]
    GzipCutShort,
    #[error("the gzip data is damaged: {0}")]
    GzipDamaged(io::Error),
    #[error("the JSON array is cut short")]
    ArrayCutShort,
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The format of the rows is not clear, so that none can be read.
    #[error("{0}")]
    Header(String),
}

/// The source of bytes. Before it waits for more of them, it hands on the rows that are complete.
struct Source<R> {
    inner: R,
    /// Counts the bytes that came, compressed or not: a progress bar compares them with the file's size.
    bytes: Arc<AtomicU64>,
    before_waiting: Box<dyn FnMut() + Send>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.before_waiting)();
        let count = self.inner.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Opens a file, or standard input for `-`.
pub fn open(
    path: &Path,
    bytes: Arc<AtomicU64>,
    before_waiting: impl FnMut() + Send + 'static,
) -> Result<Lines, ReadError> {
    let before_waiting = Box::new(before_waiting);
    if path == Path::new("-") {
        return Lines::of(Source { inner: io::stdin(), bytes, before_waiting });
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(ReadError::Io(io::Error::new(io::ErrorKind::IsADirectory, "is a directory")));
    }
    Lines::of(Source { inner: file, bytes, before_waiting })
}

/// The rows of a text: a line each, or several where the caller joins them. A line ends with LF, CR or both.
pub struct Lines {
    source: Box<dyn Read + Send>,
    gzip: bool,
    /// The bytes that were read and are not yet behind the row.
    buffer: Vec<u8>,
    /// The row's range in the buffer, without its last line break.
    row: Range<usize>,
    /// Where the next line begins in the buffer.
    next: usize,
    /// Whether the last line ended with a CR: a LF that comes now belongs to it.
    after_cr: bool,
    /// Whether nothing comes after what is in the buffer.
    ended: bool,
    first_line: u64,
    last_line: u64,
    too_long: bool,
    /// The values of `next` and `after_cr` after the row's first line.
    after_first: (usize, bool),
}

impl Lines {
    pub fn of(mut source: impl Read + Send + 'static) -> Result<Lines, ReadError> {
        let (first, content) = magic::content(&mut source)?;
        let whole = Cursor::new(first).chain(source);
        let (source, gzip): (Box<dyn Read + Send>, bool) = match content {
            Content::Text => (Box::new(whole), false),
            Content::Gzip => (Box::new(Gzip::new(whole)), true),
            Content::Other(what) => return Err(ReadError::Header(what.to_owned())),
        };
        Ok(Lines {
            source,
            gzip,
            buffer: Vec::new(),
            row: 0..0,
            next: 0,
            after_cr: false,
            ended: false,
            first_line: 0,
            last_line: 0,
            too_long: false,
            after_first: (0, false),
        })
    }

    /// Goes to the next line; returns false at the end.
    pub fn advance(&mut self) -> Result<bool, ReadError> {
        self.pass_line_feed()?;
        (self.row, self.too_long) = (self.next..self.next, false);
        let more = self.append_line(true)?;
        self.first_line = self.last_line;
        self.after_first = (self.next, self.after_cr);
        if self.buffer[self.row.clone()].starts_with(BYTE_ORDER_MARK) {
            self.row.start += BYTE_ORDER_MARK.len();
        }
        Ok(more)
    }

    /// Adds the next line to the row and returns what was added, line break included; none at the end or over the bound.
    pub fn join_next(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let added = self.row.len();
        if self.too_long || !self.append_line(false)? {
            return Ok(None);
        }
        Ok(self.bytes().get(added..))
    }

    /// Cuts the row back to its first line; the lines after it are read again.
    pub fn go_back(&mut self) {
        let lines = self.last_line - self.first_line;
        if lines > 0 {
            (self.next, self.after_cr) = self.after_first;
            self.last_line = self.first_line;
        }
    }

    /// Returns one byte, for a caller that finds the ends of rows itself.
    pub fn byte(&mut self) -> Result<Option<u8>, ReadError> {
        self.row = self.next..self.next;
        if self.next == self.buffer.len() && !self.fill()? {
            return Ok(None);
        }
        let byte = self.buffer[self.next];
        self.next += 1;
        self.last_line += u64::from(byte == b'\n');
        Ok(Some(byte))
    }

    /// Returns what comes next without taking it: at least as much as is enough, or all there is up to the bound of a line.
    pub fn ahead(&mut self, enough: impl Fn(&[u8]) -> bool) -> Result<&[u8], ReadError> {
        self.pass_line_feed()?;
        self.row = self.next..self.next;
        while !enough(&self.buffer[self.next..]) && self.buffer.len() - self.next < LINE_BYTES_MAX && self.fill()? {}
        let ahead = &self.buffer[self.next..];
        Ok(ahead.strip_prefix(BYTE_ORDER_MARK).unwrap_or(ahead))
    }

    /// Returns the row's bytes, without its line break.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.row.clone()]
    }

    /// Returns the line that the row begins on, from 1.
    pub fn line(&self) -> u64 {
        self.first_line
    }

    /// Returns the line that the row ends on.
    pub fn last_line(&self) -> u64 {
        self.last_line
    }

    pub fn text(&self) -> Result<&str, Refusal> {
        if self.too_long {
            return Err(Refusal::new(self.first_line, ErrorReason::TooLong, "", too_long()));
        }
        std::str::from_utf8(self.bytes()).map_err(|error| {
            let message = format!("is not UTF-8 at byte {}", error.valid_up_to() + 1);
            Refusal::new(self.first_line, ErrorReason::Malformed, "", message)
        })
    }

    fn pass_line_feed(&mut self) -> Result<(), ReadError> {
        if !self.after_cr {
            return Ok(());
        }
        self.row = self.next..self.next;
        if self.next == self.buffer.len() && !self.fill()? {
            return Ok(());
        }
        self.after_cr = false;
        self.next += usize::from(self.buffer[self.next] == b'\n');
        Ok(())
    }

    /// Extends the row by the next line. A line that is too long is skipped if `pass_over`, else left unread.
    fn append_line(&mut self, pass_over: bool) -> Result<bool, ReadError> {
        self.pass_line_feed_within_row()?;
        let mut from = self.next;
        loop {
            if let Some(at) = memchr::memchr2(b'\n', b'\r', &self.buffer[from..]) {
                let end = from + at;
                self.after_cr = self.buffer[end] == b'\r';
                (self.row.end, self.next) = (end, end + 1);
                break;
            }
            from = self.buffer.len();
            if from - self.row.start > LINE_BYTES_MAX {
                self.too_long = true;
                if !pass_over {
                    return Ok(false);
                }
                // The text of a refused row is not kept.
                self.buffer.truncate(self.row.start);
                (from, self.next) = (self.row.start, self.row.start);
            }
            let before = self.row.start;
            let more = self.fill()?;
            from -= before - self.row.start;
            if !more {
                if self.next == self.buffer.len() && !self.too_long {
                    return Ok(false);
                }
                (self.row.end, self.next) = (self.buffer.len(), self.buffer.len());
                break;
            }
        }
        self.last_line += 1;
        self.too_long |= self.row.len() > LINE_BYTES_MAX;
        Ok(true)
    }

    /// Does what `pass_line_feed` does, but keeps the line feed as part of the row that goes on after it.
    fn pass_line_feed_within_row(&mut self) -> Result<(), ReadError> {
        if self.after_cr {
            if self.next == self.buffer.len() && !self.fill()? {
                return Ok(());
            }
            self.after_cr = false;
            self.next += usize::from(self.buffer[self.next] == b'\n');
        }
        Ok(())
    }

    /// Reads more into the buffer, which keeps only what is from the row on; returns false at the end.
    fn fill(&mut self) -> Result<bool, ReadError> {
        if self.ended {
            return Ok(false);
        }
        let behind = self.row.start;
        if behind > 0 {
            self.buffer.drain(..behind);
            self.row = 0..self.row.end - behind;
            self.next -= behind;
            self.after_first.0 = self.after_first.0.saturating_sub(behind);
        }
        let len = self.buffer.len();
        self.buffer.resize(len + BUFFER_BYTES, 0);
        let came = loop {
            match self.source.read(&mut self.buffer[len..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                came => break came,
            }
        };
        self.buffer.truncate(len + came.as_ref().map_or(0, |came| *came));
        self.ended = came.map_err(|error| read_error(self.gzip, error))? == 0;
        Ok(!self.ended)
    }
}

/// Returns the message for a row that is longer than rows may be.
pub fn too_long() -> String {
    format!("a row must be at most {LINE_BYTES_MAX} bytes")
}

fn read_error(gzip: bool, error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof if gzip => ReadError::GzipCutShort,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if gzip => ReadError::GzipDamaged(error),
        _ => ReadError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    type Row = (u64, Result<String, ErrorReason>);

    /// Returns all rows with their lines, and how the reading ended.
    fn read(bytes: impl Into<Vec<u8>>) -> (Vec<Row>, Result<(), ReadError>) {
        let mut rows = Vec::new();
        let mut lines = Lines::of(Cursor::new(bytes.into())).unwrap();
        loop {
            match lines.advance() {
                Ok(true) => {
                    rows.push((lines.line(), lines.text().map(str::to_owned).map_err(|refusal| refusal.reason)))
                }
                Ok(false) => return (rows, Ok(())),
                Err(error) => return (rows, Err(error)),
            }
        }
    }

    fn line(number: u64, text: &str) -> (u64, Result<String, ErrorReason>) {
        (number, Ok(text.to_owned()))
    }

    #[test]
    fn line_breaks_and_the_byte_order_mark_are_no_text() {
        let (rows, end) = read("\u{feff}a\r\nb\n\nc\rd\r\re\n\rf\r\n\u{feff}g\r");
        assert!(end.is_ok());
        let wanted = ["a", "b", "", "c", "d", "", "e", "", "f", "g"];
        assert_eq!(rows, (1..).zip(wanted).map(|(number, text)| line(number, text)).collect::<Vec<_>>());
    }

    /// A source that gives a byte at a time, as a pipe may.
    struct Drops(Cursor<Vec<u8>>);

    impl Read for Drops {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let one = buffer.len().min(1);
            self.0.read(&mut buffer[..one])
        }
    }

    #[test]
    fn lines_are_the_same_however_their_bytes_come() {
        let text = "\u{feff}a\r\nb\rc\n\nd\r\n\r\ne";
        let mut lines = Lines::of(Drops(Cursor::new(text.into()))).unwrap();
        let mut rows = Vec::new();
        while lines.advance().unwrap() {
            rows.push((lines.line(), lines.text().map(str::to_owned).map_err(|refusal| refusal.reason)));
        }
        assert_eq!(rows, read(text).0);
        assert_eq!(rows.len(), 7);
    }

    #[test]
    fn a_row_that_was_joined_is_left_for_its_second_line() {
        for text in ["a\r\nb\r\nc", "a\nb\nc", "a\rb\rc"] {
            let mut lines = Lines::of(Drops(Cursor::new(text.into()))).unwrap();
            assert!(lines.advance().unwrap());
            while lines.join_next().unwrap().is_some() {}
            assert_eq!((lines.line(), lines.last_line()), (1, 3));
            lines.go_back();
            assert!(lines.advance().unwrap());
            assert_eq!((lines.text().unwrap(), lines.line()), ("b", 2));
        }
    }

    #[test]
    fn an_empty_file_and_one_of_a_single_byte_are_read() {
        assert_eq!(read("").0, []);
        assert_eq!(read("a").0, [line(1, "a")]);
    }

    #[test]
    fn gzip_is_told_by_its_first_bytes_and_may_have_several_members() {
        let (rows, end) = read([gzip("a\nb\n"), gzip("c\n")].concat());
        assert!(end.is_ok());
        assert_eq!(rows, [line(1, "a"), line(2, "b"), line(3, "c")]);
    }

    #[test]
    fn gzip_may_have_zeros_behind_it_and_nothing_else() {
        let (rows, end) = read([gzip("a\n"), vec![0; 700_000], gzip("b\n"), vec![0; 511]].concat());
        assert!(end.is_ok());
        assert_eq!(rows, [line(1, "a"), line(2, "b")]);
        let (rows, end) = read([gzip("a\n"), b"more".to_vec()].concat());
        assert!(matches!(end, Err(ReadError::GzipDamaged(_))), "{end:?}");
        assert_eq!(rows, [line(1, "a")]);
    }

    #[test]
    fn what_is_packed_otherwise_is_named() {
        let all: [(&[u8], &str); 7] = [
            (b"\x28\xb5\x2f\xfd\x04\x00", "zstd"),
            (b"BZh91AY&SY....", "bzip2"),
            (b"\xfd7zXZ\x00\x00", "xz"),
            (b"PK\x03\x04\x14\x00", "zip"),
            (b"\xff\xfea\x00,\x00", "UTF-16"),
            (b"a\x00,\x00b\x00", "UTF-16"),
            (b"\x00a\x00,\x00b", "UTF-16"),
        ];
        for (bytes, what) in all {
            let Err(ReadError::Header(message)) = Lines::of(Cursor::new(bytes)) else { panic!("{what}") };
            assert!(message.contains(what), "{message}");
        }
        assert_eq!(read("BZh9 x\n").0, [line(1, "BZh9 x")]);
        assert_eq!(read("PK,x").0, [line(1, "PK,x")]);
    }

    #[test]
    fn gzip_cut_short_gives_no_half_line() {
        let text: String = (0..50_000).map(|i| format!("{},{}\n", i * 7919 % 100_003, i)).collect();
        let whole = gzip(&text);
        let (rows, end) = read(&whole[..whole.len() / 2]);
        assert!(matches!(end, Err(ReadError::GzipCutShort)), "{end:?}");
        assert!(!rows.is_empty());
        for ((_, row), want) in rows.iter().zip(text.lines()) {
            assert_eq!(row.as_deref(), Ok(want));
        }
        let (_, end) = read(&whole[..whole.len() - 4]);
        assert!(matches!(end, Err(ReadError::GzipCutShort)), "the trailer is missing: {end:?}");
    }

    #[test]
    fn damaged_gzip_is_an_error() {
        let mut bytes = gzip("a,b\nc,d\n");
        let crc = bytes.len() - 8;
        bytes[crc] ^= 1;
        assert!(matches!(read(bytes).1, Err(ReadError::GzipDamaged(_))));
    }

    #[test]
    fn a_long_line_and_one_that_is_not_utf8_are_refused_and_the_next_is_read() {
        let longest = "x".repeat(LINE_BYTES_MAX);
        let mut bytes = format!("{longest}\r\n{longest}x\n{}\n", "y".repeat(3 * LINE_BYTES_MAX)).into_bytes();
        bytes.extend(b"a\xffb\nlast");
        let (rows, _) = read(bytes);
        assert_eq!(rows[0], line(1, &longest));
        let reasons: Vec<_> = rows[1..].iter().map(|(number, row)| (*number, row.clone())).collect();
        assert_eq!(
            reasons,
            [
                (2, Err(ErrorReason::TooLong)),
                (3, Err(ErrorReason::TooLong)),
                (4, Err(ErrorReason::Malformed)),
                line(5, "last")
            ]
        );
    }

    #[test]
    fn joined_lines_are_one_row() {
        let mut lines = Lines::of(Cursor::new("a\r\nb\nc")).unwrap();
        assert!(lines.advance().unwrap());
        assert_eq!(lines.join_next().unwrap(), Some(&b"\r\nb"[..]));
        assert_eq!((lines.text().unwrap(), lines.line(), lines.last_line()), ("a\r\nb", 1, 2));
        assert!(lines.advance().unwrap());
        assert_eq!((lines.text().unwrap(), lines.line()), ("c", 3));
        assert_eq!(lines.join_next().unwrap(), None);
    }
}
