//! The public keys of JWTs: a JWK set (RFC 7517), or one key in PEM.
//!
//! Issuers put into one set what several kinds of clients need: keys for encryption, and keys of types that came after this program. By RFC
//! 7517, section 5, such a key is skipped, and the others are used.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::signatures::ALGORITHMS;

/// A key that signatures can be checked with.
#[derive(Debug)]
pub struct PublicKey {
    pub id: Option<String>,
    pub key: DecodingKey,
    /// The algorithms that the key may be used with, some of which the operator may not have named.
    pub algorithms: Vec<Algorithm>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// Returns all keys of a file that can be used.
pub fn read(text: &[u8]) -> Result<Vec<PublicKey>, String> {
    if !text.trim_ascii_start().starts_with(b"{") {
        return Ok(vec![of_pem(text)?]);
    }
    let set: Set = serde_json::from_slice(text).map_err(|error| format!("jwt.keys: {error}"))?;
    let mut usable = Vec::new();
    for (position, key) in set.keys.into_iter().enumerate() {
        let id = key.get("kid").and_then(Value::as_str).map(str::to_owned);
        match of_jwk(key) {
            Ok(key) => usable.push(key),
            Err(why) => tracing::warn!(position, kid = id, why, "a key of jwt.keys is skipped"),
        }
    }
    Ok(usable)
}

fn of_jwk(key: Value) -> Result<PublicKey, String> {
    // By RFC 7517, 4.2, a key with a `use` is for that use alone.
    match key.get("use") {
        None => {}
        Some(Value::String(purpose)) if purpose == "sig" => {}
        Some(other) => return Err(format!("its `use` is {other}, not \"sig\"")),
    }
    // By 4.3, a key with `key_ops` is for those operations alone.
    if let Some(operations) = key.get("key_ops") {
        let verifies = operations.as_array().is_some_and(|listed| listed.iter().any(|operation| operation == "verify"));
        if !verifies {
            return Err(format!("its `key_ops` are {operations}, without \"verify\""));
        }
    }
    // By 4.4, a key with an `alg` is for that algorithm alone.
    let named = match key.get("alg") {
        None => None,
        Some(name) => {
            let algorithm = serde_json::from_value::<Algorithm>(name.clone());
            Some(algorithm.map_err(|_| format!("its `alg` {name} is none that signatures are checked by"))?)
        }
    };
    let jwk: Jwk = serde_json::from_value(key).map_err(|error| error.to_string())?;
    let algorithms = algorithms(&jwk.algorithm)?;
    let algorithms: Vec<Algorithm> =
        algorithms.iter().copied().filter(|fits| named.is_none_or(|named| named == *fits)).collect();
    if algorithms.is_empty() {
        return Err("its `alg` is not for keys of its type".to_owned());
    }
    let key = DecodingKey::from_jwk(&jwk).map_err(|error| error.to_string())?;
    Ok(PublicKey { id: jwk.common.key_id, key, algorithms })
}

/// Returns the algorithms that keys of a type and curve are used with.
fn algorithms(parameters: &AlgorithmParameters) -> Result<&'static [Algorithm], String> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    Ok(match parameters {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            ref other => return Err(format!("its curve {other:?} is not supported")),
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDSA],
        _ => return Err("its type is not supported".to_owned()),
    })
}

fn of_pem(text: &[u8]) -> Result<PublicKey, String> {
    let key = DecodingKey::from_ec_pem(text).or_else(|_| DecodingKey::from_rsa_pem(text));
    let key = key.or_else(|_| DecodingKey::from_ed_pem(text));
    let key = key.map_err(|_| "jwt.keys is neither a JWK set nor a public key in PEM".to_owned())?;
    let algorithms = ALGORITHMS.into_iter().filter(|fits| fits.family() == key.family()).collect();
    Ok(PublicKey { id: None, key, algorithms })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The key of RFC 7517, appendix A.1.
    fn p256() -> Value {
        json!({"kty": "EC", "crv": "P-256", "kid": "good",
               "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut key = p256();
        key[name] = value;
        key
    }

    fn ids(keys: &[Value]) -> Vec<Option<String>> {
        let set = json!({ "keys": keys }).to_string();
        read(set.as_bytes()).unwrap().into_iter().map(|key| key.id).collect()
    }

    #[test]
    fn a_key_that_cannot_be_used_is_skipped_alone() {
        let good = || Some("good".to_owned());
        for skipped in [
            json!({"kty": "OKP", "crv": "X25519", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}),
            json!({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA"}),
            json!({"kty": "EC", "crv": "P-256"}),
            json!({"kty": "EC", "crv": "P-256", "x": "?", "y": "?"}),
            json!({"kty": "oct", "k": "c2VjcmV0"}),
            json!({}),
            json!("a text"),
            with("crv", json!("P-521")),
            with("crv", json!("secp256k1")),
            with("use", json!("enc")),
            with("use", json!(7)),
            with("key_ops", json!(["encrypt", "wrapKey"])),
            with("key_ops", json!("verify")),
            with("alg", json!("ES384")),
            with("alg", json!("RS256")),
            with("alg", json!("ECDH-ES")),
            with("kid", json!(7)),
        ] {
            assert_eq!(ids(&[skipped.clone(), p256()]), [good()], "{skipped}");
        }
        assert!(ids(&[]).is_empty());
        assert!(read(b"{\"keys\": 7}").is_err());
    }

    #[test]
    fn what_says_that_it_verifies_is_used_and_two_of_one_name_are_two() {
        for used in
            [with("use", json!("sig")), with("key_ops", json!(["sign", "verify"])), with("alg", json!("ES256")), p256()]
        {
            assert_eq!(ids(&[used.clone(), p256()]).len(), 2, "{used}");
        }
        let set = json!({"keys": [with("alg", json!("ES256"))]}).to_string();
        assert_eq!(read(set.as_bytes()).unwrap()[0].algorithms, [Algorithm::ES256]);
    }
}
