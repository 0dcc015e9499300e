//! A split: who was joined to whom up to a time, and who met after it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use kith::cli::Failure;
use kith::domain::TimeMs;
use kith::domain::limits::HALF_LIFE_DEFAULT_MS;

/// The parameters of strengths, beside the interactions of two members.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fading {
    pub prior: f64,
    pub half_life_ms: u64,
    pub as_of: TimeMs,
}

impl Fading {
    /// The parameters of a set without times: every tie is as strong as a friend's of whom no more is known.
    const NONE: Fading = Fading { prior: 1.0, half_life_ms: HALF_LIFE_DEFAULT_MS, as_of: TimeMs(0) };
}

/// Two members who are joined, and when they interacted.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownTie {
    pub a: u32,
    pub b: u32,
    /// The times in seconds since 1970; empty in a set without times.
    pub times_s: Vec<u32>,
}

/// A split, whose members are known by their index among the names that occur in `train.tsv`.
#[derive(Debug)]
pub struct Split {
    pub name: String,
    pub members: Vec<String>,
    /// The ties, each pair once.
    pub ties: Vec<KnownTie>,
    /// The members whom each member met later, in order.
    pub hidden: Vec<Vec<u32>>,
    /// The members to suggest to; each met somebody.
    pub queries: Vec<u32>,
    pub fading: Fading,
}

impl Split {
    /// Reads `train.tsv`, `test.tsv` and `queries.txt` of a folder, and of `ABOUT` the cut, half-life and prior if ties are timed.
    pub fn read(folder: &Path) -> Result<Split, Failure> {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut split = Split {
            name,
            members: Vec::new(),
            ties: Vec::new(),
            hidden: Vec::new(),
            queries: Vec::new(),
            fading: Fading::NONE,
        };
        let mut indices: HashMap<String, u32> = HashMap::new();
        let timed = split.read_train(&Text::read(folder, "train.tsv")?, &mut indices)?;
        if timed {
            split.fading = fading(&Text::read(folder, "ABOUT")?)?;
        }
        split.read_test(&Text::read(folder, "test.tsv")?, &indices)?;
        split.read_queries(&Text::read(folder, "queries.txt")?, &indices)?;
        Ok(split)
    }

    /// Reads the ties, and returns whether they are timed.
    fn read_train(&mut self, train: &Text, indices: &mut HashMap<String, u32>) -> Result<bool, Failure> {
        let mut pairs: HashMap<(u32, u32), usize> = HashMap::new();
        let mut timed = None;
        for (line, words) in train.lines() {
            let (a, b, time) = match words.as_slice() {
                [a, b] => (a, b, None),
                [a, b, time] => (a, b, Some(time)),
                _ => return Err(train.wrong(line, "two members, and a time if the others have one, were expected")),
            };
            if *timed.get_or_insert(time.is_some()) != time.is_some() {
                return Err(train.wrong(line, "some lines have a time and some have none"));
            }
            let mut index = |name: &str| {
                *indices.entry(name.to_owned()).or_insert_with(|| {
                    self.members.push(name.to_owned());
                    self.members.len() as u32 - 1
                })
            };
            let (a, b) = (index(a), index(b));
            if a == b {
                return Err(train.wrong(line, "a member is joined to itself"));
            }
            let tie = *pairs.entry((a.min(b), a.max(b))).or_insert_with(|| {
                self.ties.push(KnownTie { a, b, times_s: Vec::new() });
                self.ties.len() - 1
            });
            if let Some(time) = time {
                let time_s = time.parse().map_err(|_| train.wrong(line, "the time is no number of seconds"))?;
                self.ties[tie].times_s.push(time_s);
            }
        }
        Ok(timed == Some(true))
    }

    fn read_test(&mut self, test: &Text, indices: &HashMap<String, u32>) -> Result<(), Failure> {
        let known: std::collections::HashSet<(u32, u32)> =
            self.ties.iter().map(|tie| (tie.a.min(tie.b), tie.a.max(tie.b))).collect();
        self.hidden = vec![Vec::new(); self.members.len()];
        for (line, words) in test.lines() {
            let [a, b] = words.as_slice() else { return Err(test.wrong(line, "two members were expected")) };
            let (Some(&a), Some(&b)) = (indices.get(*a), indices.get(*b)) else {
                return Err(test.wrong(line, "a member does not occur in train.tsv"));
            };
            if a == b || known.contains(&(a.min(b), a.max(b))) {
                return Err(test.wrong(line, "the two are joined in train.tsv already"));
            }
            self.hidden[a as usize].push(b);
            self.hidden[b as usize].push(a);
        }
        for met in &mut self.hidden {
            met.sort_unstable();
            met.dedup();
        }
        Ok(())
    }

    fn read_queries(&mut self, queries: &Text, indices: &HashMap<String, u32>) -> Result<(), Failure> {
        for (line, words) in queries.lines() {
            let [name] = words.as_slice() else { return Err(queries.wrong(line, "one member was expected")) };
            let Some(&member) = indices.get(*name) else {
                return Err(queries.wrong(line, "the member does not occur in train.tsv"));
            };
            if self.hidden[member as usize].is_empty() {
                return Err(queries.wrong(line, "test.tsv has nobody for the member to meet"));
            }
            self.queries.push(member);
        }
        if self.queries.is_empty() { Err(queries.without("a member")) } else { Ok(()) }
    }
}

/// Reads when the past ends and how fast it fades: fields of `ABOUT`, each on a line of its own, `cut = 1086494965.8`, `half-life =
/// 1209600` (seconds both) and `prior = 0`. All else there is for people.
fn fading(about: &Text) -> Result<Fading, Failure> {
    let required = |name: &str| about.number(name)?.ok_or_else(|| about.without(&format!("{name} in seconds")));
    Ok(Fading {
        prior: about.number("prior")?.unwrap_or(0.0),
        half_life_ms: (required("half-life")? * 1_000.0) as u64,
        as_of: TimeMs((required("cut")? * 1_000.0) as i64),
    })
}

/// A file of the split.
struct Text {
    path: String,
    text: String,
}

impl Text {
    fn read(folder: &Path, name: &str) -> Result<Text, Failure> {
        let path = folder.join(name);
        let text = fs::read_to_string(&path);
        let path = path.display().to_string();
        let text = text.map_err(|error| Failure::new(format!("{path} cannot be read: {error}")))?;
        Ok(Text { path, text })
    }

    /// Returns the words of each line that is no comment, with its number.
    fn lines(&self) -> impl Iterator<Item = (usize, Vec<&str>)> {
        let lines = self.text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#') && !line.trim().is_empty());
        lines.map(|(line, number)| (number, line.split_whitespace().collect()))
    }

    /// Returns the number of a field: from its line, or, where there are no such lines, from the sentence that older splits have, "… up to
    /// the cut 1086494965.8 (seconds) … with half-life 1209600 (seconds), prior 0".
    fn number(&self, name: &str) -> Result<Option<f64>, Failure> {
        let field = |line: &str| {
            line.split_once(['=', ':']).filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
        };
        let mut found = self.text.lines().zip(1..).filter_map(|(line, number)| Some((number, field(line)?)));
        if let Some((line, value)) = found.next() {
            if let Some((again, _)) = found.next() {
                return Err(self.wrong(again, &format!("{name} is given twice")));
            }
            let number = value.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
            return number.map(Some).ok_or_else(|| self.wrong(line, &format!("{name} is no number")));
        }
        Ok(self.number_in_sentence(name))
    }

    /// Returns the number right after a word that stands alone; a time has its unit behind it.
    fn number_in_sentence(&self, name: &str) -> Option<f64> {
        let words: Vec<&str> = self.text.split_whitespace().collect();
        let number = |word: &str| word.trim_end_matches(['.', ',', ';']).parse::<f64>().ok();
        let in_seconds = |unit: &str| name == "prior" || unit.starts_with("(seconds)");
        let at = (0..words.len()).find(|&at| {
            let number = words.get(at + 1).is_some_and(|word| number(word).is_some());
            words[at] == name && number && in_seconds(words.get(at + 2).copied().unwrap_or_default())
        })?;
        number(words[at + 1])
    }

    fn wrong(&self, line: usize, why: &str) -> Failure {
        Failure::new(format!("{}, line {line}: {why}", self.path))
    }

    fn without(&self, what: &str) -> Failure {
        Failure::new(format!("{} does not name {what}", self.path))
    }
}
