//! Shows how far a command is, on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

const TEMPLATE: &str = "{prefix} {wide_bar} {human_pos}/{human_len}, {per_sec}, {eta} left";

/// A bar on standard error while it lives; nothing where standard error is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    pub fn start(what: &'static str, total: u64) -> Progress {
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress(ProgressBar::new(total).with_style(style).with_prefix(what))
    }

    pub fn add(&self, done: u64) {
        self.0.inc(done);
    }

    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
