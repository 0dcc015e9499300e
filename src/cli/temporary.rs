//! A temporary folder of a command's own.

use std::path::PathBuf;

use uuid::Uuid;

use super::failure::Failure;

/// A new folder that is removed with everything in it when this is dropped.
pub struct TemporaryFolder(pub PathBuf);

impl TemporaryFolder {
    /// Makes a folder among the system's temporary files, named after the command.
    pub fn make(command: &str) -> Result<TemporaryFolder, Failure> {
        TemporaryFolder::make_in(&std::env::temp_dir(), command)
    }

    pub fn make_in(parent: &std::path::Path, command: &str) -> Result<TemporaryFolder, Failure> {
        let folder = parent.join(format!("kith-{command}-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::of_start(format!("can't make {}: {error}", folder.display())))?;
        Ok(TemporaryFolder(folder))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // A folder that cannot be removed is left to the system, which clears its temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
