//! The file `RESERVE`: room on the disk that is given up before sled is opened, which pads its file and writes a snapshot then, and
//! taken again afterwards. A store on a full disk can be opened so, to be read, and to be written again once there is room.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::store::private::{self, sync_folder};

const NAME: &str = "RESERVE";
/// It is taken piece by piece: where the disk has not room for all of it, a part is better than none.
const PIECE_BYTES: u64 = 64 * 1_024;
/// What sled pads its file by when it is opened, twice.
const BYTES_MIN: u64 = 1_024 * 1_024;
/// sled's snapshot has a few bytes for each page of a checkpoint, which has more than 4 KiB.
const PART_OF_CHECKPOINT: u64 = 256;

/// The reserve of one store.
pub struct Reserve {
    path: PathBuf,
    /// As far as it is known.
    bytes: u64,
}

impl Reserve {
    pub fn of(folder: &Path) -> Reserve {
        let path = folder.join(NAME);
        let bytes = fs::metadata(&path).map_or(0, |about| about.len());
        Reserve { path, bytes }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives all of it up.
    pub fn give_up(&mut self) -> io::Result<()> {
        self.bytes = 0;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            // The file system has the room when the folder is on disk.
            Ok(()) => self.path.parent().map_or(Ok(()), sync_folder),
        }
    }

    /// Takes what is missing of it, as far as the disk has room. A checkpoint of so many bytes is to be opened with it.
    pub fn take(&mut self, checkpoint_bytes: u64) {
        let wanted = (BYTES_MIN + checkpoint_bytes / PART_OF_CHECKPOINT).next_multiple_of(PIECE_BYTES);
        if self.bytes >= wanted {
            return;
        }
        if let Err(error) = self.grow(wanted) {
            tracing::debug!(%error, bytes = self.bytes, "the reserve is not whole");
        }
    }

    fn grow(&mut self, wanted: u64) -> io::Result<()> {
        let is_new = !self.path.exists();
        let mut file =
            if is_new { private::create_file(&self.path)? } else { File::options().append(true).open(&self.path)? };
        let mut grown = Ok(());
        while self.bytes < wanted && grown.is_ok() {
            grown = file.write_all(&incompressible(self.bytes));
            self.bytes = file.metadata()?.len();
        }
        file.sync_all()?;
        if is_new && let Some(folder) = self.path.parent() {
            sync_folder(folder)?;
        }
        grown
    }
}

/// A piece that no file system makes smaller: zeros may take no room at all.
fn incompressible(seed: u64) -> Vec<u8> {
    let mut random = seed | 1;
    let words = (0..PIECE_BYTES / 8).flat_map(|_| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_le_bytes()
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_and_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let on_disk = || fs::metadata(folder.path().join(NAME)).map_or(0, |about| about.len());
        let mut reserve = Reserve::of(folder.path());
        reserve.give_up().unwrap();
        reserve.take(0);
        assert_eq!((reserve.bytes(), on_disk()), (BYTES_MIN, BYTES_MIN));
        let mut reserve = Reserve::of(folder.path());
        reserve.take(512 * BYTES_MIN);
        assert_eq!((reserve.bytes(), on_disk()), (3 * BYTES_MIN, 3 * BYTES_MIN));
        reserve.give_up().unwrap();
        assert_eq!((reserve.bytes(), on_disk()), (0, 0));
    }
}
