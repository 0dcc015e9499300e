//! `kith config`: prints what `kith serve` would run with, and where each value comes from.

use clap::{Arg, ArgAction, ArgMatches, Args, Command};
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::print::say;
use super::serve::ServeArgs;
use super::settings::{Origin, Setting, Settings};

const NAME: &str = "config";

/// Adds the command, with the flags of `kith serve`. Secrets are in files that flags name, so that there are none to hide.
pub fn added_to(command: Command) -> Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Answer in JSON");
    let about = "Print the settings that `kith serve` would run with, and where each comes from";
    let config = ServeArgs::augment_args(Command::new(NAME).about(about)).arg(json);
    command.subcommand(config.mut_arg("data", |data| data.required(false)))
}

/// Prints the settings. Given a value that is wrong, it ends as `kith serve` would.
pub fn run(settings: &Settings, given: &ArgMatches) -> Result<(), Failure> {
    settings.refused()?;
    if given.get_flag("json") {
        let all: Map<String, Value> =
            settings.all.iter().map(|setting| (setting.name.clone(), as_json(setting))).collect();
        let text = serde_json::to_string_pretty(&all).map_err(|error| Failure::new(error.to_string()))?;
        return say(&(text + "\n"));
    }
    let longest = |of: &dyn Fn(&Setting) -> usize| settings.all.iter().map(of).max().unwrap_or_default();
    let name_width = longest(&|setting| setting.name.chars().count());
    let value_width = longest(&|setting| shown(setting).chars().count()).min(40);
    let line = |setting: &Setting| {
        let (name, value, origin) = (&setting.name, shown(setting), setting.origin.to_string());
        format!("{name:name_width$}  {value:value_width$}  {origin}\n")
    };
    say(&settings.all.iter().map(line).collect::<String>())
}

fn shown(setting: &Setting) -> String {
    setting.value.as_ref().map_or_else(|| "-".to_owned(), |value| value.to_string_lossy().into_owned())
}

fn as_json(setting: &Setting) -> Value {
    let value = setting.value.as_ref().map(|value| value.to_string_lossy());
    let source = match &setting.origin {
        Origin::Environment(_) | Origin::File { .. } => Some(setting.origin.to_string()),
        _ => None,
    };
    json!({ "value": value, "origin": setting.origin.word(), "source": source })
}
