//! `grpc.health.v1`.

use tonic::Code;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Kith, PATIENCE};

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
