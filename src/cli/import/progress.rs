//! The progress of an import, on the terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows on standard error how far a file is, from when it is made to when it is dropped.
pub struct Progress {
    records: Arc<AtomicU64>,
    bar: Option<ProgressBar>,
    task: JoinHandle<()>,
}

impl Progress {
    pub fn start(file: &str, bytes_read: Arc<AtomicU64>, size: Option<u64>) -> Progress {
        let records = Arc::new(AtomicU64::new(0));
        let bar = io::stderr().is_terminal().then(|| bar(file, size));
        let state =
            State { file: file.to_owned(), bytes_read, size, records: records.clone(), started: Instant::now() };
        let task = match bar.clone() {
            Some(bar) => tokio::spawn(state.draw(bar)),
            None => tokio::spawn(state.print_lines()),
        };
        Progress { records, bar, task }
    }

    pub fn add_records(&self, count: usize) {
        self.records.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(file: &str, size: Option<u64>) -> ProgressBar {
    let template = match size {
        Some(_) => "{prefix} {wide_bar} {bytes}/{total_bytes}, {msg}, {eta} left",
        None => "{prefix} {spinner} {bytes}, {msg}, {elapsed}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    // The folder is left out: the line must fit a terminal.
    let name = file.rsplit('/').next().unwrap_or(file);
    bar.with_style(style).with_prefix(name.to_owned())
}

struct State {
    file: String,
    bytes_read: Arc<AtomicU64>,
    size: Option<u64>,
    records: Arc<AtomicU64>,
    started: Instant,
}

impl State {
    async fn draw(self, bar: ProgressBar) {
        let mut ticks = tokio::time::interval(BAR_EVERY);
        loop {
            ticks.tick().await;
            bar.set_message(format!("{} records/s", HumanCount(self.rate())));
            bar.set_position(self.bytes_read.load(Ordering::Relaxed));
        }
    }

    async fn print_lines(self) {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + LINE_EVERY, LINE_EVERY);
        loop {
            ticks.tick().await;
            // A failure to show progress is no reason to stop.
            let _ = writeln!(io::stderr(), "{}", self.line());
        }
    }

    fn rate(&self) -> u64 {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        (self.records.load(Ordering::Relaxed) as f64 / seconds) as u64
    }

    fn line(&self) -> String {
        let bytes = self.bytes_read.load(Ordering::Relaxed);
        let (records, rate) = (self.records.load(Ordering::Relaxed), self.rate());
        let line = format!("importing {}: {records} records, {rate} records/s, {} read", self.file, HumanBytes(bytes));
        match self.size {
            Some(size) if bytes > 0 => {
                let left = self.started.elapsed().as_secs_f64() * size.saturating_sub(bytes) as f64 / bytes as f64;
                format!("{line} of {}, {left:.0} s left", HumanBytes(size))
            }
            _ => line,
        }
    }
}
