//! `grpc.health.v1`.

use std::time::Duration;

use kith::engine::{Engine, EngineOptions};
use kith::proto::v1::GetServerInfoRequest;
use kith::proto::v1::admin_service_client::AdminServiceClient;
use kith::server::{Ending, Server, ServerOptions};
use kith::store::{MemoryStore, StoreId};
use tonic::Code;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus as WatchedStatus;
use tonic_health::pb::health_client::HealthClient;

use tonic_types::StatusExt;

use crate::harness::{Kith, PATIENCE, connect};

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn every_service_serves() {
    let kith = Kith::in_memory().await;
    let mut health = HealthClient::new(kith.channel.clone());
    let services = ["Member", "Edge", "Status", "Reach", "Path", "Introduction", "Data", "Admin"];
    let services = services.map(|name| format!("kith.v1.{name}Service"));
    for service in services.iter().map(String::as_str).chain([""]) {
        let status = health.check(of(service)).await.unwrap().into_inner().status;
        assert_eq!(status, ServingStatus::Serving as i32, "{service}");
    }
    assert_eq!(health.check(of("kith.v1.NoService")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn while_the_store_is_loaded_it_does_not_serve_and_says_so() {
    let drain = Duration::from_secs(1);
    let options = ServerOptions { drain, ..ServerOptions::at("127.0.0.1:0".parse().unwrap()) };
    let server = Server::start(options).await.unwrap();
    let channel = connect(server.local_addr()).await;
    let (mut health, mut admin) = (HealthClient::new(channel.clone()), AdminServiceClient::new(channel));
    for service in ["", "kith.v1.PathService"] {
        let status = health.check(of(service)).await.unwrap().into_inner().status;
        assert_eq!(status, ServingStatus::NotServing as i32, "{service}");
    }
    let mut watched = health.watch(of("")).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status, ServingStatus::NotServing as i32);
    let refused = admin.get_server_info(GetServerInfoRequest::default()).await.unwrap_err();
    let details = refused.get_error_details();
    assert_eq!((refused.code(), &*details.error_info().unwrap().reason), (Code::Unavailable, "NOT_READY"));
    assert!(details.retry_info().unwrap().retry_delay.is_some());

    let (engine, writer) = Engine::open(MemoryStore::new(StoreId(1)).open(), EngineOptions::default()).unwrap();
    server.open(engine).await;
    let next = tokio::time::timeout(PATIENCE, watched.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(next.status, ServingStatus::Serving as i32);
    admin.get_server_info(GetServerInfoRequest::default()).await.unwrap();
    drop((watched, health, admin));
    server.run_until(std::future::ready(Ending::Drained)).await.unwrap();
    let ended = tokio::task::spawn_blocking(|| writer.join());
    tokio::time::timeout(PATIENCE, ended).await.expect("nobody holds the engine any more").unwrap();
}

#[tokio::test]
async fn a_stopping_server_says_so() {
    let kith = Kith::in_memory().await;
    let mut health = HealthClient::new(kith.channel.clone());
    let mut watched = health.watch(of("kith.v1.PathService")).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status, ServingStatus::Serving as i32);
    let stopped = tokio::spawn(kith.stop());
    let next = tokio::time::timeout(PATIENCE, watched.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(next.status, ServingStatus::NotServing as i32);
    drop((watched, health));
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unknown_to_its_watchers_who_go_on_watching() {
    let kith = Kith::in_memory().await;
    let mut health = HealthClient::new(kith.channel.clone());
    let mut watched = health.watch(of("kith.v1.NoService")).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status, WatchedStatus::ServiceUnknown as i32);
    let next = tokio::time::timeout(Duration::from_millis(300), watched.message()).await;
    assert!(next.is_err(), "the stream stays open: {next:?}");
}
