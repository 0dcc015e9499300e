//! A split: who was joined to whom up to a time, and who met after it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::cli::failure::Failure;
use crate::domain::TimeMs;
use crate::domain::limits::HALF_LIFE_DEFAULT_MS;

/// What strengths depend on, beside the interactions of two members.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fading {
    pub prior: f64,
    pub half_life_ms: u64,
    pub as_of: TimeMs,
}

impl Fading {
    /// Of a set without times: every tie is as strong as a friend's of whom no more is known.
    const NONE: Fading = Fading { prior: 1.0, half_life_ms: HALF_LIFE_DEFAULT_MS, as_of: TimeMs(0) };
}

/// Two members who are joined, and when they interacted.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownTie {
    pub a: u32,
    pub b: u32,
    /// Seconds since 1970; none in a set without times.
    pub times_s: Vec<u32>,
}

/// Members are known by their place among the names that occur in `train.tsv`.
#[derive(Debug)]
pub struct Split {
    pub name: String,
    pub members: Vec<String>,
    /// Each pair once.
    pub ties: Vec<KnownTie>,
    /// By member: whom they met later, in order.
    pub hidden: Vec<Vec<u32>>,
    /// Whose introductions are looked for; each met somebody.
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
        let mut places: HashMap<String, u32> = HashMap::new();
        let timed = split.read_train(&Text::read(folder, "train.tsv")?, &mut places)?;
        if timed {
            split.fading = fading(&Text::read(folder, "ABOUT")?)?;
        }
        split.read_test(&Text::read(folder, "test.tsv")?, &places)?;
        split.read_queries(&Text::read(folder, "queries.txt")?, &places)?;
        Ok(split)
    }

    /// Whether ties are timed.
    fn read_train(&mut self, train: &Text, places: &mut HashMap<String, u32>) -> Result<bool, Failure> {
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
            let mut place = |name: &str| {
                *places.entry(name.to_owned()).or_insert_with(|| {
                    self.members.push(name.to_owned());
                    self.members.len() as u32 - 1
                })
            };
            let (a, b) = (place(a), place(b));
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

    fn read_test(&mut self, test: &Text, places: &HashMap<String, u32>) -> Result<(), Failure> {
        let known: std::collections::HashSet<(u32, u32)> =
            self.ties.iter().map(|tie| (tie.a.min(tie.b), tie.a.max(tie.b))).collect();
        self.hidden = vec![Vec::new(); self.members.len()];
        for (line, words) in test.lines() {
            let [a, b] = words.as_slice() else { return Err(test.wrong(line, "two members were expected")) };
            let (Some(&a), Some(&b)) = (places.get(*a), places.get(*b)) else {
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

    fn read_queries(&mut self, queries: &Text, places: &HashMap<String, u32>) -> Result<(), Failure> {
        for (line, words) in queries.lines() {
            let [name] = words.as_slice() else { return Err(queries.wrong(line, "one member was expected")) };
            let Some(&member) = places.get(*name) else {
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

/// When the past ends and how fast it fades, as `ABOUT` says it: "cut 1086494965.8 …, half-life 1209600 …, prior 0".
fn fading(about: &Text) -> Result<Fading, Failure> {
    let number = |word: &str| {
        let after = about.text.split(word).skip(1);
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let words = after.map(|rest| rest.trim_start().split(|c| !is_part(c)).next().unwrap_or_default());
        words.filter_map(|number| number.trim_end_matches('.').parse::<f64>().ok()).next()
    };
    let required = |word: &str| number(word).ok_or_else(|| about.without(&format!("{word} in seconds")));
    Ok(Fading {
        prior: number("prior").unwrap_or(0.0),
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

    /// The words of each line that is no comment, with its number.
    fn lines(&self) -> impl Iterator<Item = (usize, Vec<&str>)> {
        let lines = self.text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#') && !line.trim().is_empty());
        lines.map(|(line, number)| (number, line.split_whitespace().collect()))
    }

    fn wrong(&self, line: usize, why: &str) -> Failure {
        Failure::new(format!("{}, line {line}: {why}", self.path))
    }

    fn without(&self, what: &str) -> Failure {
        Failure::new(format!("{} does not name {what}", self.path))
    }
}
