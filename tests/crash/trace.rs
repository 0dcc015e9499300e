//! What a process did to its files, as shim.c wrote it down.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// One operation, done. Files are told by the number of their opening.
#[derive(Clone)]
pub enum Operation {
    Open {
        file: u64,
        creates: bool,
        truncates: bool,
        path: PathBuf,
    },
    Write {
        file: u64,
        at: usize,
        data: Vec<u8>,
    },
    SetLength {
        file: u64,
        length: usize,
    },
    /// Makes a file at least so long.
    Allocate {
        file: u64,
        end: usize,
    },
    Zero {
        file: u64,
        at: usize,
        end: usize,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
    RemoveFolder {
        path: PathBuf,
    },
    Link {
        from: PathBuf,
        to: PathBuf,
    },
    /// An fsync or fdatasync that succeeded: it covers what was done before operation `covers`.
    Sync {
        file: u64,
        covers: u64,
    },
    /// One that failed. What it was to cover is never tried again by later ones.
    SyncFailed {
        file: u64,
        covers: u64,
    },
}

/// Without the data.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Open { file, creates, truncates, path } => {
                write!(f, "{file} = open {path:?}")?;
                f.write_str(if *creates { ", create" } else { "" })?;
                f.write_str(if *truncates { ", truncate" } else { "" })
            }
            Operation::Write { file, at, data } => write!(f, "write {} bytes at {at} of {file}", data.len()),
            Operation::SetLength { file, length } => write!(f, "set length of {file} to {length}"),
            Operation::Allocate { file, end } => write!(f, "allocate {file} up to {end}"),
            Operation::Zero { file, at, end } => write!(f, "zero {file} from {at} to {end}"),
            Operation::Rename { from, to } => write!(f, "rename {from:?} to {to:?}"),
            Operation::Unlink { path } => write!(f, "unlink {path:?}"),
            Operation::MakeFolder { path } => write!(f, "make folder {path:?}"),
            Operation::RemoveFolder { path } => write!(f, "remove folder {path:?}"),
            Operation::Link { from, to } => write!(f, "link {from:?} to {to:?}"),
            Operation::Sync { file, covers } => write!(f, "sync {file}, begun before {covers}"),
            Operation::SyncFailed { file, covers } => write!(f, "failed sync of {file}, begun before {covers}"),
        }
    }
}

/// From fcntl.h.
const O_CREAT: u64 = 0o100;
const O_TRUNC: u64 = 0o1000;

/// The operations in their order, with paths as seen from `folder`.
pub fn parse(mut bytes: &[u8], folder: &Path) -> Vec<Operation> {
    let mut operations = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(32) {
        let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
        let (kind, length) = (word(0) as u32, (word(0) >> 32) as usize);
        let (data, rest) = rest.split_at(length);
        operations.push(operation(kind, [word(8), word(16), word(24)], data, folder));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "the trace ends in half a record");
    operations
}

fn operation(kind: u32, [file, b, c]: [u64; 3], data: &[u8], folder: &Path) -> Operation {
    let inside = |bytes: &[u8]| {
        let path = PathBuf::from(String::from_utf8(bytes.to_owned()).unwrap());
        path.strip_prefix(folder).unwrap().to_owned()
    };
    let path = || inside(data);
    let both = || {
        let middle = data.iter().position(|&byte| byte == 0).unwrap();
        (inside(&data[..middle]), inside(&data[middle + 1..]))
    };
    let (b_size, end) = (b as usize, (b + c) as usize);
    match kind {
        1 => Operation::Open { file, creates: b & O_CREAT != 0, truncates: b & O_TRUNC != 0, path: path() },
        2 => Operation::Write { file, at: b_size, data: data.to_owned() },
        3 => Operation::SetLength { file, length: b_size },
        4 => Operation::Allocate { file, end },
        5 => Operation::Zero { file, at: b_size, end },
        6 => Operation::Rename { from: both().0, to: both().1 },
        7 => Operation::Unlink { path: path() },
        8 => Operation::MakeFolder { path: path() },
        9 => Operation::RemoveFolder { path: path() },
        10 => Operation::Link { from: both().0, to: both().1 },
        11 => Operation::Sync { file, covers: b },
        12 => Operation::SyncFailed { file, covers: b },
        other => panic!("the trace has an operation {other}"),
    }
}

/// Where in the trace the values stand that writers make up (see `operation::Maker`): by value, the writes that carry it.
pub fn values(operations: &[Operation]) -> HashMap<String, Vec<usize>> {
    let mut found: HashMap<String, Vec<usize>> = HashMap::new();
    for (i, operation) in operations.iter().enumerate() {
        let Operation::Write { data, .. } = operation else { continue };
        for at in (0..data.len()).filter(|&at| data[at] == b'w') {
            if let Some(value) = value_at(&data[at..]) {
                found.entry(value).or_default().push(i);
            }
        }
    }
    found
}

/// `w01-23-`, at the begin of some bytes or of a text.
pub fn value_at(bytes: &[u8]) -> Option<String> {
    let writer = bytes.get(1..4).filter(|part| part[..2].iter().all(u8::is_ascii_digit) && part[2] == b'-')?;
    let digits = bytes[4..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = 4 + digits;
    let whole = writer.len() == 3 && digits > 0 && bytes.get(end) == Some(&b'-');
    whole.then(|| String::from_utf8_lossy(&bytes[..=end]).into_owned())
}
