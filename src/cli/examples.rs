//! The examples in each command's `--help`.

/// The commands and lines to try them with, in the order of the help.
const EXAMPLES: [(&str, &[&str]); 18] = [
    ("demo", &["kith demo", "kith demo --serve"]),
    ("serve", &["kith serve --data ./kith-data", "KITH_LOG=debug kith serve --data ./kith-data --log-format json"]),
    (
        "import",
        &[
            "kith import examples/story.ndjson",
            "kith import contacts.csv --kind colleague --errors refused.ndjson",
            "kith import edges.txt.gz --columns from,to,time --time-unit s --id-prefix member-",
            "kith import graph.csv --columns source=from,target=to --dry-run",
        ],
    ),
    (
        "export",
        &[
            "kith export all.ndjson.gz",
            "kith export - --server http://127.0.0.1:5484",
            "kith export all.ndjson --data ./kith-data",
            "kith export jeremy.ndjson --member jeremy",
        ],
    ),
    (
        "reach",
        &[
            "kith reach jeremy --list",
            "kith reach --status who-owns-your-data --json",
            "kith reach jeremy --max-hops 2 --svg reach.svg",
        ],
    ),
    (
        "path",
        &[
            "kith path officer jeremy -k 3",
            "kith path officer jeremy --sphere personal --ranking strength",
            "kith path officer jeremy --svg chain.svg --dot chain.dot",
        ],
    ),
    (
        "suggest",
        &["kith suggest officer --topic consumer-privacy", "kith suggest officer --limit 5 --svg meetings.svg"],
    ),
    ("introducers", &["kith introducers officer jeremy", "kith introducers officer jeremy --max-hops 2 --json"]),
    ("config", &["kith config --data ./kith-data --config kith.toml", "KITH_MAX_CALLS=64 kith config --json"]),
    ("backup", &["kith backup kith.backup", "kith backup acme.backup --namespace acme"]),
    (
        "restore",
        &[
            "kith restore kith.backup --data ./restored --erasure-journal ./kith-data.erasures",
            "kith restore kith.backup --data ./other --namespace acme --erasure-journal ./kith-data.erasures",
            "kith restore --archive ./kith-archive --until 2026-01-31T12:00:00Z --data ./undone --ignore-erasures",
        ],
    ),
    ("archive", &["kith archive ./kith-archive", "kith archive ./kith-archive --json"]),
    ("namespace", &["kith namespace create acme", "kith namespace list --json", "kith namespace delete acme"]),
    ("verify", &["kith verify", "kith verify --data ./kith-data"]),
    ("health", &["kith health", "kith health --service kith.v1.PathService"]),
    ("stats", &["kith stats", "kith stats --json"]),
    ("completions", &["kith completions bash > ~/.local/share/bash-completion/completions/kith"]),
    ("man", &["kith man | man -l -", "kith man --out ~/.local/share/man/man1"]),
];

/// Adds the examples below a command's help.
pub fn shown_by(command: clap::Command) -> clap::Command {
    EXAMPLES.iter().fold(command, |command, (name, lines)| {
        let lines: String = lines.iter().map(|line| format!("\n  {line}")).collect();
        command.mut_subcommand(name, |command| command.after_help(format!("Examples:{lines}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_examples_that_it_takes() {
        let command = crate::cli::command();
        for subcommand in command.get_subcommands() {
            assert!(subcommand.get_after_help().is_some(), "kith {} shows no example", subcommand.get_name());
        }
        for line in EXAMPLES.iter().flat_map(|(_, lines)| *lines) {
            // The rest of the line is for the shell, not for the command.
            let words = line.split(['|', '>']).next().unwrap().split_whitespace();
            let words = words.skip_while(|word| word.starts_with("KITH_"));
            command.clone().try_get_matches_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
