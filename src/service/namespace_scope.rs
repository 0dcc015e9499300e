//! Which namespaces a caller may know of.

use crate::domain::{NamespaceName, Violation};

/// Names of namespaces: one, all that begin alike, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespacePattern {
    All,
    Prefix(String),
    Name(NamespaceName),
}

impl NamespacePattern {
    /// Parses a name, or the beginning of names with `*` behind it; `*` alone is all.
    pub fn parse(field: &str, text: &str) -> Result<NamespacePattern, Violation> {
        match text.strip_suffix('*') {
            Some("") => Ok(NamespacePattern::All),
            // What names begin with is a name, too.
            Some(prefix) => NamespaceName::parse(field, prefix).map(|_| NamespacePattern::Prefix(prefix.to_owned())),
            None => NamespaceName::parse(field, text).map(NamespacePattern::Name),
        }
    }

    pub fn covers(&self, name: &NamespaceName) -> bool {
        match self {
            NamespacePattern::All => true,
            NamespacePattern::Prefix(prefix) => name.as_str().starts_with(prefix),
            NamespacePattern::Name(only) => only == name,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_a_name_or_all_that_begin_alike() {
        let covered = |pattern: &str| -> Vec<&str> {
            let pattern = NamespacePattern::parse("namespaces", pattern).unwrap();
            let names = ["acme", "acme-eu", "ac", "beta", "default"];
            names.into_iter().filter(|name| pattern.covers(&NamespaceName::parse("name", name).unwrap())).collect()
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
