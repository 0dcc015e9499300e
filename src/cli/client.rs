//! The connection to a server, and a client of each service over it.

use std::error::Error;
use std::time::Duration;

use clap::Args;
use tonic::transport::{Channel, Endpoint};

use super::failure::Failure;
use crate::proto::v1::admin_service_client::AdminServiceClient;
use crate::proto::v1::data_service_client::DataServiceClient;
use crate::proto::v1::edge_service_client::EdgeServiceClient;
use crate::proto::v1::introduction_service_client::IntroductionServiceClient;
use crate::proto::v1::member_service_client::MemberServiceClient;
use crate::proto::v1::path_service_client::PathServiceClient;
use crate::proto::v1::reach_service_client::ReachServiceClient;
use crate::proto::v1::status_service_client::StatusServiceClient;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that answers no ping for so long during a call is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A page of members with all their labels is larger than tonic's 4 MiB.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Which server a command asks, and in which form it answers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who is asked, and how it is told")]
pub struct ServerArgs {
    /// Where the server is.
    #[arg(long, env = "KITH_SERVER", value_name = "URL", default_value = "http://127.0.0.1:5484")]
    server: String,
    /// Answer in JSON, as the API maps it.
    #[arg(long)]
    pub json: bool,
}

impl ServerArgs {
    pub async fn connect(&self) -> Result<Client, Failure> {
        Client::connect(&self.server).await
    }
}

/// A connected server.
pub struct Client {
    channel: Channel,
}

/// One accessor for each service, since each generated client is a type of its own.
macro_rules! services {
    ($($(#[$doc:meta])* $name:ident: $client:ident,)*) => {
        impl Client {
            $($(#[$doc])* pub fn $name(&self) -> $client<Channel> {
                $client::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
            })*
        }
    };
}

services! {
    /// `AdminService`.
    admin: AdminServiceClient,
    /// `DataService`.
    data: DataServiceClient,
    /// `EdgeService`.
    edges: EdgeServiceClient,
    /// `IntroductionService`.
    introductions: IntroductionServiceClient,
    /// `MemberService`.
    members: MemberServiceClient,
    /// `PathService`.
    paths: PathServiceClient,
    /// `ReachService`.
    reach: ReachServiceClient,
    /// `StatusService`.
    statuses: StatusServiceClient,
}

impl Client {
    /// Connects to `http://HOST:PORT`, or `HOST:PORT`.
    pub async fn connect(server: &str) -> Result<Client, Failure> {
        let url = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        if !url.starts_with("http://") {
            return Err(Failure::new(format!("--server {server}: give http://HOST:PORT; kith speaks plain HTTP/2")));
        }
        let endpoint = Endpoint::from_shared(url)
            .and_then(|endpoint| endpoint.user_agent(concat!("kith/", env!("CARGO_PKG_VERSION"))))
            .map_err(|_| Failure::new(format!("--server {server}: not an address; give http://HOST:PORT")))?;
        let endpoint = endpoint.tcp_nodelay(true).connect_timeout(CONNECT_TIMEOUT);
        let endpoint = endpoint.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
        let channel = endpoint.connect().await.map_err(|error| unreachable(server, &error))?;
        Ok(Client { channel })
    }
}

fn unreachable(server: &str, error: &dyn Error) -> Failure {
    Failure::Unreachable { server: server.to_owned(), why: innermost(error) }
}

/// The cause of all causes says it plainest: `Connection refused`.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
