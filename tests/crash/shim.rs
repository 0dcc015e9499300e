//! The test's side of shim.c: builds it, starts servers under it, and shares its control file.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::server::Start;

/// Faults that can be on at once; see shim.c.
pub const WRITE_ENOSPC: u64 = 1;
pub const WRITE_EIO: u64 = 2;
pub const SYNC_EIO: u64 = 4;
/// Some refused writes take a part first.
pub const SHORT_WRITES: u64 = 8;
pub const WRITE_EDQUOT: u64 = 16;
/// No thread can be made.
pub const NO_THREADS: u64 = 32;
/// No file can be opened.
pub const NO_FILES: u64 = 64;
/// Syncs of a checkpoint's files fail, and no others.
pub const CHECKPOINT_SYNC_EIO: u64 = 128;
/// Syncs do not return until it is healed.
pub const SYNC_HANGS: u64 = 256;

/// The words of the control file, in shim.c's order.
#[derive(Clone, Copy)]
enum Word {
    Operations,
    TraceBytes,
    Faults,
    After,
    Odds,
    Random,
    Injected,
    Words = 8,
}

/// A folder whose files a server uses under the shim.
pub struct Shim {
    library: PathBuf,
    folder: PathBuf,
    control_path: PathBuf,
    control: File,
    trace: PathBuf,
}

impl Shim {
    /// Of the files in `folder`; its own files stand beside it.
    pub fn new(folder: &Path, seed: u64) -> Shim {
        let (control_path, trace) = (folder.with_extension("control"), folder.with_extension("trace"));
        fs::write(&control_path, [0; 8 * Word::Words as usize]).unwrap();
        fs::write(&trace, []).unwrap();
        let control = File::options().read(true).write(true).open(&control_path).unwrap();
        let shim = Shim { library: library(), folder: folder.to_owned(), control_path, control, trace };
        // A xorshift generator must not begin with 0.
        shim.set(Word::Random, seed | 1 << 63);
        shim
    }

    /// Has a server run under it.
    pub fn under(&self, start: Start) -> Start {
        let start = start.env("LD_PRELOAD", &self.library).env("KITH_SHIM_DIR", &self.folder);
        start.env("KITH_SHIM_CONTROL", &self.control_path).env("KITH_SHIM_TRACE", &self.trace)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many operations are done. What the server has told before was preceded by them all.
    pub fn operations(&self) -> u64 {
        self.get(Word::Operations)
    }

    /// How many faults there have been.
    pub fn injected(&self) -> u64 {
        self.get(Word::Injected)
    }

    /// Has operations fail from now on: after so many more, and then one in so many.
    pub fn fail(&self, faults: u64, after: u64, one_in: u64) {
        self.set(Word::After, after);
        self.set(Word::Odds, if one_in <= 1 { 0 } else { (1 << 32) / one_in });
        self.set(Word::Faults, faults);
    }

    pub fn heal(&self) {
        self.set(Word::Faults, 0);
    }

    pub fn trace(&self) -> Vec<u8> {
        let mut bytes = fs::read(&self.trace).unwrap();
        bytes.truncate(self.get(Word::TraceBytes) as usize);
        bytes
    }

    fn get(&self, word: Word) -> u64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, 8 * word as u64).unwrap();
        u64::from_ne_bytes(bytes)
    }

    fn set(&self, word: Word, value: u64) {
        self.control.write_all_at(&value.to_ne_bytes(), 8 * word as u64).unwrap();
    }
}

/// The compiled shim, once for all tests.
fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(compile).clone()
}

/// README.md asks for a C compiler.
fn compile() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/shim.c");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (library, beside) = (folder.join("shim.so"), folder.join(format!("shim-{}.so", std::process::id())));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O2", "-Wall", "-o"]).arg(&beside).arg(source).args(["-ldl", "-lpthread"]);
    let built = cc.output().expect("cc runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    fs::rename(beside, &library).unwrap();
    library
}
