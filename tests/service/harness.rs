//! A server on a port of its own, and clients for it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use kith::app::{App, AppError, AppOptions, ServerOptions, StoreOptions};
use kith::engine::EngineOptions;
use kith::proto::v1::admin_service_client::AdminServiceClient;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::edge_service_client::EdgeServiceClient;
use kith::proto::v1::introduction_service_client::IntroductionServiceClient;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::path_service_client::PathServiceClient;
use kith::proto::v1::reach_service_client::ReachServiceClient;
use kith::proto::v1::status_service_client::StatusServiceClient;
use kith::proto::v1::{Edge, Member, PutEdgeRequest, PutMemberRequest, Status};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic_types::StatusExt;

/// Longer than anything a test waits for takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The status that a stream ends with, once it does not end well.
pub async fn end_of<T>(stream: &mut tonic::Streaming<T>) -> tonic::Status {
    let ended = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ends well"),
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the stream ends")
}

/// Whether times are held to their bars: on a machine that does nothing else.
pub fn bars_hold() -> bool {
    std::env::var_os("KITH_TIMES").is_some()
}

/// A running server.
pub struct Kith {
    pub address: SocketAddr,
    pub channel: Channel,
    /// Where its metrics are, if it was told to tell them.
    pub metrics: Option<SocketAddr>,
    /// Where probes ask, if it was told to answer them.
    pub health: Option<SocketAddr>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), AppError>>,
}

impl Kith {
    pub async fn in_memory() -> Kith {
        Kith::start(options(StoreOptions::Memory)).await
    }

    pub async fn on_disk(folder: &Path) -> Kith {
        Kith::start(options(StoreOptions::Folder(folder.to_owned()))).await
    }

    pub async fn start(options: AppOptions) -> Kith {
        let mut kith = Kith::start_unconnected(options).await;
        kith.channel = connect(kith.address).await;
        kith
    }

    /// The same; its channel connects when it is used, and not over TLS.
    pub async fn start_unconnected(options: AppOptions) -> Kith {
        let app = App::start(options).await.unwrap();
        let (address, metrics, health) = (app.address(), app.metrics_address(), app.health_address());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(app.run_until(async {
            let _ = stopped.await;
        }));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        Kith { address, channel, metrics, health, stop, ended }
    }

    /// Stops the server and waits until it has ended.
    pub async fn stop(self) -> Result<(), AppError> {
        drop(self.channel);
        let _ = self.stop.send(());
        tokio::time::timeout(PATIENCE, self.ended).await.expect("the server ends").unwrap()
    }

    pub fn members(&self) -> MemberServiceClient<Channel> {
        MemberServiceClient::new(self.channel.clone())
    }

    pub fn edges(&self) -> EdgeServiceClient<Channel> {
        EdgeServiceClient::new(self.channel.clone())
    }

    pub fn statuses(&self) -> StatusServiceClient<Channel> {
        StatusServiceClient::new(self.channel.clone())
    }

    pub fn reach(&self) -> ReachServiceClient<Channel> {
        ReachServiceClient::new(self.channel.clone())
    }

    pub fn paths(&self) -> PathServiceClient<Channel> {
        PathServiceClient::new(self.channel.clone())
    }

    pub fn introductions(&self) -> IntroductionServiceClient<Channel> {
        IntroductionServiceClient::new(self.channel.clone())
    }

    pub fn data(&self) -> DataServiceClient<Channel> {
        DataServiceClient::new(self.channel.clone())
    }

    pub fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel.clone())
    }

    pub async fn put_member(&self, member: Member) -> Member {
        let request = PutMemberRequest { member: Some(member), ..Default::default() };
        self.members().put_member(request).await.unwrap().into_inner().member.unwrap()
    }

    /// Puts an edge and, where there are none, its ends.
    pub async fn put_edge(&self, edge: Edge) -> Edge {
        let request = PutEdgeRequest { edge: Some(edge), allow_missing_members: true, ..Default::default() };
        self.edges().put_edge(request).await.unwrap().into_inner().edge.unwrap()
    }

    /// ana –friend– ben –colleague– cleo –client– dan, and eva follows ana.
    pub async fn put_chain(&self) {
        for (from_id, kind, to_id) in [
            ("ana", "friend", "ben"),
            ("ben", "colleague", "cleo"),
            ("cleo", "client", "dan"),
            ("eva", "follows", "ana"),
        ] {
            self.put_edge(edge(from_id, kind, to_id)).await;
        }
    }
}

pub fn options(store: StoreOptions) -> AppOptions {
    AppOptions {
        store,
        server: ServerOptions::at("127.0.0.1:0".parse().unwrap()),
        engine: EngineOptions::default(),
        archive: None,
    }
}

pub async fn connect(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

pub fn member(id: &str) -> Member {
    Member { id: id.to_owned(), ..Default::default() }
}

pub fn edge(from_id: &str, kind: &str, to_id: &str) -> Edge {
    Edge { from_id: from_id.to_owned(), kind: kind.to_owned(), to_id: to_id.to_owned(), ..Default::default() }
}

pub fn status(id: &str, author_id: &str, text: &str) -> Status {
    Status { id: id.to_owned(), author_id: author_id.to_owned(), text: text.to_owned(), ..Default::default() }
}

/// The reason an error carries, which must be kith's.
pub fn reason(status: &tonic::Status) -> String {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "kith");
    info.reason
}
