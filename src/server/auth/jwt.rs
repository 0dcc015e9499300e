//! JWTs, with pinned algorithms, issuer and audience, and a required expiry.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::caller::{Caller, Rights, Role, Roles};
use super::keys::{PublicKey, read};
use super::signatures::{ALGORITHMS, install};
use crate::domain::MemberId;

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
        Ok(Jwts { keys, roles_claim: settings.roles_claim, viewer_claim: settings.viewer_claim })
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
        let rights = match &self.viewer_claim {
            None => Rights::Roles(roles),
            Some(claim) => rights_under(roles, claims.get(claim)),
        };
        Ok(Caller::known(format!("jwt:{subject}").into(), rights, expires))
    }
}

/// Returns the rights of a token whose roles are these, where a claim binds tokens to viewers. A token without the claim is not bound, and
/// has the role `read` for no viewer. A token whose claim is no member's id may do nothing, because whom it is bound to is not known.
fn rights_under(roles: Roles, viewer: Option<&Value>) -> Rights {
    let Some(viewer) = viewer else { return Rights::Roles(roles.without(Role::Read)) };
    match MemberId::parse("viewer", viewer.as_str().unwrap_or_default()) {
        Ok(viewer) if roles.allow(Role::Read) => Rights::Viewer(viewer),
        _ => Rights::Roles(Roles::default()),
    }
}

/// Returns the roles of a claim: a list of names, or one text with spaces between them, as OAuth's `scope` is. Other names give no role.
fn roles(claim: &Value) -> Roles {
    let names: Vec<&str> = match claim {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    Roles::of(names.into_iter().filter_map(|name| match name {
        "read" => Some(Role::Read),
        "write" => Some(Role::Write),
        "service" => Some(Role::Service),
        "admin" => Some(Role::Admin),
        _ => None,
    }))
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
    use crate::service::Behalf;

    #[test]
    fn a_claim_binds_a_token_and_leaves_it_no_other_role() {
        let (ana, nothing) = (MemberId::parse("viewer", "ana").unwrap(), Rights::Roles(Roles::default()));
        for named in ["read", "service", "read service", "read write admin"] {
            let rights = rights_under(roles(&json!(named)), Some(&json!("ana")));
            assert_eq!(rights, Rights::Viewer(ana.clone()), "{named}");
            assert_eq!(rights.behalf(), Behalf::Only(ana.clone()));
            let allowed = [Role::Read, Role::Write, Role::Service, Role::Admin].map(|role| rights.allow(role));
            assert_eq!(allowed, [true, false, false, false], "{named}");
        }
        for named in ["", "write", "admin write"] {
            assert_eq!(rights_under(roles(&json!(named)), Some(&json!("ana"))), nothing, "{named}");
        }
        for no_member in [json!(""), json!("a\nb"), json!("a".repeat(129)), json!(7), json!(null), json!(["ana"])] {
            assert_eq!(rights_under(roles(&json!("read service write")), Some(&no_member)), nothing, "{no_member}");
        }
    }

    #[test]
    fn a_token_without_the_claim_reads_for_no_viewer_unless_it_may_read_everything() {
        for (named, left) in [("read", ""), ("read write", "write"), ("read service", "service"), ("admin", "admin")] {
            assert_eq!(rights_under(roles(&json!(named)), None), Rights::Roles(roles(&json!(left))), "{named}");
        }
    }
}
