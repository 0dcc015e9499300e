//! The listener for nothing but health: probes need no TLS and no token, and learn nothing else.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use kith::app::{AppOptions, ServerOptions, StoreOptions, TlsFiles};
use kith::proto::v1::GetServerInfoRequest;
use kith::proto::v1::admin_service_client::AdminServiceClient;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::harness::{Kith, PATIENCE, connect, options};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn status(health: &mut HealthClient<tonic::transport::Channel>, service: &str) -> i32 {
    let request = HealthCheckRequest { service: service.to_owned() };
    health.check(request).await.unwrap().into_inner().status
}

#[tokio::test]
async fn probes_of_a_server_with_tls_and_callers_ask_without_either() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let tls = TlsFiles {
        certificate: file("tls.crt", &made.cert.pem()),
        key: file("tls.key", &made.signing_key.serialize_pem()),
        client_authorities: None,
    };
    let callers =
        format!("[[callers]]\nname = \"feed\"\nroles = [\"read\"]\ntoken_sha256 = [\"{}\"]\n", "0".repeat(64));
    let access = Some(file("callers.toml", &callers));
    let plain = options(StoreOptions::Memory);
    let server = ServerOptions { tls: Some(tls), access, health: Some(ANY_PORT), ..plain.server };
    let kith = Kith::start_unconnected(AppOptions { server, ..plain }).await;

    let channel = connect(kith.health.unwrap()).await;
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "kith.v1.PathService"] {
        assert_eq!(status(&mut health, service).await, ServingStatus::Serving as i32);
    }
    let info = AdminServiceClient::new(channel.clone()).get_server_info(GetServerInfoRequest::default()).await;
    assert_eq!(info.unwrap_err().code(), Code::Unimplemented);
    let asked = tokio_stream::iter([ServerReflectionRequest::default()]);
    let reflection = ServerReflectionClient::new(channel).server_reflection_info(asked).await;
    assert_eq!(reflection.unwrap_err().code(), Code::Unimplemented);

    // A stream of a caller over TLS keeps the server draining: probes hear of it, and then the port is free.
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(made.cert.pem())).domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://{}", kith.address)).unwrap().tls_config(tls).unwrap();
    let mut streaming = HealthClient::new(endpoint.connect().await.unwrap());
    let mut watched = streaming.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert!(watched.message().await.unwrap().is_some());
    let probed = kith.health.unwrap();
    let stopped = tokio::spawn(kith.stop());
    let changed = timeout(PATIENCE, watched.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(changed.status, ServingStatus::NotServing as i32);
    assert_eq!(status(&mut health, "").await, ServingStatus::NotServing as i32);
    assert!(!stopped.is_finished(), "a caller's stream is under way");
    drop((watched, streaming));
    timeout(PATIENCE + Duration::from_secs(1), stopped).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(probed).is_err(), "the port is free again");
}
