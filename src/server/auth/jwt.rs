//! JWTs, with pinned algorithms, issuer and audience, and a required expiry.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::caller::{Caller, Grant, Rights, Role, Roles, own_namespaces};
use super::keys::{PublicKey, read};
use super::signatures::{ALGORITHMS, install};
use crate::domain::MemberId;
use crate::service::{NamespacePattern, NamespaceScope};

/// Clocks may differ by so much.
const LEEWAY: Duration = Duration::from_secs(30);

/// The section `[jwt]` of the file of callers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtSettings {
    issuer: String,
    audience: String,
    algorithms: Vec<Algorithm>,
    /// The file of public keys: a JWK set, or one key in PEM.
    pub keys: PathBuf,
    /// The claim that lists a caller's roles.
    #[serde(default = "roles_claim")]
    roles_claim: String,
    /// The claim that names the member that a caller is bound to. Callers are bound to nobody where it is not given.
    viewer_claim: Option<String>,
    /// The claim that names the namespaces of the roles. Tokens are for the default one alone where it is not given.
    namespaces_claim: Option<String>,
}

fn roles_claim() -> String {
    "roles".to_owned()
}

/// Checks tokens.
#[derive(Debug)]
pub struct Jwts {
    keys: Vec<Key>,
    roles_claim: String,
    viewer_claim: Option<String>,
    namespaces_claim: Option<String>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    key: DecodingKey,
    rules: Validation,
}

impl Jwts {
    pub fn new(settings: JwtSettings, keys: &[u8]) -> Result<Jwts, String> {
        install();
        if settings.algorithms.is_empty() || settings.algorithms.iter().any(|given| !ALGORITHMS.contains(given)) {
            return Err(format!("jwt.algorithms must be some of {ALGORITHMS:?}"));
        }
        let usable = read(keys)?.into_iter().filter_map(|PublicKey { id, key, algorithms }| {
            let rules = rules(&settings, &algorithms)?;
            Some(Key { id, key, rules })
        });
        let keys: Vec<Key> = usable.collect();
        if keys.is_empty() {
            return Err("jwt.keys holds no key for one of jwt.algorithms".to_owned());
        }
        let JwtSettings { roles_claim, viewer_claim, namespaces_claim, .. } = settings;
        Ok(Jwts { keys, roles_claim, viewer_claim, namespaces_claim })
    }

    /// Returns the bearer of a token. The error's words are for the log.
    pub fn check(&self, token: &[u8]) -> Result<Caller, String> {
        let header = decode_header(token).map_err(|error| error.to_string())?;
        // By RFC 7515, 4.1.11, a token with a critical extension that is not understood is invalid. No extension is understood here.
        if header.crit.is_some() {
            return Err("it has critical extensions".to_owned());
        }
        let fits = |key: &&Key| header.kid.is_none() || key.id.is_none() || key.id == header.kid;
        let mut why = "no such key".to_owned();
        for key in self.keys.iter().filter(fits).filter(|key| key.rules.algorithms.contains(&header.alg)) {
            match decode::<Map<String, Value>>(token, &key.key, &key.rules) {
                Ok(token) => return self.caller(&token.claims),
                Err(error) => why = error.to_string(),
            }
        }
        Err(why)
    }

    fn caller(&self, claims: &Map<String, Value>) -> Result<Caller, String> {
        let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
        let subject = subject.ok_or("no subject")?;
        // By RFC 7519, 2, a time is a number of seconds, which may have a fraction.
        let expires = claims.get("exp").and_then(Value::as_f64).ok_or("no expiry")?;
        let expires = Duration::try_from_secs_f64(expires).map_err(|_| "its expiry is no time")?;
        let expires = expires.checked_add(LEEWAY).and_then(|expires| UNIX_EPOCH.checked_add(expires));
        // The library would take a time that is no number as absent.
        if claims.get("nbf").is_some_and(|time| !time.is_number()) {
            return Err("nbf is no number".to_owned());
        }
        let roles = claims.get(&self.roles_claim).map(roles).unwrap_or_default();
        let grants = match &self.namespaces_claim {
            None => Some(vec![(own_namespaces(None), roles)]),
            Some(claim) => claims.get(claim).map(|named| grants(named, roles)),
        };
        let grants = grants.unwrap_or_default().into_iter();
        let rights = match &self.viewer_claim {
            None => unbound(grants),
            Some(claim) => rights_under(grants, claims.get(claim)),
        };
        Ok(Caller::known(format!("jwt:{subject}").into(), rights, expires))
    }
}

/// Roles in the namespaces of some patterns.
type Given = (Vec<String>, Roles);

/// Returns the grants of the claim of namespaces: a list of names, or one text with spaces between them, which are those of the token's
/// roles; or an object that has for each name the roles there. What is anything else gives nothing.
fn grants(named: &Value, own: Roles) -> Vec<Given> {
    match named {
        Value::Object(named) => named.iter().map(|(name, there)| (vec![name.clone()], roles(there))).collect(),
        named => vec![(names(named).into_iter().map(str::to_owned).collect(), own)],
    }
}

/// Returns the rights of a token that is bound to no viewer. A namespace that is none gives nothing.
fn unbound(grants: impl Iterator<Item = Given>) -> Rights {
    let grant = |(names, roles): Given| {
        let patterns = names.iter().filter_map(|name| NamespacePattern::parse("namespaces", name).ok());
        Grant { namespaces: NamespaceScope(patterns.collect()), roles }
    };
    Rights { grants: grants.map(grant).collect(), viewer: None }
}

/// Returns the rights of a token where a claim binds tokens to viewers. A token without the claim is not bound, and has the role `read` for
/// no viewer. A token whose claim is no member's id may do nothing, because whom it is bound to is not known.
fn rights_under(grants: impl Iterator<Item = Given>, viewer: Option<&Value>) -> Rights {
    let Some(viewer) = viewer else {
        return unbound(grants.map(|(names, roles)| (names, roles.without(Role::Read))));
    };
    match MemberId::parse("viewer", viewer.as_str().unwrap_or_default()) {
        Ok(viewer) => Rights { viewer: Some(viewer), ..unbound(grants) },
        Err(_) => Rights::default(),
    }
}

/// Returns the roles of a claim: a list of names, or one text with spaces between them, as OAuth's `scope` is. Other names give no role.
fn roles(claim: &Value) -> Roles {
    Roles::of(names(claim).into_iter().filter_map(|name| match name {
        "read" => Some(Role::Read),
        "write" => Some(Role::Write),
        "service" => Some(Role::Service),
        "admin" => Some(Role::Admin),
        _ => None,
    }))
}

fn names(claim: &Value) -> Vec<&str> {
    match claim {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Returns the rules for tokens of a key; none if the operator names no algorithm that the key is for.
fn rules(settings: &JwtSettings, of_key: &[Algorithm]) -> Option<Validation> {
    let algorithms: Vec<Algorithm> =
        settings.algorithms.iter().copied().filter(|given| of_key.contains(given)).collect();
    let mut rules = Validation::new(*algorithms.first()?);
    rules.algorithms = algorithms;
    rules.set_issuer(&[&settings.issuer]);
    rules.set_audience(&[&settings.audience]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    rules.leeway = LEEWAY.as_secs();
    rules.validate_nbf = true;
    Some(rules)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::NamespaceName;
    use crate::service::Behalf;

    fn in_default(roles: Roles) -> impl Iterator<Item = Given> {
        std::iter::once((own_namespaces(None), roles))
    }

    #[test]
    fn a_claim_binds_a_token_and_leaves_it_no_other_role() {
        let (ana, default) = (MemberId::parse("viewer", "ana").unwrap(), NamespaceName::default());
        for named in ["read", "service", "read service", "read write admin"] {
            let rights = rights_under(in_default(roles(&json!(named))), Some(&json!("ana")));
            assert_eq!(rights.viewer, Some(ana.clone()), "{named}");
            assert_eq!(rights.behalf(&default), Behalf::Only(ana.clone()));
            assert_eq!(rights.roles(&default), Roles::of([Role::Read]), "{named}");
            assert_eq!(rights.administers(), NamespaceScope::default());
        }
        for named in ["", "write", "admin write"] {
            let rights = rights_under(in_default(roles(&json!(named))), Some(&json!("ana")));
            assert!(rights.roles(&default).is_empty(), "{named}");
        }
        for no_member in [json!(""), json!("a\nb"), json!("a".repeat(129)), json!(7), json!(null), json!(["ana"])] {
            let rights = rights_under(in_default(roles(&json!("read service write"))), Some(&no_member));
            assert_eq!(rights, Rights::default(), "{no_member}");
        }
    }

    #[test]
    fn a_token_without_the_claim_reads_for_no_viewer_unless_it_may_read_everything() {
        for (named, left) in [("read", ""), ("read write", "write"), ("read service", "service"), ("admin", "admin")] {
            let rights = rights_under(in_default(roles(&json!(named))), None);
            assert_eq!(rights.roles(&NamespaceName::default()), roles(&json!(left)), "{named}");
        }
    }

    #[test]
    fn a_claim_says_in_which_namespaces_the_roles_are_and_what_it_does_not_say_is_denied() {
        let named = |claim: serde_json::Value| {
            let rights = unbound(grants(&claim, roles(&json!("read"))).into_iter());
            ["default", "acme", "acme-eu", "beta"].map(|name| {
                let roles = rights.roles(&NamespaceName::parse("name", name).unwrap());
                [(Role::Read, 'r'), (Role::Write, 'w'), (Role::Admin, 'a')]
                    .into_iter()
                    .filter_map(|(role, letter)| roles.allow(role).then_some(letter))
                    .collect::<String>()
            })
        };
        assert_eq!(named(json!(["acme", "beta"])), ["", "r", "", "r"]);
        assert_eq!(named(json!("acme* Beta")), ["", "r", "r", ""]);
        assert_eq!(named(json!({"acme*": ["write"], "acme": "read admin", "beta": 7})), ["", "rwa", "w", ""]);
        for nothing in [json!(7), json!(null), json!([]), json!("")] {
            assert_eq!(named(nothing), ["", "", "", ""]);
        }
        assert_eq!(named(json!("*")), ["r", "r", "r", "r"]);
    }
}
