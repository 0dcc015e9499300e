//! Which namespaces a caller may know of.

use std::ops::Bound;

use crate::domain::{NamespaceName, Violation};

/// Names of namespaces: one, all that begin alike, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespacePattern {
    All,
    /// What names begin with is a name, too.
    Prefix(NamespaceName),
    Name(NamespaceName),
}

impl NamespacePattern {
    /// Parses a name, or the beginning of names with `*` behind it; `*` alone is all.
    pub fn parse(field: &str, text: &str) -> Result<NamespacePattern, Violation> {
        match text.strip_suffix('*') {
            Some("") => Ok(NamespacePattern::All),
            Some(prefix) => NamespaceName::parse(field, prefix).map(NamespacePattern::Prefix),
            None => NamespaceName::parse(field, text).map(NamespacePattern::Name),
        }
    }

    pub fn covers(&self, name: &NamespaceName) -> bool {
        match self {
            NamespacePattern::All => true,
            NamespacePattern::Prefix(prefix) => name.as_str().starts_with(prefix.as_str()),
            NamespacePattern::Name(only) => only == name,
        }
    }

    /// Returns the least name that it covers; none if it covers all.
    fn least(&self) -> Option<&NamespaceName> {
        match self {
            NamespacePattern::All => None,
            NamespacePattern::Prefix(least) | NamespacePattern::Name(least) => Some(least),
        }
    }
}

/// The namespaces that any of some patterns covers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamespaceScope(pub Vec<NamespacePattern>);

impl NamespaceScope {
    pub fn covers(&self, name: &NamespaceName) -> bool {
        self.0.iter().any(|pattern| pattern.covers(name))
    }

    /// Returns whether every namespace is covered, those to come too.
    pub fn covers_all(&self) -> bool {
        self.0.contains(&NamespacePattern::All)
    }

    /// Returns those of some namespaces that are covered, by name; those after `after` if given. `from` gives all of them by name, from a
    /// bound on. No more of what it gives is looked at than is covered, and one for each pattern.
    pub fn among<'n, T, I: Iterator<Item = (&'n NamespaceName, T)>>(
        &'n self,
        after: Option<&'n NamespaceName>,
        from: impl Fn(Bound<&'n NamespaceName>) -> I,
    ) -> impl Iterator<Item = (&'n NamespaceName, T)> {
        self.apart().into_iter().flat_map(move |pattern| {
            let begin = match (pattern.least(), after) {
                (Some(least), after) if after.is_none_or(|after| after < least) => Bound::Included(least),
                (_, after) => after.map_or(Bound::Unbounded, Bound::Excluded),
            };
            from(begin).take_while(|(name, _)| pattern.covers(name))
        })
    }

    /// Returns the patterns in the order of what they cover, without those that cover nothing of their own: of two that have a name in
    /// common, one has all names of the other.
    fn apart(&self) -> Vec<&NamespacePattern> {
        let mut patterns: Vec<&NamespacePattern> = self.0.iter().collect();
        patterns.sort_unstable_by_key(|pattern| (pattern.least(), matches!(pattern, NamespacePattern::Name(_))));
        patterns.dedup_by(|next, kept| next.least().is_none_or(|least| kept.covers(least)));
        patterns
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use super::*;

    fn name(text: &str) -> NamespaceName {
        NamespaceName::parse("name", text).unwrap()
    }

    fn scope(patterns: &[&str]) -> NamespaceScope {
        let parse = |pattern: &&str| NamespacePattern::parse("namespaces", pattern).unwrap();
        NamespaceScope(patterns.iter().map(parse).collect())
    }

    #[test]
    fn what_is_covered_comes_by_name_and_hardly_any_other_name_is_looked_at() {
        let all: BTreeSet<NamespaceName> = (0..10_000).map(|n| name(&format!("n{n:04}"))).collect();
        let scopes: [&[&str]; 8] = [
            &["*"],
            &["n00*", "*"],
            &["n0042"],
            &["n12*", "n1234", "n0001", "n12*", "n123*"],
            &["n9999", "n5*", "n50*", "n0000"],
            &["a*", "b", "z"],
            &["n0001", "n0001*", "n00010"],
            &[],
        ];
        for patterns in scopes {
            let scope = scope(patterns);
            for after in [None, Some(name("a")), Some(name("n1233")), Some(name("n5000")), Some(name("n9999"))] {
                let looked_at = Cell::new(0);
                let from = |begin: Bound<&NamespaceName>| {
                    let range = all.range::<NamespaceName, _>((begin, Bound::Unbounded));
                    range.map(|name| (name, ())).inspect(|_| looked_at.set(looked_at.get() + 1))
                };
                let expected =
                    || all.iter().filter(|name| scope.covers(name) && after.as_ref().is_none_or(|after| after < name));
                let covered = |most: usize| scope.among(after.as_ref(), from).take(most).map(|(name, ())| name);
                assert!(covered(usize::MAX).eq(expected()), "{patterns:?} after {after:?}");
                looked_at.set(0);
                let page = covered(10).count();
                assert!(looked_at.get() <= page + patterns.len(), "{patterns:?} after {after:?}: {}", looked_at.get());
            }
        }
    }

    #[test]
    fn a_pattern_covers_a_name_or_all_that_begin_alike() {
        let covered = |pattern: &str| -> Vec<&str> {
            let pattern = NamespacePattern::parse("namespaces", pattern).unwrap();
            let names = ["acme", "acme-eu", "ac", "beta", "default"];
            names.into_iter().filter(|text| pattern.covers(&name(text))).collect()
        };
        assert_eq!(covered("*"), ["acme", "acme-eu", "ac", "beta", "default"]);
        assert_eq!(covered("acme"), ["acme"]);
        assert_eq!(covered("acme*"), ["acme", "acme-eu"]);
        assert_eq!(covered("acme-*"), ["acme-eu"]);
        for wrong in ["", "Acme", "a*b", "**", "-a*", "a/b"] {
            assert!(NamespacePattern::parse("namespaces", wrong).is_err(), "{wrong}");
        }
    }
}
