//! Draws pictures of answers: SVG to be looked at as it is, DOT for Graphviz and the programs that read it.
//!
//! A picture is made of an answer and the names in it, and of nothing else: the same answer gives the same picture, byte for byte.

pub mod chain;
mod dot;
pub mod meeting;
mod paths;
pub mod rings;
mod sheet;
mod spheres;
mod web;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

pub use spheres::SPHERES;

use super::failure::Failure;
use super::new_file::NewFile;
use super::print::say;

/// Where pictures of the answer go.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "A picture of the answer")]
pub struct PictureArgs {
    /// Write an SVG picture to this file, or to the standard output in place of the answer (-).
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write a graph for Graphviz to this file, or to the standard output in place of the answer (-).
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
}

/// An answer as a picture in both forms. Each is made only if it is asked for.
pub trait Picture {
    fn svg(&self) -> String;
    fn dot(&self) -> String;
}

impl PictureArgs {
    pub fn are_wanted(&self) -> bool {
        self.svg.is_some() || self.dot.is_some()
    }

    /// Refuses two texts on one output before the server is asked.
    pub fn check(&self, json: bool) -> Result<(), Failure> {
        let taken = [&self.svg, &self.dot].into_iter().flatten().filter(|path| is_stdout(path)).count();
        if taken + usize::from(json && taken > 0) > 1 {
            let message =
                "only one of --svg -, --dot - and --json fits the standard output; name a file for the others";
            return Err(Failure::new(message));
        }
        Ok(())
    }

    /// Returns whether a picture replaces the answer in words.
    pub fn replace_words(&self) -> bool {
        [&self.svg, &self.dot].into_iter().flatten().any(|path| is_stdout(path))
    }

    /// Makes and writes the pictures that were asked for. A file that exists is replaced, as a redirection would.
    pub fn write(&self, picture: &impl Picture) -> Result<(), Failure> {
        if let Some(path) = &self.svg {
            put(path, &picture.svg())?;
        }
        if let Some(path) = &self.dot {
            put(path, &picture.dot())?;
        }
        Ok(())
    }
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn put(path: &Path, text: &str) -> Result<(), Failure> {
    if is_stdout(path) {
        return say(text);
    }
    let (new, mut file) = NewFile::create(path, true)?;
    file.write_all(text.as_bytes())
        .map_err(|error| Failure::new(format!("can't write {}: {error}", path.display())))?;
    new.keep(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_fits_the_standard_output() {
        let args =
            |svg: Option<&str>, dot: Option<&str>| PictureArgs { svg: svg.map(Into::into), dot: dot.map(Into::into) };
        assert!(args(Some("-"), Some("f")).check(false).is_ok() && args(Some("f"), None).check(true).is_ok());
        assert!(args(Some("-"), Some("-")).check(false).is_err() && args(None, Some("-")).check(true).is_err());
        assert!(!args(Some("f"), None).replace_words() && args(Some("-"), None).replace_words());
    }
}
