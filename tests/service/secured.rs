//! Who may call: TLS, certificates, tokens, JWTs, roles, quotas; and files that change while the server runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kith::app::{AppOptions, CallLimits, Rate, ServerOptions, StoreOptions, TlsFiles};
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::edge_service_client::EdgeServiceClient;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::harness::{Kith, PATIENCE, end_of, member, options, reason};

/// An authority of certificates.
pub struct Authority {
    pub pem: String,
    pub issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key, in PEM.
    pub fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = name.try_into().unwrap();
        params.subject_alt_names = vec![if name_is_uri(&name) { SanType::URI(name) } else { SanType::DnsName(name) }];
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn name_is_uri(name: &rcgen::string::Ia5String) -> bool {
    name.as_str().contains("://")
}

pub fn served_with(change: impl FnOnce(&mut ServerOptions)) -> AppOptions {
    let mut served = options(StoreOptions::Memory);
    change(&mut served.server);
    served
}

pub fn sha256(token: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file of one caller for each role, whose token is the role's name and `-token`.
pub fn roles_file(folder: &Path) -> PathBuf {
    let caller = |role: &str| {
        format!(
            "[[callers]]\nname = \"{role}\"\nroles = [\"{role}\"]\ntoken_sha256 = [\"{}\"]\n",
            sha256(&format!("{role}-token"))
        )
    };
    let file = folder.join("callers.toml");
    fs::write(&file, ["read", "write", "service", "admin"].map(caller).concat()).unwrap();
    file
}

pub fn bearing<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

pub fn refusal(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

pub fn unauthenticated() -> (Code, String) {
    (Code::Unauthenticated, "UNAUTHENTICATED".to_owned())
}

pub fn denied() -> (Code, String) {
    (Code::PermissionDenied, "PERMISSION_DENIED".to_owned())
}

pub fn get(id: &str) -> GetMemberRequest {
    GetMemberRequest { id: id.to_owned(), ..Default::default() }
}

fn put(id: &str) -> PutMemberRequest {
    PutMemberRequest { member: Some(member(id)), ..Default::default() }
}

/// Asks until the answer is as expected.
pub async fn until<F: Future<Output = bool>>(mut asked: impl FnMut() -> F) {
    let begin = Instant::now();
    while !asked().await {
        assert!(begin.elapsed() < PATIENCE, "it does not come true");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn each_rpc_needs_its_role() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(roles_file(folder.path())))).await;
    for token in ["read", "write", "service", "admin"] {
        let token = format!("{token}-token");
        let code = |outcome: Result<(), Status>| outcome.err().map(|status| refusal(&status));
        let allowed = |to: &[&str]| (!to.iter().any(|role| token.starts_with(role))).then(denied);
        let outcome = kith.members().put_member(bearing(put("ana"), &token)).await.map(|_| ());
        assert_eq!(code(outcome), allowed(&["write"]), "{token} puts");
        kith.members().put_member(bearing(put("ana"), "write-token")).await.unwrap();
        let outcome = kith.members().get_member(bearing(get("ana"), &token)).await.map(|_| ());
        assert_eq!(code(outcome), allowed(&["service"]), "{token} reads for nobody");
        let for_ana = GetMemberRequest { viewer_id: "ana".to_owned(), ..get("ana") };
        let outcome = kith.members().get_member(bearing(for_ana, &token)).await.map(|_| ());
        assert_eq!(code(outcome), allowed(&["read", "service"]), "{token} reads for ana");
        let check = CheckReachRequest {
            subject: Some(check_reach_request::Subject::MemberId("ana".to_owned())),
            viewer_ids: vec!["ana".to_owned()],
            ..Default::default()
        };
        let outcome = kith.reach().check_reach(bearing(check, &token)).await.map(|_| ());
        assert_eq!(code(outcome), allowed(&["service"]), "{token} checks");
        let discover = DiscoverStatusesRequest { viewer_id: "ana".to_owned(), ..Default::default() };
        let outcome = kith.reach().discover_statuses(bearing(discover, &token)).await.map(|_| ());
        assert_eq!(code(outcome), allowed(&["read", "service"]), "{token} reads for a viewer");
        let outcome = kith.data().watch(bearing(WatchRequest::default(), &token)).await.map(|_| ());
        assert_eq!(code(outcome), allowed(&["service"]), "{token} watches");
        let outcome = kith.admin().get_server_info(bearing(GetServerInfoRequest::default(), &token)).await.map(|_| ());
        assert_eq!(code(outcome), allowed(&["admin"]), "{token} asks about the server");
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn who_is_not_known_gets_nothing_but_health() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(roles_file(folder.path())))).await;
    let refused = kith.members().get_member(get("ana")).await.unwrap_err();
    assert_eq!(refusal(&refused), unauthenticated());
    for wrong in ["service-tokem", "", "a.b.c"] {
        let refused = kith.members().get_member(bearing(get("ana"), wrong)).await.unwrap_err();
        assert_eq!(refusal(&refused), unauthenticated(), "{wrong}");
    }
    let mut basic = Request::new(get("ana"));
    basic.metadata_mut().insert("authorization", "Basic c2VydmljZS10b2tlbg==".parse().unwrap());
    assert_eq!(refusal(&kith.members().get_member(basic).await.unwrap_err()), unauthenticated());
    let unknown = crate::raw::call(kith.address, "/kith.v1.MemberService/NoSuchMethod", Vec::new()).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unauthenticated, "whether an RPC exists is not revealed");
    HealthClient::new(kith.channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_caller_taken_out_of_the_file_is_refused_and_its_streams_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = roles_file(folder.path());
    let kith = Kith::start(served_with(|server| server.access = Some(file.clone()))).await;
    let watch = bearing(WatchRequest::default(), "service-token");
    let mut watched = kith.data().watch(watch).await.unwrap().into_inner();
    // What cannot be read changes nothing.
    fs::write(&file, "[[callers]]\nname = 7\n").unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    kith.members().list_members(bearing(ListMembersRequest::default(), "service-token")).await.unwrap();

    let renamed = sha256("another-token");
    fs::write(&file, format!("[[callers]]\nname = \"new\"\nroles = [\"service\"]\ntoken_sha256 = [\"{renamed}\"]\n"))
        .unwrap();
    until(|| async {
        kith.members().list_members(bearing(ListMembersRequest::default(), "another-token")).await.is_ok()
    })
    .await;
    let refused = kith.members().list_members(bearing(ListMembersRequest::default(), "service-token")).await;
    assert_eq!(refusal(&refused.unwrap_err()), unauthenticated());
    let ended = end_of(&mut watched).await;
    assert_eq!(refusal(&ended), unauthenticated());
    kith.stop().await.unwrap();
}

pub fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            text.push(DIGITS[(bits >> (18 - 6 * at)) as usize & 63] as char);
        }
    }
    text
}

pub fn jwt(key: &KeyPair, header: Value, claims: &Value) -> String {
    let signed = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let random = SystemRandom::new();
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.serialized_der(), &random).unwrap();
    let signature = signer.sign(&random, signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64url(signature.as_ref()))
}

#[tokio::test]
async fn a_jwt_is_taken_from_its_issuer_for_this_audience_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    fs::write(folder.path().join("key.pem"), key.public_key_pem()).unwrap();
    let file = folder.path().join("callers.toml");
    let settings =
        "[jwt]\nissuer = \"https://id\"\naudience = \"kith\"\nalgorithms = [\"ES256\"]\nkeys = \"key.pem\"\n";
    fs::write(&file, settings).unwrap();
    let kith = Kith::start(served_with(|server| server.access = Some(file))).await;
    kith_takes_jwts(&kith, &key, &other).await;
    kith.stop().await.unwrap();
}

async fn kith_takes_jwts(kith: &Kith, key: &KeyPair, other: &KeyPair) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let es256 = || json!({"alg": "ES256", "typ": "JWT"});
    let claims = |change: Value| {
        let mut claims =
            json!({"iss": "https://id", "aud": "kith", "sub": "feed", "exp": now + 60, "roles": ["service"]});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    };
    let ask = |token: String| async move {
        let listed = kith.members().list_members(bearing(ListMembersRequest::default(), &token)).await;
        listed.map(|_| ()).map_err(|status| status.code())
    };
    for _ in 0..2 {
        assert_eq!(ask(jwt(key, es256(), &claims(json!({})))).await, Ok(()));
    }
    assert_eq!(ask(jwt(key, es256(), &claims(json!({"roles": "openid service"})))).await, Ok(()));
    assert_eq!(ask(jwt(key, es256(), &claims(json!({"roles": ["read"]})))).await, Err(Code::PermissionDenied));
    assert_eq!(ask(jwt(key, es256(), &claims(json!({"roles": null})))).await, Err(Code::PermissionDenied));
    for wrong in [
        json!({"iss": "https://other"}),
        json!({"aud": "other"}),
        json!({"exp": now - 3_600}),
        json!({"exp": null}),
        json!({"exp": "never"}),
        json!({"nbf": now + 3_600}),
        json!({"nbf": "now"}),
        json!({"sub": null}),
    ] {
        assert_eq!(ask(jwt(key, es256(), &claims(wrong.clone()))).await, Err(Code::Unauthenticated), "{wrong}");
    }
    assert_eq!(ask(jwt(other, es256(), &claims(json!({})))).await, Err(Code::Unauthenticated), "another key");
    for alg in ["none", "HS256", "ES384", "RS256"] {
        let token = jwt(key, json!({"alg": alg}), &claims(json!({})));
        assert_eq!(ask(token.clone()).await, Err(Code::Unauthenticated), "{alg}");
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(ask(unsigned).await, Err(Code::Unauthenticated), "{alg}, unsigned");
    }
}

pub async fn over_tls(kith: &Kith, authority: &str, identity: Option<&(String, String)>) -> Result<Channel, String> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority)).domain_name("kith.test");
    if let Some((certificate, key)) = identity {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", kith.address)).unwrap().tls_config(tls).unwrap();
    endpoint.connect().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_certificate_says_who_calls_and_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.issue("kith.test");
    fs::write(path("cert.pem"), &certificate).unwrap();
    fs::write(path("key.pem"), &key).unwrap();
    fs::write(path("ca.pem"), &authority.pem).unwrap();
    let callers =
        "[[callers]]\nname = \"feed\"\nroles = [\"service\"]\ncertificates = [\"spiffe://test/feed\", \"feed.test\"]\n";
    fs::write(path("callers.toml"), callers).unwrap();
    let tls =
        TlsFiles { certificate: path("cert.pem"), key: path("key.pem"), client_authorities: Some(path("ca.pem")) };
    let kith = Kith::start_unconnected(served_with(|server| {
        server.tls = Some(tls);
        server.access = Some(path("callers.toml"));
    }))
    .await;
    let ask = |channel: Channel| async move {
        MemberServiceClient::new(channel).list_members(ListMembersRequest::default()).await.map(|_| ())
    };
    for known in ["spiffe://test/feed", "feed.test"] {
        let channel = over_tls(&kith, &authority.pem, Some(&authority.issue(known))).await.unwrap();
        ask(channel).await.unwrap();
    }
    for (why, identity) in [("no certificate", None), ("not in the file", Some(authority.issue("other.test")))] {
        let channel = over_tls(&kith, &authority.pem, identity.as_ref()).await.unwrap();
        assert_eq!(refusal(&ask(channel).await.unwrap_err()), unauthenticated(), "{why}");
    }
    let forged = stranger.issue("spiffe://test/feed");
    let refused = match over_tls(&kith, &authority.pem, Some(&forged)).await {
        Err(_) => true,
        Ok(channel) => {
            ask(channel).await.is_err_and(|status| status.code() == Code::Unavailable || status.code() == Code::Unknown)
        }
    };
    assert!(refused, "a certificate of another authority is taken");

    // Half of a new pair is not used; the whole of it is, and old connections are asked to come again.
    let feed = authority.issue("feed.test");
    let (certificate, key) = stranger.issue("kith.test");
    fs::write(path("cert.pem"), &certificate).unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    ask(over_tls(&kith, &authority.pem, Some(&feed)).await.unwrap()).await.unwrap();
    fs::write(path("key.pem"), &key).unwrap();
    until(|| async { over_tls(&kith, &stranger.pem, Some(&feed)).await.is_ok() }).await;
    assert!(over_tls(&kith, &authority.pem, Some(&feed)).await.is_err());
    kith.stop().await.unwrap();
}

/// What a refusal for a quota says: whose, and when to come again.
fn used_up(status: &Status) -> (String, Duration) {
    assert_eq!(refusal(status), (Code::ResourceExhausted, "QUOTA_EXCEEDED".to_owned()));
    let details = status.get_error_details();
    let subject = details.quota_failure().unwrap().violations[0].subject.clone();
    (subject, details.retry_info().unwrap().retry_delay.unwrap())
}

#[tokio::test]
async fn a_caller_has_its_quota() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(served_with(|server| {
        server.access = Some(roles_file(folder.path()));
        server.calls = CallLimits { caller_rate: Some(Rate { per_second: 1, burst: 3 }), ..CallLimits::default() };
    }))
    .await;
    let mut edges = EdgeServiceClient::new(kith.channel.clone());
    let refused = loop {
        if let Err(status) = edges.list_kinds(bearing(ListKindsRequest::default(), "read-token")).await {
            break status;
        }
    };
    let (subject, wait) = used_up(&refused);
    assert!(subject.contains("read") && wait > Duration::ZERO && wait < Duration::from_secs(10), "{subject} {wait:?}");
    edges.list_kinds(bearing(ListKindsRequest::default(), "service-token")).await.unwrap();
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_viewer_has_its_quota_whoever_asks() {
    let kith = Kith::start(served_with(|server| server.viewer_rate = Some(Rate { per_second: 1, burst: 2 }))).await;
    kith.put_chain().await;
    let discover = |viewer: &str| DiscoverStatusesRequest { viewer_id: viewer.to_owned(), ..Default::default() };
    let refused = loop {
        if let Err(status) = kith.reach().discover_statuses(discover("ana")).await {
            break status;
        }
    };
    assert!(used_up(&refused).0.contains("ana"));
    kith.reach().discover_statuses(discover("ben")).await.unwrap();
    let refused = loop {
        let get = GetMemberRequest { viewer_id: "cleo".to_owned(), ..get("ana") };
        if let Err(status) = kith.members().get_member(get).await {
            break status;
        }
    };
    assert!(used_up(&refused).0.contains("cleo"));

    // Who is no member is asked for as often as one member, whatever it is called; and nothing shows that it is none.
    let mut refused = Vec::new();
    for ghost in 0..20 {
        let get = GetMemberRequest { viewer_id: format!("ghost{ghost}"), ..get("ana") };
        refused.extend(kith.members().get_member(get).await.err().map(|status| (ghost, status)));
    }
    assert!(refused.len() >= 15, "{}", refused.len());
    for (ghost, status) in refused {
        assert_eq!(used_up(&status).0, format!("viewer \"ghost{ghost}\""));
    }
    let get = GetMemberRequest { viewer_id: "dan".to_owned(), ..get("ana") };
    kith.members().get_member(get).await.expect("a member has a quota of its own");
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn more_calls_than_there_are_turns_are_refused_with_a_time_to_retry() {
    let kith = Kith::start(served_with(|server| {
        server.calls = CallLimits { streams_per_caller: 1, ..CallLimits::default() };
    }))
    .await;
    let mut data = DataServiceClient::new(kith.channel.clone());
    let first = data.watch(WatchRequest::default()).await.unwrap();
    let refused = data.watch(WatchRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::ResourceExhausted, "OVERLOADED".to_owned()));
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    kith.members().list_members(ListMembersRequest::default()).await.unwrap();
    drop(first);
    until(|| async { kith.data().watch(WatchRequest::default()).await.is_ok() }).await;
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn the_commands_are_known_by_what_they_show() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let authority = Authority::new();
    let (certificate, key) = authority.issue("localhost");
    for (name, text) in [("cert", &certificate), ("key", &key), ("ca", &authority.pem)] {
        fs::write(path(name), text).unwrap();
    }
    fs::write(path("token"), "admin-token\n").unwrap();
    let tls = TlsFiles { certificate: path("cert"), key: path("key"), client_authorities: None };
    let access = roles_file(folder.path());
    let kith =
        Kith::start_unconnected(served_with(|server| (server.tls, server.access) = (Some(tls), Some(access)))).await;
    let url = format!("https://localhost:{}", kith.address.port());
    let stats = |arguments: Vec<PathBuf>| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kith"));
        command.args(["stats", "--server", &url, "--ca"]).arg(path("ca")).args(arguments).output()
    };
    let known = stats(vec!["--token-file".into(), path("token")]).await.unwrap();
    assert!(known.status.success(), "{}", String::from_utf8_lossy(&known.stderr));
    let unknown = stats(Vec::new()).await.unwrap();
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("token"), "{unknown:?}");
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn the_audit_log_has_who_and_what_and_no_names() {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--log-format", "json", "--auth"]);
    let callers = roles_file(folder.path());
    let bound = sha256("bound-token");
    let bound =
        format!("[[callers]]\nname = \"bound\"\nroles = [\"read\"]\nviewer = \"ben\"\ntoken_sha256 = [\"{bound}\"]\n");
    fs::write(&callers, fs::read_to_string(&callers).unwrap() + &bound).unwrap();
    command.arg(callers).arg("--data").arg(folder.path().join("store"));
    let mut child = command.stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    let address = line.strip_prefix("kith serves on ").unwrap().split(' ').next().unwrap().parse().unwrap();
    let mut members = MemberServiceClient::new(crate::harness::connect(address).await);
    let named = Member { display_name: "Ana Secret".to_owned(), headline: "no secret".to_owned(), ..member("ana") };
    let put = PutMemberRequest { member: Some(named), ..Default::default() };
    members.put_member(bearing(put, "write-token")).await.unwrap();
    let erase = DeleteMemberRequest { id: "ana".to_owned(), ..Default::default() };
    members.delete_member(bearing(erase, "write-token")).await.unwrap();
    members.get_member(bearing(get("ana"), "read-token")).await.unwrap_err();
    let for_ana =
        BatchGetMembersRequest { ids: vec!["ana".to_owned()], viewer_id: "ana".to_owned(), ..Default::default() };
    members.batch_get_members(bearing(for_ana, "bound-token")).await.unwrap_err();
    child.kill().unwrap();
    child.wait().unwrap();
    let text = fs::read_to_string(log).unwrap();
    assert!(!text.to_lowercase().contains("secret") && !text.contains("-token"), "{text}");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].clone()).collect();
    let logged = |message: &str, rpc: &str| lines.iter().find(|line| line["message"] == message && line["rpc"] == rpc);
    let write = logged("write", "MemberService/PutMember").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(
        (&write["caller"], &write["outcome"], &write["ids"]),
        (&json!("write"), &json!("Ok"), &json!("[\"put_member ana\"]"))
    );
    let erased = logged("write", "MemberService/DeleteMember").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(erased["erasures"], json!(1));
    let denied = logged("denied", "MemberService/GetMember").unwrap_or_else(|| panic!("{text}"));
    assert_eq!((&denied["caller"], &denied["address"]), (&json!("read"), &json!("127.0.0.1")));
    assert_eq!((&denied["namespace"], &denied["names"]), (&json!("default"), &json!("[]")));
    let denied = logged("denied", "MemberService/BatchGetMembers").unwrap_or_else(|| panic!("{text}"));
    let why = json!("the caller may read on behalf of its own viewer alone");
    assert_eq!((&denied["caller"], &denied["why"]), (&json!("bound"), &why));
}
