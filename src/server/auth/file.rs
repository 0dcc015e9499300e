//! The file that says who may call: TOML, beside the file of keys it may name.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::caller::own_namespaces;
use super::jwt::{JwtSettings, Jwts};
use super::{Access, Caller, CertificateName, Grant, Known, Rights, Role, Roles, TokenHash};
use crate::domain::{MemberId, Violation};
use crate::server::reload::Source;
use crate::service::{NamespacePattern, NamespaceScope};

/// The path of the file.
#[derive(Debug, Clone)]
pub struct AccessFile(pub PathBuf);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    callers: Vec<CallerEntry>,
    jwt: Option<JwtSettings>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallerEntry {
    name: String,
    /// The roles in `namespaces`.
    #[serde(default)]
    roles: Vec<Role>,
    /// The namespaces of the roles: names, or beginnings of names with `*` behind them. Without any it is the default one alone.
    namespaces: Option<Vec<String>>,
    /// Roles in other namespaces.
    #[serde(default)]
    grants: Vec<GrantEntry>,
    /// The member that the caller is bound to: it reads on behalf of this one alone.
    viewer: Option<String>,
    /// A caller may have more than one token, so that one can be replaced without a break.
    #[serde(default)]
    token_sha256: Vec<String>,
    /// The DNS names and URIs of the caller's client certificates.
    #[serde(default)]
    certificates: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantEntry {
    namespaces: Vec<String>,
    roles: Vec<Role>,
}

fn parse(text: &[u8]) -> Result<Content, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    // The error's own text shows the line at fault, which may hold a secret that was put into the wrong field.
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| 1 + text.as_bytes()[..span.start].iter().filter(|b| **b == b'\n').count());
        format!("line {}: {}", line.unwrap_or_default(), error.message())
    })
}

impl Source for AccessFile {
    type Value = Access;

    fn name(&self) -> String {
        format!("--auth {}", self.0.display())
    }

    fn read(&self) -> Result<Vec<Vec<u8>>, String> {
        let own = fs::read(&self.0).map_err(|error| error.to_string())?;
        let mut files = vec![own];
        if let Some(jwt) = parse(&files[0])?.jwt {
            // The keys' path is relative to this file, unless it is absolute.
            let keys = self.0.parent().unwrap_or(&self.0).join(&jwt.keys);
            files.push(fs::read(&keys).map_err(|error| format!("jwt.keys {}: {error}", keys.display()))?);
        }
        Ok(files)
    }

    fn make(&self, files: &[Vec<u8>]) -> Result<Access, String> {
        let content = parse(files.first().map_or(&[], Vec::as_slice))?;
        if content.callers.is_empty() && content.jwt.is_none() {
            return Err("names nobody: it needs [[callers]] or [jwt]".to_owned());
        }
        let (by_token, by_certificate) = tables(content.callers)?;
        let jwts = match (content.jwt, files.get(1)) {
            (Some(settings), Some(keys)) => Some(Jwts::new(settings, keys)?),
            _ => None,
        };
        Ok(Access::Known(Box::new(Known { by_token, by_certificate, jwts, checked: Default::default() })))
    }
}

type Tables = (HashMap<TokenHash, Caller>, HashMap<CertificateName, Caller>);

fn tables(entries: Vec<CallerEntry>) -> Result<Tables, String> {
    let (mut by_token, mut by_certificate) = (HashMap::new(), HashMap::new());
    for entry in entries {
        let name = &entry.name;
        if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
            return Err(format!("caller {name:?}: a name has no colon and no control character"));
        }
        let names_own = entry.namespaces.is_some();
        let own = GrantEntry { namespaces: own_namespaces(entry.namespaces), roles: entry.roles };
        if entry.grants.iter().chain(names_own.then_some(&own)).any(|grant| grant.roles.is_empty()) {
            return Err(format!("caller {name}: namespaces without roles allow nothing"));
        }
        let grants = std::iter::once(own).chain(entry.grants);
        let rights = rights(grants, entry.viewer).map_err(|why| format!("caller {name}: {why}"))?;
        if entry.token_sha256.is_empty() && entry.certificates.is_empty() {
            return Err(format!("caller {name}: nobody can show to be it without token_sha256 or certificates"));
        }
        let caller = Caller::known(name.as_str().into(), rights, None);
        for digits in &entry.token_sha256 {
            let hash = from_hex(digits).ok_or_else(|| format!("caller {name}: token_sha256 must be 64 hex digits"))?;
            if by_token.insert(hash, caller.clone()).is_some() {
                return Err(format!("caller {name}: its token is another caller's too"));
            }
        }
        for certificate in &entry.certificates {
            let name_in_it = CertificateName::parse(certificate).map_err(|why| format!("caller {name}: {why}"))?;
            if by_certificate.insert(name_in_it, caller.clone()).is_some() {
                return Err(format!("caller {name}: the certificate {certificate} is another caller's too"));
            }
        }
    }
    Ok((by_token, by_certificate))
}

fn rights(grants: impl Iterator<Item = GrantEntry>, viewer: Option<String>) -> Result<Rights, String> {
    let grant =
        |GrantEntry { namespaces, roles }| Ok(Grant { namespaces: scope(&namespaces)?, roles: Roles::of(roles) });
    let grants = grants.map(grant).collect::<Result<Arc<[Grant]>, String>>()?;
    let Some(viewer) = viewer else { return Ok(Rights { grants, viewer: None }) };
    let reads_alone = |grant: &Grant| grant.roles.is_empty() || grant.roles == Roles::of([Role::Read]);
    let rights = Rights { viewer: Some(parsed(MemberId::parse("viewer", &viewer))?), grants };
    if !rights.grants.iter().all(reads_alone) || rights.anywhere().is_empty() {
        return Err("bound to a viewer, it may have the role `read` alone".to_owned());
    }
    Ok(rights)
}

/// Returns the scope of namespaces that are named by patterns.
fn scope(patterns: &[impl AsRef<str>]) -> Result<NamespaceScope, String> {
    if patterns.is_empty() {
        return Err("namespaces must have one at least; `*` is all".to_owned());
    }
    let pattern = |text: &str| {
        let wrong = |wrong: Violation| {
            format!("namespaces has {text:?}: it {}, and may end with a `*` for all that begin so", wrong.message)
        };
        NamespacePattern::parse("namespaces", text).map_err(wrong)
    };
    patterns.iter().map(|text| pattern(text.as_ref())).collect::<Result<Vec<_>, String>>().map(NamespaceScope)
}

fn parsed<T>(parsed: Result<T, Violation>) -> Result<T, String> {
    parsed.map_err(|wrong| format!("{} {}", wrong.field, wrong.message))
}

fn from_hex(digits: &str) -> Option<TokenHash> {
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = TokenHash::default();
    for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> Result<Access, String> {
        AccessFile(PathBuf::from("callers.toml")).make(&[text.as_bytes().to_vec()])
    }

    #[test]
    fn no_file_breaks_a_server() {
        let token = format!(
            "[[callers]]\nname = \"feed\"\nroles = [\"read\"]\nviewer = \"ana\"\ntoken_sha256 = [\"{}\"]\n",
            "ab".repeat(32)
        );
        let name = "[[callers]]\nname = \"web\"\nroles = [\"read\", \"write\"]\ncertificates = [\"web.example\"]\n";
        let seeds = [token.clone(), name.to_owned(), token + name].map(String::into_bytes);
        let file = AccessFile(PathBuf::from("callers.toml"));
        crate::fuzz::fuzz("callers", seeds, |bytes| file.make(&[bytes.to_vec()]).map(|_| ()));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_without_its_secrets() {
        let hash = "ab".repeat(32);
        let entry = |rest: &str| format!("[[callers]]\nname = \"feed\"\nroles = [\"read\"]\n{rest}\n");
        assert!(made(&entry(&format!("token_sha256 = [\"{hash}\"]"))).is_ok());
        assert!(made(&entry("viewer = \"ana\"\ncertificates = [\"a.b\"]")).is_ok());
        for (text, words) in [
            (String::new(), "names nobody"),
            (entry("token = \"the secret itself\""), "line 4: unknown field `token`"),
            (entry("token_sha256 = [\"the secret itself\"]"), "64 hex digits"),
            (entry("").replace("read", "root"), "line 3: unknown variant `root`"),
            (entry("").replace("feed", "jwt:feed"), "no colon"),
            (entry(&format!("token_sha256 = [\"{hash}\", \"{hash}\"]")), "another caller's too"),
            (entry("viewer = \"\""), "caller feed: viewer must be given"),
            (entry("viewer = \"a\\nb\""), "viewer must not contain control characters"),
            (entry("viewer = [\"ana\"]"), "line 4: invalid type"),
            (entry("viewer = \"ana\"").replace("\"read\"", "\"read\", \"write\""), "the role `read` alone"),
            (entry("viewer = \"ana\"").replace("\"read\"", "\"service\""), "the role `read` alone"),
            (entry("viewer = \"ana\"").replace("\"read\"", ""), "the role `read` alone"),
            (entry("namespaces = [\"Acme\"]"), "caller feed: namespaces has \"Acme\": it must match"),
            (entry("namespaces = [\"\"]"), "namespaces has \"\": it must be given"),
            (entry("namespaces = []"), "namespaces must have one at least"),
            (entry("namespaces = [\"acme\"]").replace("\"read\"", ""), "namespaces without roles"),
            (entry("grants = [{ namespaces = [], roles = [\"read\"] }]"), "namespaces must have one at least"),
            (entry("grants = [{ namespaces = [\"b\"], roles = [] }]"), "namespaces without roles"),
            (entry("grants = [{ namespaces = [\"a*b\"], roles = [\"read\"] }]"), "may end with a `*`"),
            (entry(""), "caller feed: nobody can show to be it without token_sha256 or certificates"),
            (entry("grants = [{ roles = [\"read\"] }]"), "missing field `namespaces`"),
            (
                entry("viewer = \"ana\"\ngrants = [{ namespaces = [\"b\"], roles = [\"write\"] }]"),
                "the role `read` alone",
            ),
            (entry("certificates = [\"a.b\", \"A.B\"]"), "another caller's too"),
            (entry("certificates = [\"*.b\"]"), "a wildcard names nobody"),
            (entry("certificates = [\"a b\"]"), "neither a DNS name nor a URI"),
        ] {
            let said = made(&text).unwrap_err();
            assert!(said.contains(words) && !said.contains("secret itself"), "{said}");
        }
    }
}
