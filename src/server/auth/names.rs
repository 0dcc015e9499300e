//! The names in a client's certificate, each of its own type.

use std::fmt::{self, Debug, Formatter};

use tokio_rustls::rustls::pki_types::DnsName;

/// A name of a certificate's SAN. A DNS name and a URI that read the same are two names: an authority that checks who has a domain may sign
/// any URI.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// The name in small letters: DNS does not tell them from capitals.
    Dns(String),
    Uri(String),
}

impl CertificateName {
    /// Parses a name as the file of callers has it. A URI has a scheme, and a DNS name no colon.
    pub fn parse(text: &str) -> Result<CertificateName, String> {
        if text.contains('*') {
            return Err(format!("the certificate {text}: a wildcard names nobody"));
        }
        let name = if text.contains(':') { CertificateName::uri(text) } else { CertificateName::dns(text) };
        name.ok_or_else(|| format!("the certificate {text:?} is neither a DNS name nor a URI"))
    }

    /// Returns a DNS name; none for a wildcard, because a certificate for all hosts of a domain does not say which of them calls.
    pub fn dns(text: &str) -> Option<CertificateName> {
        let is_one = !text.contains('*') && DnsName::try_from(text).is_ok();
        is_one.then(|| CertificateName::Dns(text.to_ascii_lowercase()))
    }

    /// Returns a URI; none without a scheme.
    pub fn uri(text: &str) -> Option<CertificateName> {
        let (scheme, rest) = text.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let is_uri = is_scheme && !rest.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        is_uri.then(|| CertificateName::Uri(text.to_owned()))
    }
}

impl Debug for CertificateName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            CertificateName::Dns(name) => write!(f, "DNS:{name}"),
            CertificateName::Uri(name) => write!(f, "URI:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_their_type() {
        assert_eq!(CertificateName::parse("Admin.Internal").ok(), CertificateName::dns("admin.internal"));
        assert_eq!(CertificateName::parse("spiffe://a/b").ok(), CertificateName::uri("spiffe://a/b"));
        assert_eq!(CertificateName::parse("urn:a:b").ok(), CertificateName::uri("urn:a:b"));
        assert_eq!(CertificateName::uri("admin.internal"), None, "a URI has a scheme");
        assert_eq!(CertificateName::dns("*.internal"), None);
        assert_ne!(CertificateName::uri("urn:a"), CertificateName::dns("urn:a"));
        for wrong in ["", "*.internal", "a b", ":x", "1:x", "spiffe:", "-", "a..b"] {
            assert!(CertificateName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
