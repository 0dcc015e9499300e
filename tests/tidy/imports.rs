//! Which file imports which, read off the text: `use` with all its braces, and paths in the code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::Source;

/// The files of one package by their modules' paths, as in `engine::lanes`; the root is empty.
pub struct Package {
    files: BTreeMap<String, PathBuf>,
    /// By module, where the names come from that it hands on.
    handed_on: BTreeMap<String, BTreeMap<String, String>>,
    imports: BTreeMap<PathBuf, BTreeSet<(PathBuf, String)>>,
}

impl Package {
    /// Reads the sources below a folder with a `lib.rs`.
    pub fn read(folder: &Path, sources: &[Source]) -> Package {
        let inside = sources.iter().filter(|source| source.path.starts_with(folder));
        let modules: Vec<(String, &Source)> = inside.map(|source| (module_of(folder, &source.path), source)).collect();
        let files = modules.iter().map(|(module, source)| (module.clone(), source.path.clone())).collect();
        let mut package = Package { files, handed_on: BTreeMap::new(), imports: BTreeMap::new() };
        for (module, source) in &modules {
            let handed_on = uses(&source.code).into_iter().filter(|used| used.is_handed_on);
            let names = handed_on.filter_map(|used| {
                let path = package.absolute(module, &used.path)?;
                Some((path.rsplit("::").next()?.to_owned(), path))
            });
            let names = names.collect();
            package.handed_on.insert(module.clone(), names);
        }
        for (module, source) in &modules {
            let imports = paths(&source.code).into_iter().filter_map(|path| {
                let path = package.absolute(module, &path)?;
                let file = package.file_of(&path)?;
                (file != source.path).then_some((file, path))
            });
            let imports = imports.collect();
            package.imports.insert(source.path.clone(), imports);
        }
        package
    }

    /// A path from the package's root, if it is one of this package's.
    fn absolute(&self, module: &str, path: &str) -> Option<String> {
        let is_child = |path: &String| {
            let child = path.split("::").next().unwrap_or_default();
            let parts = [module, child].into_iter().filter(|part| !part.is_empty());
            self.files.contains_key(&parts.collect::<Vec<_>>().join("::"))
        };
        let child = || Some(path.to_owned()).filter(is_child).and_then(|path| rooted(module, &format!("self::{path}")));
        rooted(module, path).or_else(child)
    }

    /// The file that a path leads to: through names that are handed on to where they come from.
    fn file_of(&self, path: &str) -> Option<PathBuf> {
        let mut path = path.to_owned();
        // A name is handed on a few times at most.
        for _ in 0..8 {
            let parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
            let depth = (0..=parts.len()).rev().find(|depth| self.files.contains_key(&parts[..*depth].join("::")))?;
            let module = parts[..depth].join("::");
            let from = parts.get(depth).and_then(|name| self.handed_on.get(&module)?.get(*name)).cloned();
            match from {
                Some(from) if from != path => path = from,
                // What is named is the module itself: who uses what of it is seen where it is used.
                _ if depth == parts.len() && self.handed_on.get(&module).is_some_and(|names| !names.is_empty()) => {
                    return None;
                }
                _ => return self.files.get(&module).cloned(),
            }
        }
        None
    }

    /// Files that import each other in a loop, each loop with what ties it.
    pub fn circles(&self) -> Vec<String> {
        let reaches: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
            self.imports.keys().map(|file| (file, self.reached_from(file))).collect();
        let mut circles: BTreeMap<BTreeSet<&PathBuf>, Vec<String>> = BTreeMap::new();
        for (file, imports) in &self.imports {
            let back: BTreeSet<&PathBuf> =
                reaches[file].iter().copied().filter(|other| reaches[*other].contains(file)).collect();
            let ties = imports.iter().filter(|(to, _)| back.contains(to) && to != file);
            let ties: Vec<String> =
                ties.map(|(to, name)| format!("{} takes {name} of {}", file.display(), to.display())).collect();
            if !ties.is_empty() {
                circles.entry(back).or_default().extend(ties);
            }
        }
        circles.into_values().map(|ties| ties.join("\n    ")).collect()
    }

    fn reached_from(&self, file: &PathBuf) -> BTreeSet<&PathBuf> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&PathBuf> = self.imports[file].iter().map(|(to, _)| to).collect();
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                next.extend(self.imports.get(file).into_iter().flatten().map(|(to, _)| to));
            }
        }
        reached
    }
}

/// A path that begins at the root, above or at a module, from the root.
fn rooted(module: &str, path: &str) -> Option<String> {
    let mut here: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let mut parts = path.split("::").peekable();
    match *parts.peek()? {
        "crate" => {
            parts.next();
            here.clear();
        }
        "super" => {
            while parts.next_if_eq(&"super").is_some() {
                here.pop()?;
            }
        }
        "self" => drop(parts.next()),
        _ => return None,
    }
    Some(here.into_iter().chain(parts).collect::<Vec<_>>().join("::"))
}

/// The paths in a source that say from where in its package they begin, from the root.
pub fn absolute_paths(folder: &Path, source: &Source) -> Vec<String> {
    let module = module_of(folder, &source.path);
    let used = uses(&source.code).into_iter().map(|used| used.path).chain(paths(&source.code));
    used.filter_map(|path| rooted(&module, &path)).collect()
}

/// `engine::lanes` of `engine/lanes/mod.rs`; empty of `lib.rs`.
fn module_of(folder: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(folder).unwrap().with_extension("");
    let parts = inside.iter().map(|part| part.to_str().unwrap());
    parts.filter(|part| !["mod", "lib", "main"].contains(part)).collect::<Vec<_>>().join("::")
}

struct Used {
    path: String,
    /// `pub use`.
    is_handed_on: bool,
}

/// What a file uses, each name with its whole path. A `use` begins its line, as rustfmt puts it.
fn uses(code: &str) -> Vec<Used> {
    let mut found = Vec::new();
    let mut lines = code.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let (before, after) = line.split_once("use ").unwrap_or(("none", ""));
        if !before.is_empty() && !before.starts_with("pub") || before.contains('"') {
            continue;
        }
        let mut tree = after.to_owned();
        while !tree.contains(';') {
            let Some(more) = lines.next() else { break };
            tree.push_str(more);
        }
        let mut paths = Vec::new();
        expand("", tree.split(';').next().unwrap_or_default(), &mut paths);
        found.extend(paths.into_iter().map(|path| Used { path, is_handed_on: !before.is_empty() }));
    }
    found
}

/// The paths in a file's code that begin at a module: of its `use`, but for those that are handed on, and of everything else.
fn paths(code: &str) -> Vec<String> {
    let mut found: Vec<String> =
        uses(code).into_iter().filter(|used| !used.is_handed_on).map(|used| used.path).collect();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let is_path_begin = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let path = code[at..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next();
            let in_handed_on = code[..at].rsplit(';').next().is_some_and(|before| before.contains("pub use"));
            if let Some(path) = path.filter(|_| is_path_begin && !in_handed_on) {
                found.push(path.trim_end_matches(':').to_owned());
            }
        }
    }
    found
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim().trim_end_matches("::*");
        let path = path.strip_suffix("::self").unwrap_or(path);
        return found.push(if path == "self" {
            prefix.trim_end_matches("::").to_owned()
        } else {
            format!("{prefix}{path}")
        });
    };
    let prefix = format!("{prefix}{}", head.trim());
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut depth, mut begin) = (0, 0);
    for (at, letter) in inside.char_indices().chain([(inside.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let one = inside[begin..at].trim();
                begin = at + 1;
                if !one.is_empty() {
                    expand(&prefix, one, found);
                }
            }
            _ => {}
        }
    }
}
