//! The settings of `kith serve`: each is a flag, an environment variable, and a key of the TOML file that `--config` names; the first of
//! them that is given counts.
//!
//! The flags' own definitions say which settings there are and what each may be. All errors are found before the server starts, each
//! reported with the source of its value.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::{BoolishValueParser, Resettable, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use toml::de::{DeTable, DeValue};

use super::failure::Failure;
use super::listen_args::NEEDS;

/// The flag that names the file; it is not a key of the file itself.
const FILE_FLAG: &str = "config";
/// The exit code of a wrong command line.
const WRONG_USE: u8 = 2;

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Flag,
    Environment(String),
    File {
        path: PathBuf,
        line: usize,
    },
    Default,
    /// The setting has no value.
    None,
}

impl Origin {
    /// Returns the source's name for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Origin::Flag => "flag",
            Origin::Environment(_) => "environment",
            Origin::File { .. } => "file",
            Origin::Default => "default",
            Origin::None => "none",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Environment(name) => f.write_str(name),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            other => f.write_str(other.word()),
        }
    }
}

/// A setting with the value that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The flag's name, without the dashes.
    pub name: String,
    pub value: Option<OsString>,
    pub origin: Origin,
    switch: bool,
}

#[derive(Debug, Default)]
pub struct Settings {
    pub all: Vec<Setting>,
    wrong: Vec<String>,
}

/// Returns the command with flags that take any value and need no other: errors are found here, all of them.
pub fn taking_anything(command: Command) -> Command {
    command.mut_args(|arg| match arg.get_action() {
        ArgAction::Set => arg
            .value_parser(value_parser!(OsString))
            .env(Resettable::Reset)
            .default_value(Resettable::Reset)
            .required(false),
        ArgAction::SetTrue => arg.env(Resettable::Reset),
        _ => arg,
    })
}

/// Returns the command without the environment variables that are set to nothing: they count as not given.
pub fn without_empty_variables(command: Command) -> Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command.mut_subcommands(|command| {
        command.mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(Resettable::Reset) } else { arg })
    })
}

impl Settings {
    /// Gathers the settings that a command defines. `given` are its flags as `taking_anything` took them.
    pub fn gather(command: &Command, given: &ArgMatches, environment: impl Fn(&str) -> Option<OsString>) -> Settings {
        let mut settings = Settings::default();
        let path = value_of(FILE_FLAG, command, given, &environment).map(|(value, _)| PathBuf::from(value));
        let mut file = path.map(|path| settings.read(&path)).unwrap_or_default();
        for arg in command.get_arguments() {
            let Some(name) = arg.get_long().filter(|_| is_setting(arg)) else { continue };
            let in_file = if name == FILE_FLAG { None } else { file.remove(name) };
            let found = value_of(name, command, given, &environment).or(in_file);
            settings.take(arg, name, found);
        }
        for (key, (_, origin)) in file {
            let nearest = nearest(&key, command).map(|name| format!("; {} is", key_of(name))).unwrap_or_default();
            settings.wrong.push(format!("{origin}: {} is no setting{nearest}", key_of(&key)));
        }
        settings.check_needs();
        settings
    }

    fn take(&mut self, arg: &Arg, name: &str, found: Option<(OsString, Origin)>) {
        let switch = is_switch(arg);
        if let Some((value, origin)) = &found
            && let Err(why) = check(arg, name, value)
        {
            let value = value.to_string_lossy();
            let error = match origin {
                Origin::Flag => format!("--{name} {value}: {why}"),
                Origin::Environment(variable) => format!("{variable}={value}: {why}"),
                _ => format!("{origin}: {} = {value}: {why}", key_of(name)),
            };
            self.wrong.push(error);
        }
        let default = arg.get_default_values().first().map(|value| (value.clone().into(), Origin::Default));
        let off = || switch.then(|| ("false".into(), Origin::Default));
        let (value, origin) = found.or(default).or_else(off).map_or((None, Origin::None), |(v, o)| (Some(v), o));
        self.all.push(Setting { name: name.to_owned(), value, origin, switch });
    }

    fn get(&self, name: &str) -> Option<&Setting> {
        self.all.iter().find(|setting| setting.name == name && setting.value.is_some())
    }

    fn check_needs(&mut self) {
        let missing = NEEDS.iter().filter(|(one, other)| self.get(one).is_some() && self.get(other).is_none());
        let errors = missing.filter_map(|(one, other)| {
            self.get(one).map(|setting| format!("{one} ({}): needs {other} too", setting.origin))
        });
        self.wrong.extend(errors.collect::<Vec<_>>());
    }

    /// Returns the file's keys, as flags are named.
    fn read(&mut self, path: &Path) -> BTreeMap<String, (OsString, Origin)> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.wrong.push(format!("{}: {error}", path.display()));
                return BTreeMap::new();
            }
        };
        self.keys_of(path, &text)
    }

    fn keys_of(&mut self, path: &Path, text: &str) -> BTreeMap<String, (OsString, Origin)> {
        let at = |byte: usize| text.get(..byte).map_or(1, |before| 1 + before.matches('\n').count());
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = at(error.span().map_or(0, |span| span.start));
            self.wrong.push(format!("{}:{line}: {}", path.display(), error.message()));
        }
        let mut found = BTreeMap::new();
        for (key, value) in table.get_ref() {
            let origin = Origin::File { path: path.to_owned(), line: at(key.span().start) };
            let value = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Float(number) => number.to_string(),
                DeValue::Boolean(truth) => truth.to_string(),
                _ => {
                    self.wrong.push(format!("{origin}: {}: text, a number, true or false is wanted", key.get_ref()));
                    continue;
                }
            };
            found.insert(key.get_ref().replace('_', "-"), (value.into(), origin));
        }
        found
    }

    /// Reports what `kith serve` must be given and is not.
    pub fn check_given(&mut self, command: &Command) {
        let missing = command.get_arguments().filter(|arg| arg.is_required_set());
        let missing = missing.filter_map(|arg| Some((arg, arg.get_long().filter(|name| self.get(name).is_none())?)));
        let errors = missing.map(|(arg, name)| {
            let variable = arg.get_env().map(|name| name.to_string_lossy()).unwrap_or_default();
            format!("{name} must be given: --{name}, {variable}, or {} in the file", key_of(name))
        });
        self.wrong.extend(errors.collect::<Vec<_>>());
    }

    /// Returns the settings whose values differ from `before`.
    pub fn changed_since<'s>(&'s self, before: &'s Settings) -> impl Iterator<Item = &'s str> {
        let is_same =
            |setting: &&Setting| before.all.iter().any(|b| b.name == setting.name && b.value == setting.value);
        self.all.iter().filter(move |setting| !is_same(setting)).map(|setting| setting.name.as_str())
    }

    /// Fails with all errors, if there are any.
    pub fn refused(&self) -> Result<(), Failure> {
        let count = self.wrong.len();
        if count == 0 {
            return Ok(());
        }
        let what = if count == 1 { "a setting is wrong".to_owned() } else { format!("{count} settings are wrong") };
        let lines: String = self.wrong.iter().map(|wrong| format!("\n       {wrong}")).collect();
        Err(Failure::Local { message: format!("{what}{lines}"), exit_code: WRONG_USE })
    }

    /// Returns the settings as flags.
    pub fn as_flags(&self) -> impl Iterator<Item = OsString> + '_ {
        let given = self.all.iter().filter(|setting| !matches!(setting.origin, Origin::Default | Origin::None));
        given.filter_map(|setting| {
            let value = setting.value.as_deref()?;
            let mut flag = OsString::from(format!("--{}", setting.name));
            if setting.switch {
                return is_true(value).then_some(flag);
            }
            flag.push("=");
            flag.push(value);
            Some(flag)
        })
    }
}

/// Returns a setting's name as a file has it.
fn key_of(name: &str) -> String {
    name.replace('-', "_")
}

fn is_setting(arg: &Arg) -> bool {
    arg.get_env().is_some()
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

fn is_true(value: &OsStr) -> bool {
    BoolishValueParser::new().parse_ref(&Command::new("kith"), None, value).unwrap_or(false)
}

/// Returns the value that a flag or the environment gives.
fn value_of(
    name: &str,
    command: &Command,
    given: &ArgMatches,
    environment: &impl Fn(&str) -> Option<OsString>,
) -> Option<(OsString, Origin)> {
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name))?;
    let id = arg.get_id().as_str();
    if given.value_source(id) == Some(ValueSource::CommandLine) {
        let value = if is_switch(arg) { Some("true".into()) } else { given.get_one::<OsString>(id).cloned() };
        return value.map(|value| (value, Origin::Flag));
    }
    let variable = arg.get_env()?.to_str()?;
    // A variable that is set to nothing counts as not set: charts and compose files cannot leave a variable out.
    let value = environment(variable).filter(|value| !value.is_empty())?;
    Some((value, Origin::Environment(variable.to_owned())))
}

/// Checks a value by the flag's own definition.
fn check(arg: &Arg, name: &str, value: &OsStr) -> Result<(), String> {
    if is_switch(arg) {
        let parsed = BoolishValueParser::new().parse_ref(&Command::new("kith"), None, value);
        return parsed.map(drop).map_err(|_| "true or false is wanted".to_owned());
    }
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(value);
    let alone = Command::new("kith").no_binary_name(true).disable_help_flag(true);
    let alone = alone.arg(arg.clone().env(Resettable::Reset).required(false));
    alone.try_get_matches_from([flag]).map(drop).map_err(|error| {
        let wanted = match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(values)) if !values.is_empty() => Some(values.join(", ")),
            _ => None,
        };
        match (error.source(), wanted) {
            (Some(why), _) => why.to_string(),
            (None, Some(wanted)) => format!("one of these is wanted: {wanted}"),
            (None, None) => "a value is wanted".to_owned(),
        }
    })
}

/// Returns the setting that was probably meant, if one looks much like the key.
fn nearest<'a>(key: &str, command: &'a Command) -> Option<&'a str> {
    let names = command.get_arguments().filter(|arg| is_setting(arg)).filter_map(Arg::get_long);
    let names = names.filter(|name| *name != FILE_FLAG);
    let (distance, name) = names.map(|name| (strsim::levenshtein(key, name), name)).min()?;
    (distance <= 2).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_of_settings_breaks_the_start() {
        let whole = "# of the example\nlisten = \"127.0.0.1:50051\"\nmax_calls = 64\ninsecure = true\nlog = 'info'\n";
        crate::fuzz::fuzz("settings", [whole.as_bytes().to_vec()], |bytes| {
            let mut settings = Settings::default();
            settings.keys_of(Path::new("kith.toml"), &String::from_utf8_lossy(bytes));
            if settings.wrong.is_empty() { Ok(()) } else { Err(settings.wrong) }
        });
    }
}
