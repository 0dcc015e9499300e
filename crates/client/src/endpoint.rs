//! A server's address, and the caller's credentials.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error as ThisError;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint as Transport, Identity};

use crate::client::Client;
use crate::connection::CallMetadata;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that answers no ping for so long during a call is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The reason why there is no client of an endpoint.
#[derive(Debug, ThisError)]
pub enum EndpointError {
    #[error("not an address; give http://HOST:PORT or https://HOST:PORT")]
    NotAnAddress,
    #[error("a token is sent over https:// alone, or to the loopback")]
    TokenInTheClear,
    #[error("holds no token")]
    NotAToken,
    #[error("is no namespace's name")]
    NotANamespace,
    /// A certificate or a key is not what it should be.
    #[error("{0}")]
    Tls(String),
    #[error("{0}")]
    Unreachable(String),
}

/// A server's address, with the caller's credentials.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: String,
    user_agent: String,
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    metadata: CallMetadata,
}

impl Endpoint {
    /// Returns the endpoint of `http://HOST:PORT`, `https://HOST:PORT`, or `HOST:PORT`, which stands for `http://`.
    pub fn new(server: &str) -> Endpoint {
        let url = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        let user_agent = concat!("kith-client/", env!("CARGO_PKG_VERSION")).to_owned();
        Endpoint { url, user_agent, ca: None, identity: None, metadata: CallMetadata::default() }
    }

    /// Names the calling program.
    pub fn user_agent(self, name: impl Into<String>) -> Endpoint {
        Endpoint { user_agent: name.into(), ..self }
    }

    /// Sets the authorities that the server's certificate must come from, in PEM.
    pub fn ca(self, pem: Vec<u8>) -> Endpoint {
        Endpoint { ca: Some(pem), ..self }
    }

    /// Sets the caller's certificate and key, in PEM.
    pub fn identity(self, certificate: Vec<u8>, key: Vec<u8>) -> Endpoint {
        Endpoint { identity: Some((certificate, key)), ..self }
    }

    /// Sets the caller's bearer token.
    ///
    /// # Errors
    /// Returns `NotAToken` if the text cannot stand in a header.
    pub fn token(self, token: &str) -> Result<Endpoint, EndpointError> {
        let value = format!("Bearer {}", token.trim()).parse();
        let mut value: MetadataValue<Ascii> = value.map_err(|_| EndpointError::NotAToken)?;
        value.set_sensitive(true);
        let metadata = CallMetadata { authorization: Some(value), ..self.metadata };
        Ok(Endpoint { metadata, ..self })
    }

    /// Sets the namespace that the calls are of, which is `default` otherwise.
    ///
    /// # Errors
    /// Returns `NotANamespace` if the text cannot stand in a header.
    pub fn namespace(self, name: &str) -> Result<Endpoint, EndpointError> {
        let value = name.parse().map_err(|_| EndpointError::NotANamespace)?;
        let metadata = CallMetadata { namespace: Some(value), ..self.metadata };
        Ok(Endpoint { metadata, ..self })
    }

    /// Returns a client that is connected.
    ///
    /// # Errors
    /// Returns what is wrong with the address or the credentials, and `Unreachable` if nothing answers within 5 seconds.
    pub async fn connect(self) -> Result<Client, EndpointError> {
        let (transport, metadata) = self.transport()?;
        let channel = transport.connect().await.map_err(|error| EndpointError::Unreachable(innermost(&error)))?;
        Ok(Client::new(channel, metadata))
    }

    /// Returns a client that connects with its first call, and again whenever the connection is lost.
    ///
    /// # Errors
    /// Returns what is wrong with the address or the credentials.
    pub fn connect_lazy(self) -> Result<Client, EndpointError> {
        let (transport, metadata) = self.transport()?;
        Ok(Client::new(transport.connect_lazy(), metadata))
    }

    fn transport(self) -> Result<(Transport, CallMetadata), EndpointError> {
        let encrypted = self.url.starts_with("https://");
        if !encrypted && !self.url.starts_with("http://") {
            return Err(EndpointError::NotAnAddress);
        }
        let transport = Transport::from_shared(self.url).and_then(|transport| transport.user_agent(self.user_agent));
        let mut transport = transport.map_err(|_| EndpointError::NotAnAddress)?;
        if self.metadata.authorization.is_some() && !encrypted && !is_loopback(&transport) {
            return Err(EndpointError::TokenInTheClear);
        }
        if encrypted {
            let mut tls = ClientTlsConfig::new();
            if let Some(ca) = self.ca {
                tls = tls.ca_certificate(Certificate::from_pem(ca));
            }
            if let Some((certificate, key)) = self.identity {
                tls = tls.identity(Identity::from_pem(certificate, key));
            }
            transport = transport.tls_config(tls).map_err(|error| EndpointError::Tls(innermost(&error)))?;
        }
        let transport = transport.tcp_nodelay(true).connect_timeout(CONNECT_TIMEOUT);
        let transport = transport.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
        Ok((transport, self.metadata))
    }
}

fn is_loopback(transport: &Transport) -> bool {
    let host = transport.uri().host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Returns the innermost cause, which says it plainest: `Connection refused`.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
