//! The server that a command asks, and how the caller is known there.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
pub use kith_client::{Client, Connection};
use kith_client::{Endpoint, EndpointError};

use super::failure::Failure;
use crate::domain::NamespaceName;

/// Which server a command asks, and in which form it answers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who is asked, and how the answer is printed")]
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
    /// The namespace that is asked; `default` when not given. Of backup: the one that is backed up; all when not given.
    #[arg(long, env = "KITH_NAMESPACE", value_name = "NAME", value_parser = namespace)]
    pub namespace: Option<NamespaceName>,
    /// Answer in JSON, as the API maps it.
    #[arg(long)]
    pub json: bool,
}

impl ServerArgs {
    /// Returns the arguments for a server that asks nobody who they are.
    pub fn at(address: SocketAddr) -> ServerArgs {
        let server = format!("http://{address}");
        ServerArgs {
            server,
            ca: None,
            client_cert: None,
            client_key: None,
            token_file: None,
            namespace: None,
            json: false,
        }
    }

    /// Returns a client that is connected to the server.
    pub async fn connect(&self) -> Result<Client, Failure> {
        let mut endpoint = Endpoint::new(&self.server).user_agent(concat!("kith/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = &self.ca {
            endpoint = endpoint.ca(read(ca)?);
        }
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            endpoint = endpoint.identity(read(certificate)?, read(key)?);
        }
        if let Some(file) = &self.token_file {
            let wrong = |error| Failure::new(format!("--token-file {}: {error}", file.display()));
            endpoint = endpoint.token(&String::from_utf8_lossy(&read(file)?)).map_err(wrong)?;
        }
        if let Some(name) = &self.namespace {
            endpoint = endpoint.namespace(name.as_str()).map_err(|error| Failure::new(error.to_string()))?;
        }
        endpoint.connect().await.map_err(|error| match error {
            EndpointError::Unreachable(why) => Failure::Unreachable { server: self.server.clone(), why },
            EndpointError::Tls(why) => Failure::new(why),
            wrong => Failure::new(format!("--server {}: {wrong}", self.server)),
        })
    }
}

/// Parses a namespace's name.
pub fn namespace(text: &str) -> Result<NamespaceName, String> {
    NamespaceName::parse("namespace", text).map_err(|wrong| wrong.message)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))
}
