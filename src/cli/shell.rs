//! `kith completions` and `kith man`: print what shells and `man` read, made from the same commands that `--help` shows.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::failure::Failure;
use super::print::say;

#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

#[derive(Args, Debug)]
pub struct ManArgs {
    /// Write a page for kith and one for each command into this folder, made if there is none; otherwise kith's own is printed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints what the shell sources.
pub fn completions(args: &CompletionsArgs, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "kith", &mut script);
    say(&String::from_utf8_lossy(&script))
}

/// Prints or writes the pages.
pub fn man(args: &ManArgs, command: Command) -> Result<(), Failure> {
    if let Some(folder) = &args.out {
        let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
        return written.map_err(|error| Failure::new(format!("can't write into {}: {error}", folder.display())));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Failure::new(format!("can't make the page: {error}")))?;
    say(&String::from_utf8_lossy(&page))
}
