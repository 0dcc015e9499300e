//! Files as rows of text: plain or gzip, told by their first bytes, with a bound on the length of a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::report::Refusal;
use crate::proto::v1::ErrorReason;

pub const LINE_BYTES_MAX: usize = 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why a file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the gzip data is cut short")]
    GzipCutShort,
    #[error("the gzip data is damaged: {0}")]
    GzipDamaged(io::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The columns cannot be told, so no row can.
    #[error("{0}")]
    Header(String),
}

/// Counts the bytes that came from the file itself, compressed or not: what a progress bar can hold against its size.
struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A file, or standard input for `-`, and its size if it has one.
pub fn open(path: &Path, bytes_read: Arc<AtomicU64>) -> Result<(Lines, Option<u64>), ReadError> {
    if path == Path::new("-") {
        return Ok((Lines::of(Counted { inner: io::stdin(), bytes: bytes_read })?, None));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(ReadError::Io(io::Error::new(io::ErrorKind::IsADirectory, "is a directory")));
    }
    let size = metadata.is_file().then_some(metadata.len());
    Ok((Lines::of(Counted { inner: file, bytes: bytes_read })?, size))
}

/// The rows of a text: a line each, or several where the caller joins them.
pub struct Lines {
    source: Box<dyn BufRead + Send>,
    gzip: bool,
    row: Vec<u8>,
    first_line: u64,
    last_line: u64,
    too_long: bool,
}

impl Lines {
    pub fn of(mut source: impl Read + Send + 'static) -> Result<Lines, ReadError> {
        let mut magic = Vec::with_capacity(GZIP_MAGIC.len());
        source.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut magic)?;
        let gzip = magic == GZIP_MAGIC;
        let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(magic).chain(source));
        let source: Box<dyn BufRead + Send> = if gzip {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole)))
        } else {
            Box::new(whole)
        };
        Ok(Lines { source, gzip, row: Vec::new(), first_line: 0, last_line: 0, too_long: false })
    }

    /// Goes to the next line; false at the end.
    pub fn advance(&mut self) -> Result<bool, ReadError> {
        self.row.clear();
        self.too_long = false;
        let more = self.append_line()?;
        self.first_line = self.last_line;
        Ok(more)
    }

    /// Adds the next line to the row and gives what was added, line break included; nothing at the end or over the bound.
    pub fn join_next(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let start = self.row.len();
        self.row.push(b'\n');
        if self.too_long {
            return Ok(None);
        }
        let more = self.append_line()?;
        if !more || self.too_long {
            return Ok(None);
        }
        Ok(self.row.get(start..))
    }

    /// The row's bytes, without its line break.
    pub fn bytes(&self) -> &[u8] {
        &self.row
    }

    /// The line the row begins on, from 1.
    pub fn line(&self) -> u64 {
        self.first_line
    }

    /// The line the row ends on.
    pub fn last_line(&self) -> u64 {
        self.last_line
    }

    pub fn text(&self) -> Result<&str, Refusal> {
        if self.too_long {
            let message = format!("a row must be at most {LINE_BYTES_MAX} bytes");
            return Err(Refusal::new(self.first_line, ErrorReason::TooLong, "", message));
        }
        std::str::from_utf8(&self.row).map_err(|error| {
            let message = format!("is not UTF-8 at byte {}", error.valid_up_to() + 1);
            Refusal::new(self.first_line, ErrorReason::Malformed, "", message)
        })
    }

    fn append_line(&mut self) -> Result<bool, ReadError> {
        // Room for the bound, and for the line break that does not count.
        let room = (LINE_BYTES_MAX + 2).saturating_sub(self.row.len()) as u64;
        let came = self.source.by_ref().take(room).read_until(b'\n', &mut self.row);
        if came.map_err(|error| read_error(self.gzip, error))? == 0 && room > 0 {
            return Ok(false);
        }
        self.last_line += 1;
        if self.row.ends_with(b"\n") {
            self.row.pop();
            self.row.truncate(self.row.len() - usize::from(self.row.ends_with(b"\r")));
        } else {
            self.skip_to_line_end()?;
        }
        if self.last_line == 1 && self.row.starts_with(BYTE_ORDER_MARK) {
            self.row.drain(..BYTE_ORDER_MARK.len());
        }
        self.too_long |= self.row.len() > LINE_BYTES_MAX;
        Ok(true)
    }

    fn skip_to_line_end(&mut self) -> Result<(), ReadError> {
        let mut rest = Vec::new();
        loop {
            let came = self.source.by_ref().take(BUFFER_BYTES as u64).read_until(b'\n', &mut rest);
            let ended = rest.ends_with(b"\n");
            if came.map_err(|error| read_error(self.gzip, error))? == 0 || ended {
                return Ok(());
            }
            rest.clear();
        }
    }
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

    /// All rows with their lines, and how the reading ended.
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
        let (rows, end) = read("\u{feff}a\r\nb\n\nc");
        assert!(end.is_ok());
        assert_eq!(rows, [line(1, "a"), line(2, "b"), line(3, ""), line(4, "c")]);
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
        assert_eq!(lines.join_next().unwrap(), Some(&b"\nb"[..]));
        assert_eq!((lines.text().unwrap(), lines.line(), lines.last_line()), ("a\nb", 1, 2));
        assert!(lines.advance().unwrap());
        assert_eq!((lines.text().unwrap(), lines.line()), ("c", 3));
        assert_eq!(lines.join_next().unwrap(), None);
    }
}
