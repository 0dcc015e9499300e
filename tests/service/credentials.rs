//! What callers and servers show: JWTs as RFC 7515, 7517 and 7519 have them, the names and the ends of certificates.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith::app::TlsFiles;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::*;
use rcgen::{CertificateParams, KeyPair, SanType};
use serde_json::{Value, json};
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::{Kith, PATIENCE, end_of};
use crate::metrics::scrape;
use crate::secured::{Authority, base64url, bearing, jwt, over_tls, refusal, served_with, unauthenticated, until};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn jwk(key: &KeyPair, kid: &str) -> Value {
    let point = key.public_key_raw();
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": base64url(&point[1..33]), "y": base64url(&point[33..])})
}

fn write_keys(folder: &Path, keys: &[Value]) {
    // As those who rotate keys do: the set is never half there.
    fs::write(folder.join("new.json"), json!({ "keys": keys }).to_string()).unwrap();
    fs::rename(folder.join("new.json"), folder.join("keys.json")).unwrap();
}

async fn kith_with_keys(folder: &Path, keys: &[Value]) -> Kith {
    write_keys(folder, keys);
    let settings =
        "[jwt]\nissuer = \"https://id\"\naudience = \"kith\"\nalgorithms = [\"ES256\"]\nkeys = \"keys.json\"\n";
    fs::write(folder.join("callers.toml"), settings).unwrap();
    Kith::start(served_with(|server| server.access = Some(folder.join("callers.toml")))).await
}

fn claims() -> Value {
    json!({"iss": "https://id", "aud": "kith", "sub": "feed", "exp": now() + 60, "roles": ["service"]})
}

async fn ask(kith: &Kith, token: &str) -> Result<(), Code> {
    let listed = kith.members().list_members(bearing(ListMembersRequest::default(), token)).await;
    listed.map(|_| ()).map_err(|status| status.code())
}

#[tokio::test]
async fn times_of_a_jwt_may_have_fractions_and_nothing_critical_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let kith = kith_with_keys(folder.path(), &[jwk(&key, "k")]).await;
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        jwt(&key, json!({"alg": "ES256"}), &claims)
    };
    let now = now() as f64;
    for (name, value) in [("exp", now + 60.25), ("nbf", now - 0.5), ("nbf", now + 10.5), ("iat", now + 0.5)] {
        assert_eq!(ask(&kith, &with(name, json!(value))).await, Ok(()), "{name} {value}");
    }
    for (name, value) in [
        ("exp", json!(now - 60.5)),
        ("exp", json!(-1.5)),
        ("exp", json!("1e12")),
        ("nbf", json!(now + 60.5)),
        ("nbf", json!("0.5")),
    ] {
        assert_eq!(ask(&kith, &with(name, value.clone())).await, Err(Code::Unauthenticated), "{name} {value}");
    }
    for critical in [json!(["b64"]), json!(["exp"]), json!([]), json!("b64")] {
        let token = jwt(&key, json!({"alg": "ES256", "b64": true, "crit": critical.clone()}), &claims());
        assert_eq!(ask(&kith, &token).await, Err(Code::Unauthenticated), "{critical}");
    }
    kith.stop().await.unwrap();
}

/// Clocks may differ by half a minute, for which a token is taken after its end.
#[tokio::test]
async fn a_jwt_that_was_taken_is_refused_once_it_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let kith = kith_with_keys(folder.path(), &[jwk(&key, "k")]).await;
    let mut claims = claims();
    claims["exp"] = json!(now() - 24);
    let token = jwt(&key, json!({"alg": "ES256"}), &claims);
    assert_eq!(ask(&kith, &token).await, Ok(()));
    until(|| async { ask(&kith, &token).await == Err(Code::Unauthenticated) }).await;
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_set_with_keys_of_other_kinds_is_used_when_it_is_rotated_too() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let x25519 = json!({"kty": "OKP", "crv": "X25519", "kid": "x", "x": base64url(&[7; 32])});
    let post_quantum = json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": base64url(&[7; 64])});
    let kith = kith_with_keys(folder.path(), &[x25519.clone(), jwk(&old, "old"), post_quantum.clone()]).await;
    let token = |key: &KeyPair, kid: &str| jwt(key, json!({"alg": "ES256", "kid": kid}), &claims());
    assert_eq!(ask(&kith, &token(&old, "old")).await, Ok(()));
    assert_eq!(ask(&kith, &token(&new, "new")).await, Err(Code::Unauthenticated));

    let of_encryption = |kid: &str, key: &KeyPair, name: &str, value: Value| {
        let mut jwk = jwk(key, kid);
        jwk[name] = value;
        jwk
    };
    let (enc, wrap, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    write_keys(
        folder.path(),
        &[
            post_quantum,
            of_encryption("enc", &enc, "use", json!("enc")),
            of_encryption("wrap", &wrap, "key_ops", json!(["wrapKey"])),
            of_encryption("other", &other, "alg", json!("ES384")),
            // Two keys of one name: both are tried.
            jwk(&old, "new"),
            jwk(&new, "new"),
            x25519,
        ],
    );
    until(|| async { ask(&kith, &token(&new, "new")).await.is_ok() }).await;
    assert_eq!(ask(&kith, &token(&old, "old")).await, Err(Code::Unauthenticated), "it is there under another name");
    for (key, kid) in [(&enc, "enc"), (&wrap, "wrap"), (&other, "other")] {
        assert_eq!(ask(&kith, &token(key, kid)).await, Err(Code::Unauthenticated), "{kid} verifies nothing");
    }
    kith.stop().await.unwrap();
}

fn issue(authority: &Authority, names: Vec<SanType>, ends: SystemTime) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = names;
    params.not_after = ends.into();
    (params.signed_by(&key, &authority.issuer).unwrap().pem(), key.serialize_pem())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn next_year() -> SystemTime {
    SystemTime::now() + Duration::from_secs(365 * 24 * 3_600)
}

fn tls_files(folder: &Path, authority: &Authority, ends: SystemTime) -> TlsFiles {
    let (certificate, key) = issue(authority, vec![dns("kith.test")], ends);
    for (name, text) in [("cert.pem", &certificate), ("key.pem", &key), ("ca.pem", &authority.pem)] {
        fs::write(folder.join(name), text).unwrap();
    }
    TlsFiles {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
        client_authorities: Some(folder.join("ca.pem")),
    }
}

async fn kith_over_tls(folder: &Path, authority: &Authority) -> Kith {
    let tls = tls_files(folder, authority, next_year());
    let callers = "[[callers]]\nname = \"admin\"\nroles = [\"service\"]\ncertificates = [\"Admin.Internal\"]\n\
                   [[callers]]\nname = \"feed\"\nroles = [\"service\"]\ncertificates = [\"spiffe://test/feed\"]\n";
    fs::write(folder.join("callers.toml"), callers).unwrap();
    let access = folder.join("callers.toml");
    Kith::start_unconnected(served_with(|server| (server.tls, server.access) = (Some(tls), Some(access)))).await
}

async fn list(channel: &Channel) -> Result<(), tonic::Status> {
    MemberServiceClient::new(channel.clone()).list_members(ListMembersRequest::default()).await.map(|_| ())
}

#[tokio::test]
async fn a_name_is_of_its_type() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let kith = kith_over_tls(folder.path(), &authority).await;
    for (name, is_known) in [
        (dns("admin.internal"), true),
        (dns("ADMIN.internal"), true),
        (uri("spiffe://test/feed"), true),
        (uri("admin.internal"), false),
        (uri("Admin.Internal"), false),
        (dns("*.internal"), false),
        (uri("spiffe://TEST/feed"), false),
    ] {
        let identity = issue(&authority, vec![name.clone()], next_year());
        let channel = over_tls(&kith, &authority.pem, Some(&identity)).await.unwrap();
        let refused = list(&channel).await.err().map(|status| refusal(&status));
        assert_eq!(refused, (!is_known).then(unauthenticated), "{name:?}");
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn calls_end_with_their_callers_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let kith = kith_over_tls(folder.path(), &authority).await;
    let ends = SystemTime::now() + Duration::from_secs(3);
    let identity = issue(&authority, vec![uri("spiffe://test/feed")], ends);
    let channel = over_tls(&kith, &authority.pem, Some(&identity)).await.unwrap();
    list(&channel).await.unwrap();
    let mut watched =
        DataServiceClient::new(channel.clone()).watch(WatchRequest::default()).await.unwrap().into_inner();
    let ended = end_of(&mut watched).await;
    assert_eq!(refusal(&ended), unauthenticated());
    let late = SystemTime::now().duration_since(ends).unwrap_or_default();
    assert!(late < Duration::from_secs(4), "{late:?} after its end");
    // Its connection was asked to go, and a new one needs a new certificate.
    list(&channel).await.unwrap_err();
    let renewed = issue(&authority, vec![uri("spiffe://test/feed")], next_year());
    list(&over_tls(&kith, &authority.pem, Some(&renewed)).await.unwrap()).await.unwrap();
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_servers_own_certificate_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    for (ends, words) in [
        (SystemTime::now() - Duration::from_secs(3_600), "has expired"),
        (SystemTime::now() + Duration::from_secs(3 * 24 * 3_600), "ends soon"),
    ] {
        let tls = tls_files(folder.path(), &authority, ends);
        let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(folder.path().join(words));
        command.arg("--tls-cert").arg(&tls.certificate).arg("--tls-key").arg(&tls.key);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let said = tokio::task::spawn_blocking(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).find(|line| line.contains(words))
        });
        let said = tokio::time::timeout(PATIENCE, said).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(said.is_ok_and(|said| said.unwrap().is_some()), "{words}");
    }

    let ends = UNIX_EPOCH + Duration::from_secs(now() + 1_000);
    let tls = TlsFiles { client_authorities: None, ..tls_files(folder.path(), &authority, ends) };
    let metrics = Some(([127, 0, 0, 1], 0).into());
    let kith = Kith::start_unconnected(served_with(|server| (server.tls, server.metrics) = (Some(tls), metrics))).await;
    let ends = ends.duration_since(UNIX_EPOCH).unwrap().as_secs() as f64;
    until(|| async { scrape(kith.metrics.unwrap()).await["kith_tls_certificate_end_timestamp_seconds"] == ends }).await;
    kith.stop().await.unwrap();
}
