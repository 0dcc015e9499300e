//! The connection to a server, and a client of each service over it.

use std::error::Error;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use tonic_health::pb::health_client::HealthClient;

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
    /// The authorities that the server's certificate must come from, in PEM; for `https://`.
    #[arg(long, env = "KITH_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate to be known by, in PEM.
    #[arg(long, env = "KITH_CLIENT_CERT", value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, env = "KITH_CLIENT_KEY", value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// The file of the token to be known by.
    #[arg(long, env = "KITH_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Answer in JSON, as the API maps it.
    #[arg(long)]
    pub json: bool,
}

impl ServerArgs {
    /// A server that asks nobody who they are.
    pub fn at(address: SocketAddr) -> ServerArgs {
        let server = format!("http://{address}");
        ServerArgs { server, ca: None, client_cert: None, client_key: None, token_file: None, json: false }
    }

    pub async fn connect(&self) -> Result<Client, Failure> {
        Client::connect(self).await
    }

    fn tls(&self) -> Result<ClientTlsConfig, Failure> {
        let mut tls = ClientTlsConfig::new();
        if let Some(ca) = &self.ca {
            tls = tls.ca_certificate(Certificate::from_pem(read(ca)?));
        }
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        Ok(tls)
    }

    fn token(&self) -> Result<Bearer, Failure> {
        let Some(file) = &self.token_file else { return Ok(Bearer(None)) };
        let text = read(file)?;
        let value = format!("Bearer {}", String::from_utf8_lossy(&text).trim()).parse();
        let mut value: MetadataValue<Ascii> =
            value.map_err(|_| Failure::new(format!("--token-file {}: holds no token", file.display())))?;
        value.set_sensitive(true);
        Ok(Bearer(Some(value)))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))
}

/// Shows the token, if there is one, with every call.
#[derive(Debug, Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// What the clients of all services call through.
pub type Line = InterceptedService<Channel, Bearer>;

/// A connected server.
pub struct Client {
    line: Line,
}

/// One accessor for each service, since each generated client is a type of its own.
macro_rules! services {
    ($($(#[$doc:meta])* $name:ident: $client:ident,)*) => {
        impl Client {
            $($(#[$doc])* pub fn $name(&self) -> $client<Line> {
                $client::new(self.line.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
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
    /// `grpc.health.v1`.
    health: HealthClient,
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
    /// Connects to `http://HOST:PORT`, `https://HOST:PORT`, or `HOST:PORT`.
    async fn connect(args: &ServerArgs) -> Result<Client, Failure> {
        let server = &args.server;
        let url = if server.contains("://") { server.clone() } else { format!("http://{server}") };
        let encrypted = url.starts_with("https://");
        let wrong =
            || Failure::new(format!("--server {server}: not an address; give http://HOST:PORT or https://HOST:PORT"));
        if !encrypted && !url.starts_with("http://") {
            return Err(wrong());
        }
        let endpoint = Endpoint::from_shared(url)
            .and_then(|endpoint| endpoint.user_agent(concat!("kith/", env!("CARGO_PKG_VERSION"))))
            .map_err(|_| wrong())?;
        if args.token_file.is_some() && !encrypted && !is_loopback(&endpoint) {
            return Err(Failure::new(format!(
                "--server {server}: a token is sent over https:// alone, or to the loopback"
            )));
        }
        let endpoint = if encrypted {
            endpoint.tls_config(args.tls()?).map_err(|error| Failure::new(innermost(&error)))?
        } else {
            endpoint
        };
        let bearer = args.token()?;
        let endpoint = endpoint.tcp_nodelay(true).connect_timeout(CONNECT_TIMEOUT);
        let endpoint = endpoint.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
        let channel = endpoint.connect().await.map_err(|error| unreachable(server, &error))?;
        Ok(Client { line: InterceptedService::new(channel, bearer) })
    }
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    let host = endpoint.uri().host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
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
